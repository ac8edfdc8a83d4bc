"""The detector as a rule: which step acts, what it says, and that it can be worked out again."""

import json
import subprocess
import sys
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from core.builders import DAY, DEFAULT, HOUR, NOW, case, decision, detector_rule, detector_step, hourly, policy
from hypothesis import given
from hypothesis import strategies as st

from deliverd.core.decide import decide, judge
from deliverd.core.detection import detector, differences, is_detected, reaching_from, uncounted
from deliverd.core.reach import LOOK_BACK
from deliverd.model import HourlyMail, Standing

RULE = detector_rule()
SINCE = NOW - LOOK_BACK
THIS_HOUR = int(NOW.timestamp()) // 3600
SPIKE = {1: 2, 2: 2, 3: 2}


@pytest.mark.parametrize(
    ("sent", "complained", "standing", "rule"),
    [
        pytest.param(100, {}, Standing.HEALTHY, "detector", id="no complaint"),
        pytest.param(100, {5: 1}, Standing.HEALTHY, "detector", id="a complaint in 144,000 messages"),
        pytest.param(100, {5: 3}, Standing.HEALTHY, "detector", id="three about one hour, of a domain with much mail"),
        pytest.param(10, {1: 1, 2: 1}, Standing.WATCH, "detector-watch", id="two complaints are told, and act no more"),
        pytest.param(10, {1: 1, 2: 1, 3: 1}, Standing.THROTTLED, "detector-throttle", id="three throttle"),
        pytest.param(10, SPIKE, Standing.PAUSED, "detector-pause", id="six pause"),
        pytest.param(10, {5: 60}, Standing.PAUSED, "detector-pause", id="more complaints than mail"),
        pytest.param(0, {5: 60}, Standing.HEALTHY, "detector", id="about mail that nobody knows of"),
    ],
)
def test_the_strictest_step_that_fires(sent: int, complained: dict[int, int], standing: Standing, rule: str) -> None:
    verdict = detector(RULE, hourly(sent, complained), SINCE)
    assert (verdict.standing, verdict.rule) == (standing, rule)


def test_without_mail() -> None:
    assert detector(RULE, HourlyMail(), SINCE).standing is Standing.HEALTHY


def test_two_complaints_never_pause_and_never_throttle() -> None:
    """However strong the evidence: the fewest complaints are counted beside it."""
    eager = detector_step("0.05", "0.5 1.0", 300, 1)
    rule = detector_rule(notify=eager, throttle=eager, pause=detector_step("0.05", "0.5 1.0", 300, 3))
    assert detector(rule, hourly(1, {1: 2}), SINCE).rule == "detector-throttle"
    assert detector(rule, hourly(1, {1: 3}), SINCE).rule == "detector-pause"


def test_it_says_how_many_where_and_how_far_the_next_step_is() -> None:
    verdict = detector(RULE, hourly(10, {1: 1, 2: 1, 3: 1}), SINCE)
    assert verdict.reason == (
        "3 complaints about 40 messages sent since Sun 22 Nov 09:00 UTC: 7.5 %, where 0.05 % is tolerated; "
        "enough at this volume to throttle (to pause: 3 of about 5 complaints needed at this volume)"
    )
    assert detector(RULE, hourly(10, SPIKE), SINCE).reason == (
        "6 complaints about 40 messages sent since Sun 22 Nov 09:00 UTC: 15 %, where 0.08 % is tolerated; "
        "enough at this volume to pause"
    )
    one = detector(RULE, hourly(1, {1: 1}), SINCE).reason
    assert one.startswith("1 complaint about 2 messages sent since Sun 22 Nov 11:00 UTC: 50 %, ")


def test_the_evidence_holds_all_it_takes() -> None:
    evidence = detector(RULE, hourly(10, SPIKE, through=77), SINCE, ((THIS_HOUR - 30, 5),)).evidence
    assert is_detected(evidence)
    assert {name: evidence[name] for name in evidence.keys() - {"r_days", "cohorts_sha256"}} == {
        "detector_step": "pause",
        "threshold_days": 1825.0,
        "tolerated_rate": 0.0008,
        "start": "2026-11-22T09:00:00+00:00",
        "sent": 40,
        "complaints": 6,
        "complaints_needed": 6,
        "complaints_counted": 6,
        "rate": 0.15,
        "feedback_providers": ["yahoo", "microsoft", ""],
        "counted_from": SINCE.isoformat(),
        "counted_through_event": 77,
        "uncounted_mail": [[THIS_HOUR - 30, 5]],
        "alternative_rates": [0.001, 0.0013, 0.0018, 0.003, 0.005, 0.01],
        "false_actions_per_domain_year": 0.2,
        "complaints_at_least": 3,
        "threshold_source": "a test",
        "threshold_date": "2026-11-22",
    }


