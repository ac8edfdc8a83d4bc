"""The arrow from history to a decision and what it asks of the levers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from deliverd.core import alert, decide
from deliverd.core.rules import blind
from deliverd.engine.context import Context
from deliverd.engine.observe import DAILY, PUBLISHERS, expected, is_day
from deliverd.model import Decision, Desired, Incident, Lever, Limit, Look, Policy, SendState, Watched
from deliverd.platforms.base import PlatformError
from deliverd.settings import Domain, Settings
from deliverd.store import decisions, desired, events, incidents, observations, orders
from deliverd.store.connection import Conn

VOLUME_DAYS = 28
"""How many days of sending tell what is normal for a domain."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What judging changed: the new decision, if any, and whether a lever should move."""

    decision: Decision | None = None
    moved: bool = False


@dataclass(frozen=True, slots=True)
class _Standing:
    """What is known of a domain before it is judged."""

    case: decide.Case
    asked: tuple[Desired, ...]
    open: tuple[Incident, ...]


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is asked, of which levers anew, and why the levers could not be found (then "")."""

    limit: Limit | None
    levers: tuple[Lever, ...]
    fault: str


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
        asked = _Asked(limit, *await _levers(ctx, domain, known, limit))
        if decision is None and not asked.levers and not _changes(known, last, asked, known.open):
            return Judged()
        return await ctx.store.write(lambda conn: _store(conn, known, decision, asked))


def _known(conn: Conn, ctx: Context, domain: str, now: datetime) -> _Standing:
    settings = ctx.domain(domain)
    policy = ctx.settings.policies[settings.policy]
    last = decisions.latest(conn, domain)
    asked = desired.newest(conn, settings.platform, domain)
    standing = incidents.open_incidents(conn, domain)
    first = decide.published_from(policy, last, now).isoformat()
    looks = observations.looks(conn, domain, DAILY, first)
    rows = [row for row in looks if _still_asked(row[1], ctx.settings, settings)]
    watching = expected(ctx, domain)
    case = decide.Case(
        domain=domain,
        now=now,
        policy=policy,
        mode=settings.mode,
        last=last,
        window=events.counts(conn, domain, decide.counting_from(policy, last, now)),
        since=events.counts(conn, domain, last.since) if last else events.counts(conn, domain, now),
        sends=events.sends_by_day(conn, domain, now - timedelta(days=VOLUME_DAYS)),
        looks=[row for row in rows if not is_day(row[1].latest) and not _is_aside(row[1])],
        published=[row for row in rows if is_day(row[1].latest)],
        orders=orders.newest(conn, domain)[::-1],
        expected=watching | _dark_before(standing, policy, watching),
        imposed=max((row.limit for row in asked), key=lambda limit: limit.strictness, default=None),
    )
    return _Standing(case, asked, standing)


def _still_asked(look: Look, settings: Settings, domain: Domain) -> bool:
    """Whether the configuration still asks for what was looked at: a selector or a source may have left it."""
    source = look.latest.source
    if source in PUBLISHERS:
        return source in settings.sources
    return source != "dkim" or look.latest.part in domain.dkim_selectors


def _is_aside(look: Look) -> bool:
    """Whether a look at a publisher is at something else than its figures, such as how its rules are kept."""
    return look.latest.source in PUBLISHERS and bool(look.latest.part)


def _dark_before(standing: Sequence[Incident], policy: Policy, watching: Mapping[str, Watched]) -> dict[str, Watched]:
    """The sources that were dark already when this process began to ask: a restart is not a sight of them."""
    return {
        source: replace(watching[source], since=incident.opened_at - watching[source].stale_after(policy))
        for incident in standing
        if incident.cause == alert.BLIND
        for source in incident.facts.get("sources", ())
        if source in watching
    }


async def _levers(ctx: Context, domain: str, known: _Standing, limit: Limit | None) -> tuple[tuple[Lever, ...], str]:
    """The levers that have to be asked anew. Nothing is asked of a lever that deliverd never touched to let it run."""
    if limit is None:
        return (), ""
    asked = {row.lever: row.limit for row in known.asked}
    if limit.state is SendState.RUNNING:
        return tuple(lever for lever, standing in asked.items() if standing != limit), ""
    settings = ctx.domain(domain)
    try:
        levers = await ctx.platforms[settings.platform].levers(domain, settings.levers)
    except PlatformError as fault:
        return (), f"{domain} should be {limit}, but its levers at {settings.platform} cannot be found: {fault}"
    return tuple(lever for lever in levers if asked.get(lever) != limit), ""


def _store(conn: Conn, known: _Standing, decision: Decision | None, asked: _Asked) -> Judged:
    case = known.case
    last = decisions.append(conn, decision) if decision else case.last
    if last is not None and asked.limit is not None:
        for lever in asked.levers:
            desired.append(conn, Desired(case.domain, lever, asked.limit, last.id, case.now))
    for row in _changes(known, last, asked, incidents.open_incidents(conn, case.domain)):
        incidents.append(conn, row, decision_id=last.id if last else None)
    return Judged(last if decision else None, bool(asked.levers))


def _changes(known: _Standing, last: Decision | None, asked: _Asked, standing: Sequence[Incident]) -> list[Incident]:
    """What judging has to say about incidents, given those that are open."""
    case = known.case
    dark = blind(case.policy, case.looks, case.expected, case.now)
    causes = alert.judged(last, asked.limit, case.mode, dark, asked.fault)
    return alert.changes(case.domain, alert.JUDGED, standing, causes, case.now)
