"""The detector: figures worked out by other means, the exact line at which it fires, and its words."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal, localcontext
from sys import float_info
from typing import Any

import numpy as np
import pytest
from core.builders import HOUR, NOW

from deliverd.core import detector
from deliverd.core.cohorts import MOST, NOTHING, Cohorts, hour_number, table_of
from deliverd.core.detector import NOTIFY, PAUSE, STEPS, THROTTLE, Step

FIRST = hour_number(NOW) - 60 * 24
ONE = Step("one", 0.001, (0.002,), 365)


def hourly(sends: Sequence[int], complaints: Sequence[int], first: int = FIRST) -> Cohorts:
    return table_of(range(first, first + len(sends)), sends, complaints)


def by_definition(table: Cohorts, step: Step) -> float:
    """R in days straight from its definition, in decimal arithmetic: every hour from the first to the last mail."""
    sent = {int(h): (int(s), int(x)) for h, s, x in zip(table.hours, table.sends, table.complaints, strict=True)}
    total, mail, complaints = Decimal(0), 0, 0
    with localcontext(prec=40):
        for hour in range(int(table.hours[-1]), int(table.hours[0]) - 1, -1):
            sends, more = sent.get(hour, (0, 0))
            mail, complaints = mail + max(sends, more), complaints + more
            for rate in step.alternatives:
                ratio = Decimal(rate) / Decimal(step.tolerated)
                total += ratio**complaints * (-(Decimal(rate) - Decimal(step.tolerated)) * mail).exp()
        return float(total / 24 / len(step.alternatives))


TABLES = [
    pytest.param(hourly([100] * 48, [0] * 48), id="no complaint"),
    pytest.param(hourly([100] * 48, [0] * 40 + [1] * 8), id="a jump"),
    pytest.param(hourly([8] * 1440, [0, 0, 1] * 480), id="60 days"),
    pytest.param(hourly([2000, *[0] * 23] * 5, [0, *[0] * 23] * 4 + [7, *[0] * 23]), id="a daily burst"),
    pytest.param(hourly([0] * 5, [1] * 5), id="complaints about messages never sent"),
    pytest.param(hourly([20_000] * 30, [16] * 30), id="a large domain at the tolerated rate"),
    pytest.param(hourly([20_000] * 30, [60] * 30), id="a large domain far over it"),
    pytest.param(hourly([10], [400]), id="nearly everybody complains"),
]


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("step", [*STEPS, ONE], ids=lambda step: step.name)
def test_r_is_what_the_definition_says(table: Cohorts, step: Step) -> None:
    found = detector.weigh(table, (step,))[0]
    assert found.r == pytest.approx(min(by_definition(table, step), float_info.max), rel=3e-10)


def test_one_message_and_one_complaint_by_hand() -> None:
    """One hour, one alternative of twice the rate: 1/24 day x 2 x exp(-0.001)."""
    assert detector.weigh(hourly([1], [1]), (ONE,))[0].r == pytest.approx(2 / 24 * 0.999000499833375, rel=1e-10)


PINNED = ["0x1.a90c61a4e69a7p+17", "0x1.a90c61a4e69a7p+17", "0x1.bea6cdc36977bp+12"]
"""R of each step for 100 messages an hour in 48 hours, one complaint about each of the last eight."""


def test_the_bits_are_pinned() -> None:
    """These very bits: a change in any of them means that judgements of the past can no longer be proved."""
    assert [one.r.hex() for one in detector.weigh(hourly([100] * 48, [0] * 40 + [1] * 8))] == PINNED


def test_another_processor_finds_the_same_bits() -> None:
    """With all that this processor can do beyond the least one numpy runs on switched off."""
    extras = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
    program = (
        "from deliverd.core import detector, cohorts; "
        "table = cohorts.table_of(range(48), [100] * 48, [0] * 40 + [1] * 8); "
        "print(*(one.r.hex() for one in detector.weigh(table)))"
    )
    environment = os.environ | {"NPY_DISABLE_CPU_FEATURES": " ".join(extras)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == PINNED


@pytest.mark.parametrize(
    ("gap", "weight"),
    [
        pytest.param(1, 1, id="the next hour"),
        pytest.param(5, 5, id="idle hours are starts like the next hour with mail"),
        pytest.param(24, 24, id="up to a day"),
        pytest.param(25, 24, id="and no further"),
        pytest.param(1000, 24, id="however long the domain slept"),
    ],
)
def test_silence_before_mail(gap: int, weight: int) -> None:
    table = table_of([FIRST, FIRST + gap], [1, 1], [0, 0])
    one, two = by_definition(hourly([1], [0]), ONE), by_definition(hourly([1, 1], [0, 0]), ONE)
    assert detector.weigh(table, (ONE,))[0].r == pytest.approx(two - one + weight * one, rel=1e-9)


def test_mail_of_more_than_60_days_before_the_newest_is_left_out() -> None:
    recent = hourly([100] * 1440, [1] + [0] * 1439)
    older = hourly([100] * 1441, [9, 1] + [0] * 1439, FIRST - 1)
    assert detector.weigh(older) == detector.weigh(recent)
    assert detector.weigh(hourly([100] * 1439, [1] + [0] * 1438)) != detector.weigh(recent)


def test_the_shipped_steps() -> None:
    assert [(step.name, step.tolerated, round(step.threshold, 9), step.complaints) for step in STEPS] == [
        ("notify", 0.0005, 60, 1),
        ("throttle", 0.0005, 180, 3),
        ("pause", 0.0008, 1825, 3),
    ]
    assert NOTIFY.alternatives == THROTTLE.alternatives == (0.0007, 0.001, 0.0015, 0.0025, 0.005, 0.01)
    assert PAUSE.alternatives == (0.001, 0.0013, 0.0018, 0.003, 0.005, 0.01)
    assert detector.expected_false_actions(1000, PAUSE) == pytest.approx(200)


@pytest.mark.parametrize("over", [{"tolerated": value} for value in (0.0, -1.0, 0.5, 0.002, float("nan"))])
@pytest.mark.parametrize("also", [{}, {"alternatives": (0.01, 0.002)}])
def test_rates_that_make_no_step(over: dict[str, Any], also: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"^one: "):
        replace(ONE, **over, **also)


@pytest.mark.parametrize(
    "over",
    [
        {"alternatives": ()},
        {"alternatives": (0.00100999,)},
        {"alternatives": (0.002, 0.50001)},
        {"alternatives": (float("nan"),)},
        {"false_actions": 0.0},
        {"false_actions": float("inf")},
        {"false_actions": float("nan")},
        {"complaints": 0},
    ],
)
def test_what_makes_no_step(over: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"^one: "):
        replace(ONE, **over)


def test_the_widest_steps_that_are_taken() -> None:
    assert replace(ONE, tolerated=0.49, alternatives=(0.5,), complaints=1).weighed == ((0.5, 0.49),)
    assert replace(ONE, alternatives=(0.00101,), false_actions=0.001).threshold == 365_000


def test_it_fires_at_the_threshold_and_not_under_it() -> None:
    table = hourly([100] * 48, [0] * 40 + [1] * 8)
    r = detector.weigh(table, (ONE,))[0].r
    at = next(
        step
        for step in (replace(ONE, false_actions=365 / r * (1 + n * 2e-16)) for n in range(4))
        if step.threshold <= r
    )
    assert at.threshold == pytest.approx(r, rel=1e-15)
    assert detector.weigh(table, (at,))[0].fires
    assert not detector.weigh(table, (replace(ONE, false_actions=365 / r * (1 - 1e-14)),))[0].fires
    exact = replace(ONE, false_actions=365 / 512, tolerated=0.001)
    assert detector._fires(exact, 512.0, 1) and not detector._fires(exact, 511.99999999999994, 1)


@pytest.mark.parametrize(("fewest", "fires"), [(2, True), (3, True), (4, False)])
def test_nobody_is_acted_on_with_fewer_complaints_than_the_step_wants(fewest: int, fires: bool) -> None:
    table = hourly([1, 1, 1], [1, 1, 1])
    step = replace(ONE, alternatives=(0.5,), complaints=fewest)
    found = detector.weigh(table, (step,))[0]
    assert found.r > step.threshold
    assert found.fires is fires
    swept = list(detector.sweep([("a.com", table)], (step,)))
    assert swept[0].fires == (step if fires else None)
    assert found.meter == (
        "3 complaints, enough at this volume" if fires else "3 of about 4 complaints needed at this volume"
    )


def test_three_complaints_of_a_small_domain_pause_it_and_two_do_not() -> None:
    sends = [4] * 100
    two, three = (detector.weigh(hourly(sends, [0] * (100 - n) + [1] * n))[2] for n in (2, 3))
    assert (two.fires, three.complaints) == (False, 3)


def test_the_start_that_contributes_most_is_where_the_rate_jumped() -> None:
    found = detector.weigh(hourly([100] * 48, [0] * 40 + [1] * 8))[2]
    assert (found.start, found.sends, found.complaints, found.rate) == (NOW - 60 * 24 * HOUR + 40 * HOUR, 800, 8, 0.01)
    assert (found.total, found.step, found.tolerated) == (8, "pause", 0.0008)


def test_no_mail_is_no_evidence() -> None:
    for found, step in zip(detector.weigh(NOTHING), STEPS, strict=True):
        assert (found.step, found.r, found.fires, found.start, found.rate) == (step.name, 0.0, False, None, 0.0)
        assert (found.sends, found.complaints, found.needed, found.total) == (0, 0, 0, 0)
        assert (found.threshold, found.tolerated, found.digest) == (step.threshold, step.tolerated, NOTHING.digest)
    assert [row.r for row in detector.sweep([("a.com", NOTHING)])] == [(0.0, 0.0, 0.0)]
    assert list(detector.sweep([])) == []


def test_evidence_too_large_for_a_float_is_as_large_as_one_can_be() -> None:
    found = detector.weigh(hourly([MOST] * 3, [MOST] * 3))[2]
    assert (found.r, found.fires) == (float_info.max, True)
    assert json.loads(json.dumps(found.numbers())) == found.numbers()
    assert detector.weigh(hourly([MOST] * 1440, [0] * 1440))[2].r == 0.0


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("step", [*STEPS, ONE], ids=lambda step: step.name)
def test_the_meter_tells_how_many_more_complaints_fire(table: Cohorts, step: Step) -> None:
    found = detector.weigh(table, (step,))[0]
    missing = found.needed - found.complaints
    last = datetime.fromtimestamp(int(table.hours[-1]) * 3600, UTC)
    # Complaints about mail that was sent: where none is left, one more would prove one message more.
    roomy = table.plus(last, sends=missing)
    more = detector.weigh(roomy.plus(last, complaints=missing), (step,))[0]
    if found.fires:
        assert missing == 0
    elif bool((table.sends[-1] > missing).item()):
        assert detector.weigh(table.plus(last, complaints=missing), (step,))[0].fires
        assert not detector.weigh(table.plus(last, complaints=missing - 1), (step,))[0].fires
    else:
        assert more.r > found.r


@pytest.mark.parametrize(
    ("complaints", "words"),
    [
        ([0] * 48, "0 of about 6 complaints needed at this volume"),
        ([0] * 46 + [1, 1], "2 of about 6 complaints needed at this volume"),
        ([0] * 40 + [1] * 8, "8 complaints, enough at this volume"),
    ],
)
def test_the_meter_in_words(complaints: list[int], words: str) -> None:
    assert detector.weigh(hourly([100] * 48, complaints))[2].meter == words


def test_one_complaint_can_be_enough() -> None:
    step = replace(ONE, alternatives=(0.5,), false_actions=365)
    assert detector.weigh(hourly([1], [1]), (step,))[0].meter == "1 complaint, enough at this volume"


def test_what_is_stored_proves_itself_and_nothing_else() -> None:
    table = hourly([100] * 48, [0] * 40 + [1] * 8)
    stored = json.loads(json.dumps(detector.weigh(table)[2].numbers()))
    assert detector.differences(stored, table, PAUSE) == ()
    assert stored["start"] == "2026-09-25T04:00:00+00:00"
    one_more = detector.differences(stored, table.plus(NOW, complaints=1), PAUSE)
    assert {line.split()[0] for line in one_more} >= {"r_days", "cohorts_sha256", "complaints_counted"}
    forged = stored | {"r_days": stored["r_days"] * (1 + 3e-16)}
    assert detector.differences(forged, table, PAUSE) == (
        f"r_days was {forged['r_days']!r} and is {stored['r_days']!r}",
    )
    assert len(detector.differences({}, table, PAUSE)) == len(stored)


def test_a_sweep_names_the_strictest_step_that_fires() -> None:
    tables = [(str(n), hourly([100] * 48, [0] * (48 - n) + [1] * n)) for n in (0, 4, 5, 20)]
    swept = list(detector.sweep([*tables[:2], ("none", NOTHING), *tables[2:]]))
    found = [(row.domain, row.fires.name if row.fires else None) for row in swept]
    assert found == [("0", None), ("4", "notify"), ("none", None), ("5", "throttle"), ("20", "pause")]
