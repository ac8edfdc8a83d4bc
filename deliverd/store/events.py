"""Mail events: each one taken in once, and counted by the cohort its message belongs to."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, datetime
from functools import cache
from hashlib import sha256
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, Text, bindparam, cast, func, select, true

from deliverd.model import Counts
from deliverd.store import schema, sendings
from deliverd.store.rows import Insert, insert, packed, unpacked
from deliverd.store.text import bounded, clean
from probes.observation import EventKind, MailEvent, Reject

_Key = tuple[str, str, str]
_New = tuple[str, str, str, str]
_decode = msgspec.json.Decoder(list[_New]).decode
_MOST = 2**53  # larger counts would lose digits on their way through JSON
_LONGEST = 512
_FATES = tuple(field.name for field in fields(Counts))
_FATE = {
    EventKind.SENT: 0,
    EventKind.DELIVERED: 1,
    EventKind.COMPLAINED: 4,
    EventKind.UNSUBSCRIBED: 5,
    EventKind.REPLIED: 6,
}
_HARD, _SOFT = 2, 3
_ADVERSE = frozenset({_HARD, _SOFT, _FATE[EventKind.COMPLAINED], _FATE[EventKind.UNSUBSCRIBED]})


@dataclass(frozen=True, slots=True)
class Batch:
    """What one request to one account's hook held.

    `loose`: later events of this platform do not tell when their message was sent. Those whose `sent_at` is their own
    time are counted with the sending of the same `message_id`, where that was told.
    """

    account: str
    events: tuple[MailEvent, ...]
    rejects: tuple[Reject, ...]
    received_at: datetime
    loose: bool = False


@dataclass(frozen=True, slots=True)
class Ingested:
    """What became of a batch. `adverse` are the domains with new bounces, complaints or unsubscribes."""

    accepted: int
    duplicates: int
    adverse: frozenset[str]


def ingest_group(conn: Connection, batches: Sequence[Batch]) -> list[Ingested]:
    """Take in several batches with one insert and one count. Of the same event twice, the first is the new one.

    The cohort of an event is the hour of `sent_at`, or the instant of the domain's newest epoch when that lies
    within that hour and not after `sent_at`: so mail sent after a resume is told from mail sent before, exactly.

    Raises:
        ValueError: a count above 2**53.
    """
    _insert_rejects(conn, batches)
    width = 26 if conn.dialect.name == "sqlite" else 32  # SQLite holds no offset, PostgreSQL wants one
    if any(batch.loose for batch in batches):
        batches = _placed(conn, batches)
    fresh, rows = _rows(batches, width)
    try:
        text = packed(rows)
    except ValueError:
        fresh, rows = _rows([_cleaned(batch) for batch in batches], width)
        text = packed(rows)
    inserted = _insert(conn, text) if rows else []
    accepted = [0] * len(batches)
    adverse: list[set[str]] = [set() for _ in batches]
    tally: dict[_Key, list[int]] = {}
    for account, event_id, day, cohort in inserted:
        index, event = fresh[account, event_id, day]
        accepted[index] += 1
        fate = _fate(event)
        if fate in _ADVERSE:
            adverse[index].add(event.domain)
        cell = (event.domain, cohort, event.provider[:_LONGEST])
        numbers = tally.get(cell)
        if numbers is None:
            numbers = tally[cell] = [0] * len(_FATES)
        numbers[fate] += event.count
    _count(conn, tally)
    return [
        Ingested(n, len(batch.events) - n, frozenset(bad))
        for batch, n, bad in zip(batches, accepted, adverse, strict=True)
    ]


def counts(conn: Connection, domain: str, since: datetime | None, until: datetime | None = None) -> Counts:
    """The counts of a domain's cohorts from `since` (None: all) to before `until` (None: all)."""
    question = _counting(since is not None, until is not None)
    row = conn.execute(question, {"domain": domain, "since": since, "until": until}).one()
    return Counts(*(int(number or 0) for number in row))


