"""What Smartlead tells of one mail, as `MailEvent`s. Pure.

Sources, read 2026-11-22: api.smartlead.ai/api-reference/webhooks/events and core/webhooks, help.smartlead.ai (Email
Sent, Email Bounce, Lead Unsubscribed), helpcenter.smartlead.ai/en/articles/403. These show four shapes of one thing:

    flat       {"event_type": "EMAIL_BOUNCE", "from_email", "to_email", "event_timestamp", "sent_message": {"time"}}
    nested     {"event": "EMAIL_BOUNCED", "timestamp", "email_account_id", "lead": {"email"}, "email": {"message_id"}}
    legacy     as flat, with `time_sent`, and a `secret_key` in the body
    envelope   {"id", "type": "email.account.disconnected", "created_at", "data": {...}}

There is no event for complaints. FIRST_EMAIL_SENT is told besides EMAIL_SENT of the same mail, and counts once.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from probes.event_parts import Unfit, collect, domain_of, fingerprint, items_of, moment, provider
from probes.observation import EventKind, MailEvent, Parsed, Window

_KINDS = {
    "EMAIL_SENT": EventKind.SENT,
    "FIRST_EMAIL_SENT": EventKind.SENT,
    "EMAIL_BOUNCE": EventKind.BOUNCED,
    "EMAIL_BOUNCED": EventKind.BOUNCED,
    "EMAIL_REPLY": EventKind.REPLIED,
    "EMAIL_REPLIED": EventKind.REPLIED,
    "LEAD_UNSUBSCRIBED": EventKind.UNSUBSCRIBED,
    "EMAIL_UNSUBSCRIBED": EventKind.UNSUBSCRIBED,
}
_TYPES = ("event_type", "event", "type", "eventType")
_SENDERS = ("from_email",)
_RECIPIENTS = ("to_email", "lead_email", "lead.email")
_TIMES = {
    EventKind.SENT: ("event_timestamp", "timestamp", "time_sent", "sent_message.time", "created_at"),
    EventKind.BOUNCED: (
        "event_timestamp",
        "timestamp",
        "bounce_message.time",
        "time_bounced",
        "created_at",
        "time_sent",
    ),
    EventKind.REPLIED: ("event_timestamp", "timestamp", "reply_message.time", "time_replied", "created_at"),
    EventKind.UNSUBSCRIBED: ("event_timestamp", "timestamp", "time_unsubscribed", "created_at"),
}
_SENT_TIMES = ("sent_message.time", "time_sent")
# The Message-ID of the mail that was sent; `stats_id`, Smartlead's own name for that mail, where it is not told.
_MESSAGES = ("sent_message.message_id", "email.message_id", "message_id", "stats_id")
_MESSAGE_ID = re.compile(r"[!-~]{1,200}\Z")


def parse_events(body: bytes, window: Window, senders: Mapping[str, str] | None = None) -> Parsed:
    """The event in one request, and what was wrong with it.

    `senders` are the addresses of mailboxes by their id, for events that name no address: see `missing_senders`.
    Opens, clicks, categories, states of accounts and types that are not known are passed over.
    Codes: malformed, no-sender, bad-domain, future, ancient.

    Raises:
        MalformedRequest: the body is not JSON.
    """
    known = senders or {}
    return collect(items_of(body, "Smartlead"), lambda _, item: _read(item, window, known))


def missing_senders(body: bytes) -> tuple[str, ...]:
    """The ids of the mailboxes that mail events in the body are about without naming an address.

    Raises:
        MalformedRequest: the body is not JSON.
    """
    return tuple(dict.fromkeys(filter(None, map(_missing, items_of(body, "Smartlead")))))


def secret_key_of(body: bytes) -> str:
    """The `secret_key` in a body of the legacy shape; "" where there is none. Raises MalformedRequest."""
    keys = (_text(item, ("secret_key",)) for item in items_of(body, "Smartlead") if isinstance(item, dict))
    return next(keys, "")


def _missing(item: Any) -> str:
    if not isinstance(item, dict):
        return ""
    told = _opened(item)
    return _account(told) if _kind(item) and not _text(told, _SENDERS) else ""


def _read(item: Any, window: Window, senders: Mapping[str, str]) -> Iterator[MailEvent]:
    if not isinstance(item, dict) or not _text(item, _TYPES):
        raise Unfit("malformed", f"an event is an object with one of {', '.join(_TYPES)}")
    kind = _kind(item)
    if kind is None:
        return
    told = _opened(item)
    domain = _sender(told, senders)
    recipient = _text(told, _RECIPIENTS)
    at = moment("the time of the event", _first(told, _TIMES[kind]), window)
    message = _message(told)
    yield MailEvent(
        id=_identity(kind, item, told, domain, recipient, message, at),
        kind=kind,
        domain=domain,
        at=at,
        sent_at=_sent_at(kind, told, at, window),
        provider=provider(recipient),
        message_id=message,
        detail=_hardness(told) if kind is EventKind.BOUNCED else "",
    )


def _kind(item: dict[str, Any]) -> EventKind | None:
    return _KINDS.get(_text(item, _TYPES).upper().replace(".", "_"))


def _opened(item: dict[str, Any]) -> dict[str, Any]:
    """What an envelope holds, with the envelope's own members around it."""
    data = item.get("data")
    return {**item, **data} if isinstance(data, dict) else item


