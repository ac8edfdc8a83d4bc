"""The story as lines: what is told, what is left out, and how it looks where there is no terminal."""

import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from deliverd.drill.diary import What
from deliverd.drill.feed import Taken
from deliverd.drill.scenarios import COMPLAINT_SPIKE, SOURCE_GOES_DARK
from deliverd.drill.screen import Screen
from deliverd.drill.summary import summarise
from deliverd.drill.timeline import Kind, Line, lines
from deliverd.model import Outcome, Standing
from peers.drill_stories import (
    NOON,
    PAUSED,
    RUNNING,
    THROTTLED,
    VICTIM,
    act,
    at,
    decision,
    happened,
    lane,
    look,
    mail,
    story,
)
from probes.observation import Observation, Seen, Why

TOLD = mail(6, f"PAGE {VICTIM} is PAUSED, confirmed by the platform")
STORY = story(
    PAUSED,
    diary=(
        happened(0, What.TROUBLE, text="a mailing begins"),
        happened(0.1, What.BAD_SENT, text="the first bad message leaves"),
        happened(5, What.ORDERED, text="the platform is told to pause it, and does so"),
        happened(6, What.ALERT, "", TOLD.subject),
    ),
    decisions=(decision(4.9, Standing.PAUSED, Standing.THROTTLED),),
    acts=(act(2, THROTTLED), act(5.5, PAUSED)),
    mails=(TOLD,),
)


def texts(found: list[Line], kind: Kind) -> list[str]:
    return [line.text for line in found if line.kind is kind]


def test_every_side_has_its_lines_in_the_order_of_time() -> None:
    found = lines(STORY)
    kinds = [line.kind for line in found]
    assert kinds == [Kind.WORLD, Kind.WORLD, Kind.DONE, Kind.DECIDED, Kind.WORLD, Kind.DONE, Kind.TOLD]
    assert len({line.key for line in found}) == len(found)
    assert texts(found, Kind.DECIDED) == ["throttled -> PAUSED: 200 complaints about 50,000 messages"]
    assert texts(found, Kind.DONE)[1] == "platform/domain:letters.test paused: CONFIRMED"


def test_what_did_not_hold_is_marked_and_says_why() -> None:
    intent, result = act(3, PAUSED, Outcome.FAILED, attempt=2)
    assert result is not None
    failed = replace(result, detail="the queue is locked")
    (line,) = lines(story(acts=((intent, failed), (act(4, PAUSED)[0], None))))
    assert line.text == "platform/domain:letters.test paused, attempt 2: FAILED (the queue is locked)"
    assert line.bad


def test_looks_are_told_when_they_change_and_alike_ones_together() -> None:
    seen = (
        look(1, "spf", "ok"),
        look(1, "dkim", "ok", "s1"),
        look(1, "dmarc", "monitor-only"),
        look(3, "spf", "ok"),
        look(3, "dkim", "missing", "s1"),
        look(5, "dkim", "missing", "s1"),
        look(7, "spf", Why.TIMEOUT),
        look(7, "dkim", Why.TIMEOUT, "s1"),
    )
    found = lines(story(observations=seen))
    assert texts(found, Kind.SEEN) == [
        "spf, dkim s1: ok",
        "dmarc: monitor-only",
        "dkim s1: missing",
        "spf, dkim s1: could not look (timeout)",
    ]
    assert [line.bad for line in found] == [False, False, False, True]


def test_a_platforms_answer_is_told_by_its_state() -> None:
    readings = Seen({"code": "ok", "state": "running"})
    (line,) = lines(story(observations=(Observation("webhook", VICTIM, at(1), readings),)))
    assert line.text == "webhook: running"


def test_complaints_are_summed_up_to_a_line_a_second() -> None:
    history = [Taken(at(-1), {VICTIM: 40_000}, {VICTIM: 8})]
    quiet = [Taken(at(0.05 + tick / 10), {VICTIM: 100}, {}) for tick in range(10)]
    loud = [Taken(at(1.05 + tick / 10), {VICTIM: 100}, {VICTIM: 2 if tick else 1}) for tick in range(15)]
    assert lines(story(), [*history, *quiet]) == []
    found = texts(lines(story(), [*history, *quiet, *loud]), Kind.SEEN)
    assert found == [
        "1,100 more messages sent, 1 more complaint, now 1",
        "1,000 more messages sent, 20 more complaints, now 21",
    ]


