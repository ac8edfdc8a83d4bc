"""When each process last said that it lives, and what it said of itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from deliverd.store import schema
from deliverd.store.rows import insert


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The last sign of life of one process."""

    process: str
    at: datetime
    info: Mapping[str, Any] = field(default_factory=dict)


def beat(conn: Connection, process: str, at: datetime, info: Mapping[str, Any]) -> None:
    """Say that `process` lives. `info` is plain data without secrets."""
    statement = insert(conn.dialect.name, schema.heartbeats).values(process=process, at=at, info=info)
    changed = {"at": statement.excluded.at, "info": statement.excluded.info}
    conn.execute(statement.on_conflict_do_update(index_elements=[schema.heartbeats.c.process], set_=changed))


def newest(conn: Connection) -> tuple[Heartbeat, ...]:
    """The last sign of life of every process, newest first."""
    found = conn.execute(select(schema.heartbeats).order_by(schema.heartbeats.c.at.desc())).mappings()
    return tuple(Heartbeat(row["process"], row["at"], row["info"] or {}) for row in found)