def _sender(told: dict[str, Any], senders: Mapping[str, str]) -> str:
    address = _text(told, _SENDERS) or senders.get(_account(told), "")
    if not address:
        raise Unfit("no-sender", "neither from_email nor a known email_account_id says which mailbox this is about")
    domain = domain_of(address)
    if not domain:
        raise Unfit("bad-domain", "from_email is not an address in ASCII")
    return domain


def _account(told: dict[str, Any]) -> str:
    value = told.get("email_account_id")
    text = str(value) if type(value) in (int, str) else ""
    return text if text.isascii() and text.isdigit() and len(text) < 20 else ""


def _sent_at(kind: EventKind, told: dict[str, Any], at: datetime, window: Window) -> datetime:
    """When the mail was sent: told by the newer shapes; else the event's own time."""
    value = _first(told, _SENT_TIMES)
    if kind is EventKind.SENT or value is None:
        return at
    return min(moment("the time of sending", value, window), at)


def _message(told: dict[str, Any]) -> str:
    """The Message-ID without brackets, so that all shapes agree; "" where there is none."""
    name = _text(told, _MESSAGES).strip().removeprefix("<").removesuffix(">")
    return name if _MESSAGE_ID.match(name) else ""


def _identity(
    kind: EventKind,
    item: dict[str, Any],
    told: dict[str, Any],
    domain: str,
    recipient: str,
    message: str,
    at: datetime,
) -> str:
    """From the signed body alone: X-Request-Id is not signed, so a stranger could send one event again and again."""
    if "data" in item and (own := _text(item, ("id",))):
        return fingerprint("envelope", own)
    campaign, sequence = _plain(told.get("campaign_id")), _plain(told.get("sequence_number"))
    # A mail is sent once and bounces once, whatever the two events about it say of the time; it may be answered twice.
    once = message and kind in (EventKind.SENT, EventKind.BOUNCED)
    return fingerprint(kind, domain, recipient.lower(), campaign, sequence, message, "" if once else at.isoformat())


def _hardness(told: dict[str, Any]) -> str:
    """`hard` or `soft` where the body says so; none of the documented shapes does."""
    name = _text(told, ("bounce_type", "bounce_message.type")).lower()
    return name if name in ("hard", "soft") else ""


def _first(told: dict[str, Any], places: Iterable[str]) -> Any:
    """The first of the places that holds something; a dot leads into an object."""
    for place in places:
        outer, _, inner = place.rpartition(".")
        where = told.get(outer) if outer else told
        value = where.get(inner) if isinstance(where, dict) else None
        if value not in (None, ""):
            return value
    return None


def _text(told: dict[str, Any], places: Iterable[str]) -> str:
    value = _first(told, places)
    return value if isinstance(value, str) and len(value) <= 998 else ""


def _plain(value: Any) -> str:
    return str(value)[:100] if type(value) in (int, str) else ""
