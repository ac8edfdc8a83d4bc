"""Laws of the detector, for any table of cohorts."""

from dataclasses import replace
from typing import Any

import numpy as np
from core.builders import NOW
from hypothesis import given, settings
from hypothesis import strategies as st

from deliverd.core import detector, detector_grid
from deliverd.core.cohorts import MOST, NOTHING, Cohorts, hour_number, hour_start, pooled, table_of
from deliverd.core.detector import PAUSE, STEPS, Step

FIRST = hour_number(NOW) - 40 * 24
hours = st.integers(0, 40 * 24 - 1).map(lambda number: FIRST + number)
sends = st.one_of(st.integers(0, 300), st.integers(0, 10**6), st.sampled_from([0, 1, MOST, 2**62]))
complaints = st.one_of(st.just(0), st.integers(0, 3), st.integers(0, 2000), st.sampled_from([MOST, 2**62]))
Row = tuple[int, int, int]
rows = st.lists(st.tuples(hours, sends, complaints), max_size=30)
sparse = st.lists(st.tuples(hours, st.integers(0, 400), st.integers(0, 1)), max_size=40)


def table(given: list[Row]) -> Cohorts:
    return table_of(*zip(*given, strict=True)) if given else NOTHING


def evidence(one: Cohorts) -> list[tuple[float, bool]]:
    return [(found.r, found.fires) for found in detector.weigh(one)]


@given(rows | sparse, hours, st.booleans())
def test_an_hour_without_counts_changes_nothing(given: list[Row], hour: int, negative: bool) -> None:
    assert detector.weigh(table([*given, (hour, 0, 0)])) == detector.weigh(table(given))
    idle = table_of([hour], [-1 if negative else 0], [0])
    assert detector.weigh(pooled([table(given), idle])) == detector.weigh(table(given)) or negative


@given(rows | sparse, hours, st.integers(1, 50))
def test_more_complaints_never_lower_the_evidence(given: list[Row], hour: int, more: int) -> None:
    """Within the hours there is mail of: also about messages never sent, and about more than were sent."""
    before, after = table(given), table([*given, (hour, 0, more)])
    for (r, fires), (worse, fires_worse) in zip(evidence(before), evidence(after), strict=True):
        assert worse >= r
        assert fires_worse >= fires


@given(rows | sparse, hours, st.integers(1, 10**6))
def test_more_clean_mail_in_an_hour_of_mail_never_raises_the_evidence(given: list[Row], hour: int, more: int) -> None:
    before = table(given)
    if hour in before.hours:
        after = before.plus(hour_start(hour), sends=more)
        assert all(
            better <= r * (1 + 1e-9) for (r, _), (better, _) in zip(evidence(before), evidence(after), strict=True)
        )


@given(rows | sparse, st.randoms())
def test_order_and_replay_change_nothing(given: list[Row], random: Any) -> None:
    shuffled = random.sample(given, len(given))
    assert detector.weigh(table(given)) == detector.weigh(table(given)) == detector.weigh(table(shuffled))


@given(sparse, st.randoms())
def test_event_by_event_is_what_a_recount_gives_bit_for_bit(given: list[Row], random: Any) -> None:
    events = [(hour, 1, 0) for hour, sent, _ in given for _ in range(sent % 5)] + [(h, 0, x) for h, _, x in given]
    one = NOTHING
    for hour, sent, complained in random.sample(events, len(events)):
        one = one.plus(hour_start(hour), sent, complained)
    assert detector.weigh(one) == detector.weigh(table(events))


@given(st.lists(rows | sparse, max_size=12))
def test_a_sweep_of_the_fleet_is_each_domain_by_itself_bit_for_bit(fleet: list[list[Row]]) -> None:
    named = [(str(number), table(given)) for number, given in enumerate(fleet)]
    swept = list(detector.sweep(iter(named)))
    assert [row.domain for row in swept] == [name for name, _ in named]
    for row, (_, one) in zip(swept, named, strict=True):
        found = detector.weigh(one)
        assert row.r == tuple(each.r for each in found)
        assert row.fires == next((s for s, each in zip(STEPS[::-1], found[::-1], strict=True) if each.fires), None)


@given(rows | sparse)
def test_steps_are_weighed_alike_alone_and_together(given: list[Row]) -> None:
    one = table(given)
    assert detector.weigh(one) == tuple(detector.weigh(one, (step,))[0] for step in STEPS)


