"""Notices: claimed before they are sent, settled after, so that each is told once and none is forgotten."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection, func, select

from deliverd.model import Notice
from deliverd.store import rows, schema
from deliverd.store.text import bounded, clean

_DETAIL = 2000


def claim(conn: Connection, notice: Notice) -> Notice | None:
    """Claim the telling of one version of an incident to one owner. None when it was claimed before."""
    table = schema.notices
    values = {
        "incident_id": notice.incident_id,
        "version": notice.version,
        "owner": notice.owner,
        "repeat": notice.repeat,
        "at": notice.at,
        "title": clean(notice.title),
        "body": clean(notice.body),
    }
    key = (table.c.incident_id, table.c.version, table.c.owner, table.c.repeat)
    row_id = rows.claim(conn, table, key, values)
    return None if row_id is None else replace(notice, id=row_id)


def settle(conn: Connection, notice_id: int, at: datetime, sent: bool, detail: str) -> None:
    """Write how one try at sending a notice ended. `detail` holds no secret."""
    values = {"notice_id": notice_id, "at": at, "sent": sent, "detail": bounded(detail, _DETAIL)}
    rows.append(conn, schema.notice_results, values)


def of_incidents(conn: Connection, incident_ids: Iterable[int]) -> tuple[Notice, ...]:
    """The notices of these incidents, oldest first.

    `sent_at` is when a channel first took it, `failed_at` when the newest try failed; `detail` is of the newest try.
    """
    table, results = schema.notices, schema.notice_results
    tries = results.alias("tries")
    mine = tries.c.notice_id == table.c.id
    newest = select(func.max(tries.c.id)).where(mine).scalar_subquery()
    sent = select(func.min(tries.c.at)).where(mine, tries.c.sent).scalar_subquery()
    question = (
        select(table, sent.label("sent_at"), results.c.detail, results.c.at.label("tried_at"), results.c.sent)
        .select_from(table.outerjoin(results, results.c.id == newest))
        .where(table.c.incident_id.in_(list(incident_ids)))
        .order_by(table.c.id)
    )
    return tuple(
        Notice(
            **{name: row[name] for name in ("incident_id", "version", "owner", "repeat", "at", "title", "body", "id")},
            sent_at=row["sent_at"],
            failed_at=None if row["sent"] in (None, True) else row["tried_at"],
            detail=row["detail"] or "",
        )
        for row in conn.execute(question).mappings()
    )
