"""The mail events that a sender of one's own reports, as `MailEvent`s. Pure.

    {"events": [{"id": "evt_1", "type": "bounced", "domain": "acme.com", "at": "2026-11-22T12:00:00Z",
                 "sent_at": "2026-11-22T11:00:00Z", "recipient_domain": "gmail.com", "bounce": "hard"}]}

The whole batch is read by one typed decoder. Only when that fails is each event read by itself, slowly, so that
one bad event costs none of the good ones. Fields that are not known are passed over. docs/own-sender.md has all.
"""

import json
import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from probes.observation import EventKind, MailEvent, MalformedRequest, Parsed, Reject, Window
from probes.provider import provider_of

MAX_EVENTS = 10_000
MAX_COUNT = 1_000_000_000
_LONGEST_REASON = 200

_Name = Annotated[str, Meta(max_length=255)]
_Instant = Annotated[datetime, Meta(tz=True)]


class _Event(msgspec.Struct, gc=False):
    id: Annotated[str, Meta(min_length=1, max_length=200)]
    type: EventKind
    domain: _Name
    at: _Instant
    sent_at: _Instant | None = None
    message_id: Annotated[str, Meta(max_length=998)] | None = None
    recipient_domain: _Name | None = None
    bounce: Literal["hard", "soft"] | None = None
    feedback_type: Annotated[str, Meta(max_length=64)] | None = None
    count: Annotated[int, Meta(ge=1, le=MAX_COUNT)] | None = None


class _Batch(msgspec.Struct):
    events: Annotated[list[_Event], Meta(max_length=MAX_EVENTS)]


_BATCH = msgspec.json.Decoder(_Batch)
_QUOTED = tuple(f'"{name}"'.encode() for name in _Event.__struct_fields__)
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"(?=.{{1,253}}\Z)(?:{_LABEL}\.)+(?=[a-z0-9-]*[a-z]){_LABEL}\Z")


class _Unfit(Exception):  # noqa: N818 - never leaves this file
    """One event that cannot be accepted."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason[:_LONGEST_REASON]


def parse_events(body: bytes, window: Window) -> Parsed:
    """The good events of a request and what was wrong with the others, by index.

    Codes: malformed, unknown-type, bad-domain, future, ancient, negative-count, sent-after-at, duplicate-key.

    Raises:
        MalformedRequest: the body is not JSON, not an object with a list of `events`, or has more than MAX_EVENTS.
    """
    fast = _together(body)
    events: list[MailEvent] = []
    rejects: list[Reject] = []
    for index, item in enumerate(_apart(body) if fast is None else fast):
        try:
            events.append(_accept(_typed(item), window))
        except _Unfit as fault:
            rejects.append(Reject(index, fault.code, fault.reason))
    return Parsed(tuple(events), tuple(rejects))


def _together(body: bytes) -> list[_Event] | None:
    """The whole batch at once, or None where each event has to be looked at by itself."""
    try:
        events = _BATCH.decode(body).events
    except (ValueError, RecursionError):
        return None
    return None if _may_repeat_a_key(body, len(events)) else events


def _may_repeat_a_key(body: bytes, events: int) -> bool:
    """Whether some key may stand twice in one object, where the decoder silently took the last one.

    A key that stands at most once per event, counting values that look like it, does not stand twice in any, save
    optional keys that other events leave out. Escapes could hide a key, so they are always looked into.
    """
    if b"\\u" in body or body.count(b'"events"') > 1:
        return True
    return any(body.count(key) > events for key in _QUOTED)


class _Repeated(dict[str, Any]):
    """A JSON object in which a key stood more than once."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    whole = dict(pairs)
    return whole if len(whole) == len(pairs) else _Repeated(whole)


def _integer(text: str) -> int:
    """Python refuses to read more than 4,300 digits; nothing here may have more than 10."""
    return int(text) if len(text) < 20 else MAX_COUNT * (-100 if text.startswith("-") else 100)


