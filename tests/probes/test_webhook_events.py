"""The mail events of a sender of one's own: what is accepted, and what is wrong with the rest."""

import json
import math
import string
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.observation import (
    EventKind,
    MailEvent,
    MalformedRequest,
    Parsed,
    Window,
)
from probes.webhook import parse_events
from probes.webhook_events import MAX_EVENTS

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
WINDOW = Window(NOW)


def event(**fields: Any) -> dict[str, Any]:
    """A complaint, as a sender would write it; None leaves a field out."""
    whole = {
        "id": "evt_1",
        "type": "complained",
        "domain": "acme.com",
        "at": "2026-11-22T11:59:00Z",
        "sent_at": "2026-11-22T11:00:00Z",
    } | fields
    return {name: value for name, value in whole.items() if value is not None}


def batch(*events: Any) -> bytes:
    return json.dumps({"events": events}).encode()


def test_a_whole_event() -> None:
    body = batch(
        event(
            at="2026-11-22T13:59:00+02:00",
            domain="ACME.com.",
            message_id="<1@acme.com>",
            recipient_domain="Gmail.com",
            feedback_type="abuse",
            count=3,
        )
    )
    assert parse_events(body, WINDOW) == Parsed(
        (
            MailEvent(
                id="evt_1",
                kind=EventKind.COMPLAINED,
                domain="acme.com",
                at=NOW - timedelta(minutes=1),
                sent_at=NOW - timedelta(hours=1),
                provider="google",
                message_id="<1@acme.com>",
                detail="abuse",
                count=3,
            ),
        )
    )


@pytest.mark.parametrize(
    ("fields", "kind", "detail"),
    [
        ({"type": "sent"}, EventKind.SENT, ""),
        ({"type": "delivered"}, EventKind.DELIVERED, ""),
        ({"type": "bounced", "bounce": "hard"}, EventKind.BOUNCED, "hard"),
        ({"type": "bounced", "bounce": "soft"}, EventKind.BOUNCED, "soft"),
        ({"type": "complained"}, EventKind.COMPLAINED, ""),
        ({"type": "unsubscribed", "feedback_type": "abuse"}, EventKind.UNSUBSCRIBED, ""),
        ({"type": "replied", "bounce": "hard"}, EventKind.REPLIED, ""),
    ],
)
def test_every_type(fields: dict[str, Any], kind: EventKind, detail: str) -> None:
    (made,) = parse_events(batch(event(**fields)), WINDOW).events
    assert (made.kind, made.detail, made.count, made.provider, made.message_id) == (kind, detail, 1, "", "")


def test_a_sent_message_was_sent_when_it_was() -> None:
    one, two = parse_events(
        batch(event(type="sent", sent_at=None), event(type="sent", sent_at="2026-11-22T11:30:00Z")), WINDOW
    ).events
    assert one.sent_at == one.at == NOW - timedelta(minutes=1)
    assert two.sent_at == NOW - timedelta(minutes=30)


def test_null_is_as_good_as_left_out_and_unknown_fields_are_passed_over() -> None:
    body = json.dumps(
        {
            "version": 2,
            "events": [event() | {"message_id": None, "count": None, "mood": {"id": 1, "domain": "x", "at": []}}],
        }
    )
    (made,) = parse_events(body.encode(), WINDOW).events
    assert made == parse_events(batch(event()), WINDOW).events[0]


