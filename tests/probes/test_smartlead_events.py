"""The four shapes in which Smartlead tells of one mail, read without a network."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.observation import EventKind, MailEvent, MalformedRequest, Parsed, Window
from probes.smartlead_events import missing_senders, parse_events, secret_key_of

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
WINDOW = Window(NOW)
AT = "2026-11-22T11:59:00.000Z"
SENT = "2026-11-22T09:00:00.000Z"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


def flat(**members: Any) -> dict[str, Any]:
    """As help.smartlead.ai shows it."""
    return {
        "event_type": "EMAIL_BOUNCE",
        "event_timestamp": AT,
        "stats_id": "s1",
        "from_email": "Ann@Acme.com",
        "to_email": "someone@gmail.com",
        "campaign_id": 123,
        "sequence_number": 1,
        "sent_message": {"message_id": "<m1@acme.com>", "html": "<p>", "time": SENT},
    } | members


def nested(**members: Any) -> dict[str, Any]:
    """As api.smartlead.ai/core/webhooks shows it: it names the mailbox by its id only."""
    return {
        "event": "EMAIL_BOUNCED",
        "timestamp": AT,
        "campaign_id": 123,
        "lead_id": 789,
        "email_account_id": 456,
        "lead": {"email": "someone@gmail.com"},
        "sequence_number": 1,
        "email": {"subject": "Hello", "message_id": "m1@acme.com"},
    } | members


def legacy(**members: Any) -> dict[str, Any]:
    """As the older pages have it."""
    return {
        "event_type": "EMAIL_BOUNCE",
        "time_sent": AT,
        "from_email": "ann@acme.com",
        "to_email": "someone@gmail.com",
        "campaign_id": 123,
        "sequence_number": 1,
        "message_id": "m1@acme.com",
        "secret_key": "the key of an old webhook",
    } | members


def envelope(**members: Any) -> dict[str, Any]:
    """As helpcenter article 403 shows it for accounts, here with a mail event inside."""
    data = {"from_email": "ann@acme.com", "to_email": "someone@gmail.com", "message_id": "m1@acme.com"}
    return {"id": "evt_1", "type": "email.bounced", "created_at": AT, "data": data} | members


def parsed(*items: Any, senders: dict[str, str] | None = None) -> Parsed:
    return parse_events(json.dumps(items[0] if len(items) == 1 else items).encode(), WINDOW, senders)


def one(item: dict[str, Any]) -> MailEvent:
    found = parsed(item, senders={"456": "ann@acme.com"})
    assert not found.rejects
    return found.events[0]


@pytest.mark.parametrize("shape", [flat, nested, legacy, envelope])
def test_every_shape_says_the_same(shape: Any) -> None:
    made = one(shape())
    assert (made.kind, made.domain, made.provider) == (EventKind.BOUNCED, "acme.com", "google")
    assert (made.message_id, made.at) == ("m1@acme.com", NOW - timedelta(minutes=1))
    assert made.detail == ""
    assert "someone" not in repr(made)


def test_the_time_of_sending_is_taken_where_it_is_told() -> None:
    assert one(flat()).sent_at == datetime(2026, 11, 22, 9, tzinfo=UTC)
    assert one(nested()).sent_at == one(nested()).at
    assert one(flat(sent_message={"time": "2026-11-22T12:01:00Z"})).sent_at == NOW - timedelta(minutes=1)


def test_a_delivery_repeated_in_any_shape_has_the_same_id() -> None:
    assert one(flat()).id == one(nested()).id == one(legacy()).id == one(legacy(time_sent=SENT)).id
    assert one(envelope()).id == one(envelope()).id != one(envelope(id="evt_2")).id
    others = [flat(sequence_number=2), flat(to_email="x@gmail.com"), flat(event_type="EMAIL_REPLY")]
    assert len({one(flat()).id, *(one(other).id for other in others)}) == 4
    twice = [flat(event_type="EMAIL_REPLY", event_timestamp=at) for at in (AT, SENT)]
    assert len({one(item).id for item in twice}) == 2, "a mail may be answered twice"


def test_the_first_mail_is_told_twice_and_counts_once() -> None:
    sent, first = one(flat(event_type="EMAIL_SENT")), one(flat(event_type="FIRST_EMAIL_SENT"))
    assert sent == first
    assert (sent.kind, sent.sent_at) == (EventKind.SENT, sent.at)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("EMAIL_REPLY", EventKind.REPLIED),
        ("EMAIL_REPLIED", EventKind.REPLIED),
        ("LEAD_UNSUBSCRIBED", EventKind.UNSUBSCRIBED),
        ("EMAIL_UNSUBSCRIBED", EventKind.UNSUBSCRIBED),
        ("email.sent", EventKind.SENT),
    ],
)
def test_every_type(name: str, kind: EventKind) -> None:
    assert one(flat(event_type=name)).kind is kind


@pytest.mark.parametrize(
    "item",
    [
        flat(event_type="EMAIL_OPEN"),
        flat(event_type="LEAD_CATEGORY_UPDATED"),
        {"eventType": "EMAIL_ACCOUNT_DISCONNECTED", "accountId": 1, "email": "ann@acme.com"},
        {"id": "evt_1", "type": "email.account.disconnected", "created_at": AT, "data": {"email": "ann@acme.com"}},
    ],
)
def test_what_is_no_mail_event_is_passed_over(item: dict[str, Any]) -> None:
    assert parsed(item) == Parsed()
    assert missing_senders(json.dumps(item).encode()) == ()


def test_what_a_bounce_was_where_somebody_says_it() -> None:
    assert [one(flat(bounce_type=kind)).detail for kind in ("Hard", "soft", "odd")] == ["hard", "soft", ""]


def test_which_mail_it_was() -> None:
    assert one(flat(sent_message=None, message_id=None)).message_id == "s1"
    assert one(flat(sent_message={"message_id": "a b"})).message_id == ""
    assert one(flat(sent_message={"message_id": "x" * 1000})).message_id == ""


def test_the_senders_that_have_to_be_looked_up() -> None:
    items = [nested(), nested(email_account_id="789"), nested(), flat(), nested(event="EMAIL_OPENED"), 7]
    items += [nested(email_account_id=None), nested(email_account_id=-5), nested(email_account_id=True)]
    assert missing_senders(json.dumps(items).encode()) == ("456", "789")


def test_the_key_in_the_body() -> None:
    assert secret_key_of(json.dumps(legacy()).encode()) == "the key of an old webhook"
    assert secret_key_of(b"[7]") == secret_key_of(b"[]") == secret_key_of(b"{}") == ""


@pytest.mark.parametrize(
    ("item", "code"),
    [
        (nested(), "no-sender"),
        (flat(from_email="ann"), "bad-domain"),
        (flat(event_timestamp=None), "malformed"),
        (flat(event_timestamp="soon"), "malformed"),
        (flat(event_timestamp="2026-11-22T12:06:00Z"), "future"),
        (flat(event_timestamp="2026-09-01T00:00:00Z"), "ancient"),
        (flat(sent_message={"time": "2026-09-01T00:00:00Z"}), "ancient"),
        ({"event_type": 7}, "malformed"),
        ({}, "malformed"),
        (7, "malformed"),
    ],
)
def test_a_bad_event_costs_none_of_the_good_ones(item: Any, code: str) -> None:
    found = parsed(flat(), item, legacy())
    assert len(found.events) == 2
    assert [(reject.index, reject.code) for reject in found.rejects] == [(1, code)]


@pytest.mark.parametrize("body", [b"", b"{", b"<html>", b"7", b"\xff", b"[" * 100_000])
def test_a_body_that_cannot_be_read(body: bytes) -> None:
    for read in (lambda: parse_events(body, WINDOW), lambda: missing_senders(body), lambda: secret_key_of(body)):
        with pytest.raises(MalformedRequest):
            read()


NAMES = ("event_type", "event", "data", "from_email", "to_email", "email_account_id", "event_timestamp", "timestamp")
MEMBERS = st.fixed_dictionaries(
    {"type": st.sampled_from(["EMAIL_SENT", "EMAIL_BOUNCE", "email.replied"]) | JSON},
    optional={
        name: st.sampled_from(["ann@acme.com", AT, {"message_id": "<x>"}]) | JSON
        for name in (*NAMES, "sent_message", "lead", "email", "id", "campaign_id", "sequence_number")
    },
)


@given(st.lists(MEMBERS | JSON, max_size=5))
def test_each_item_is_an_event_a_reject_or_passed_over(items: list[Any]) -> None:
    body = json.dumps(items).encode()
    found = parse_events(body, WINDOW, dict.fromkeys(missing_senders(body), "ann@acme.com"))
    assert len(found.events) + len(found.rejects) <= len(items)
    assert all(event.sent_at <= event.at for event in found.events)


@given(st.binary() | JSON.map(json.dumps).map(str.encode))
def test_nothing_but_malformed_comes_of_anything(body: bytes) -> None:
    try:
        assert isinstance(parse_events(body, WINDOW), Parsed)
    except MalformedRequest as fault:
        assert str(fault)
