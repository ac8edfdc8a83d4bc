"""What can go wrong in the store, and how a driver's errors become one of these.

StoreError                    retry?
|- StoreUnavailable           yes, later: down, locked, full or read-only; nothing of the call was acknowledged
|  `- StoreBusy               yes, soon: too much waits to be written already
|- StoreCorrupt               no: the database is damaged; restore it
|- SchemaMissing              no, until the schema is there: the text says which command makes it
|- SchemaTooNew               no: a newer deliverd wrote this database; run that one
|- Conflict                   no: somebody else claimed it first; read again and decide anew
`- WriteRefused               no: the database will not take these values; the text says why

`StoreUnavailable` after a commit was sent (PostgreSQL lost at that instant) leaves open whether it was written:
an operation must be fit to run again.
"""

from typing import ClassVar

from sqlalchemy import exc


class StoreError(Exception):
    """Something the store could not do. The text names no secret and no stored value."""

    retry: ClassVar[bool] = False


class StoreUnavailable(StoreError):  # noqa: N818 - a word of the project, as are those below
    """The database cannot be reached or cannot be written to just now."""

    retry = True


class StoreBusy(StoreUnavailable):
    """More waits to be written than the store is willing to hold."""


class StoreCorrupt(StoreError):  # noqa: N818
    """The database is damaged, or is not a database."""


class SchemaMissing(StoreError):  # noqa: N818
    """There is no schema, or an older one than this deliverd needs."""


class SchemaTooNew(StoreError):  # noqa: N818
    """The schema was written by a newer deliverd."""


class Conflict(StoreError):  # noqa: N818
    """The number or the slot was taken by somebody else: a lost compare-and-set."""


class WriteRefused(StoreError):  # noqa: N818
    """The database refused the values or the statement of one operation."""


# Primary result codes, https://www.sqlite.org/rescode.html (read 2026-11-22).
_SQLITE_PASSING = {
    5: "the database is locked by another process",
    6: "the database is locked",
    7: "out of memory",
    8: "the database is read-only",
    10: "disk input/output error",
    13: "the disk is full",
    14: "the database file cannot be opened: check that its directory exists and may be written to",
    15: "the database is locked by another process",
    22: "the file is larger than this system allows",
    23: "access to the database was denied",
}
_SQLITE_DAMAGED = {11: "the database file is damaged", 26: "the file is not an SQLite database"}
# Classes and codes, https://www.postgresql.org/docs/current/errcodes-appendix.html (read 2026-11-22).
_POSTGRES_PASSING = ("08", "25006", "40", "53", "55", "57", "58")
_POSTGRES_DAMAGED = ("XX001", "XX002")


def translate(fault: exc.SQLAlchemyError) -> StoreError:
    """The store's word for a driver's error. Never quotes parameters."""
    if isinstance(fault, exc.TimeoutError):
        return StoreUnavailable("every database connection is in use")
    if not isinstance(fault, exc.DBAPIError):
        return WriteRefused(f"{type(fault).__name__}: {_line(fault)}")
    code = getattr(fault.orig, "sqlite_errorcode", None)
    if code is not None or type(fault.orig).__module__ == "sqlite3":
        return _translate_sqlite(fault, code)
    return _translate_postgres(fault)


def lost(fault: exc.SQLAlchemyError) -> bool:
    """Whether the connection went away, or the server asks for the transaction to be run again."""
    if not isinstance(fault, exc.DBAPIError):
        return False
    return fault.connection_invalidated or str(getattr(fault.orig, "sqlstate", "") or "").startswith(("40", "57P"))


def _translate_sqlite(fault: exc.DBAPIError, code: int | None) -> StoreError:
    primary = (code or 0) & 0xFF
    if primary in _SQLITE_DAMAGED:
        return StoreCorrupt(f"{_SQLITE_DAMAGED[primary]} ({_line(fault.orig)})")
    if primary in _SQLITE_PASSING:
        return StoreUnavailable(f"{_SQLITE_PASSING[primary]} ({_line(fault.orig)})")
    return WriteRefused(_line(fault.orig))


def _translate_postgres(fault: exc.DBAPIError) -> StoreError:
    state = str(getattr(fault.orig, "sqlstate", "") or "")
    if state in _POSTGRES_DAMAGED:
        return StoreCorrupt(f"PostgreSQL reports damage ({state}: {_line(fault.orig)})")
    unreachable = not state and isinstance(fault, exc.OperationalError | exc.InterfaceError)
    if fault.connection_invalidated or unreachable or state.startswith(_POSTGRES_PASSING):
        return StoreUnavailable(f"PostgreSQL is not available ({_line(fault.orig)})")
    # The server's detail line quotes values of the row: only its first line, which does not, is passed on.
    return WriteRefused(f"{state}: {_line(fault.orig)}")


def _line(fault: BaseException | None) -> str:
    lines = str(fault).strip().splitlines()
    return lines[0][:200] if lines else type(fault).__name__