def test_an_empty_batch() -> None:
    assert parse_events(b'{"events": []}', WINDOW) == Parsed()


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"id": None}, "malformed", "id"),
    ({"id": ""}, "malformed", "id"),
    ({"id": "x" * 201}, "malformed", "id"),
    ({"id": "a\x00b"}, "malformed", "id holds a character"),
    ({"id": "\ud800"}, "malformed", "id holds a character"),
    ({"id": 7}, "malformed", "id"),
    ({"type": None}, "malformed", "type"),
    ({"type": 5}, "malformed", "type"),
    ({"type": "opened"}, "unknown-type", "none of sent, delivered"),
    ({"type": "x" * 100_000}, "unknown-type", "none of sent"),
    ({"domain": None}, "malformed", "domain"),
    ({"domain": ""}, "bad-domain", "host name"),
    ({"domain": "localhost"}, "bad-domain", "host name"),
    ({"domain": "münchen.example"}, "bad-domain", "xn--"),
    ({"domain": "a b.example"}, "bad-domain", "host name"),
    ({"domain": "-a.example"}, "bad-domain", "host name"),
    ({"domain": "a..example"}, "bad-domain", "host name"),
    ({"domain": "acme.com\n"}, "bad-domain", "host name"),
    ({"domain": "127.0.0.1"}, "bad-domain", "host name"),
    ({"domain": f"{'a' * 64}.example"}, "bad-domain", "host name"),
    ({"domain": "a." * 126 + "com"}, "bad-domain", "host name"),
    ({"domain": "x" * 256}, "malformed", "domain"),
    ({"at": None}, "malformed", "at"),
    ({"at": "yesterday"}, "malformed", "at"),
    ({"at": "2026-11-22T12:00:00"}, "malformed", "timezone"),
    ({"at": 1_795_000_000}, "malformed", "at"),
    ({"at": "2026-11-22T12:05:01Z"}, "future", "sender's clock"),
    ({"at": "9999-12-31T23:59:59-10:00"}, "malformed", "calendar"),
    ({"at": "2026-09-23T11:59:59Z"}, "ancient", "60 days"),
    ({"at": "0001-01-01T00:00:00+10:00"}, "malformed", "calendar"),
    ({"sent_at": None}, "malformed", "sent_at is missing"),
    ({"sent_at": "2026-11-22T11:59:01Z"}, "sent-after-at", "after at"),
    ({"sent_at": "2026-09-23T11:59:59Z"}, "ancient", "sent_at"),
    ({"sent_at": "2026-11-22T11:00:00"}, "malformed", "timezone"),
    ({"count": 0}, "negative-count", "at least once"),
    ({"count": -1}, "negative-count", "at least once"),
    ({"count": -(10**4000)}, "negative-count", "at least once"),
    ({"count": 1.5}, "malformed", "count"),
    ({"count": math.nan}, "malformed", "count"),
    ({"count": math.inf}, "malformed", "count"),
    ({"count": "1"}, "malformed", "count"),
    ({"count": True}, "malformed", "count"),
    ({"count": 10**9 + 1}, "malformed", "count"),
    ({"count": 10**4000}, "malformed", "count"),
    ({"type": "bounced"}, "malformed", "bounce is missing"),
    ({"type": "bounced", "bounce": "medium"}, "malformed", "bounce"),
    ({"message_id": "x" * 999}, "malformed", "message_id"),
    ({"message_id": "a\x1b[31m"}, "malformed", "message_id holds"),
    ({"feedback_type": "a\u202eb"}, "malformed", "feedback_type holds"),
    ({"recipient_domain": 5}, "malformed", "recipient_domain"),
]


@pytest.mark.parametrize(("fields", "code", "reason"), BAD, ids=[str(n) for n in range(len(BAD))])
def test_a_bad_event_costs_none_of_the_good_ones(fields: dict[str, Any], code: str, reason: str) -> None:
    parsed = parse_events(batch(event(id="evt_0"), event(**fields), event(id="evt_2")), WINDOW)
    assert [one.id for one in parsed.events] == ["evt_0", "evt_2"]
    (reject,) = parsed.rejects
    assert (reject.index, reject.code) == (1, code)
    assert reason in reject.reason
    assert len(reject.reason) <= 200


@pytest.mark.parametrize("item", [None, 5, "evt", [], [event()], True])
def test_what_is_no_event_at_all(item: Any) -> None:
    parsed = parse_events(batch(item, event()), WINDOW)
    assert [reject.code for reject in parsed.rejects] == ["malformed"]
    assert len(parsed.events) == 1


