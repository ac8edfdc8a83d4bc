"""The ladder: what a domain's standing becomes, why, and on what evidence.

    healthy <-> watch <-> throttled -> paused -> recovering (ramp) -> healthy

Fast down, slow up. Down: the worst verdict wins at once. Up: one step, after the dwell, with no hold and no blind
source, and only on evidence from mail sent since. Paused is left by a person's word alone: an ageing window is no
evidence, since a paused domain sends nothing that could be judged.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from deliverd.core import rules, volume
from deliverd.core.detection import detector, reaching_from, uncounted
from deliverd.core.published import published
from deliverd.core.rules import Verdict
from deliverd.model import (
    Counts,
    Decision,
    HourlyMail,
    Limit,
    Look,
    Mode,
    Order,
    OrderKind,
    SendState,
    Standing,
)
from deliverd.policy import Policy, Watched

POLICY = "policy"
"""The author of a decision that no person ordered."""


@dataclass(frozen=True, slots=True)
class Case:
    """All that judging one domain needs.

    `window` counts the cohorts from `counting_from(policy, last, now)` on, `since` those from the last decision's
    `since` on; `hourly` is the mail from `reaching_from(last, now)` on to providers that tell of complaints; `sends`
    gives messages sent by UTC day, `told` those that the platform itself tells of; `published` the looks at days that a
    mailbox provider published figures of (part: the ISO day), which never go stale; `orders` oldest first; `expected`
    the sources that watch the domain; `imposed` the strictest limit that is asked of its levers now (None: nothing
    ever was).
    """

    domain: str
    now: datetime
    policy: Policy
    mode: Mode
    last: Decision | None = None
    window: Counts = field(default_factory=Counts)
    since: Counts = field(default_factory=Counts)
    hourly: HourlyMail = field(default_factory=HourlyMail)
    sends: Mapping[date, int] = field(default_factory=dict)
    told: Mapping[date, int] = field(default_factory=dict)
    looks: Sequence[tuple[int, Look]] = ()
    published: Sequence[tuple[int, Look]] = ()
    orders: Sequence[Order] = ()
    expected: Mapping[str, Watched] = field(default_factory=dict)
    imposed: Limit | None = None

    @property
    def standing(self) -> Standing:
        return self.last.standing if self.last else Standing.HEALTHY


def counting_from(policy: Policy, last: Decision | None, now: datetime) -> datetime:
    """From when on mail counts: the policy's window, cut off at the epoch that the last resume began."""
    start = now - policy.window
    return max(start, last.epoch) if last and last.epoch else start


def published_from(policy: Policy, last: Decision | None, now: datetime) -> date:
    """The first day whose published figures count: of the policy's window, and after the day of the last resume."""
    start = (now - policy.window).date()
    return max(start, last.epoch.date() + timedelta(days=1)) if last and last.epoch else start


def judge(case: Case) -> Verdict:
    """The worst verdict over all rules; of equally bad ones the first, which is the plainest."""
    complaints = rules.complaints(case.policy, case.window, counting_from(case.policy, case.last, case.now), case.now)
    if complaints.standing is Standing.PAUSED:  # nothing is worse: a pause that is due waits for no other rule
        return complaints
    more = uncounted(case.told, case.sends, case.now.date())
    verdicts = (
        complaints,
        detector(case.policy.detector, case.hourly, reaching_from(case.last, case.now), more),
        rules.authentication(case.policy, case.looks, case.now),
        published(case.policy.published, case.published, case.sends, published_from(case.policy, case.last, case.now)),
    )
    return max(verdicts, key=lambda verdict: verdict.standing.rank)


def decide(case: Case) -> Decision | None:
    """The next decision about a domain, or None when everything stays as it is."""
    verdict = judge(case)
    return _ordered(case) or _mode_changed(case, verdict) or _tighter(case, verdict) or _looser(case, verdict)


def wanted(last: Decision | None, orders: Sequence[Order], mode: Mode, imposed: Limit | None = None) -> Limit | None:
    """What is asked of the levers now; None when nothing may be moved for this decision.

    A person's order is carried out in every mode; the policy's own decision when the domain is enforced, or when a
    person approved that very decision, or when it keeps, or gives back some of, what deliverd `imposed` earlier.
    """
    if last is None:
        return None
    no_stricter = imposed is not None and not last.limit.stricter_than(imposed)
    if mode is Mode.ENFORCE or last.author != POLICY or no_stricter or _approved(last, orders):
        return last.limit
    return None


def held(orders: Sequence[Order], now: datetime) -> Order | None:
    """The hold in force: the newest word about holding, unless it was a release or its end has passed."""
    words = [order for order in orders if order.kind in (OrderKind.HOLD, OrderKind.RELEASE)]
    if not words or words[-1].kind is OrderKind.RELEASE:
        return None
    hold = words[-1]
    return hold if hold.until is None or now < hold.until else None


def _approved(decision: Decision, orders: Sequence[Order]) -> bool:
    return any(order.kind is OrderKind.APPROVE and order.decision_id == decision.id for order in orders)


