"""A person's orders."""

from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, bindparam, func, select

from deliverd.model import Order, OrderKind
from deliverd.store import rows, schema
from deliverd.store.text import bounded

_NAMES = ("id", "domain", "author", "reason", "at", "until", "decision_id")


def append(
    conn: Connection,
    domain: str,
    kind: OrderKind,
    author: str,
    reason: str,
    at: datetime,
    until: datetime | None = None,
    decision_id: int | None = None,
) -> Order:
    """Write an order. `until` ends a hold; `decision_id` is what an approval approves."""
    author, reason = bounded(author, 200), bounded(reason, 2000)
    values = {"domain": domain, "kind": kind.value, "author": author, "reason": reason}
    values_at = {"at": at, "until": until, "decision_id": decision_id}
    row_id = rows.append(conn, schema.orders, {**values, **values_at})
    return Order(row_id, domain, kind, author, reason, at, until, decision_id)


def newest(conn: Connection, domain: str, limit: int = 50) -> tuple[Order, ...]:
    """The last `limit` orders about a domain, and in any case the last of each kind; newest first."""
    rows = conn.execute(_newest(), {"domain": domain, "most": limit}).mappings()
    return tuple(_order(row) for row in rows)


@cache
def _newest() -> Select[Any]:
    table = schema.orders
    of_domain = table.c.domain == bindparam("domain")
    last = select(table.c.id).where(of_domain).order_by(table.c.id.desc()).limit(bindparam("most")).subquery()
    of_kinds = select(func.max(table.c.id)).where(of_domain).group_by(table.c.kind)
    either = table.c.id.in_(select(last.c.id)) | table.c.id.in_(of_kinds)
    return select(table).where(either).order_by(table.c.id.desc())


def newest_id(conn: Connection) -> int:
    """The id of the newest order about any domain, 0 when there is none: what a watcher of orders compares."""
    return int(conn.execute(select(func.max(schema.orders.c.id))).scalar() or 0)


def domains_after(conn: Connection, order_id: int) -> tuple[str, ...]:
    """The domains that a person spoke about after the order of this id."""
    table = schema.orders
    question = select(table.c.domain).where(table.c.id > order_id).distinct().order_by(table.c.domain)
    return tuple(conn.execute(question).scalars())


def get(conn: Connection, order_id: int) -> Order | None:
    """The order of this id."""
    row = conn.execute(select(schema.orders).where(schema.orders.c.id == order_id)).mappings().first()
    return None if row is None else _order(row)


def _order(row: RowMapping) -> Order:
    return Order(**{name: row[name] for name in _NAMES}, kind=OrderKind(row["kind"]))
