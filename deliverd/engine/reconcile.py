"""The arrow from what is wanted to what is: read, plan, write the intent, act, read back, write the result."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from deliverd.core import alert
from deliverd.core import plan as planning
from deliverd.core.plan import LeverCase
from deliverd.engine.context import Context
from deliverd.engine.foresight import Foresight, read
from deliverd.model import (
    Action,
    Actual,
    Decision,
    Desired,
    FindingKind,
    Incident,
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

UNREADABLE_AGAIN = timedelta(seconds=10)
"""After how long a platform is asked again that could not even be read when a lever had to move."""


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What was planned for a domain, what came of it, and when something has to be tried `again` (None: all hold)."""

    plan: Plan
    acts: tuple[tuple[Intent, Result], ...]
    again: datetime | None


@dataclass(frozen=True, slots=True)
class Scene:
    """What a domain's levers are like before anything is done: each one's case, and the incidents that are open."""

    cases: tuple[LeverCase, ...]
    incidents: tuple[Incident, ...]


async def reconcile(ctx: Context, domain: str, now: datetime, ahead: Foresight | None = None) -> Reconciled:
    """Make one domain's levers agree with what is desired of them, and store each step before and after it is done.

    Interrupted at any point, the next run reads the platform and takes up from what it shows. Never raises for a
    fault of the platform; that is a result. `ahead` are readings begun just now; when they are old, the levers are
    read again.
    """
    async with ctx.lock(f"act/{domain}"):
        if ahead and not ahead.holds(ctx, domain):
            ahead.drop()
            ahead = None
        ctx.acts[domain] += 1
        scene = await _settle_interrupted(ctx, domain, await look(ctx, domain, ahead), now)
        planned = planning.plan(ctx.domain(domain).platform, scene.cases, now)
        done = await _act_on_all(ctx, planned.actions, scene.cases)
        loose = _all_loose(scene, done, planned, ctx.clock())
        await _remember(ctx, domain, scene, planned, loose, done)
        return Reconciled(planned, tuple(done), min((row.again for row in loose), default=None))


async def look(ctx: Context, domain: str, ahead: Foresight | None = None) -> Scene:
    """Everything that planning a domain needs: what is desired, remembered, and shown by the platform right now."""
    account = ctx.domain(domain).platform
    platform = ctx.platforms[account]
    known = await ctx.store.glance(lambda conn: _known(conn, account, domain))
    levers = list(known.wishes) or await _idle_levers(ctx, platform, domain)
    begun = ahead.readings if ahead else {}
    readings = await asyncio.gather(*(begun.get(lever) or read(platform, lever) for lever in levers))
    cases = [
        LeverCase(
            domain=domain,
            lever=lever,
            states=platform.capabilities.of(lever.kind),
            memory=known.memories.get(lever, LeverMemory()),
            desired=known.wishes.get(lever),
            actual=reading if isinstance(reading, Actual) else None,
            fault="" if isinstance(reading, Actual) else str(reading),
            reason=known.reasons.get(lever, ""),
        )
        for lever, reading in zip(levers, readings, strict=True)
    ]
    return Scene(tuple(cases), known.incidents)


@dataclass(frozen=True, slots=True)
class _Known:
    """What the store says of a domain's levers."""

    wishes: Mapping[Lever, Desired]
    memories: Mapping[Lever, LeverMemory]
    reasons: Mapping[Lever, str]
    incidents: tuple[Incident, ...]


def _known(conn: Conn, account: str, domain: str) -> _Known:
    wishes = {row.lever: row for row in desired.newest(conn, account, domain)}
    causes = {row.decision_id: decisions.get(conn, row.decision_id) for row in wishes.values()}
    return _Known(
        wishes=wishes,
        memories=actions.memories(conn, account, domain),
        reasons={lever: _reason(causes[row.decision_id]) for lever, row in wishes.items()},
        incidents=incidents.open_incidents(conn, domain),
    )


def _reason(decision: Decision | None) -> str:
    return f"{decision.rule}: {decision.reason}" if decision else ""


async def _idle_levers(ctx: Context, platform: Platform, domain: str) -> list[Lever]:
    """The levers of a domain that deliverd asks nothing of: only to notice that somebody else paused them."""
    try:
        return list(await platform.levers(domain, ctx.domain(domain).levers))
    except PlatformError:
        # Nothing is wanted of them; the platform probe already tells that the account cannot be read.
        return []


async def _settle_interrupted(ctx: Context, domain: str, scene: Scene, now: datetime) -> Scene:
    """Write the result of intents that a crash cut off, by what the platform shows; then look at the memory again."""
    cut_off = [(planning.interrupted(case.memory), case.actual) for case in scene.cases]
    results = [_settled(intent, actual, now) for intent, actual in cut_off if intent and actual]
    if not results:
        return scene
    await ctx.store.write(lambda conn: [actions.append_result(conn, result) for result in results])
    return await look(ctx, domain)


