"""Counts by cohort: every complaint belongs to the hour in which its message was sent, whenever it arrives.

Complaints trail their messages by hours to days, so "complaints of today over messages of today" reads low after a
burst and absurdly high the day after it. And a mailbox provider that never tells of a complaint must not swell the
denominator, or a domain that mails mostly to it would look clean.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deliverd.core.reach import FEEDBACK
from deliverd.model import Counts
from probes.observation import EventKind, MailEvent, require_utc

Integers = NDArray[np.int64]
Key = tuple[str, str, datetime]
"""Sending domain, mailbox provider, and the hour in which the message was sent (aware UTC)."""

MOST = 2**45
"""Larger counts of one hour are taken as this many: no mailing is, and sums of 60 days still fit 64 bits."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIELDS = {
    EventKind.SENT: "sent",
    EventKind.DELIVERED: "delivered",
    EventKind.COMPLAINED: "complained",
    EventKind.UNSUBSCRIBED: "unsubscribed",
    EventKind.REPLIED: "replied",
}


@dataclass(frozen=True, slots=True, eq=False)
class Cohorts:
    """The hours of one domain (or of several pooled) in which mail was sent: hour, messages, complaints about them.

    `hours` count from 1970-01-01 UTC and rise strictly; no row is without mail and complaints. Two tables with the same
    rows have the same `digest`, however they came about. Make one with `cohorts_of` or `table_of`.
    """

    hours: Integers
    sends: Integers
    complaints: Integers

    def __len__(self) -> int:
        return len(self.hours)

    @property
    def digest(self) -> str:
        """The SHA-256 of the rows (hour, messages, complaints) as 64-bit little-endian integers, row after row."""
        rows = np.stack((self.hours, self.sends, self.complaints), axis=1)
        return sha256(b"deliverd cohorts 1\n" + rows.astype("<i8").tobytes()).hexdigest()

    def since(self, start: datetime) -> "Cohorts":
        """The cohorts of the hour of `start` and later ones."""
        first = int(np.searchsorted(self.hours, hour_number(start)))
        return Cohorts(self.hours[first:], self.sends[first:], self.complaints[first:])

    def plus(self, at: datetime, sends: int = 0, complaints: int = 0) -> "Cohorts":
        """The table with some more messages sent in the hour of `at`, and complaints about messages of that hour."""
        hour = hour_number(at)
        rows = (self.hours, hour), (self.sends, sends), (self.complaints, complaints)
        return table_of(*(np.append(column, np.array([new])) for column, new in rows))


def hour_number(at: datetime) -> int:
    """The hour of `at` (aware UTC), counted from 1970. Raises ValueError unless it is in UTC."""
    return (require_utc(at) - _EPOCH) // timedelta(hours=1)


def hour_start(number: int) -> datetime:
    """The instant at which an hour began."""
    return _EPOCH + timedelta(hours=number)


def count(events: Iterable[MailEvent]) -> dict[Key, Counts]:
    """Count events by sending domain, mailbox provider and hour of sending. Their order does not matter."""
    tally: dict[Key, dict[str, int]] = {}
    for event in events:
        key = event.domain, event.provider, hour_start(hour_number(event.sent_at))
        field, row = _field(event), tally.setdefault(key, {})
        row[field] = row.get(field, 0) + event.count
    return {key: Counts(**row) for key, row in sorted(tally.items())}


def _field(event: MailEvent) -> str:
    if event.kind is EventKind.BOUNCED:
        return "hard_bounced" if event.detail == "hard" else "soft_bounced"
    return _FIELDS[event.kind]


def cohorts_of(counts: Mapping[Key, Counts], domains: Collection[str], feedback: Collection[str] = FEEDBACK) -> Cohorts:
    """The cohorts of `domains` together, of mail to providers that send feedback and of nobody else's.

    Complaints about other mail are left out as well: numerator and denominator are about the same mail, or the bound on
    false actions would not hold. `unheard` counts what is left out.
    """
    heard = [
        (hour_number(at), row.sent, row.complained)
        for (domain, provider, at), row in counts.items()
        if domain in domains and provider in feedback
    ]
    return table_of(*zip(*heard, strict=True)) if heard else NOTHING


def unheard(counts: Mapping[Key, Counts], domain: str, feedback: Collection[str] = FEEDBACK) -> dict[str, int]:
    """The complaints about a domain's mail to providers that are not counted, by provider.

    Any at all says that the provider does send feedback: the configuration should count it.
    """
    found: dict[str, int] = {}
    for (sender, provider, _), row in counts.items():
        if sender == domain and provider not in feedback and row.complained:
            found[provider] = found.get(provider, 0) + row.complained
    return dict(sorted(found.items()))


def table_of(hours: ArrayLike, sends: ArrayLike, complaints: ArrayLike) -> Cohorts:
    """A table from rows in any order; rows of one hour are added up.

    Counts that were revised to less than nothing are taken as nothing, and those over MOST as MOST: of each row, and
    of the sum. Raises ValueError when the three differ in length or are not integers.
    """
    given = [np.asarray(column) for column in (hours, sends, complaints)]
    if any(column.ndim != 1 or len(column) != len(given[0]) for column in given):
        raise ValueError("hours, sends and complaints must be three lists of one length")
    if any(len(column) and column.dtype.kind not in "iuO" for column in given):
        raise ValueError("hours, sends and complaints must be integers")
    distinct, place = np.unique(given[0].astype(np.int64), return_inverse=True)
    summed = [_summed(column, place, len(distinct)) for column in given[1:]]
    kept = (summed[0] > 0) | (summed[1] > 0)
    return Cohorts(distinct[kept], summed[0][kept], summed[1][kept])


def _summed(column: NDArray[Any], place: NDArray[np.intp], size: int) -> Integers:
    total = np.zeros(size, np.int64)
    np.add.at(total, place, np.clip(column, -MOST, MOST).astype(np.int64))
    return np.clip(total, 0, MOST)


def pooled(tables: Iterable[Cohorts]) -> Cohorts:
    """Several tables added up, hour by hour, such as those of the sibling domains of one brand."""
    parts = [(table.hours, table.sends, table.complaints) for table in tables]
    return table_of(*map(np.concatenate, zip(*parts, strict=True))) if parts else NOTHING


_NONE = np.zeros(0, np.int64)
NOTHING = Cohorts(_NONE, _NONE, _NONE)
"""No mail at all."""
