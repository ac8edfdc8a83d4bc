"""What SparkPost tells of one message, as `MailEvent`s. Pure.

Sources, read 2026-11-22: developers.sparkpost.com/api/webhooks (batches, events and their fields) and
support.sparkpost.com/docs/deliverability/bounce-classification-codes. A batch is

    [{"msys": {"message_event": {"type": "bounce", "event_id": "...", "timestamp": "1464824548", ...}}}, ...]

where the name within `msys` is the class of the event (`message_event`, `unsubscribe_event`, `gen_event`, ...), and
`[{"msys": {}}]` only tries the address out. `event_id` is the event's identity: a batch that is sent again carries
the same ones. Times are seconds as text, or ISO 8601.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from probes.event_parts import Unfit, collect, feedback_type, items_of, moment, provider, sending_domain, shaped, text
from probes.observation import EventKind, MailEvent, Parsed, Window

_HARD = frozenset({10, 30})
_UNSUBSCRIBE = 90
# 25, 26: held back by SparkPost's own policies, nobody was asked to take it. 60: a vacation reply. 80: a subscription.
_NO_BOUNCE = frozenset({25, 26, 60, 80})

# Feedback types that are nobody's complaint: praise, and a machine's report on authentication.
_NO_COMPLAINT = frozenset({"not-spam", "auth-failure"})
_OPT_OUT = frozenset({"opt-out", "opt-out-list"})

_Text = str | int | float | None


class _Event(msgspec.Struct):
    type: str
    event_id: str | int | None = None
    timestamp: _Text = None
    injection_time: _Text = None
    message_id: str | None = None
    friendly_from: str | None = None
    msg_from: str | None = None
    rcpt_to: str | None = None
    raw_rcpt_to: str | None = None
    routing_domain: str | None = None
    bounce_class: str | int | None = None
    fbtype: str | None = None


def parse_events(body: bytes, window: Window) -> Parsed:
    """The events in one batch; opens, clicks, delays, rejections by policy and unknown types are passed over.

    Codes: malformed, bad-domain, future, ancient.

    Raises:
        MalformedRequest: the body is not JSON, or neither an object nor a list of at most MAX_EVENTS.
    """

    def read(_: int, item: Any) -> Iterator[MailEvent]:
        return _read(item, window)

    return collect(items_of(body, "SparkPost"), read)


def _read(item: Any, window: Window) -> Iterator[MailEvent]:
    wrapped = item.get("msys") if isinstance(item, dict) else None
    if not isinstance(wrapped, dict):
        raise Unfit("malformed", "it holds no object `msys`")
    for inner in wrapped.values():
        event = shaped(inner, _Event)
        happened = _happened(event)
        if happened is not None:
            yield _made(event, *happened, window)


def _happened(event: _Event) -> tuple[EventKind, str] | None:
    """What an event tells, and the detail of it; None when it is nothing that happened to mail."""
    match event.type:
        case "injection":
            return EventKind.SENT, ""
        case "delivery":
            return EventKind.DELIVERED, ""
        case "bounce" | "out_of_band":
            return _bounced(event)
        case "spam_complaint":
            return _complained(feedback_type(event.fbtype))
        case "list_unsubscribe" | "link_unsubscribe":
            return EventKind.UNSUBSCRIBED, ""
    return None


def _bounced(event: _Event) -> tuple[EventKind, str] | None:
    """Hard is what SparkPost counts as hard; blocks and what it could not classify "are usually temporary"."""
    told = str(event.bounce_class)
    number = int(told) if told.isascii() and told.isdigit() and len(told) < 6 else 0
    if number in _NO_BOUNCE:
        return None
    if number == _UNSUBSCRIBE:
        return EventKind.UNSUBSCRIBED, ""
    return EventKind.BOUNCED, "hard" if number in _HARD else "soft"


def _complained(told: str) -> tuple[EventKind, str] | None:
    if told in _NO_COMPLAINT:
        return None
    return (EventKind.UNSUBSCRIBED, "") if told in _OPT_OUT else (EventKind.COMPLAINED, told)


def _made(event: _Event, kind: EventKind, detail: str, window: Window) -> MailEvent:
    at = moment("timestamp", event.timestamp, window)
    # The clocks of two machines: nothing happens to a message before it is injected.
    sent_at = at if event.injection_time is None else min(at, moment("injection_time", event.injection_time, window))
    who = event.raw_rcpt_to or event.rcpt_to or event.routing_domain or ""
    return MailEvent(
        id=text("event_id", str(event.event_id or "")),
        kind=kind,
        # Not who bounces go to, unless nothing else is told: that may be a domain of SparkPost's own.
        domain=sending_domain(event.friendly_from, event.msg_from),
        at=at,
        sent_at=sent_at,
        provider=provider(who),
        message_id=text("message_id", event.message_id, needed=False),
        detail=detail,
    )
