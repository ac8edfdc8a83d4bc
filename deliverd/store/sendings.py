"""When messages were sent, by the names their platforms give them: for events that come later and do not tell."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import Connection, Select, bindparam, func, select

from deliverd.store import schema
from deliverd.store.rows import insert
from probes.observation import EventKind, MailEvent

LOOK_BACK = timedelta(days=14)
"""How long before an event its message may have been sent to be found."""

_LEAVING = frozenset({EventKind.SENT, EventKind.DELIVERED})
_MOST_AT_ONCE = 500


def remember(conn: Connection, account: str, events: Iterable[MailEvent]) -> None:
    """Write down when the messages were sent whose sending or delivery these events tell. The first word holds."""
    first: dict[tuple[date, str], datetime] = {}
    for event in events:
        if event.kind in _LEAVING and event.message_id:
            first.setdefault((event.sent_at.date(), event.message_id), event.sent_at)
    if first:
        rows = [
            {"day": day, "account": account, "message_id": name, "sent_at": at} for (day, name), at in first.items()
        ]
        conn.execute(_remember(conn.dialect.name), rows)


def placed(conn: Connection, account: str, events: Sequence[MailEvent]) -> tuple[MailEvent, ...]:
    """The events with `sent_at` mended where it was only the event's own time and the message's sending is known."""
    loose = [event for event in events if _is_loose(event)]
    known = _known(conn, account, loose) if loose else {}
    return tuple(_placed(event, known) if _is_loose(event) else event for event in events)


def _is_loose(event: MailEvent) -> bool:
    return event.kind not in _LEAVING and bool(event.message_id) and event.sent_at == event.at


def _placed(event: MailEvent, known: Mapping[str, datetime]) -> MailEvent:
    sent_at = known.get(event.message_id)
    return event if sent_at is None or sent_at > event.at else replace(event, sent_at=sent_at)


def _known(conn: Connection, account: str, loose: Sequence[MailEvent]) -> dict[str, datetime]:
    newest, oldest = max(event.at for event in loose), min(event.at for event in loose) - LOOK_BACK
    days = [newest.date() - timedelta(days=back) for back in range((newest.date() - oldest.date()).days + 1)]
    names = sorted({event.message_id for event in loose})
    found: dict[str, datetime] = {}
    for start in range(0, len(names), _MOST_AT_ONCE):
        given = {"account": account, "days": days, "names": names[start : start + _MOST_AT_ONCE]}
        found.update((name, at) for name, at in conn.execute(_question(), given))
    return found


@cache
def _question() -> Select[Any]:
    table = schema.sendings.c
    of_these = table.message_id.in_(bindparam("names", expanding=True))
    question = select(table.message_id, func.min(table.sent_at)).where(of_these, table.account == bindparam("account"))
    return question.where(table.day.in_(bindparam("days", expanding=True))).group_by(table.message_id)


@cache
def _remember(dialect: str) -> Any:
    return insert(dialect, schema.sendings).on_conflict_do_nothing(index_elements=list(schema.sendings.primary_key))
