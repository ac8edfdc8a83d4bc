"""Mailgun: what it tells of each message (webhooks), and its own counts by domain and day. docs/mailgun.md.

Sources, read 2026-11-22: documentation.mailgun.com "Securing Webhooks" and "Automatic Retries"; Mailgun's OpenAPI file.
What is signed is a time stamp and a random token, not the event: see docs/mailgun.md for how strong that is.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Literal

from pydantic import Field

from probes.config import Secret, Strict
from probes.daily_numbers import Days, first_day, in_chunks, observations
from probes.discovery import Found
from probes.event_parts import decoded
from probes.http import Http
from probes.mailgun_events import parse_events
from probes.mailgun_statistics import Answer, Domain, Domains, Item, by_domain, found, query
from probes.observation import ForgedRequest, MalformedRequest, Observation, Parsed, Window
from probes.signature_time import fresh
from probes.vendor_calls import BaseUrl, Calls, unreadable

SOURCE = "mailgun"
TELLS_SENDING = False
"""Its bounces and complaints do not tell when the message was sent; the store finds it by `message_id`."""
_DOMAINS_AT_ONCE = 50
_DOMAINS_A_PAGE = 200
_MOST_PAGES = 50


class Config(Strict):
    """`[platforms.NAME] kind = "mailgun"`.

    `signing_key` is the HTTP webhook signing key (not the API key); without it nothing is received. `base_url` is
    https://api.eu.mailgun.net for accounts in the EU.
    """

    kind: Literal["mailgun"]
    api_key: Secret
    signing_key: Secret | None = None
    signature_age_seconds: float = Field(default=300, ge=1, le=86_400, allow_inf_nan=False)
    days: int = Field(default=7, ge=1, le=30)
    base_url: BaseUrl = "https://api.mailgun.net"
    timeout_seconds: float = Field(default=10, gt=0, le=120, allow_inf_nan=False)


def calls(config: Config, http: Http, now: datetime) -> Calls:
    """The calls of one look."""
    key = config.api_key.get_secret_value()
    basic = base64.b64encode(f"api:{key}".encode()).decode()
    headers = {"authorization": f"Basic {basic}"}
    return Calls(http, config.base_url, now, config.timeout_seconds, headers=headers, secrets=(key, basic))


def verify(config: Config, signature: object, now: datetime) -> None:
    """Nothing when `signature`, of the body, is Mailgun's and not too old.

    Raises:
        ForgedRequest: it is incomplete, too far off in time, or does not hold.
    """
    if config.signing_key is None:
        raise ForgedRequest("no signing_key is configured, so that nothing can be believed")
    parts = signature if isinstance(signature, dict) else {}
    stamp, token, given = (parts.get(name) for name in ("timestamp", "token", "signature"))
    # Mailgun writes it as text; its documentation calls it a number.
    stamp = str(stamp) if type(stamp) is int else stamp
    if not (isinstance(stamp, str) and isinstance(token, str) and isinstance(given, str)):
        raise ForgedRequest("the body holds no signature with timestamp, token and signature")
    fresh(stamp, now, config.signature_age_seconds)
    key = config.signing_key.get_secret_value().encode()
    expected = hmac.new(key, f"{stamp}{token}".encode(errors="replace"), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected.encode(), given.lower().encode(errors="replace")):
        raise ForgedRequest("the signature does not match: is signing_key the HTTP webhook signing key?")


async def receive(config: Config, headers: Mapping[str, str], body: bytes, window: Window, http: Http) -> Parsed:
    """The event in one request of Mailgun.

    Raises:
        ForgedRequest, MalformedRequest: nothing of it can be used.
    """
    whole = _object(body)
    verify(config, whole.get("signature"), window.now)
    if "event-data" not in whole:
        raise MalformedRequest("the body has no event-data")
    return parse_events(whole["event-data"], window)


def _object(body: bytes) -> dict[str, Any]:
    try:
        whole = decoded(body, "Mailgun")
    except MalformedRequest:
        whole = None
    if not isinstance(whole, dict):
        raise ForgedRequest("the body is not a JSON object, so that it holds no signature")
    return whole


async def observe(config: Config, domains: Sequence[str], http: Http, now: datetime) -> tuple[Observation, ...]:
    """The counts of each domain by day, as Mailgun has them by its own name of the domain."""
    asking, since = calls(config, http, now), first_day(now, config.days)

    async def look(some: Sequence[str]) -> Mapping[str, Days]:
        return await _metrics(asking, some, since)

    return observations(SOURCE, domains, now, await in_chunks(domains, _DOMAINS_AT_ONCE, look), since)


async def _metrics(asking: Calls, domains: Sequence[str], since: date) -> dict[str, Days]:
    """All pages of the counts of some domains. Raises HttpFault, also when pages are missing or come again."""
    path, items, total = "/v1/analytics/metrics", list[Item](), None
    for _ in range(_MOST_PAGES):
        answer = await asking.post(path, Answer, query(domains, since, asking.now, len(items)))
        items += answer.items
        total = answer.pagination.total
        if not answer.items or (total is not None and len(items) >= total):
            break
    told = by_domain(items, asking.where(path))
    rows = sum(map(len, told.values()))
    if rows < max(total or 0, len(items)):
        raise unreadable(asking.where(path), f"its pages hold {rows} different items, where there should be more")
    return told


async def discover(config: Config, http: Http, now: datetime) -> tuple[Found, ...]:
    """The domains of the account and its subaccounts.

    Raises:
        HttpFault: Mailgun could not be asked, or has more than 10,000 of them.
    """
    asking = calls(config, http, now)
    path, domains = "/v4/domains", list[Domain]()
    for _ in range(_MOST_PAGES):
        wanted = [("limit", str(_DOMAINS_A_PAGE)), ("skip", str(len(domains)))]
        page = await asking.get(path, Domains, [*wanted, ("sort", "name"), ("include_subaccounts", "true")])
        domains += page.items
        if not page.items or len(domains) >= page.total_count:
            return found(domains)
    raise unreadable(asking.where(path), f"more than {_MOST_PAGES * _DOMAINS_A_PAGE} domains")
