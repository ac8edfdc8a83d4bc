"""The mailboxes of cold-outreach platforms and their numbers, rolled up to the domains that are watched. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from probes import daily_numbers
from probes.daily_numbers import Days
from probes.discovery import Found
from probes.event_parts import domain_of
from probes.observation import Observation, Reading, Unseen, Why


@dataclass(frozen=True, slots=True)
class Mailbox:
    """One mailbox of an account; None is what the platform does not tell.

    `unable`: it does not send although nobody paused it (no connection, an error, the platform's own break).
    `warmup_health` is the platform's own score, 0 to 100.
    """

    id: str
    email: str
    paused: bool | None = None
    unable: bool | None = None
    daily_limit: int | None = None
    warmup_health: float | None = None

    @property
    def domain(self) -> str:
        """Where it sends from; "" when its address is none."""
        return domain_of(self.email)


def health(value: Any) -> float | None:
    """A warm-up score from 0 to 100 as JSON may have it (87, 87.5, "87%"); None for anything else."""
    if isinstance(value, str):
        try:
            value = float(value.strip().removesuffix("%"))
        except ValueError:
            return None
    return float(value) if type(value) in (int, float) and 0 <= value <= 100 else None


def watched(domain: str, domains: Iterable[str]) -> str:
    """Which of `domains` a mailbox's domain counts with: itself, else the nearest parent; "" for none."""
    known = frozenset(domains)
    labels = domain.split(".")
    return next((name for name in (".".join(labels[start:]) for start in range(len(labels))) if name in known), "")


def by_domain(mailboxes: Iterable[Mailbox], domains: Sequence[str]) -> dict[str, list[Mailbox]]:
    """The mailboxes of each of `domains`, none of a domain that is not watched."""
    found: dict[str, list[Mailbox]] = {domain: [] for domain in domains}
    for mailbox in mailboxes:
        domain = watched(mailbox.domain, found)
        if domain:
            found[domain].append(mailbox)
    return found


def readings(mailboxes: Sequence[Mailbox]) -> dict[str, Reading]:
    """What is told of a domain's mailboxes. A sum that one of them is missing from is not told: it is no sum."""
    told: dict[str, Reading] = {"mailboxes": len(mailboxes)}
    for name, values in (
        ("mailboxes_paused", [one.paused for one in mailboxes]),
        ("mailboxes_unable", [one.unable for one in mailboxes]),
        ("daily_limit", [one.daily_limit for one in mailboxes]),
    ):
        known = [value for value in values if value is not None]
        if len(known) == len(values):
            told[name] = sum(known)
    scores = [one.warmup_health for one in mailboxes if one.warmup_health is not None]
    if scores:
        told |= {"warmup_mailboxes": len(scores), "warmup_health": sum(scores) / len(scores)}
        told["warmup_health_lowest"] = min(scores)
    return told


def looks(
    source: str,
    domain: str,
    mailboxes: Sequence[Mailbox],
    days: Days,
    now: datetime,
    more: Mapping[str, Reading] | None = None,
) -> tuple[Observation, ...]:
    """One look at the domain (part ""), and one at each day that is told of."""
    if not mailboxes:
        return daily_numbers.unseen(
            source, (domain,), now, Unseen(Why.NO_DATA, f"the account has no mailbox of {domain}")
        )
    return daily_numbers.looks(source, domain, now, days, {**readings(mailboxes), **(more or {})})


def found(mailboxes: Iterable[Mailbox]) -> tuple[Found, ...]:
    """The domains of an account with their mailboxes, by name.

    No levers: a mailbox that is added later has to be held back too, so the platform's own list is asked each time.
    """
    senders: dict[str, list[str]] = {}
    for mailbox in mailboxes:
        if mailbox.domain:
            senders.setdefault(mailbox.domain, []).append(mailbox.email)
    return tuple(Found(domain, tuple(sorted(emails))) for domain, emails in sorted(senders.items()))