def _binding(case: Case) -> bool:
    """Whether the last decision was (to be) carried out, or anything is held back at all: not only written down."""
    if case.imposed is not None and case.imposed.state is not SendState.RUNNING:
        return True
    return case.last is not None and wanted(case.last, case.orders, case.last.mode) is not None


def _ordered(case: Case) -> Decision | None:
    """A person's pause or resume that no decision has taken into account yet; the newest one counts."""
    taken = (case.last.order_id if case.last else None) or 0
    kinds = (OrderKind.PAUSE, OrderKind.RESUME)
    fresh = [order for order in case.orders if order.id > taken and order.kind in kinds]
    if not fresh:
        return None
    order = fresh[-1]
    verdict = Verdict("order", Standing.PAUSED, f"{order.author}: {order.reason}", {"order": order.id})
    decision = _next(case, verdict, Standing.PAUSED) if order.kind is OrderKind.PAUSE else _resumed(case, verdict)
    return replace(decision, author=order.author, order_id=order.id)


def _resumed(case: Case, verdict: Verdict) -> Decision:
    """A person's resume: from paused to the foot of the ramp, on the ramp one step up, from anything else to healthy.

    A pause that was only written down held nothing back: a ramp after it would be the first thing to do so.
    """
    standing, step = Standing.HEALTHY, 0
    if case.last and _binding(case):
        if case.standing is Standing.PAUSED:
            standing = Standing.RECOVERING
        elif case.standing is Standing.RECOVERING and case.last.step + 1 < len(case.policy.ramp):
            standing, step = Standing.RECOVERING, case.last.step + 1
    # Only mail sent from now on counts, or the complaints that led to the pause would pause it again.
    return replace(_next(case, verdict, standing, step), epoch=case.now)


def _mode_changed(case: Case, verdict: Verdict) -> Decision | None:
    """A standing that was only written down does not bind once the mode changes: it is judged afresh."""
    if case.last is None or case.mode is case.last.mode or _binding(case):
        return None
    reason = f"mode is now {case.mode} (was {case.last.mode}); {verdict.reason or 'nothing is wrong'}"
    return _next(case, replace(verdict, reason=reason), verdict.standing)


def _tighter(case: Case, verdict: Verdict) -> Decision | None:
    if case.standing is Standing.RECOVERING and verdict.standing is Standing.THROTTLED:
        return _step_back(case, verdict)
    return _next(case, verdict, verdict.standing) if verdict.standing.rank > case.standing.rank else None


def _step_back(case: Case, verdict: Verdict) -> Decision | None:
    """Recovering and complained about again: back to the foot of the ramp."""
    if case.last is None or case.last.step == 0:
        return None
    return _next(case, verdict, Standing.RECOVERING)


def _looser(case: Case, verdict: Verdict) -> Decision | None:
    last = case.last
    if last is None or verdict.standing.rank >= last.standing.rank or case.now - last.since < case.policy.dwell:
        return None
    if held(case.orders, case.now) or rules.unknown(case.policy, case.looks, case.expected, case.now):
        return None
    if not _binding(case) or last.standing is Standing.WATCH:
        return _next(case, _better(case, verdict), verdict.standing)
    if last.standing is Standing.PAUSED or not _clean(case):
        return None
    if last.standing is Standing.RECOVERING and last.step + 1 < len(case.policy.ramp):
        return _next(case, _better(case, verdict), Standing.RECOVERING, step=last.step + 1)
    return _next(case, _better(case, verdict), Standing.WATCH)


def _clean(case: Case) -> bool:
    """Enough mail sent since the standing began, complained about less than calls for a watch.

    About 2,900 sends tell a rate of 0.02 % from one of 0.10 % with a likelihood ratio of 10.
    """
    quiet = case.since.complained == 0 or case.since.complaint_rate < case.policy.watch.rate
    return quiet and case.since.sent >= case.policy.clean_sends


def _better(case: Case, verdict: Verdict) -> Verdict:
    since = case.last.since if case.last else case.now
    reason = (
        f"{case.since.complained:,} complaints about {case.since.sent:,} messages sent since {since:%a %d %b %H:%M} "
        f"UTC; now {verdict.standing}"
    )
    evidence = dict(verdict.evidence) | {"since_sent": case.since.sent, "since_complaints": case.since.complained}
    return Verdict(f"{verdict.rule}-better", verdict.standing, reason, evidence, verdict.observation_ids)


def _next(case: Case, verdict: Verdict, standing: Standing, step: int = 0) -> Decision:
    last = case.last
    holding_back = last is not None and last.standing.rank >= Standing.THROTTLED.rank
    # What is normal was measured before anything was held back; while held back, volume says nothing about it.
    normal = last.normal_per_day if last and holding_back else volume.normal_per_day(case.sends, case.now.date())
    return Decision(
        domain=case.domain,
        seq=last.seq + 1 if last else 1,
        at=case.now,
        previous=case.standing,
        standing=standing,
        since=case.now,
        rule=verdict.rule,
        reason=verdict.reason,
        evidence=verdict.evidence,
        author=POLICY,
        mode=case.mode,
        limit=volume.limit_of(standing, case.policy, normal, step),
        epoch=last.epoch if last else None,
        normal_per_day=normal,
        step=step,
        observation_ids=verdict.observation_ids,
        order_id=last.order_id if last else None,
    )
