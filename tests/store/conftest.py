"""Every test that takes `url`, `store` or `conn` runs on SQLite and on PostgreSQL, with the schema in place."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine

from deliverd.store.database import make_engine
from deliverd.store.migrate import migrate
from deliverd.store.writer import Store
from peers.postgres import Postgres, PostgresImpossible


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    try:
        server = Postgres().__enter__()
    except PostgresImpossible as why:
        pytest.skip(f"real-server tier: {why}")
    try:
        yield server
    finally:
        server.__exit__(None, None, None)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "template.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgres_template(postgres: Postgres) -> str:
    name = postgres.create()
    migrate(postgres.url(name))
    return name


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without a schema."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    server: Postgres = request.getfixturevalue("postgres")
    name = server.create()
    yield server.url(name)
    server.drop(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database with the schema."""
    if request.param == "sqlite":
        path = tmp_path / "deliverd.db"
        shutil.copyfile(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite:///{path}"
        return
    server: Postgres = request.getfixturevalue("postgres")
    name = server.create(request.getfixturevalue("postgres_template"))
    yield server.url(name)
    server.drop(name)


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A database that tests share which undo what they did."""
    if request.param == "sqlite":
        path = tmp_path_factory.mktemp("shared") / "deliverd.db"
        url = f"sqlite:///{shutil.copyfile(request.getfixturevalue('sqlite_template'), path)}"
    else:
        server: Postgres = request.getfixturevalue("postgres")
        url = server.url(server.create(request.getfixturevalue("postgres_template")))
    engine = make_engine(url, readonly=False)
    yield engine
    engine.dispose()


@pytest.fixture
def conn(shared: Engine) -> Iterator[Connection]:
    """A transaction, as an operation of the store sees it; undone after the test."""
    with shared.connect() as connection, connection.begin() as transaction:
        yield connection
        transaction.rollback()


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = Store.open(url, migrate=False)
    yield opened
    opened.close()
