"""One view of a domain: what each source says, beside each other. Pure.

Nothing is averaged and nothing is added up across sources: Gmail's ratio of the mail in its inboxes, Microsoft's of the
mail from an IP address and a platform's counts are three things. Each keeps its series, its units and its denominator.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from deliverd.core.coverage import Coverage, DayMail, Speaker, coverage
from deliverd.core.rules import AUTHENTICATION, unknown
from deliverd.core.source_days import Day, Volumes, days_of, deadline, due, is_day, next_by, overdue, volumes
from deliverd.core.sources import COMPLAINT_READINGS, EVENTS, About, Figure, about
from deliverd.model import Look
from deliverd.policy import Policy, Watched
from probes import aggregate_report
from probes.observation import Reading, Seen, Unseen

EVENTS_HOLD = timedelta(days=3)
"""A hook through which nothing came for longer, a long weekend, is not known to work."""

ASIDE = ("compliance", "key")
"""Parts that say nothing of whether their source answers: how its rules are kept, and how long its key will hold."""

_Rows = Sequence[tuple[int, Look]]


class State(StrEnum):
    """How a source stands.

    FRESH: what it says holds. NOTHING: it was reached, and has nothing on the domain. LATE: it answers, and the numbers
    of a day that should be there are not. STALE: its last answer is too old to hold. DARK: it never answered. UNASKED:
    nobody has asked it yet.
    """

    FRESH = "fresh"
    NOTHING = "nothing"
    LATE = "late"
    STALE = "stale"
    DARK = "dark"
    UNASKED = "unasked"

    @property
    def well(self) -> bool:
        """Whether nobody need look into it."""
        return self in (State.FRESH, State.NOTHING)


@dataclass(frozen=True, slots=True)
class Number:
    """One figure as its source gives it. `of` is its denominator in words, `total` that in numbers, where it is told.

    `day` is the day it is about, None for a figure over the source's own window; `part` as in Day.
    """

    reading: str
    value: Reading
    unit: str
    of: str = ""
    total: int | float | None = None
    day: date | None = None
    part: str = ""


@dataclass(frozen=True, slots=True)
class Complete:
    """How much there is of what there should be: `have` of `due`, in `unit` (`days` or `messages`)."""

    have: int
    due: int
    unit: str


@dataclass(frozen=True, slots=True)
class SourceView:
    """What one source says of a domain.

    `at` is when it last answered, `newest` the newest day it has numbers of. `look_by` is until when its answer holds:
    the next one should be here by then; `day_by` when the next day's numbers should be. `why` says what is wrong, or
    what its last try met. `speaks_for` are the providers whose complaints it tells by its nature, `might_speak_for`
    those whose it tells if their loop was joined; `tells` and `perhaps` are what of that holds as it stands now.
    """

    source: str
    state: State
    speaks_for: frozenset[str]
    might_speak_for: frozenset[str]
    why: str = ""
    at: datetime | None = None
    newest: date | None = None
    look_by: datetime | None = None
    day_by: datetime | None = None
    numbers: tuple[Number, ...] = ()
    days: tuple[Day, ...] = ()
    complete: Complete | None = None
    tells: frozenset[str] = frozenset()
    perhaps: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a domain. `platform` is the kind of its platform, `last_event` when its account's hook last
    took something in; `mail` reaches back DAYS whole days; `looks` are of what the configuration still asks for.
    """

    domain: str
    now: datetime
    policy: Policy
    platform: str
    expected: Mapping[str, Watched]
    looks: _Rows = ()
    mail: Sequence[DayMail] = ()
    last_event: datetime | None = None


@dataclass(frozen=True, slots=True)
class Fused:
    """Every source that should watch a domain, and how much of its mail they cover together."""

    domain: str
    sources: tuple[SourceView, ...]
    coverage: Coverage

    @property
    def well(self) -> bool:
        """Whether every source is."""
        return all(view.state.well for view in self.sources)


def fuse(known: Known) -> Fused:
    """The view of a domain."""
    sent = volumes(known.mail)
    views = [_view(known, sent, source, watched) for source, watched in sorted(known.expected.items())]
    told = next((view.days for view in views if view.source == known.platform), ())
    views.append(_events(known, sent, told))
    views += _reports(known)
    speakers = [Speaker(view.source, view.tells, view.perhaps) for view in views]
    return Fused(known.domain, tuple(views), coverage(known.mail, speakers))


def late(fused: Fused) -> tuple[str, ...]:
    """The sources that answer, and whose newest numbers are overdue: what `rules.blind` cannot see."""
    return tuple(view.source for view in fused.sources if view.state is State.LATE)


def _view(known: Known, sent: Volumes, source: str, watched: Watched) -> SourceView:
    facts, dated = about(source), source not in AUTHENTICATION
    mine = [row for row in known.looks if row[1].latest.source == source and row[1].latest.part not in ASIDE]
    days = days_of([look for _, look in mine], known.now) if dated else ()
    whole = [row for row in mine if not (dated and is_day(row[1].latest.part))]
    wanted = due(facts, days, sent, known.now)
    missing = overdue(facts, days, sent, known.now)
    state = _state(known, source, watched, whole)
    if state is State.FRESH and missing:
        state = State.LATE
    tells = state is State.FRESH and _tells(source, days, whole)
    return SourceView(
        source,
        state,
        facts.speaks_for,
        facts.perhaps,
        _why(state, whole, missing),
        max((look.seen.at for _, look in whole if look.seen), default=None),
        days[-1].day if days else None,
        _look_by(known.policy, watched, whole),
        next_by(facts, days, sent, known.now),
        _numbers(facts, days, whole),
        days,
        Complete(len({day.day for day in days} & set(wanted)), len(wanted), "days") if wanted else None,
        facts.speaks_for if tells else frozenset(),
        facts.perhaps if tells else frozenset(),
    )


