"""What Instantly tells of one mail, as `MailEvent`s. Pure.

Source: developer.instantly.ai/webhook-events, read 2026-11-22. There is no event for complaints, no id of an event and
no time of sending: the id is a fingerprint of what tells an event from all others, `sent_at` is the event's own time,
and `message_id` is made of campaign, lead, mailbox and step, which the events of one mail share.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from probes.event_parts import Unfit, collect, domain_of, fingerprint, items_of, moment, provider, shaped
from probes.observation import EventKind, MailEvent, Parsed, Window

_KINDS = {
    "email_sent": EventKind.SENT,
    "email_bounced": EventKind.BOUNCED,
    "lead_unsubscribed": EventKind.UNSUBSCRIBED,
    # `auto_reply_received` is not among them: a machine answered, nobody was pleased.
    "reply_received": EventKind.REPLIED,
}


class _Event(msgspec.Struct):
    """Members of a lead's own data stand beside these, under any name: whatever is not named here is passed over."""

    timestamp: Any = None
    workspace: str | None = None
    campaign_id: str | None = None
    lead_email: str | None = None
    email_account: str | None = None
    email_id: str | None = None
    step: Any = None
    variant: Any = None


def parse_events(body: bytes, window: Window) -> Parsed:
    """The event in one request (or a list of them, as when they are replayed), and what was wrong with it.

    Opens, clicks, labels and types that are not known are no mail events for us and are passed over.
    Codes: malformed, no-sender, bad-domain, future, ancient.

    Raises:
        MalformedRequest: the body is not JSON.
    """
    return collect(items_of(body, "Instantly"), lambda _, item: _read(item, window))


def _read(item: Any, window: Window) -> Iterator[MailEvent]:
    if not isinstance(item, dict) or not isinstance(item.get("event_type"), str):
        raise Unfit("malformed", "an event is an object with an event_type")
    kind = _KINDS.get(item["event_type"])
    if kind is None:
        return
    event = shaped(item, _Event)
    at = moment("timestamp", event.timestamp, window)
    yield MailEvent(
        id=_identity(kind, event),
        kind=kind,
        domain=_sender(event),
        at=at,
        sent_at=at,
        provider=provider(event.lead_email or ""),
        message_id=_message(event),
    )


def _sender(event: _Event) -> str:
    if not event.email_account:
        raise Unfit("no-sender", "email_account is missing: Instantly does not say which mailbox this is about")
    domain = domain_of(event.email_account)
    if not domain:
        raise Unfit("bad-domain", "email_account is not an address in ASCII")
    return domain


def _identity(kind: EventKind, event: _Event) -> str:
    """The same for a delivery that is repeated, and for one event told to two webhooks."""
    who = (event.workspace, event.campaign_id, event.lead_email, event.email_account, event.email_id)
    place = (event.step, event.variant, event.timestamp)
    return fingerprint(kind, *(part or "" for part in who), *map(_plain, place))


def _message(event: _Event) -> str:
    """The same for all events of one mail; "" where Instantly does not tell which mail it was."""
    step = _plain(event.step)
    if not (event.campaign_id and event.lead_email and step):
        return ""
    return fingerprint(event.campaign_id, event.lead_email.lower(), (event.email_account or "").lower(), step)


def _plain(value: Any) -> str:
    """A number or text as text; "" for what is neither."""
    return str(value)[:100] if type(value) in (int, float, str) else ""