def counts_all(conn: Connection, since: datetime | None) -> dict[str, Counts]:
    """The counts of every domain with cohorts from `since` on."""
    table = schema.counts
    question = select(table.c.domain, *_sums()).group_by(table.c.domain)
    if since is not None:
        question = question.where(table.c.cohort >= since)
    return {domain: Counts(*map(int, numbers)) for domain, *numbers in conn.execute(question)}


def sends_by_day(conn: Connection, domain: str, since: datetime) -> dict[date, int]:
    """Messages sent by UTC day, oldest first; days without any are left out."""
    days: dict[date, int] = {}
    for cohort, sent in conn.execute(_sending(), {"domain": domain, "since": since}):
        if sent:
            days[cohort.date()] = days.get(cohort.date(), 0) + int(sent)
    return days


def _rows(batches: Iterable[Batch], width: int) -> tuple[dict[_Key, tuple[int, MailEvent]], list[tuple[object, ...]]]:
    """The events that are not twice in the group, by key, with the index of their batch; and their column values."""
    fresh: dict[_Key, tuple[int, MailEvent]] = {}
    rows: list[tuple[object, ...]] = []
    for index, batch in enumerate(batches):
        account = batch.account
        received = batch.received_at.isoformat(" ", "microseconds")[:width]
        for event in batch.events:
            moment, sent_at = event.at, event.sent_at
            at = moment.isoformat(" ", "microseconds")[:width]
            day = at[:10]
            event_id = event.id if len(event.id) <= _LONGEST else _shortened(event.id)
            key = (account, event_id, day)
            if key in fresh:
                continue
            if event.count > _MOST:
                raise ValueError("an event's count is larger than any mailing")
            fresh[key] = (index, event)
            sent = at if sent_at is moment else sent_at.isoformat(" ", "microseconds")[:width]
            hour = f"{sent[:14]}00:00.000000{sent[26:]}"
            provider = event.provider[:_LONGEST]
            parts = (event.domain, event.kind, at, sent, hour, provider, event.message_id, event.detail)
            rows.append((day, account, event_id, *parts, event.count, received))
    return fresh, rows


def _fate(event: MailEvent) -> int:
    """The column an event is counted in. Most are sendings, and an enumeration is slow to look up."""
    if event.kind is EventKind.SENT:
        return 0
    if event.kind is EventKind.BOUNCED:
        return _HARD if event.detail == "hard" else _SOFT
    return _FATE[event.kind]


def _shortened(event_id: str) -> str:
    """A long id as its beginning and its digest: PostgreSQL indexes no more than 2,704 bytes a row."""
    return f"{event_id[:400]}~{sha256(event_id.encode('utf-8', 'surrogatepass')).hexdigest()}"


def _placed(conn: Connection, batches: Sequence[Batch]) -> list[Batch]:
    """The batches, with late events where their messages belong: first all sendings, for a group has no order."""
    clean_ones = [_cleaned(batch) if batch.loose else batch for batch in batches]
    for batch in clean_ones:
        if batch.loose:
            sendings.remember(conn, batch.account, batch.events)
    return [
        replace(batch, events=sendings.placed(conn, batch.account, batch.events)) if batch.loose else batch
        for batch in clean_ones
    ]


def _cleaned(batch: Batch) -> Batch:
    return replace(batch, events=tuple(map(_clean_event, batch.events)))


def _clean_event(event: MailEvent) -> MailEvent:
    return replace(
        event,
        id=clean(event.id),
        domain=clean(event.domain),
        provider=clean(event.provider),
        message_id=clean(event.message_id),
        detail=clean(event.detail),
    )


def _insert_rejects(conn: Connection, batches: Iterable[Batch]) -> None:
    values = [
        {
            "account": batch.account,
            "at": batch.received_at,
            "code": bounded(reject.code, 64),
            "reason": bounded(reject.reason, 500),
            "index_in_batch": reject.index,
        }
        for batch in batches
        for reject in batch.rejects
    ]
    if values:
        conn.execute(schema.rejects.insert(), values)


