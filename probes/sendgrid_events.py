"""What SendGrid tells of one message, as `MailEvent`s. Pure.

Source, read 2026-11-22: twilio.com/docs/sendgrid/for-developers/tracking-events/event (Event Webhook Reference). An
event names the recipient and the message, but not the sender: see `Naming`. The time of sending is not told either;
`sent_at` is the event's own time, and the cohort is found by `message_id`, which all events of a message share.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from probes.event_parts import (
    Unfit,
    as_object,
    collect,
    fingerprint,
    host_name,
    list_of,
    moment,
    provider,
    text,
    text_of,
)
from probes.observation import EventKind, MailEvent, Parsed, Window

_KINDS = {
    "processed": EventKind.SENT,
    "delivered": EventKind.DELIVERED,
    "bounce": EventKind.BOUNCED,
    "blocked": EventKind.BOUNCED,
    "spamreport": EventKind.COMPLAINED,
    "unsubscribe": EventKind.UNSUBSCRIBED,
    "group_unsubscribe": EventKind.UNSUBSCRIBED,
}
# The recipient in the samples that the button "Test Your Integration" sends: nobody's mail.
_SAMPLE = "example@test.com"

RESERVED = frozenset(
    {
        *("email", "timestamp", "event", "category", "sg_event_id", "sg_message_id", "smtp-id", "type", "status"),
        *("reason", "response", "attempt", "ip", "tls", "useragent", "url", "asm_group_id", "bounce_classification"),
    }
)
"""Names of SendGrid's own fields, which a unique argument cannot have."""


@dataclass(frozen=True, slots=True)
class Naming:
    """How the sending domain of an event is found; the first of these that names one holds.

    The unique argument `argument`; a category that begins with `category_prefix` (unless that is ""); `domain`, for
    an account or subuser that sends for one domain alone.
    """

    domain: str = ""
    argument: str = "sending_domain"
    category_prefix: str = ""


def parse_events(body: bytes, window: Window, naming: Naming) -> Parsed:
    """The good events of a request and what was wrong with the others, by index.

    `deferred` (SendGrid tries again) and `dropped` (it never tried) are no events here; neither are opens, clicks and
    types that are not known. Codes: malformed, bad-domain, future, ancient.

    Raises:
        MalformedRequest: the body is no JSON list, or too long a one.
    """
    return collect(list_of(body, "SendGrid"), lambda _, item: _read(as_object(item), window, naming))


def _read(item: dict[str, Any], window: Window, naming: Naming) -> Iterator[MailEvent]:
    name, address = text("event", item.get("event")), text_of(item, "email")
    kind = _KINDS.get(name)
    if kind is None or address.lower() == _SAMPLE:
        return
    at = moment("timestamp", item.get("timestamp"), window)
    message = text_of(item, "sg_message_id")
    yield MailEvent(
        id=text_of(item, "sg_event_id", 200)
        or fingerprint(name, address, at.isoformat(), message, text_of(item, "smtp-id")),
        kind=kind,
        domain=_domain(item, naming),
        at=at,
        sent_at=at,
        provider=provider(address),
        message_id=message,
        detail=_hardness(item) if kind is EventKind.BOUNCED else "",
    )


def _hardness(item: dict[str, Any]) -> str:
    """`bounce` is for ever: SendGrid suppresses the address. `blocked` and `expired` are about this one message."""
    kind = text_of(item, "type")
    if kind:
        return "hard" if kind == "bounce" else "soft"
    return "hard" if text_of(item, "event") == "bounce" and text_of(item, "status").startswith("5") else "soft"


def _domain(item: dict[str, Any], naming: Naming) -> str:
    named = text_of(item, naming.argument) or _from_category(item.get("category"), naming.category_prefix)
    domain = host_name(named or naming.domain)
    if domain:
        return domain
    if named:
        raise Unfit("bad-domain", "what names the sending domain is not a host name of letters, digits and hyphens")
    wanted = f"neither the unique argument {naming.argument!r}"
    wanted += f" nor a category {naming.category_prefix}DOMAIN" if naming.category_prefix else ""
    raise Unfit("bad-domain", f"{wanted} names the sending domain, and the account has no `domain`")


def _from_category(category: object, prefix: str) -> str:
    """What follows `prefix` in the first category that has it: one category comes as text, several as a list."""
    names = category if isinstance(category, list) else [category]
    found = (name for name in names if prefix and isinstance(name, str) and name.startswith(prefix))
    return next(found, "").removeprefix(prefix)
