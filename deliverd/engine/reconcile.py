"""The arrow from what is wanted to what is: read, plan, write the intent, act, read back, write the result."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from deliverd.core import alert
from deliverd.core import plan as planning
from deliverd.core.plan import LeverCase
from deliverd.engine.context import Context
from deliverd.model import (
    Action,
    Actual,
    Decision,
    Desired,
    FindingKind,
    Intent,
    Lever,
    LeverMemory,
    Outcome,
    Plan,
    Result,
)
from deliverd.platforms.base import Platform, PlatformError, Unavailable
from deliverd.store import actions, decisions, desired, incidents
from deliverd.store.connection import Conn
from deliverd.store.faults import Conflict

Reading = Actual | PlatformError

UNREADABLE_AGAIN = timedelta(seconds=10)
"""After how long a platform is asked again that could not even be read when a lever had to move."""


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What was planned for a domain, what came of it, and when something has to be tried `again` (None: all hold)."""

    plan: Plan
    results: tuple[Result, ...]
    again: datetime | None


async def reconcile(ctx: Context, domain: str, now: datetime) -> Reconciled:
    """Make one domain's levers agree with what is desired of them, and store each step before and after it is done.

    Interrupted at any point, the next run reads the platform and takes up from what it shows. Never raises for a
    fault of the platform; that is a result.
    """
    async with ctx.lock(f"act/{domain}"):
        cases = await _settle_interrupted(ctx, await look(ctx, domain), now)
        planned = planning.plan(ctx.domain(domain).platform, cases, now)
        results = [await _act(ctx, action, cases) for action in planned.actions]
        again = await _remember(ctx, domain, planned)
        return Reconciled(planned, tuple(row for row in results if row), again)


async def look(ctx: Context, domain: str) -> list[LeverCase]:
    """Everything that planning a domain needs: what is desired, remembered, and shown by the platform right now."""
    account = ctx.domain(domain).platform
    platform = ctx.platforms[account]
    wishes, memories, reasons = await ctx.store.read(lambda conn: _wishes(conn, account, domain))
    levers = list(wishes) or await _idle_levers(ctx, platform, domain)
    readings = await asyncio.gather(*(_read(platform, lever) for lever in levers))
    return [
        LeverCase(
            domain=domain,
            lever=lever,
            states=platform.capabilities.states,
            memory=memories.get(lever, LeverMemory()),
            desired=wishes.get(lever),
            actual=reading if isinstance(reading, Actual) else None,
            fault="" if isinstance(reading, Actual) else str(reading),
            reason=reasons.get(lever, ""),
        )
        for lever, reading in zip(levers, readings, strict=True)
    ]


def _wishes(
    conn: Conn, account: str, domain: str
) -> tuple[dict[Lever, Desired], dict[Lever, LeverMemory], dict[Lever, str]]:
    wishes = {row.lever: row for row in desired.newest(conn, account, [domain])}
    memories = dict(actions.memories(conn, account, [domain]))
    causes = {row.decision_id: decisions.get(conn, row.decision_id) for row in wishes.values()}
    reasons = {lever: _reason(causes[row.decision_id]) for lever, row in wishes.items()}
    return wishes, memories, reasons


def _reason(decision: Decision | None) -> str:
    return f"{decision.rule}: {decision.reason}" if decision else ""


async def _idle_levers(ctx: Context, platform: Platform, domain: str) -> list[Lever]:
    """The levers of a domain that deliverd asks nothing of: only to notice that somebody else paused them."""
    try:
        return list(await platform.levers(domain, ctx.domain(domain).levers))
    except PlatformError:
        # Nothing is wanted of them; the platform probe already tells that the account cannot be read.
        return []


async def _read(platform: Platform, lever: Lever) -> Reading:
    try:
        return await platform.read(lever)
    except PlatformError as fault:
        return fault


async def _settle_interrupted(ctx: Context, cases: list[LeverCase], now: datetime) -> list[LeverCase]:
    """Write the result of intents that a crash cut off, by what the platform shows; then look at the memory again."""
    cut_off = [(case, planning.interrupted(case.memory)) for case in cases if case.actual]
    results = [
        _settled(intent, case.actual, now) for case, intent in cut_off if intent is not None and case.actual is not None
    ]
    if not results:
        return cases
    await ctx.store.write(lambda conn: [actions.append_result(conn, result) for result in results])
    return await look(ctx, cases[0].domain)


