"""Smartlead: its mailboxes, what they sent day by day, how their warm-up goes, and its webhooks. docs/smartlead.md.

Sources, read 2026-11-22: Smartlead's OpenAPI document, api.smartlead.ai/guides/webhook-integration and helpcenter
article 403. Its key stands in the query of every address, so no address is shown whole. It counts calls (60 a minute,
1,000 an hour): what is over is asked again once an hour, warm-up a few mailboxes at a time.
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Literal
from urllib.parse import quote, quote_plus

import msgspec
from pydantic import Field

from probes.config import Secret, Strict
from probes.daily_numbers import Days, chunks, first_day, last_days, unseen
from probes.discovery import Found
from probes.http import Http, HttpFault
from probes.observation import ForgedRequest, Observation, Parsed, Reading, Why, Window
from probes.outreach_looks import Mailbox, by_domain, found, looks
from probes.outreach_memory import MEMORY, Memory
from probes.smartlead_events import missing_senders, parse_events, secret_key_of
from probes.smartlead_statistics import (
    Account,
    Row,
    WarmupStats,
    add_warmed,
    day_numbers,
    mailbox,
    warmed_days,
    with_health,
)
from probes.static_secret import LongSecret
from probes.vendor_calls import MOST_PAGES, BaseUrl, Calls, because, endless

SOURCE = "smartlead"
TELLS_SENDING = False
"""Its bounces and complaints do not tell when the message was sent; the store finds it by `message_id`."""

_PAGE = 50
_CHUNK = 100
_DAY_IS_OVER = timedelta(hours=1)
_WARMUP = timedelta(hours=6)
_SENDER = timedelta(hours=6)
_SIGNATURE = "sha256="


class Config(Strict):
    """`[platforms.NAME] kind = "smartlead"`.

    `signing_secret` is what Smartlead signs webhooks with; `secret_key` is what it puts into the body of old webhooks
    that are not signed. Without either nothing is received. `warmup_calls` is how many mailboxes are asked about their
    warm-up at one look.
    """

    kind: Literal["smartlead"]
    api_key: Secret
    signing_secret: LongSecret | None = None
    secret_key: LongSecret | None = None
    base_url: BaseUrl = "https://server.smartlead.ai/api/v1"
    days: int = Field(default=7, ge=1, le=31)
    warmup_calls: int = Field(default=20, ge=0, le=1000)
    timeout_seconds: float = Field(default=20, gt=0, le=120, allow_inf_nan=False)
    patience_seconds: float = Field(default=30, ge=0, le=600, allow_inf_nan=False)


def calls(config: Config, http: Http, now: datetime) -> Calls:
    """The calls of one look."""
    key = config.api_key.get_secret_value()
    return Calls(
        http,
        config.base_url,
        now,
        config.timeout_seconds,
        config.patience_seconds,
        query=(("api_key", key),),
        secrets=tuple(dict.fromkeys((key, quote(key, safe=""), quote_plus(key)))),
    )


def verify(config: Config, headers: Mapping[str, str], body: bytes) -> None:
    """Nothing when the body is signed by Smartlead, or, unsigned, holds the key of old webhooks.

    The signature is HMAC-SHA256 of the raw body; it has no time, so what is old is refused by the events' own time.

    Raises:
        ForgedRequest: neither holds. A signature that is wrong is not made up for by a key in the body.
        MalformedRequest: not signed, and not JSON.
    """
    given = headers.get("x-smartlead-signature", "")
    if given:
        if config.signing_secret is None:
            raise ForgedRequest("the request is signed, but no signing_secret is configured to check it with")
        expected = hmac.new(config.signing_secret.get_secret_value().encode(), body, hashlib.sha256).hexdigest()
        offered = given.strip().removeprefix(_SIGNATURE).lower()
        if not hmac.compare_digest(expected.encode(), offered.encode(errors="replace")):
            raise ForgedRequest("x-smartlead-signature does not match: another secret, or the body was changed")
        return
    if config.secret_key is None:
        raise ForgedRequest("x-smartlead-signature is missing")
    offered = secret_key_of(body)
    if not hmac.compare_digest(config.secret_key.get_secret_value().encode(), offered.encode(errors="replace")):
        raise ForgedRequest("the request is not signed, and its body does not hold the secret_key that is expected")


async def receive(
    config: Config, headers: Mapping[str, str], body: bytes, window: Window, http: Http, memory: Memory = MEMORY
) -> Parsed:
    """The events in one request of Smartlead.

    Raises:
        ForgedRequest, MalformedRequest: nothing of it can be used, and sending it again is no use.
        HttpFault: Smartlead could not be asked which mailbox an event is about; answer 503, and it sends again.
    """
    verify(config, headers, body)
    senders = {name: await _sender(config, name, window.now, http, memory) for name in missing_senders(body)}
    return parse_events(body, window, senders)


async def _sender(config: Config, name: str, now: datetime, http: Http, memory: Memory) -> str:
    """The address of a mailbox. Raises HttpFault."""
    key = (SOURCE, config, "sender", name)
    if not memory.has(key, now, _SENDER):
        memory.keep(key, await _address(calls(config, http, now), name), now)
    return str(memory.value(key))


async def _address(asking: Calls, name: str) -> str:
    """The address of a mailbox, "" when there is none: asking again would not help. Raises HttpFault."""
    try:
        return (await asking.get(f"/email-accounts/{name}", Account)).from_email
    except HttpFault as fault:
        if fault.why is Why.NO_DATA:
            return ""
        raise


async def discover(config: Config, http: Http, now: datetime) -> tuple[Found, ...]:
    """The domains of the account, with their mailboxes. Raises HttpFault."""
    return found(await _mailboxes(calls(config, http, now)))


async def observe(
    config: Config, domains: Sequence[str], http: Http, now: datetime, memory: Memory = MEMORY
) -> tuple[Observation, ...]:
    """Of each domain its mailboxes as they are (part ""), and what they sent on each of the last days (UTC).

    `warmup_told` is whether the warm-up of all its mailboxes is known yet: it is asked a few mailboxes at a time.
    """
    asking = calls(config, http, now)
    try:
        mine = by_domain(await _mailboxes(asking), domains)
        boxes = [one for some in mine.values() for one in some]
        rows = await _all_days(config, asking, boxes, memory)
        stats = await _warmup(config, asking, boxes, memory)
    except HttpFault as fault:
        return unseen(SOURCE, domains, now, because(fault))
    since = first_day(now, config.days)
    observations: list[Observation] = []
    for domain, some in mine.items():
        days: Days = {day: day_numbers(told, some) for day, told in rows.items()}
        told = [stats[one.id] for one in some if one.id in stats]
        if len(told) == len(some):
            add_warmed(days, [warmed_days(one) for one in told], since)
        more: dict[str, Reading] = {"warmup_told": len(told) == len(some)}
        healthy = [with_health(one, stats[one.id]) if one.id in stats else one for one in some]
        observations += looks(SOURCE, domain, healthy, {day: told for day, told in days.items() if told}, now, more)
    return tuple(observations)


async def _mailboxes(asking: Calls) -> list[Mailbox]:
    """All of the account. Raises HttpFault.

    Read until a page brings nothing new: pages may be shorter than asked for, or the place to begin at be ignored.
    """
    known: dict[int, Mailbox] = {}
    offset = 0
    for _ in range(MOST_PAGES):
        page = await asking.get("/email-accounts/", list[Account], [("offset", str(offset)), ("limit", str(_PAGE))])
        new = {account.id: mailbox(account) for account in page if account.id not in known}
        if not new:
            return list(known.values())
        known |= new
        offset += len(page)
    raise endless(f"{asking.base_url}/email-accounts/")


class _Wrapped(msgspec.Struct):
    """The documentation's pages wrap what the specification gives bare."""

    data: list[Row]


