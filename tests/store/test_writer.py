"""The writer: answers after the commit, groups, poison, bounds, and its end."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable

import psycopg
import pytest
from sqlalchemy import Connection, func, insert, select, text

from deliverd.model import Counts
from deliverd.store import decisions, events, heartbeats, schema
from deliverd.store.events import Ingested
from deliverd.store.faults import Conflict, StoreBusy, StoreUnavailable, WriteRefused
from deliverd.store.writer import GROUP, Store
from peers.values import NOW, batch, decision, event
from probes.observation import EventKind


def stranger(url: str) -> Callable[[str], int]:
    """A way to count rows that shares nothing with the store: a connection of its own, of the plain driver."""
    if url.startswith("sqlite"):
        conn = sqlite3.connect(url.removeprefix("sqlite:///"))
        return lambda event_id: conn.execute("SELECT count(*) FROM events WHERE event_id = ?", (event_id,)).fetchone()[
            0
        ]
    postgres = psycopg.connect(url, autocommit=True)
    question = "SELECT count(*) FROM events WHERE event_id = %s"

    def count(event_id: str) -> int:
        row = postgres.execute(question, (event_id,)).fetchone()
        assert row is not None
        return int(row[0])

    return count


def stall(store: Store) -> threading.Event:
    """Keep the writer busy until the event is set, so that what comes meanwhile makes one group."""
    release, busy = threading.Event(), threading.Event()

    def op(_: Connection) -> None:
        busy.set()
        release.wait(10)

    threading.Thread(target=store.write_sync, args=(op,), daemon=True).start()
    busy.wait(10)
    return release


def count_events(conn: Connection) -> int:
    return conn.execute(select(func.count()).select_from(schema.events)).scalar_one()


def transaction(conn: Connection) -> int:
    """A number that is the same for all that is written in one transaction."""
    if conn.dialect.name == "postgresql":
        return int(conn.execute(text("SELECT txid_current()")).scalar_one())
    return conn.execute(select(func.count()).select_from(schema.heartbeats)).scalar_one()


async def test_answers_come_after_the_commit(store: Store, url: str) -> None:
    """At the instant of each answer, somebody else sees the row."""
    count = stranger(url)

    async def one(number: int) -> tuple[Ingested, int]:
        answer = await store.ingest(batch(event(f"e{number}", EventKind.COMPLAINED)))
        return answer, count(f"e{number}")

    answers = await asyncio.gather(*(one(n) for n in range(200)))
    assert answers == [(Ingested(1, 0, frozenset({"acme.com"})), 1)] * 200
    assert await store.read(lambda conn: events.counts(conn, "acme.com", None)) == Counts(complained=200)


async def test_what_waits_shares_a_transaction(store: Store) -> None:
    release = stall(store)
    tasks = [asyncio.ensure_future(store.write(transaction)) for _ in range(20)]
    await asyncio.sleep(0.05)
    assert store.waiting == 20
    release.set()
    assert len(set(await asyncio.gather(*tasks))) == 1


async def test_order_is_kept_between_events_and_others(store: Store) -> None:
    release = stall(store)
    tasks = [
        asyncio.ensure_future(task)
        for task in (
            store.write(count_events),
            store.ingest(batch(event("1"))),
            store.ingest(batch(event("1"), event("2"))),
            store.write(count_events),
            store.ingest(batch(event("3"))),
            store.write(count_events),
        )
    ]
    await asyncio.sleep(0.05)
    release.set()
    before, first, second, between, third, after = await asyncio.gather(*tasks)
    assert (before, between, after) == (0, 2, 3)
    assert [answer.accepted for answer in (first, second, third)] == [1, 1, 1]
    assert second.duplicates == 1


async def test_poison_fails_alone(store: Store) -> None:
    """One operation of a group cannot be done: it fails with its own fault, the others are written."""
    release = stall(store)

    def poison(conn: Connection) -> None:
        conn.execute(
            insert(schema.rejects), {"account": "half done", "at": NOW, "code": "", "reason": "", "index_in_batch": 0}
        )
        raise KeyError("poison")

    def stop(_: Connection) -> None:
        raise StopIteration

    def refused(conn: Connection) -> None:
        conn.execute(text("INSERT INTO rejects (id) VALUES (1)"))

    tasks = [
        asyncio.ensure_future(task)
        for task in (
            store.ingest(batch(event("1"))),
            store.write(poison),
            store.write(lambda conn: decisions.append(conn, decision(1))),
            store.write(lambda conn: decisions.append(conn, decision(1))),
            store.ingest(batch(event("absurd", count=2**60))),
            store.write(refused),
            store.write(stop),
            store.ingest(batch(event("2"))),
        )
    ]
    await asyncio.sleep(0.05)
    release.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    kinds = [Ingested, KeyError, type(decision()), Conflict, ValueError, WriteRefused, RuntimeError, Ingested]
    assert [type(answer) for answer in answers] == kinds
    assert await store.read(count_events) == 2
    rejects = select(func.count()).select_from(schema.rejects)
    assert await store.read(lambda conn: conn.execute(rejects).scalar()) == 0


async def test_refusal_quotes_no_stored_value(store: Store) -> None:
    def twice(conn: Connection) -> None:
        for _ in range(2):
            conn.execute(insert(schema.heartbeats), {"process": "s3cret", "at": NOW})

    with pytest.raises(WriteRefused) as fault:
        await store.write(twice)
    assert "s3cret" not in str(fault.value)
    assert await store.write(transaction) >= 0


async def test_more_than_the_bound_is_refused_at_once(url: str) -> None:
    store = Store.open(url, migrate=False, queue_bound=5)
    release = stall(store)
    tasks = [asyncio.ensure_future(store.ingest(batch(event(str(n))))) for n in range(8)]
    started = time.perf_counter()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    refused = [task for task in tasks if task.done()]
    assert len(refused) == 3
    assert time.perf_counter() - started < 10
    for task in refused:
        assert isinstance(task.exception(), StoreBusy)
    release.set()
    assert [(await task).accepted for task in tasks[:5]] == [1] * 5
    assert (await store.ingest(batch(event("later")))).accepted == 1
    await store.aclose()


async def test_bound_counts_events_and_one_large_batch_is_taken_alone(url: str) -> None:
    store = Store.open(url, migrate=False, queue_bound=5)
    release = stall(store)
    large = asyncio.ensure_future(store.ingest(batch(*(event(str(n)) for n in range(20)))))
    await asyncio.sleep(0.05)
    assert store.waiting == 20
    with pytest.raises(StoreBusy, match="20 operations and events"):
        await store.ingest(batch(event("one more")))
    release.set()
    assert (await large).accepted == 20
    assert store.waiting == 0
    await store.aclose()


def test_a_long_queue_is_written_in_several_transactions(url: str) -> None:
    """The first of many large batches is visible to others while the last still waits."""
    store = Store.open(url, migrate=False)
    count = stranger(url)

    async def run() -> list[int]:
        release = stall(store)
        first = asyncio.ensure_future(store.ingest(batch(*(event(f"0-{n}") for n in range(GROUP)))))
        others = [asyncio.ensure_future(store.ingest(batch(*(event(f"{k}-{n}") for n in range(GROUP))))) for k in "123"]
        await asyncio.sleep(0.05)
        release.set()
        await first
        seen = [count("0-0"), sum(other.done() for other in others)]
        await asyncio.gather(*others)
        return seen

    assert asyncio.run(run()) == [1, 0]
    store.close()


async def test_closing_writes_what_is_queued(url: str) -> None:
    store = Store.open(url, migrate=False)
    release = stall(store)
    tasks = [asyncio.ensure_future(store.ingest(batch(event(str(n))))) for n in range(50)]
    await asyncio.sleep(0.05)
    closing = asyncio.ensure_future(store.aclose())
    await asyncio.sleep(0.05)
    with pytest.raises(StoreUnavailable, match="closed"):
        await store.ingest(batch(event("too late")))
    release.set()
    await closing
    assert sum(answer.accepted for answer in await asyncio.gather(*tasks)) == 50
    store.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        await store.read(count_events)
    again = Store.open(url, migrate=False)
    assert again.read_sync(count_events) == 50
    again.close()


async def test_duplicates_are_known_across_restarts(url: str) -> None:
    for accepted in (2, 0):
        store = Store.open(url, migrate=False)
        answer = await store.ingest(batch(event("1"), event("2", EventKind.COMPLAINED)))
        assert (answer.accepted, answer.duplicates) == (accepted, 2 - accepted)
        await store.aclose()


async def test_giving_up_the_wait_does_not_undo_the_write(store: Store) -> None:
    release = stall(store)
    task = asyncio.ensure_future(store.ingest(batch(event("1"))))
    await asyncio.sleep(0.05)
    task.cancel()
    release.set()
    assert (await store.ingest(batch(event("1")))).duplicates == 1


def test_a_loop_that_is_gone_hurts_nobody(store: Store) -> None:
    release = stall(store)

    async def leave() -> None:
        task = asyncio.ensure_future(store.ingest(batch(event("1"))))
        await asyncio.sleep(0.05)
        task.cancel()

    asyncio.run(leave())
    release.set()
    assert store.write_sync(count_events) == 1


async def test_readers_cannot_write_and_see_one_moment(store: Store) -> None:
    with pytest.raises((WriteRefused, StoreUnavailable), match=r"read-?only"):
        await store.read(lambda conn: heartbeats.beat(conn, "a", NOW, {}))

    def twice(conn: Connection) -> tuple[int, int]:
        first = count_events(conn)
        threading.Thread(target=lambda: store.write_sync(lambda c: events.ingest_group(c, [batch(event("1"))]))).start()
        deadline = time.monotonic() + 10
        while store.read_sync(count_events) == 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        return first, count_events(conn)

    assert await store.read(twice) == (0, 0)
    assert await store.read(count_events) == 1


async def test_two_stores_on_one_database_count_together(url: str) -> None:
    """Two processes of one PostgreSQL, or a command beside the daemon on SQLite."""
    stores = [Store.open(url, migrate=False) for _ in range(2)]
    batches = [batch(*(event(f"e{n}-{i}", domain=f"d{(n + i) % 5}.com") for i in range(5))) for n in range(40)]
    answers = await asyncio.gather(*(store.ingest(one) for one in batches for store in stores))
    assert sum(answer.accepted for answer in answers) == 200
    assert sum(answer.duplicates for answer in answers) == 200
    totals = await stores[0].read(lambda conn: events.counts_all(conn, None))
    assert sum(counts.sent for counts in totals.values()) == 200
    for store in stores:
        await store.aclose()
