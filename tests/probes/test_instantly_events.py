"""What Instantly tells of one mail, read without a network."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.instantly_events import parse_events
from probes.observation import EventKind, MailEvent, MalformedRequest, Parsed, Window

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
WINDOW = Window(NOW)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


def event(**members: Any) -> dict[str, Any]:
    """As developer.instantly.ai/webhook-events shows it; None leaves a member out."""
    whole = {
        "timestamp": "2026-11-22T11:59:00.000Z",
        "event_type": "email_sent",
        "workspace": "019ffad2-5d00-702c-b737-76437f425f66",
        "campaign_id": "019ffad2-5cf8-732d-8cf0-41466f7573b6",
        "campaign_name": "Q4",
        "lead_email": "Someone@Gmail.com",
        "email_account": "Ann@Acme.com",
        "step": 1,
        "variant": 1,
        "is_first": True,
        "email_id": "e1",
        "companyName": "a member of the lead's own data",
    } | members
    return {name: value for name, value in whole.items() if value is not None}


def parsed(*events: Any) -> Parsed:
    return parse_events(json.dumps(events[0] if len(events) == 1 else events).encode(), WINDOW)


def one(**members: Any) -> MailEvent:
    found = parsed(event(**members))
    assert not found.rejects
    return found.events[0]


def test_a_mail_that_was_sent() -> None:
    made = one()
    assert (made.kind, made.domain, made.provider) == (EventKind.SENT, "acme.com", "google")
    assert made.at == made.sent_at == NOW - timedelta(minutes=1)
    assert "gmail" not in repr(made).lower().replace("provider='google'", "")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("email_bounced", EventKind.BOUNCED),
        ("reply_received", EventKind.REPLIED),
        ("lead_unsubscribed", EventKind.UNSUBSCRIBED),
    ],
)
def test_what_became_of_it_belongs_to_the_same_message(name: str, kind: EventKind) -> None:
    made = one(event_type=name, email_id="another", variant=None, lead_email="someone@gmail.com")
    assert made.kind is kind
    assert made.message_id == one().message_id != ""


@pytest.mark.parametrize("missing", ["campaign_id", "lead_email", "step"])
def test_which_mail_it_was_may_be_untold(missing: str) -> None:
    assert one(**{missing: None}).message_id == ""


@pytest.mark.parametrize("step", [[1], {"a": 1}, True, ""])
def test_a_step_that_is_none(step: Any) -> None:
    assert one(step=step).message_id == ""


def test_a_repeated_delivery_has_the_same_id_and_another_event_has_not() -> None:
    assert one().id == one().id
    others = [{"event_type": "email_bounced"}, {"timestamp": "2026-11-22T11:58:00Z"}, {"step": 2}, {"email_id": "e2"}]
    assert len({one().id, *(one(**members).id for members in others)}) == 5


@pytest.mark.parametrize(
    "name", ["email_opened", "link_clicked", "auto_reply_received", "account_error", "lead_interested", "my own label"]
)
def test_what_is_no_mail_event_is_passed_over(name: str) -> None:
    assert parsed(event(event_type=name)) == Parsed()


@pytest.mark.parametrize(
    ("item", "code"),
    [
        (event(email_account=None), "no-sender"),
        (event(email_account="ann"), "bad-domain"),
        (event(email_account="ann@münchen.example"), "bad-domain"),
        (event(email_account=7), "malformed"),
        (event(event_type=None), "malformed"),
        (event(event_type=7), "malformed"),
        (event(timestamp=None), "malformed"),
        (event(timestamp="yesterday"), "malformed"),
        (event(timestamp="2026-11-22T11:59:00"), "malformed"),
        (event(timestamp="2026-11-22T12:06:00Z"), "future"),
        (event(timestamp="2026-09-01T00:00:00Z"), "ancient"),
        (7, "malformed"),
    ],
)
def test_a_bad_event_costs_none_of_the_good_ones(item: Any, code: str) -> None:
    found = parsed(event(), item, event(step=2))
    assert len(found.events) == 2
    assert [(reject.index, reject.code) for reject in found.rejects] == [(1, code)]


@pytest.mark.parametrize("body", [b"", b"{", b"<html>", b"7", b'"x"', b"\xff", b"[" * 100_000])
def test_a_body_that_cannot_be_read(body: bytes) -> None:
    with pytest.raises(MalformedRequest):
        parse_events(body, WINDOW)


MEMBERS = st.fixed_dictionaries(
    {"event_type": st.sampled_from(["email_sent", "email_bounced", "reply_received"]) | JSON},
    optional={
        name: st.sampled_from(["ann@acme.com", "2026-11-22T11:59:00Z"]) | JSON
        for name in ("timestamp", "workspace", "campaign_id", "lead_email", "email_account", "email_id", "step")
    },
)


@given(st.lists(MEMBERS | JSON, max_size=5))
def test_each_item_is_an_event_a_reject_or_passed_over(items: list[Any]) -> None:
    found = parse_events(json.dumps(items).encode(), WINDOW)
    assert len(found.events) + len(found.rejects) <= len(items)


@given(st.binary() | JSON.map(json.dumps).map(str.encode))
def test_nothing_but_malformed_comes_of_anything(body: bytes) -> None:
    try:
        assert isinstance(parse_events(body, WINDOW), Parsed)
    except MalformedRequest as fault:
        assert str(fault)
