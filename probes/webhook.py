"""A sender of one's own: reads the mail events it reports and what it says of its domains. docs/own-sender.md.

Both directions are signed as Standard Webhooks has it (https://github.com/standard-webhooks/standard-webhooks,
spec/standard-webhooks.md, read 2026-11-22): HMAC-SHA256 over `id.timestamp.body`, several signatures allowed.
"""

import asyncio
import base64
import binascii
import hmac
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from ipaddress import ip_address
from itertools import islice
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from pydantic import Field, SecretStr, field_validator
from standardwebhooks.webhooks import Webhook as Signer

from probes.config import Secret, Strict
from probes.http import Http, HttpFault, Response, check, error_text, redacted
from probes.observation import ForgedRequest, Observation, Parsed, Reading, Seen, Unseen, Why, Window
from probes.webhook_events import parse_events

SOURCE = "webhook"
TOLERANCE_SECONDS = 300
_PREFIX = "whsec_"
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
        if secret is None:
            return None
        text = secret.get_secret_value()
        try:
            size = len(base64.b64decode(text.removeprefix(_PREFIX), validate=True)) if text.startswith(_PREFIX) else 0
        except ValueError:
            size = 0
        if not 24 <= size <= 64:
            raise ValueError(f"expected {_PREFIX} and base64 of 24 to 64 bytes (Standard Webhooks)")
        return secret

    @field_validator("control_url")
    @classmethod
    def _is_safe(cls, url: str) -> str:
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname, parts.port
        except ValueError:
            host = None
        if not host or not (parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))):
            raise ValueError("expected https://HOST/..., or http:// on a loopback address")
        if parts.username is not None or parts.fragment:
            raise ValueError("expected an address without user, password or fragment: calls are signed")
        return url

    @property
    def secrets(self) -> tuple[str, ...]:
        """The secrets in force, the present one first."""
        both = (self.secret, self.previous_secret)
        return tuple(secret.get_secret_value() for secret in both if secret is not None)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@lru_cache(maxsize=64)
def _signer(secret: str) -> Signer:
    return Signer(secret)


def verify(config: Config, headers: Mapping[str, str], body: bytes, now: datetime) -> None:
    """Nothing when one of the signatures is the sender's. `headers` are in lower case, or found in any case.

    Raises:
        ForgedRequest: a header is missing, the time is more than 5 minutes off, or no signature holds.
    """
    name, stamp, given = (headers.get(f"webhook-{part}") for part in ("id", "timestamp", "signature"))
    if not name or not stamp or not given:
        raise ForgedRequest("webhook-id, webhook-timestamp or webhook-signature is missing")
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 11):
        raise ForgedRequest("webhook-timestamp is not in seconds since 1970")
    seconds = int(stamp)
    off = seconds - now.timestamp()
    if abs(off) > TOLERANCE_SECONDS:
        when = "ahead" if off > 0 else "ago"
        raise ForgedRequest(f"webhook-timestamp is {abs(off):.0f} s {when}, at most {TOLERANCE_SECONDS} allowed")
    offered = [part.encode(errors="replace") for part in given.split(" ") if part.startswith("v1,")]
    for secret in config.secrets:
        expected = _signature(secret, name, seconds, body)
        for signature in offered:
            if hmac.compare_digest(expected, signature):
                return
    raise ForgedRequest(_why_none_holds(offered))


def _signature(secret: str, name: str, seconds: int, body: bytes) -> bytes:
    try:
        return _signer(secret).sign(name, datetime.fromtimestamp(seconds, UTC), body.decode()).encode()
    except UnicodeError:
        raise ForgedRequest("webhook-id or the body is not UTF-8, so no signature can be right") from None


def _why_none_holds(offered: Sequence[bytes]) -> str:
    if not offered:
        return "webhook-signature holds no signature of version v1"
    try:
        sizes = {len(base64.b64decode(signature.removeprefix(b"v1,"), validate=True)) for signature in offered}
    except binascii.Error:
        return "webhook-signature is not base64"
    if sizes != {32}:
        return "webhook-signature is not 32 bytes long"
    return "webhook-signature does not match: another secret, or the body was changed on its way"


def sign(config: Config, name: str, now: datetime, body: bytes) -> dict[str, str]:
    """The headers of a request of ours: `name` is its id, `now` when it leaves, `body` UTF-8."""
    stamp = int(now.timestamp())
    signatures = (_signature(secret, name, stamp, body).decode() for secret in config.secrets)
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
    secrets = [form for secret in config.secrets for form in (secret, secret.removeprefix(_PREFIX))]
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
