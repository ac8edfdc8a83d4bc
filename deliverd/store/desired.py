"""What each lever should be at. The newest row of a lever holds."""

from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, bindparam, func, select, tuple_

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


def newest(conn: Connection, account: str, domain: str | None = None) -> tuple[Desired, ...]:
    """The row that holds for each lever of an account, by lever; of these only `domain`'s when given.

    A lever that moved to another domain is the newer one's alone.
    """
    found = conn.execute(_newest(domain is not None), {"account": account, "domain": domain}).mappings()
    return tuple(_desired(row) for row in found)


@cache
def _newest(of_domain: bool) -> Select[Any]:
    table = schema.desired
    holding = select(func.max(table.c.id)).where(table.c.account == bindparam("account"))
    if of_domain:
        holding = holding.where(tuple_(table.c.lever_kind, table.c.lever_id).in_(levers_of_domain()))
    question = select(table).where(table.c.id.in_(holding.group_by(table.c.lever_kind, table.c.lever_id)))
    if of_domain:
        question = question.where(table.c.domain == bindparam("domain"))
    return question.order_by(table.c.lever_kind, table.c.lever_id)


def levers_of_domain() -> Select[Any]:
    """The levers of `:account` that were ever asked for `:domain`: kind and id, to be used in a question."""
    table = schema.desired
    mine = table.c.domain == bindparam("domain"), table.c.account == bindparam("account")
    return select(table.c.lever_kind, table.c.lever_id).where(*mine)


def of_decisions(conn: Connection, decision_ids: Iterable[int]) -> tuple[Desired, ...]:
    """The rows that came of these decisions, oldest first."""
    table = schema.desired
    question = select(table).where(table.c.decision_id.in_(list(decision_ids))).order_by(table.c.id)
    return tuple(_desired(row) for row in conn.execute(question).mappings())


def _desired(row: RowMapping) -> Desired:
    lever = rows.lever_of(row)
    return Desired(row["domain"], lever, rows.limit_of(row), row["decision_id"], row["at"], row["id"])
