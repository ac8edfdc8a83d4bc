"""`deliverd plan`: what would be done at the platforms now, and what deliverd would do if it might. Touches nothing."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from deliverd import clock
from deliverd.commands.codes import Code, worst
from deliverd.commands.names import configured
from deliverd.commands.output import QUIET, UNSURE, Output, Styled
from deliverd.commands.overview import View, overview
from deliverd.commands.session import context, session
from deliverd.commands.status import limit_document
from deliverd.core import plan as planning
from deliverd.engine.context import Context
from deliverd.engine.reconcile import look
from deliverd.model import Action, Finding, FindingKind, Plan
from deliverd.settings import Settings
from deliverd.store.writer import Store

_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Planned:
    """One domain: what would be done now, and how it stands."""

    domain: str
    plan: Plan
    view: View

    @property
    def code(self) -> Code:
        if self.plan.actions or self.view.proposal is not None:
            return Code.WRONG
        unread = any(one.kind is FindingKind.UNREADABLE for one in self.plan.findings)
        if unread:
            return Code.UNSEEN
        return Code.WRONG if self.plan.findings else Code.GOOD


def plan(domains: Sequence[str], as_json: bool, config: Path | None) -> Code:
    """Show it. Raises UsageFault, ConfigError, StoreError."""
    now = clock.now()
    with session(config) as (settings, store):
        names = list(dict.fromkeys(configured(settings, name) for name in domains)) or list(settings.domains)
        rows = asyncio.run(_plan(settings, store, names, now))
    if as_json:
        Output().json({"at": now, "domains": [_document(row) for row in rows]})
    else:
        _show(Output(), rows)
    return worst(row.code for row in rows)


async def _plan(settings: Settings, store: Store, names: Sequence[str], now: datetime) -> list[Planned]:
    views = await store.read(lambda conn: overview(conn, settings, names, now))
    places = asyncio.Semaphore(_AT_ONCE)
    async with context(settings, store) as ctx:
        return list(await asyncio.gather(*(_plan_one(ctx, view, places, now) for view in views)))


async def _plan_one(ctx: Context, view: View, places: asyncio.Semaphore, now: datetime) -> Planned:
    async with places:
        cases = (await look(ctx, view.domain)).cases
    return Planned(view.domain, planning.plan(ctx.domain(view.domain).platform, cases, now), view)


def _show(out: Output, rows: Sequence[Planned]) -> None:
    busy = [row for row in rows if row.code is not Code.GOOD]
    for row in busy:
        out.line(Styled(row.domain, "bold"))
        for action in row.plan.actions:
            out.line("  ", Styled("would do       ", QUIET), action_words(action))
        for finding in row.plan.findings:
            out.line("  ", Styled(f"{finding.kind:<15}", UNSURE), finding.text)
        if row.view.proposal is not None and row.view.decision is not None:
            out.line("  ", Styled("would ask      ", QUIET), f"{row.view.proposal}, because {row.view.decision.reason}")
            out.line("  ", Styled("               ", QUIET), _leave(row.view))
        out.line()
    idle = len(rows) - len(busy)
    if idle:
        out.line(f"{idle:,} of {len(rows):,} {'domain' if len(rows) == 1 else 'domains'}: nothing to do.")
    elif not rows:
        out.line("No domain is configured: nothing to do.")


def action_words(action: Action) -> str:
    """One move in a line."""
    why = f", because {action.reason}" if action.reason else ""
    return f"{action.lever}: {action.before} -> {action.limit}{why}"


def _leave(view: View) -> str:
    if view.mode == "propose":
        return f"nothing is done until a person approves it: deliverd approve {view.domain}"
    return f'nothing is done in mode "{view.mode}"; set mode = "propose" or "enforce" to act'


def _document(row: Planned) -> dict[str, Any]:
    return {
        "domain": row.domain,
        "mode": row.view.mode,
        "standing": row.view.standing,
        "actions": [_action(one) for one in row.plan.actions],
        "findings": [_finding(one) for one in row.plan.findings],
        "proposed": limit_document(row.view.proposal),
        "reason": row.view.decision.reason if row.view.decision else "",
    }


def _action(one: Action) -> dict[str, Any]:
    limits = {name: limit_document(getattr(one, name)) for name in ("before", "limit", "original")}
    return {"lever": str(one.lever), **limits, "reason": one.reason}


def _finding(one: Finding) -> dict[str, Any]:
    return {"kind": one.kind, "lever": str(one.lever), "text": one.text}
