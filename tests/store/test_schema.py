"""The schema: migrated and described are the same, and every time is aware UTC."""

from datetime import UTC, datetime, timedelta, timezone
from multiprocessing import get_context
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, exc, select, text

from deliverd.store import heartbeats, schema
from deliverd.store.database import make_engine, revision
from deliverd.store.faults import SchemaMissing, SchemaTooNew, StoreCorrupt, StoreUnavailable
from deliverd.store.migrate import configuration, migrate
from deliverd.store.writer import Store
from peers.values import NOW


def test_migrated_schema_is_the_described_one(conn: Connection) -> None:
    context = MigrationContext.configure(conn, opts={"compare_type": True, "compare_server_default": True})
    assert compare_metadata(context, schema.metadata) == []


def test_comparison_would_notice_a_difference(conn: Connection) -> None:
    conn.execute(text("ALTER TABLE heartbeats ADD COLUMN surplus TEXT"))
    context = MigrationContext.configure(conn)
    assert [change[0] for change in compare_metadata(context, schema.metadata)] == ["remove_column"]


def test_known_revisions_are_the_migrations() -> None:
    scripts = ScriptDirectory.from_config(configuration())
    assert tuple(script.revision for script in scripts.walk_revisions())[::-1] == schema.REVISIONS


def test_migrating_twice_changes_nothing(empty_url: str) -> None:
    migrate(empty_url)
    migrate(empty_url)
    with make_engine(empty_url, readonly=True).connect() as conn:
        assert revision(conn) == schema.HEAD


def test_several_processes_may_migrate_at_once(empty_url: str) -> None:
    spawn = get_context("spawn")
    processes = [spawn.Process(target=migrate, args=(empty_url,)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]


def test_missing_schema_says_what_to_do(empty_url: str) -> None:
    with pytest.raises(SchemaMissing, match="deliverd run"):
        Store.open(empty_url, migrate=False)
    Store.open(empty_url, migrate=True).close()
    Store.open(empty_url, migrate=False).close()


def test_looking_for_a_database_makes_none(tmp_path: Path) -> None:
    path = tmp_path / "deliverd.db"
    with pytest.raises(SchemaMissing, match=r"no database at .*deliverd\.db"):
        Store.open(f"sqlite:///{path}", migrate=False)
    assert not path.exists()


def test_newer_schema_is_left_alone(url: str) -> None:
    engine = make_engine(url, readonly=False)
    with engine.begin() as conn:
        conn.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    for migrating in (False, True):
        with pytest.raises(SchemaTooNew, match=r"9999.*newer deliverd"):
            Store.open(url, migrate=migrating)


def test_failed_migration_leaves_nothing(empty_url: str) -> None:
    engine = make_engine(empty_url, readonly=False)
    with engine.begin() as conn:
        conn.execute(text("CREATE TABLE results (id INTEGER)"))  # in the way of a table made late
    with pytest.raises(Exception, match="results"):
        migrate(empty_url)
    with engine.connect() as conn:
        assert revision(conn) is None
        assert not engine.dialect.has_table(conn, "counts")
    engine.dispose()


def test_times_come_back_aware_and_utc(conn: Connection) -> None:
    heartbeats.beat(conn, "daemon", NOW, {})
    (at,) = conn.execute(select(schema.heartbeats.c.at)).one()
    assert at == NOW
    assert at.tzinfo is UTC


@pytest.mark.parametrize(
    "at", [NOW.replace(tzinfo=None), NOW.astimezone(timezone(timedelta(hours=1)))], ids=["naive", "zone"]
)
def test_times_in_other_zones_are_refused(conn: Connection, at: datetime) -> None:
    with pytest.raises(exc.StatementError, match="not an aware UTC time"):
        heartbeats.beat(conn, "daemon", at, {})


def test_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("these are notes, and long enough to be taken for a database's first page\n" * 100)
    with pytest.raises(StoreCorrupt, match="not an SQLite database"):
        Store.open(f"sqlite:///{path}", migrate=True)


def test_missing_directory(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="directory exists"):
        Store.open(f"sqlite:///{tmp_path}/nowhere/deliverd.db", migrate=True)


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://",
        "sqlite:///:memory:",
        "mysql://root:hunter2@localhost/deliverd",
        "hunter2",
        "postgresql://deliverd:hunter2",
    ],
)
def test_other_urls_are_refused_without_their_password(url: str) -> None:
    with pytest.raises(ValueError) as fault:
        Store.open(url, migrate=True)
    assert "hunter2" not in str(fault.value)
    assert fault.value.__cause__ is None


def test_unreachable_postgres_names_no_password(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable) as fault:
        Store.open(f"postgresql://deliverd:hunter2@/deliverd?host={tmp_path}", migrate=True)
    assert "hunter2" not in str(fault.value)