def _state(known: Known, source: str, watched: Watched, whole: _Rows) -> State:
    if not whole:
        return State.UNASKED
    spoke = [look.seen is not None for _, look in whole]
    # The rules' own word on what is fresh, so that this view and the judge never disagree.
    if not unknown(known.policy, whole, {source: watched}, known.now):
        return State.FRESH if any(spoke) else State.NOTHING
    return State.STALE if any(spoke) else State.DARK


def _why(state: State, whole: _Rows, missing: Sequence[date]) -> str:
    if state is State.LATE:
        return f"no numbers of {missing[0]}" + (f" and {len(missing) - 1} more" if len(missing) > 1 else "")
    if state is State.UNASKED:
        return "nobody has asked it yet"
    for _, look in whole:
        if isinstance(look.latest.answer, Unseen):
            return ": ".join(filter(None, (look.latest.answer.why.value, look.latest.answer.detail)))
    return "" if state is State.FRESH else "it was not asked again"


def _look_by(policy: Policy, watched: Watched, whole: _Rows) -> datetime | None:
    answered = [(look.seen or look.latest).at for _, look in whole]
    return min(answered) + watched.stale_after(policy) if answered else None


def _tells(source: str, days: Sequence[Day], whole: _Rows) -> bool:
    """Whether it was seen to tell of complaints. A mailbox of reports has nothing to show before the first one."""
    if source == "feedback_mail":
        return True
    seen = [look.seen.answer.readings for _, look in whole if look.seen and isinstance(look.seen.answer, Seen)]
    return any(COMPLAINT_READINGS & set(readings) for readings in (*seen, *(day.readings for day in days)))


def _numbers(facts: About, days: Sequence[Day], whole: _Rows) -> tuple[Number, ...]:
    """The source's figures of its newest day, and of its own window those that it tells of no day."""
    newest = [day for day in days if day.day == days[-1].day]
    seen = [look.seen for _, look in whole if look.seen]
    spans = [(one.part, one.answer.readings) for one in seen if isinstance(one.answer, Seen)]
    found = []
    for figure in facts.figures:
        mine = [_number(figure, day.readings, day.day, day.part) for day in newest if figure.reading in day.readings]
        windows = [_number(figure, readings, None, part) for part, readings in spans if figure.reading in readings]
        found += mine or windows
    return tuple(found)


def _number(figure: Figure, readings: Mapping[str, Reading], day: date | None, part: str) -> Number:
    total = readings.get(figure.total)
    known = total if isinstance(total, int | float) else None
    return Number(figure.reading, readings[figure.reading], figure.unit, figure.of, known, day, part)


def _reports(known: Known) -> Iterator[SourceView]:
    """What reporters say of the domain's authentication: shown where there is any, and never late."""
    for source in aggregate_report.SOURCES:
        days = days_of([look for _, look in known.looks if look.latest.source == source], known.now)
        if days:
            numbers = _numbers(about(source), days, ())
            none: frozenset[str] = frozenset()
            yield SourceView(source, State.FRESH, none, none, newest=days[-1].day, numbers=numbers, days=days)


def _events(known: Known, sent: Volumes, told: Sequence[Day]) -> SourceView:
    """What was counted event by event, held against what the platform itself says that it sent."""
    facts, platform = about(EVENTS), about(known.platform)
    claimed = {day.day: number for day in told if isinstance(number := day.readings.get("sent"), int)}
    since = min(sent.by_day, default=date.min)
    wanted = [day for day in sorted(claimed) if day >= since and deadline(facts, day) <= known.now]
    state, why = _events_state(known, [day for day in wanted if claimed[day]], sent)
    have = sum(min(sent.by_day.get(day, 0), claimed[day]) for day in wanted)
    heard = frozenset(row.provider for row in known.mail if row.complained and row.provider)
    fresh = state is State.FRESH
    return SourceView(
        EVENTS,
        state,
        platform.speaks_for,
        platform.perhaps,
        why,
        known.last_event,
        max(sent.by_day, default=None),
        numbers=_counted_numbers(facts, sent, known.mail),
        complete=Complete(have, sum(claimed[day] for day in wanted), "messages") if wanted else None,
        tells=platform.speaks_for | heard if fresh else frozenset(),
        perhaps=platform.perhaps if fresh else frozenset(),
    )


def _events_state(known: Known, wanted: Sequence[date], sent: Volumes) -> tuple[State, str]:
    if known.last_event is None:
        return State.NOTHING, "no event has come yet"
    if wanted and not sent.by_day.get(wanted[-1]):
        return State.LATE, f"the platform says that it sent mail on {wanted[-1]}, and no event told of it"
    if known.now - known.last_event > EVENTS_HOLD:
        return State.NOTHING, f"no event for {(known.now - known.last_event).days} days"
    return State.FRESH, ""


def _counted_numbers(facts: About, sent: Volumes, mail: Sequence[DayMail]) -> tuple[Number, ...]:
    if not mail:
        return ()
    sums = {"sent": sum(sent.by_day.values()), "complained": sum(row.complained for row in mail)}
    return tuple(_number(figure, sums, None, "") for figure in facts.figures)
