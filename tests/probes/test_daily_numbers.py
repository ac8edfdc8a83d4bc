"""What the statistics of sending platforms share."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from probes.daily_numbers import (
    BaseUrl,
    Days,
    count,
    day_of,
    in_chunks,
    last_days,
    observations,
    readings,
    vendor_words,
)
from probes.http import HttpFault
from probes.observation import Seen, Unseen, Why

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://api.example/v1/", "https://api.example/v1"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://[::1]:8080/", "http://[::1]:8080"),
        ("http://localhost/api", "http://localhost/api"),
    ],
)
def test_addresses(given: str, kept: str) -> None:
    assert TypeAdapter(BaseUrl).validate_python(given) == kept


@pytest.mark.parametrize(
    "given",
    [
        "",
        "api.example",
        "http://api.example",
        "http://10.0.0.1",
        "ftp://127.0.0.1",
        "https://user:canary@api.example",
        "https://api.example/?key=1",
        "https://api.example/#x",
        "https://api.example:port",
        "https://[::1",
    ],
)
def test_addresses_that_are_not_safe(given: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(BaseUrl).validate_python(given)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"message": "no"}, "no"),
        ({"ErrorCode": 10, "Message": "Bad token."}, "Bad token."),
        ({"errors": [{"message": "no", "description": "why", "code": "1200"}]}, "no; why"),
        ({"error": "no"}, "no"),
        ({"errors": []}, ""),
        ({"errors": ["no"]}, ""),
        ({"message": 5}, ""),
        ([], ""),
        ("no", ""),
    ],
)
def test_what_vendors_say_of_an_error(body: Any, words: str) -> None:
    assert vendor_words(json.dumps(body).encode()) == words


def test_what_is_no_json_says_nothing() -> None:
    assert vendor_words(b"<html>") == ""


@pytest.mark.parametrize(
    ("value", "number"), [(0, 0), (5, 5), (5.0, 5), (5.5, None), (-1, None), (True, None), ("5", None), (None, None)]
)
def test_counts(value: Any, number: int | None) -> None:
    assert count(value) == number


def test_what_is_not_told_is_not_zero() -> None:
    names = {"sent": ("Sent",), "soft_bounced": ("Soft", "Block"), "complained": ("Spam",)}
    assert readings({"Sent": 0, "Block": 2}, names) == {"sent": 0, "soft_bounced": 2}
    assert readings({}, names) == {}


def test_days() -> None:
    assert last_days(NOW, 3) == [date(2026, 11, 20), date(2026, 11, 21), date(2026, 11, 22)]
    assert day_of("2026-11-22T00:00:00.000Z") == "2026-11-22"
    assert [day_of(value) for value in ("yesterday", "", None, 5)] == [None] * 4


async def test_a_fault_of_one_question_is_that_of_its_domains() -> None:
    asked: list[str] = []

    async def look(chunk: Sequence[str]) -> Mapping[str, Days]:
        asked.extend(chunk)
        if "bad" in chunk:
            raise HttpFault(Why.REFUSED, "no")
        return {domain: {"2026-11-22": {"sent": 1}} for domain in chunk if domain != "silent"}

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
    assert {answers[name] for name in "bcd"} == {Unseen(Why.RATE_LIMITED, "429 (ask again in 17 s)")}  # type: ignore[arg-type]


def test_looks_at_the_whole_and_at_each_day() -> None:
    answers: dict[str, Days | Unseen] = {
        "acme.com": {"2026-11-22": {"sent": 2}, "2026-11-21": {"sent": 3, "complained": 0}, "2026-11-20": {}},
        "dark.example": Unseen(Why.TIMEOUT, "late"),
    }
    looks = observations("x", ["acme.com", "dark.example"], NOW, answers, sending={"acme.com": "enabled"})
    assert [(one.target, one.part, one.answer) for one in looks] == [
        ("acme.com", "", Seen({"code": "ok", "days": 2, "sent": 5, "complained": 0, "sending": "enabled"})),
        ("acme.com", "2026-11-21", Seen({"sent": 3, "complained": 0})),
        ("acme.com", "2026-11-22", Seen({"sent": 2})),
        ("dark.example", "", Unseen(Why.TIMEOUT, "late")),
    ]
