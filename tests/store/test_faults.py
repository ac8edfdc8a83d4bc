"""When things break: the process killed, the server restarted, the disk full, read-only, locked or damaged."""

import asyncio
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from multiprocessing import get_context
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

import pytest
from sqlalchemy import func, select

from deliverd.model import Counts
from deliverd.store import events, schema
from deliverd.store.faults import StoreCorrupt, StoreError, StoreUnavailable
from deliverd.store.sole import SoleUse, StoreInUse
from deliverd.store.writer import Store
from peers import acknowledging
from peers.postgres import Postgres
from peers.values import batch, event

ROOT = Path(__file__).parents[2]


def acknowledging_process(url: str, prefix: str, limit: int = 0) -> "subprocess.Popen[str]":
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    command = [sys.executable, acknowledging.__file__, url, prefix, str(limit)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": paths})


def stored(url: str) -> tuple[set[str], int]:
    """The ids of all events, and how many are counted."""
    store = Store.open(url, migrate=False)
    ids = store.read_sync(lambda conn: set(conn.execute(select(schema.events.c.event_id)).scalars()))
    counted = store.read_sync(lambda conn: events.counts(conn, "acme.com", None))
    store.close()
    return ids, counted.sent


def test_killed_while_ingesting_loses_nothing_acknowledged(url: str) -> None:
    acknowledged: set[str] = set()
    for life in ("first", "second"):
        process = acknowledging_process(url, life)
        assert process.stdout is not None
        for line in process.stdout:
            acknowledged.add(line.strip())
            if line.startswith(f"{life}-0-30"):
                process.kill()
        assert process.wait() == -9
        process.stdout.close()
    ids, counted = stored(url)
    assert len(acknowledged) > 60
    assert acknowledged <= ids
    assert counted == len(ids)
    if url.startswith("sqlite"):
        with sqlite3.connect(url.removeprefix("sqlite:///")) as conn:
            assert conn.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        conn.close()


def test_full_disk_refuses_and_recovers(tmp_path: Path, sqlite_template: Path) -> None:
    """The files may not grow past a limit: what does not fit is refused in plain words, what was acknowledged stays."""
    path = tmp_path / "deliverd.db"
    path.write_bytes(sqlite_template.read_bytes())
    process = acknowledging_process(f"sqlite:///{path}", "full", 600_000)
    printed, _ = process.communicate(timeout=60)
    acknowledged = {line for line in printed.splitlines() if not line.startswith("refused")}
    (refused,) = [line for line in printed.splitlines() if line.startswith("refused")]
    assert process.returncode == 0
    assert "disk" in refused
    assert "full-after" in acknowledged
    ids, counted = stored(f"sqlite:///{path}")
    assert acknowledged <= ids
    assert counted == len(ids)
    assert len(acknowledged) > 10


def _open_as_nobody(url: str, answer: Pipe) -> None:
    if os.getuid() == 0:
        os.setgid(65534)
        os.setuid(65534)
    try:
        Store.open(url, migrate=True).close()
    except StoreError as fault:
        answer.send((type(fault).__name__, str(fault)))
    else:
        answer.send(("", "opened"))


@pytest.mark.parametrize("exists", [True, False], ids=["existing", "new"])
def test_read_only_directory(tmp_path_factory: pytest.TempPathFactory, exists: bool) -> None:
    folder = tmp_path_factory.mktemp("readonly")
    url = f"sqlite:///{folder}/deliverd.db"
    if exists:
        Store.open(url, migrate=True).close()
        with sqlite3.connect(folder / "deliverd.db") as conn:
            conn.execute("UPDATE alembic_version SET version_num = '0000'")
        conn.close()
        (folder / "deliverd.db").chmod(0o444)
    for parent in (folder, folder.parent, folder.parent.parent):
        parent.chmod(0o755)
    folder.chmod(0o555)
    mine, theirs = get_context("fork").Pipe()
    process = get_context("fork").Process(target=_open_as_nobody, args=(url, theirs))
    process.start()
    process.join(20)
    folder.chmod(0o755)
    kind, words = mine.recv()
    assert kind == "StoreUnavailable"
    assert "read-only" in words or "cannot be opened" in words


async def test_locked_by_another_process(tmp_path: Path, sqlite_template: Path) -> None:
    """A writer that does not let go: refused in plain words after the busy time-out; then all is well again."""
    path = shutil.copyfile(sqlite_template, tmp_path / "deliverd.db")
    store = Store.open(f"sqlite:///{path}", migrate=False)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="locked by another process"):
        await store.ingest(batch(event("1")))
    assert await store.read(lambda conn: events.counts(conn, "acme.com", None)) == Counts()
    other.rollback()
    other.close()
    assert (await store.ingest(batch(event("1")))).accepted == 1
    await store.aclose()


