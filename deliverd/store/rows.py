"""Inserts that both databases take: claims by a unique key, upserts, and many rows as one JSON parameter."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, RowMapping, Text, bindparam, cast, func, literal_column, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import Column, Table
from sqlalchemy.sql.selectable import Subquery

from deliverd.model import Lever, Limit, SendState

Insert = sqlite.Insert | postgresql.Insert
_encode = msgspec.json.Encoder().encode
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


def insert(dialect: str, table: Table) -> Insert:
    """The dialect's own insert, the only one that knows ON CONFLICT."""
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


def claim(conn: Connection, table: Table, key: Sequence[Column[Any]], values: Mapping[str, Any]) -> int | None:
    """Insert a row unless its `key` is taken. The first column of the primary key, or None when it was taken."""
    return conn.execute(_claim(conn.dialect.name, table, tuple(key)), dict(values)).scalar()


def append(conn: Connection, table: Table, values: Mapping[str, Any]) -> int:
    """Insert a row and return its id."""
    return int(conn.execute(_append(table), dict(values)).scalar_one())


# Building a statement costs three times as much as running it: those that run all the time are built once.
@cache
def _claim(dialect: str, table: Table, key: tuple[Column[Any], ...]) -> Any:
    (first, *_) = table.primary_key.columns
    return insert(dialect, table).on_conflict_do_nothing(index_elements=list(key)).returning(first)


@cache
def _append(table: Table) -> Any:
    return table.insert().returning(table.c.id)


def packed(rows: Sequence[Sequence[object]]) -> str:
    """Rows as the JSON that `unpacked` reads.

    Raises:
        ValueError: a text in it holds NUL or half a surrogate pair, which no database takes.
    """
    text = _encode(rows)
    if b"\\u0000" in text and _NUL.search(text):
        raise ValueError("a text holds NUL")
    return text.decode()


def unpacked(dialect: str, table: Table, names: Sequence[str]) -> Subquery:
    """The rows of the JSON parameter `rows` (a list of lists, in the order of `names`) as a relation.

    One constant statement with one parameter, whatever the number of rows: it is prepared once, and SQLite works
    through it in one step with the interpreter's lock released.
    """
    if dialect == "sqlite":
        value = func.json_each(bindparam("rows", type_=Text)).table_valued("value").c.value
        items: list[ColumnElement[Any]] = [
            func.json_extract(value, literal_column(f"'$[{i}]'")) for i in range(len(names))
        ]
    else:
        given = cast(bindparam("rows", type_=Text), postgresql.JSONB)
        value = func.jsonb_array_elements(given).table_valued("value").c.value
        items = [_postgres_item(value, i, table.c[name]) for i, name in enumerate(names)]
    return select(*(item.label(name) for item, name in zip(items, names, strict=True))).subquery("given")


def _postgres_item(value: ColumnElement[Any], index: int, column: Column[Any]) -> ColumnElement[Any]:
    return cast(value.op("->>")(literal_column(str(index))), column.type)


def limit_columns(limit: Limit | None, prefix: str = "") -> dict[str, Any]:
    """A limit as its two columns."""
    return {
        f"{prefix}state": limit.state.value if limit else None,
        f"{prefix}per_day": limit.per_day if limit else None,
    }


def limit_of(row: RowMapping, prefix: str = "") -> Limit:
    """The limit held in two columns."""
    return Limit(SendState(row[f"{prefix}state"]), row[f"{prefix}per_day"])


def lever_columns(lever: Lever) -> dict[str, str]:
    """A lever as its three columns."""
    return {"account": lever.account, "lever_kind": lever.kind, "lever_id": lever.id}


def lever_of(row: RowMapping) -> Lever:
    """The lever held in three columns."""
    return Lever(row["account"], row["lever_kind"], row["lever_id"])
