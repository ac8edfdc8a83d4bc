"""What the readers of webhook events share."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.event_parts import (
    MAX_EVENTS,
    Unfit,
    domain_of,
    feedback_type,
    fingerprint,
    items_of,
    moment,
    sending_domain,
    text,
)
from probes.observation import MalformedRequest, Window

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
WINDOW = Window(NOW)


@pytest.mark.parametrize(
    "value",
    [
        "2026-11-22T12:00:00Z",
        "2026-11-22T12:00:00.0000000Z",
        "2026-11-22T07:00:00.0000000-05:00",
        "2026-11-22 12:00:00.000000+00",
        NOW.timestamp(),
        int(NOW.timestamp()),
        str(int(NOW.timestamp())),
        f"{NOW.timestamp():.3f}",
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
        ([], "malformed"),
        ("2026-11-22T13:00:00Z", "future"),
        (0, "ancient"),
    ],
)
def test_times_that_are_none(value: Any, code: str) -> None:
    with pytest.raises(Unfit) as caught:
        moment("at", value, WINDOW)
    assert caught.value.code == code


def test_a_clock_that_is_a_little_fast_is_believed() -> None:
    assert moment("at", (NOW + timedelta(minutes=4)).isoformat(), WINDOW) > NOW


@pytest.mark.parametrize(
    ("address", "domain"),
    [
        ("ann@acme.com", "acme.com"),
        ("Ann <ann@ACME.com.>", "acme.com"),
        ('"a@b" <ann@mail.acme.com>', "mail.acme.com"),
        ("acme.com", "acme.com"),
        ("bounces@_bounce.acme.com", "_bounce.acme.com"),
        ("", ""),
        ("ann@", ""),
        ("ann@localhost", ""),
        ("ann@127.0.0.1", ""),
        ("ann@ácme.com", ""),
        ("ann@" + "x" * 300 + ".com", ""),
    ],
)
def test_domains(address: str, domain: str) -> None:
    assert domain_of(address) == domain


def test_the_first_address_that_has_a_domain() -> None:
    assert sending_domain(None, "", "nobody", "ann@acme.com", "bob@other.example") == "acme.com"
    with pytest.raises(Unfit) as caught:
        sending_domain(None, "nobody")
    assert caught.value.code == "bad-domain"


def test_texts() -> None:
    assert text("id", "a") == "a"
    assert text("id", None, needed=False) == ""
    for value in (None, "", "a\x00", "x" * 999):
        with pytest.raises(Unfit):
            text("id", value)


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
    assert items_of(b"[1, 2]", "X") == [1, 2]
    assert items_of(b'[1, "\\ud800", NaN]', "X")[:2] == [1, "\ud800"]


@pytest.mark.parametrize(
    "body", [b"", b"1", b'"a"', b"\xff", b"{", b"[" * 100_000, json.dumps([0] * (MAX_EVENTS + 1)).encode()]
)
def test_bodies_that_cannot_be_read(body: bytes) -> None:
    with pytest.raises(MalformedRequest):
        items_of(body, "X")


@given(st.text())
def test_any_text_is_a_domain_or_none(address: str) -> None:
    assert domain_of(domain_of(address)) == domain_of(address)


@given(st.none() | st.text() | st.integers() | st.floats())
def test_any_value_is_a_time_or_unfit(value: Any) -> None:
    try:
        at = moment("at", value, WINDOW)
    except Unfit:
        return
    assert at.tzinfo is UTC
