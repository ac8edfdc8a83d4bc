"""One daemon a SQLite file: two would each hold half of the truth in memory. PostgreSQL needs no such rule."""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlalchemy import make_url

from deliverd.store.faults import StoreError


class StoreInUse(StoreError):  # noqa: N818 - a word of the project
    """Another daemon works on this database. Not to be retried until it has stopped."""


class SoleUse:
    """Holds the claim on a SQLite file while inside; does nothing for another database.

    The claim is the kernel's lock on a file beside the database, so it ends with the process however that ends.

    Raises:
        StoreInUse: on entering, with the process that has it. OSError: the folder cannot be written to.
    """

    def __init__(self, url: str) -> None:
        parsed = make_url(url)
        file = parsed.database if parsed.get_backend_name() == "sqlite" else None
        self._path = Path(f"{file}.lock") if file else None
        self._descriptor: int | None = None

    @property
    def holds(self) -> bool:
        """Whether this process is known to be the only one on the database."""
        return self._descriptor is not None

    def __enter__(self) -> Self:
        if self._path is not None:
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._claim(self._descriptor)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)

    def _claim(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            self._descriptor = None
            raise StoreInUse(
                f"another deliverd (process {holder}) runs on this database; one SQLite file serves one daemon: "
                "stop it, or use PostgreSQL to run several"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
