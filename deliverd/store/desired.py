"""What each lever should be at. The newest row of a lever holds."""

from collections.abc import Collection, Iterable
from dataclasses import replace

from sqlalchemy import Connection, RowMapping, Select, func, select, tuple_

from deliverd.model import Desired
from deliverd.store import rows, schema


def append(conn: Connection, desired: Desired) -> Desired:
    """Write what a lever should be at from now on. The row with its id."""
    values = {
        **rows.lever_columns(desired.lever),
        **rows.limit_columns(desired.limit),
        "domain": desired.domain,
        "decision_id": desired.decision_id,
        "at": desired.at,
    }
    return replace(desired, id=rows.append(conn, schema.desired, values))


def newest(conn: Connection, account: str, domains: Collection[str] | None = None) -> tuple[Desired, ...]:
    """The row that holds for each lever of an account, by lever; of these only `domains`' when given.

    A lever that moved to another domain is the newer one's alone.
    """
    table = schema.desired
    holding = select(func.max(table.c.id)).where(table.c.account == account)
    if domains is not None:
        holding = holding.where(tuple_(table.c.lever_kind, table.c.lever_id).in_(levers_of(account, domains)))
    question = select(table).where(table.c.id.in_(holding.group_by(table.c.lever_kind, table.c.lever_id)))
    if domains is not None:
        question = question.where(table.c.domain.in_(domains))
    found = conn.execute(question.order_by(table.c.lever_kind, table.c.lever_id)).mappings()
    return tuple(_desired(row) for row in found)


def levers_of(account: str, domains: Collection[str]) -> Select[tuple[str, str]]:
    """The question for the levers that were ever asked for one of these domains: kind and id."""
    table = schema.desired
    return select(table.c.lever_kind, table.c.lever_id).where(table.c.domain.in_(domains), table.c.account == account)


def of_decisions(conn: Connection, decision_ids: Iterable[int]) -> tuple[Desired, ...]:
    """The rows that came of these decisions, oldest first."""
    table = schema.desired
    question = select(table).where(table.c.decision_id.in_(list(decision_ids))).order_by(table.c.id)
    return tuple(_desired(row) for row in conn.execute(question).mappings())


def _desired(row: RowMapping) -> Desired:
    lever = rows.lever_of(row)
    return Desired(row["domain"], lever, rows.limit_of(row), row["decision_id"], row["at"], row["id"])
