"""What the readers of vendors' events share."""

import contextlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.observation import EventKind, ForgedRequest, MailEvent, MalformedRequest, Parsed, Reject, Window
from probes.vendor_events import (
    MAX_EVENTS,
    Unfit,
    address_domain,
    decode,
    digest,
    entries,
    fresh,
    gather,
    host_name,
    instant,
    part,
    provider,
    text,
)

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
WINDOW = Window(NOW)
SECONDS = NOW.timestamp()


@pytest.mark.parametrize("off", [-300, 0, 300])
def test_a_fresh_stamp(off: int) -> None:
    fresh(str(int(SECONDS) + off), NOW, 300)


@pytest.mark.parametrize(
    "stamp", ["", "now", "-5", "1.5", "１２", "1" * 12, str(int(SECONDS) - 301), str(int(SECONDS) + 301)]
)
def test_a_stamp_that_is_not_fresh(stamp: str) -> None:
    with pytest.raises(ForgedRequest):
        fresh(stamp, NOW, 300)


def test_an_older_stamp_where_that_is_allowed() -> None:
    fresh(str(int(SECONDS) - 3000), NOW, 3600)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"5", b'{"a": 1}', b"[" * 100_000, b"\xff", b"[" + b"1," * MAX_EVENTS + b"1]"]
)
def test_what_is_no_list(body: bytes) -> None:
    with pytest.raises(MalformedRequest):
        entries(body)


def test_a_list() -> None:
    assert entries(b'[1, {"a": 2}]') == [1, {"a": 2}]
    assert entries("[]") == []


def test_what_is_odd_costs_its_own_event_alone() -> None:
    first, _ = decode(b'[{"a": 1e400}, {"a": "\\ud800"}]')
    assert first["a"] == float("inf")
    with pytest.raises(Unfit, match="outside the calendar"):
        instant("a", first["a"], WINDOW)


@pytest.mark.parametrize(
    ("value", "at"),
    [
        (int(SECONDS), NOW),
        (SECONDS + 0.5, NOW + timedelta(seconds=0.5)),
        (str(int(SECONDS)), NOW),
        (f"{SECONDS}", NOW),
    ],
)
def test_instants(value: Any, at: datetime) -> None:
    assert instant("timestamp", value, WINDOW) == at


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, "malformed"),
        (True, "malformed"),
        ("yesterday", "malformed"),
        ([], "malformed"),
        (10**30, "malformed"),
        (float("nan"), "malformed"),
        (SECONDS + 301, "future"),
        (0, "ancient"),
    ],
)
def test_what_is_no_instant(value: Any, code: str) -> None:
    with pytest.raises(Unfit) as caught:
        instant("timestamp", value, WINDOW)
    assert caught.value.code == code


def test_text() -> None:
    assert text({"a": "b"}, "a") == "b"
    assert text({"a": None}, "a") == text({}, "a") == ""
    for value in (5, ["b"], "x" * 999, "a\nb", "\ud800"):
        with pytest.raises(Unfit):
            text({"a": value}, "a")


def test_part() -> None:
    assert part({"a": {"b": 1}}, "a") == {"b": 1}
    assert part({"a": None}, "a") == part({}, "a") == {}
    with pytest.raises(Unfit):
        part({"a": "b"}, "a")


def test_digest() -> None:
    assert digest("a", "b") == digest("a", "b") != digest("a", "c")
    assert digest("\ud800")


@pytest.mark.parametrize(
    ("address", "domain"),
    [
        ("ann@Acme.com", "acme.com"),
        ("Ann <ann@acme.com>", "acme.com"),
        ("acme.com.", "acme.com"),
        ("ann", ""),
        ("ann@münchen.de", ""),
        ("ann@127.0.0.1", ""),
        ("", ""),
    ],
)
def test_address_domains(address: str, domain: str) -> None:
    assert address_domain(address) == domain


def test_host_names_and_providers() -> None:
    assert host_name("xn--mnchen-3ya.de") == "xn--mnchen-3ya.de"
    assert host_name("a" * 64 + ".de") == ""
    assert (provider("ann@Gmail.com"), provider("ann@acme.com"), provider("ann")) == ("google", "other", "")


def test_gather() -> None:
    event = MailEvent("1", EventKind.SENT, "acme.com", NOW, NOW)

    def read(item: dict[str, Any]) -> MailEvent | None:
        if "bad" in item:
            raise Unfit("bad-domain", "x" * 500)
        return event if item else None

    assert gather([{"good": 1}, {}, {"bad": 1}, 5], read) == Parsed(
        (event,), (Reject(2, "bad-domain", "x" * 200), Reject(3, "malformed", "an event is not a JSON object"))
    )


@given(st.binary(max_size=100))
def test_any_body(body: bytes) -> None:
    with contextlib.suppress(MalformedRequest):
        assert isinstance(entries(body), list)


@given(st.text(max_size=80))
def test_any_address(address: str) -> None:
    assert address_domain(address) == host_name(address_domain(address))
