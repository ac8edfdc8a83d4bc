"""The nouns: what deliverd judges, wants, plans and did. Values only; every rate is a ratio (0.001 is 0.1 %)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from probes.observation import Observation


class Standing(StrEnum):
    """How a domain stands, best first but for recovering, which is the way back from paused."""

    HEALTHY = "healthy"
    WATCH = "watch"
    THROTTLED = "throttled"
    PAUSED = "paused"
    RECOVERING = "recovering"

    @property
    def rank(self) -> int:
        """How bad it is: 0 healthy to 3 paused. Recovering still holds mail back, so it ranks as throttled."""
        return {"healthy": 0, "watch": 1, "throttled": 2, "recovering": 2, "paused": 3}[self.value]


class Mode(StrEnum):
    """What deliverd may do for a domain: write down, ask a person, or act."""

    OBSERVE = "observe"
    PROPOSE = "propose"
    ENFORCE = "enforce"


class SendState(StrEnum):
    """What a lever lets through."""

    RUNNING = "running"
    THROTTLED = "throttled"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class Limit:
    """What a lever should let through; `per_day` is messages a day and goes with THROTTLED only."""

    state: SendState
    per_day: int | None = None

    def __post_init__(self) -> None:
        if (self.state is SendState.THROTTLED) != (self.per_day is not None):
            raise ValueError(f"{self.state} with per_day={self.per_day}: a daily limit goes with throttled only")
        if self.per_day is not None and self.per_day < 1:
            raise ValueError(f"per_day is {self.per_day}: a throttle lets at least one message through; use paused")

    def stricter_than(self, other: "Limit") -> bool:
        """Whether this lets less through than `other`."""
        return self.strictness > other.strictness

    @property
    def strictness(self) -> tuple[int, int]:
        """A key that orders limits from letting everything through to letting nothing through."""
        return list(SendState).index(self.state), -(self.per_day or 0)

    def __str__(self) -> str:
        return f"throttled to {self.per_day:,} a day" if self.per_day else self.state.value


@dataclass(frozen=True, slots=True)
class Counts:
    """How many messages of some cohorts met each fate."""

    sent: int = 0
    delivered: int = 0
    hard_bounced: int = 0
    soft_bounced: int = 0
    complained: int = 0
    unsubscribed: int = 0
    replied: int = 0

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}: a count is never negative")

    @property
    def complaint_rate(self) -> float:
        """Complaints per message sent, a ratio. Complaints about mail never reported as sent count as sent."""
        mail = max(self.sent, self.complained)
        return self.complained / mail if mail else 0.0


@dataclass(frozen=True, slots=True)
class HourlyMail:
    """Mail to providers that tell of complaints, by the hour it was sent in; nothing at all while nobody complained.

    `rows` hold the hour (counted from 1970-01-01 UTC), the messages sent in it, and the complaints about them so far;
    several of one hour add up. `through` is the id of the newest event that was counted (of any domain).
    """

    rows: tuple[tuple[int, int, int], ...] = ()
    through: int = 0


@dataclass(frozen=True, slots=True)
class Look:
    """What one source last said of a domain, and since when it has been saying so.

    `latest` is its newest observation; `seen` its newest one with an answer (None: it never answered);
    `failing_since` and `failures` tell of the unbroken run of its newest *seen* answers that were failing (unseen
    ones neither lengthen nor break it); None and 0 when the newest seen answer is not failing.
    """

    latest: Observation
    seen: Observation | None = None
    failing_since: datetime | None = None
    failures: int = 0


class OrderKind(StrEnum):
    """What a person may order."""

    PAUSE = "pause"
    RESUME = "resume"
    HOLD = "hold"
    RELEASE = "release"
    APPROVE = "approve"


@dataclass(frozen=True, slots=True)
class Order:
    """A person's word about a domain. `until` ends a hold; `decision_id` is what an approval approves."""

    id: int
    domain: str
    kind: OrderKind
    author: str
    reason: str
    at: datetime
    until: datetime | None = None
    decision_id: int | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """A judgement that changed something: from which standing to which, by which rule, and on what evidence.

    `limit` is what the standing asks of the levers; whether it is acted on depends on `mode` and approval.
    `epoch` is the instant from which mail counts (None: all mail in the window). `normal_per_day` is the volume
    before anything was held back, in messages a day. `step` is the ramp step while recovering, else 0.
    `seq` numbers the domain's decisions from 1 and is the compare-and-set claim. `id` is 0 until stored.
    """

    domain: str
    seq: int
    at: datetime
    previous: Standing
    standing: Standing
    since: datetime
    rule: str
    reason: str
    evidence: Mapping[str, Any]
    author: str
    mode: Mode
    limit: Limit
    epoch: datetime | None = None
    normal_per_day: int = 0
    step: int = 0
    observation_ids: tuple[int, ...] = ()
    order_id: int | None = None
    id: int = 0


