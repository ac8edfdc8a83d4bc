"""The drill's mail: what one domain sends in fast motion, and what becomes of it.

Shares are exact, not drawn: 0.02 % of 5,000 messages is one complaint, each time. That keeps runs alike, and lets
a scenario say beforehand which thresholds will be crossed.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from math import inf
from random import Random
from typing import Any

from deliverd.model import SendState

PACE = 60
"""How many seconds one second of the drill stands for."""

Event = dict[str, Any]

_HEALTHY_COMPLAINTS = 0.0002
_HARD_BOUNCES = 0.002
_SOFT_BOUNCES = 0.006
_COMPLAINT_DELAY = (0.3, 1.2)
_COMPLAINING_PROVIDERS = ("outlook.com", "yahoo.com", "comcast.net")
_DAY = 86400


@dataclass(slots=True)
class Share:
    """Whole pieces of a flow: `of(n)` says how many of n more messages meet this fate, keeping the rest for later."""

    ratio: float
    _owed: float = 0.0

    def of(self, messages: float) -> int:
        self._owed += messages * self.ratio
        # A sum of many small floats may stop a hair short of the whole piece it stands for.
        whole = int(self._owed + 1e-9)
        self._owed -= whole
        return whole


@dataclass(slots=True)
class Campaign:
    """A mailing to a bought list: so many messages, so many a minute, and which share of them is complained about."""

    messages: int
    per_minute: int
    complaint_rate: float
    sent: int = 0
    complaints: Share = field(init=False)
    flow: Share = field(init=False)

    def __post_init__(self) -> None:
        self.complaints = Share(self.complaint_rate)
        self.flow = Share(self.per_minute / 60)

    def next(self, seconds: float, room: float) -> int:
        """How many of its messages leave in so many seconds of the world's time, where `room` is left for them."""
        due = int(min(self.flow.of(seconds), self.messages - self.sent, room))
        self.sent += due
        return due


@dataclass(slots=True)
class Lane:
    """One sending domain at the platform: its volume, its switch, and what has left through it.

    `spoiled` says that what leaves now is bad mail even without a campaign (its signature can no longer be checked).
    """

    domain: str
    per_day: int
    state: SendState = SendState.RUNNING
    daily_limit: int | None = None
    author: str = "customer"
    sent_today: int = 0
    campaign: Campaign | None = None
    spoiled: bool = False
    first_bad_at: datetime | None = None
    left_since_bad: int = 0
    _flow: Share = field(init=False)
    _fates: tuple[tuple[str, Share], ...] = field(init=False)
    _grumble: Share = field(default_factory=lambda: Share(_HEALTHY_COMPLAINTS))
    _pending: list[tuple[datetime, int, datetime]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._flow = Share(self.per_day / _DAY)
        self._fates = (("hard", Share(_HARD_BOUNCES)), ("soft", Share(_SOFT_BOUNCES)))

    @property
    def room(self) -> float:
        """How many more messages the switch lets out today."""
        if self.state is SendState.THROTTLED:
            return max(0, (self.daily_limit or 0) - self.sent_today)
        return inf if self.state is SendState.RUNNING else 0

    def tick(self, now: datetime, seconds: float, ids: "Ids", random: Random) -> list[Event]:
        """What is to be reported after `seconds` of the drill: mail that left, and complaints that fall due."""
        good, bad = self._leave(seconds * PACE)
        if (bad or (self.spoiled and good)) and self.first_bad_at is None:
            self.first_bad_at = now
        if self.first_bad_at is not None:
            self.left_since_bad += good + bad
        self.sent_today += good + bad
        grumbles = self._grumble.of(good) + (self.campaign.complaints.of(bad) if self.campaign else 0)
        for _ in range(grumbles):
            delay = timedelta(seconds=random.uniform(*_COMPLAINT_DELAY))
            heapq.heappush(self._pending, (now + delay, ids.number(), now))
        return [*self._reports(good + bad, now, now, ids), *self._due(now, ids, random)]

    def day(self, start: datetime, end: datetime, ids: "Ids", random: Random) -> Iterator[Event]:
        """The hours of a healthy day before `end`, one report an hour: the history the drill begins with."""
        hours = (start + timedelta(hours=hour) for hour in range(24))
        for sent_at in (hour for hour in hours if hour < end):
            mail = self._flow.of(_DAY / 24)
            yield from self._reports(mail, sent_at, sent_at + timedelta(minutes=1), ids)
            for _ in range(self._grumble.of(mail)):
                yield self._complaint(sent_at + timedelta(minutes=40), sent_at, ids, random)

    def _leave(self, world_seconds: float) -> tuple[int, int]:
        room = self.room
        if not room:
            return 0, 0
        good = int(min(self._flow.of(world_seconds), room))
        bad = self.campaign.next(world_seconds, room - good) if self.campaign else 0
        return good, bad

    def _reports(self, mail: int, sent_at: datetime, at: datetime, ids: "Ids") -> Iterator[Event]:
        if not mail:
            return
        yield ids.event("sent", self.domain, sent_at, sent_at, count=mail)
        left = mail
        for kind, share in self._fates:
            if bounced := min(share.of(mail), left):
                left -= bounced
                yield ids.event("bounced", self.domain, at, sent_at, count=bounced, bounce=kind)
        if left:
            yield ids.event("delivered", self.domain, at, sent_at, count=left)

    def _due(self, now: datetime, ids: "Ids", random: Random) -> Iterator[Event]:
        while self._pending and self._pending[0][0] <= now:
            at, _, sent_at = heapq.heappop(self._pending)
            yield self._complaint(at, sent_at, ids, random)

    def _complaint(self, at: datetime, sent_at: datetime, ids: "Ids", random: Random) -> Event:
        provider = random.choice(_COMPLAINING_PROVIDERS)
        message = f"{ids.number()}@{self.domain}"
        fields = {"recipient_domain": provider, "message_id": message, "feedback_type": "abuse"}
        return ids.event("complained", self.domain, at, sent_at, **fields)


class Ids:
    """Numbers events, so that deliverd can tell a repeated report from a new one."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def number(self) -> int:
        """The next number."""
        return next(self._numbers)

    def event(self, kind: str, domain: str, at: datetime, sent_at: datetime, **fields: str | int) -> Event:
        """One event as the `webhook` schema has it."""
        about = {"id": f"evt_{self.number()}", "type": kind, "domain": domain}
        return {**about, "at": _stamp(at), "sent_at": _stamp(sent_at), **fields}


def _stamp(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
