"""The arrow from incidents to people: claim the notice, send it, write down how it fared."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

from deliverd import render
from deliverd.core import alert
from deliverd.core.alert import Due
from deliverd.engine.context import Context
from deliverd.model import Decision, Desired, Incident, LeverMemory, Notice, Outcome, Severity
from deliverd.render import LeverState
from deliverd.store import actions, decisions, desired, incidents, notices
from deliverd.store.connection import Conn

AT_ONCE = 2
"""How many notices leave at once: a burst of them must not slow down the acts they tell of."""

A_ROUND = 10
"""How many notices a round prepares at most; those that are left come with the next one."""

TELL_LATE = timedelta(days=7)
"""For how long the end of an incident is still worth telling."""


@dataclass(frozen=True, slots=True)
class _Told:
    """An incident with all that its words are made of."""

    incident: Incident
    decision: Decision | None
    levers: tuple[LeverState, ...]


async def tell(ctx: Context, now: datetime) -> int:
    """Send every notice that is due; returns how many a channel took. One at a time in this process."""
    async with ctx.lock("tell"):
        due, known = await ctx.store.read(lambda conn: _due(conn, ctx, now))
        room = asyncio.Semaphore(AT_ONCE)
        sent = await asyncio.gather(*(_tell_one(ctx, row, known[row.incident.id], room) for row in due))
        return sum(sent)


def _due(conn: Conn, ctx: Context, now: datetime) -> tuple[list[Due], dict[int, _Told]]:
    alerts = ctx.settings.alerts
    repeat = timedelta(hours=alerts.repeat_hours)
    wait = timedelta(seconds=alerts.wait_for_result_seconds)
    pending = incidents.untold(conn, now - TELL_LATE, now - repeat)
    pending = tuple(row for row in pending if row.domain in ctx.settings.domains)
    if not pending:
        return [], {}
    told = notices.of_incidents(conn, [row.id for row in pending])
    # While a page says that the platform does not obey, a second one about the same act would say nothing new.
    refused = incidents.domains_with(conn, alert.UNCONFIRMED)
    untold = [row.incident for row in alert.due(pending, told, {}, repeat, wait, now)]
    ready = [row for row in untold if row.cause != alert.STANDING or row.domain not in refused]
    near = sorted(ready, key=lambda row: row.severity is not Severity.PAGE)[:A_ROUND]
    known = {row.id: _told(conn, ctx, row) for row in near}
    # After a crash the wait begins again: the act that was cut off is being taken up just now.
    undecided = {row.id: max(row.changed_at, ctx.started) for row in near if not _settled(known[row.id])}
    return alert.due(near, told, undecided, repeat, wait, now), known


def _settled(told: _Told) -> bool:
    """Whether waiting a moment could not make the message better: nothing is still being confirmed."""
    if told.incident.cause == alert.UNCONFIRMED:
        return False
    acts = told.incident.cause == alert.STANDING and told.incident.facts.get("acts")
    return not acts or all(state.outcome is Outcome.CONFIRMED for state in told.levers)


def _told(conn: Conn, ctx: Context, incident: Incident) -> _Told:
    decision = decisions.latest(conn, incident.domain)
    account = ctx.domain(incident.domain).platform
    memories = actions.memories(conn, account, incident.domain)
    rows = desired.newest(conn, account, incident.domain)
    return _Told(incident, decision, tuple(lever_state(row, memories.get(row.lever)) for row in rows))


def lever_state(wish: Desired, memory: LeverMemory | None) -> LeverState:
    """How far a lever has come with what is desired of it."""
    if memory is None or memory.latest is None or memory.latest[0].action.desired_id != wish.id:
        return LeverState(wish.lever, wish.limit)
    intent, result = memory.latest
    if result is None:
        return LeverState(wish.lever, intent.action.limit, attempt=intent.attempt)
    return LeverState(wish.lever, intent.action.limit, result.outcome, intent.attempt, result.at, result.detail)


async def _tell_one(ctx: Context, due: Due, told: _Told, room: asyncio.Semaphore) -> bool:
    async with room:
        return await _tell_it(ctx, due, told)


async def _tell_it(ctx: Context, due: Due, told: _Told) -> bool:
    notice = due.claimed or await _claim(ctx, due, told)
    if notice is None:
        return False
    channels = ctx.settings.owners[notice.owner].channels if notice.owner in ctx.settings.owners else ()
    delivery = await asyncio.to_thread(ctx.send, channels, notice.title, notice.body)
    at = ctx.clock()
    await ctx.store.write(lambda conn: notices.settle(conn, notice.id, at, delivery.sent, delivery.detail))
    return delivery.sent


async def _claim(ctx: Context, due: Due, told: _Told) -> Notice | None:
    """Write the notice down before it is sent; None when another process has it."""
    title, body = render.words(due.incident, told.decision, told.levers, due.repeat)
    notice = Notice(
        incident_id=due.incident.id,
        version=due.incident.version,
        owner=ctx.domain(due.incident.domain).owner,
        repeat=due.repeat,
        at=ctx.clock(),
        title=title,
        body=body,
    )
    return await ctx.store.write(lambda conn: notices.claim(conn, notice))
