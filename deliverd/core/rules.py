"""The rules a domain is judged by: each looks at one kind of evidence and returns the standing it calls for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from deliverd.model import Counts, Look, Standing
from deliverd.policy import AuthenticationRule, Policy, RateGuard, Watched
from probes.observation import Seen, Unseen, Why

AUTHENTICATION = ("spf", "dkim", "dmarc")
"""The sources whose failing means that mailbox providers can no longer tell the domain's mail from a forgery."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one rule calls for, why in words, and the numbers it stands on (rates are ratios, times ISO 8601 UTC)."""

    rule: str
    standing: Standing
    reason: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    observation_ids: tuple[int, ...] = ()


def percent(rate: float) -> str:
    """A ratio as people read it: 0.0017 is "0.17 %"."""
    return f"{rate * 100:.3g} %"


def complaints(policy: Policy, counts: Counts, since: datetime, now: datetime) -> Verdict:
    """The rolling observed-rate guard: complaints over sends of the cohorts since `since`, at or over a threshold.

    Both `>=`: a rate of exactly the threshold acts, and so does exactly the number of complaints it asks for.
    """
    guards = (
        (Standing.PAUSED, "pause", policy.pause),
        (Standing.THROTTLED, "throttle", policy.throttle),
        (Standing.WATCH, "watch", policy.watch),
    )
    for standing, name, guard in guards:
        if counts.complained >= guard.complaints and counts.complaint_rate >= guard.rate:
            verdict = _over(standing, name, guard, counts, since, now)
            return _of_unknown_mail(verdict) if counts.sent == 0 else verdict
    return Verdict("complaints", Standing.HEALTHY, _sentence(counts, since), _numbers(counts, since, now))


def _over(standing: Standing, name: str, guard: RateGuard, counts: Counts, since: datetime, now: datetime) -> Verdict:
    reason = (
        f"{_sentence(counts, since)}; the {name} threshold is {percent(guard.rate)} with at least {guard.complaints}"
    )
    evidence = _numbers(counts, since, now) | {
        "threshold": guard.rate,
        "complaints_needed": guard.complaints,
        "threshold_source": guard.source,
        "threshold_date": guard.date,
    }
    return Verdict(f"complaints-{name}", standing, reason, evidence)


def _of_unknown_mail(verdict: Verdict) -> Verdict:
    """Complaints about nobody knows how many messages may be a flood or next to nothing: too little for a pause."""
    if verdict.standing is not Standing.PAUSED:
        return verdict
    reason = f"{verdict.reason}; how many were sent is not known, which is too little to pause"
    return replace(verdict, standing=Standing.THROTTLED, reason=reason)


def _sentence(counts: Counts, since: datetime) -> str:
    mail = max(counts.sent, counts.complained)
    plural = "complaint" if counts.complained == 1 else "complaints"
    return (
        f"{counts.complained:,} {plural} about {mail:,} messages sent since {since:%a %d %b %H:%M} UTC: "
        f"{percent(counts.complaint_rate)}"
    )


def _numbers(counts: Counts, since: datetime, now: datetime) -> dict[str, Any]:
    return {
        "complaints": counts.complained,
        "sent": counts.sent,
        "rate": counts.complaint_rate,
        "since": since.isoformat(),
        "until": now.isoformat(),
    }


def authentication(policy: Policy, looks: Sequence[tuple[int, Look]], now: datetime) -> Verdict:
    """SPF, DKIM and DMARC: watched once a failure is confirmed by a second look, `then` after the grace.

    A failure that nobody has been able to look at lately is neither confirmed nor lengthened: it calls for nothing.
    """
    verdicts = [Verdict("authentication", Standing.HEALTHY)]
    for id_, look in sorted(looks, key=lambda row: (row[1].latest.source, row[1].latest.part)):
        if look.latest.source in AUTHENTICATION and _confirmed(look, policy, now):
            verdicts.append(_failing(policy.authentication, id_, look, looks, now))
    return max(verdicts, key=lambda verdict: verdict.standing.rank)


def _confirmed(look: Look, policy: Policy, now: datetime) -> bool:
    failing = look.failing_since is not None and look.failures >= policy.authentication.confirmations
    return failing and not stale(look, policy.stale_after, now)


