"""What Mailgun tells of its mail, in the shapes its documentation shows."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.mailgun_events import parse_events
from probes.observation import EventKind, MailEvent, Window

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
WINDOW = Window(NOW)
STAMP = NOW.timestamp() - 59.75
AT = datetime.fromtimestamp(STAMP, UTC)
MESSAGE = "20260203192638.000be97f99f8cea1@mg.acme.com"
HEADERS = {"from": "Ann <ann@acme.com>", "message-id": MESSAGE, "subject": "Hello", "to": "bob@gmail.com"}


def event(name: str, **more: Any) -> dict[str, Any]:
    """As account webhooks have it, since they name the domain."""
    return {
        "account": {"id": "1234567890303a4bd1f33898"},
        "domain": {"name": "mg.acme.com"},
        "envelope": {"sender": "bounce+x@mg.acme.com", "targets": "bob@gmail.com", "transport": "smtp"},
        "event": name,
        "flags": {"is-authenticated": True, "is-test-mode": False},
        "id": "CCXMjJ7nQi2N3BPigGOdgQ",
        "message": {"headers": HEADERS, "size": 341},
        "recipient": "bob@gmail.com",
        "recipient-domain": "gmail.com",
        "tags": [],
        "timestamp": STAMP,
        "user-variables": {},
    } | more


def failed(severity: str = "permanent", reason: str = "bounce", **status: Any) -> dict[str, Any]:
    return event("failed", severity=severity, reason=reason, **{"delivery-status": {"attempt-no": 1} | status})


@pytest.mark.parametrize(
    ("told", "kind", "detail"),
    [
        (event("accepted", method="HTTP"), EventKind.SENT, ""),
        (event("delivered", **{"delivery-status": {"code": 250, "message": "OK"}}), EventKind.DELIVERED, ""),
        (failed(code=550, message="5.1.1 no such user"), EventKind.BOUNCED, "hard"),
        (failed(**{"code": 550, "bounce-type": "soft"}), EventKind.BOUNCED, "soft"),
        (failed(reason="generic", **{"code": 421, "bounce-type": "hard"}), EventKind.BOUNCED, "hard"),
        (failed(reason="generic", code=550), EventKind.BOUNCED, "hard"),
        (failed(reason="generic", code=498), EventKind.BOUNCED, "soft"),
        (failed(reason="espblock", code=550), EventKind.BOUNCED, "soft"),
        (failed(reason="old", code=602), EventKind.BOUNCED, "soft"),
        (failed(reason="generic", code="550"), EventKind.BOUNCED, "soft"),
        (event("complained"), EventKind.COMPLAINED, ""),
        (event("unsubscribed", geolocation={"country": "US"}), EventKind.UNSUBSCRIBED, ""),
    ],
)
def test_kinds(told: dict[str, Any], kind: EventKind, detail: str) -> None:
    parsed = parse_events(told, WINDOW)
    expected = MailEvent("CCXMjJ7nQi2N3BPigGOdgQ", kind, "mg.acme.com", AT, AT, "google", MESSAGE, detail)
    assert parsed.events == (expected,)
    assert parsed.rejects == ()


@pytest.mark.parametrize(
    "told",
    [
        *(event(name) for name in ("opened", "clicked", "rejected", "stored", "something new")),
        *(failed(reason=f"suppress-{why}", code=605) for why in ("bounce", "complaint", "unsubscribe")),
        failed("temporary", "generic", code=451),
        *(event("accepted", flags={flag: True}) for flag in ("is-routed", "is-test-mode", "is-system-test")),
    ],
)
def test_what_is_no_event_for_us(told: dict[str, Any]) -> None:
    parsed = parse_events(told, WINDOW)
    assert (parsed.events, parsed.rejects) == ((), ())


@pytest.mark.parametrize(
    ("more", "domain"),
    [
        ({}, "mg.acme.com"),
        ({"domain": None}, "acme.com"),
        ({"domain": {"name": "no domain"}}, "acme.com"),
        ({"domain": None, "message": {"headers": {"message-id": MESSAGE}}}, "mg.acme.com"),
    ],
)
def test_whose_mail_it_is(more: dict[str, Any], domain: str) -> None:
    (found,) = parse_events(event("complained", **more), WINDOW).events
    assert found.domain == domain


@pytest.mark.parametrize(
    ("told", "code"),
    [
        (5, "malformed"),
        (None, "malformed"),
        (event(""), "malformed"),
        (event("complained", id=None), "malformed"),
        (event("complained", id=5), "malformed"),
        (event("complained", flags="none"), "malformed"),
        (event("failed"), "malformed"),
        (event("complained", timestamp=None), "malformed"),
        (event("complained", timestamp=STAMP + 10_000), "future"),
        (event("complained", timestamp=1_521_472_262.9), "ancient"),
        (event("complained", domain=None, envelope=None, message=None), "bad-domain"),
    ],
)
def test_rejects(told: Any, code: str) -> None:
    (reject,) = parse_events(told, WINDOW).rejects
    assert (reject.index, reject.code) == (0, code)


def test_the_address_is_not_kept() -> None:
    assert "bob" not in repr(parse_events(event("complained"), WINDOW))


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*failed()]), ANYTHING, max_size=4) | ANYTHING)
def test_any_event(more: Any) -> None:
    told = failed() | more if isinstance(more, dict) else more
    parsed = parse_events(told, WINDOW)
    assert len(parsed.events) + len(parsed.rejects) <= 1
    assert json.dumps([reject.reason for reject in parsed.rejects])
