"""What Mandrill tells of its mail, in the shapes its documentation shows."""

import contextlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.mandrill_events import parse_events
from probes.observation import EventKind, MailEvent, MalformedRequest, Window

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
WINDOW = Window(NOW)
STAMP = int(NOW.timestamp()) - 60
AT, SENT_AT = datetime.fromtimestamp(STAMP, UTC), datetime.fromtimestamp(STAMP - 7200, UTC)
MESSAGE = "8db5f8f2e4a14aa3b8a0b2a3f4c5d6e7"


def event(name: str, more: dict[str, Any] | None = None, **outside: Any) -> dict[str, Any]:
    message = {
        "ts": STAMP - 7200,
        "subject": "Hello",
        "email": "bob@gmail.com",
        "sender": "ann@acme.com",
        "tags": ["outreach"],
        "opens": [],
        "clicks": [],
        "state": "sent",
        "metadata": {"user_id": 111},
        "_id": MESSAGE,
        "_version": "exampleaaaaaaaaaaaaaaa",
    }
    return {"event": name, "_id": MESSAGE, "ts": STAMP, "msg": message | (more or {})} | outside


BOUNCE = {"state": "bounced", "bounce_description": "bad_mailbox", "bgtools_code": 10, "diag": "smtp;550 5.1.1 no"}


def read(*events: Any) -> tuple[list[MailEvent], list[tuple[int, str]]]:
    parsed = parse_events(json.dumps(events), WINDOW)
    return list(parsed.events), [(reject.index, reject.code) for reject in parsed.rejects]


@pytest.mark.parametrize(
    ("told", "kind", "detail"),
    [
        (event("send"), EventKind.SENT, ""),
        (event("delivered"), EventKind.DELIVERED, ""),
        (event("hard_bounce", BOUNCE), EventKind.BOUNCED, "hard"),
        (event("soft_bounce", BOUNCE | {"bounce_description": "mailbox_full"}), EventKind.BOUNCED, "soft"),
        (event("spam", {"state": "spam"}), EventKind.COMPLAINED, ""),
        (event("unsub", {"state": "unsub"}), EventKind.UNSUBSCRIBED, ""),
    ],
)
def test_kinds(told: dict[str, Any], kind: EventKind, detail: str) -> None:
    (found,), rejects = read(told)
    assert found == MailEvent(found.id, kind, "acme.com", AT, SENT_AT, "google", MESSAGE, detail)
    assert found.id.startswith(f"{MESSAGE}:{told['event']}:{STAMP}")
    assert rejects == []


@pytest.mark.parametrize(
    "told",
    [
        *(event(name) for name in ("deferral", "reject", "open", "click", "something new")),
        {
            "type": "blacklist",
            "action": "add",
            "reject": {"reason": "hard-bounce", "email": "bob@gmail.com"},
            "ts": STAMP,
        },
        {
            "event": "inbound",
            "ts": STAMP,
            "msg": {"raw_msg": "Received: ...", "email": "in@acme.com", "spam_report": {}},
        },
        event("spam", {"sender": "example.sender@mandrillapp.com"}),
    ],
)
def test_what_is_no_event_for_us(told: dict[str, Any]) -> None:
    assert read(told) == ([], [])


def test_retries_have_the_same_id_and_other_bounces_have_another() -> None:
    first = event("soft_bounce", BOUNCE)
    later = event("soft_bounce", BOUNCE, ts=STAMP + 1)
    other = event("soft_bounce", BOUNCE | {"diag": "smtp;452 4.2.2 full"})
    none = event("soft_bounce", BOUNCE | {"diag": None})
    events, _ = read(first, first, later, other, none, event("hard_bounce", BOUNCE), event("spam"))
    assert events[0].id == events[1].id
    assert len({one.id for one in events}) == 6
    assert {one.message_id for one in events} == {MESSAGE}


def test_when_it_was_sent() -> None:
    (missing, ahead), _ = read(event("spam", {"ts": None}), event("spam", {"ts": STAMP + 30}))
    assert missing.sent_at == ahead.sent_at == AT


def test_the_id_may_stand_in_the_message_alone() -> None:
    (found,), _ = read(event("spam", _id=None))
    assert found.message_id == MESSAGE


def test_one_bad_event_costs_none_of_the_others() -> None:
    told = [
        event("send"),
        5,
        {},
        event("spam", _id=None, msg={"sender": "ann@acme.com"}),
        event("spam", {"sender": None}),
        event("spam", {"sender": "ann@münchen.de"}),
        event("spam", ts=None),
        event("spam", ts=STAMP + 10_000),
        event("spam", ts=1_384_954_004),
        event("spam", {"ts": 1_365_109_999}),
        event("spam", msg="none"),
        event("spam"),
    ]
    events, rejects = read(*told)
    assert [one.kind for one in events] == [EventKind.SENT, EventKind.COMPLAINED]
    codes = ["malformed"] * 3 + ["bad-domain"] * 2 + ["malformed", "future", "ancient", "ancient", "malformed"]
    assert rejects == list(enumerate(codes, 1))


def test_the_address_is_not_kept() -> None:
    assert "bob" not in repr(read(event("hard_bounce", BOUNCE)))


@pytest.mark.parametrize("events", ["", "{}", "[", "null"])
def test_what_is_no_batch(events: str) -> None:
    with pytest.raises(MalformedRequest):
        parse_events(events, WINDOW)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
INSIDE = st.dictionaries(st.sampled_from(["ts", "email", "sender", "_id", "diag"]), ANYTHING, max_size=3)


@given(INSIDE, st.dictionaries(st.sampled_from(["ts", "event", "_id", "msg", "type"]), ANYTHING, max_size=3), ANYTHING)
def test_any_events(inside: dict[str, Any], outside: dict[str, Any], other: Any) -> None:
    told = [event("soft_bounce", inside), event("soft_bounce", inside) | outside, other]
    parsed = parse_events(json.dumps(told), WINDOW)
    assert len(parsed.events) + len(parsed.rejects) <= 3


@given(st.text(max_size=200))
def test_any_text(events: str) -> None:
    with contextlib.suppress(MalformedRequest):
        parse_events(events, WINDOW)
