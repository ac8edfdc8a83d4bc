"""What the readers of vendors' statistics share."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from probes.config import Strict
from probes.http import HttpFault, Response
from probes.observation import Seen, Unseen, Why
from probes.vendor_statistics import BaseUrl, Days, add, because, chunks, counts, decoded, first_day, looks

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
TODAY = date(2026, 11, 22)


class Table(Strict):
    url: BaseUrl


@pytest.mark.parametrize(
    "url", ["https://api.example/v1/", "http://127.0.0.1:80", "http://[::1]", "http://localhost:8"]
)
def test_safe_addresses(url: str) -> None:
    assert Table(url=url).url == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        *("", "api.example", "http://api.example", "ftp://127.0.0.1", "https://", "https://[::1", "https://a:b/"),
        *("https://user:canary@api.example", "https://api.example/?canary", "https://api.example/#canary"),
    ],
)
def test_addresses_that_are_not_safe(url: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Table(url=url)
    assert "canary" not in str(caught.value)


def test_counts() -> None:
    told = counts({"a": 1, "b": 0, "c": None, "d": "many"}, {"a": "sent", "b": "delivered", "c": "x", "e": "y"}, "here")
    assert told == {"sent": 1, "delivered": 0}


@pytest.mark.parametrize("value", [-1, 1.5, "1", True, 2**60, []])
def test_what_is_no_count(value: Any) -> None:
    with pytest.raises(HttpFault) as caught:
        counts({"a": value}, {"a": "sent"}, "here")
    assert (caught.value.why, caught.value.detail) == (Why.UNREADABLE, "here: a is not a count")


def test_decoded() -> None:
    assert decoded(Response(200, {}, b"[1]"), "here", list[int]) == [1]
    for body in (b"", b"<html>", b'["a"]', b"[" * 100_000):
        with pytest.raises(HttpFault) as caught:
            decoded(Response(200, {}, body), "here", list[int])
        assert caught.value.why is Why.UNREADABLE


def test_looks() -> None:
    days: Days = {}
    add(days, TODAY, {"sent": 5, "complained": 0})
    add(days, TODAY, {"sent": 1})
    add(days, date(2026, 11, 20), {"sent": 2})
    add(days, date(2026, 11, 1), {"sent": 100})
    add(days, date(2027, 1, 1), {"sent": 100})
    add(days, date(2026, 11, 21), {})
    seen = looks("vendor", "acme.com", NOW, days, first_day(NOW, 7), {"senders": 3})
    assert [(one.source, one.target, one.at, one.part) for one in seen] == [
        ("vendor", "acme.com", NOW, part) for part in ("", "2026-11-20", "2026-11-22")
    ]
    assert [dict(one.answer.readings) for one in seen if isinstance(one.answer, Seen)] == [
        {"code": "ok", "days": 2, "senders": 3, "sent": 8, "complained": 0},
        {"sent": 2},
        {"sent": 6, "complained": 0},
    ]


def test_no_day_is_not_zero() -> None:
    (only,) = looks("vendor", "acme.com", NOW, {}, first_day(NOW, 7))
    assert only.answer == Unseen(Why.NO_DATA, "no mail counted since 2026-11-16")


def test_because() -> None:
    assert because(HttpFault(Why.DENIED, "no")) == Unseen(Why.DENIED, "no")
    assert because(HttpFault(Why.RATE_LIMITED, "no", 7.0)) == Unseen(Why.RATE_LIMITED, "no; ask again in 7 s")


def test_chunks() -> None:
    assert chunks(["a", "b", "c"], 2) == [["a", "b"], ["c"]]
    assert chunks([], 2) == []
