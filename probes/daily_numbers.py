"""What the statistics of sending platforms share: counts, days, asking in parts, and the observations of them.

A day that is not told of is not zero. Mail of a paused domain is not counted because there is none, so a platform that
answers and tells of no day at all was seen all the same: `days` is 0.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import chain
from typing import Any

from probes.http import HttpFault
from probes.observation import Observation, Reading, Seen, Unseen, Why
from probes.vendor_calls import because, unreadable

Days = dict[date, dict[str, int]]
"""What was counted, by day, under the names of our readings: sent, delivered, hard_bounced, complained, ..."""

# Beyond it a number is no longer exact in everybody's JSON.
_LARGEST = 2**53
# The question itself was wrong, or its answer: another one may still be answered well.
_OF_ONE_QUESTION = (Why.NO_DATA, Why.REFUSED, Why.UNREADABLE)


def count(value: Any) -> int | None:
    """A count as JSON may have it (7, 7.0, "7"); None for anything else, absent or negative."""
    if isinstance(value, str):
        value = int(value) if value.isascii() and value.isdigit() and len(value) < 17 else None
    elif type(value) is float and value.is_integer():
        value = int(value)
    return value if type(value) is int and 0 <= value <= _LARGEST else None


def readings(row: Mapping[str, Any], names: Mapping[str, Iterable[str]]) -> dict[str, int]:
    """The counts of one row by our names, each the sum of the platform's; one that it does not tell is left out."""
    told: dict[str, int] = {}
    for ours, theirs in names.items():
        found = [number for name in theirs if (number := count(row.get(name))) is not None]
        if found:
            told[ours] = sum(found)
    return told


def counts(row: Mapping[str, Any], names: Mapping[str, Iterable[str]], where: str) -> dict[str, int]:
    """`readings` of a platform whose description knows nothing but counts and null.

    Raises:
        HttpFault: UNREADABLE, one of them is something else.
    """
    for theirs in chain(*names.values()):
        if row.get(theirs) is not None and count(row[theirs]) is None:
            raise unreadable(where, f"{theirs} is not a count")
    return readings(row, names)


def add(days: Days, day: date, more: Mapping[str, int]) -> None:
    """Add counts to those of a day."""
    present = days.setdefault(day, {})
    for name, number in more.items():
        present[name] = present.get(name, 0) + number


def first_day(now: datetime, days: int) -> date:
    """The first of the last `days` days, today included (UTC)."""
    return now.astimezone(UTC).date() - timedelta(days=days - 1)


def last_days(now: datetime, days: int) -> list[date]:
    """The last `days` days, today included (UTC), oldest first."""
    first = first_day(now, days)
    return [first + timedelta(days=number) for number in range(days)]


def day_of(value: Any) -> date | None:
    """The day at the beginning of a text such as 2026-11-22 or 2026-11-22T00:00:00Z; None when there is none."""
    try:
        return date.fromisoformat(value[:10]) if isinstance(value, str) else None
    except ValueError:
        return None


def believable(days: Days, since: date, now: datetime) -> Days:
    """The days that are told of, oldest first, but none before `since` or after tomorrow.

    A platform's day may be ahead of UTC, but not by more.
    """
    last = now.astimezone(UTC).date() + timedelta(days=1)
    return {day: told for day, told in sorted(days.items()) if told and since <= day <= last}


def chunks(things: Sequence[str], size: int) -> list[Sequence[str]]:
    """`things` in order, at most `size` at a time."""
    return [things[start : start + size] for start in range(0, len(things), size)]


async def in_chunks(
    names: Sequence[str], size: int, look: Callable[[Sequence[str]], Awaitable[Mapping[str, Days]]]
) -> dict[str, Days | Unseen]:
    """What `look` sees of each name (a domain, or a mailbox), asked for `size` of them at a time.

    A fault is that of the names it was asked for; when the platform as a whole does not answer, the rest are not asked
    for: a thousand would each wait for the same time-out.
    """
    answers: dict[str, Days | Unseen] = {}
    for start in range(0, len(names), size):
        some = names[start : start + size]
        try:
            found = await look(some)
        except HttpFault as fault:
            alone = fault.why in _OF_ONE_QUESTION
            answers |= dict.fromkeys(some if alone else names[start:], because(fault))
            if not alone:
                break
        else:
            answers |= {name: found.get(name, {}) for name in some}
    return answers


def observations(
    source: str,
    domains: Iterable[str],
    now: datetime,
    answers: Mapping[str, Days | Unseen],
    since: date,
    **more: Mapping[str, Reading],
) -> tuple[Observation, ...]:
    """One look at each domain as a whole, with its counts summed up, and one for each believable day.

    `more` are further readings of the whole, by domain: `more[name][domain]`.
    """
    found: list[Observation] = []
    for domain in domains:
        answer = answers[domain]
        if isinstance(answer, Unseen):
            found.append(Observation(source, domain, now, answer))
            continue
        days = believable(answer, since, now)
        whole: dict[str, Reading] = {**_sums(days)}
        whole |= {name: values[domain] for name, values in more.items() if domain in values}
        found += looks(source, domain, now, days, whole)
    return tuple(found)


def looks(source: str, domain: str, now: datetime, days: Days, whole: Mapping[str, Reading]) -> tuple[Observation, ...]:
    """One look at the domain as a whole (part "": `code`, the `days` told of, and `whole`), and one at each day."""
    told = {day: numbers for day, numbers in sorted(days.items()) if numbers}
    return (
        Observation(source, domain, now, Seen({**whole, "code": "ok", "days": len(told)})),
        *(Observation(source, domain, now, Seen(numbers), day.isoformat()) for day, numbers in told.items()),
    )


def unseen(source: str, domains: Iterable[str], now: datetime, answer: Unseen) -> tuple[Observation, ...]:
    """That nothing could be seen of any of `domains`, and why."""
    return tuple(Observation(source, domain, now, answer) for domain in domains)


def _sums(days: Days) -> dict[str, int]:
    sums: dict[str, int] = {}
    for told in days.values():
        for name, number in told.items():
            sums[name] = sums.get(name, 0) + number
    return sums
