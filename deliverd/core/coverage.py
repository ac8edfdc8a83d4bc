"""How much of a domain's mail goes to mailbox providers whose complaints anybody would tell us. Pure.

A domain without complaints is only as good as its coverage: where nobody tells, nobody complains. Mail of which it is
not known where it went is neither covered nor uncovered; with nothing else, the coverage is not known, and not 0.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Literal

from deliverd.core.rules import percent

DAYS = 28
"""Over how many days back the mail is looked at, besides today."""


@dataclass(frozen=True, slots=True)
class DayMail:
    """What was counted of a domain's mail of one UTC day to one mailbox provider ("" where it is not known)."""

    day: date
    provider: str
    sent: int
    delivered: int
    complained: int


Basis = Literal["sent", "delivered"]


def basis_of(mail: Iterable[DayMail]) -> Basis:
    """What mail is counted by: `delivered` where no sending was counted at all, as with platforms that tell of nothing
    before the delivery. The two are never mixed: some mail would be counted twice.
    """
    rows = list(mail)
    return "delivered" if any(row.delivered for row in rows) and not any(row.sent for row in rows) else "sent"


def volume(row: DayMail, basis: Basis) -> int:
    """Its messages."""
    return row.sent if basis == "sent" else row.delivered


class Feedback(StrEnum):
    """Whether somebody tells of the complaints at a provider.

    PERHAPS: a source would, if the provider's loop was joined for the domain, which cannot be seen before the first
    complaint. UNKNOWN: it is not known which provider it is.
    """

    TOLD = "told"
    PERHAPS = "perhaps"
    NONE = "none"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Speaker:
    """A source that answers, the providers whose complaints it tells, and those whose it tells perhaps."""

    source: str
    tells: frozenset[str]
    perhaps: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Share:
    """The mail to one provider, in messages, and which sources tell of complaints about it."""

    provider: str
    mail: int
    feedback: Feedback
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Coverage:
    """The mail of the last DAYS by provider, most first. `basis` is what it was counted by."""

    basis: Basis
    shares: tuple[Share, ...]

    @property
    def mail(self) -> int:
        """All of it, in messages."""
        return sum(share.mail for share in self.shares)

    @property
    def known(self) -> bool:
        """Whether it is known of any mail where it went."""
        return any(share.feedback is not Feedback.UNKNOWN for share in self.shares)

    def ratio(self, feedback: Feedback) -> float | None:
        """The share of all mail with that feedback, a ratio; None when nothing is known."""
        mine = sum(share.mail for share in self.shares if share.feedback is feedback)
        return mine / self.mail if self.known else None

    def sentence(self) -> str:
        """The coverage in words."""
        if not self.shares:
            return f"coverage is not known: no mail of the last {DAYS} days is counted"
        if not self.known:
            return f"coverage is not known: of no mail of the last {DAYS} days is it known where it went"
        parts = [f"{percent(self.ratio(one) or 0)} {_WORDS[one]}" for one in Feedback if self.ratio(one)]
        return f"of {self.mail:,} messages {self.basis} in {DAYS} days, {_listing(parts)}"


_WORDS = {
    Feedback.TOLD: "go to providers whose complaints are told",
    Feedback.PERHAPS: "go to providers whose complaints are told only if their loop was joined",
    Feedback.NONE: "go to providers that send no feedback",
    Feedback.UNKNOWN: "go to providers that are not known",
}


def coverage(mail: Sequence[DayMail], speakers: Sequence[Speaker]) -> Coverage:
    """How much of `mail` goes to providers that one of `speakers` tells of.

    A provider of which a complaint was counted has its loop joined: `perhaps` has become certain.
    """
    basis, volumes = basis_of(mail), dict[str, int]()
    for row in mail:
        volumes[row.provider] = volumes.get(row.provider, 0) + volume(row, basis)
    heard = frozenset(row.provider for row in mail if row.complained)
    shares = [_share(provider, count, speakers, heard) for provider, count in volumes.items() if count]
    return Coverage(basis, tuple(sorted(shares, key=lambda share: (-share.mail, share.provider))))


def _share(provider: str, mail: int, speakers: Sequence[Speaker], heard: frozenset[str]) -> Share:
    if not provider:
        return Share(provider, mail, Feedback.UNKNOWN, ())
    certain = [one.source for one in speakers if provider in one.tells | (one.perhaps & heard)]
    perhaps = [one.source for one in speakers if provider in one.perhaps]
    feedback = Feedback.TOLD if certain else Feedback.PERHAPS if perhaps else Feedback.NONE
    return Share(provider, mail, feedback, tuple(sorted(certain or perhaps)))


def _listing(parts: Sequence[str]) -> str:
    return ", ".join(parts[:-1]) + " and " * (len(parts) > 1) + parts[-1]