@dataclass(frozen=True, slots=True)
class Lever:
    """What is moved at a platform: `account` names it in the configuration, `kind` is domain, configuration-set, ..."""

    account: str
    kind: str
    id: str

    def __str__(self) -> str:
        return f"{self.account}/{self.kind}:{self.id}"


@dataclass(frozen=True, slots=True)
class Desired:
    """What a lever should be at, by which decision. The newest one of a lever holds. `id` is 0 until stored."""

    domain: str
    lever: Lever
    limit: Limit
    decision_id: int
    at: datetime
    id: int = 0


@dataclass(frozen=True, slots=True)
class Actual:
    """What the platform says a lever is at. `by` is who set it, where the platform tells: `deliverd` or another."""

    limit: Limit
    by: str | None = None
    detail: str = ""


class Outcome(StrEnum):
    """How an act ended: the read-back agreed, disagreed (or could not be read), or the call itself was refused."""

    CONFIRMED = "confirmed"
    UNCONFIRMED = "unconfirmed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Action:
    """One move of one lever: to `limit`, from what was there `before`, for the desired row that asks for it.

    `original` is what stood there before deliverd first held anything back: what a lift goes back to. An action
    whose limit is the original is a lift; after it nothing on the lever is deliverd's any more.
    """

    lever: Lever
    limit: Limit
    before: Limit
    original: Limit
    domain: str
    desired_id: int
    reason: str


@dataclass(frozen=True, slots=True)
class Intent:
    """An action written down before it is done. `attempt` counts from 1 within its desired row."""

    id: int
    action: Action
    attempt: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Result:
    """What came of an intent."""

    intent_id: int
    outcome: Outcome
    at: datetime
    actual: Actual | None
    detail: str = ""
    id: int = 0


@dataclass(frozen=True, slots=True)
class LeverMemory:
    """What the store remembers of one lever: its newest intent (and result, if any), its newest confirmed one."""

    latest: tuple[Intent, Result | None] | None = None
    confirmed: tuple[Intent, Result] | None = None


class FindingKind(StrEnum):
    """What reconciling noticed besides the actions it takes."""

    DRIFT = "drift"
    FOREIGN_PAUSE = "foreign-pause"
    CANNOT_THROTTLE = "cannot-throttle"
    UNREADABLE = "unreadable"
    WAITING = "waiting"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about a lever that a person should know and that deliverd does not change by itself."""

    kind: FindingKind
    lever: Lever
    domain: str
    text: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What reconciling an account would do: printable, comparable, refusable."""

    account: str
    actions: tuple[Action, ...] = ()
    findings: tuple[Finding, ...] = ()


class Severity(StrEnum):
    """How loudly an incident is told."""

    NOTIFY = "notify"
    PAGE = "page"


@dataclass(frozen=True, slots=True)
class Incident:
    """Something open about a domain, by cause (`standing`, `unconfirmed`, `blind`, `drift`, ...).

    `version` counts its changes from 1: each version is told once. `facts` are the numbers its words are made
    of. `closed_at` is set once it is over. `id` is 0 until stored.
    """

    domain: str
    cause: str
    severity: Severity
    opened_at: datetime
    changed_at: datetime
    version: int
    facts: Mapping[str, Any] = field(default_factory=dict)
    closed_at: datetime | None = None
    id: int = 0


@dataclass(frozen=True, slots=True)
class Notice:
    """One telling of one version of an incident to one owner. `repeat` is 0 for the first, then 1, 2, ...

    `sent_at` is set once a channel took it, `failed_at` when the newest try failed; a notice with neither was cut off
    and is sent again: twice rather than never.
    """

    incident_id: int
    version: int
    owner: str
    repeat: int
    at: datetime
    title: str
    body: str
    sent_at: datetime | None = None
    failed_at: datetime | None = None
    detail: str = ""
    id: int = 0
