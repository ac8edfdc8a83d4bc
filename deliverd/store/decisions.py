"""Decisions: one numbered line a domain. Taking the next number is the claim to have decided."""

from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, RowMapping, bindparam, func, select, tuple_

from deliverd.model import Decision, Mode, Standing
from deliverd.store import schema
from deliverd.store.faults import Conflict
from deliverd.store.rows import claim, limit_columns, limit_of
from deliverd.store.text import clean

_PLAIN = ("domain", "seq", "at", "since", "rule", "author", "epoch", "normal_per_day", "step", "order_id")

_GET = select(schema.decisions).where(schema.decisions.c.id == bindparam("id"))
_HISTORY = (
    select(schema.decisions)
    .where(schema.decisions.c.domain == bindparam("domain"))
    .order_by(schema.decisions.c.seq.desc())
    .limit(bindparam("most"))
)


def append(conn: Connection, decision: Decision) -> Decision:
    """Write a decision, and its epoch when it starts one. The decision with its id.

    Raises:
        Conflict: the domain has a decision of this `seq` already.
    """
    table = schema.decisions
    row_id = claim(conn, table, (table.c.domain, table.c.seq), _values(decision))
    if row_id is None:
        raise Conflict(f"decision {decision.seq} of {decision.domain} has been made by somebody else")
    if decision.epoch is not None:
        epoch = {"domain": decision.domain, "started_at": decision.epoch, "decision_id": row_id}
        claim(conn, schema.epochs, tuple(schema.epochs.primary_key), epoch)
    return replace(decision, id=row_id, reason=clean(decision.reason))


def latest(conn: Connection, domain: str) -> Decision | None:
    """The domain's newest decision."""
    return next(iter(history(conn, domain, 1)), None)


def latest_all(conn: Connection) -> dict[str, Decision]:
    """The newest decision of every domain that has one."""
    table = schema.decisions
    newest = select(table.c.domain, func.max(table.c.seq)).group_by(table.c.domain)
    rows = conn.execute(select(table).where(tuple_(table.c.domain, table.c.seq).in_(newest))).mappings()
    return {row["domain"]: _decision(row) for row in rows}


def history(conn: Connection, domain: str, limit: int) -> tuple[Decision, ...]:
    """The domain's last `limit` decisions, newest first."""
    rows = conn.execute(_HISTORY, {"domain": domain, "most": limit}).mappings()
    return tuple(_decision(row) for row in rows)


def get(conn: Connection, decision_id: int) -> Decision | None:
    """The decision of this id."""
    row = conn.execute(_GET, {"id": decision_id}).mappings().first()
    return None if row is None else _decision(row)


def _values(decision: Decision) -> dict[str, Any]:
    return {
        **{name: getattr(decision, name) for name in _PLAIN},
        **limit_columns(decision.limit, "limit_"),
        "previous": decision.previous.value,
        "standing": decision.standing.value,
        "reason": clean(decision.reason),
        "evidence": decision.evidence,
        "mode": decision.mode.value,
        "observation_ids": decision.observation_ids,
    }


def _decision(row: RowMapping) -> Decision:
    return Decision(
        **{name: row[name] for name in _PLAIN},
        previous=Standing(row["previous"]),
        standing=Standing(row["standing"]),
        reason=row["reason"],
        evidence=row["evidence"],
        mode=Mode(row["mode"]),
        limit=limit_of(row, "limit_"),
        observation_ids=tuple(row["observation_ids"]),
        id=row["id"],
    )
