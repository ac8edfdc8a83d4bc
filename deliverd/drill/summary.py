"""What a drill took, for people (rows of words) and for programs (a dictionary). Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from deliverd.drill.diary import What
from deliverd.drill.lanes import PACE
from deliverd.drill.scenarios import Scenario
from deliverd.drill.story import Story
from deliverd.drill.timeline import Line
from deliverd.drill.verdict import Check
from deliverd.model import SendState


@dataclass(frozen=True, slots=True)
class Summary:
    """What one scenario came to. `seconds` and `messages` are None where the scenario has no such thing."""

    scenario: str
    victim: str
    rows: tuple[tuple[str, str], ...]
    checks: tuple[Check, ...]
    seconds_to_throttle: float | None
    seconds_to_pause: float | None
    messages_left: int | None
    alerts: int

    @property
    def protected(self) -> bool:
        return all(check.ok for check in self.checks)

    def as_dict(self, began: datetime, lines: Sequence[Line]) -> dict[str, Any]:
        """The summary and the whole timeline, in seconds since `began`, as JSON can say it."""
        told = [
            {
                "seconds": round((line.at - began).total_seconds(), 3),
                "kind": line.kind.lower(),
                "domain": line.domain,
                "text": line.text,
            }
            for line in lines
        ]
        return {
            "scenario": self.scenario,
            "domain": self.victim,
            "protected": self.protected,
            "seconds_to_confirmed_throttle": self.seconds_to_throttle,
            "seconds_to_confirmed_pause": self.seconds_to_pause,
            "one_second_stands_for_seconds": PACE,
            "messages_left": self.messages_left,
            "alerts": self.alerts,
            "checks": [{"ok": check.ok, "text": check.text} for check in self.checks],
            "timeline": told,
        }


def summarise(scenario: Scenario, story: Story) -> Summary:
    """What it took, measured from the first bad message that left."""
    bad, lane = story.lane.first_bad_at, story.lane
    throttle, pause = (_seconds_to(story, state) for state in (SendState.THROTTLED, SendState.PAUSED))
    # A trouble of no domain in particular (everything dark) is not measured by the mail of one.
    trouble = story.first(What.TROUBLE)
    rows: list[tuple[str, str]] = []
    if bad is not None and (trouble is None or trouble.domain):
        rows += [("from the first bad message to the confirmed throttle", _duration(throttle))] if throttle else []
        rows += [("from the first bad message to the confirmed pause", _duration(pause))]
        rows += [("messages that still left, from the first bad one on", f"{lane.left_since_bad:,}")]
    first = next((mail for mail in story.mails if trouble and mail.at >= trouble.at), None)
    if trouble and first:
        rows += [("from the trouble to the first alert", _duration((first.at - trouble.at).total_seconds()))]
    rows += [("alerts sent", str(len(story.mails)))]
    return Summary(
        scenario.name,
        story.victim,
        tuple(rows),
        scenario.protected(story).checks,
        throttle,
        pause,
        lane.left_since_bad if bad else None,
        len(story.mails),
    )


def _seconds_to(story: Story, state: SendState) -> float | None:
    result, bad = story.confirmed(state), story.lane.first_bad_at
    return round((result.at - bad).total_seconds(), 3) if result and bad else None


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "never"
    minutes, rest = divmod(round(seconds * PACE), 60)
    return f"{seconds:.1f} s, which stand for {minutes} min {rest:02d} s"
