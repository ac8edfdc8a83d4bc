"""Laws of the ladder, for any domain at any moment."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

from core.builders import (
    DEFAULT,
    DOMAIN,
    HOUR,
    NOW,
    PAUSED,
    RUNNING,
    case,
    counts,
    decision,
    failing,
    gone_dark,
    good,
    hourly,
)
from hypothesis import assume, given
from hypothesis import strategies as st

from deliverd.core.decide import Case, decide, wanted
from deliverd.core.rules import AUTHENTICATION
from deliverd.core.volume import limit_of
from deliverd.model import (
    Decision,
    Limit,
    Look,
    Mode,
    Order,
    OrderKind,
    Standing,
)
from deliverd.policy import Watched

NORMAL = 1000
standings = st.sampled_from(Standing)
modes = st.sampled_from(Mode)
hours = st.integers(0, 100).map(lambda number: timedelta(hours=number))
tallies = st.builds(counts, st.integers(0, 20_000), st.integers(0, 40))
mails = st.builds(
    lambda sent, told: hourly(sent, told, hours=72),
    st.integers(0, 300),
    st.dictionaries(st.integers(0, 71), st.integers(1, 4), max_size=5),
)
PLACES = [(standing, 0) for standing in Standing] + [(Standing.RECOVERING, step) for step in (1, 2, 3)]


@st.composite
def lasts(draw: st.DrawFn, only: Standing | None = None) -> Decision:
    standing, step = draw(st.sampled_from(PLACES)) if only is None else (only, 0)
    return decision(
        standing,
        step=step,
        limit=limit_of(standing, DEFAULT, NORMAL, step),
        since=NOW - draw(hours),
        mode=draw(modes),
        author=draw(st.sampled_from(["policy", "dana"])),
        epoch=draw(st.none() | hours.map(lambda age: NOW - age)),
    )


def look(source: str) -> st.SearchStrategy[Look]:
    bad = st.builds(lambda age, times: failing(source, NOW - age, times=times), hours, st.integers(1, 4))
    return st.just(good(source)) | bad


sources = st.dictionaries(st.sampled_from([*AUTHENTICATION, "webhook"]), st.just(None)).flatmap(
    lambda names: st.fixed_dictionaries({name: look(name) for name in names})
)


def word(kinds: tuple[OrderKind, ...]) -> st.SearchStrategy[Order]:
    until = st.none() | st.sampled_from([NOW - HOUR, NOW + HOUR])
    decided = st.sampled_from([None, 69, 70])
    return st.builds(
        lambda kind, until, decided: Order(0, DOMAIN, kind, "dana", "because", NOW - HOUR, until, decided),
        st.sampled_from(kinds),
        until,
        decided,
    )


def words(*kinds: OrderKind) -> st.SearchStrategy[tuple[Order, ...]]:
    def numbered(rows: list[Order]) -> tuple[Order, ...]:
        return tuple(replace(row, id=number) for number, row in enumerate(rows, 1))

    return st.lists(word(kinds), max_size=4).map(numbered)


QUIET_WORDS = (OrderKind.HOLD, OrderKind.RELEASE, OrderKind.APPROVE)
NO_ORDERS = words(*QUIET_WORDS)


@st.composite
def cases(draw: st.DrawFn, orders: st.SearchStrategy[tuple[Order, ...]] = NO_ORDERS, stable: bool = False) -> Case:
    """Any case; `stable`: the mode has not changed since the last decision."""
    last = draw(lasts() if stable else st.none() | lasts())
    looks = draw(sources)
    # What is imposed is what the last decision asked, where it was carried out; else perhaps what came before it.
    carried = last is not None and wanted(last, (), last.mode) is not None
    imposed = last.limit if carried and last else draw(st.sampled_from([None, RUNNING, Limit(PAUSED.state)]))
    return case(
        last,
        mode=last.mode if stable and last else draw(modes),
        window=draw(tallies),
        since=draw(tallies),
        hourly=draw(mails),
        looks=list(enumerate(looks.values(), 1)),
        expected={name: Watched(NOW - timedelta(days=9)) for name in looks},
        orders=draw(orders),
        imposed=imposed,
    )


def after(one: Case) -> tuple[int, tuple[int, int]]:
    """How strictly the domain stands once this case is decided: rank, then limit."""
    made = decide(one) or one.last
    return (made.standing.rank, made.limit.strictness) if made else (0, RUNNING.strictness)


def worse_look(look: Look) -> Look:
    since = min(look.failing_since or NOW, NOW - timedelta(hours=99))
    return failing(look.latest.source, since, times=look.failures + 3)


@given(cases(), st.integers(0, 20), st.integers(0, 20))
def test_more_complaints_never_loosen(one: Case, in_window: int, since: int) -> None:
    worse = replace(
        one,
        window=replace(one.window, complained=one.window.complained + in_window),
        since=replace(one.since, complained=one.since.complained + since),
    )
    assert after(worse) >= after(one)


@given(cases(), st.integers(0, 71), st.integers(1, 9))
def test_more_complaints_about_an_hour_never_loosen(one: Case, ago: int, extra: int) -> None:
    rows = list(one.hourly.rows)
    hour, sent, complained = rows[ago]
    rows[ago] = hour, sent, complained + extra
    assert after(replace(one, hourly=replace(one.hourly, rows=tuple(rows)))) >= after(one)


@given(cases(), st.data())
def test_a_failing_look_never_loosens(one: Case, data: st.DataObject) -> None:
    worsened = data.draw(st.lists(st.booleans(), min_size=len(one.looks), max_size=len(one.looks)))
    looks = [(id_, worse_look(look) if bad else look) for (id_, look), bad in zip(one.looks, worsened, strict=True)]
    assert after(replace(one, looks=looks)) >= after(one)


@given(cases(stable=True), st.data())
def test_blindness_never_loosens_and_never_tightens(one: Case, data: st.DataObject) -> None:
    assume(one.looks)
    dark = data.draw(st.lists(st.booleans(), min_size=len(one.looks), max_size=len(one.looks)).filter(any))
    looks = [(id_, gone_dark(look) if gone else look) for (id_, look), gone in zip(one.looks, dark, strict=True)]
    before = (one.last.standing.rank, one.last.limit.strictness) if one.last else (0, RUNNING.strictness)
    blinded = after(replace(one, looks=looks))
    assert before <= blinded <= max(before, after(one))


def up_from(last: Decision) -> tuple[Standing, int]:
    if last.standing is Standing.RECOVERING and last.step < 3:
        return Standing.RECOVERING, last.step + 1
    return {Standing.WATCH: (Standing.HEALTHY, 0)}.get(last.standing, (Standing.WATCH, 0))


@given(cases(stable=True))
def test_what_holds_mail_back_loosens_one_step_at_most_and_only_by_policy_on_clean_mail(one: Case) -> None:
    made = decide(one)
    last = one.last
    assert last is not None
    holds = last.limit != RUNNING and one.imposed == last.limit
    if made is None or not holds or made.limit.strictness >= last.limit.strictness:
        return
    assert (made.standing, made.step) == up_from(last)
    assert one.since.sent >= DEFAULT.clean_sends
    assert NOW - last.since >= DEFAULT.dwell


@st.composite
def paused(draw: st.DrawFn, *kinds: OrderKind) -> Case:
    """Any case of a domain that is paused in fact, by the policy or by a person."""
    return replace(draw(cases(words(*kinds))), last=draw(lasts(Standing.PAUSED)), imposed=PAUSED)


@given(paused(*QUIET_WORDS))
def test_a_pause_that_holds_is_left_only_by_a_persons_order(one: Case) -> None:
    assert decide(one) is None


@given(paused(*OrderKind))
def test_a_pause_is_left_by_the_newest_word_of_a_person_and_by_name(one: Case) -> None:
    made = decide(one)
    if made is not None and made.standing is not Standing.PAUSED:
        newest = [row for row in one.orders if row.kind in (OrderKind.PAUSE, OrderKind.RESUME)][-1]
        assert (newest.kind, made.author, made.order_id) == (OrderKind.RESUME, newest.author, newest.id)
        assert (made.standing, made.step) == (Standing.RECOVERING, 0)


@given(cases(), st.integers(0, 2))
def test_nobody_is_paused_on_fewer_than_three_complaints(one: Case, complained: int) -> None:
    few = hourly(10, dict.fromkeys(range(complained), 1))
    made = decide(replace(one, window=replace(one.window, complained=complained), hourly=few))
    assert made is None or made.standing is not Standing.PAUSED


@given(cases(words(*OrderKind), stable=True))
def test_a_hold_in_force_lets_nothing_up_but_a_persons_order(one: Case) -> None:
    hold = Order(99, DOMAIN, OrderKind.HOLD, "dana", "because", NOW)
    made = decide(replace(one, orders=(*one.orders, hold)))
    if made is not None and made.author == "policy" and one.last is not None:
        before = one.last.standing.rank, one.last.limit.strictness
        assert (made.standing.rank, made.limit.strictness) >= before


@given(cases(words(*OrderKind)), st.randoms())
def test_replays_and_the_order_of_looks_and_sources_change_nothing(one: Case, random: Any) -> None:
    looks, expected = list(one.looks), list(one.expected.items())
    random.shuffle(looks)
    random.shuffle(expected)
    shuffled = replace(one, looks=looks, expected=dict(expected))
    assert decide(one) == decide(one) == decide(shuffled)


@given(cases(words(*OrderKind)))
def test_a_decision_taken_is_not_taken_again(one: Case) -> None:
    made = decide(one)
    assume(made is not None)
    assert made is not None
    asked = wanted(made, one.orders, one.mode, one.imposed) or one.imposed
    second = decide(replace(one, last=made, imposed=asked, since=counts(0)))
    assert second is None or second.standing.rank > made.standing.rank or second.step < made.step


@given(cases(words(*OrderKind)))
def test_every_decision_names_why_who_and_what_it_asks(one: Case) -> None:
    made = decide(one)
    if made is not None:
        assert made.reason
        assert made.rule
        assert made.author in ("policy", "dana")
        assert made.limit == limit_of(made.standing, DEFAULT, made.normal_per_day, made.step)


def test_the_ramp_rises() -> None:
    limits = [limit_of(Standing.RECOVERING, DEFAULT, NORMAL, step) for step in range(len(DEFAULT.ramp))]
    assert all(one.stricter_than(other) for one, other in pairwise(limits))