def _settled(intent: Intent, actual: Actual, now: datetime) -> Result:
    """The result of an intent that was cut off. One that did not take effect ended when it began: no need to wait."""
    outcome = planning.settled(intent, actual)
    at = now if outcome is Outcome.CONFIRMED else intent.at
    return Result(intent.id, outcome, at, actual, "cut off; read back afterwards")


async def _act(ctx: Context, action: Action, cases: Sequence[LeverCase]) -> Result | None:
    """Intent, call, read back, result. None when another process claimed the move first."""
    case = next(case for case in cases if case.lever == action.lever)
    attempt = planning.next_attempt(case)
    try:
        intent = await ctx.store.write(lambda conn: actions.append_intent(conn, action, attempt, ctx.clock()))
    except Conflict:
        return None
    outcome, actual, detail = await _carry_out(ctx.platforms[action.lever.account], intent)
    result = Result(intent.id, outcome, ctx.clock(), actual, detail)
    return await ctx.store.write(lambda conn: actions.append_result(conn, result))


async def _carry_out(platform: Platform, intent: Intent) -> tuple[Outcome, Actual | None, str]:
    """Call the platform and read back; the read-back decides, whatever the call said."""
    action = intent.action
    fault: PlatformError | None = None
    if action.limit != action.before:
        try:
            await platform.apply(intent)
        except PlatformError as refused:
            fault = refused
    reading = await _read(platform, action.lever)
    if isinstance(reading, PlatformError):
        detail = f"{fault}; " if fault else ""
        return Outcome.UNCONFIRMED, None, f"{detail}read back failed: {reading}"
    if reading.limit == action.limit:
        return Outcome.CONFIRMED, reading, ""
    if fault is not None:
        # A call that broke off may still take effect after this reading: only a plain no is final.
        return (Outcome.UNCONFIRMED if isinstance(fault, Unavailable) else Outcome.FAILED), reading, str(fault)
    return Outcome.UNCONFIRMED, reading, f"it said yes, and is {reading.limit} instead of {action.limit}"


async def _remember(ctx: Context, domain: str, planned: Plan) -> datetime | None:
    """Open and close the incidents that reconciling owns; returns when a lever that is loose is due again."""
    account = ctx.domain(domain).platform

    def sync(conn: Conn) -> datetime | None:
        wishes = desired.newest(conn, account, [domain])
        memories = actions.memories(conn, account, [domain])
        unreadable = {row.lever: row.text for row in planned.findings if row.kind is FindingKind.UNREADABLE}
        loose = [row for wish in wishes if (row := _loose(wish, memories.get(wish.lever), unreadable, ctx.clock()))]
        causes = alert.reconciled(planned.findings, {str(row.lever): row.why for row in loose})
        standing = incidents.open_incidents(conn, domain)
        for incident in alert.changes(domain, alert.RECONCILED, standing, causes, ctx.clock()):
            incidents.append(conn, incident, result_id=_newest_result(memories))
        return min((row.again for row in loose), default=None)

    return await ctx.store.write(sync)


def _newest_result(memories: Mapping[Lever, LeverMemory]) -> int | None:
    results = [memory.latest[1] for memory in memories.values() if memory.latest]
    return max((result.id for result in results if result), default=None)


@dataclass(frozen=True, slots=True)
class _Loose:
    """A lever that is not where it should be: why, in the platform's own words, and when it is tried again."""

    lever: Lever
    why: str
    again: datetime


def _loose(wish: Desired, memory: LeverMemory | None, unreadable: Mapping[Lever, str], now: datetime) -> _Loose | None:
    intent, result = (memory.latest if memory else None) or (None, None)
    current = intent is not None and intent.action.desired_id == wish.id
    if intent is not None and current and result is not None and result.outcome is not Outcome.CONFIRMED:
        why = f"{wish.limit} {result.outcome}, attempt {intent.attempt}: {result.detail}"
        return _Loose(wish.lever, why, planning.retry_at(intent.attempt, result.at))
    if wish.lever in unreadable and not (current and result is not None):
        return _Loose(wish.lever, f"{wish.limit} not done: {unreadable[wish.lever]}", now + UNREADABLE_AGAIN)
    return None
