"""What SparkPost tells of a message, as events; payloads after developers.sparkpost.com/api/webhooks."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.observation import EventKind, MailEvent, MalformedRequest, Parsed, Window
from probes.sparkpost_events import parse_events

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
WINDOW = Window(NOW)
AT = NOW - timedelta(minutes=1)


def event(kind: str = "bounce", group: str = "message_event", **fields: Any) -> dict[str, Any]:
    """An event as SparkPost sends it; `...` leaves a field out."""
    whole = {
        "type": kind,
        "campaign_id": "Example Campaign Name",
        "customer_id": "1",
        "event_id": "92356927693813856",
        "friendly_from": "sender@ACME.com",
        "injection_time": "2026-11-22T11:00:00.000Z",
        "message_id": "000443ee14578172be22",
        "msg_from": "bounces@mail.sparkpost.example",
        "num_retries": "2",
        "rcpt_meta": {"customKey": "customValue"},
        "rcpt_tags": ["male", "US"],
        "rcpt_to": "recipient@gmail.com",
        "raw_rcpt_to": "Recipient@gmail.com",
        "routing_domain": "gmail.com",
        "subaccount_id": "101",
        "timestamp": str(int(AT.timestamp())),
    }
    if kind in ("bounce", "out_of_band"):
        whole["bounce_class"] = "10"
    return {"msys": {group: {name: value for name, value in (whole | fields).items() if value is not ...}}}


def parse(*items: Any) -> Parsed:
    return parse_events(json.dumps(items).encode(), WINDOW)


def one(item: Any) -> MailEvent:
    parsed = parse(item)
    assert parsed.rejects == ()
    (made,) = parsed.events
    return made


def test_a_whole_event() -> None:
    assert one(event("spam_complaint", fbtype="abuse")) == MailEvent(
        id="92356927693813856",
        kind=EventKind.COMPLAINED,
        domain="acme.com",
        at=AT,
        sent_at=NOW - timedelta(hours=1),
        provider="google",
        message_id="000443ee14578172be22",
        detail="abuse",
    )


@pytest.mark.parametrize(
    ("kind", "group", "made", "detail"),
    [
        ("injection", "message_event", EventKind.SENT, ""),
        ("delivery", "message_event", EventKind.DELIVERED, ""),
        ("bounce", "message_event", EventKind.BOUNCED, "hard"),
        ("out_of_band", "message_event", EventKind.BOUNCED, "hard"),
        ("spam_complaint", "message_event", EventKind.COMPLAINED, ""),
        ("list_unsubscribe", "unsubscribe_event", EventKind.UNSUBSCRIBED, ""),
        ("link_unsubscribe", "unsubscribe_event", EventKind.UNSUBSCRIBED, ""),
    ],
)
def test_every_type(kind: str, group: str, made: EventKind, detail: str) -> None:
    got = one(event(kind, group))
    assert (got.kind, got.detail) == (made, detail)


@pytest.mark.parametrize(
    ("kind", "group"),
    [
        ("delay", "message_event"),
        ("policy_rejection", "message_event"),
        ("generation_rejection", "gen_event"),
        ("generation_failure", "gen_event"),
        ("open", "track_event"),
        ("click", "track_event"),
        ("relay_injection", "relay_event"),
        ("new", "new_event"),
    ],
)
def test_what_is_no_mail_event(kind: str, group: str) -> None:
    assert parse(event(kind, group)) == Parsed()


def test_trying_the_address_out() -> None:
    assert parse({"msys": {}}) == Parsed()
    assert parse() == Parsed()
    assert parse_events(b'{"msys": {}}', WINDOW) == Parsed()


@pytest.mark.parametrize(
    ("told", "detail"),
    [
        ("10", "hard"),
        (10, "hard"),
        ("30", "hard"),
        ("1", "soft"),
        ("20", "soft"),
        ("21", "soft"),
        ("22", "soft"),
        ("40", "soft"),
        ("50", "soft"),
        ("51", "soft"),
        ("54", "soft"),
        ("70", "soft"),
        ("100", "soft"),
        ("999", "soft"),
        ("9" * 5000, "soft"),
        ("ten", "soft"),
        (None, "soft"),
    ],
)
def test_bounces_are_hard_or_soft(told: Any, detail: str) -> None:
    assert one(event(bounce_class=told)).detail == detail


@pytest.mark.parametrize("told", ["25", "26", "60", "80"])
def test_classes_that_nobody_refused(told: str) -> None:
    assert parse(event(bounce_class=told)) == Parsed()


def test_a_bounce_that_asks_to_be_left_alone() -> None:
    assert one(event(bounce_class="90")).kind is EventKind.UNSUBSCRIBED


@pytest.mark.parametrize(
    ("told", "kind", "detail"),
    [
        ("Fraud", EventKind.COMPLAINED, "fraud"),
        ("<b>", EventKind.COMPLAINED, ""),
        (None, EventKind.COMPLAINED, ""),
        ("opt-out", EventKind.UNSUBSCRIBED, ""),
    ],
)
def test_feedback_types(told: str | None, kind: EventKind, detail: str) -> None:
    made = one(event("spam_complaint", fbtype=told))
    assert (made.kind, made.detail) == (kind, detail)


@pytest.mark.parametrize("told", ["not-spam", "auth-failure"])
def test_what_is_nobodys_complaint(told: str) -> None:
    assert parse(event("spam_complaint", fbtype=told)) == Parsed()


@pytest.mark.parametrize("stamp", [AT.timestamp(), int(AT.timestamp()), AT.isoformat(), "2026-11-22T11:59:00.000Z"])
def test_times_as_sparkpost_writes_them(stamp: Any) -> None:
    assert one(event(timestamp=stamp)).at == AT


def test_times_of_sending() -> None:
    assert one(event("injection", injection_time=...)).sent_at == AT
    assert one(event("delivery", injection_time="2026-11-22T11:59:01Z")).sent_at == AT


def test_a_batch_that_is_sent_again_has_the_same_ids() -> None:
    items = [event("injection", event_id=str(number)) for number in range(3)]
    assert [made.id for made in parse(*items).events] == [made.id for made in parse(*items).events] == ["0", "1", "2"]
    assert one(event(event_id=92356927693813856)).id == "92356927693813856"


@pytest.mark.parametrize(
    ("fields", "domain"),
    [
        ({"friendly_from": "Ann <ann@acme.com>"}, "acme.com"),
        ({"friendly_from": ...}, "mail.sparkpost.example"),
        ({"friendly_from": "nobody"}, "mail.sparkpost.example"),
    ],
)
def test_domains(fields: dict[str, Any], domain: str) -> None:
    assert one(event(**fields)).domain == domain


@pytest.mark.parametrize(
    ("fields", "provider"),
    [
        ({}, "google"),
        ({"raw_rcpt_to": ...}, "google"),
        ({"raw_rcpt_to": ..., "rcpt_to": ...}, "google"),
        ({"raw_rcpt_to": ..., "rcpt_to": ..., "routing_domain": ...}, ""),
    ],
)
def test_providers(fields: dict[str, Any], provider: str) -> None:
    made = one(event(**fields))
    assert made.provider == provider
    assert "ecipient" not in repr(made)


@pytest.mark.parametrize(
    ("item", "code"),
    [
        (event(event_id=...), "malformed"),
        (event(event_id="a\x00"), "malformed"),
        (event(timestamp=...), "malformed"),
        (event(timestamp="soon"), "malformed"),
        (event(timestamp=str(int(NOW.timestamp()) + 3600)), "future"),
        (event(timestamp="1454442600"), "ancient"),
        (event(injection_time="1454442600"), "ancient"),
        (event(friendly_from=..., msg_from=...), "bad-domain"),
        (event(message_id=5), "malformed"),
        ({"msys": []}, "malformed"),
        ({"msys": {"message_event": []}}, "malformed"),
        ({"msys": {"message_event": {}}}, "malformed"),
        ({}, "malformed"),
        (5, "malformed"),
    ],
)
def test_what_is_wrong_with_an_event(item: Any, code: str) -> None:
    parsed = parse(event("delivery"), item)
    assert [made.kind for made in parsed.events] == [EventKind.DELIVERED]
    assert [(reject.index, reject.code) for reject in parsed.rejects] == [(1, code)]
    assert "ecipient" not in parsed.rejects[0].reason


def test_an_event_that_is_hardly_json_costs_none_of_the_others() -> None:
    parsed = parse(event("delivery"), event(event_id="\ud800"), event(timestamp=float("nan")))
    assert len(parsed.events) == 1
    assert [reject.code for reject in parsed.rejects] == ["malformed", "malformed"]


def test_bodies_that_cannot_be_read() -> None:
    for body in (b"", b"null", b"\xff"):
        with pytest.raises(MalformedRequest):
            parse_events(body, WINDOW)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)
FIELDS = ["type", "event_id", "timestamp", "injection_time", "bounce_class", "friendly_from", "rcpt_to", "fbtype"]


@given(st.sampled_from(["injection", "bounce", "spam_complaint"]), st.dictionaries(st.sampled_from(FIELDS), JSON))
def test_whatever_is_sent_is_an_event_or_a_reject(kind: str, fields: dict[str, Any]) -> None:
    item = event(kind)
    item["msys"]["message_event"] |= fields
    parsed = parse(item)
    assert len(parsed.events) + len(parsed.rejects) <= 1


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_whatever_the_body_is(body: bytes) -> None:
    try:
        parse_events(body, WINDOW)
    except MalformedRequest:
        return
