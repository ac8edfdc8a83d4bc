"""What is to be done next, and who has it in hand: leases, so that the work of a killed process is taken up again."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import BindParameter, Connection, Update, bindparam, case, delete, or_, select, tuple_, update
from sqlalchemy.sql.dml import ReturningUpdate

from deliverd.store import schema
from deliverd.store.rows import insert


@dataclass(frozen=True, slots=True)
class Due:
    """A piece of work in hand until `leased_until`. `attempt` counts the claims since it was last done."""

    kind: str
    target: str
    due_at: datetime
    attempt: int
    leased_until: datetime
    lease_owner: str
    token: int


def claim(conn: Connection, now: datetime, lease: timedelta, owner: str, limit: int) -> tuple[Due, ...]:
    """Take up to `limit` rows that are due and in nobody's hand, the longest due first."""
    given = {"now": now, "until": now + lease, "owner": owner, "most": limit}
    return tuple(sorted((Due(*row) for row in conn.execute(_claim(), given)), key=lambda due: (due.kind, due.target)))


@cache
def _claim() -> ReturningUpdate[Any]:
    table = schema.due
    free = or_(table.c.leased_until.is_(None), table.c.leased_until <= bindparam("now"))
    ready = select(table.c.kind, table.c.target, table.c.due_at).where(table.c.due_at <= bindparam("now"), free)
    # SKIP LOCKED lets several processes claim at once on PostgreSQL; SQLite has one writer and leaves the clause out.
    # A CTE, because PostgreSQL may run a subquery with LIMIT more than once.
    picked = ready.order_by(table.c.due_at).limit(bindparam("most")).with_for_update(skip_locked=True).cte("picked")
    # While leased, `due_at` is the lease's end: anything earlier is a push that came meanwhile (see `done`).
    until: BindParameter[Any] = bindparam("until")
    return (
        update(table)
        .where(tuple_(table.c.kind, table.c.target).in_(select(picked.c.kind, picked.c.target)))
        .values(due_at=until, leased_until=until, lease_owner=bindparam("owner"), token=table.c.token + 1)
        .values(attempt=table.c.attempt + 1)
        .returning(*(table.c[name] for name in Due.__slots__))
    )


def done(conn: Connection, due: Due, next_at: datetime, *, attempt: int = 0) -> bool:
    """Give a row back, due again at `next_at`, or earlier when it was pushed meanwhile.

    `attempt` is what its count starts from again: 0 after a success, `due.attempt` to go on counting failures.
    False when the lease ran out and somebody else took it: then nothing is changed.
    """
    mine = {"its_kind": due.kind, "its_target": due.target, "its_token": due.token}
    return conn.execute(_done(), {**mine, "next_at": next_at, "tried": attempt}).rowcount == 1


@cache
def _done() -> Update:
    table, next_at = schema.due, bindparam("next_at", type_=schema.due.c.due_at.type)
    pushed = (table.c.due_at < table.c.leased_until) & (table.c.due_at < next_at)
    same = table.c.kind == bindparam("its_kind"), table.c.target == bindparam("its_target")
    values = {"due_at": case((pushed, table.c.due_at), else_=next_at), "leased_until": None, "lease_owner": None}
    statement = update(table).where(*same, table.c.token == bindparam("its_token"))
    return statement.values(**values, attempt=bindparam("tried"))


def owners(conn: Connection) -> frozenset[str]:
    """Who has rows in hand."""
    held = select(schema.due.c.lease_owner).where(schema.due.c.lease_owner.is_not(None)).distinct()
    return frozenset(conn.execute(held).scalars())


def release(conn: Connection, dead: Collection[str]) -> None:
    """Give back the rows in the hands of owners that are known to be dead."""
    table = schema.due
    free = {"leased_until": None, "lease_owner": None, "token": table.c.token + 1}
    conn.execute(update(table).where(table.c.lease_owner.in_(sorted(dead))).values(**free))


def push(conn: Connection, kind: str, target: str, at: datetime) -> None:
    """Bring a row forward to `at` (never back), making it when there is none. One in hand is due again once done."""
    push_all(conn, kind, [target], at)


def push_all(conn: Connection, kind: str, targets: Iterable[str], at: datetime) -> None:
    """As `push`, for many rows of a kind."""
    if rows := [_fresh(kind, target, at) for target in sorted(set(targets))]:
        conn.execute(_push(conn.dialect.name), rows)


@cache
def _push(dialect: str) -> Any:
    statement = insert(dialect, schema.due)
    sooner = {"due_at": statement.excluded.due_at}
    later = schema.due.c.due_at > statement.excluded.due_at
    return statement.on_conflict_do_update(index_elements=list(schema.due.primary_key), set_=sooner, where=later)


def drop(conn: Connection, kind: str, keep: Collection[str]) -> int:
    """Remove the rows of a kind whose target is not to be kept. How many went."""
    table = schema.due
    there = conn.execute(select(table.c.target).where(table.c.kind == kind)).scalars().all()
    gone = sorted(set(there) - set(keep))
    for start in range(0, len(gone), 500):
        conn.execute(delete(table).where(table.c.kind == kind, table.c.target.in_(gone[start : start + 500])))
    return len(gone)


def _fresh(kind: str, target: str, at: datetime) -> dict[str, object]:
    idle = {"attempt": 0, "leased_until": None, "lease_owner": None, "token": 0}
    return {"kind": kind, "target": target, "due_at": at, **idle}