def test_complaints_before_the_first_bad_message_are_not_told() -> None:
    healthy = story(lanes=(lane(RUNNING), lane(domain="receipts.test")))
    assert lines(healthy, [Taken(at(2), {VICTIM: 100}, {VICTIM: 1})]) == []


def shown(width: int, terminal: bool, quiet: bool = False) -> str:
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=terminal, color_system="standard" if terminal else None)
    screen = Screen(console, quiet)
    screen.begin("complaint-spike", "something happens", [VICTIM], "the policy 'default'", NOON)
    found = lines(STORY)
    screen.show(found[:3])
    screen.show(found)
    screen.finish(summarise(COMPLAINT_SPIKE, STORY))
    return out.getvalue()


def test_without_a_terminal_a_line_is_a_line_without_colours() -> None:
    plain = shown(60, terminal=False)
    assert "\x1b" not in plain
    rows = [row for row in plain.splitlines() if row.lstrip().startswith("+")]
    assert rows == [
        "  +0.00  WORLD    letters.test  a mailing begins",
        "  +0.10  WORLD    letters.test  the first bad message leaves",
        "  +2.00  DONE     letters.test  platform/domain:letters.test throttled to 20,000 a day: CONFIRMED",
        "  +4.90  DECIDED  letters.test  throttled -> PAUSED: 200 complaints about 50,000 messages",
        "  +5.00  WORLD    letters.test  the platform is told to pause it, and does so",
        "  +5.50  DONE     letters.test  platform/domain:letters.test paused: CONFIRMED",
        "  +6.00  TOLD     letters.test  PAGE letters.test is PAUSED, confirmed by the platform",
    ]
    assert "letters.test was PROTECTED." in plain


def test_on_a_terminal_long_lines_fold_beside_their_head() -> None:
    folded = shown(80, terminal=True)
    assert "\x1b[" in folded
    bare = Console(file=io.StringIO(), width=200).render_str(folded).plain
    assert all(len(row) <= 200 for row in bare.splitlines())
    assert "\n" + " " * 31 in folded


def test_quiet_shows_nothing() -> None:
    assert shown(80, terminal=True, quiet=True) == ""


def test_the_summary_counts_from_the_first_bad_message() -> None:
    summary = summarise(COMPLAINT_SPIKE, STORY)
    assert (summary.seconds_to_throttle, summary.seconds_to_pause) == (2.0, 5.5)
    rows = dict(summary.rows)
    assert rows["from the first bad message to the confirmed pause"] == "5.5 s, which stand for 5 min 30 s"
    assert rows["messages that still left, from the first bad one on"] == "1,000"
    assert rows["from the trouble to the first alert"] == "6.0 s, which stand for 6 min 00 s"
    assert rows["alerts sent"] == "1"


def test_the_summary_of_a_domain_that_was_never_paused_says_never() -> None:
    summary = summarise(COMPLAINT_SPIKE, story(RUNNING))
    assert dict(summary.rows)["from the first bad message to the confirmed pause"] == "never"
    assert not summary.protected


def test_darkness_is_measured_by_its_alert_alone() -> None:
    dark = story(THROTTLED, diary=(happened(3, What.TROUBLE, ""),), mails=(mail(8, f"{VICTIM}: deliverd is blind"),))
    rows = dict(summarise(SOURCE_GOES_DARK, dark).rows)
    assert rows == {"from the trouble to the first alert": "5.0 s, which stand for 5 min 00 s", "alerts sent": "1"}


@pytest.mark.parametrize("key", ["scenario", "protected", "seconds_to_confirmed_pause", "messages_left", "timeline"])
def test_a_program_gets_the_same(key: str) -> None:
    document = json.loads(json.dumps(summarise(COMPLAINT_SPIKE, STORY).as_dict(NOON, lines(STORY))))
    expected = {
        "scenario": "complaint-spike",
        "protected": True,
        "seconds_to_confirmed_pause": 5.5,
        "messages_left": 1000,
    }
    if key == "timeline":
        first = {"seconds": 0.0, "kind": "world", "domain": VICTIM, "text": "a mailing begins"}
        assert document[key][0] == first
    else:
        assert document[key] == expected[key]
