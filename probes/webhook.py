"""A sender of one's own: reads the mail events it reports and what it says of its domains. docs/own-sender.md.

Both directions are signed as Standard Webhooks has it (https://github.com/standard-webhooks/standard-webhooks,
spec/standard-webhooks.md, read 2026-11-22): HMAC-SHA256 over `id.timestamp.body`, several signatures allowed.
"""

import asyncio
import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Annotated, Any, Literal

import msgspec
from pydantic import Field, SecretStr, field_validator

from probes import standard_webhooks
from probes.config import Secret, Strict
from probes.http import Http, HttpFault, Response, check, error_text, redacted
from probes.observation import Observation, Parsed, Reading, Seen, Unseen, Why, Window
from probes.vendor_calls import safe_address
from probes.webhook_events import parse_events

SOURCE = "webhook"
_SHORTEST_KEY = 24
# Beyond it a number is no longer exact in everybody's JSON.
_LARGEST = 2**53


class Config(Strict):
    """One sender. `previous_secret` is accepted too, and signed with too, while the secret is being changed."""

    kind: Literal["webhook"]
    secret: Secret
    previous_secret: Secret | None = None
    control_url: str
    timeout_seconds: float = Field(default=10, gt=0, le=120, allow_inf_nan=False)
    calls_in_flight: int = Field(default=16, ge=1, le=1000)

    @field_validator("secret", "previous_secret")
    @classmethod
    def _is_a_key(cls, secret: SecretStr | None) -> SecretStr | None:
        return standard_webhooks.key(secret, _SHORTEST_KEY)

    @field_validator("control_url")
    @classmethod
    def _is_safe(cls, url: str) -> str:
        return safe_address(url)

    @property
    def secrets(self) -> tuple[str, ...]:
        """The secrets in force, the present one first."""
        return standard_webhooks.in_force(self.secret, self.previous_secret)


def verify(config: Config, headers: Mapping[str, str], body: bytes, now: datetime) -> None:
    """Nothing when one of the signatures is the sender's. `headers` are in lower case, or found in any case.

    Raises:
        ForgedRequest: a header is missing, the time is more than 5 minutes off, or no signature holds.
    """
    standard_webhooks.verify("webhook", config.secrets, headers, body, now)


def sign(config: Config, name: str, now: datetime, body: bytes) -> dict[str, str]:
    """The headers of a request of ours: `name` is its id, `now` when it leaves, `body` UTF-8."""
    stamp = int(now.timestamp())
    signatures = (standard_webhooks.signature(secret, name, stamp, body).decode() for secret in config.secrets)
    return {"webhook-id": name, "webhook-timestamp": str(stamp), "webhook-signature": " ".join(signatures)}


async def receive(config: Config, headers: Mapping[str, str], body: bytes, window: Window, http: Http) -> Parsed:
    """The events in one request of the sender.

    Raises:
        ForgedRequest, MalformedRequest: nothing of it can be used, and sending it again is no use.
    """
    verify(config, headers, body, window.now)
    return parse_events(body, window)


class State(msgspec.Struct, frozen=True):
    """What a sender says of one domain. `author` is who set it: `deliverd`, or anybody else."""

    state: Literal["running", "throttled", "paused"]
    domain: str | None = None
    daily_limit: Annotated[int, msgspec.Meta(ge=0, le=_LARGEST)] | None = None
    author: str | None = None
    statistics: Any = None

    @property
    def by(self) -> str:
        """The author, fit to be shown."""
        return "".join(letter for letter in (self.author or "")[:100] if letter.isprintable())


_STATE = msgspec.json.Decoder(State)


def parse_state(config: Config, domain: str, answer: Response, now: datetime) -> State:
    """The state in the sender's answer about `domain`.

    Raises:
        HttpFault: a status other than 2xx, an error inside a 200, or an answer that cannot be read.
    """
    where = redacted(config.control_url)
    secrets = [form for secret in config.secrets for form in (secret, secret.removeprefix(standard_webhooks.PREFIX))]
    check(answer, where, now, secrets)
    if said := error_text(answer.body, secrets):
        raise HttpFault(Why.REFUSED, f"{where}: the sender refuses: {said}")
    try:
        state = _STATE.decode(answer.body)
    except (ValueError, RecursionError):
        raise HttpFault(Why.UNREADABLE, f"{where}: {answer.status}, but no state of a domain in it") from None
    if state.domain is not None and state.domain.lower() != domain:
        raise HttpFault(Why.UNREADABLE, f"{where}: asked about {domain}, it answers about another domain")
    if state.state == "throttled" and not state.daily_limit:
        raise HttpFault(Why.UNREADABLE, f"{where}: {domain} is throttled, but to no daily_limit of 1 or more")
    return state


async def ask(config: Config, domain: str, http: Http, now: datetime) -> State:
    """Ask the sender about one domain. Raises HttpFault."""
    headers = sign(config, f"ask-{domain}-{now.timestamp():.6f}", now, b"")
    answer = await http.get(
        config.control_url, headers=headers, params={"domain": domain}, timeout_seconds=config.timeout_seconds
    )
    return parse_state(config, domain, answer, now)


async def observe(config: Config, domains: Sequence[str], http: Http, now: datetime) -> tuple[Observation, ...]:
    """What the sender says of each domain: `state`, `code`, `author`, `daily_limit` and its statistics."""
    turn = asyncio.Semaphore(config.calls_in_flight)

    async def look(domain: str) -> Observation:
        async with turn:
            try:
                answer: Seen | Unseen = _readings(await ask(config, domain, http, now))
            except HttpFault as fault:
                answer = Unseen(fault.why, fault.detail)
        return Observation(SOURCE, domain, now, answer)

    return tuple(await asyncio.gather(*map(look, domains)))


def _readings(state: State) -> Seen:
    """Statistics that are no numbers, or none that everybody can hold, are passed over: they are an extra."""
    readings: dict[str, Reading] = {}
    if isinstance(state.statistics, dict):
        readings |= {name: value for name, value in islice(state.statistics.items(), 50) if _is_number(name, value)}
    readings |= {"state": state.state, "code": "ok"}
    if state.by:
        readings["author"] = state.by
    if state.daily_limit is not None:
        readings["daily_limit"] = state.daily_limit
    return Seen(readings)


def _is_number(name: str, value: Any) -> bool:
    fits = type(value) in (int, float) and math.isfinite(value) and 0 <= value <= _LARGEST
    return fits and name.isidentifier() and len(name) <= 64
