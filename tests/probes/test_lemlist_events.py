"""What lemlist tells of one mail, read without a network."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.lemlist_events import Sender, missing_senders, parse_events, verify
from probes.observation import EventKind, ForgedRequest, MailEvent, MalformedRequest, Parsed, Window

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
WINDOW = Window(NOW)
AT = "2026-11-22T11:59:00.000Z"
SECRET = "the secret of the webhook"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


def activity(**members: Any) -> dict[str, Any]:
    """As an activity of the API description, with the secret that webhooks add; None leaves a member out."""
    whole = {
        "_id": "act_1",
        "type": "emailsBounced",
        "createdAt": AT,
        "bot": False,
        "leadId": "lea_1",
        "leadEmail": "Someone@Gmail.com",
        "campaignId": "cam_1",
        "sequenceStep": 0,
        "sendUserId": "usr_1",
        "sendUserEmail": "Ann@Acme.com",
        "relatedSentAt": "2026-11-22T09:00:00.000Z",
        "lead": {"variables": {"email": "someone@gmail.com"}},
        "secret": SECRET,
    } | members
    return {name: value for name, value in whole.items() if value is not None}


def raw(*items: Any) -> bytes:
    return json.dumps(items[0] if len(items) == 1 else items).encode()


def one(**members: Any) -> MailEvent:
    found = parse_events(raw(activity(**members)), WINDOW)
    assert not found.rejects
    return found.events[0]


def test_a_bounce() -> None:
    made = one()
    assert (made.id, made.kind, made.domain) == ("act_1", EventKind.BOUNCED, "acme.com")
    assert (made.provider, made.detail, made.at) == ("google", "", NOW - timedelta(minutes=1))
    assert made.sent_at == datetime(2026, 11, 22, 9, tzinfo=UTC)
    assert "someone" not in repr(made).lower()


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("emailsSent", EventKind.SENT),
        ("emailsReplied", EventKind.REPLIED),
        ("emailsUnsubscribed", EventKind.UNSUBSCRIBED),
    ],
)
def test_what_became_of_a_mail_belongs_to_its_message(name: str, kind: EventKind) -> None:
    made = one(_id="act_2", type=name)
    assert made.kind is kind
    assert made.message_id == one().message_id != ""
    assert (made.sent_at == made.at) is (kind is EventKind.SENT)


def test_the_time_of_sending_may_be_untold_or_odd() -> None:
    assert one(relatedSentAt=None).sent_at == NOW - timedelta(minutes=1)
    assert one(relatedSentAt="2026-11-22T12:01:00Z").sent_at == NOW - timedelta(minutes=1)


@pytest.mark.parametrize(
    "members", [{"campaignId": None}, {"leadId": None}, {"sequenceStep": None}, {"sequenceStep": []}]
)
def test_which_mail_it_was_may_be_untold(members: dict[str, Any]) -> None:
    assert one(**members).message_id == ""


@pytest.mark.parametrize(
    "members",
    [{"type": "emailsOpened"}, {"type": "linkedinReplied"}, {"type": "emailsFailed"}, {"type": "new"}, {"bot": True}],
)
def test_what_is_no_mail_event_is_passed_over(members: dict[str, Any]) -> None:
    body = raw(activity(sendUserEmail=None, **members))
    assert parse_events(body, WINDOW) == Parsed()
    assert missing_senders(body) == ()


def test_the_senders_that_have_to_be_looked_up() -> None:
    items = [activity(), activity(sendUserEmail=None), activity(sendUserEmail=None, sendUserMailboxId="usm_1"), 7]
    items += [activity(sendUserEmail=None, sendUserId=None), {"type": "emailsSent"}]
    senders = missing_senders(raw(*items))
    assert senders == (Sender("usr_1", "", "cam_1"), Sender("usr_1", "usm_1", "cam_1"))
    found = parse_events(raw(items[1]), WINDOW, {senders[0]: "ann@acme.com"})
    assert [event.domain for event in found.events] == ["acme.com"]


@pytest.mark.parametrize(
    ("item", "code"),
    [
        (activity(sendUserEmail=None), "no-sender"),
        (activity(sendUserEmail="ann"), "bad-domain"),
        (activity(_id=None), "malformed"),
        (activity(_id=""), "malformed"),
        (activity(_id="a\x00"), "malformed"),
        (activity(type=None), "malformed"),
        (activity(createdAt=None), "malformed"),
        (activity(createdAt="2026-11-22T12:06:00Z"), "future"),
        (activity(createdAt="2026-09-01T00:00:00Z"), "ancient"),
        (activity(relatedSentAt="2020-12-07T11:49:14.830Z"), "ancient"),
        (activity(leadId=7), "malformed"),
        (7, "malformed"),
    ],
)
def test_a_bad_event_costs_none_of_the_good_ones(item: Any, code: str) -> None:
    found = parse_events(raw(activity(), item, activity(_id="act_3")), WINDOW)
    assert [event.id for event in found.events] == ["act_1", "act_3"]
    assert [(reject.index, reject.code) for reject in found.rejects] == [(1, code)]


def test_every_activity_has_to_carry_the_secret() -> None:
    verify(raw(activity()), SECRET)
    verify(raw(activity(), activity()), SECRET)
    for secret in (None, "", SECRET[:-1], f"{SECRET} ", 7, "\ud800", "é"):
        for body in (raw(activity(secret=secret)), raw(activity(), activity(secret=secret))):
            with pytest.raises(ForgedRequest) as caught:
                verify(body, SECRET)
            assert SECRET not in str(caught.value)
    with pytest.raises(ForgedRequest):
        verify(b"[7]", SECRET)


@pytest.mark.parametrize("body", [b"", b"{", b"<html>", b"7", b"\xff", b"[" * 100_000])
def test_a_body_that_cannot_be_read(body: bytes) -> None:
    for read in (lambda: parse_events(body, WINDOW), lambda: missing_senders(body), lambda: verify(body, SECRET)):
        with pytest.raises(MalformedRequest):
            read()


NAMES = ("_id", "createdAt", "campaignId", "leadId", "leadEmail", "sendUserId", "sendUserEmail", "sequenceStep", "bot")
MEMBERS = st.fixed_dictionaries(
    {"type": st.sampled_from(["emailsSent", "emailsBounced", "emailsReplied"]) | JSON},
    optional={
        name: st.sampled_from(["ann@acme.com", AT, "act_1"]) | JSON for name in (*NAMES, "relatedSentAt", "secret")
    },
)


@given(st.lists(MEMBERS | JSON, max_size=5))
def test_each_item_is_an_event_a_reject_or_passed_over(items: list[Any]) -> None:
    body = json.dumps(items).encode()
    found = parse_events(body, WINDOW, dict.fromkeys(missing_senders(body), "ann@acme.com"))
    assert len(found.events) + len(found.rejects) <= len(items)
    assert all(event.sent_at <= event.at for event in found.events)


@given(st.binary() | JSON.map(json.dumps).map(str.encode))
def test_nothing_but_malformed_and_forged_comes_of_anything(body: bytes) -> None:
    try:
        assert isinstance(parse_events(body, WINDOW), Parsed)
        verify(body, SECRET)
    except (MalformedRequest, ForgedRequest) as fault:
        assert str(fault)
