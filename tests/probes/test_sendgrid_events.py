"""What SendGrid tells of its mail, in the shapes its Event Webhook Reference shows."""

import contextlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.observation import EventKind, MailEvent, MalformedRequest, Window
from probes.sendgrid_events import Naming, parse_events

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
WINDOW = Window(NOW)
STAMP = int(NOW.timestamp()) - 60
AT = datetime.fromtimestamp(STAMP, UTC)
OWN = Naming("acme.com")
MESSAGE = "14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0"


def event(name: str, **more: Any) -> dict[str, Any]:
    return {
        "email": "bob@gmail.com",
        "timestamp": STAMP,
        "smtp-id": "<14c5d75ce93.dfd.64b469@ismtpd-555>",
        "event": name,
        "category": ["cold outreach"],
        "sg_event_id": f"id-of-{name}",
        "sg_message_id": MESSAGE,
        **more,
    }


def read(*events: Any, naming: Naming = OWN) -> tuple[list[MailEvent], list[tuple[int, str]]]:
    parsed = parse_events(json.dumps(events).encode(), WINDOW, naming)
    return list(parsed.events), [(reject.index, reject.code) for reject in parsed.rejects]


@pytest.mark.parametrize(
    ("told", "kind", "detail"),
    [
        (event("processed", pool={"name": "new_MY_test", "id": 210}), EventKind.SENT, ""),
        (event("delivered", response="250 OK", ip="168.1.1.1", tls=1), EventKind.DELIVERED, ""),
        (event("bounce", type="bounce", status="5.1.1", reason="550 5.1.1", bounce_classification="Invalid Address"),
         EventKind.BOUNCED, "hard"),
        (event("bounce", type="blocked", status="5.7.1", reason="550 5.7.1"), EventKind.BOUNCED, "soft"),
        (event("bounce", type="expired", status=""), EventKind.BOUNCED, "soft"),
        (event("bounce", status="5.0.0", reason="500 unknown recipient"), EventKind.BOUNCED, "hard"),
        (event("bounce", status="4.0.0"), EventKind.BOUNCED, "soft"),
        (event("bounce"), EventKind.BOUNCED, "soft"),
        (event("blocked", status="5.7.1"), EventKind.BOUNCED, "soft"),
        (event("spamreport"), EventKind.COMPLAINED, ""),
        (event("unsubscribe"), EventKind.UNSUBSCRIBED, ""),
        (event("group_unsubscribe", asm_group_id=10, url="http://www.sendgrid.com/"), EventKind.UNSUBSCRIBED, ""),
    ],
)  # fmt: skip
def test_kinds(told: dict[str, Any], kind: EventKind, detail: str) -> None:
    (found,), rejects = read(told)
    assert found == MailEvent(f"id-of-{told['event']}", kind, "acme.com", AT, AT, "google", MESSAGE, detail)
    assert rejects == []


@pytest.mark.parametrize(
    "told",
    [
        *(
            event(name)
            for name in ("deferred", "dropped", "open", "click", "group_resubscribe", "account_status_change")
        ),
        event("something new"),
        event("spamreport", email="Example@test.com"),
    ],
)
def test_what_is_no_event_for_us(told: dict[str, Any]) -> None:
    assert read(told) == ([], [])


@pytest.mark.parametrize(
    ("told", "naming", "domain"),
    [
        (event("processed", sending_domain="One.example"), OWN, "one.example"),
        (event("processed", brand="one.example"), Naming("acme.com", "brand"), "one.example"),
        (event("processed", category="from:one.example"), Naming("acme.com", category_prefix="from:"), "one.example"),
        (event("processed", category=[5, "x", "from:one.example"]), Naming(category_prefix="from:"), "one.example"),
        (event("processed", category=["x"]), Naming("acme.com", category_prefix="from:"), "acme.com"),
        (event("processed", category=None), Naming("acme.com", category_prefix="from:"), "acme.com"),
    ],
)
def test_whose_mail_it_is(told: dict[str, Any], naming: Naming, domain: str) -> None:
    (found,), _ = read(told, naming=naming)
    assert found.domain == domain


@pytest.mark.parametrize(
    ("told", "naming", "words"),
    [
        (event("spamreport"), Naming(), "neither the unique argument 'sending_domain' names"),
        (event("spamreport"), Naming(category_prefix="from:"), "nor a category from:DOMAIN names"),
        (event("spamreport", sending_domain="no domain"), OWN, "is not a host name"),
    ],
)
def test_nobody_knows_whose_mail_it_is(told: dict[str, Any], naming: Naming, words: str) -> None:
    (reject,) = parse_events(json.dumps([told]).encode(), WINDOW, naming).rejects
    assert reject.code == "bad-domain"
    assert words in reject.reason


def test_one_bad_event_costs_none_of_the_others() -> None:
    told = [
        event("processed"),
        5,
        event(""),
        event("spamreport", timestamp="soon"),
        event("spamreport", timestamp=STAMP + 10_000),
        event("spamreport", timestamp=1_000_000),
        event("spamreport", sg_event_id=5),
        event("spamreport", sending_domain=5),
        event("delivered"),
    ]
    events, rejects = read(*told)
    assert [one.kind for one in events] == [EventKind.SENT, EventKind.DELIVERED]
    codes = ["malformed", "malformed", "malformed", "future", "ancient", "malformed", "malformed"]
    assert rejects == list(enumerate(codes, 1))


def test_an_event_without_an_id_keeps_one_through_retries() -> None:
    told = event("bounce", sg_event_id=None)
    (first,), _ = read(told)
    (again,), _ = read(told)
    (other,), _ = read(told | {"email": "eve@gmail.com"})
    assert first.id == again.id != other.id
    assert "bob" not in first.id


def test_the_address_is_not_kept() -> None:
    (found,), _ = read(event("spamreport"))
    assert "bob" not in repr(found)


@pytest.mark.parametrize("body", [b"", b"{}", b'{"event": "bounce"}', b"[", b"\xff"])
def test_what_is_no_batch(body: bytes) -> None:
    with pytest.raises(MalformedRequest):
        parse_events(body, WINDOW, OWN)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
FIELDS = ("email", "timestamp", "event", "category", "sg_event_id", "sg_message_id", "type", "status", "sending_domain")


@given(st.lists(st.dictionaries(st.sampled_from(FIELDS), ANYTHING), max_size=3), st.sampled_from(FIELDS), ANYTHING)
def test_any_events(some: list[Any], name: str, value: Any) -> None:
    parsed = parse_events(json.dumps([*some, event("bounce") | {name: value}]).encode(), WINDOW, OWN)
    assert len(parsed.events) + len(parsed.rejects) <= len(some) + 1


@given(st.binary(max_size=200))
def test_any_body(body: bytes) -> None:
    with contextlib.suppress(MalformedRequest):
        parse_events(body, WINDOW, OWN)
