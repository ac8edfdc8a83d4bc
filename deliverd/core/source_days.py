"""The days that a source tells of: which came, which should be there, and when the next one should. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from deliverd.core.coverage import DAYS, DayMail, basis_of, volume
from deliverd.core.sources import About
from deliverd.model import Look
from probes.observation import Reading, Seen

PATIENCE = timedelta(days=7)
"""How much longer than its lag a source may be silent while it is not known on which days mail was sent: a week has
every kind of day in it.
"""

_DAY = timedelta(days=1)
_ISO_DAY = re.compile(r"(?<![0-9A-Za-z])\d{4}-\d\d-\d\d(?![0-9A-Za-z])", re.ASCII)


@dataclass(frozen=True, slots=True)
class Day:
    """What a source says of one day, in its own readings. `part` tells apart several of one day, as by IP address."""

    day: date
    part: str
    readings: Mapping[str, Reading]


@dataclass(frozen=True, slots=True)
class Volumes:
    """A domain's messages by UTC day, and by day and provider; `placed` is whether of any it is known where it went."""

    by_day: Mapping[date, int]
    by_provider: Mapping[tuple[date, str], int]
    placed: bool

    def known(self, about: About) -> bool:
        """Whether it can be told on which days a source should have something to say."""
        return self.placed if about.days_of else bool(self.by_day)

    def enough(self, about: About, day: date) -> bool:
        """Whether the domain is known to have sent what a source needs to tell of a day."""
        sent = self.by_provider.get((day, about.days_of), 0) if about.days_of else self.by_day.get(day, 0)
        return sent >= about.least


def volumes(mail: Sequence[DayMail]) -> Volumes:
    """The messages in `mail`; days without any are left out."""
    basis = basis_of(mail)
    by_day: dict[date, int] = {}
    by_provider: dict[tuple[date, str], int] = {}
    for row in mail:
        if count := volume(row, basis):
            by_day[row.day] = by_day.get(row.day, 0) + count
            by_provider[row.day, row.provider] = by_provider.get((row.day, row.provider), 0) + count
    return Volumes(by_day, by_provider, any(provider for _, provider in by_provider))


def first_day(now: datetime) -> date:
    """The first of the days that are looked at."""
    return now.date() - timedelta(days=DAYS)


def is_day(part: str) -> bool:
    """Whether a look's part names a day, as `2026-11-20` and `2026-11-20 192.0.2.1` do."""
    return _ISO_DAY.search(part) is not None


def days_of(looks: Sequence[Look], now: datetime) -> tuple[Day, ...]:
    """The days that were seen, oldest first. A day that is long past, or still to come, is left out."""
    found = [day for look in looks if (day := _day(look)) and first_day(now) <= day.day <= now.date() + _DAY]
    return tuple(sorted(found, key=lambda one: (one.day, one.part)))


def deadline(about: About, day: date) -> datetime:
    """When the numbers of a day should be there: the source's lag after its end."""
    return datetime.combine(day + _DAY, time(), UTC) + (about.lag or timedelta())


def due(about: About, days: Sequence[Day], sent: Volumes, now: datetime) -> tuple[date, ...]:
    """The days whose numbers should be there, oldest first: since the first one that came, with enough mail."""
    if about.lag is None or not days:
        return ()
    since = days[0].day
    span = [since + number * _DAY for number in range((now.date() - since).days)]
    return tuple(day for day in span if deadline(about, day) <= now and sent.enough(about, day))


def overdue(about: About, days: Sequence[Day], sent: Volumes, now: datetime) -> tuple[date, ...]:
    """The days after the newest one whose numbers should be there.

    Where it is not known on which days mail was sent, a mailbox provider's silence is noticed after PATIENCE, and a
    platform's never: it tells of no day on which it sent nothing.
    """
    if about.lag is None or not days:
        return ()
    newest = days[-1].day
    if sent.known(about):
        return tuple(day for day in due(about, days, sent, now) if day > newest)
    quiet = bool(about.days_of) and deadline(about, newest + _DAY) + PATIENCE <= now
    return (newest + _DAY,) if quiet else ()


def next_by(about: About, days: Sequence[Day], sent: Volumes, now: datetime) -> datetime | None:
    """When the next day's numbers should be there; None where no day is to be expected, as while nothing is sent."""
    if about.lag is None or not days:
        return None
    newest = days[-1].day
    if not sent.known(about):
        return deadline(about, newest + _DAY) + PATIENCE if about.days_of else None
    ahead = [newest + number * _DAY for number in range(1, max(1, (now.date() - newest).days) + 1)]
    return next((deadline(about, day) for day in ahead if sent.enough(about, day)), None)


def _day(look: Look) -> Day | None:
    match = _ISO_DAY.search(look.latest.part)
    if match is None or look.seen is None or not isinstance(look.seen.answer, Seen):
        return None
    try:
        day = date.fromisoformat(match[0])
    except ValueError:
        return None
    return Day(day, look.latest.part.replace(match[0], "", 1).strip(" /@:|"), look.seen.answer.readings)
