"""What Amazon SES tells of a message, as events."""

import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from peers.ses_records import (
    BOUNCE,
    COMPLAINT,
    DELIVERY,
    MAIL,
    MESSAGE_ID,
    NOW,
    SENT_AT,
    SUBSCRIPTION,
    changed,
)
from peers.sns import stamp
from probes.observation import (
    EventKind,
    MailEvent,
    MalformedRequest,
    Parsed,
    Window,
)
from probes.ses_events import parse_events

WINDOW = Window(NOW)


def parse(record: Any) -> Parsed:
    return parse_events(json.dumps(record), WINDOW)


def one(record: Any) -> MailEvent:
    parsed = parse(record)
    assert parsed.rejects == ()
    (event,) = parsed.events
    return event


def test_a_complaint_is_one_event_of_the_hour_its_mail_was_sent_in() -> None:
    event = one(COMPLAINT)
    assert event == MailEvent(
        id=event.id,
        kind=EventKind.COMPLAINED,
        domain="acme.com",
        at=NOW,
        sent_at=SENT_AT,
        provider="google",
        message_id=MESSAGE_ID,
        detail="abuse",
    )
    assert "ann" not in event.id


def test_a_complaint_that_lists_everybody_at_a_provider_is_still_one() -> None:
    everybody = [{"emailAddress": f"user{number}@yahoo.com"} for number in range(20)]
    event = one(changed(COMPLAINT, complaint={"complainedRecipients": everybody}))
    assert (event.count, event.provider) == (1, "yahoo")
    second = changed(COMPLAINT, complaint={"complainedRecipients": everybody, "feedbackId": "f-3"})
    assert one(second).id != event.id


def test_a_complaint_without_address_counts() -> None:
    event = one(changed(COMPLAINT, complaint={"complainedRecipients": ..., "complaintFeedbackType": ...}))
    assert (event.kind, event.provider, event.detail) == (EventKind.COMPLAINED, "", "")


def test_a_complaint_told_both_ways_is_one() -> None:
    told = {name: value for name, value in COMPLAINT.items() if name != "eventType"} | {"notificationType": "Complaint"}
    again = changed(told, complaint={"feedbackId": "another"}, mail={"commonHeaders": ..., "tags": ...})
    assert one(again).id == one(COMPLAINT).id


@pytest.mark.parametrize(
    ("told", "detail"),
    [("abuse", "abuse"), ("Fraud", "fraud"), ("virus", "virus"), ("other", "other"), (None, ""), ("<b>\x00", "")],
)
def test_feedback_types_of_complaints(told: str | None, detail: str) -> None:
    event = one(changed(COMPLAINT, complaint={"complaintFeedbackType": told}))
    assert (event.kind, event.detail) == (EventKind.COMPLAINED, detail)


@pytest.mark.parametrize(
    "complaint",
    [
        {"complaintFeedbackType": "not-spam"},
        {"complaintFeedbackType": "auth-failure"},
        {"complaintSubType": "OnAccountSuppressionList"},
    ],
)
def test_what_is_nobodys_complaint(complaint: dict[str, str]) -> None:
    assert parse(changed(COMPLAINT, complaint=complaint)) == Parsed()


@pytest.mark.parametrize("told", ["opt-out", "opt-out-list", "Opt-Out"])
def test_an_opt_out_is_an_unsubscribe(told: str) -> None:
    event = one(changed(COMPLAINT, complaint={"complaintFeedbackType": told}))
    assert (event.kind, event.detail) == (EventKind.UNSUBSCRIBED, "")
    assert event.id != one(COMPLAINT).id


@pytest.mark.parametrize(
    ("told", "detail"), [("Permanent", "hard"), ("Transient", "soft"), ("Undetermined", "soft"), ("New", "soft")]
)
def test_bounces_are_hard_or_soft(told: str, detail: str) -> None:
    event = one(changed(BOUNCE, bounce={"bounceType": told}))
    assert (event.kind, event.detail, event.provider) == (EventKind.BOUNCED, detail, "google")


