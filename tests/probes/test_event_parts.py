"""What the readers of webhook events share."""

import contextlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.event_parts import (
    MAX_EVENTS,
    Unfit,
    as_object,
    collect,
    decoded,
    domain_of,
    feedback_type,
    fingerprint,
    host_name,
    items_of,
    list_of,
    moment,
    part,
    provider,
    sending_domain,
    shaped,
    text,
    text_of,
)
from probes.observation import EventKind, MailEvent, MalformedRequest, Parsed, Reject, Window

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
WINDOW = Window(NOW)
SECONDS = NOW.timestamp()
NO_LISTS = (b"", b"1", b'"a"', b"\xff", b"{", b"[" * 100_000, json.dumps([0] * (MAX_EVENTS + 1)).encode())


class Shape(msgspec.Struct):
    a: int


@pytest.mark.parametrize(
    "value",
    [
        "2026-11-22T12:00:00Z",
        "2026-11-22T12:00:00.0000000Z",
        "2026-11-22T07:00:00.0000000-05:00",
        "2026-11-22 12:00:00.000000+00",
        SECONDS,
        int(SECONDS),
        str(int(SECONDS)),
        f"{SECONDS:.3f}",
    ],
)
def test_times(value: Any) -> None:
    assert moment("at", value, WINDOW) == NOW
    assert moment("at", value, WINDOW).tzinfo is UTC


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, "malformed"),
        ("", "malformed"),
        ("soon", "malformed"),
        ("2026-11-22T12:00:00", "malformed"),
        ("0001-01-01T00:00:00+14:00", "malformed"),
        (True, "malformed"),
        (1e300, "malformed"),
        (10**30, "malformed"),
        (float("nan"), "malformed"),
        ([], "malformed"),
        ("2026-11-22T13:00:00Z", "future"),
        (SECONDS + 301, "future"),
        (0, "ancient"),
    ],
)
def test_times_that_are_none(value: Any, code: str) -> None:
    with pytest.raises(Unfit) as caught:
        moment("at", value, WINDOW)
    assert caught.value.code == code


def test_a_clock_that_is_a_little_fast_is_believed() -> None:
    assert moment("at", (NOW + timedelta(minutes=4)).isoformat(), WINDOW) > NOW
    assert moment("at", SECONDS + 0.5, WINDOW) == NOW + timedelta(seconds=0.5)


@pytest.mark.parametrize(
    ("address", "domain"),
    [
        ("ann@acme.com", "acme.com"),
        ("Ann <ann@ACME.com.>", "acme.com"),
        ('"a@b" <ann@mail.acme.com>', "mail.acme.com"),
        ("acme.com", "acme.com"),
        ("bounces@_bounce.acme.com", "_bounce.acme.com"),
        ("ann@xn--mnchen-3ya.de", "xn--mnchen-3ya.de"),
        ("", ""),
        ("ann", ""),
        ("ann@", ""),
        ("ann@localhost", ""),
        ("ann@127.0.0.1", ""),
        ("ann@ácme.com", ""),
        ("ann@" + "x" * 64 + ".com", ""),
        ("ann@" + "x" * 300 + ".com", ""),
    ],
)
def test_domains(address: str, domain: str) -> None:
    assert domain_of(address) == domain


def test_a_host_name_is_no_address() -> None:
    assert (host_name("Acme.com."), host_name("ann@acme.com"), host_name("<acme.com>")) == ("acme.com", "", "")


def test_providers() -> None:
    assert [provider(who) for who in ("ann@Gmail.com", "gmail.com", "ann@acme.com", "ann")] == [
        "google", "google", "other", "",
    ]  # fmt: skip


def test_the_first_address_that_has_a_domain() -> None:
    assert sending_domain(None, "", "nobody", "ann@acme.com", "bob@other.example") == "acme.com"
    with pytest.raises(Unfit) as caught:
        sending_domain(None, "nobody")
    assert caught.value.code == "bad-domain"


