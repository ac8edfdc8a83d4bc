"""Counts by cohort: what is counted where, in any order, and what is done with counts that cannot be."""

from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from struct import pack
from typing import Any

import pytest
from core.builders import DOMAIN, HOUR, MINUTE, NOW
from hypothesis import given
from hypothesis import strategies as st

from deliverd.core.cohorts import (
    MOST,
    NOTHING,
    Cohorts,
    cohorts_of,
    count,
    hour_number,
    hour_start,
    pooled,
    table_of,
    unheard,
)
from deliverd.core.reach import FEEDBACK
from deliverd.model import Counts
from probes.observation import EventKind, MailEvent

NUMBER = 498_708  # the hour of NOW
KINDS = {
    EventKind.SENT: "sent",
    EventKind.DELIVERED: "delivered",
    EventKind.COMPLAINED: "complained",
    EventKind.UNSUBSCRIBED: "unsubscribed",
    EventKind.REPLIED: "replied",
}


def event(kind: EventKind, sent_at: datetime = NOW, at: datetime = NOW, **over: Any) -> MailEvent:
    return MailEvent(**({"id": "e", "kind": kind, "domain": DOMAIN, "at": at, "sent_at": sent_at} | over))


def rows(table: Cohorts) -> list[tuple[int, int, int]]:
    return list(zip(table.hours.tolist(), table.sends.tolist(), table.complaints.tolist(), strict=True))


def test_an_hour_has_a_number() -> None:
    assert hour_number(NOW) == hour_number(NOW + 59 * MINUTE) == NUMBER
    assert hour_number(NOW - timedelta(microseconds=1)) == NUMBER - 1
    assert hour_start(NUMBER) == NOW
    assert hour_number(datetime(1970, 1, 1, tzinfo=UTC)) == 0
    with pytest.raises(ValueError, match="aware UTC"):
        hour_number(NOW.astimezone(timezone(HOUR)))


def test_a_complaint_belongs_to_the_hour_of_its_message() -> None:
    late = event(EventKind.COMPLAINED, sent_at=NOW - 30 * HOUR, at=NOW)
    assert count([late]) == {(DOMAIN, "", NOW - 30 * HOUR): Counts(complained=1)}


@pytest.mark.parametrize(("kind", "field"), KINDS.items())
def test_each_fate_has_its_count(kind: EventKind, field: str) -> None:
    assert count([event(kind, count=4), event(kind)]) == {(DOMAIN, "", NOW): Counts(**{field: 5})}


@pytest.mark.parametrize(
    ("detail", "field"), [("hard", "hard_bounced"), ("soft", "soft_bounced"), ("", "soft_bounced")]
)
def test_bounces_are_hard_or_soft(detail: str, field: str) -> None:
    assert count([event(EventKind.BOUNCED, detail=detail)]) == {(DOMAIN, "", NOW): Counts(**{field: 1})}


events = st.lists(
    st.builds(
        event,
        st.sampled_from(EventKind),
        sent_at=st.integers(0, 300).map(lambda minutes: NOW - minutes * MINUTE),
        domain=st.sampled_from(["a.com", "b.com"]),
        provider=st.sampled_from(["", "google", "yahoo"]),
        detail=st.sampled_from(["", "hard"]),
        count=st.integers(1, 9),
    ),
    max_size=12,
)


@given(events, st.randoms())
def test_the_order_of_events_does_not_matter(given: list[MailEvent], random: Any) -> None:
    shuffled = random.sample(given, len(given))
    assert count(given) == count(shuffled)
    assert cohorts_of(count(given), ["a.com"]).digest == cohorts_of(count(shuffled), ["a.com"]).digest


COUNTED = {
    ("a.com", "yahoo", NOW): Counts(sent=10, complained=2),
    ("a.com", "google", NOW): Counts(sent=1000, complained=1),
    ("a.com", "", NOW - HOUR): Counts(sent=5, hard_bounced=5),
    ("a.com", "apple", NOW): Counts(sent=7),
    ("b.com", "yahoo", NOW): Counts(sent=100, complained=1),
    ("b.com", "google", NOW): Counts(complained=4),
    ("c.com", "yahoo", NOW): Counts(delivered=3),
}


def test_only_providers_with_feedback_are_counted() -> None:
    assert frozenset({"yahoo", "microsoft", ""}) == FEEDBACK
    assert rows(cohorts_of(COUNTED, ["a.com"])) == [(NUMBER - 1, 5, 0), (NUMBER, 10, 2)]
    assert rows(cohorts_of(COUNTED, ["a.com"], {"google"})) == [(NUMBER, 1000, 1)]
    assert rows(cohorts_of(COUNTED, ["a.com", "b.com"])) == [(NUMBER - 1, 5, 0), (NUMBER, 110, 3)]
    assert rows(cohorts_of(COUNTED, ["nobody.com"])) == []
    assert rows(cohorts_of(COUNTED, ["c.com"])) == []