def test_a_soft_bounce_does_not_hide_a_later_hard_one() -> None:
    assert one(changed(BOUNCE, bounce={"bounceType": "Transient"})).id != one(BOUNCE).id


def test_what_ses_did_not_try_to_send_did_not_bounce() -> None:
    assert parse(changed(BOUNCE, bounce={"bounceSubType": "OnAccountSuppressionList"})) == Parsed()
    assert one(changed(BOUNCE, bounce={"bounceSubType": "Suppressed"})).detail == "hard"
    assert one(changed(BOUNCE, bounce={"bounceSubType": ...})).detail == "hard"


def test_a_bounce_of_several_is_an_event_for_each() -> None:
    who = [{"emailAddress": "ann@gmail.com"}, {"emailAddress": "bob@outlook.com"}, {"emailAddress": "ann@gmail.com"}]
    parsed = parse(changed(BOUNCE, bounce={"bouncedRecipients": who}))
    assert [event.provider for event in parsed.events] == ["google", "microsoft"]
    assert len({event.id for event in parsed.events}) == 2
    assert parsed.events[0].id == one(BOUNCE).id


def test_a_send_is_an_event_for_each_recipient() -> None:
    parsed = parse({"eventType": "Send", "mail": MAIL, "send": {}})
    assert [(event.kind, event.provider, event.at, event.sent_at) for event in parsed.events] == [
        (EventKind.SENT, "google", SENT_AT, SENT_AT),
        (EventKind.SENT, "microsoft", SENT_AT, SENT_AT),
    ]


def test_deliveries_told_together_or_apart_are_the_same() -> None:
    both = parse(changed(DELIVERY, delivery={"recipients": ["ann@gmail.com", "bob@outlook.com"]}))
    apart = [one(changed(DELIVERY, delivery={"recipients": [who]})) for who in ("ANN@gmail.com ", "bob@outlook.com")]
    assert [event.id for event in both.events] == [event.id for event in apart]
    assert {event.kind for event in both.events} == {EventKind.DELIVERED}


def test_events_of_one_message_have_ids_of_their_own() -> None:
    send = {"eventType": "Send", "mail": MAIL | {"destination": ["ann@gmail.com"]}}
    assert len({one(record).id for record in (send, DELIVERY, BOUNCE, COMPLAINT, SUBSCRIPTION)}) == 5
    other, this = one(changed(COMPLAINT, mail={"messageId": "other"})), one(COMPLAINT)
    assert other.id != this.id
    # The same person in two messages cannot be told by the ids.
    assert other.id.rpartition(":")[2] != this.id.rpartition(":")[2]


def preferences(everything: bool, **topics: str) -> dict[str, Any]:
    status = [{"topicName": name, "subscriptionStatus": state} for name, state in topics.items()]
    return {"unsubscribeAll": everything, "topicSubscriptionStatus": status}


@pytest.mark.parametrize(
    ("old", "new", "left"),
    [
        (preferences(False), preferences(True), True),
        (..., preferences(True), True),
        (preferences(False, news="OptIn"), preferences(False, news="OptOut"), True),
        (preferences(False, news="OptOut"), preferences(False, news="OptOut", tips="OptOut"), True),
        (preferences(True), preferences(True), False),
        (preferences(True), preferences(False), False),
        (preferences(False, news="OptOut"), preferences(False, news="OptIn"), False),
        (..., {}, False),
    ],
)
def test_a_subscription_that_gets_smaller_is_an_unsubscribe(old: Any, new: Any, left: bool) -> None:
    parsed = parse(changed(SUBSCRIPTION, subscription={"oldTopicPreferences": old, "newTopicPreferences": new}))
    assert parsed.rejects == ()
    assert [event.kind for event in parsed.events] == ([EventKind.UNSUBSCRIBED] if left else [])


@pytest.mark.parametrize("name", ["Reject", "Open", "Click", "Rendering Failure", "RenderingFailure", "DeliveryDelay"])
def test_other_events_are_ignored(name: str) -> None:
    assert parse({"eventType": name, "mail": MAIL}) == Parsed()


