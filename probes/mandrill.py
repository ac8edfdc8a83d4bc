"""Mandrill (Mailchimp Transactional): what it tells of each message, and its own counts by day. docs/mandrill.md.

Sources, read 2026-11-22: mandrill.zendesk.com "How to Authenticate Webhook Requests" and "Webhook Format"; Mailchimp
Transactional's OpenAPI file. Its signature covers the webhook's address and the whole body, but no time.
"""

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import parse_qsl

from pydantic import Field, StringConstraints

from probes.config import Secret, Strict
from probes.daily_numbers import Days, first_day, observations, unseen
from probes.discovery import Found
from probes.http import Http, HttpFault
from probes.mandrill_events import parse_events
from probes.mandrill_statistics import (
    Sender,
    SenderDomain,
    Subaccount,
    by_day,
    fault,
    found,
    senders_by_domain,
)
from probes.observation import ForgedRequest, MalformedRequest, Observation, Parsed, Unseen, Why, Window
from probes.vendor_calls import BaseUrl, Calls, because

SOURCE = "mandrill"
_MOST_PARAMETERS = 20
# Mandrill tries an address with an empty batch before the webhook has a key of its own.
_TRIAL_KEY = b"test-webhook"
_EMPTY = "[]"
Shape = TypeVar("Shape")


class Config(Strict):
    """`[platforms.NAME] kind = "mandrill"`.

    `webhook_url` is the webhook's address exactly as Mandrill has it: it is part of what is signed. Mandrill gives out
    `webhook_key` when the webhook is made; until it is configured, only Mandrill's trial of the address is answered.
    """

    kind: Literal["mandrill"]
    api_key: Secret
    webhook_url: Annotated[str, StringConstraints(pattern=r"^https?://[!-~]+$", max_length=2000)] | None = None
    webhook_key: Secret | None = None
    days: int = Field(default=7, ge=1, le=30)
    most_senders: int = Field(default=200, ge=1, le=10_000)
    calls_in_flight: int = Field(default=4, ge=1, le=100)
    base_url: BaseUrl = "https://mandrillapp.com/api/1.4"
    timeout_seconds: float = Field(default=10, gt=0, le=120, allow_inf_nan=False)


def calls(config: Config, http: Http, now: datetime) -> Calls:
    """The calls of one look. The key is not here: Mandrill wants it in the body of every question."""
    secrets = (config.api_key.get_secret_value(),)
    return Calls(http, config.base_url, now, config.timeout_seconds, secrets=secrets, named_fault=fault)


def verify(config: Config, headers: Mapping[str, str], parameters: Mapping[str, str]) -> None:
    """Nothing when the signature is Mandrill's. `headers` are looked up in lower case.

    Raises:
        ForgedRequest: it is missing or does not hold.
    """
    if config.webhook_url is None:
        raise ForgedRequest("no webhook_url is configured, so that no signature can be checked")
    given = headers.get("x-mandrill-signature")
    if not given:
        raise ForgedRequest("x-mandrill-signature is missing")
    signed = config.webhook_url + "".join(f"{name}{parameters[name]}" for name in sorted(parameters))
    if config.webhook_key is not None and _holds(config.webhook_key.get_secret_value().encode(), signed, given):
        return
    if parameters.get("mandrill_events") == _EMPTY and _holds(_TRIAL_KEY, signed, given):
        return
    missing = "no webhook_key is configured yet" if config.webhook_key is None else "another webhook_key or webhook_url"
    raise ForgedRequest(f"x-mandrill-signature does not match: {missing}")


def _holds(key: bytes, signed: str, given: str) -> bool:
    # SHA-1 is Mandrill's choice; what is known against it does not touch its use in HMAC (RFC 6194 section 3.3).
    mine = base64.b64encode(hmac.new(key, signed.encode(errors="replace"), hashlib.sha1).digest())
    return hmac.compare_digest(mine, given.encode(errors="replace"))


async def receive(config: Config, headers: Mapping[str, str], body: bytes, window: Window, http: Http) -> Parsed:
    """The events in one request of Mandrill.

    Raises:
        ForgedRequest, MalformedRequest: nothing of it can be used.
    """
    parameters = _parameters(body)
    verify(config, headers, parameters)
    if "mandrill_events" not in parameters:
        raise MalformedRequest("the body has no mandrill_events")
    return parse_events(parameters["mandrill_events"], window)


def _parameters(body: bytes) -> dict[str, str]:
    """The POST parameters. A name that stands twice could be read in two ways, so there must be none."""
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_PARAMETERS
        )
    except ValueError:
        raise ForgedRequest("the body is not a form in UTF-8, so that no signature can be right") from None
    if len(dict(pairs)) != len(pairs):
        raise ForgedRequest("a parameter stands twice in the body")
    return dict(pairs)


async def observe(config: Config, domains: Sequence[str], http: Http, now: datetime) -> tuple[Observation, ...]:
    """The counts of each domain by day: those of all its senders, added up. Mandrill has none by domain."""
    asking, since = _Asking(config, http, now), first_day(now, config.days)
    try:
        senders = senders_by_domain(await asking.ask("/senders/list", list[Sender]))
    except HttpFault as unable:
        return unseen(SOURCE, domains, now, because(unable))
    answers = await asyncio.gather(*(asking.days_of(senders.get(domain, ())) for domain in domains))
    counted = {domain: len(addresses) for domain, addresses in senders.items()}
    return observations(SOURCE, domains, now, dict(zip(domains, answers, strict=True)), since, senders=counted)


class _Asking:
    """The questions of one look, each with the key in it."""

    def __init__(self, config: Config, http: Http, now: datetime) -> None:
        self._config = config
        self._calls = calls(config, http, now)
        self._turn = asyncio.Semaphore(config.calls_in_flight)

    async def ask(self, path: str, shape: type[Shape], **wanted: str) -> Shape:
        """The answer to one question. Raises HttpFault."""
        async with self._turn:
            return await self._calls.post(path, shape, {"key": self._config.api_key.get_secret_value(), **wanted})

    async def days_of(self, addresses: Sequence[str]) -> Days | Unseen:
        """The days of a domain with these senders. One that cannot be asked makes the whole of it unseen."""
        if not addresses:
            return Unseen(Why.NO_DATA, "no address of it has sent yet")
        if len(addresses) > self._config.most_senders:
            return Unseen(Why.NO_DATA, f"{len(addresses)} senders, more than most_senders")
        path, hours = "/senders/time-series", list[list[dict[str, Any]]]()
        try:
            for address in addresses:
                hours.append(await self.ask(path, list[dict[str, Any]], address=address))
            return by_day(hours, self._calls.where(path))
        except HttpFault as unable:
            return because(unable)


async def discover(config: Config, http: Http, now: datetime) -> tuple[Found, ...]:
    """The sending domains of the account, with their senders. Raises HttpFault."""
    asking = _Asking(config, http, now)
    return found(
        await asking.ask("/senders/domains", list[SenderDomain]),
        await asking.ask("/senders/list", list[Sender]),
        await asking.ask("/subaccounts/list", list[Subaccount]),
    )