def test_complaints_that_are_not_counted_are_not_lost() -> None:
    assert unheard(COUNTED, "a.com") == {"google": 1}
    assert unheard(COUNTED | {("b.com", "google", NOW - HOUR): Counts(complained=1)}, "b.com") == {"google": 5}
    assert unheard(COUNTED, "a.com", {"google"}) == {"yahoo": 2}
    assert unheard(COUNTED, "c.com") == {}


def test_a_table_adds_up_and_sorts() -> None:
    table = table_of([5, 3, 5, 4], [1, 2, 3, 0], [0, 1, 1, 0])
    assert rows(table) == [(3, 2, 1), (5, 4, 1)]
    assert len(table) == 2


@pytest.mark.parametrize(
    ("sends", "complaints", "wanted"),
    [
        pytest.param([5, -3], [1, 0], [(1, 2, 1)], id="revised downward"),
        pytest.param([5, -9], [1, 0], [(1, 0, 1)], id="to less than nothing"),
        pytest.param([5, -9], [1, -1], [], id="and nothing is left"),
        pytest.param([2**62, 1], [2**63 - 1, 0], [(1, MOST, MOST)], id="more than any mailing"),
        pytest.param([MOST, 1], [0, 0], [(1, MOST, 0)], id="a sum of more than any mailing"),
        pytest.param([2**70, 0], [0, 0], [(1, MOST, 0)], id="more than 64 bits"),
        pytest.param([1, 0], [5, 0], [(1, 1, 5)], id="more complaints than messages are kept as they are"),
    ],
)
def test_impossible_counts(sends: list[int], complaints: list[int], wanted: list[tuple[int, int, int]]) -> None:
    assert rows(table_of([1, 1], sends, complaints)) == wanted


@pytest.mark.parametrize(
    ("columns", "fault"),
    [
        (([1], [1, 2], [0]), "one length"),
        (([[1]], [[1]], [[0]]), "one length"),
        (([1], [1.5], [0]), "integers"),
        (([1], [float("nan")], [0]), "integers"),
        (([True], [1], [0]), "integers"),
        (([1], ["7"], [0]), "integers"),
    ],
)
def test_what_is_no_table_is_refused(columns: Any, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        table_of(*columns)


def test_no_rows_are_a_table() -> None:
    assert rows(table_of([], [], [])) == rows(NOTHING) == rows(pooled([])) == []
    assert NOTHING.digest == table_of([], [], []).digest == sha256(b"deliverd cohorts 1\n").hexdigest()


def test_the_digest_can_be_worked_out_by_anybody() -> None:
    table = table_of([7, 5], [20, 1], [3, 0])
    assert table.digest == sha256(b"deliverd cohorts 1\n" + pack("<6q", 5, 1, 0, 7, 20, 3)).hexdigest()


@pytest.mark.parametrize("other", [([5], [2], [3]), ([5], [1], [2]), ([6], [1], [3]), ([5, 6], [1, 1], [3, 0])])
def test_any_difference_shows_in_the_digest(other: Any) -> None:
    assert table_of(*other).digest != table_of([5], [1], [3]).digest


def test_since_cuts_at_the_hour() -> None:
    table = table_of([NUMBER - 1, NUMBER, NUMBER + 2], [1, 2, 3], [0, 1, 0])
    assert rows(table.since(NOW)) == rows(table.since(NOW + 59 * MINUTE)) == [(NUMBER, 2, 1), (NUMBER + 2, 3, 0)]
    assert rows(table.since(NOW + HOUR)) == [(NUMBER + 2, 3, 0)]


ROWS = st.lists(st.tuples(st.integers(NUMBER - 5, NUMBER + 5), st.integers(0, 9), st.integers(0, 3)), max_size=8)


def built(given: list[tuple[int, int, int]]) -> Cohorts:
    return table_of(*zip(*given, strict=True)) if given else NOTHING


@given(ROWS, st.integers(-6, 6), st.integers(-5, 5), st.integers(-3, 3))
def test_plus_is_what_a_recount_gives(
    given: list[tuple[int, int, int]], hours: int, sends: int, complaints: int
) -> None:
    at = NOW + hours * HOUR + 30 * MINUTE
    table = built(given)
    before = rows(table)
    plain = table_of([*table.hours, NUMBER + hours], [*table.sends, sends], [*table.complaints, complaints])
    assert rows(table.plus(at, sends, complaints)) == rows(plain)
    assert rows(table) == before, "a table never changes"


def test_plus_stays_within_what_a_table_holds() -> None:
    assert MOST == 35_184_372_088_832
    assert rows(table_of([NUMBER], [MOST], [0]).plus(NOW, 1, MOST + 1)) == [(NUMBER, MOST, MOST)]


@given(ROWS, ROWS)
def test_pooling_adds_hour_by_hour(one: list[tuple[int, int, int]], two: list[tuple[int, int, int]]) -> None:
    assert rows(pooled([built(one), built(two)])) == rows(built(one + two))
