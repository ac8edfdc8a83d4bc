"""Instantly: its mailboxes, what they sent day by day, how their warm-up goes, and its webhooks. docs/instantly.md.

Sources, read 2026-11-22: Instantly's OpenAPI document of API v2; developer.instantly.ai/webhook-events. Instantly
knows no complaints. It signs nothing: what it sends is believed for the header that it was told to send along.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

from pydantic import Field

from probes.config import Secret
from probes.daily_numbers import Days, believable, first_day, in_chunks, unseen
from probes.discovery import Found
from probes.http import Http, HttpFault
from probes.instantly_events import parse_events
from probes.instantly_statistics import (
    Accounts,
    Daily,
    Warmup,
    add_daily,
    add_warmup,
    mailbox,
    rolled_up,
    with_health,
)
from probes.observation import Observation, Parsed, Unseen, Window
from probes.outreach_looks import Mailbox, by_domain, found, looks
from probes.static_secret import StaticSecret
from probes.vendor_calls import MOST_PAGES, BaseUrl, Calls, because, endless

SOURCE = "instantly"
TELLS_SENDING = False
"""Its bounces and complaints do not tell when the message was sent; the store finds it by `message_id`."""

# A mailbox carries its signature, and an answer is read no further than 1 MB.
_PAGE = 50
# warmup-analytics takes 100; analytics/daily 200, but its addresses stand in the URL.
_CHUNK = 100


class Config(StaticSecret):
    """`[platforms.NAME] kind = "instantly"`.

    `webhook_header` and `webhook_token` (or `webhook_user` and `webhook_password`) are what Instantly was told to send
    with each event; without them nothing is received. `days` are read at every look.
    """

    kind: Literal["instantly"]
    api_key: Secret
    base_url: BaseUrl = "https://api.instantly.ai/api/v2"
    days: int = Field(default=7, ge=1, le=31)
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
        headers={"authorization": f"Bearer {key}"},
        secrets=(key,),
    )


async def receive(config: Config, headers: Mapping[str, str], body: bytes, window: Window, http: Http) -> Parsed:
    """The events in one request of Instantly.

    Raises:
        ForgedRequest, MalformedRequest: nothing of it can be used, and sending it again is no use.
    """
    config.verify(headers)
    return parse_events(body, window)


async def discover(config: Config, http: Http, now: datetime) -> tuple[Found, ...]:
    """The domains of the account, with their mailboxes. Raises HttpFault."""
    return found(await _mailboxes(calls(config, http, now)))


async def observe(config: Config, domains: Sequence[str], http: Http, now: datetime) -> tuple[Observation, ...]:
    """Of each domain its mailboxes as they are (part ""), and what they sent on each of the last days."""
    asking = calls(config, http, now)
    try:
        mine = by_domain(await _mailboxes(asking), domains)
    except HttpFault as fault:
        return unseen(SOURCE, domains, now, because(fault))
    numbers = _Numbers(asking, config.days, [one for boxes in mine.values() for one in boxes])
    await numbers.read()
    observations: list[Observation] = []
    for domain, boxes in mine.items():
        observations += numbers.looks(domain, boxes)
    return tuple(observations)


async def _mailboxes(asking: Calls) -> list[Mailbox]:
    """All of the account. Raises HttpFault."""
    known: dict[str, Mailbox] = {}
    query = [("limit", str(_PAGE))]
    for _ in range(MOST_PAGES):
        page = await asking.get("/accounts", Accounts, query)
        new = {account.email: mailbox(account) for account in page.items if account.email not in known}
        if not new:
            return list(known.values())
        known |= new
        query = [("limit", str(_PAGE)), ("starting_after", page.following())]
    raise endless(f"{asking.base_url}/accounts")


class _Numbers:
    """The daily numbers of mailboxes, and why those of some could not be had."""

    def __init__(self, asking: Calls, days: int, mailboxes: Sequence[Mailbox]) -> None:
        self._asking = asking
        self._since = first_day(asking.now, days)
        self._until = asking.now.date()
        self._days: dict[str, Days] = {one.email: {} for one in mailboxes}
        self._mailboxes = {one.email: one for one in mailboxes}
        self._faults: dict[str, Unseen] = {}

    async def read(self) -> None:
        """Ask for all of them, 100 mailboxes at a time."""
        answers = await in_chunks(list(self._mailboxes), _CHUNK, self._read_some)
        self._faults = {email: answer for email, answer in answers.items() if isinstance(answer, Unseen)}

    async def _read_some(self, emails: Sequence[str]) -> Mapping[str, Days]:
        # Without mailboxes and days the whole account is meant, and Instantly answers 413.
        between = [("start_date", self._since.isoformat()), ("end_date", self._until.isoformat())]
        query = [*between, *(("emails", email) for email in emails)]
        rows = await self._asking.get("/accounts/analytics/daily", list[Daily], query)
        warmup = await self._asking.post("/accounts/warmup-analytics", Warmup, {"emails": emails})
        add_daily(self._days, rows, self._since)
        add_warmup(self._days, warmup, self._since)
        some = with_health([self._mailboxes[email] for email in emails], warmup)
        self._mailboxes |= {one.email: one for one in some}
        return {email: self._days[email] for email in emails}

    def looks(self, domain: str, mailboxes: Sequence[Mailbox]) -> tuple[Observation, ...]:
        """The looks at one domain; numbers that lack a mailbox are none."""
        fault = next((self._faults[one.email] for one in mailboxes if one.email in self._faults), None)
        now = self._asking.now
        if fault is not None:
            return unseen(SOURCE, (domain,), now, fault)
        days = believable(rolled_up(self._days, [one.email for one in mailboxes]), self._since, now)
        return looks(SOURCE, domain, [self._mailboxes[one.email] for one in mailboxes], days, now)