def _apart(body: bytes) -> list[Any]:
    """The events as plain values, read by a lenient parser that takes NaN and tells repeated keys."""
    try:
        whole = json.loads(body.decode(), object_pairs_hook=_object, parse_int=_integer)
    except (ValueError, RecursionError) as fault:
        what = "is nested too deeply" if isinstance(fault, RecursionError) else "is not JSON in UTF-8"
        raise MalformedRequest(f"the body {what}") from None
    events: Any = whole.get("events") if isinstance(whole, dict) else None
    if not isinstance(events, list):
        raise MalformedRequest('the body is not an object with a list of events: {"events": [...]}')
    if isinstance(whole, _Repeated):
        raise MalformedRequest("a key stands twice in the body")
    if len(events) > MAX_EVENTS:
        raise MalformedRequest(f"{len(events)} events, at most {MAX_EVENTS} allowed in one request")
    return events


def _typed(item: Any) -> _Event:
    if type(item) is _Event:
        return item
    if isinstance(item, _Repeated):
        raise _Unfit("duplicate-key", "a key stands twice in this event")
    try:
        return msgspec.convert(item, _Event)
    except (ValueError, RecursionError) as fault:
        text = str(fault)
    if text.endswith("`$.type`") and text.startswith("Invalid enum value"):
        raise _Unfit("unknown-type", f"type is none of {', '.join(EventKind)}")
    count = item.get("count") if isinstance(item, dict) else None
    if text.endswith("`$.count`") and isinstance(count, int) and count < 1:
        raise _Unfit("negative-count", "count is under 1: an event happened at least once")
    if text.startswith("Invalid enum value"):
        text = "bounce is neither hard nor soft"  # the decoder's own words would quote what stands there
    raise _Unfit("malformed", text)


def _accept(event: _Event, window: Window) -> MailEvent:
    """One event, made of our own words. Raises _Unfit."""
    domain = _domain(event.domain)
    if not domain:
        raise _Unfit("bad-domain", "domain is not a host name of letters, digits and hyphens (xn--... for others)")
    at = _believable("at", event.at, window)
    if event.sent_at is not None:
        sent_at = _believable("sent_at", event.sent_at, window)
    elif event.type is EventKind.SENT:
        sent_at = at
    else:
        raise _Unfit("malformed", f"sent_at is missing: when was the message sent that was {event.type}?")
    if sent_at > at:
        raise _Unfit("sent-after-at", f"sent_at {sent_at.isoformat()} is after at {at.isoformat()}")
    return MailEvent(
        _printable("id", event.id),
        event.type,
        domain,
        at,
        sent_at,
        provider_of(event.recipient_domain) if event.recipient_domain else "",
        _printable("message_id", event.message_id) if event.message_id else "",
        _detail(event),
        event.count or 1,
    )


def _detail(event: _Event) -> str:
    if event.type is EventKind.BOUNCED:
        if event.bounce is None:
            raise _Unfit("malformed", "bounce is missing: a bounced event says hard or soft")
        return event.bounce
    if event.type is EventKind.COMPLAINED and event.feedback_type:
        return _printable("feedback_type", event.feedback_type)
    return ""


def _believable(name: str, at: datetime, window: Window) -> datetime:
    if at.tzinfo is not UTC:
        try:
            at = at.astimezone(UTC)
        except OverflowError:
            raise _Unfit("malformed", f"{name} is outside the calendar") from None
    fault = window.fault(at)
    if fault is not None:
        raise _Unfit("future" if at > window.now else "ancient", f"{name} {fault}")
    return at


def _printable(name: str, text: str) -> str:
    """The text, which goes into databases, logs and mails: without control characters and half surrogates."""
    if not text.isprintable():
        raise _Unfit("malformed", f"{name} holds a character that cannot be printed")
    return text


@lru_cache(maxsize=65_536)
def _domain(text: str) -> str:
    """A host name in lower case without a final dot; "" when it is none."""
    name = text.lower().removesuffix(".")
    return name if _DOMAIN.match(name) else ""
