"""What is made of one report: whether it counts, as what, and why or why not. Pure."""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

from probes import arf, authentication_days
from probes.aggregate_report import Aggregate
from probes.attribution import Attribution, Own, attribute
from probes.mail_authentication import Authentication
from probes.mail_report import Kind, Report
from probes.observation import EventKind, MailEvent, Observation, Parsed, Reject, Window
from probes.provider import OTHER, provider_of
from probes.reporters import Reporter, believed

GIVE_UP = timedelta(days=3)
"""How long a mail whose signer's name servers do not answer is asked about again."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Who else is believed, and what one's own mail is known by."""

    reporters: tuple[Reporter, ...] = ()
    own: Own = field(default_factory=Own)


class CountsAs(StrEnum):
    """What a report adds one to."""

    COMPLAINT = "complaint"
    UNSUBSCRIBE = "unsubscribe"
    HARD_BOUNCE = "hard-bounce"
    SOFT_BOUNCE = "soft-bounce"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is made of one report, and why.

    `counts_as` is None when it is not counted; `means` is what it would count as if it were authentic and mapped.
    `code` is counted, or why not: unmapped, unwatched, unauthenticated, unbelieved, undecided (DNS could not be asked;
    read it again later), no-complaint, aggregate, or a fault: not-a-report, malformed, too-large, too-deep,
    too-many-parts, bomb, doctype, ancient. `looks` are the numbers of a DMARC or TLS report, which count for nothing.
    """

    report: Report
    attribution: Attribution
    authentication: Authentication
    reporter: str
    means: CountsAs | None
    counts_as: CountsAs | None
    code: str
    why: str
    events: tuple[MailEvent, ...] = ()
    looks: tuple[Observation, ...] = ()

    @property
    def parsed(self) -> Parsed:
        """For the store: events, or the one line that this mail costs. What is no complaint costs nothing."""
        # Every reporter writes every day, and about every domain that names this mailbox in its DMARC record.
        elsewhere = self.code == "unwatched" and self.report.aggregate is not None
        if self.events or elsewhere or self.code in ("no-complaint", "aggregate", "undecided"):
            return Parsed(self.events)
        return Parsed(rejects=(Reject(0, self.code, self.why),))


def judge(
    report: Report,
    proof: Authentication,
    window: Window,
    rules: Rules,
    watched: Collection[str] | None = None,
) -> Verdict:
    """What is made of a report whose writer is proven or not. Pure."""
    found = _attributed(report, rules, watched)
    means, code, why = _meaning(report)
    feed: Literal["arf", "dsn"] = "dsn" if report.kind is Kind.DSN else "arf"
    known = believed(report.reporter, proof.domain, feed, rules.reporters) if proof else None
    name = known.name if known else ""
    verdict = Verdict(report, found, proof, name, means, None, code, why)
    if report.aggregate is not None:
        return _of_aggregate(verdict, report.aggregate, window, watched)
    if means is None:
        return verdict
    if not found.domain:
        return _uncounted(verdict, "unmapped", "nothing in it names the domain it is about")
    if found.watched is False:
        return _uncounted(verdict, "unwatched", f"it is about {found.domain}, which is not configured")
    if not proof:
        return _unproven(verdict, window)
    # Everybody may unsubscribe himself; to report others one has to be known.
    if known is None and report.shape != "unsubscribe":
        return _uncounted(verdict, "unbelieved", f"{report.reporter} is authentic, and no known reporter of this")
    return _counted(verdict, known, window)


def _unproven(verdict: Verdict, window: Window) -> Verdict:
    report, proof = verdict.report, verdict.authentication
    late = report.reported_at is not None and report.reported_at < window.now - GIVE_UP
    again = proof.again and not late
    return _uncounted(verdict, "undecided" if again else "unauthenticated", f"not authenticated: {proof.why}")


def _of_aggregate(verdict: Verdict, told: Aggregate, window: Window, watched: Collection[str] | None) -> Verdict:
    """Every mail server may report, so its numbers are kept under its author's name, and nothing is decided by them."""
    found, author = verdict.attribution, verdict.report.reporter
    if not found.domain:
        return _uncounted(verdict, "malformed", "it does not name the domain whose policy it is about")
    if found.watched is False:
        return _uncounted(verdict, "unwatched", f"it is about {found.domain}, which is not configured")
    if not verdict.authentication:
        return _unproven(verdict, window)
    domain = author.rpartition("@")[2]
    if provider_of(domain) != OTHER:
        return _uncounted(verdict, "unbelieved", f"anybody can have an address like {author}")
    fault = authentication_days.fault(told, window)
    if fault:
        return _uncounted(verdict, *fault)
    looks = authentication_days.looks(told, domain, watched, window.now)
    return replace(verdict, looks=looks, why=f"{verdict.authentication.by}; {verdict.why}")