@pytest.mark.parametrize(
    "greeting",
    [
        "Successfully validated SNS topic for Amazon SES event publishing.",
        '{"notificationType": "AmazonSnsSubscriptionSucceeded", "message": "You have successfully subscribed"}',
    ],
)
def test_greetings_of_ses_are_no_events(greeting: str) -> None:
    assert parse_events(greeting, WINDOW) == Parsed()


@pytest.mark.parametrize("name", ["", "Teleported"])
def test_an_unknown_type_is_rejected_by_name(name: str) -> None:
    (reject,) = parse({"eventType": name, "mail": MAIL}).rejects
    assert (reject.code, reject.index) == ("type", 0)
    assert repr(name) in reject.reason


@pytest.mark.parametrize(
    ("mail", "domain"),
    [
        ({}, "acme.com"),
        ({"commonHeaders": {"from": ['"Doe, John <x@y.z>" <john@Sales.Acme.COM.>']}}, "sales.acme.com"),
        ({"commonHeaders": {"from": ["plain@acme.com"]}}, "acme.com"),
        ({"commonHeaders": {"from": ["broken", "b@xn--bcher-kva.example"]}}, "xn--bcher-kva.example"),
        ({"commonHeaders": {"from": []}}, "tagged.example"),
        ({"commonHeaders": {}}, "tagged.example"),
        ({"commonHeaders": ...}, "tagged.example"),
        ({"commonHeaders": ..., "tags": ...}, "mail.acme.com"),
        ({"commonHeaders": ..., "tags": {}, "source": "sdr@acme.com"}, "acme.com"),
    ],
)
def test_the_domain_is_that_of_the_visible_from_else_of_the_envelope(mail: dict[str, Any], domain: str) -> None:
    assert one(changed(COMPLAINT, mail=mail)).domain == domain


@pytest.mark.parametrize("source", ["", "nobody", "a@", "a@bücher.example", "a@b\x00.example", "a@" + "x." * 200])
def test_mail_of_no_domain_is_rejected(source: str) -> None:
    record = changed(COMPLAINT, mail={"commonHeaders": ..., "tags": ..., "source": source})
    (reject,) = parse(record).rejects
    assert reject.code == "domain"


@pytest.mark.parametrize("address", ["", "nobody", "x@" + "y" * 300, "a@b c.example", "\x00@\x00"])
def test_a_recipient_of_no_domain_counts_at_an_unknown_provider(address: str) -> None:
    assert one(changed(BOUNCE, bounce={"bouncedRecipients": [{"emailAddress": address}]})).provider == ""


def test_a_record_without_recipients_is_rejected() -> None:
    (reject,) = parse(changed(BOUNCE, bounce={"bouncedRecipients": []})).rejects
    assert reject.code == "recipient"


@pytest.mark.parametrize(
    "text",
    ["2026-03-01T12:00:00Z", "2026-03-01T13:00:00.000+01:00", "2026-03-01T12:00:00 +0000", "2026-03-01T04:00:00-08:00"],
)
def test_times_are_read_in_every_form_ses_writes(text: str) -> None:
    assert one(changed(COMPLAINT, complaint={"timestamp": text})).at == NOW


