"""Incidents: one row a version. `open_incidents` holds the claim: one open one a (domain, cause), one next version."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, bindparam, delete, select, update

from deliverd.model import Incident, Severity
from deliverd.store import rows, schema
from deliverd.store.faults import Conflict

_CLAIMS = schema.open_incidents.c
_MOVE = (
    update(schema.open_incidents)
    .where(_CLAIMS.incident_id == bindparam("moved"), _CLAIMS.version == bindparam("before"))
    .values(version=bindparam("after"))
    .returning(_CLAIMS.incident_id)
)
_END = delete(schema.open_incidents).where(_CLAIMS.incident_id == bindparam("ended"))
_DOMAINS_WITH = select(_CLAIMS.domain).where(_CLAIMS.cause == bindparam("cause"))
_PLAIN = ("domain", "cause", "opened_at", "changed_at", "version", "facts", "closed_at")


def append(
    conn: Connection, incident: Incident, *, decision_id: int | None = None, result_id: int | None = None
) -> Incident:
    """Open an incident (version 1, id 0), change it or close it (the version after its newest one).

    `decision_id` or `result_id` names the row that brought this version about. The incident with its id.

    Raises:
        Conflict: one is open already for this (domain, cause), or this version is not the next one, or it is closed.
    """
    incident_id = _open(conn, incident) if incident.version == 1 else _move(conn, incident)
    if incident_id is None:
        raise Conflict(f"version {incident.version} of incident {incident.cause} of {incident.domain} is taken")
    values = {name: getattr(incident, name) for name in _PLAIN}
    values |= {"severity": incident.severity.value, "incident_id": incident_id}
    rows.append(conn, schema.incidents, {**values, "decision_id": decision_id, "result_id": result_id})
    if incident.closed_at is not None:
        conn.execute(_END, {"ended": incident_id})
    return replace(incident, id=incident_id)


def open_incidents(conn: Connection, domain: str | None = None) -> tuple[Incident, ...]:
    """The newest version of each open incident (of one domain, when given), oldest first."""
    rows = conn.execute(_open_ones(domain is not None), {"domain": domain}).mappings()
    return tuple(_incident(row) for row in rows)


@cache
def _open_ones(of_domain: bool) -> Select[Any]:
    table, claims = schema.incidents, schema.open_incidents
    same = (claims.c.incident_id == table.c.incident_id) & (claims.c.version == table.c.version)
    question = select(table).join(claims, same).order_by(table.c.incident_id)
    return question.where(claims.c.domain == bindparam("domain")) if of_domain else question


def untold(conn: Connection, since: datetime, told_since: datetime) -> tuple[Incident, ...]:
    """What telling has to look at: the open incidents nobody was told of after `told_since`, as they are now, and
    those closed after `since` whose end nobody was told at all.
    """
    rows = [
        *conn.execute(_untold_open(), {"told_since": told_since}).mappings(),
        *conn.execute(_untold_closed(), {"since": since}).mappings(),
    ]
    return tuple(_incident(row) for row in rows)


def domains_with(conn: Connection, cause: str) -> frozenset[str]:
    """The domains that have an open incident of this cause."""
    return frozenset(conn.execute(_DOMAINS_WITH, {"cause": cause}).scalars())


@cache
def _untold_open() -> Select[Any]:
    recently = _told().where(schema.notice_results.c.at > bindparam("told_since"))
    return _open_ones(of_domain=False).where(~recently.exists())


@cache
def _untold_closed() -> Select[Any]:
    table = schema.incidents
    question = select(table).where(table.c.closed_at > bindparam("since"), ~_told().exists())
    return question.order_by(table.c.incident_id)


def _told() -> Select[Any]:
    """Whether a channel took a notice of an incident's version."""
    table, notices, results = schema.incidents, schema.notices, schema.notice_results
    taken = (results.c.notice_id == notices.c.id) & results.c.sent
    same = notices.c.incident_id == table.c.incident_id, notices.c.version == table.c.version
    return select(notices.c.id).join(results, taken).where(*same)


def recent(conn: Connection, domain: str, limit: int, *, uncaused: bool = False) -> tuple[Incident, ...]:
    """The last `limit` versions of incidents of a domain, newest first; `uncaused`: only those that name no cause."""
    table = schema.incidents
    question = select(table).where(table.c.domain == domain).order_by(table.c.id.desc()).limit(limit)
    if uncaused:
        question = question.where(table.c.decision_id.is_(None), table.c.result_id.is_(None))
    return tuple(_incident(row) for row in conn.execute(question).mappings())


def of_causes(
    conn: Connection, decision_ids: Iterable[int], result_ids: Iterable[int]
) -> tuple[tuple[int | None, int | None, Incident], ...]:
    """The versions that these decisions or results brought about, oldest first, with the ids of their causes."""
    table = schema.incidents
    caused = table.c.decision_id.in_(list(decision_ids)) | table.c.result_id.in_(list(result_ids))
    found = conn.execute(select(table).where(caused).order_by(table.c.id)).mappings()
    return tuple((row["decision_id"], row["result_id"], _incident(row)) for row in found)


def _open(conn: Connection, incident: Incident) -> int | None:
    claims = schema.open_incidents
    values = {"domain": incident.domain, "cause": incident.cause, "version": 1}
    return rows.claim(conn, claims, (claims.c.domain, claims.c.cause), values)


def _move(conn: Connection, incident: Incident) -> int | None:
    given = {"moved": incident.id, "before": incident.version - 1, "after": incident.version}
    return conn.execute(_MOVE, given).scalar()


def _incident(row: RowMapping) -> Incident:
    plain = {name: row[name] for name in _PLAIN}
    return Incident(**plain, severity=Severity(row["severity"]), id=row["incident_id"])