@given(rows | sparse, st.floats(0.01, 100))
def test_the_threshold_is_the_budget(given: list[Row], factor: float) -> None:
    """Half the false actions, twice the threshold; the evidence does not depend on it."""
    rarer = replace(PAUSE, false_actions=PAUSE.false_actions / factor)
    before, after = (detector.weigh(table(given), (step,))[0] for step in (PAUSE, rarer))
    assert after.r == before.r
    assert abs(after.threshold / before.threshold / factor - 1) < 1e-12


@given(sparse, st.integers(2, 1000))
def test_scaling_mail_and_rates_together_changes_nothing_but_rounding(given: list[Row], factor: int) -> None:
    """A thousand times the mail at a thousandth of every rate is the same evidence."""
    given = [(hour, max(sent, complained), complained) for hour, sent, complained in given]
    wide = Step("wide", 0.05, (0.07, 0.15, 0.4), 1)
    narrow = replace(wide, tolerated=0.05 / factor, alternatives=tuple(rate / factor for rate in wide.alternatives))
    large = table([(hour, sent * factor, complained) for hour, sent, complained in given])
    one, two = detector.weigh(table(given), (wide,))[0], detector.weigh(large, (narrow,))[0]
    assert abs(one.r - two.r) <= 1e-8 * max(one.r, two.r)


@given(rows | sparse, st.integers(-10_000, 10_000))
def test_the_date_does_not_matter(given: list[Row], moved: int) -> None:
    later = table([(hour + moved, sent, complained) for hour, sent, complained in given])
    assert evidence(later) == evidence(table(given))


@given(rows | sparse, hours)
def test_a_cohort_that_shrinks_is_judged_as_it_is_now(given: list[Row], hour: int) -> None:
    """Nothing of what the count once was is left over."""
    one = table(given)
    grown = one.plus(hour_start(hour), sends=5, complaints=2)
    if int(one.sends.sum()) < MOST and int(one.complaints.sum()) < MOST:
        assert detector.weigh(grown.plus(hour_start(hour), sends=-5, complaints=-2)) == detector.weigh(one)


@given(rows | sparse)
def test_what_is_stored_is_proved_by_the_same_counts(given: list[Row]) -> None:
    one = table(given)
    for found, step in zip(detector.weigh(one), STEPS, strict=True):
        assert detector.differences(found.numbers(), one, step) == ()
        assert found.needed >= found.complaints
        assert np.isfinite(found.r)


@given(rows | sparse)
def test_the_start_is_the_one_that_contributes_most(given: list[Row]) -> None:
    one = table(given)
    if not len(one):
        return
    for found, step in zip(detector.weigh(one), STEPS, strict=True):
        shares = logarithms(one, step)
        named = one.hours.tolist().index(hour_number(found.start or NOW))
        assert shares[named] >= shares.max() - 1e-8 * max(1.0, abs(shares.max()))
        assert found.sends == int(np.maximum(one.sends, one.complaints)[named:].sum())
        assert found.complaints == int(one.complaints[named:].sum())


def logarithms(one: Cohorts, step: Step) -> Any:
    """The natural logarithm of what each cohort adds to R, but for a constant, straight from the definition."""
    mail = np.maximum(one.sends, one.complaints)[::-1].cumsum()[::-1].astype(float)
    complained = one.complaints[::-1].cumsum()[::-1].astype(float)
    weights = np.minimum(np.diff(one.hours, prepend=one.hours[0] - 1), 24)
    exponents = [complained * np.log(rate / low) - (rate - low) * mail for rate, low in step.weighed]
    return np.logaddexp.reduce(exponents, axis=0) + np.log(weights)


@settings(max_examples=25)
@given(st.lists(st.integers(0, 2000), max_size=12).map(lambda sizes: [1700, *sizes]))
def test_blocks_are_full_and_keep_every_table_in_order(sizes: list[int]) -> None:
    tables = [(str(n), Cohorts(*(np.arange(size),) * 3)) for n, size in enumerate(sizes)]
    found = list(detector_grid.blocks(iter(tables)))
    assert [name for block in found for name, _ in block] == [name for name, _ in tables]
    filled = [sum(len(one) + 1 for _, one in block) for block in found]
    for block, size in zip(found, filled, strict=True):
        assert block
        assert len(block) == 1 or size <= detector_grid.BLOCK + 1
    for size, following in zip(filled[:-1], found[1:], strict=True):
        assert size + len(following[0][1]) > detector_grid.BLOCK


def test_empty_tables_fill_a_block_too() -> None:
    sizes = [len(block) for block in detector_grid.blocks((str(n), NOTHING) for n in range(4000))]
    assert sizes == [detector_grid.BLOCK + 1, detector_grid.BLOCK + 1, 4000 - 2 * detector_grid.BLOCK - 2]