UNBELIEVABLE = pytest.mark.parametrize("text", ["2031-01-01T00:00:00Z", "2020-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])


@UNBELIEVABLE
@pytest.mark.parametrize(
    ("record", "part"), [(COMPLAINT, "mail"), (DELIVERY, "delivery"), (SUBSCRIPTION, "subscription")]
)
def test_unbelievable_times_of_ses_are_rejected(record: dict[str, Any], part: str, text: str) -> None:
    parsed = parse(changed(record, **{part: {"timestamp": text}}))
    assert [reject.code for reject in parsed.rejects] == ["time"]
    assert parsed.events == ()


@UNBELIEVABLE
@pytest.mark.parametrize(("record", "part"), [(COMPLAINT, "complaint"), (BOUNCE, "bounce")])
def test_a_wrong_clock_at_a_mailbox_provider_loses_no_complaint(record: dict[str, Any], part: str, text: str) -> None:
    event = one(changed(record, **{part: {"timestamp": text}}))
    assert (event.at, event.sent_at, event.id) == (NOW, SENT_AT, one(record).id)


@pytest.mark.parametrize("part", ["complaint", "mail"])
@pytest.mark.parametrize("text", ["", "soon", "2026-03-01T12:00:00", "0001-01-01T00:00:00+23:00", "NaN", "1" * 9999])
def test_what_is_no_time_is_malformed(part: str, text: str) -> None:
    with pytest.raises(MalformedRequest, match="is not a time"):
        parse(changed(COMPLAINT, **{part: {"timestamp": text}}))


@pytest.mark.parametrize("message_id", ["", " ", "x" * 201, "a\x00b", "a\nb"])
def test_a_message_id_that_cannot_be_stored_is_malformed(message_id: str) -> None:
    with pytest.raises(MalformedRequest, match="messageId"):
        parse(changed(COMPLAINT, mail={"messageId": message_id}))


@pytest.mark.parametrize(
    "record",
    [
        None,
        [],
        7,
        "Complaint",
        {"eventType": "Complaint"},
        {"eventType": "Complaint", "mail": MAIL},
        {"eventType": "Complaint", "mail": None, "complaint": {}},
        {"eventType": "Bounce", "mail": MAIL},
        {"eventType": "Delivery", "mail": MAIL},
        {"eventType": "Subscription", "mail": MAIL},
        {"eventType": "Send"},
        {"eventType": "Send", "mail": {}},
        {"eventType": ["Send"], "mail": MAIL},
        changed(BOUNCE, bounce={"bouncedRecipients": "ann@gmail.com"}),
        changed(BOUNCE, bounce={"bouncedRecipients": [{"emailAddress": -1}]}),
        changed(BOUNCE, bounce={"bounceType": ...}),
        changed(COMPLAINT, mail={"timestamp": -5}),
        changed(COMPLAINT, mail={"commonHeaders": {"from": "sales@acme.com"}}),
    ],
)
def test_records_with_parts_missing_or_of_a_wrong_type_are_malformed(record: Any) -> None:
    with pytest.raises(MalformedRequest):
        parse(record)


@pytest.mark.parametrize(
    "text", ["", "{", "NaN", '{"mail": NaN}', '{"eventType": "Send", "mail": ' + "[" * 100_000, "x" * 10_000_000]
)
def test_what_is_no_json_is_malformed(text: str) -> None:
    with pytest.raises(MalformedRequest):
        parse_events(text, WINDOW)


def test_ten_megabytes_of_one_address_are_read_all_the_same() -> None:
    assert one(changed(COMPLAINT, mail={"subject": "x" * 10_000_000})).domain == "acme.com"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just(stamp(NOW)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
RECORDS = [BOUNCE, COMPLAINT, DELIVERY, SUBSCRIPTION, {"eventType": "Send", "mail": MAIL}]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where in a record something could be put in the place of something else."""
    if path:
        yield path
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, member in members:
        yield from places(member, (*path, name))


@settings(deadline=None)
@given(st.data())
def test_a_record_with_anything_anywhere_is_events_rejects_or_malformed(data: st.DataObject) -> None:
    record = deepcopy(data.draw(st.sampled_from(RECORDS)))
    *way, last = data.draw(st.sampled_from(list(places(record))))
    target: Any = record
    for step in way:
        target = target[step]
    target[last] = data.draw(VALUES)
    check_any(json.dumps(record))


@settings(deadline=None)
@given(st.text() | VALUES.map(json.dumps))
def test_any_text_is_events_rejects_or_malformed(text: str) -> None:
    check_any(text)


def check_any(text: str) -> None:
    try:
        parsed = parse_events(text, WINDOW)
    except MalformedRequest:
        return
    for event in parsed.events:
        assert event.domain.isascii() and event.domain
        assert WINDOW.fault(event.at) is None
        assert "\x00" not in event.id + event.provider + event.detail + event.message_id
        assert len(event.id) < 255
