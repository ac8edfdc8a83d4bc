"""Mandrill (Mailchimp Transactional): what it tells of each message, and its own counts by day. docs/mandrill.md.

Sources, read 2026-11-22: mandrill.zendesk.com "How to Authenticate Webhook Requests" and "Webhook Format"; Mailchimp
Transactional's OpenAPI file. Its signature covers the webhook's address and the whole body, but no time.
"""

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import parse_qsl

import msgspec
from pydantic import Field, StringConstraints

from probes.config import Secret, Strict
from probes.discovery import Found
from probes.http import Http, HttpFault, check, redacted
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
from probes.vendor_statistics import BaseUrl, because, decoded, first_day, looks, unseen

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
    try:
        senders = senders_by_domain(await _ask(config, "/senders/list", {}, http, now, list[Sender]))
    except HttpFault as unable:
        return unseen(SOURCE, domains, now, because(unable))
    since, turn = first_day(now, config.days), asyncio.Semaphore(config.calls_in_flight)

    async def look(domain: str) -> tuple[Observation, ...]:
        addresses = senders.get(domain, ())
        if not addresses or len(addresses) > config.most_senders:
            few = f"{len(addresses)} senders, more than most_senders" if addresses else "no address of it has sent yet"
            return unseen(SOURCE, (domain,), now, Unseen(Why.NO_DATA, few))
        return await _look(config, domain, addresses, since, http, now, turn)

    return tuple(one for looked in await asyncio.gather(*map(look, domains)) for one in looked)


async def _look(
    config: Config,
    domain: str,
    addresses: Sequence[str],
    since: date,
    http: Http,
    now: datetime,
    turn: asyncio.Semaphore,
) -> tuple[Observation, ...]:
    """One domain. A sender that cannot be asked makes the whole of it unseen: a sum that lacks one is no sum."""
    path = "/senders/time-series"

    async def hours(address: str) -> list[dict[str, Any]]:
        async with turn:
            return await _ask(config, path, {"address": address}, http, now, list[dict[str, Any]])

    try:
        days = by_day([await hours(address) for address in addresses], f"{redacted(config.base_url)}{path}")
    except HttpFault as unable:
        return unseen(SOURCE, (domain,), now, because(unable))
    return looks(SOURCE, domain, now, days, since, {"senders": len(addresses)})


async def _ask(
    config: Config, path: str, wanted: Mapping[str, str], http: Http, now: datetime, shape: type[Shape]
) -> Shape:
    key, url = config.api_key.get_secret_value(), f"{config.base_url}{path}"
    body = msgspec.json.encode({"key": key, **wanted})
    headers = {"content-type": "application/json"}
    answer = await http.post(url, body=body, headers=headers, timeout_seconds=config.timeout_seconds)
    where = redacted(url)
    if named := fault(answer, where, [key]):
        raise named
    check(answer, where, now, [key])
    return decoded(answer, where, shape)


async def discover(config: Config, http: Http, now: datetime) -> tuple[Found, ...]:
    """The sending domains of the account, with their senders. Raises HttpFault."""
    return found(
        await _ask(config, "/senders/domains", {}, http, now, list[SenderDomain]),
        await _ask(config, "/senders/list", {}, http, now, list[Sender]),
        await _ask(config, "/subaccounts/list", {}, http, now, list[Subaccount]),
    )