async def _all_days(config: Config, asking: Calls, boxes: Sequence[Mailbox], memory: Memory) -> dict[date, list[Row]]:
    """The rows of each day, of all mailboxes. A day that is over is asked again once an hour. Raises HttpFault."""
    now = asking.now
    rows: dict[date, list[Row]] = {}
    for day in last_days(now, config.days):
        rows[day] = []
        for some in chunks([one.id for one in boxes], _CHUNK):
            key = (SOURCE, config, "day", day, tuple(some))
            if day == now.date() or not memory.has(key, now, _DAY_IS_OVER):
                memory.keep(key, await _one_day(asking, day, some), now)
            rows[day] += memory.value(key)
    return rows


async def _one_day(asking: Calls, day: date, ids: Sequence[str]) -> list[Row]:
    between = [("start_date", day.isoformat()), ("end_date", day.isoformat()), ("timezone", "UTC")]
    query = [*between, ("email_account_ids", ",".join(ids))]
    answer = await asking.get("/analytics/mailbox/overall-stats", list[Row] | _Wrapped, query)  # type: ignore[arg-type]
    return answer.data if isinstance(answer, _Wrapped) else answer


async def _warmup(config: Config, asking: Calls, boxes: Sequence[Mailbox], memory: Memory) -> dict[str, WarmupStats]:
    """What is known of the warm-up, after asking about the mailboxes that waited longest. Raises HttpFault."""
    keys: dict[Any, str] = {(SOURCE, config, "warmup", one.id): one.id for one in boxes}
    for key in memory.due([(key, _WARMUP) for key in keys], asking.now, config.warmup_calls):
        memory.keep(key, await _warmup_of(asking, keys[key]), asking.now)
    # Twice the age: what could not be asked again for so long is no longer believed.
    return {name: memory.value(key) for key, name in keys.items() if memory.has(key, asking.now, 2 * _WARMUP)}


async def _warmup_of(asking: Calls, name: str) -> WarmupStats:
    """The warm-up of one mailbox; one that knows none tells nothing, and blinds nobody. Raises HttpFault."""
    try:
        return await asking.get(f"/email-accounts/{name}/warmup-stats", WarmupStats)
    except HttpFault as fault:
        if fault.why is Why.NO_DATA:
            return WarmupStats()
        raise