def _attributed(report: Report, rules: Rules, watched: Collection[str] | None) -> Attribution:
    if report.aggregate is not None:
        domain = report.aggregate.domain
        known = None if watched is None else bool(authentication_days.targets(report.aggregate, watched))
        return Attribution(domain, "policy-domain" if domain else "", known)
    if report.kind is Kind.UNKNOWN:
        return Attribution()
    to = report.to if report.shape == "unsubscribe" or report.kind is Kind.DSN else ""
    return attribute(report.original, report.fields, to, own=rules.own, watched=watched)


def _meaning(report: Report) -> tuple[CountsAs | None, str, str]:
    """What the report would count as; else a code and why it never counts."""
    if report.code:
        return None, report.code, report.reason
    if report.aggregate is not None:
        return None, "aggregate", f"a report on authentication ({report.kind}): it tells of no recipient's complaint"
    if report.kind is Kind.DSN:
        bounces = [one.bounce for one in report.recipients]
        if "hard" in bounces:
            return CountsAs.HARD_BOUNCE, "", ""
        if "soft" in bounces:
            return CountsAs.SOFT_BOUNCE, "", ""
        if report.type == "failed":
            return None, "malformed", "a failed delivery without a status, so neither hard nor soft"
        return None, "no-complaint", f"{report.type}: nothing has bounced"
    if report.type == "opt-out":
        return CountsAs.UNSUBSCRIBE, "", ""
    if report.type in arf.COMPLAINTS:
        return CountsAs.COMPLAINT, "", ""
    words = {"not-spam": "the recipient says that it is no spam", "auth-failure": "it tells of failed authentication"}
    return None, "no-complaint", f"{report.type}: {words[report.type]}"


def too_large(verdict: Verdict) -> Verdict:
    """The verdict on a mail of which only the beginning was read: it counts if that was enough."""
    if verdict.counts_as is not None or verdict.code in ("no-complaint", "aggregate"):
        return verdict
    return _uncounted(verdict, "too-large", f"too large to be read whole; {verdict.why}")


def _uncounted(verdict: Verdict, code: str, why: str) -> Verdict:
    return replace(verdict, code=code, why=why)


def _counted(verdict: Verdict, known: Reporter | None, window: Window) -> Verdict:
    report = verdict.report
    # A copy that comes on another day must have the same time, or it would be another event: the store knows events
    # by their id and their day.
    told = (report.reported_at, report.arrived_at, report.sent_at)
    at = next((one for one in told if one and one <= window.now), window.now)
    sent_at = min(report.sent_at or report.arrived_at or at, at)
    fault = window.fault(at) or window.fault(sent_at)
    if fault:
        return _uncounted(verdict, "ancient", fault)
    events = tuple(_events(verdict, known.provider if known else "", at, sent_at))
    why = f"{verdict.authentication.by}; {verdict.reporter or 'the recipient himself'}"
    return replace(verdict, counts_as=verdict.means, code="counted", why=why, events=events)


def _events(verdict: Verdict, provider: str, at: datetime, sent_at: datetime) -> list[MailEvent]:
    """One event for a complaint, however many recipients it names: one person complained. One for each bounce."""
    report, domain = verdict.report, verdict.attribution.domain
    if report.kind is not Kind.DSN:
        kind = EventKind.COMPLAINED if verdict.means is CountsAs.COMPLAINT else EventKind.UNSUBSCRIBED
        detail = report.type if kind is EventKind.COMPLAINED else ""
        from_whom = next((provider_of(one.rpartition("@")[2]) for one in report.complainers), "")
        provider = from_whom if from_whom not in ("", OTHER) else provider or from_whom
        return [MailEvent(_id(report), kind, domain, at, sent_at, provider, report.message_id, detail)]
    return [
        MailEvent(
            _id(report, f"{one.address} {one.status} {number if not one.address else ''}"),
            EventKind.BOUNCED,
            domain,
            at,
            sent_at,
            provider_of(one.address.rpartition("@")[2]),
            report.message_id,
            one.bounce,
        )
        for number, one in enumerate(report.recipients)
        if one.bounce
    ]


def _id(report: Report, which: str = "") -> str:
    """The same for every copy of one report, and for two reports of one recipient about one message."""
    if report.message_id and report.complainers and not report.redacted:
        parts = (report.message_id, report.type, *sorted(report.complainers))
    else:
        parts = (report.identity,)
    text = "\n".join((report.kind, *parts, which))
    return f"fm_{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:40]}"
