"""Engines: how a connection to either database is set up, for the one writer and for readers."""

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, exc, inspect, make_url, text

from deliverd.store import schema
from deliverd.store.faults import SchemaMissing, SchemaTooNew, StoreError, translate
from deliverd.store.text import dumps

BUSY_SECONDS = 5.0
READERS = 4
_MAKE_IT = "start `deliverd run` once, which makes it"
_POSTGRES: Mapping[str, Any] = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
    "application_name": "deliverd",
}


def make_engine(url: str, *, readonly: bool) -> Engine:
    """An engine for `sqlite:////path` or `postgresql://...`. Connects only when used.

    Raises:
        ValueError: another database, SQLite without a file, or no URL at all. The text does not quote the URL,
            which may hold a password.
    """
    try:
        parsed = make_url(url)
    except (exc.ArgumentError, ValueError):
        raise ValueError(
            "the store's URL cannot be read: expected sqlite:////path/deliverd.db or postgresql://..."
        ) from None
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        if not parsed.database or ":memory:" in parsed.database:
            raise ValueError("the store needs a file: sqlite:////path/deliverd.db (four slashes before a full path)")
        return _sqlite(parsed.set(drivername="sqlite+pysqlite").render_as_string(hide_password=False), readonly)
    if backend != "postgresql":
        raise ValueError(f"the store knows sqlite and postgresql, not {backend}")
    return _postgres(parsed.set(drivername="postgresql+psycopg").render_as_string(hide_password=False), readonly)


def _sqlite(url: str, readonly: bool) -> Engine:
    engine = create_engine(
        url,
        hide_parameters=True,
        json_serializer=dumps,
        connect_args={"timeout": BUSY_SECONDS},
        pool_use_lifo=True,  # the one just used has its pages and statements at hand
        pool_size=READERS,
        max_overflow=2 * READERS,
    )

    @event.listens_for(engine, "connect")
    def _set_up(connection: sqlite3.Connection, _record: object) -> None:
        # The driver's own BEGIN comes late and only before some statements: it is switched off, see _begin.
        connection.isolation_level = None
        pragmas = ("query_only=ON",) if readonly else ("journal_mode=WAL", "synchronous=FULL")
        for pragma in (*pragmas, "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # IMMEDIATE takes the write lock before reading: a later upgrade of the lock could not wait, only fail.
        connection.exec_driver_sql("BEGIN" if readonly else "BEGIN IMMEDIATE")

    return engine


def _postgres(url: str, readonly: bool) -> Engine:
    engine = create_engine(
        url,
        hide_parameters=True,
        json_serializer=dumps,
        connect_args=dict(_POSTGRES),
        pool_pre_ping=True,
        pool_size=READERS,
        max_overflow=2 * READERS,
        # A reader asks several questions of one moment, as a SQLite reader does.
        isolation_level="REPEATABLE READ" if readonly else "READ COMMITTED",
    )

    @event.listens_for(engine, "connect")
    def _set_up(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        cursor.execute("SET TIME ZONE 'UTC'")
        # A process that hangs with a lock in its hand must not hold up the others for ever.
        cursor.execute("SET lock_timeout = '10s'")
        cursor.execute("SET idle_in_transaction_session_timeout = '60s'")
        # "Committed" has to mean durable, whatever the role's default; stronger settings stay.
        cursor.execute(
            "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
        )
        cursor.close()
        connection.commit()

    return engine.execution_options(postgresql_readonly=True) if readonly else engine


def revision(conn: Connection) -> str | None:
    """The schema revision the database is at; None when it holds no schema."""
    if not inspect(conn).has_table("alembic_version"):
        return None
    found = conn.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)


def check_schema(engine: Engine) -> None:
    """Return when the schema is the one this code needs.

    Raises:
        SchemaMissing: none, or an older one. SchemaTooNew: a newer one. StoreUnavailable, StoreCorrupt.
    """
    file = engine.url.database if engine.dialect.name == "sqlite" else None
    if file and not Path(file).exists():
        raise SchemaMissing(f"there is no database at {file} yet: {_MAKE_IT}")
    try:
        with engine.connect() as conn:
            found = revision(conn)
    except exc.SQLAlchemyError as fault:
        raise translate(fault) from None
    if wrong := schema_fault(found):
        raise wrong


def schema_fault(found: str | None) -> StoreError | None:
    """What is wrong with a database at revision `found`, if anything."""
    if found == schema.HEAD:
        return None
    if found is None:
        return SchemaMissing(f"the database holds no deliverd schema yet: {_MAKE_IT}")
    if found in schema.REVISIONS:
        return SchemaMissing(
            f"the database is at schema {found} and this deliverd needs {schema.HEAD}: "
            "start `deliverd run` once, which brings it up to date"
        )
    return SchemaTooNew(
        f"the database is at schema {found}, which this deliverd does not know (it knows up to {schema.HEAD}): "
        "a newer deliverd wrote it; run that version, or restore a backup made before the upgrade"
    )
