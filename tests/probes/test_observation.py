"""The vocabulary of seeing refuses what could be mistaken for a reading."""

import math
from datetime import UTC, datetime, timedelta, timezone
from types import MappingProxyType

import pytest

from probes.observation import EventKind, MailEvent, Observation, Seen, Unseen, Why, Window, require_utc

AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def event(**changes: object) -> MailEvent:
    values = {"id": "e1", "kind": EventKind.SENT, "domain": "acme.test", "at": AT, "sent_at": AT} | changes
    return MailEvent(**values)


def test_nothing_read_is_not_a_reading() -> None:
    with pytest.raises(ValueError, match="at least one reading"):
        Seen({})


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_none_is_not_a_reading(value: float) -> None:
    with pytest.raises(ValueError, match="reading 'rate' is"):
        Seen({"ok": 1.0, "rate": value})


def test_readings_do_not_change_once_seen() -> None:
    given = {"code": "ok", "rate": 0.001, "lookups": 3, "testing": False, "rua": ("mailto:d@acme.test",)}
    seen = Seen(given)
    given["code"] = "missing"
    assert isinstance(seen.readings, MappingProxyType)
    assert seen.readings["code"] == "ok"
    assert seen == Seen({**given, "code": "ok"})
    assert seen != Seen(given)


def test_unseen_is_neither_good_nor_bad_and_says_why() -> None:
    assert Unseen(Why.TIMEOUT) == Unseen(Why.TIMEOUT, "")
    assert Observation("spf", "acme.test", AT, Unseen(Why.SERVFAIL, "192.0.2.53")).part == ""


@pytest.mark.parametrize("at", [datetime(2026, 11, 22), AT.astimezone(timezone(timedelta(hours=1)))])  # noqa: DTZ001
def test_every_time_is_aware_utc(at: datetime) -> None:
    for make in (
        lambda: require_utc(at),
        lambda: Observation("spf", "acme.test", at, Unseen(Why.TIMEOUT)),
        lambda: event(at=at),
        lambda: event(sent_at=at),
    ):
        with pytest.raises(ValueError, match="is not an aware UTC time"):
            make()
    assert require_utc(AT) is AT


@pytest.mark.parametrize("count", [0, -1])
def test_an_event_happened_at_least_once(count: int) -> None:
    with pytest.raises(ValueError, match="at least once"):
        event(count=count)
    assert event(count=2).count == 2


@pytest.mark.parametrize(
    ("offset", "words"),
    [
        (timedelta(0), None),
        (timedelta(minutes=5), None),
        (timedelta(minutes=5, seconds=1), "in the future"),
        (timedelta(days=-60), None),
        (timedelta(days=-60, seconds=-1), "more than 60 days ago"),
    ],
)
def test_the_window_says_what_is_believable(offset: timedelta, words: str | None) -> None:
    fault = Window(AT).fault(AT + offset)
    assert fault is None if words is None else words in str(fault)
