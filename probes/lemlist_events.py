"""What lemlist tells of one mail, as `MailEvent`s. Pure.

Sources, read 2026-11-22: lemlist's OpenAPI document (POST /hooks, the activities of GET /activities, which webhooks
resemble) and developer.lemlist.com. There is no event for complaints. `secret` in the body is the proof of origin.
"""

import hmac
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from probes.event_parts import Unfit, collect, domain_of, fingerprint, items_of, moment, provider, shaped, text
from probes.observation import EventKind, ForgedRequest, MailEvent, Parsed, Window

_KINDS = {
    "emailsSent": EventKind.SENT,
    "emailsBounced": EventKind.BOUNCED,
    "emailsReplied": EventKind.REPLIED,
    "emailsUnsubscribed": EventKind.UNSUBSCRIBED,
}


class Sender(NamedTuple):
    """Whom an activity names as its sender, where it gives no address: a user, his mailbox, the campaign."""

    user: str
    mailbox: str
    campaign: str


class _Activity(msgspec.Struct, rename="camel"):
    """What is read of an activity."""

    id: str = msgspec.field(name="_id")
    created_at: Any = None
    related_sent_at: Any = None
    campaign_id: str | None = None
    lead_id: str | None = None
    lead_email: str | None = None
    send_user_id: str | None = None
    send_user_mailbox_id: str | None = None
    send_user_email: str | None = None
    sequence_step: Any = None
    step_id: str | None = None
    bot: bool | None = None

    @property
    def sender(self) -> Sender:
        return Sender(self.send_user_id or "", self.send_user_mailbox_id or "", self.campaign_id or "")


def verify(body: bytes, secret: str) -> None:
    """Nothing when every activity in the body carries the secret, compared in constant time.

    Raises:
        ForgedRequest: one does not.
        MalformedRequest: the body is not JSON.
    """
    for item in items_of(body, "lemlist"):
        given = item.get("secret") if isinstance(item, dict) else None
        offered = given if isinstance(given, str) else ""
        if not hmac.compare_digest(secret.encode(), offered.encode(errors="surrogatepass")):
            raise ForgedRequest("`secret` in the body is missing, or not the one that is expected")


def parse_events(body: bytes, window: Window, senders: Mapping[Sender, str] | None = None) -> Parsed:
    """The event in one request, and what was wrong with it.

    `senders` are the addresses of those who send, for activities that name none: see `missing_senders`. Opens, clicks,
    other channels, what a machine did (`bot`) and types that are not known are passed over.
    Codes: malformed, no-sender, bad-domain, future, ancient.

    Raises:
        MalformedRequest: the body is not JSON.
    """
    known = senders or {}
    return collect(items_of(body, "lemlist"), lambda _, item: _read(item, window, known))


def missing_senders(body: bytes) -> tuple[Sender, ...]:
    """The senders that mail events in the body do not give the address of. Raises MalformedRequest."""
    missing: dict[Sender, None] = {}
    for item in items_of(body, "lemlist"):
        try:
            kind, activity = _activity(item)
        except Unfit:
            continue
        if kind is not None and not activity.send_user_email and activity.sender.user:
            missing[activity.sender] = None
    return tuple(missing)


def _activity(item: Any) -> tuple[EventKind | None, _Activity]:
    if not isinstance(item, dict) or not isinstance(item.get("type"), str):
        raise Unfit("malformed", "an activity is an object with a type")
    kind = _KINDS.get(item["type"])
    if kind is None:
        return None, _Activity("")
    activity = shaped(item, _Activity)
    return (None if activity.bot else kind), activity


def _read(item: Any, window: Window, senders: Mapping[Sender, str]) -> Iterator[MailEvent]:
    kind, activity = _activity(item)
    if kind is None:
        return
    at = moment("createdAt", activity.created_at, window)
    yield MailEvent(
        id=text("_id", activity.id),
        kind=kind,
        domain=_domain(activity, senders),
        at=at,
        sent_at=_sent_at(kind, activity, at, window),
        provider=provider(activity.lead_email or ""),
        message_id=_message(activity),
    )


def _domain(activity: _Activity, senders: Mapping[Sender, str]) -> str:
    address = activity.send_user_email or senders.get(activity.sender, "")
    if not address:
        raise Unfit("no-sender", "neither sendUserEmail nor sendUserId leads to the one mailbox this is about")
    domain = domain_of(address)
    if not domain:
        raise Unfit("bad-domain", "the sender's address is none in ASCII")
    return domain


def _sent_at(kind: EventKind, activity: _Activity, at: datetime, window: Window) -> datetime:
    """When the mail was sent: `relatedSentAt`, where it is told; else the event's own time."""
    if kind is EventKind.SENT or activity.related_sent_at is None:
        return at
    return min(moment("relatedSentAt", activity.related_sent_at, window), at)


def _message(activity: _Activity) -> str:
    """The same for all events of one mail: campaign, lead and step; "" where one of them is not told."""
    # The step's own id outlives a new order of the steps, but not every activity has it, so its place is what counts.
    step = str(activity.sequence_step) if type(activity.sequence_step) in (int, float) else ""
    parts = (activity.campaign_id, activity.lead_id, step)
    return fingerprint(*(part or "" for part in parts)) if all(parts) else ""
