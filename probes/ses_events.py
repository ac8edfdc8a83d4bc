"""What Amazon SES tells of one message, as `MailEvent`s. Pure.

Sources, read 2026-11-22: docs.aws.amazon.com/ses/latest/dg/ event-publishing-retrieving-sns-contents.html (event
publishing, `eventType`) and notification-contents.html (identity notifications, `notificationType`). Both may be on
for the same mail, and SES may tell the same thing twice; the ids of the events are made so that the second one drops.
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import msgspec

from probes.observation import EventKind, MailEvent, MalformedRequest, Parsed, Reject, Window
from probes.provider import provider_of
from probes.sns import instant

# Told when SES is set up, not about mail. The first is plain text, the second is a record of its own.
_GREETING = "Successfully validated SNS topic"
_IGNORED = frozenset(
    {
        "AmazonSnsSubscriptionSucceeded",
        "Click",
        "DeliveryDelay",
        "Open",
        "Reject",
        "Rendering Failure",
        "RenderingFailure",
    }
)

# SES did not try to send to these; no mailbox provider saw a bounce or a complaint, and SES does not count them.
_SUPPRESSED = frozenset({"OnAccountSuppressionList", "OnTenantSuppressionList"})

# Feedback types (IANA MARF parameters) that are nobody's complaint: praise, and a machine's report on authentication.
_NO_COMPLAINT = frozenset({"not-spam", "auth-failure"})
_OPT_OUT = frozenset({"opt-out", "opt-out-list"})

_DOMAIN = re.compile(r"(?=.{1,253}\Z)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})+\Z")
_FEEDBACK_TYPE = re.compile(r"[a-z0-9-]{1,40}\Z")
_ID = re.compile(r"[!-~]{1,200}\Z")


class _Shape(msgspec.Struct, frozen=True, rename="camel"):
    """A JSON object of SES. Members not named here are ignored: SES "reserves the right to add additional fields"."""


class _Recipient(_Shape, frozen=True):
    email_address: str


class _CommonHeaders(_Shape, frozen=True):
    from_: tuple[str, ...] = msgspec.field(name="from", default=())


class _Mail(_Shape, frozen=True):
    timestamp: str
    message_id: str
    source: str = ""
    destination: tuple[str, ...] = ()
    common_headers: _CommonHeaders = _CommonHeaders()
    tags: dict[str, tuple[str, ...]] = {}


class _Bounce(_Shape, frozen=True):
    timestamp: str
    bounce_type: str
    bounced_recipients: tuple[_Recipient, ...]
    bounce_sub_type: str | None = None


class _Complaint(_Shape, frozen=True):
    timestamp: str
    complained_recipients: tuple[_Recipient, ...] = ()
    feedback_id: str = ""
    complaint_feedback_type: str | None = None
    complaint_sub_type: str | None = None


class _Delivery(_Shape, frozen=True):
    timestamp: str
    recipients: tuple[str, ...]


class _Topic(_Shape, frozen=True):
    topic_name: str
    subscription_status: str


class _Preferences(_Shape, frozen=True):
    unsubscribe_all: bool = False
    topic_subscription_status: tuple[_Topic, ...] = ()

    def left(self) -> set[str]:
        """What one is unsubscribed from: topic names, and "" for everything."""
        gone = {it.topic_name for it in self.topic_subscription_status if it.subscription_status == "OptOut"}
        return gone | {""} if self.unsubscribe_all else gone


class _Subscription(_Shape, frozen=True):
    timestamp: str
    new_topic_preferences: _Preferences
    old_topic_preferences: _Preferences = _Preferences()


class _Record(_Shape, frozen=True):
    event_type: str = ""
    notification_type: str = ""
    mail: _Mail | None = None
    bounce: _Bounce | None = None
    complaint: _Complaint | None = None
    delivery: _Delivery | None = None
    subscription: _Subscription | None = None


Part = TypeVar("Part")


@dataclass(frozen=True, slots=True)
class _Happening:
    """What a record tells: of each of `recipients`, or (`once`, a key to tell it from others) of all of them in one.

    `foreign_clock`: `at` is when a mailbox provider says it was, not SES.
    """

    kind: EventKind
    at: str
    recipients: tuple[str, ...]
    detail: str = ""
    once: str | None = None
    foreign_clock: bool = False


def parse_events(message: str, window: Window) -> Parsed:
    """The events in one message of SES, and what was wrong with it.

    Sends, deliveries and bounces give an event for each recipient. A complaint gives one, however many addresses it
    lists: most mailbox providers hide who complained, and SES then lists everybody at that provider. An event's domain
    is that of the visible From where SES tells it, else of the envelope; `Reject.index` counts recipients.

    Raises:
        MalformedRequest: it is not a record of SES.
    """
    if message.startswith(_GREETING):
        return Parsed()
    try:
        record = msgspec.json.decode(message, type=_Record)
    except (ValueError, RecursionError) as fault:
        raise MalformedRequest(f"not a record of SES: {fault}") from None
    name = record.event_type or record.notification_type
    if name in _IGNORED:
        return Parsed()
    if name not in _READERS:
        return Parsed(rejects=(Reject(0, "type", f"{name[:40]!r} is no event type of SES that is known here"),))
    if record.mail is None:
        raise MalformedRequest("not a record of SES: it has no `mail`")
    happening = _READERS[name](record, record.mail)
    return Parsed() if happening is None else _events(record.mail, happening, window)


def _send(record: _Record, mail: _Mail) -> _Happening:
    return _Happening(EventKind.SENT, mail.timestamp, mail.destination)


def _delivery(record: _Record, mail: _Mail) -> _Happening:
    told = _needed(record.delivery, "delivery")
    return _Happening(EventKind.DELIVERED, told.timestamp, told.recipients)


def _bounce(record: _Record, mail: _Mail) -> _Happening | None:
    told = _needed(record.bounce, "bounce")
    if told.bounce_sub_type in _SUPPRESSED:
        return None
    detail = "hard" if told.bounce_type == "Permanent" else "soft"
    who = _addresses(told.bounced_recipients)
    return _Happening(EventKind.BOUNCED, told.timestamp, who, detail, foreign_clock=True)


def _complaint(record: _Record, mail: _Mail) -> _Happening | None:
    told = _needed(record.complaint, "complaint")
    feedback = (told.complaint_feedback_type or "").lower()
    if told.complaint_sub_type in _SUPPRESSED or feedback in _NO_COMPLAINT:
        return None
    who = _addresses(told.complained_recipients)
    # One address: however often and by whichever way it is told, that person complained once about this message.
    once = who[0] if len(who) == 1 else told.feedback_id
    if feedback in _OPT_OUT:
        return _Happening(EventKind.UNSUBSCRIBED, told.timestamp, who, once=once, foreign_clock=True)
    detail = feedback if _FEEDBACK_TYPE.match(feedback) else ""
    return _Happening(EventKind.COMPLAINED, told.timestamp, who, detail, once, foreign_clock=True)


def _subscription(record: _Record, mail: _Mail) -> _Happening | None:
    told = _needed(record.subscription, "subscription")
    if told.new_topic_preferences.left() <= told.old_topic_preferences.left():
        return None
    return _Happening(EventKind.UNSUBSCRIBED, told.timestamp, mail.destination, once=" ".join(mail.destination))


_READERS: dict[str, Callable[[_Record, _Mail], _Happening | None]] = {
    "Send": _send,
    "Delivery": _delivery,
    "Bounce": _bounce,
    "Complaint": _complaint,
    "Subscription": _subscription,
}


def _needed(part: Part | None, name: str) -> Part:
    if part is None:
        raise MalformedRequest(f"not a record of SES: it has no `{name}`")
    return part


def _addresses(recipients: tuple[_Recipient, ...]) -> tuple[str, ...]:
    return tuple(recipient.email_address for recipient in recipients)


def _events(mail: _Mail, happening: _Happening, window: Window) -> Parsed:
    """The happening as events, or as a reject of the whole record."""
    if not _ID.match(mail.message_id):
        raise MalformedRequest("not a record of SES: `mail.messageId` is empty, too long or not plain text")
    at, sent_at = _instant(happening.at, "timestamp"), _instant(mail.timestamp, "mail.timestamp")
    if happening.foreign_clock and window.fault(at):
        at = window.now  # a complaint is not lost because a mailbox provider's clock is wrong
    if fault := window.fault(at) or window.fault(sent_at):
        return Parsed(rejects=(Reject(0, "time", fault),))
    domain = _sender_domain(mail)
    if not domain:
        return Parsed(rejects=(Reject(0, "domain", "neither From nor source names a sending domain in ASCII"),))
    if not happening.recipients and happening.once is None:
        return Parsed(rejects=(Reject(0, "recipient", "it names no recipient"),))
    events = (
        MailEvent(
            id=_event_id(mail.message_id, happening, key),
            kind=happening.kind,
            domain=domain,
            at=at,
            sent_at=sent_at,
            provider=provider_of(_domain(address)),
            message_id=mail.message_id,
            detail=happening.detail,
        )
        for key, address in _told_of(happening)
    )
    return Parsed(events=tuple(events))


def _told_of(happening: _Happening) -> Iterator[tuple[str, str]]:
    """For each event, what tells it from the others of its message, and an address at its mailbox provider."""
    if happening.once is not None:
        yield happening.once, happening.recipients[0] if happening.recipients else ""
    else:
        yield from ((address, address) for address in dict.fromkeys(happening.recipients))


def _event_id(message_id: str, happening: _Happening, key: str) -> str:
    """Message, what happened, and to whom: as a hash, for an id is shown where an address must not be."""
    what = f"{happening.kind}-{happening.detail}" if happening.kind is EventKind.BOUNCED else str(happening.kind)
    digest = hashlib.sha256(f"{message_id}\n{key.strip().lower()}".encode(errors="replace")).hexdigest()
    return f"{message_id}:{what}:{digest[:16]}"


def _instant(text: str, place: str) -> datetime:
    at = instant(text)
    if at is None:
        raise MalformedRequest(f"not a record of SES: `{place}` is not a time")
    return at


def _sender_domain(mail: _Mail) -> str:
    """The first that is a domain: of the From header, of the tag SES makes of it, of the envelope."""
    tags = mail.tags.get("ses:from-domain", ())
    return next(filter(None, map(_domain, (*mail.common_headers.from_, *tags, mail.source))), "")


def _domain(address: str) -> str:
    """The domain of `local@domain`, `Name <local@domain>` or `domain`, in lower case; "" where there is none.

    SES takes domains in ASCII only (Punycode): anything else is none.
    """
    inner = address.rpartition("<")[2].partition(">")[0]
    domain = inner.rpartition("@")[2].strip().rstrip(".").lower()
    return domain if _DOMAIN.match(domain) else ""
