"""What Postmark tells of one message, as `MailEvent`s. Pure.

Sources, read 2026-11-22: postmarkapp.com/developer/webhooks/ (bounce-, spam-complaint-, delivery- and
subscription-change-webhook) and /developer/api/bounce-api (bounce types). A request holds one event; a list of them
is read too. Older payloads have no RecordType or no MessageStream, and are told apart by their times.

Three things Postmark does not tell, and what is done about it:

- that a message was *sent*. What was delivered or bounced was sent, so each of these also gives a `sent` event, whose
  id is the same for both: it counts once. Without the Delivery webhook there is nothing to measure complaints by.
- *when* it was sent. `sent_at` is when this event happened; the store finds the cohort by the message id.
- the *From* of deliveries and subscription changes. They are attributed by their message stream, as configured.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from probes.event_parts import (
    address_of,
    collect,
    fingerprint,
    items_of,
    moment,
    provider,
    sending_domain,
    shaped,
    text,
)
from probes.observation import EventKind, MailEvent, Parsed, Window

_HARD = frozenset({"HardBounce", "BadEmailAddress"})
# Codes that come instead of, or with, the name of a type (postmarkapp.com/developer/api/bounce-api#bounce-types).
_BY_CODE = {
    1: "HardBounce",
    2: "Transient",
    16: "Unsubscribe",
    32: "Subscribe",
    64: "AutoResponder",
    128: "AddressChange",
    256: "DnsError",
    512: "SpamNotification",
    1024: "OpenRelayTest",
    2048: "Unknown",
    4096: "SoftBounce",
    8192: "VirusNotification",
    16384: "ChallengeVerification",
    100000: "BadEmailAddress",
    100001: "SpamComplaint",
    100002: "ManuallyDeactivated",
    100003: "Unconfirmed",
    100006: "Blocked",
    100007: "SMTPApiError",
    100008: "InboundError",
    100009: "DMARCPolicy",
    100010: "TemplateRenderingFailed",
}
# Nobody refused the message: somebody answered by machine, it was never sent, or a person did something at Postmark.
_NO_BOUNCE = frozenset(
    {
        "AddressChange",
        "AutoResponder",
        "InboundError",
        "ManuallyDeactivated",
        "OpenRelayTest",
        "Subscribe",
        "TemplateRenderingFailed",
        "Unconfirmed",
    }
)
_FIRST_STREAM = "outbound"


class _Record(msgspec.Struct, rename="pascal"):
    record_type: str | None = None
    message_id: str | None = msgspec.field(name="MessageID", default=None)
    message_stream: str | None = None
    type: str | None = None
    type_code: int | None = None
    email: str | None = None
    recipient: str | None = None
    from_: str | None = msgspec.field(name="From", default=None)
    bounced_at: str | None = None
    delivered_at: str | None = None
    changed_at: str | None = None
    suppress_sending: bool | None = None
    suppression_reason: str | None = None
    origin: str | None = None

    @property
    def kind(self) -> str:
        """The record type; of a payload without one, what its fields say."""
        if self.record_type is not None:
            return self.record_type
        if self.delivered_at is not None:
            return "Delivery"
        if self.changed_at is not None:
            return "SubscriptionChange"
        return "" if self.bounced_at is None else "Bounce"

    @property
    def bounce_type(self) -> str:
        return self.type or _BY_CODE.get(self.type_code or 0, "")


def parse_events(body: bytes, window: Window, streams: Mapping[str, str] | None = None) -> Parsed:
    """The events in one request. `streams` is the sending domain of each message stream, by the stream's ID.

    Codes: malformed, bad-domain, future, ancient.

    Raises:
        MalformedRequest: the body is not JSON, or neither an object nor a list of at most MAX_EVENTS.
    """

    def read(_: int, item: Any) -> Iterator[MailEvent]:
        return _read(item, window, streams or {})

    return collect(items_of(body, "Postmark"), read)


def _read(item: Any, window: Window, streams: Mapping[str, str]) -> Iterator[MailEvent]:
    record = shaped(item, _Record)
    happened = _happened(record)
    if happened is None:
        return
    kind, detail = happened
    at = moment("its time", record.bounced_at or record.delivered_at or record.changed_at, window)
    who = text("the recipient", record.email or record.recipient)
    message = text("MessageID", record.message_id, needed=kind is not EventKind.UNSUBSCRIBED)
    stream = streams.get(record.message_stream or _FIRST_STREAM)
    domain = sending_domain(record.from_, stream)
    mailbox_provider = provider(who)
    if kind in (EventKind.DELIVERED, EventKind.BOUNCED):
        sent = _id("sent", message, who)
        yield MailEvent(sent, EventKind.SENT, domain, at, at, mailbox_provider, message)
    event_id = _id(f"{kind}-{detail}" if detail else str(kind), message, who, *_when(detail, message, at))
    yield MailEvent(event_id, kind, domain, at, at, mailbox_provider, message, detail)


def _happened(record: _Record) -> tuple[EventKind, str] | None:
    """What a record tells, and of a bounce whether it is hard; None when it is nothing that happened to mail."""
    match record.kind:
        case "Delivery":
            return EventKind.DELIVERED, ""
        case "SpamComplaint":
            return EventKind.COMPLAINED, ""
        case "Bounce":
            return _bounced(record.bounce_type)
        case "SubscriptionChange" if record.suppress_sending:
            return _suppressed(record)
    return None


def _bounced(name: str) -> tuple[EventKind, str] | None:
    if name == "SpamComplaint":
        return EventKind.COMPLAINED, ""
    if name == "Unsubscribe":
        return EventKind.UNSUBSCRIBED, ""
    if name in _NO_BOUNCE:
        return None
    return EventKind.BOUNCED, "hard" if name in _HARD else "soft"


def _suppressed(record: _Record) -> tuple[EventKind, str] | None:
    """Why an address came onto the suppression list. What the other webhooks tell as well has the same id there."""
    match record.suppression_reason:
        case "HardBounce":
            return EventKind.BOUNCED, "hard"
        case "SpamComplaint":
            return EventKind.COMPLAINED, ""
        case "ManualSuppression" if record.origin == "Recipient":
            return EventKind.UNSUBSCRIBED, ""
    return None


def _when(detail: str, message: str, at: datetime) -> tuple[str, ...]:
    """The time is part of an id only where the same may happen again: two webhooks tell one thing at two times."""
    again = detail == "soft" or not message
    return (at.astimezone(UTC).isoformat(),) if again else ()


def _id(what: str, message: str, who: str, *when: str) -> str:
    """Postmark's events have no id of their own: what happened, to which message, for whom (as a hash)."""
    return f"{what}:{fingerprint(message, address_of(who), *when)}"
