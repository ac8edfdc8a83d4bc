"""What Resend tells of one message, as `MailEvent`s. Pure.

Sources: Resend's OpenAPI description (github.com/resend/resend-openapi, `webhooks`) and resend.com/docs/webhooks, read
2026-11-22. A request holds one event, `{"type": "email.bounced", "created_at": ..., "data": {...}}`; a list is read
too.

The event's identity is the `svix-id` header: a delivery that is tried again carries the same one. A message to several
recipients is one event of Resend and one of ours for each of them; there the id is made of message, type and recipient
instead, so that it also stays right should each recipient's fate be told with the whole list.
"""

from collections.abc import Iterator
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

_KINDS = {
    "email.sent": EventKind.SENT,
    "email.delivered": EventKind.DELIVERED,
    "email.bounced": EventKind.BOUNCED,
    "email.complained": EventKind.COMPLAINED,
}
# Resend did not try to send to these, and counts them apart. They come as `email.suppressed`, once as bounces.
_SUPPRESSED = frozenset({"Suppressed", "OnAccountSuppressionList"})


class _Head(msgspec.Struct):
    type: str
    created_at: str | None = None
    data: Any = None


class _Bounce(msgspec.Struct, rename="camel"):
    type: str | None = None
    sub_type: str | None = None
    message: str | None = None


class _Data(msgspec.Struct):
    email_id: str
    from_: str = msgspec.field(name="from")
    to: tuple[str, ...] | str
    created_at: str | None = None
    bounce: _Bounce | None = None


def parse_events(body: bytes, window: Window, delivery_id: str = "") -> Parsed:
    """The events in one request, whose `svix-id` is `delivery_id`; opens, clicks, contacts and so on are passed over.

    Codes: malformed, bad-domain, future, ancient.

    Raises:
        MalformedRequest: the body is not JSON, or neither an object nor a list of at most MAX_EVENTS.
    """
    items = items_of(body, "Resend")

    def read(index: int, item: Any) -> Iterator[MailEvent]:
        return _read(item, window, f"{delivery_id}:{index}" if delivery_id and len(items) > 1 else delivery_id)

    return collect(items, read)


def _read(item: Any, window: Window, delivery_id: str) -> Iterator[MailEvent]:
    head = shaped(item, _Head)
    kind = _KINDS.get(head.type)
    if kind is None:
        return
    data = shaped(head.data, _Data)
    detail = _severity(data.bounce or _Bounce()) if kind is EventKind.BOUNCED else ""
    if detail is None:
        return
    at = moment("created_at", head.created_at, window)
    # The clocks of two machines: Resend's own samples were sent some milliseconds before they were created.
    sent_at = at if data.created_at is None else min(at, moment("data.created_at", data.created_at, window))
    domain = sending_domain(data.from_)
    message = text("email_id", data.email_id)
    for event_id, whose in _told_of(kind, detail, message, data.to, delivery_id):
        yield MailEvent(event_id, kind, domain, at, sent_at, whose, message, detail)


def _severity(bounce: _Bounce) -> str | None:
    """`hard` or `soft`; None when it was held back by Resend. Payloads of 2023 told a message and nothing else."""
    if bounce.sub_type in _SUPPRESSED or bounce.type in _SUPPRESSED:
        return None
    if bounce.type is None:
        # "Occurs whenever the recipient's mail server permanently rejected the email" (email.bounced).
        return None if "has suppressed" in (bounce.message or "") else "hard"
    return "hard" if bounce.type == "Permanent" else "soft"


def _told_of(
    kind: EventKind, detail: str, message: str, to: tuple[str, ...] | str, delivery_id: str
) -> Iterator[tuple[str, str]]:
    """The id and the provider of each event: one a recipient, but a single one for a complaint.

    A complaint is one person's, and does not tell whose when several are listed.
    """
    listed = (to,) if isinstance(to, str) else to
    who = list(dict.fromkeys(address_of(address) for address in listed))
    providers = [provider(address) for address in who]
    what = f"{kind}-{detail}" if detail else str(kind)
    if kind is EventKind.COMPLAINED or len(who) <= 1:
        same = providers[0] if len(set(providers)) == 1 else ""
        yield delivery_id or f"{what}:{fingerprint(message, *who)}", same
        return
    for address, whose in zip(who, providers, strict=True):
        yield f"{what}:{fingerprint(message, address)}", whose
