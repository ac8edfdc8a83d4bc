"""What the statistics of sending platforms share."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.daily_numbers import (
    Days,
    add,
    believable,
    chunks,
    count,
    counts,
    day_of,
    first_day,
    in_chunks,
    last_days,
    looks,
    observations,
    readings,
    unseen,
)
from probes.http import HttpFault
from probes.observation import Observation, Seen, Unseen, Why

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
TODAY = NOW.date()
NAMES = {"sent": ("Sent",), "soft_bounced": ("Soft", "Block"), "complained": ("Spam",)}


@pytest.mark.parametrize(
    ("value", "number"),
    [
        *((value, 7) for value in (7, 7.0, "7")),
        *((value, 0) for value in (0, 0.0, "0")),
        *((value, None) for value in (7.5, -1, -1.0, "-1", "7.0", "", "x", "７", "1" * 17, True, None, [], {})),
        *((value, None) for value in (2**60, 2.0**60, float("nan"), float("inf"))),
    ],
)
def test_counts(value: Any, number: int | None) -> None:
    assert count(value) == number


def test_what_is_not_told_is_not_zero() -> None:
    assert readings({"Sent": 0, "Block": 2}, NAMES) == {"sent": 0, "soft_bounced": 2}
    assert readings({"Soft": 1, "Block": 2, "Spam": "many"}, NAMES) == {"soft_bounced": 3}
    assert readings({}, NAMES) == {}


def test_a_platform_that_is_known_to_count() -> None:
    assert counts({"Sent": 1, "Soft": 0, "Block": None, "d": "many"}, NAMES, "here") == {"sent": 1, "soft_bounced": 0}
    for value in (-1, 1.5, "many", True, 2**60, []):
        with pytest.raises(HttpFault) as caught:
            counts({"Sent": 1, "Block": value}, NAMES, "here")
        assert (caught.value.why, caught.value.detail) == (Why.UNREADABLE, "here: Block is not a count")


@given(st.dictionaries(st.sampled_from(["Sent", "Soft", "Block"]), st.none() | st.integers() | st.floats() | st.text()))
def test_any_row(row: dict[str, Any]) -> None:
    told = readings(row, NAMES)
    assert all(number >= 0 for number in told.values())
    try:
        assert counts(row, NAMES, "here") == told
    except HttpFault as fault:
        assert fault.why is Why.UNREADABLE


def test_days() -> None:
    assert last_days(NOW, 3) == [date(2026, 11, 20), date(2026, 11, 21), TODAY]
    assert first_day(NOW, 3) == date(2026, 11, 20)
    assert day_of("2026-11-22T00:00:00.000Z") == day_of("2026-11-22") == TODAY
    assert [day_of(value) for value in ("yesterday", "", None, 5)] == [None] * 4


def test_chunks() -> None:
    assert chunks(["a", "b", "c"], 2) == [["a", "b"], ["c"]]
    assert chunks([], 2) == []


def test_days_that_are_believed() -> None:
    days: Days = {date(2026, 11, 21): {}}
    add(days, TODAY, {"sent": 5, "complained": 0})
    add(days, TODAY, {"sent": 1})
    for day in (date(2026, 11, 15), date(2026, 11, 16), date(2026, 11, 23), date(2026, 11, 24)):
        add(days, day, {"sent": 100})
    found = believable(days, first_day(NOW, 7), NOW)
    assert list(found) == [date(2026, 11, 16), TODAY, date(2026, 11, 23)]
    assert found[TODAY] == {"sent": 6, "complained": 0}


async def test_a_fault_of_one_question_is_that_of_its_domains() -> None:
    asked: list[str] = []

    async def look(chunk: Sequence[str]) -> Mapping[str, Days]:
        asked.extend(chunk)
        if "bad" in chunk:
            raise HttpFault(Why.REFUSED, "no")
        return {domain: {TODAY: {"sent": 1}} for domain in chunk if domain != "silent"}

    answers = await in_chunks(["one", "bad", "two", "silent"], 1, look)
    assert asked == ["one", "bad", "two", "silent"]
    assert answers["bad"] == Unseen(Why.REFUSED, "no")
    assert answers["silent"] == {}


async def test_a_platform_that_is_down_is_not_asked_again() -> None:
    asked: list[str] = []

    async def look(chunk: Sequence[str]) -> Mapping[str, Days]:
        asked.extend(chunk)
        if "b" in chunk:
            raise HttpFault(Why.RATE_LIMITED, "429", retry_after=17)
        return {}

    answers = await in_chunks(["a", "b", "c", "d"], 1, look)
    assert asked == ["a", "b"]
    assert answers["a"] == {}
    assert [answers[name] for name in "bcd"] == [Unseen(Why.RATE_LIMITED, "429; ask again in 17 s")] * 3


def test_looks_at_the_whole_and_at_each_day() -> None:
    answers: dict[str, Days | Unseen] = {
        "acme.com": {
            TODAY: {"sent": 2},
            date(2026, 11, 21): {"sent": 3, "complained": 0},
            date(2026, 11, 20): {},
            date(2026, 11, 1): {"sent": 100},
        },
        "dark.example": Unseen(Why.TIMEOUT, "late"),
    }
    found = observations(
        "x", ["acme.com", "dark.example"], NOW, answers, first_day(NOW, 7), sending={"acme.com": "enabled"}
    )
    assert [(one.target, one.part, one.answer) for one in found] == [
        ("acme.com", "", Seen({"code": "ok", "days": 2, "sent": 5, "complained": 0, "sending": "enabled"})),
        ("acme.com", "2026-11-21", Seen({"sent": 3, "complained": 0})),
        ("acme.com", "2026-11-22", Seen({"sent": 2})),
        ("dark.example", "", Unseen(Why.TIMEOUT, "late")),
    ]


def test_a_paused_domain_sends_nothing_and_is_seen_all_the_same() -> None:
    told: Days = {date(2026, 10, 1): {"sent": 5}, TODAY: {}}
    for days in ({}, told):
        (only,) = observations("x", ["acme.com"], NOW, {"acme.com": days}, first_day(NOW, 7))
        assert only == Observation("x", "acme.com", NOW, Seen({"code": "ok", "days": 0}))


def test_a_look_without_sums() -> None:
    found = looks("x", "acme.com", NOW, {TODAY: {"sent": 1}, date(2026, 11, 21): {}}, {"mailboxes": 3})
    assert [(one.part, one.answer) for one in found] == [
        ("", Seen({"code": "ok", "days": 1, "mailboxes": 3})),
        ("2026-11-22", Seen({"sent": 1})),
    ]


def test_nothing_seen() -> None:
    answer = Unseen(Why.DENIED, "no")
    assert unseen("x", ["a", "b"], NOW, answer) == tuple(Observation("x", name, NOW, answer) for name in "ab")
