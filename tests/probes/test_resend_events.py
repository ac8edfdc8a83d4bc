"""What Resend tells of a message, as events; payloads after its OpenAPI description and its documentation."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peers.resend import check, spec
from peers.small_api import skip_without
from probes.observation import EventKind, MailEvent, MalformedRequest, Parsed, Window
from probes.resend_events import parse_events

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
WINDOW = Window(NOW)
BOUNCE = {
    "diagnosticCode": ["smtp; 550 5.1.1 user unknown"],
    "message": "The recipient's email provider sent a hard bounce message.",
    "subType": "General",
    "type": "Permanent",
}
SCHEMAS = {
    "email.sent": "EmailSentEvent",
    "email.delivered": "EmailDeliveredEvent",
    "email.bounced": "EmailBouncedEvent",
    "email.complained": "EmailComplainedEvent",
}


def event(kind: str = "email.complained", **data: Any) -> dict[str, Any]:
    """An event as Resend sends it; `...` leaves a field of the data out."""
    whole = {
        "created_at": "2026-11-22T11:00:00.000Z",
        "email_id": "56761188-7520-42d8-8898-ff6fc54ce618",
        "from": "Acme <onboarding@ACME.com>",
        "to": ["Bob <bob@gmail.com>"],
        "subject": "Sending this example",
        "tags": {"category": "confirm_email"},
    }
    if kind == "email.bounced":
        whole["bounce"] = BOUNCE
    kept = {name: value for name, value in (whole | data).items() if value is not ...}
    return {"type": kind, "created_at": "2026-11-22T11:59:00.000Z", "data": kept}


def parse(whole: Any, delivery: str = "msg_1") -> Parsed:
    return parse_events(json.dumps(whole).encode(), WINDOW, delivery)


def one(whole: Any, delivery: str = "msg_1") -> MailEvent:
    parsed = parse(whole, delivery)
    assert parsed.rejects == ()
    (made,) = parsed.events
    return made


@pytest.mark.parametrize("kind", SCHEMAS)
def test_the_samples_here_are_what_resend_describes(kind: str) -> None:
    skip_without(spec(), "resend.json")
    check(SCHEMAS[kind], event(kind))


def test_a_whole_event() -> None:
    assert one(event()) == MailEvent(
        id="msg_1",
        kind=EventKind.COMPLAINED,
        domain="acme.com",
        at=NOW - timedelta(minutes=1),
        sent_at=NOW - timedelta(hours=1),
        provider="google",
        message_id="56761188-7520-42d8-8898-ff6fc54ce618",
    )


@pytest.mark.parametrize(
    ("kind", "made", "detail"),
    [
        ("email.sent", EventKind.SENT, ""),
        ("email.delivered", EventKind.DELIVERED, ""),
        ("email.bounced", EventKind.BOUNCED, "hard"),
        ("email.complained", EventKind.COMPLAINED, ""),
    ],
)
def test_every_type(kind: str, made: EventKind, detail: str) -> None:
    assert (one(event(kind)).kind, one(event(kind)).detail) == (made, detail)


@pytest.mark.parametrize(
    "kind", ["email.opened", "email.clicked", "email.delivery_delayed", "email.failed", "email.suppressed", "new"]
)
def test_what_is_no_mail_event(kind: str) -> None:
    assert parse(event(kind)) == Parsed()


def test_a_contact_is_of_no_domain() -> None:
    contact = {"id": "1", "email": "bob@gmail.com", "unsubscribed": True}
    assert parse({"type": "contact.updated", "created_at": NOW.isoformat(), "data": contact}) == Parsed()


@pytest.mark.parametrize(
    ("bounce", "detail"),
    [
        (BOUNCE, "hard"),
        (BOUNCE | {"type": "Transient", "subType": "MailboxFull"}, "soft"),
        (BOUNCE | {"type": "Undetermined", "subType": "Undetermined"}, "soft"),
        (BOUNCE | {"type": "New"}, "soft"),
        ({"message": "The recipient's email provider sent a hard bounce message."}, "hard"),
        (..., "hard"),
        (None, "hard"),
    ],
)
def test_bounces_are_hard_or_soft(bounce: Any, detail: str) -> None:
    assert one(event("email.bounced", bounce=bounce)).detail == detail


@pytest.mark.parametrize(
    "bounce",
    [
        BOUNCE | {"subType": "Suppressed"},
        BOUNCE | {"subType": "OnAccountSuppressionList"},
        {"type": "Suppressed"},
        {"message": "Resend has suppressed sending to this address because it is on the account-level list."},
    ],
)
def test_what_resend_did_not_try_to_send_did_not_bounce(bounce: Any) -> None:
    assert parse(event("email.bounced", bounce=bounce)) == Parsed()


def test_times_as_resend_writes_them() -> None:
    made = one(event(created_at="2026-11-22 11:00:00.894719+00"))
    assert made.sent_at == NOW - timedelta(hours=1) + timedelta(microseconds=894719)
    assert one(event(created_at=...)).sent_at == made.at


def test_nothing_happens_before_its_message_is_created() -> None:
    made = one(event("email.sent", created_at="2026-11-22T11:59:00.246Z"))
    assert made.sent_at == made.at == NOW - timedelta(minutes=1)


def test_several_recipients_are_several_events() -> None:
    to = ["bob@gmail.com", "Eve <eve@outlook.com>", "Bob <BOB@gmail.com>"]
    sent = parse(event("email.sent", to=to), "msg_1").events
    assert [made.provider for made in sent] == ["google", "microsoft"]
    assert len({made.id for made in sent}) == len(sent)
    assert not any("bob" in made.id for made in sent)
    again = parse(event("email.sent", to=to), "msg_2").events
    assert [made.id for made in again] == [made.id for made in sent]
    bounced = parse(event("email.bounced", to=to)).events
    assert not {made.id for made in bounced} & {made.id for made in sent}


def test_a_complaint_about_a_message_to_several_is_one() -> None:
    assert one(event(to=["bob@gmail.com", "eve@gmail.com"])).provider == "google"
    made = one(event(to=["bob@gmail.com", "eve@outlook.com"]))
    assert (made.id, made.provider) == ("msg_1", "")


def test_recipients_that_are_told_otherwise() -> None:
    assert one(event(to="bob@gmail.com")).provider == "google"
    assert one(event(to=[])).provider == ""


def test_without_a_delivery_id_the_content_tells_events_apart() -> None:
    first, again, other = one(event(), ""), one(event(), ""), one(event(to=["eve@gmail.com"]), "")
    assert first.id == again.id != other.id
    assert "bob" not in first.id


def test_a_list_of_events() -> None:
    parsed = parse([event("email.sent"), event(), 5])
    assert [made.id for made in parsed.events] == ["msg_1:0", "msg_1:1"]
    assert [(reject.index, reject.code) for reject in parsed.rejects] == [(2, "malformed")]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ({"from": ...}, "malformed"),
        ({"from": "nobody"}, "bad-domain"),
        ({"to": ...}, "malformed"),
        ({"to": [5]}, "malformed"),
        ({"email_id": ...}, "malformed"),
        ({"email_id": ""}, "malformed"),
        ({"email_id": "a\x00"}, "malformed"),
        ({"created_at": "soon"}, "malformed"),
        ({"created_at": "2026-01-01T00:00:00Z"}, "ancient"),
    ],
)
def test_what_is_wrong_with_an_event(data: dict[str, Any], code: str) -> None:
    (reject,) = parse(event(**data)).rejects
    assert reject.code == code
    assert "bob" not in reject.reason


@pytest.mark.parametrize(
    ("at", "code"),
    [("2026-11-22T13:00:00Z", "future"), ("2026-01-01T00:00:00Z", "ancient"), (None, "malformed"), (5, "malformed")],
)
def test_times_that_are_not_believed(at: Any, code: str) -> None:
    (reject,) = parse(event() | {"created_at": at}).rejects
    assert reject.code == code


@pytest.mark.parametrize("whole", [{}, {"type": 5}, {"type": "email.sent"}, {"type": "email.sent", "data": []}])
def test_broken_events(whole: Any) -> None:
    assert parse(whole).rejects[0].code == "malformed"


def test_bodies_that_cannot_be_read() -> None:
    for body in (b"", b"null", b"\xff"):
        with pytest.raises(MalformedRequest):
            parse_events(body, WINDOW)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)
FIELDS = ["email_id", "from", "to", "created_at", "bounce", "subject"]


@given(st.sampled_from([*SCHEMAS, "email.opened"]), st.dictionaries(st.sampled_from(FIELDS), JSON), JSON)
def test_whatever_is_sent_is_an_event_or_a_reject(kind: str, data: dict[str, Any], at: Any) -> None:
    parsed = parse({"type": kind, "created_at": at, "data": event(kind)["data"] | data})
    assert len(parsed.rejects) <= 1
    parse([data, at])


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_whatever_the_body_is(body: bytes) -> None:
    try:
        parse_events(body, WINDOW, "msg_1")
    except MalformedRequest:
        return