def _count(conn: Connection, tally: dict[_Key, list[int]]) -> None:
    if tally:
        # Sorted: two processes that count the same domains take the rows in one order and cannot deadlock.
        rows = [(*key, *numbers) for key, numbers in sorted(tally.items())]
        conn.execute(_COUNT[conn.dialect.name], {"rows": packed(rows)})


def _sums() -> list[ColumnElement[Any]]:
    return [func.sum(schema.counts.c[name]) for name in _FATES]


@cache
def _counting(since: bool, until: bool) -> Select[Any]:
    table = schema.counts
    question = select(*_sums()).where(table.c.domain == bindparam("domain"))
    question = question.where(table.c.cohort >= bindparam("since")) if since else question
    return question.where(table.c.cohort < bindparam("until")) if until else question


@cache
def _sending() -> Select[Any]:
    table = schema.counts
    question = select(table.c.cohort, func.sum(table.c.sent)).group_by(table.c.cohort).order_by(table.c.cohort)
    return question.where(table.c.domain == bindparam("domain"), table.c.cohort >= bindparam("since"))


def _insert(conn: Connection, rows: str) -> list[_New]:
    """Insert the rows that are not there yet; returns what identifies each of these, and its cohort.

    They come back as one row of JSON: SQLite takes the interpreter's lock anew for every row that is fetched, which
    a busy event loop gives away only every 5 ms.
    """
    if conn.dialect.name == "postgresql":
        return _decode(conn.execute(_INSERT_POSTGRES, {"rows": rows}).scalar_one())
    newest = conn.execute(_NEWEST).scalar_one()  # nobody else writes before our commit
    conn.execute(_INSERT_SQLITE, {"rows": rows})
    return _decode(conn.execute(_SINCE, {"newest": newest}).scalar_one())


def _insert_statement(dialect: str) -> Insert:
    names = [column.name for column in schema.events.c if column.name != "id"]
    given = unpacked(dialect, schema.events, names)
    started = schema.epochs.c.started_at
    # `given.cohort` is the hour of `sent_at`; an epoch within that hour and not after `sent_at` takes its place.
    epoch = select(func.max(started)).where(
        schema.epochs.c.domain == given.c.domain, started > given.c.cohort, started <= given.c.sent_at
    )
    cohort = func.coalesce(epoch.scalar_subquery(), given.c.cohort)
    chosen = select(*(cohort if name == "cohort" else given.c[name] for name in names))
    return _from(dialect, schema.events, names, chosen).on_conflict_do_nothing()


def _inserting_postgres() -> Select[Any]:
    table = schema.events.c
    wanted = table.account, table.event_id, table.day, table.cohort
    new = _insert_statement("postgresql").returning(*wanted).cte("new")
    found = func.json_agg(func.json_build_array(*(cast(column, Text) for column in new.c)))
    return select(func.coalesce(cast(found, Text), "[]"))


def _since() -> Select[Any]:
    table = schema.events.c
    wanted = table.account, table.event_id, table.day, table.cohort
    found = func.json_group_array(func.json_array(*(cast(column, Text) for column in wanted)))
    return select(cast(found, Text)).where(table.id > bindparam("newest"))


def _count_statement(dialect: str) -> Any:
    table = schema.counts
    names = ["domain", "cohort", "provider", *_FATES]
    statement = _from(dialect, table, names, select(unpacked(dialect, table, names)))
    sums = {name: table.c[name] + statement.excluded[name] for name in _FATES}
    return statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=sums)


def _from(dialect: str, table: Any, names: list[str], rows: Any) -> Insert:
    # WHERE true: without it SQLite takes the ON of ON CONFLICT for that of a join.
    return insert(dialect, table).from_select(names, rows.where(true()), include_defaults=False)


_NEWEST = select(func.coalesce(func.max(schema.events.c.id), 0))
_SINCE = _since()
_INSERT_SQLITE = _insert_statement("sqlite")
_INSERT_POSTGRES = _inserting_postgres()
_COUNT = {dialect: _count_statement(dialect) for dialect in ("sqlite", "postgresql")}