def _failing(
    rule: AuthenticationRule,
    id_: int,
    look: Look,
    looks: Sequence[tuple[int, Look]],
    now: datetime,
) -> Verdict:
    seen, since = look.seen or look.latest, look.failing_since or now
    name = " ".join(filter(None, (seen.source.upper(), seen.part)))
    code = str(seen.answer.readings.get("code", "failing")) if isinstance(seen.answer, Seen) else "failing"
    over = (now - since).total_seconds() / 3600 >= rule.grace_hours
    rotated = _another_key_signs(seen.source, looks)
    standing = rule.then if over and not rotated else Standing.WATCH
    reason = f"{name} fails ({code}), seen {look.failures} times since {since:%a %d %b %H:%M} UTC; " + (
        "another selector is good" if rotated else f"the grace is {rule.grace_hours:g} h"
    )
    evidence = {
        "source": seen.source,
        "part": seen.part,
        "code": code,
        "failing_since": since.isoformat(),
        "failures": look.failures,
        "grace_hours": rule.grace_hours,
        "threshold_source": rule.source,
        "threshold_date": rule.date,
    }
    return Verdict(f"authentication-{seen.source}", standing, reason, evidence, (id_,))


def _another_key_signs(source: str, looks: Sequence[tuple[int, Look]]) -> bool:
    """Whether a DKIM selector beside the failing one is good: one key gone is then a rotation, not an outage."""
    return source == "dkim" and any(
        look.latest.source == "dkim" and look.seen is not None and look.failing_since is None for _, look in looks
    )


def stale(look: Look, after: timedelta, now: datetime) -> bool:
    """Whether the source has not answered for longer than `after`: what it said is then unknown."""
    return look.seen is None or now - look.seen.at > after


def unknown(
    policy: Policy, looks: Sequence[tuple[int, Look]], expected: Mapping[str, Watched], now: datetime
) -> tuple[str, ...]:
    """The sources that should watch the domain and have no fresh answer, however recently they were first asked."""
    return tuple(source for source in sorted(expected) if not _fresh(source, expected[source], policy, looks, now))


def _fresh(source: str, watched: Watched, policy: Policy, looks: Sequence[tuple[int, Look]], now: datetime) -> bool:
    mine = [look for _, look in looks if look.latest.source == source]
    after = watched.stale_after(policy)
    return bool(mine) and all(_has_nothing(look, after, now) or not stale(look, after, now) for look in mine)


def _has_nothing(look: Look, after: timedelta, now: datetime) -> bool:
    """Whether the source was reached lately and never had anything on the domain, as Google on a small one.

    Nobody is blind for that. A source that fell silent after it had spoken is another matter: a throttled domain may
    have dropped below the volume that is published.
    """
    answer = look.latest.answer
    reached = isinstance(answer, Unseen) and answer.why is Why.NO_DATA
    return reached and look.seen is None and now - look.latest.at <= after


def blind(
    policy: Policy, looks: Sequence[tuple[int, Look]], expected: Mapping[str, Watched], now: datetime
) -> tuple[str, ...]:
    """The sources that should watch the domain and have not answered for longer than their answers hold.

    `expected` gives each source that watches the domain and since when it has been asked to: a source just added is
    not stale yet, and one that nobody polls any more is.
    """
    return tuple(source for source in sorted(expected) if _dark(source, expected[source], policy, looks, now))


def expected_by(source: str, watched: Watched, looks: Sequence[tuple[int, Look]], policy: Policy) -> datetime:
    """When a source's next answer should have been there: as long after its last one as that holds."""
    seen = [look.seen.at for _, look in looks if look.latest.source == source and look.seen]
    return min(seen, default=watched.since) + watched.stale_after(policy)


def _dark(source: str, watched: Watched, policy: Policy, looks: Sequence[tuple[int, Look]], now: datetime) -> bool:
    mine = [look for _, look in looks if look.latest.source == source]
    after = watched.stale_after(policy)
    overdue = now - watched.since > after
    if not mine:
        return overdue
    silent = [look for look in mine if not _has_nothing(look, after, now)]
    return any(stale(look, after, now) if look.seen else overdue for look in silent)