@pytest.mark.parametrize("name", ["id", "domain", "count", "dom\\u0061in", "colour"])
def test_a_key_that_stands_twice(name: str) -> None:
    text = json.dumps(event(count=1))
    twice = f'{text[:-1]}, "colour": 1, "{name}": "evil.example"}}'
    plain = json.dumps({"events": [event(id="evt_0")]})[:-2]
    parsed = parse_events(f"{plain}, {twice}]}}".encode(), WINDOW)
    if name == "colour":  # nobody reads it
        assert len(parsed.events) == 2
    else:
        assert [reject.code for reject in parsed.rejects] == ["duplicate-key"]


def test_a_value_that_looks_like_a_key_is_only_a_value() -> None:
    parsed = parse_events(batch(event(message_id="domain", feedback_type="at")), WINDOW)
    assert parsed.events[0].message_id == "domain"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"<html>", "not JSON"),
        (b'{"events": [{"id": "\xff"}]}', "not JSON in UTF-8"),
        ('{"events": []}'.encode("utf-16"), "not JSON in UTF-8"),
        (b"[]", "not an object with a list of events"),
        (b"5", "not an object with a list of events"),
        (b"{}", "not an object with a list of events"),
        (b'{"events": null}', "not an object with a list of events"),
        (b'{"events": {"0": {}}}', "not an object with a list of events"),
        (b'{"events": [], "events": []}', "twice"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"events": [{"x": ' + b'{"x": ' * 100_000, "nested too deeply"),
        (b'{"events": [' + b"1," * MAX_EVENTS + b"1]}", f"{MAX_EVENTS + 1} events, at most {MAX_EVENTS}"),
    ],
)
def test_a_body_that_cannot_be_read(body: bytes, reason: str) -> None:
    with pytest.raises(MalformedRequest, match=reason):
        parse_events(body, WINDOW)


def test_nesting_in_a_field_that_nobody_knows() -> None:
    deep = json.loads("[" * 200 + "]" * 200)
    assert len(parse_events(batch(event(extra=deep), event(id="evt_2")), WINDOW).events) == 2


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
TIMES = st.sampled_from(["2026-11-22T11:59:00Z", "2026-11-22T12:00:00+01:00", "2020-01-01T00:00:00Z", "now", ""])
EVENTS = st.fixed_dictionaries(
    {},
    optional={
        "id": st.text(max_size=5) | JSON,
        "type": st.sampled_from([*EventKind]) | JSON,
        "domain": st.sampled_from(["acme.com", "Acme.COM."]) | st.text(string.printable, max_size=12) | JSON,
        "at": TIMES | JSON,
        "sent_at": TIMES | JSON,
        "bounce": st.sampled_from(["hard", "soft"]) | JSON,
        "count": st.integers() | JSON,
        "message_id": JSON,
        "recipient_domain": st.sampled_from(["gmail.com"]) | JSON,
        "feedback_type": JSON,
    },
)


@given(st.lists(EVENTS | JSON, max_size=6))
def test_each_item_is_accepted_or_rejected(items: list[Any]) -> None:
    parsed = parse_events(batch(*items), WINDOW)
    assert len(parsed.events) + len(parsed.rejects) == len(items)
    assert len({reject.index for reject in parsed.rejects}) == len(parsed.rejects)
    for one in parsed.events:
        assert one.id.isprintable()
        assert one.sent_at <= one.at <= NOW + timedelta(minutes=5)


@given(st.lists(EVENTS, max_size=5))
def test_both_ways_of_reading_agree(items: list[Any]) -> None:
    together = parse_events(batch(*items), WINDOW)
    apart = parse_events(batch(*items, None), WINDOW)
    assert together.events == apart.events
    assert together.rejects == apart.rejects[:-1]


@given(st.binary() | st.text().map(str.encode) | JSON.map(json.dumps).map(str.encode))
def test_nothing_but_malformed_comes_of_anything(body: bytes) -> None:
    try:
        assert isinstance(parse_events(body, WINDOW), Parsed)
    except MalformedRequest as fault:
        assert str(fault)
