"""What lemlist's API says of mailboxes, their mail and their warm-up, in our words. Pure.

Source: lemlist's OpenAPI document, read 2026-11-22: GET /team, /team/senders, /users/{id}, /campaigns/{id},
/v2/campaigns/{id}/stats, /lemwarm/{mailbox}/settings. Mail is counted by campaign and sender, so a domain's day is the
sum over the campaigns of its mailboxes.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

import msgspec

from probes.daily_numbers import Days, add, count, readings
from probes.outreach_looks import Mailbox, health, watched

# A draft was never sent; whatever else becomes of a campaign, it may have been sent on one of the days.
_NEVER_SENT = frozenset({"draft"})
_MAIL = "email"
_NUMBERS = {
    "sent": ("messagesSent",),
    "delivered": ("delivered",),
    "bounced": ("messagesBounced",),
    "replied": ("replied",),
    "unsubscribed": ("nbLeadsUnsubscribed",),
    "positive_replies": ("nbLeadsInterested",),
    "meetings": ("meetingBooked",),
}


class Team(msgspec.Struct, rename="camel"):
    """Who belongs to the team."""

    user_ids: list[str] = []


class Campaign(msgspec.Struct, rename="camel"):
    """A campaign of a sender. Without channels it may well send mail."""

    id: str = msgspec.field(name="_id")
    status: str = ""
    sending_channels: list[str] | None = None

    @property
    def counts(self) -> bool:
        """Whether mail may have been sent by it."""
        channels = self.sending_channels
        return self.status not in _NEVER_SENT and (channels is None or _MAIL in channels)


class Senders(msgspec.Struct, rename="camel"):
    """A user, and the campaigns that he sends for."""

    user_id: str
    campaigns: list[Campaign] = []


class _Limit(msgspec.Struct, rename="camel"):
    email_limit: Any = None


class UserMailbox(msgspec.Struct):
    """A mailbox of a user."""

    id: str = msgspec.field(name="_id")
    email: str | None = None
    status: str | None = None
    lemlist: _Limit | None = None


class User(msgspec.Struct):
    """A user of the team."""

    id: str = msgspec.field(name="_id", default="")
    mailboxes: list[UserMailbox] = []


class _CampaignSender(msgspec.Struct, rename="camel"):
    id: str = ""
    email: str | None = None
    send_user_mailbox_id: str | None = None


class CampaignSenders(msgspec.Struct):
    """Which mailbox each user sends a campaign with."""

    senders: list[_CampaignSender] = []

    def address(self, user: str) -> str:
        """The address that a user sends this campaign from; "" where that is not one."""
        addresses = {sender.email for sender in self.senders if sender.id == user and sender.email}
        return addresses.pop() if len(addresses) == 1 else ""


class _Deliverability(msgspec.Struct):
    score: Any = None


class Lemwarm(msgspec.Struct):
    """The warm-up of a mailbox."""

    deliverability: _Deliverability | None = None

    @property
    def health(self) -> float | None:
        return health(self.deliverability.score) if self.deliverability else None


class Cell(NamedTuple):
    """The smallest question about mail: what one sender sent for one campaign on one day."""

    campaign: str
    user: str
    email: str
    day: date

    def query(self) -> list[tuple[str, str]]:
        """The question as lemlist wants it. Mail only: a campaign writes to LinkedIn and WhatsApp too."""
        return [
            ("startDate", f"{self.day.isoformat()}T00:00:00.000Z"),
            ("endDate", f"{self.day.isoformat()}T23:59:59.999Z"),
            ("sendUser", f"{self.user}|{self.email}"),
            ("channels", '["email"]'),
        ]


class Account(NamedTuple):
    """An account as its lists have it: mailboxes by user, and the campaigns that each user sends for."""

    mailboxes: Mapping[str, Sequence[Mailbox]]
    campaigns: Mapping[str, Sequence[str]]

    def all_mailboxes(self) -> list[Mailbox]:
        """Each once, though two users may share it."""
        return list({one.id: one for some in self.mailboxes.values() for one in some}.values())

    def cells(self, domain: str, domains: Iterable[str], days: Sequence[date]) -> Iterator[Cell]:
        """What has to be known of a domain, newest day first."""
        known = frozenset(domains)
        for day in reversed(days):
            for user, mailboxes in self.mailboxes.items():
                for mailbox in mailboxes:
                    if watched(mailbox.domain, known) == domain:
                        yield from (Cell(name, user, mailbox.email, day) for name in self.campaigns.get(user, ()))


def mailboxes(user: User) -> list[Mailbox]:
    """A user's mailboxes in our words. lemlist cannot pause one, so nothing is said of pauses."""
    return [
        Mailbox(
            id=one.id,
            email=one.email.lower(),
            unable=None if one.status is None else one.status != "CONNECTED",
            daily_limit=count(one.lemlist.email_limit) if one.lemlist else None,
        )
        for one in user.mailboxes
        if one.email
    ]


def address_of(user: User, mailbox: str) -> str:
    """The address of a mailbox of a user; without a mailbox, of his only one; "" where that is not clear."""
    addresses = [one.email for one in user.mailboxes if one.email and (not mailbox or one.id == mailbox)]
    return addresses[0] if len(addresses) == 1 else ""


def numbers(stats: Mapping[str, Any]) -> dict[str, int]:
    """What one cell tells; what it leaves out is not zero."""
    return readings(stats, _NUMBERS)


def rolled_up(cells: Mapping[Cell, Mapping[str, int] | None]) -> Days:
    """The days all of whose cells are known; None is one that is not, an empty one is of a campaign that is gone.

    A number that one cell lacks is left out of its day.
    """
    by_day: dict[date, list[Mapping[str, int] | None]] = {}
    for cell, told in cells.items():
        by_day.setdefault(cell.day, []).append(told)
    days: Days = {}
    for day, parts in by_day.items():
        known = [part for part in parts if part]
        if None in parts or not known:
            continue
        for name in known[0]:
            if all(name in part for part in known):
                add(days, day, {name: sum(part[name] for part in known)})
    return days
