"""The hours a domain's mail was sent in: what the complaint detector weighs, now and as it was known earlier."""

from collections.abc import Collection
from datetime import datetime
from functools import cache
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    Connection,
    ScalarSelect,
    Select,
    Table,
    Text,
    bindparam,
    case,
    cast,
    exists,
    extract,
    func,
    select,
)
from sqlalchemy.sql.selectable import Subquery

from deliverd.model import HourlyMail
from deliverd.store import schema
from probes.observation import EventKind

_decode = msgspec.json.Decoder(tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]).decode


def mail_by_hour(conn: Connection, domain: str, feedback: Collection[str], since: datetime) -> HourlyMail:
    """The mail of a domain's cohorts from `since` on to the providers `feedback`; nothing if nobody complained."""
    given = {"domain": domain, "feedback": list(feedback), "since": since}
    return _mail(conn, _now(conn.dialect.name), given)


def mail_by_hour_then(
    conn: Connection, domain: str, feedback: Collection[str], since: datetime, through: int
) -> HourlyMail:
    """The same as it was once the event with the id `through` was counted. Slow: it counts the events again."""
    given = {"domain": domain, "feedback": list(feedback), "since": since, "through": through}
    return _mail(conn, _then(conn.dialect.name), given)


def _mail(conn: Connection, question: Select[Any], given: dict[str, Any]) -> HourlyMail:
    columns, through = conn.execute(question, given).one()
    return HourlyMail(tuple(zip(*_decode(columns), strict=True)), int(through)) if columns else HourlyMail()


@cache
def _now(dialect: str) -> Select[Any]:
    """One row, made only when there is any complaint."""
    table = schema.counts.c
    mine = _mine(schema.counts)
    newest = select(func.coalesce(func.max(schema.events.c.id), 0)).scalar_subquery()
    complained = exists().where(*mine, table.complained > 0)
    sums = (func.sum(table[name]).label(name) for name in ("sent", "complained"))
    columns = _columns(dialect, select(table.cohort, *sums).where(*mine).group_by(table.cohort).subquery("mail"))
    return select(case((complained, columns)), case((complained, newest), else_=0))


@cache
def _then(dialect: str) -> Select[Any]:
    table = schema.events.c
    kinds = (EventKind.SENT, "sent"), (EventKind.COMPLAINED, "complained")
    sums = (func.sum(case((table.kind == kind.value, table.count), else_=0)).label(name) for kind, name in kinds)
    chosen = select(table.cohort, *sums).where(*_mine(schema.events), table.id <= bindparam("through"))
    return select(_columns(dialect, chosen.group_by(table.cohort).subquery("mail")), bindparam("through"))


def _mine(table: Table) -> tuple[ColumnElement[bool], ...]:
    feedback: BindParameter[list[str]] = bindparam("feedback", expanding=True)
    mine = table.c.domain == bindparam("domain"), table.c.cohort >= bindparam("since")
    return *mine, table.c.provider.in_(feedback)


def _columns(dialect: str, mail: Subquery) -> ScalarSelect[Any]:
    """Hours, messages and complaints as the text of three lists: JSON, for the reason in events._insert."""
    row = mail.c
    if dialect == "sqlite":
        hour: Any = cast(func.strftime("%s", row.cohort), BigInteger) // 3600
        lists = (func.json_group_array(column) for column in (hour, row.sent, row.complained))
        return select(func.json_array(*map(func.json, lists))).scalar_subquery()
    hour = func.div(extract("epoch", row.cohort), 3600)
    empty = func.json_build_array()
    lists = (func.coalesce(func.json_agg(column), empty) for column in (hour, row.sent, row.complained))
    return select(cast(func.json_build_array(*lists), Text)).scalar_subquery()
