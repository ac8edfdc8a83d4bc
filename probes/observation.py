"""The vocabulary of seeing: what a probe may answer. Standard library only.

Three answers, never two: a probe has *seen* readings (which may say that a record is absent or broken),
or it has *not seen* and says why. Unseen is never good news and never bad news.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

Reading = str | int | float | bool | tuple[str, ...]


class Why(StrEnum):
    """Why something could not be seen."""

    TIMEOUT = "timeout"
    SERVFAIL = "servfail"
    REFUSED = "refused"
    NETWORK = "network"
    DENIED = "denied"
    RATE_LIMITED = "rate-limited"
    UNREADABLE = "unreadable"
    NO_DATA = "no-data"


@dataclass(frozen=True, slots=True)
class Seen:
    """What a probe read, by name. Never empty, never NaN or infinite.

    Raises:
        ValueError: no readings, or a number that is not finite.
    """

    readings: Mapping[str, Reading]

    def __post_init__(self) -> None:
        if not self.readings:
            raise ValueError("Seen needs at least one reading; use Unseen(why) when nothing was read")
        for name, value in self.readings.items():
            if isinstance(value, float) and not math.isfinite(value):
                raise ValueError(f"reading {name!r} is {value}: only finite numbers can be seen")
        object.__setattr__(self, "readings", MappingProxyType(dict(self.readings)))


@dataclass(frozen=True, slots=True)
class Unseen:
    """That a probe could not look, and why: `detail` names the server and its words, without secrets."""

    why: Why
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Observation:
    """One look by one source (`spf`, `dkim`, `webhook`, ...) at one target, at one instant (aware UTC).

    `target` is the domain; `part` tells apart several looks of one source at one domain, such as DKIM selectors.
    """

    source: str
    target: str
    at: datetime
    answer: Seen | Unseen
    part: str = ""

    def __post_init__(self) -> None:
        require_utc(self.at)


class EventKind(StrEnum):
    """What happened to one message."""

    SENT = "sent"
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    UNSUBSCRIBED = "unsubscribed"
    REPLIED = "replied"


@dataclass(frozen=True, slots=True)
class MailEvent:
    """One thing that happened to one message (or to `count` messages of one hour, where a source only counts).

    `id` is unique within its source and is what duplicates are dropped by; `domain` is the sending domain,
    lower case, A-label; `at` is when it happened and `sent_at` when its message was sent: complaints belong to
    the hour of their message (its cohort). Both aware UTC. `provider` is the mailbox provider, "" if unknown.
    `detail` is `hard` or `soft` for a bounce, the feedback type for a complaint.
    """

    id: str
    kind: EventKind
    domain: str
    at: datetime
    sent_at: datetime
    provider: str = ""
    message_id: str = ""
    detail: str = ""
    count: int = 1

    def __post_init__(self) -> None:
        require_utc(self.at)
        require_utc(self.sent_at)
        if self.count < 1:
            raise ValueError(f"count is {self.count}: an event happened at least once")


@dataclass(frozen=True, slots=True)
class Reject:
    """One part of a request that could not be accepted: `index` in its batch, machine-readable `code`, and why."""

    index: int
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a webhook body held: the good events, and what was wrong with the others."""

    events: tuple[MailEvent, ...] = ()
    rejects: tuple[Reject, ...] = ()


@dataclass(frozen=True, slots=True)
class Window:
    """The times in which an event is believable: not after `now + future`, not before `now - past`."""

    now: datetime
    future: timedelta = field(default=timedelta(minutes=5))
    past: timedelta = field(default=timedelta(days=60))

    def fault(self, at: datetime) -> str | None:
        """What is wrong with `at`, in words, or None when it is believable."""
        if at > self.now + self.future:
            return f"{at.isoformat()} is in the future (now {self.now.isoformat()}); check the sender's clock"
        if at < self.now - self.past:
            return f"{at.isoformat()} is more than {self.past.days} days ago; it can no longer be judged"
        return None


class ForgedRequest(ValueError):  # noqa: N818 - a noun of the field, not "...Error"
    """A webhook request whose signature, time stamp or origin does not hold. The text names no secret."""


class MalformedRequest(ValueError):  # noqa: N818
    """A webhook request that is signed well but cannot be read as a whole."""


def require_utc(at: datetime) -> datetime:
    """Return `at` unchanged. Raises ValueError unless it is aware and in UTC."""
    # Almost every time carries the one UTC object, and every event is asked twice: asking it first is the cheap way.
    if at.tzinfo is not UTC and (at.tzinfo is None or at.utcoffset() != timedelta(0)):
        raise ValueError(f"{at!r} is not an aware UTC time")
    return at
