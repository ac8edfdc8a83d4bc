"""What was seen, look by look, and what each source last said of a domain."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, bindparam, or_, select

from deliverd.model import Look
from deliverd.store import schema
from deliverd.store.rows import insert
from deliverd.store.text import bounded
from probes.observation import Observation, Seen, Unseen, Why

_DETAIL = 1000
_CHUNK = 500
_Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class _Run:
    """What the `looks` table holds of one (target, source, part)."""

    latest_id: int
    seen_id: int | None = None
    failing_since: datetime | None = None
    failures: int = 0


def append(conn: Connection, observed: Sequence[tuple[Observation, bool]]) -> list[int]:
    """Write observations, oldest first, each with whether it is failing (of no meaning when unseen). Their ids."""
    if not observed:
        return []
    statement = schema.observations.insert().returning(schema.observations.c.id, sort_by_parameter_order=True)
    ids = [int(found) for found in conn.execute(statement, [_values(*pair) for pair in observed]).scalars()]
    runs = _runs(conn, {observation.target for observation, _ in observed})
    touched: dict[_Key, _Run] = {}
    for row_id, (observation, failing) in zip(ids, observed, strict=True):
        key = (observation.target, observation.source, observation.part)
        touched[key] = runs[key] = _longer(runs.get(key), row_id, observation, failing)
    _save_runs(conn, touched)
    return ids


def looks(conn: Connection, domain: str, daily: tuple[str, ...] = (), first: str = "") -> tuple[tuple[int, Look], ...]:
    """The look of every (source, part) at a domain, with the id of its newest observation; by source and part.

    Of the `daily` sources, whose parts are ISO days, none before the day `first`: there is one more every day.
    """
    rows = conn.execute(_looking(daily), {"domain": domain} | ({"first": first} if daily else {})).mappings()
    return tuple((int(row["latest_id"]), _look(row)) for row in rows)


@cache
def _looking(daily: tuple[str, ...]) -> Select[Any]:
    table = schema.looks
    latest, seen = schema.observations.alias("latest"), schema.observations.alias("seen")
    joined = table.join(latest, latest.c.id == table.c.latest_id).outerjoin(seen, seen.c.id == table.c.seen_id)
    columns = [*_labelled(latest), *_labelled(seen), table.c.failing_since, table.c.failures]
    question = select(*columns).select_from(joined).where(table.c.target == bindparam("domain"))
    if daily:
        recent = or_(table.c.source.not_in(daily), table.c.part == "", table.c.part >= bindparam("first"))
        question = question.where(recent)
    return question.order_by(table.c.source, table.c.part)


def by_ids(conn: Connection, ids: Iterable[int]) -> dict[int, Observation]:
    """The observations of these ids, by id. Ids that do not exist are left out."""
    wanted = sorted(set(ids))
    found: dict[int, Observation] = {}
    for start in range(0, len(wanted), _CHUNK):
        chunk = wanted[start : start + _CHUNK]
        rows = conn.execute(select(schema.observations).where(schema.observations.c.id.in_(chunk))).mappings()
        found.update((int(row["id"]), _observation(row)) for row in rows)
    return found


def _values(observation: Observation, failing: bool) -> dict[str, Any]:
    answer = observation.answer
    seen = isinstance(answer, Seen)
    return {
        "source": observation.source,
        "target": observation.target,
        "part": observation.part,
        "at": observation.at,
        "failing": failing and seen,
        "seen": seen,
        "why": None if isinstance(answer, Seen) else answer.why.value,
        "detail": "" if isinstance(answer, Seen) else bounded(answer.detail, _DETAIL),
        "readings": answer.readings if isinstance(answer, Seen) else None,
    }


def _longer(run: _Run | None, row_id: int, observation: Observation, failing: bool) -> _Run:
    """The run after one more observation. Unseen ones neither lengthen nor break it."""
    before = run or _Run(latest_id=row_id)
    if isinstance(observation.answer, Unseen):
        return replace(before, latest_id=row_id)
    if not failing:
        return _Run(latest_id=row_id, seen_id=row_id)
    return _Run(row_id, row_id, before.failing_since or observation.at, before.failures + 1)


def _runs(conn: Connection, targets: set[str]) -> dict[_Key, _Run]:
    table, wanted = schema.looks, sorted(targets)
    runs: dict[_Key, _Run] = {}
    for start in range(0, len(wanted), _CHUNK):
        question = select(table).where(table.c.target.in_(wanted[start : start + _CHUNK]))
        # Locked in one order, so that two processes that saw the same thing neither forget one look nor deadlock.
        question = question.order_by(*table.primary_key).with_for_update()
        for target, source, part, *run in conn.execute(question):
            runs[target, source, part] = _Run(*run)
    return runs


def _save_runs(conn: Connection, runs: dict[_Key, _Run]) -> None:
    table = schema.looks
    statement = insert(conn.dialect.name, table)
    changed = {name: statement.excluded[name] for name in _Run.__slots__}
    statement = statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=changed)
    rows = [
        {"target": target, "source": source, "part": part, **{name: getattr(run, name) for name in _Run.__slots__}}
        for (target, source, part), run in sorted(runs.items())  # in one order, so that two writers cannot deadlock
    ]
    conn.execute(statement, rows)


def _labelled(table: Any) -> list[Any]:
    return [column.label(f"{table.name}_{column.name}") for column in table.c]


def _look(row: RowMapping) -> Look:
    seen = None if row["seen_id"] is None else _observation(row, "seen_")
    return Look(_observation(row, "latest_"), seen, row["failing_since"], int(row["failures"]))


def _observation(row: RowMapping, prefix: str = "") -> Observation:
    answer: Seen | Unseen
    if row[f"{prefix}seen"]:
        readings = row[f"{prefix}readings"].items()
        answer = Seen({name: tuple(value) if isinstance(value, list) else value for name, value in readings})
    else:
        answer = Unseen(Why(row[f"{prefix}why"]), row[f"{prefix}detail"])
    source, target, part = row[f"{prefix}source"], row[f"{prefix}target"], row[f"{prefix}part"]
    return Observation(source, target, row[f"{prefix}at"], answer, part)
