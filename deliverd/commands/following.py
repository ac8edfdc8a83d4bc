"""Following an order: recorded, decided, and done once the platform shows that it holds."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from deliverd import clock
from deliverd.commands.codes import Code
from deliverd.commands.overview import Daemon, daemon, lever_states
from deliverd.model import Decision, Order, OrderKind, Outcome, SendState
from deliverd.render import LeverState
from deliverd.store import decisions, incidents
from deliverd.store.connection import Conn
from deliverd.store.writer import Store

TICK = 0.2


class Stage(StrEnum):
    """How far an order has come."""

    RECORDED = "recorded"
    DECIDED = "decided"
    REFUSED = "refused"
    OVERTAKEN = "overtaken"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Progress:
    """How an order stands. `decision` is the one that carries it out; `notes` the words of open incidents."""

    stage: Stage
    daemon: Daemon
    decision: Decision | None = None
    levers: tuple[LeverState, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def code(self) -> Code:
        if self.stage is Stage.DONE:
            return Code.GOOD
        return Code.WRONG if self.stage in (Stage.REFUSED, Stage.OVERTAKEN) or self.notes else Code.UNSEEN


def follow(store: Store, account: str, order: Order, seconds: float, show: Callable[[Progress], None]) -> Progress:
    """Watch until it is done or `seconds` are over; `show` is called at every news. Without a daemon: only once."""
    end = time.monotonic() + seconds
    last: Progress | None = None
    while True:
        progress = store.read_sync(lambda conn: progress_of(conn, account, order, daemon(conn, clock.now())))
        if last is None or _news(progress) != _news(last):
            show(progress)
        last = progress
        final = progress.stage in (Stage.DONE, Stage.OVERTAKEN)
        left = end - time.monotonic()
        if final or left <= 0 or not progress.daemon.alive:
            return progress
        time.sleep(min(TICK, left))


def progress_of(conn: Conn, account: str, order: Order, life: Daemon) -> Progress:
    """How the order stands in the store."""
    decision = decisions.latest(conn, order.domain)
    texts = (one.facts.get("texts", ()) for one in incidents.open_incidents(conn, order.domain))
    notes = tuple(str(text) for found in texts for text in found)
    if decision is None or not _carries_out(decision, order):
        overtaken = order.kind is OrderKind.APPROVE and decision is not None
        return Progress(Stage.OVERTAKEN if overtaken else Stage.RECORDED, life, decision if overtaken else None)
    levers = lever_states(conn, account, order.domain)
    return Progress(_stage(decision, order, levers), life, decision, levers, notes)


def _carries_out(decision: Decision, order: Order) -> bool:
    """Whether this decision is the one approved, or was made with the order, or a later one, in mind."""
    if order.kind is OrderKind.APPROVE:
        return decision.id == order.decision_id
    return (decision.order_id or 0) >= order.id


def _stage(decision: Decision, order: Order, levers: tuple[LeverState, ...]) -> Stage:
    asked = bool(levers) or decision.limit.state is SendState.RUNNING
    if order.kind is OrderKind.APPROVE:
        # The decision is older than its approval: what is asked shows whether it was taken up.
        asked = asked and all(not decision.limit.stricter_than(lever.limit) for lever in levers)
    if any(lever.outcome not in (None, Outcome.CONFIRMED) for lever in levers):
        return Stage.REFUSED
    done = asked and all(lever.outcome is Outcome.CONFIRMED for lever in levers)
    return Stage.DONE if done else Stage.DECIDED


def _news(progress: Progress) -> object:
    return progress.stage, progress.levers, progress.notes
