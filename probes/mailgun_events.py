"""What Mailgun tells of one message, as `MailEvent`s. Pure.

Sources, read 2026-11-22: documentation.mailgun.com/docs/mailgun/user-manual/ webhooks/webhook-payloads and
events/event-types. The time of sending is not told; `sent_at` is the event's own time, and the cohort is found by
`message_id`, the Message-ID of the mail.
"""

from typing import Any

from probes.observation import EventKind, MailEvent, Parsed, Window
from probes.vendor_events import Unfit, address_domain, gather, host_name, instant, part, provider, text

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
    return gather((event_data,), lambda item: _read(item, window))


def _read(item: dict[str, Any], window: Window) -> MailEvent | None:
    name, flags = text(item, "event"), part(item, "flags")
    if not name:
        raise Unfit("malformed", "event is missing")
    kind = _KINDS.get(name)
    if kind is None or any(flags.get(flag) is True for flag in _NOT_OURS):
        return None
    detail = _hardness(item) if kind is EventKind.BOUNCED else ""
    if detail is None:
        return None
    identity = text(item, "id", 200)
    if not identity:
        raise Unfit("malformed", "id is missing")
    at = instant("timestamp", item.get("timestamp"), window)
    headers = part(part(item, "message"), "headers")
    return MailEvent(
        id=identity,
        kind=kind,
        domain=_domain(item, headers),
        at=at,
        sent_at=at,
        provider=provider(text(item, "recipient")),
        message_id=text(headers, "message-id"),
        detail=detail,
    )


def _hardness(item: dict[str, Any]) -> str | None:
    """`hard` or `soft` for a failure for good; None for one that is no bounce."""
    severity, reason = text(item, "severity"), text(item, "reason")
    if severity not in ("permanent", "temporary"):
        raise Unfit("malformed", "severity is neither permanent nor temporary")
    if severity == "temporary" or reason.startswith("suppress-"):
        return None
    status = part(item, "delivery-status")
    told = text(status, "bounce-type")
    if told in ("hard", "soft"):
        return told
    code = status.get("code")
    refused = isinstance(code, int) and 500 <= code < 600 and reason not in _NOT_THE_ADDRESS
    return "hard" if refused or reason == "bounce" else "soft"


def _domain(item: dict[str, Any], headers: dict[str, Any]) -> str:
    """Mailgun's own name of the sending domain; else that of From, else that of the envelope."""
    named = host_name(text(part(item, "domain"), "name"))
    domain = named or address_domain(text(headers, "from")) or address_domain(text(part(item, "envelope"), "sender"))
    if not domain:
        raise Unfit("bad-domain", "neither domain.name nor From nor the envelope names a sending domain in ASCII")
    return domain
