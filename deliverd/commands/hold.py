"""`deliverd hold`: a person's order that nothing is given back, for a time or until released."""

from datetime import datetime
from pathlib import Path

from deliverd import clock
from deliverd.commands.codes import Code, UsageFault
from deliverd.commands.names import author, configured
from deliverd.commands.names import reason as worded
from deliverd.commands.output import Output, Styled, stamp
from deliverd.commands.overview import Daemon, daemon
from deliverd.commands.session import session
from deliverd.commands.status import daemon_words
from deliverd.commands.times import duration, instant
from deliverd.core.decide import held
from deliverd.model import Order, OrderKind
from deliverd.store import orders
from deliverd.store.connection import Conn


def hold(
    domain: str, reason: str, lasting: str, until: str, release: bool, by: str, as_json: bool, config: Path | None
) -> Code:
    """Record it. It counts from the next judgement on. Raises UsageFault, ConfigError, StoreError."""
    now = clock.now()
    end = _end(lasting, until, release, now)
    who, why, out = author(by), worded(reason), Output()
    kind = OrderKind.RELEASE if release else OrderKind.HOLD
    with session(config) as (settings, store):
        name = configured(settings, domain)
        order = store.write_sync(lambda conn: _append(conn, name, kind, who, why, now, end))
        life = store.read_sync(lambda conn: daemon(conn, clock.now()))
    if as_json:
        out.json({"order": order, "daemon": life})
    else:
        _show(out, order, life)
    return Code.GOOD


def _end(lasting: str, until: str, release: bool, now: datetime) -> datetime | None:
    """When the hold ends; None for when a person says so."""
    if sum(map(bool, (lasting, until, release))) > 1:
        raise UsageFault("--for, --until and --release exclude each other; give one of them, or none")
    if until:
        return instant(until, now)
    return now + duration(lasting) if lasting else None


def _append(conn: Conn, domain: str, kind: OrderKind, who: str, why: str, now: datetime, end: datetime | None) -> Order:
    if kind is OrderKind.RELEASE and held(orders.newest(conn, domain)[::-1], now) is None:
        raise UsageFault(f"{domain}: no hold is in force, so there is nothing to release")
    return orders.append(conn, domain, kind, who, why, now, until=end)


def _show(out: Output, order: Order, life: Daemon) -> None:
    if order.kind is OrderKind.RELEASE:
        words = "the hold is released; what is held back may be given back again"
    else:
        end = stamp(order.until) if order.until else "released with --release"
        words = f"held until {end}: nothing that is held back is given back"
    out.line(f"{order.domain}: {words} (order {order.id}, by {order.author}: {order.reason})")
    if not life.alive:
        out.line(daemon_words(life, order.at))
        out.line(Styled("The order is recorded, and counts once deliverd run runs.", "yellow"))