def test_texts() -> None:
    assert text("id", "a") == "a"
    assert text("id", None, needed=False) == ""
    for value in (None, "", "a\x00", "a\nb", "\ud800", "x" * 999, 5, ["b"]):
        with pytest.raises(Unfit):
            text("id", value)


def test_texts_of_an_object() -> None:
    assert text_of({"a": "b"}, "a") == "b"
    assert text_of({"a": None}, "a") == text_of({}, "a") == ""
    for value in (5, "xyz"):
        with pytest.raises(Unfit):
            text_of({"a": value}, "a", longest=2)


def test_parts_of_an_object() -> None:
    assert part({"a": {"b": 1}}, "a") == {"b": 1}
    assert part({"a": None}, "a") == part({}, "a") == {}
    with pytest.raises(Unfit):
        part({"a": "b"}, "a")


def test_shapes() -> None:
    assert shaped({"a": 1, "b": 2}, Shape) == Shape(1)
    for value in (None, {}, {"a": "x"}):
        with pytest.raises(Unfit) as caught:
            shaped(value, Shape)
        assert caught.value.code == "malformed"


@pytest.mark.parametrize(
    ("told", "name"), [("abuse", "abuse"), (" Opt-Out ", "opt-out"), (None, ""), ("", ""), ("<b>", "")]
)
def test_feedback_types(told: str | None, name: str) -> None:
    assert feedback_type(told) == name


def test_fingerprints_tell_apart_and_hide() -> None:
    assert fingerprint("a", "b") == fingerprint("a", "b") != fingerprint("ab")
    assert len(fingerprint("\ud800")) == 32


def test_one_or_many() -> None:
    assert items_of(b'{"a": 1}', "X") == [{"a": 1}]
    assert items_of(b"[1, 2]", "X") == list_of("[1, 2]", "X") == [1, 2]


@pytest.mark.parametrize("body", NO_LISTS)
def test_bodies_that_cannot_be_read(body: bytes) -> None:
    with pytest.raises(MalformedRequest):
        items_of(body, "X")
    with pytest.raises(MalformedRequest):
        list_of(body, "X")


def test_one_is_no_list() -> None:
    with pytest.raises(MalformedRequest, match="not events of X"):
        list_of(b'{"a": 1}', "X")


def test_what_is_odd_costs_its_own_event_alone() -> None:
    far, half, none = decoded(b'[{"a": 1e400}, {"a": "\\ud800"}, NaN]', "X")
    assert (far["a"], half["a"]) == (float("inf"), "\ud800")
    for value in (far["a"], none):
        with pytest.raises(Unfit):
            moment("a", value, WINDOW)


def test_good_ones_and_bad_ones() -> None:
    event = MailEvent("1", EventKind.SENT, "acme.com", NOW, NOW)

    def read(index: int, item: Any) -> Iterator[MailEvent]:
        if "bad" in as_object(item):
            raise Unfit("bad-domain", "x" * 500)
        if item:
            yield event

    assert collect([{"good": 1}, {}, {"bad": 1}, 5], read) == Parsed(
        (event,), (Reject(2, "bad-domain", "x" * 200), Reject(3, "malformed", "an event is not a JSON object"))
    )


@given(st.text())
def test_any_text_is_a_domain_or_none(address: str) -> None:
    assert domain_of(domain_of(address)) == host_name(domain_of(address)) == domain_of(address)


@given(st.none() | st.text() | st.integers() | st.floats())
def test_any_value_is_a_time_or_unfit(value: Any) -> None:
    try:
        at = moment("at", value, WINDOW)
    except Unfit:
        return
    assert at.tzinfo is UTC


@given(st.binary(max_size=100))
def test_any_body(body: bytes) -> None:
    with contextlib.suppress(MalformedRequest):
        assert isinstance(items_of(body, "X"), list)
        assert isinstance(list_of(body, "X"), list)
