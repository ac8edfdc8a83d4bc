"""A directory of mails (https://cr.yp.to/proto/maildir.html): what has the flag S (seen) is done."""

import asyncio
import errno
import os
import stat
from collections.abc import AsyncGenerator, Iterator, Sequence
from pathlib import Path

from probes.mailbox import HEAD_BYTES, Mail, MailboxFault
from probes.observation import Why

DONE, ODD = "S", "F"
_POLL_SECONDS = 1.0
_NO_FILE = (errno.ELOOP, errno.ENXIO)


class Maildir:
    """The mails in `new` and `cur` of one maildir."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def mails(self, most_bytes: int) -> AsyncGenerator[Mail, None]:
        """Every mail without the flag S, as the directory lists them. One that is taken away meanwhile is passed over.

        Raises MailboxFault.
        """
        for folder in ("new", "cur"):
            with _scan(self._path / folder) as entries:
                for name in _undone(entries):
                    mail = await asyncio.to_thread(_read, self._path, f"{folder}/{name}", most_bytes)
                    if mail is not None:
                        yield mail

    async def acknowledge(self, ids: Sequence[str], odd: Sequence[str] = ()) -> None:
        """Move mails to `cur` with the flag S, odd ones with F (flagged) too. Raises MailboxFault."""
        await asyncio.to_thread(self._move, ids, frozenset(odd))

    async def wait(self, after: str, seconds: float) -> str:
        """Until a mail is put into `new`, looked for every second. Raises MailboxFault."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while True:
            token = _token(self._path / "new")
            left = end - loop.time()
            if token != after or left <= 0:
                return token
            await asyncio.sleep(min(_POLL_SECONDS, left))

    def _move(self, ids: Sequence[str], odd: frozenset[str]) -> None:
        for name in dict.fromkeys((*ids, *odd)):
            folder, _, file = name.partition("/")
            if folder not in ("new", "cur") or not file or "/" in file or file.startswith("."):
                raise ValueError(f"{name!r} is no mail of a maildir")
            base, flags = _flags(file)
            flags |= {DONE, ODD} if name in odd else {DONE}
            target = self._path / "cur" / f"{base}:2,{''.join(sorted(flags))}"
            try:
                (self._path / folder / file).rename(target)
            except FileNotFoundError:
                continue  # somebody else moved it, and it will be read again: what it says is counted once
            except OSError as fault:
                raise _fault(fault, target.parent) from None


def _undone(entries: Iterator["os.DirEntry[str]"]) -> Iterator[str]:
    for entry in entries:
        if not entry.name.startswith(".") and DONE not in _flags(entry.name)[1]:
            yield entry.name


def _flags(name: str) -> tuple[str, set[str]]:
    base, _, info = name.partition(":")
    return base, set(info[2:]) if info.startswith("2,") else set()


def _scan(folder: Path) -> "os._ScandirIterator[str]":
    try:
        return os.scandir(folder)
    except OSError as fault:
        raise _fault(fault, folder) from None


def _read(path: Path, name: str, most_bytes: int) -> Mail | None:
    """None for what is gone, or is no plain file: to open a pipe would be to wait for ever."""
    try:
        descriptor = os.open(path / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as fault:
        if fault.errno in _NO_FILE:
            return None
        raise _fault(fault, path / name) from None
    about = os.fstat(descriptor)
    if not stat.S_ISREG(about.st_mode):
        os.close(descriptor)
        return None
    with os.fdopen(descriptor, "rb") as file:
        size = about.st_size
        return Mail(name, file.read(most_bytes if size <= most_bytes else HEAD_BYTES), size)


def _token(folder: Path) -> str:
    try:
        return str(folder.stat().st_mtime_ns)
    except OSError as fault:
        raise _fault(fault, folder) from None


def _fault(fault: OSError, place: Path) -> MailboxFault:
    why = Why.DENIED if isinstance(fault, PermissionError) else Why.NETWORK
    return MailboxFault(why, f"{place}: {fault.strerror}")