def _settled(intent: Intent, actual: Actual, now: datetime) -> Result:
    """The result of an intent that was cut off. One that did not take effect ended when it began: no need to wait."""
    outcome = planning.settled(intent, actual)
    at = now if outcome is Outcome.CONFIRMED else intent.at
    return Result(intent.id, outcome, at, actual, "cut off; read back afterwards")


async def _act_on_all(
    ctx: Context, actions: Sequence[Action], cases: Sequence[LeverCase]
) -> list[tuple[Intent, Result]]:
    """Every move, side by side: each lever stands for itself. Raises what one of them raised, when all have ended."""
    attempts = {case.lever: planning.next_attempt(case) for case in cases}
    ended = await asyncio.gather(
        *(_act(ctx, action, attempts[action.lever]) for action in actions), return_exceptions=True
    )
    for fault in ended:
        if isinstance(fault, BaseException):
            raise fault
    return [pair for pair in ended if pair and not isinstance(pair, BaseException)]


async def _act(ctx: Context, action: Action, attempt: int) -> tuple[Intent, Result] | None:
    """Intent, call, read back, result. None when another process claimed the move first."""
    try:
        intent = await ctx.store.write(lambda conn: actions.append_intent(conn, action, attempt, ctx.clock()))
    except Conflict:
        return None
    outcome, actual, detail = await _carry_out(ctx.platforms[action.lever.account], intent)
    result = Result(intent.id, outcome, ctx.clock(), actual, detail)
    return intent, await ctx.store.write(lambda conn: actions.append_result(conn, result))


async def _carry_out(platform: Platform, intent: Intent) -> tuple[Outcome, Actual | None, str]:
    """Call the platform and read back; the read-back decides, whatever the call said."""
    action = intent.action
    fault: PlatformError | None = None
    if action.limit != action.before:
        try:
            await platform.apply(intent)
        except PlatformError as refused:
            fault = refused
    reading = await read(platform, action.lever)
    if isinstance(reading, PlatformError):
        detail = f"{fault}; " if fault else ""
        return Outcome.UNCONFIRMED, None, f"{detail}read back failed: {reading}"
    if reading.limit == action.limit:
        return Outcome.CONFIRMED, reading, ""
    if fault is not None:
        # A call that broke off may still take effect after this reading: only a plain no is final.
        return (Outcome.UNCONFIRMED if isinstance(fault, Unavailable) else Outcome.FAILED), reading, str(fault)
    return Outcome.UNCONFIRMED, reading, f"it said yes, and is {reading.limit} instead of {action.limit}"


@dataclass(frozen=True, slots=True)
class _Loose:
    """A lever that is not where it should be: why, in the platform's own words, and when it is tried again."""

    lever: Lever
    why: str
    again: datetime


def _all_loose(scene: Scene, done: Sequence[tuple[Intent, Result]], planned: Plan, now: datetime) -> list[_Loose]:
    """Every lever that is not where it should be, now that all was done that could be."""
    newest = {intent.action.lever: (intent, result) for intent, result in done}
    unreadable = {row.lever: row.text for row in planned.findings if row.kind is FindingKind.UNREADABLE}
    found = (
        _loose(case.desired, newest.get(case.lever) or case.memory.latest, unreadable, now)
        for case in scene.cases
        if case.desired
    )
    return [row for row in found if row]


def _loose(
    wish: Desired, latest: tuple[Intent, Result | None] | None, unreadable: Mapping[Lever, str], now: datetime
) -> _Loose | None:
    intent, result = latest or (None, None)
    current = intent is not None and intent.action.desired_id == wish.id
    if intent is not None and current and result is not None and result.outcome is not Outcome.CONFIRMED:
        why = f"{wish.limit} {result.outcome}, attempt {intent.attempt}: {result.detail}"
        return _Loose(wish.lever, why, planning.retry_at(intent.attempt, result.at))
    if wish.lever in unreadable and not (current and result is not None):
        return _Loose(wish.lever, f"{wish.limit} not done: {unreadable[wish.lever]}", now + UNREADABLE_AGAIN)
    return None


async def _remember(
    ctx: Context,
    domain: str,
    scene: Scene,
    planned: Plan,
    loose: Sequence[_Loose],
    done: Sequence[tuple[Intent, Result]],
) -> None:
    """Open and close the incidents that reconciling owns, when there are any to open or close."""
    causes = alert.reconciled(planned.findings, {str(row.lever): row.why for row in loose})
    if not alert.changes(domain, alert.RECONCILED, scene.incidents, causes, ctx.clock()):
        return
    cause = max((result.id for _, result in done), default=None)

    def sync(conn: Conn) -> None:
        standing = incidents.open_incidents(conn, domain)
        for incident in alert.changes(domain, alert.RECONCILED, standing, causes, ctx.clock()):
            incidents.append(conn, incident, result_id=cause)

    await ctx.store.write(sync)