told = st.dictionaries(st.integers(0, 200), st.integers(0, 6), max_size=8)
more = st.lists(st.tuples(st.integers(0, 200).map(lambda ago: THIS_HOUR - ago), st.integers(1, 9999))).map(tuple)


@given(st.integers(0, 500), told, more)
def test_worked_out_again_it_is_the_same_to_the_bit(sent: int, complained: dict[int, int], more: Any) -> None:
    mail = hourly(sent, complained, hours=240)
    verdict = detector(RULE, mail, SINCE, more)
    if verdict.standing is not Standing.HEALTHY:
        stored = json.loads(json.dumps(verdict.evidence))
        shuffled = replace(mail, rows=mail.rows[::-1])
        assert differences(stored, shuffled) == ()
        changed = differences(stored, replace(mail, rows=(*mail.rows, (THIS_HOUR, 1, 0))))
        assert any(text.startswith("cohorts_sha256 was") for text in changed)


@given(st.integers(0, 500), told, st.integers(0, 239), st.integers(1, 9))
def test_one_more_complaint_never_loosens(sent: int, complained: dict[int, int], ago: int, extra: int) -> None:
    worse = complained | {ago: complained.get(ago, 0) + extra}
    verdicts = [detector(RULE, hourly(sent, counts, hours=240), SINCE) for counts in (complained, worse)]
    assert verdicts[0].standing.rank <= verdicts[1].standing.rank


@given(st.integers(0, 500), told, more)
def test_mail_that_its_events_did_not_tell_of_never_tightens(sent: int, complained: dict[int, int], more: Any) -> None:
    mail = hourly(sent, complained, hours=240)
    # What is added where nothing was sent is another hour in which a rise may have begun, of no weight to speak of.
    known = tuple(row for row in more if any(row[0] == hour for hour, messages, _ in mail.rows if messages))
    assert detector(RULE, mail, SINCE, known).standing.rank <= detector(RULE, mail, SINCE).standing.rank


def test_what_the_platform_tells_of_and_its_events_did_not() -> None:
    today = NOW.date()
    first, second, third = (today - timedelta(days=back) for back in (3, 2, 1))
    told = {first: 100, second: 100, third: 100, today: 100}
    last_hour = (first - date(1970, 1, 1)).days * 24 + 23
    assert uncounted(told, {second: 100, third: 101}, today) == ((last_hour, 100),)
    assert uncounted(told, {first: 40, second: 100, third: 100}, today) == ((last_hour, 60),)


def test_from_when_on_mail_is_weighed() -> None:
    assert reaching_from(None, NOW) == reaching_from(decision(Standing.WATCH), NOW) == NOW - 60 * DAY
    assert reaching_from(decision(Standing.RECOVERING, epoch=NOW - HOUR), NOW) == NOW - HOUR
    assert reaching_from(decision(Standing.HEALTHY, epoch=NOW - 61 * DAY), NOW) == NOW - 60 * DAY


def test_it_is_judged_beside_the_other_rules() -> None:
    made = decide(case(hourly=hourly(10, SPIKE)))
    assert made is not None
    assert (made.standing, made.rule) == (Standing.PAUSED, "detector-pause")
    assert made.evidence["counted_from"] == SINCE.isoformat()
    missing = case(hourly=hourly(10, SPIKE), told={NOW.date() - DAY: 500_240}, sends={NOW.date() - DAY: 240})
    assert judge(missing).evidence["uncounted_mail"] == [[THIS_HOUR - 13, 500_000]]


def test_its_providers_and_steps_are_the_policys() -> None:
    calm = detector_step("0.08", "0.5 1.0", 0.2, 7)
    assert judge(case(policy=policy(detector=detector_rule(pause=calm)), hourly=hourly(10, SPIKE))).rule == (
        "detector-throttle"
    )
    assert DEFAULT.detector == RULE


@pytest.mark.parametrize(
    "evidence", [{}, {"complaints": 5, "rate": 0.1}, {"detector_step": "pause", "r_days": 2000.0}], ids=str
)
def test_other_evidence_is_not_the_detectors(evidence: dict[str, Any]) -> None:
    assert not is_detected(evidence)


def test_numpy_is_loaded_with_the_first_complaint_and_not_before() -> None:
    code = """
import sys
from datetime import UTC, datetime
from deliverd.core.detection import detector
from deliverd.model import HourlyMail
from deliverd.settings_policies import load_default_policies

rule, since = load_default_policies()["default"].detector, datetime(2026, 9, 1, tzinfo=UTC)
detector(rule, HourlyMail(((495000, 100, 0),)), since)
assert "numpy" not in sys.modules
detector(rule, HourlyMail(((495000, 100, 1),)), since)
assert "numpy" in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
