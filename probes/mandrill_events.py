"""What Mandrill (Mailchimp Transactional) tells of one message, as `MailEvent`s. Pure.

Source, read 2026-11-22: mandrill.zendesk.com "Webhook Format": one parameter, `mandrill_events`, a JSON list of up to
1000 events. Mandrill names the message, not the event, so an event's id is made of what identifies it.
"""

from typing import Any

from probes.observation import EventKind, MailEvent, Parsed, Window
from probes.vendor_events import Unfit, address_domain, digest, entries, gather, instant, part, provider, text

_KINDS = {
    "send": EventKind.SENT,
    "delivered": EventKind.DELIVERED,
    "hard_bounce": EventKind.BOUNCED,
    "soft_bounce": EventKind.BOUNCED,
    "spam": EventKind.COMPLAINED,
    "unsub": EventKind.UNSUBSCRIBED,
}
# The sender in the samples that the button "Send Test" sends: nobody's mail.
_SAMPLE = "example.sender@mandrillapp.com"
_LONGEST_DIAGNOSIS = 10_000


def parse_events(events: str, window: Window) -> Parsed:
    """The good events in `mandrill_events` and what was wrong with the others, by index.

    `deferral` (Mandrill tries again) and `reject` (it never tried) are no events here; neither are opens, clicks,
    changes of the allow and deny lists, inbound mail and types that are not known. Codes: malformed, bad-domain,
    future, ancient.

    Raises:
        MalformedRequest: it is no JSON list, or too long a one.
    """
    return gather(entries(events), lambda item: _read(item, window))


def _read(item: dict[str, Any], window: Window) -> MailEvent | None:
    name = text(item, "event")
    if not name and not text(item, "type"):  # the lists' changes have a `type` in its place
        raise Unfit("malformed", "event is missing")
    kind = _KINDS.get(name)
    message = part(item, "msg") if kind else {}
    sender = text(message, "sender")
    if kind is None or sender.lower() == _SAMPLE:
        return None
    identity = text(item, "_id", 200) or text(message, "_id", 200)
    if not identity:
        raise Unfit("malformed", "_id is missing")
    domain = address_domain(sender)
    if not domain:
        raise Unfit("bad-domain", "msg.sender names no sending domain in ASCII")
    at = instant("ts", item.get("ts"), window)
    sent_at = at if message.get("ts") is None else instant("msg.ts", message.get("ts"), window)
    return MailEvent(
        id=f"{identity}:{name}:{_told_apart(item, message)}",
        kind=kind,
        domain=domain,
        at=at,
        sent_at=min(sent_at, at),
        provider=provider(text(message, "email")),
        message_id=identity,
        detail=name.partition("_")[0] if kind is EventKind.BOUNCED else "",
    )


def _told_apart(item: dict[str, Any], message: dict[str, Any]) -> str:
    """When, and for a bounce also what the other server said: a message may bounce softly several times."""
    diagnosis = message.get("diag")
    said = diagnosis[:_LONGEST_DIAGNOSIS] if isinstance(diagnosis, str) else ""
    return f"{item.get('ts')}:{digest(said)[:12]}" if said else f"{item.get('ts')}"
