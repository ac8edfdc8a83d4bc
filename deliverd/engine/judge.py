"""The arrow from history to a decision and what it asks of the levers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from deliverd.core import alert, decide, volume
from deliverd.core.detection import reaching_from
from deliverd.core.rules import blind, expected_by
from deliverd.core.shares import shares
from deliverd.engine.context import Context
from deliverd.engine.foresight import Foresight, foresee
from deliverd.engine.sight import Sight, look_at
from deliverd.model import Counts, Decision, Desired, Incident, Lever, Limit, SendState
from deliverd.platforms.base import PlatformError
from deliverd.store import cohorts, decisions, desired, events, incidents, orders
from deliverd.store.connection import Conn
from probes import registry

VOLUME_DAYS = 28
"""How many days of sending tell what is normal for a domain."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What judging changed: the new decision, if any, and whether a lever should move (then with its reading)."""

    decision: Decision | None = None
    moved: bool = False
    ahead: Foresight | None = None


@dataclass(frozen=True, slots=True)
class _Standing:
    """What is known of a domain before it is judged."""

    case: decide.Case
    asked: tuple[Desired, ...]
    open: tuple[Incident, ...]
    sight: Sight


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is asked of the domain, and of which levers what anew; why the levers could not be found (else "")."""

    limit: Limit | None
    levers: Mapping[Lever, Limit] = field(default_factory=dict)
    fault: str = ""


async def judge(ctx: Context, domain: str, now: datetime) -> Judged:
    """Judge one domain and store, in one commit, the decision, what it asks of each lever, and its incidents.

    Level-triggered: what a crash, a mode change or an approval left undone is noticed and written by the next run.
    Raises Conflict when another process judged it at the same moment; nothing is stored then.
    """
    async with ctx.lock(f"judge/{domain}"):
        known = await ctx.store.glance(lambda conn: _known(conn, ctx, domain, now))
        decision = decide.decide(known.case)
        last = decision or known.case.last
        limit = decide.wanted(last, known.case.orders, known.case.mode, known.case.imposed)
        asked = await _ask(ctx, domain, known, limit)
        if decision is None and not asked.levers and not _changes(known, last, asked, known.open):
            return Judged()
        ahead = foresee(ctx, domain, asked.levers)
        try:
            judged = await ctx.store.write(lambda conn: _store(conn, known, decision, asked))
        except BaseException:
            ahead.drop()
            raise
        return replace(judged, ahead=ahead)


def _known(conn: Conn, ctx: Context, domain: str, now: datetime) -> _Standing:
    settings = ctx.domain(domain)
    policy = ctx.settings.policies[settings.policy]
    last = decisions.latest(conn, domain)
    asked = desired.newest(conn, settings.platform, domain)
    standing = incidents.open_incidents(conn, domain)
    sight = look_at(conn, ctx, domain, standing, decide.published_from(policy, last, now), now)
    case = decide.Case(
        domain=domain,
        now=now,
        policy=policy,
        mode=settings.mode,
        last=last,
        window=_window(conn, domain, decide.counting_from(policy, last, now), sight),
        since=events.counts(conn, domain, last.since) if last else events.counts(conn, domain, now),
        hourly=cohorts.mail_by_hour(conn, domain, policy.detector.feedback, reaching_from(last, now)),
        sends=events.sends_by_day(conn, domain, now - timedelta(days=VOLUME_DAYS)),
        told=_told(sight),
        looks=sight.looks,
        published=sight.days,
        orders=orders.newest(conn, domain)[::-1],
        expected=sight.expected,
        imposed=volume.together([row.limit for row in asked]),
    )
    return _Standing(case, asked, standing, sight)


def _window(conn: Conn, domain: str, since: datetime, sight: Sight) -> Counts:
    """What is counted since then. Where the platform tells of more mail than its events did, its number is right."""
    counted = events.counts(conn, domain, since)
    return replace(counted, sent=max(counted.sent, sight.sent_since(since.date())))


def _told(sight: Sight) -> dict[date, int]:
    """The messages of each day that the sending platform itself tells of."""
    mine = (look.latest for _, look in sight.days if look.latest.source in registry.ACCOUNTS)
    days = sorted({date.fromisoformat(latest.part[:10]) for latest in mine})
    return {day: sight.sent_since(day) - sight.sent_since(day + timedelta(days=1)) for day in days}


async def _ask(ctx: Context, domain: str, known: _Standing, limit: Limit | None) -> _Asked:
    """What has to be asked anew. Nothing is asked of a lever that deliverd never touched to let it run."""
    if limit is None:
        return _Asked(None)
    asked = {row.lever: row.limit for row in known.asked}
    if limit.state is SendState.RUNNING:
        return _Asked(limit, {lever: limit for lever, standing in asked.items() if standing != limit})
    settings = ctx.domain(domain)
    platform = ctx.platforms[settings.platform]
    try:
        levers = await platform.levers(domain, settings.levers)
    except PlatformError as fault:
        why = f"{domain} should be {limit}, but its levers at {settings.platform} cannot be found: {fault}"
        return _Asked(limit, fault=why)
    told = shares(limit, levers, platform.capabilities.of)
    # A lever that need not move, and never was asked to, is left unasked.
    running = Limit(SendState.RUNNING)
    return _Asked(limit, {lever: one for lever, one in told.items() if asked.get(lever, running) != one})


def _store(conn: Conn, known: _Standing, decision: Decision | None, asked: _Asked) -> Judged:
    case = known.case
    last = decisions.append(conn, decision) if decision else case.last
    if last is not None:
        for lever, limit in asked.levers.items():
            desired.append(conn, Desired(case.domain, lever, limit, last.id, case.now))
    for row in _changes(known, last, asked, incidents.open_incidents(conn, case.domain)):
        incidents.append(conn, row, decision_id=last.id if last else None)
    return Judged(last if decision else None, bool(asked.levers))


def _changes(known: _Standing, last: Decision | None, asked: _Asked, standing: Sequence[Incident]) -> list[Incident]:
    """What judging has to say about incidents, given those that are open."""
    case = known.case
    dark = blind(case.policy, case.looks, case.expected, case.now)
    causes = alert.judged(
        last,
        asked.limit,
        case.mode,
        dark,
        asked.fault,
        expected_by={name: expected_by(name, case.expected[name], case.looks, case.policy) for name in dark},
        late={name: why for name, why in known.sight.late.items() if name not in dark},
        ending=known.sight.ending,
    )
    return alert.changes(case.domain, alert.JUDGED, standing, causes, case.now)
