"""The drill's story as lines: what the world did, and what deliverd saw, decided, did and told. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from deliverd.drill.diary import Happening, What
from deliverd.drill.feed import Taken
from deliverd.drill.story import Act, Story
from deliverd.model import Decision, Outcome
from probes.observation import Observation, Unseen


class Kind(StrEnum):
    """Whose line it is: the world's own, or one of deliverd's four arrows."""

    WORLD = "WORLD"
    SEEN = "SEEN"
    DECIDED = "DECIDED"
    DONE = "DONE"
    TOLD = "TOLD"


@dataclass(frozen=True, slots=True)
class Line:
    """One line. `bad` marks what went wrong, `key` tells it from every other line of the same drill."""

    at: datetime
    kind: Kind
    domain: str
    text: str
    key: str
    bad: bool = False


_SUMMED_UP = timedelta(seconds=1)
_BAD = (What.TROUBLE, What.BAD_SENT, What.COMPLAINT, What.REFUSED, What.UNANSWERED)


def lines(story: Story, taken: Sequence[Taken] = ()) -> list[Line]:
    """All lines so far, oldest first."""
    found = [
        *(_world(index, one, story) for index, one in enumerate(story.diary)),
        *_looks(story),
        *_complaints(story, taken),
        *(_decided(one) for one in story.decisions),
        *_done(story.acts),
    ]
    return sorted(found, key=lambda line: line.at)


def _world(index: int, one: Happening, story: Story) -> Line:
    key = f"diary/{index}"
    if one.what is What.ALERT:
        about = next((lane.domain for lane in story.lanes if lane.domain in one.text), "")
        return Line(one.at, Kind.TOLD, about, one.text, key)
    return Line(one.at, Kind.WORLD, one.domain, one.text, key, one.what in _BAD)


def _decided(decision: Decision) -> Line:
    text = f"{decision.previous} -> {decision.standing.upper()}: {decision.reason}"
    return Line(decision.at, Kind.DECIDED, decision.domain, text, f"decision/{decision.domain}/{decision.seq}")


def _done(acts: Iterable[Act]) -> Iterator[Line]:
    for intent, result in acts:
        action = intent.action
        again = f", attempt {intent.attempt}" if intent.attempt > 1 else ""
        key = f"intent/{intent.id}"
        if result is None:
            continue
        detail = f" ({result.detail})" if result.detail else ""
        text = f"{action.lever} {action.limit}{again}: {result.outcome.upper()}{detail}"
        yield Line(result.at, Kind.DONE, action.domain, text, key, result.outcome is not Outcome.CONFIRMED)


def _complaints(story: Story, taken: Sequence[Taken]) -> Iterator[Line]:
    """What was reported of the victim since its first bad message, summed up to one line a second."""
    began = story.lane.first_bad_at
    if began is None:
        return
    sent = complained = total = 0
    for index, batch in enumerate(batch for batch in taken if batch.at > began):
        sent += batch.sent.get(story.victim, 0)
        complained += batch.complained.get(story.victim, 0)
        if complained and batch.at - began >= _SUMMED_UP:
            total += complained
            mail = f"{sent:,} more messages sent, " if sent else ""
            noun = "complaint" if complained == 1 else "complaints"
            text = f"{mail}{complained:,} more {noun}, now {total:,}"
            yield Line(batch.at, Kind.SEEN, story.victim, text, f"taken/{index}")
            sent, complained, began = 0, 0, batch.at


def _looks(story: Story) -> Iterator[Line]:
    """The first look at each domain as one line, and then only what changed."""
    last: dict[tuple[str, str, str], str] = {}
    groups: dict[tuple[str, datetime, str], list[Observation]] = {}
    for one in story.observations:
        spot, said = (one.target, one.source, one.part), _answer(one)
        if last.get(spot) != said:
            groups.setdefault((one.target, one.at, said), []).append(one)
        last[spot] = said
    for (domain, at, said), group in groups.items():
        names = ", ".join(" ".join(filter(None, (one.source, one.part))) for one in group)
        bad = any(isinstance(one.answer, Unseen) for one in group)
        yield Line(at, Kind.SEEN, domain, f"{names}: {said}", f"look/{domain}/{at}/{said}", bad)


def _answer(one: Observation) -> str:
    if isinstance(one.answer, Unseen):
        return f"could not look ({one.answer.why})"
    readings = one.answer.readings
    return str(readings.get("state") or readings.get("code") or "seen")
