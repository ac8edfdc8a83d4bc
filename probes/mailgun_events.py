"""What Mailgun tells of one message, as `MailEvent`s. Pure.

Sources, read 2026-11-22: documentation.mailgun.com/docs/mailgun/user-manual/ webhooks/webhook-payloads and
events/event-types. The time of sending is not told; `sent_at` is the event's own time, and the cohort is found by
`message_id`, the Message-ID of the mail.
"""

from collections.abc import Iterator
from typing import Any

from probes.event_parts import (
    Unfit,
    as_object,
    collect,
    host_name,
    moment,
    part,
    provider,
    sending_domain,
    text,
    text_of,
)
from probes.observation import EventKind, MailEvent, Parsed, Window

_KINDS = {
    "accepted": EventKind.SENT,
    "delivered": EventKind.DELIVERED,
    "failed": EventKind.BOUNCED,
    "complained": EventKind.COMPLAINED,
    "unsubscribed": EventKind.UNSUBSCRIBED,
}
# Mail that no sender of ours sent: forwarded by a route, accepted in test mode, or made by Mailgun to try itself.
_NOT_OURS = ("is-routed", "is-test-mode", "is-system-test")

# Given up after retries, or turned away for what the sender is: neither says that the address does not exist.
_NOT_THE_ADDRESS = frozenset({"old", "espblock", "greylisted"})


def parse_events(event_data: object, window: Window) -> Parsed:
    """The event in `event-data`, which holds one, or what was wrong with it.

    A temporary failure (Mailgun tries again), a `rejected` message and one that Mailgun suppressed were not bounced by
    anybody; they are no events here, as are opens, clicks and types that are not known. Codes: malformed, bad-domain,
    future, ancient.
    """
    return collect((event_data,), lambda _, item: _read(as_object(item), window))


def _read(item: dict[str, Any], window: Window) -> Iterator[MailEvent]:
    name, flags = text("event", item.get("event")), part(item, "flags")
    kind = _KINDS.get(name)
    if kind is None or any(flags.get(flag) is True for flag in _NOT_OURS):
        return
    detail = _hardness(item) if kind is EventKind.BOUNCED else ""
    if detail is None:
        return
    at = moment("timestamp", item.get("timestamp"), window)
    headers = part(part(item, "message"), "headers")
    yield MailEvent(
        id=text("id", item.get("id"), longest=200),
        kind=kind,
        domain=_domain(item, headers),
        at=at,
        sent_at=at,
        provider=provider(text_of(item, "recipient")),
        message_id=text_of(headers, "message-id"),
        detail=detail,
    )


def _hardness(item: dict[str, Any]) -> str | None:
    """`hard` or `soft` for a failure for good; None for one that is no bounce."""
    severity, reason = text_of(item, "severity"), text_of(item, "reason")
    if severity not in ("permanent", "temporary"):
        raise Unfit("malformed", "severity is neither permanent nor temporary")
    if severity == "temporary" or reason.startswith("suppress-"):
        return None
    status = part(item, "delivery-status")
    told = text_of(status, "bounce-type")
    if told in ("hard", "soft"):
        return told
    code = status.get("code")
    refused = isinstance(code, int) and 500 <= code < 600 and reason not in _NOT_THE_ADDRESS
    return "hard" if refused or reason == "bounce" else "soft"


def _domain(item: dict[str, Any], headers: dict[str, Any]) -> str:
    """Mailgun's own name of the sending domain; else that of From, else that of the envelope."""
    named = host_name(text_of(part(item, "domain"), "name"))
    return named or sending_domain(text_of(headers, "from"), text_of(part(item, "envelope"), "sender"))
