"""`deliverd pause`, `resume` and `approve`: a person's order, recorded, and followed until the platform does it."""

from pathlib import Path
from typing import Any

from deliverd import clock
from deliverd.commands.codes import Code, UsageFault
from deliverd.commands.following import Progress, Stage, follow
from deliverd.commands.names import author, configured
from deliverd.commands.names import reason as worded
from deliverd.commands.output import BAD, GOOD, QUIET, UNSURE, Output, Styled, standing_of
from deliverd.commands.overview import View, overview
from deliverd.commands.session import session
from deliverd.commands.status import daemon_words, lever_document
from deliverd.model import Mode, Order, OrderKind, Outcome
from deliverd.render import lever_line
from deliverd.settings import Settings
from deliverd.store import orders
from deliverd.store.connection import Conn


def pause(domain: str, reason: str, by: str, wait: float, as_json: bool, config: Path | None) -> Code:
    """Order a pause. Raises UsageFault, ConfigError, StoreError."""
    return _order(OrderKind.PAUSE, domain, reason, by, wait, as_json, config)


def resume(domain: str, reason: str, by: str, wait: float, as_json: bool, config: Path | None) -> Code:
    """Order a resume. Raises UsageFault, ConfigError, StoreError."""
    return _order(OrderKind.RESUME, domain, reason, by, wait, as_json, config)


def approve(domain: str, reason: str, by: str, wait: float, as_json: bool, config: Path | None) -> Code:
    """Approve what is proposed. Raises UsageFault when nothing is; ConfigError, StoreError."""
    return _order(OrderKind.APPROVE, domain, reason, by, wait, as_json, config)


def _order(kind: OrderKind, domain: str, reason: str, by: str, wait: float, as_json: bool, config: Path | None) -> Code:
    who, why, out = author(by), worded(reason), Output()
    with session(config) as (settings, store):
        name = configured(settings, domain)
        order = store.write_sync(lambda conn: _append(conn, settings, name, kind, who, why))
        if not as_json:
            out.line(f"{name}: {kind} recorded as order {order.id}, by {who}: {why}")
        quiet = as_json or wait == 0
        account = settings.domains[name].platform
        progress = follow(store, account, order, wait, lambda news: None if quiet else _show(out, news))
    if as_json:
        out.json(_document(order, progress))
    else:
        _conclude(out, name, progress, wait)
    return progress.code


def _append(conn: Conn, settings: Settings, domain: str, kind: OrderKind, who: str, why: str) -> Order:
    now = clock.now()
    decision_id = None
    if kind is OrderKind.APPROVE:
        (view,) = overview(conn, settings, [domain], now)
        decision_id = _proposal(view)
    return orders.append(conn, domain, kind, who, why, now, decision_id=decision_id)


def _proposal(view: View) -> int:
    """The decision that waits for approval. Raises UsageFault when there is none."""
    if view.proposal is None or view.decision is None:
        raise UsageFault(f"{view.domain}: nothing to approve; it is {view.standing}, and no action waits for a person")
    if view.mode is not Mode.PROPOSE:
        raise UsageFault(
            f'{view.domain} is in mode "{view.mode}", which proposes nothing: set mode = "propose" or "enforce", '
            f"or order it yourself with deliverd pause"
        )
    return view.decision.id


def _show(out: Output, progress: Progress) -> None:
    """What is new, as it happens."""
    if progress.decision is not None and progress.stage is not Stage.RECORDED:
        made = progress.decision
        out.line("  ", Styled("decided  ", QUIET), standing_of(made.standing), f", asks for: {made.limit}")
    for lever in progress.levers:
        good = lever.outcome is Outcome.CONFIRMED
        out.line("  ", Styled("lever    ", QUIET), Styled(lever_line(lever), GOOD if good else UNSURE))
    for note in progress.notes:
        out.line("  ", Styled("note     ", QUIET), note)


def _conclude(out: Output, domain: str, progress: Progress, wait: float) -> None:
    """The last line: how it ended, and what to do."""
    if progress.stage is Stage.DONE:
        words = "done, confirmed by the platform" if progress.levers else "done; nothing had to be moved"
        out.line(Styled(f"{domain}: {words}.", GOOD))
    elif progress.stage is Stage.OVERTAKEN:
        out.line(
            Styled(f"{domain}: judged anew meanwhile; what was approved no longer stands. See deliverd plan.", BAD)
        )
    elif not progress.daemon.alive:
        out.line(daemon_words(progress.daemon, clock.now()))
        out.line(Styled("The order is recorded, and will be done once deliverd run runs.", BAD))
    else:
        refused = progress.stage is Stage.REFUSED
        words = "the platform does NOT do it" if refused else "not done yet"
        out.line(
            Styled(f"{domain}: {words} after {wait:g} s; deliverd keeps trying. See deliverd explain {domain}.", BAD)
        )


def _document(order: Order, progress: Progress) -> dict[str, Any]:
    made = progress.decision
    return {
        "order": order,
        "stage": progress.stage,
        "daemon": progress.daemon,
        "decision": made and {"id": made.id, "standing": made.standing, "limit": made.limit, "reason": made.reason},
        "levers": [lever_document(lever) for lever in progress.levers],
        "notes": progress.notes,
    }
