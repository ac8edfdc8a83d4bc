"""What Mandrill (Mailchimp Transactional) tells of one message, as `MailEvent`s. Pure.

Source, read 2026-11-22: mandrill.zendesk.com "Webhook Format": one parameter, `mandrill_events`, a JSON list of up to
1000 events. Mandrill names the message, not the event, so an event's id is made of what identifies it.
"""

from collections.abc import Iterator
from typing import Any

from probes.event_parts import (
    as_object,
    collect,
    fingerprint,
    list_of,
    moment,
    part,
    provider,
    sending_domain,
    text,
    text_of,
)
from probes.observation import EventKind, MailEvent, Parsed, Window

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
    return collect(list_of(events, "Mandrill"), lambda _, item: _read(as_object(item), window))


def _read(item: dict[str, Any], window: Window) -> Iterator[MailEvent]:
    # The lists' changes have a `type` in the place of `event`.
    name = text("event", item.get("event"), needed=not text_of(item, "type"))
    kind = _KINDS.get(name)
    message = part(item, "msg") if kind else {}
    sender = text_of(message, "sender")
    if kind is None or sender.lower() == _SAMPLE:
        return
    identity = text("_id", item.get("_id") or message.get("_id"), longest=200)
    domain = sending_domain(sender)
    at = moment("ts", item.get("ts"), window)
    sent_at = at if message.get("ts") is None else moment("msg.ts", message.get("ts"), window)
    yield MailEvent(
        id=f"{identity}:{name}:{_told_apart(item, message)}",
        kind=kind,
        domain=domain,
        at=at,
        sent_at=min(sent_at, at),
        provider=provider(text_of(message, "email")),
        message_id=identity,
        detail=name.partition("_")[0] if kind is EventKind.BOUNCED else "",
    )


def _told_apart(item: dict[str, Any], message: dict[str, Any]) -> str:
    """When, and for a bounce also what the other server said: a message may bounce softly several times."""
    diagnosis = message.get("diag")
    said = diagnosis[:_LONGEST_DIAGNOSIS] if isinstance(diagnosis, str) else ""
    return f"{item.get('ts')}:{fingerprint(said)[:12]}" if said else f"{item.get('ts')}"
