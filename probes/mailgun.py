"""Mailgun: what it tells of each message (webhooks), and its own counts by domain and day. docs/mailgun.md.

Sources, read 2026-11-22: documentation.mailgun.com "Securing Webhooks" and "Automatic Retries"; Mailgun's OpenAPI file.
What is signed is a time stamp and a random token, not the event: see docs/mailgun.md for how strong that is.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Literal, TypeVar

from pydantic import Field

from probes.config import Secret, Strict
from probes.discovery import Found
from probes.http import Http, HttpFault, check, redacted
from probes.mailgun_events import parse_events
from probes.mailgun_statistics import Answer, Domain, Domains, Item, by_domain, found, query
from probes.observation import ForgedRequest, MalformedRequest, Observation, Parsed, Window
from probes.vendor_events import decode, fresh
from probes.vendor_statistics import (
    BaseUrl,
    Days,
    because,
    chunks,
    decoded,
    first_day,
    looks,
    unreadable,
    unseen,
)

SOURCE = "mailgun"
_DOMAINS_AT_ONCE = 50
_DOMAINS_A_PAGE = 200
_MOST_PAGES = 50
Shape = TypeVar("Shape")


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
        whole = decode(body)
    except MalformedRequest:
        whole = None
    if not isinstance(whole, dict):
        raise ForgedRequest("the body is not a JSON object, so that it holds no signature")
    return whole


async def observe(config: Config, domains: Sequence[str], http: Http, now: datetime) -> tuple[Observation, ...]:
    """The counts of each domain by day, as Mailgun has them by its own name of the domain."""
    since, seen = first_day(now, config.days), list[Observation]()
    some_at_a_time = chunks(domains, _DOMAINS_AT_ONCE)
    for index, some in enumerate(some_at_a_time):
        try:
            told = await _metrics(config, some, since, http, now)
        except HttpFault as fault:
            missing = [domain for others in some_at_a_time[index:] for domain in others]
            return (*seen, *unseen(SOURCE, missing, now, because(fault)))
        for domain in some:
            seen += looks(SOURCE, domain, now, told.get(domain, {}), since)
    return tuple(seen)


async def _metrics(config: Config, domains: Sequence[str], since: date, http: Http, now: datetime) -> dict[str, Days]:
    """All pages of the counts of some domains. Raises HttpFault, also when pages are missing or come again."""
    path, items, total = "/v1/analytics/metrics", list[Item](), None
    where = f"{redacted(config.base_url)}{path}"
    for _ in range(_MOST_PAGES):
        answer = await _call(config, "POST", path, http, now, Answer, query(domains, since, now, len(items)))
        items += answer.items
        total = answer.pagination.total
        if not answer.items or (total is not None and len(items) >= total):
            break
    told = by_domain(items, where)
    rows = sum(map(len, told.values()))
    if rows < max(total or 0, len(items)):
        raise unreadable(where, f"its pages hold {rows} different items, where there should be more")
    return told


async def _call(
    config: Config, method: str, path: str, http: Http, now: datetime, shape: type[Shape], body: bytes | None = None
) -> Shape:
    key, url = config.api_key.get_secret_value(), f"{config.base_url}{path}"
    basic = base64.b64encode(f"api:{key}".encode()).decode()
    headers = {"authorization": f"Basic {basic}", "content-type": "application/json"}
    answer = await http.request(method, url, headers=headers, body=body, timeout_seconds=config.timeout_seconds)
    check(answer, redacted(url), now, [key, basic])
    return decoded(answer, redacted(url), shape)


async def discover(config: Config, http: Http, now: datetime) -> tuple[Found, ...]:
    """The domains of the account and its subaccounts.

    Raises:
        HttpFault: Mailgun could not be asked, or has more than 10,000 of them.
    """
    path, domains = "/v4/domains", list[Domain]()
    for _ in range(_MOST_PAGES):
        wanted = f"?limit={_DOMAINS_A_PAGE}&skip={len(domains)}&sort=name&include_subaccounts=true"
        page = await _call(config, "GET", path + wanted, http, now, Domains)
        domains += page.items
        if not page.items or len(domains) >= page.total_count:
            return found(domains)
    raise unreadable(f"{redacted(config.base_url)}{path}", f"more than {_MOST_PAGES * _DOMAINS_A_PAGE} domains")
