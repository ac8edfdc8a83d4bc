"""What Instantly's API says of mailboxes, their mail and their warm-up, in our words. Pure.

Source: Instantly's OpenAPI document of API v2 (api.instantly.ai), read 2026-11-22: GET /accounts,
GET /accounts/analytics/daily, POST /accounts/warmup-analytics.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import date
from typing import Any

import msgspec

from probes.daily_numbers import Days, add, count, day_of, readings
from probes.outreach_looks import Mailbox, health

PAUSED = 2
_UNABLE = frozenset({3, -1, -2, -3})
"""Resting by Instantly's own choice, and the errors: of connection, of soft bounces, of sending."""

_NUMBERS = {"sent": ("sent",), "bounced": ("bounced",), "replied": ("replies",)}


class Account(msgspec.Struct):
    """One mailbox, of which only this is read."""

    email: str
    timestamp_created: str | None = None
    status: Any = None
    daily_limit: Any = None
    stat_warmup_score: Any = None


class Accounts(msgspec.Struct):
    """One page of them."""

    items: list[Account]
    next_starting_after: str | None = None

    def following(self) -> str:
        """Where the next page begins. Only an empty page is the last one: the cursor may be left out before."""
        last = self.items[-1]
        return self.next_starting_after or f"{last.timestamp_created or ''}&{last.email}"


class Daily(msgspec.Struct):
    """What one mailbox did on one day."""

    date: Any = None
    email_account: str = ""
    sent: Any = None
    bounced: Any = None
    replies: Any = None


class Warmup(msgspec.Struct):
    """The warm-up of mailboxes: by address and day, and as a whole."""

    email_date_data: dict[str, dict[str, dict[str, Any]]] = {}
    aggregate_data: dict[str, dict[str, Any]] = {}


def mailbox(account: Account) -> Mailbox:
    """A mailbox in our words."""
    status = account.status if type(account.status) in (int, float) else None
    return Mailbox(
        id=account.email,
        email=account.email.lower(),
        paused=None if status is None else status == PAUSED,
        unable=None if status is None else status in _UNABLE,
        daily_limit=count(account.daily_limit),
        warmup_health=health(account.stat_warmup_score),
    )


def add_daily(days: Mapping[str, Days], rows: Iterable[Daily], since: date) -> None:
    """Add what mailboxes sent, by the day that Instantly gives, to the days of each address."""
    for row in rows:
        day, mine = day_of(row.date), days.get(row.email_account.lower())
        if day is None or mine is None or day < since:
            continue
        add(mine, day, readings(msgspec.structs.asdict(row), _NUMBERS))


def add_warmup(days: Mapping[str, Days], warmup: Warmup, since: date) -> None:
    """Add the warm-up mail of each day to the days of each address."""
    for email, told in warmup.email_date_data.items():
        mine = days.get(email.lower())
        for text, numbers in told.items():
            day = day_of(text)
            if day is not None and mine is not None and day >= since:
                add(mine, day, _warmed(numbers))


def _warmed(numbers: Mapping[str, Any]) -> dict[str, int]:
    """Sent, and landed in spam: Instantly leaves `landed_spam` out when all of it arrived, and it may be unknown."""
    sent, spam, arrived = (count(numbers.get(name)) for name in ("sent", "landed_spam", "landed_inbox"))
    if spam is None and sent is not None and arrived is not None and arrived >= sent:
        spam = 0
    return {name: number for name, number in (("warmup_sent", sent), ("warmup_spam", spam)) if number is not None}


def with_health(mailboxes: Iterable[Mailbox], warmup: Warmup) -> list[Mailbox]:
    """The mailboxes, with the score of the warm-up's own report where the mailbox tells none."""
    scores = {email.lower(): health(told.get("health_score")) for email, told in warmup.aggregate_data.items()}
    return [
        one if one.warmup_health is not None else replace(one, warmup_health=scores.get(one.email)) for one in mailboxes
    ]


def rolled_up(days: Mapping[str, Days], emails: Collection[str]) -> Days:
    """The days of several mailboxes as one.

    A number that one mailbox does not tell of a day on which it tells others is left out of that day: it is no sum.
    """
    whole: Days = {}
    for email in emails:
        for day, numbers in days[email].items():
            add(whole, day, numbers)
    for day, numbers in whole.items():
        there = [days[email][day] for email in emails if day in days[email]]
        for name, needed in (("warmup_spam", "warmup_sent"), ("bounced", "sent"), ("replied", "sent")):
            if any(needed in one and name not in one for one in there):
                numbers.pop(name, None)
    return whole
