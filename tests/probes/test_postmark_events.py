"""What Postmark tells of a message, as events; payloads after postmarkapp.com/developer/webhooks."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.observation import EventKind, MailEvent, MalformedRequest, Parsed, Window
from probes.postmark_events import parse_events

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
WINDOW = Window(NOW)
AT = NOW - timedelta(minutes=1)
STAMP = "2026-11-22T06:59:00.0000000-05:00"
MESSAGE = "2706ee8a-737c-4285-b032-ccd317af53ed"
STREAMS = {"outbound": "acme.com", "cold": "two.example"}
BOUNCE: dict[str, Any] = {
    "RecordType": "Bounce",
    "ID": 901542550,
    "Type": "HardBounce",
    "TypeCode": 1,
    "ServerID": 23,
    "Name": "Hard bounce",
    "MessageID": MESSAGE,
    "MessageStream": "outbound",
    "Description": "The server was unable to deliver your message (ex: unknown user, mailbox not found).",
    "Details": "smtp;550 5.1.1 The email account that you tried to reach does not exist.",
    "Email": "john@gmail.com",
    "From": "sender@ACME.com",
    "BouncedAt": STAMP,
    "Inactive": True,
    "Metadata": {"example": "value"},
}
COMPLAINT = BOUNCE | {"RecordType": "SpamComplaint", "Type": "SpamComplaint", "TypeCode": 512}
DELIVERY: dict[str, Any] = {
    "RecordType": "Delivery",
    "ServerID": 23,
    "MessageStream": "outbound",
    "MessageID": MESSAGE,
    "Recipient": "John@gmail.com",
    "Tag": "welcome-email",
    "DeliveredAt": STAMP,
    "Details": "Test delivery webhook details",
}
CHANGE: dict[str, Any] = {
    "RecordType": "SubscriptionChange",
    "MessageID": MESSAGE,
    "ServerID": 23,
    "MessageStream": "outbound",
    "ChangedAt": "2026-11-22T11:59:00Z",
    "Recipient": "john@gmail.com",
    "Origin": "Recipient",
    "SuppressSending": True,
    "SuppressionReason": "ManualSuppression",
    "Tag": None,
}


def without(record: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in names}


def parse(record: Any, streams: dict[str, str] | None = None) -> Parsed:
    return parse_events(json.dumps(record).encode(), WINDOW, STREAMS if streams is None else streams)


def kinds(record: Any) -> list[tuple[EventKind, str]]:
    parsed = parse(record)
    assert parsed.rejects == ()
    return [(made.kind, made.detail) for made in parsed.events]


def test_a_complaint() -> None:
    (made,) = parse(COMPLAINT).events
    assert made == MailEvent(
        id=made.id,
        kind=EventKind.COMPLAINED,
        domain="acme.com",
        at=AT,
        sent_at=AT,
        provider="google",
        message_id=MESSAGE,
    )
    assert "john" not in repr(made)


def test_what_was_delivered_or_bounced_was_sent() -> None:
    sent, delivered = parse(DELIVERY).events
    assert (sent.kind, delivered.kind) == (EventKind.SENT, EventKind.DELIVERED)
    assert (sent.message_id, sent.at, sent.sent_at, sent.provider) == (MESSAGE, AT, AT, "google")
    again, bounced = parse(BOUNCE).events
    assert (bounced.kind, bounced.detail) == (EventKind.BOUNCED, "hard")
    assert again.id == sent.id, "a message that is delivered and bounces later was sent once"
    assert len({sent.id, delivered.id, bounced.id}) == 3


def test_two_recipients_of_one_message_are_two() -> None:
    one, two = parse(DELIVERY).events[0], parse(DELIVERY | {"Recipient": "eve@gmail.com"}).events[0]
    assert one.id != two.id
    assert one.message_id == two.message_id


@pytest.mark.parametrize(
    ("record", "kind", "detail"),
    [
        ({"Type": "HardBounce"}, EventKind.BOUNCED, "hard"),
        ({"Type": "BadEmailAddress"}, EventKind.BOUNCED, "hard"),
        ({"Type": "SoftBounce"}, EventKind.BOUNCED, "soft"),
        ({"Type": "Transient"}, EventKind.BOUNCED, "soft"),
        ({"Type": "DnsError"}, EventKind.BOUNCED, "soft"),
        ({"Type": "Blocked"}, EventKind.BOUNCED, "soft"),
        ({"Type": "SpamNotification"}, EventKind.BOUNCED, "soft"),
        ({"Type": "New"}, EventKind.BOUNCED, "soft"),
        ({"Type": None, "TypeCode": 1}, EventKind.BOUNCED, "hard"),
        ({"Type": None, "TypeCode": 4096}, EventKind.BOUNCED, "soft"),
        ({"Type": None, "TypeCode": 9}, EventKind.BOUNCED, "soft"),
        ({"Type": None, "TypeCode": None}, EventKind.BOUNCED, "soft"),
        ({"Type": "SpamComplaint"}, EventKind.COMPLAINED, ""),
        ({"Type": None, "TypeCode": 100001}, EventKind.COMPLAINED, ""),
        ({"Type": "Unsubscribe"}, EventKind.UNSUBSCRIBED, ""),
    ],
)
def test_types_of_bounces(record: dict[str, Any], kind: EventKind, detail: str) -> None:
    assert kinds(BOUNCE | record)[-1] == (kind, detail)


@pytest.mark.parametrize(
    "record",
    [
        *({"Type": name} for name in ("AutoResponder", "AddressChange", "Subscribe", "OpenRelayTest", "Unconfirmed")),
        *({"Type": name} for name in ("ManuallyDeactivated", "InboundError", "TemplateRenderingFailed")),
        {"Type": None, "TypeCode": 64},
    ],
)
def test_bounces_that_nobody_refused(record: dict[str, Any]) -> None:
    assert parse(BOUNCE | record) == Parsed()


@pytest.mark.parametrize(
    "record",
    [
        {"RecordType": "Open", "MessageID": MESSAGE, "Recipient": "john@gmail.com", "ReceivedAt": STAMP},
        {"RecordType": "Click", "MessageID": MESSAGE},
        {"RecordType": "Inbound", "FromFull": {"Email": "john@gmail.com"}},
        {"RecordType": "New"},
        {},
    ],
)
def test_what_is_no_mail_event(record: dict[str, Any]) -> None:
    assert parse(record) == Parsed()


def test_an_unsubscribe() -> None:
    (made,) = parse(CHANGE).events
    assert (made.kind, made.domain, made.at, made.message_id) == (EventKind.UNSUBSCRIBED, "acme.com", AT, MESSAGE)
    (early,) = parse(CHANGE | {"MessageID": None}).events
    (later,) = parse(CHANGE | {"MessageID": None, "ChangedAt": "2026-11-22T11:59:30Z"}).events
    assert early.message_id == ""
    assert len({made.id, early.id, later.id}) == 3


@pytest.mark.parametrize(
    "change",
    [
        {"SuppressSending": False, "SuppressionReason": None},
        {"SuppressSending": None},
        {"Origin": "Customer"},
        {"Origin": "Admin"},
        {"SuppressionReason": "New"},
        {"SuppressionReason": None},
    ],
)
def test_changes_that_no_recipient_asked_for(change: dict[str, Any]) -> None:
    assert parse(CHANGE | change) == Parsed()


def test_what_two_webhooks_tell_is_one_event() -> None:
    later = CHANGE | {"ChangedAt": "2026-11-22T11:59:02Z"}
    for first, reason in ((COMPLAINT, "SpamComplaint"), (BOUNCE, "HardBounce")):
        told, again = parse(first).events, parse(later | {"SuppressionReason": reason}).events
        assert [made.id for made in told] == [made.id for made in again]


def test_a_delivery_that_is_tried_again_has_the_same_ids_and_soft_bounces_may_come_again() -> None:
    assert parse(DELIVERY) == parse(DELIVERY)
    soft = BOUNCE | {"Type": "SoftBounce"}
    ids = {parse(soft | {"BouncedAt": f"2026-11-22T11:5{minute}:00Z"}).events[-1].id for minute in range(3)}
    assert len(ids) == 3


@pytest.mark.parametrize(
    ("record", "last"),
    [
        (without(BOUNCE, "RecordType", "MessageStream"), EventKind.BOUNCED),
        (without(COMPLAINT, "RecordType"), EventKind.COMPLAINED),
        (without(DELIVERY, "RecordType", "MessageStream"), EventKind.DELIVERED),
        (without(CHANGE, "RecordType"), EventKind.UNSUBSCRIBED),
    ],
)
def test_older_payloads(record: dict[str, Any], last: EventKind) -> None:
    assert kinds(record)[-1][0] is last


def test_from_says_more_than_the_stream_and_the_stream_more_than_nothing() -> None:
    assert parse(BOUNCE | {"MessageStream": "cold"}).events[0].domain == "acme.com"
    assert parse(DELIVERY | {"MessageStream": "cold"}).events[0].domain == "two.example"
    (reject,) = parse(DELIVERY | {"MessageStream": "unknown"}).rejects
    assert reject.code == "bad-domain"
    (reject,) = parse_events(json.dumps(DELIVERY).encode(), WINDOW).rejects
    assert reject.code == "bad-domain"


def test_a_list_of_events() -> None:
    parsed = parse([DELIVERY, 5, COMPLAINT])
    assert [made.kind for made in parsed.events] == [EventKind.SENT, EventKind.DELIVERED, EventKind.COMPLAINED]
    assert [(reject.index, reject.code) for reject in parsed.rejects] == [(1, "malformed")]


@pytest.mark.parametrize(
    ("record", "code"),
    [
        (DELIVERY | {"MessageID": None}, "malformed"),
        (DELIVERY | {"MessageID": "a\x00"}, "malformed"),
        (DELIVERY | {"Recipient": ""}, "malformed"),
        (DELIVERY | {"Recipient": 5}, "malformed"),
        (DELIVERY | {"DeliveredAt": None}, "malformed"),
        (DELIVERY | {"DeliveredAt": "2026-11-22T11:59:00"}, "malformed"),
        (DELIVERY | {"DeliveredAt": "2026-11-22T13:00:00Z"}, "future"),
        (BOUNCE | {"BouncedAt": "2016-04-27T16:28:50.3963933-04:00"}, "ancient"),
        (COMPLAINT | {"From": "", "MessageStream": "unknown"}, "bad-domain"),
        (BOUNCE | {"TypeCode": "1"}, "malformed"),
    ],
)
def test_what_is_wrong_with_an_event(record: dict[str, Any], code: str) -> None:
    parsed = parse(record)
    assert parsed.events == ()
    assert [reject.code for reject in parsed.rejects] == [code]
    assert "ohn" not in parsed.rejects[0].reason


def test_bodies_that_cannot_be_read() -> None:
    for body in (b"", b"null", b"\xff"):
        with pytest.raises(MalformedRequest):
            parse_events(body, WINDOW)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(
    st.sampled_from([BOUNCE, COMPLAINT, DELIVERY, CHANGE]), st.dictionaries(st.sampled_from([*BOUNCE, *CHANGE]), JSON)
)
def test_whatever_is_sent_is_an_event_or_a_reject(record: dict[str, Any], fields: dict[str, Any]) -> None:
    parsed = parse(record | fields)
    assert len(parsed.events) <= 2
    assert not (parsed.events and parsed.rejects)


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_whatever_the_body_is(body: bytes) -> None:
    try:
        parse_events(body, WINDOW, STREAMS)
    except MalformedRequest:
        return
