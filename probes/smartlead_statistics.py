"""What Smartlead's API says of mailboxes, their mail and their warm-up, in our words. Pure.

Sources, read 2026-11-22: Smartlead's OpenAPI document (email-accounts, warmup-stats, analytics/mailbox/overall-stats)
and its documentation pages, which name several members differently: both names are read. The answer about a mailbox
holds its password, which is not read.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import msgspec

from probes.daily_numbers import Days, add, count, day_of
from probes.outreach_looks import Mailbox, health

_NUMBERS = {"sent": "sent", "replied": "replied", "bounced": "bounced"}


class WarmupDetails(msgspec.Struct):
    """What the documentation's mailbox tells of its warm-up."""

    warmup_reputation: Any = None


class Account(msgspec.Struct):
    """One mailbox, of which only this is read: never its password."""

    id: int
    from_email: str
    max_email_per_day: Any = None
    message_per_day: Any = None
    is_suspended: bool | None = None
    connection_status: str | None = None
    is_smtp_success: bool | None = None
    warmup_details: WarmupDetails | None = None


class Row(msgspec.Struct):
    """What one mailbox did on the day that was asked about. The specification tells no bounces by mailbox."""

    email_account_id: Any = None
    email: str | None = None
    sent: Any = None
    replied: Any = None
    bounced: Any = None


class WarmupStats(msgspec.Struct):
    """The warm-up of one mailbox: its score, and days where they are told."""

    warmup_reputation: Any = None
    reputation_score: Any = None
    daily_stats: list[dict[str, Any]] | None = None
    stats_by_date: list[dict[str, Any]] | None = None


def mailbox(account: Account) -> Mailbox:
    """A mailbox in our words. What neither the specification's nor the documentation's name tells is unknown."""
    limit = count(account.max_email_per_day)
    details = account.warmup_details
    return Mailbox(
        id=str(account.id),
        email=account.from_email.lower(),
        paused=account.is_suspended,
        unable=_unable(account),
        daily_limit=count(account.message_per_day) if limit is None else limit,
        warmup_health=health(details.warmup_reputation) if details else None,
    )


def _unable(account: Account) -> bool | None:
    if account.connection_status is not None:
        return account.connection_status != "CONNECTED"
    return None if account.is_smtp_success is None else not account.is_smtp_success


def day_numbers(rows: Iterable[Row], mailboxes: Sequence[Mailbox]) -> dict[str, int]:
    """What these mailboxes did together on one day; a number that one of them lacks is left out."""
    mine = {one.email for one in mailboxes} | {one.id for one in mailboxes}
    there = [row for row in rows if str(row.email_account_id) in mine or (row.email or "").lower() in mine]
    numbers: dict[str, int] = {}
    for theirs, ours in _NUMBERS.items():
        told = [count(getattr(row, theirs)) for row in there]
        known = [number for number in told if number is not None]
        if known and len(known) == len(told):
            numbers[ours] = sum(known)
    return numbers


def warmed_days(stats: WarmupStats) -> Days:
    """Warm-up mail by day: what was sent, and what landed in spam."""
    days: Days = {}
    for row in stats.daily_stats or stats.stats_by_date or ():
        day = day_of(row.get("date"))
        if day is None:
            continue
        sent, spam = _either(row, "sent", "sent_count"), _either(row, "spam", "spam_count")
        add(days, day, {name: n for name, n in (("warmup_sent", sent), ("warmup_spam", spam)) if n is not None})
    return days


def _either(row: Mapping[str, Any], *names: str) -> int | None:
    return next((number for number in (count(row.get(name)) for name in names) if number is not None), None)


def with_health(one: Mailbox, stats: WarmupStats) -> Mailbox:
    """The mailbox with the score of its warm-up's own report, where that tells one."""
    score = health(stats.warmup_reputation)
    score = health(stats.reputation_score) if score is None else score
    return one if score is None else replace(one, warmup_health=score)


def add_warmed(days: Days, warmed: Sequence[Days], since: date) -> None:
    """Add the warm-up of all mailboxes of a domain; a day's number that one of them lacks is left out."""
    for day in {day for one in warmed for day in one if day >= since}:
        there = [one[day] for one in warmed if day in one]
        for name in ("warmup_sent", "warmup_spam"):
            known = [numbers[name] for numbers in there if name in numbers]
            if known and len(known) == len(there):
                add(days, day, {name: sum(known)})
