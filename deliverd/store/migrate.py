"""Bring a database to the schema this code needs. The one module that imports Alembic, which takes 250 ms."""

from alembic import command
from alembic.config import Config
from sqlalchemy import exc, text

from deliverd.store.database import make_engine, revision, schema_fault
from deliverd.store.faults import SchemaMissing, translate

# Any number will do, as long as every deliverd takes the same one.
_LOCK = 0x64656C69


def migrate(url: str) -> None:
    """Apply what is missing, all in one transaction. Several processes may do so at once; one waits for the other.

    Raises:
        SchemaTooNew: a newer deliverd has been here; nothing is changed. StoreUnavailable, StoreCorrupt.
    """
    engine = make_engine(url, readonly=False)
    try:
        with engine.begin() as conn:
            if conn.dialect.name == "postgresql":
                conn.execute(text("SET LOCAL lock_timeout = 0"))
                conn.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            fault = schema_fault(revision(conn))
            if fault is None:
                return
            if not isinstance(fault, SchemaMissing):
                raise fault
            config = configuration()
            config.attributes["connection"] = conn
            command.upgrade(config, "head")
    except exc.SQLAlchemyError as broken:
        raise translate(broken) from None
    finally:
        engine.dispose()


def configuration() -> Config:
    """Where Alembic finds the migrations."""
    config = Config()
    config.set_main_option("script_location", "deliverd.store:migrations")
    return config