async def test_damaged_file(tmp_path: Path) -> None:
    path = tmp_path / "deliverd.db"
    store = Store.open(f"sqlite:///{path}", migrate=True)
    for start in range(0, 2000, 100):
        await store.ingest(batch(*(event(str(start + n), message_id="m" * 200) for n in range(100))))
    await store.aclose()
    size = path.stat().st_size
    with path.open("r+b") as file:
        for page in range(100, size // 4096):  # the schema lies before these
            file.seek(page * 4096)
            file.write(b"\xa5" * 4096)
    store = Store.open(f"sqlite:///{path}", migrate=False)
    with pytest.raises(StoreCorrupt, match="damaged") as fault:
        await store.read(lambda conn: conn.execute(select(func.count(schema.events.c.message_id))).scalar())
    assert not fault.value.retry
    with pytest.raises(StoreCorrupt):
        await store.ingest(batch(*(event(f"new{n}") for n in range(2000))))
    await store.aclose()


async def test_postgres_restarted_meanwhile(postgres: Postgres, postgres_template: str) -> None:
    """While the server is away nothing is acknowledged; after its restart the same store goes on by itself."""
    name = postgres.create(postgres_template)
    store = Store.open(postgres.url(name), migrate=False)
    assert (await store.ingest(batch(event("before")))).accepted == 1
    assert await store.read(lambda conn: events.counts(conn, "acme.com", None)) == Counts(sent=1)
    postgres.stop()
    try:
        for number in range(3):
            with pytest.raises(StoreUnavailable) as fault:
                await store.ingest(batch(event(f"away{number}")))
            assert fault.value.retry
        with pytest.raises(StoreUnavailable):
            await store.read(lambda conn: events.counts(conn, "acme.com", None))
    finally:
        postgres.start()
    assert (await store.ingest(batch(event("before"), event("after")))).accepted == 1
    assert await store.read(lambda conn: events.counts(conn, "acme.com", None)) == Counts(sent=2)
    await store.aclose()


async def test_postgres_restarted_between_two_writes_is_not_noticed(postgres: Postgres, postgres_template: str) -> None:
    """The connection that broke in the meantime is replaced before anything is refused."""
    store = Store.open(postgres.url(postgres.create(postgres_template)), migrate=False)
    await store.ingest(batch(event("before")))
    await store.read(lambda conn: events.counts(conn, "acme.com", None))
    postgres.stop()
    postgres.start()
    assert (await store.ingest(batch(event("after")))).accepted == 1
    assert await store.read(lambda conn: events.counts(conn, "acme.com", None)) == Counts(sent=2)
    await store.aclose()


async def test_postgres_restarted_under_load_loses_nothing_acknowledged(
    postgres: Postgres, postgres_template: str
) -> None:
    url = postgres.url(postgres.create(postgres_template))
    store = Store.open(url, migrate=False)
    acknowledged, refused = set(), 0
    stop_at = time.monotonic() + 30

    async def lane(number: int) -> None:
        nonlocal refused
        for count in range(400):
            name = f"{number}-{count}"
            while name not in acknowledged and time.monotonic() < stop_at:
                try:
                    await store.ingest(batch(event(name)))
                    acknowledged.add(name)
                except StoreUnavailable:
                    refused += 1
                    await asyncio.sleep(0.02)

    lanes = asyncio.gather(*(lane(number) for number in range(4)))
    await asyncio.sleep(0.15)
    await asyncio.to_thread(postgres.stop)
    while not refused and time.monotonic() < stop_at:  # noqa: ASYNC110 - the lanes only count
        await asyncio.sleep(0.02)
    await asyncio.to_thread(postgres.start)
    await lanes
    await store.aclose()
    assert refused > 0
    ids, counted = stored(url)
    assert len(acknowledged) == 1600
    assert acknowledged == ids
    assert counted == 1600


def test_one_daemon_a_file(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'deliverd.db'}"
    with SoleUse(url):
        with pytest.raises(StoreInUse, match=str(os.getpid())):
            SoleUse(url).__enter__()
        with SoleUse("postgresql://localhost/deliverd"), SoleUse("postgresql://localhost/deliverd"):
            pass
    with SoleUse(url):
        pass
