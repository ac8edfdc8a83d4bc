"""The door to IMAP (RFC 9051; IDLE: RFC 2177): a mailbox over TLS, read without marking anything.

What is done carries the keyword DONE, or, where the server knows no keywords, the flag \\Seen. imaplib is not
asynchronous: each step runs in a thread, one at a time.
"""

import asyncio
import contextlib
import imaplib
import re
import socket
import ssl
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, TypeVar

from pydantic import SecretStr

from probes.mailbox import HEAD_BYTES, Mail, MailboxFault
from probes.observation import Why

DONE = "$DeliverdRead"
IDLE_SECONDS = 28 * 60.0
"""RFC 2177 3: a client should end IDLE at least every 29 minutes."""
_UIDS_AT_ONCE = 20_000
"""Ids in one search: the answer is one line, and imaplib takes lines of a million letters."""
_MARKED_AT_ONCE = 200

_SIZE = re.compile(rb"RFC822\.SIZE (\d+)")
_QUOTED = str.maketrans({"\\": "\\\\", '"': '\\"'})

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Account:
    """Where the mailbox is. `tls` is implicit (port 993), starttls, or none. `certificates`: a CA file of one's own."""

    host: str
    port: int
    user: str
    password: SecretStr = field(repr=False)
    folder: str = "INBOX"
    tls: Literal["implicit", "starttls", "none"] = "implicit"
    certificates: str | None = None
    timeout_seconds: float = 30.0


class Imap:
    """One folder of one account. Each call makes a connection of its own and ends it."""

    def __init__(self, account: Account) -> None:
        self._account = account

    async def mails(self, most_bytes: int) -> AsyncGenerator[Mail, None]:
        """Every mail that is not marked as done, oldest first. Raises MailboxFault."""
        async with _Session(self._account) as session:
            for low in range(session.first, session.next_uid, _UIDS_AT_ONCE):
                for uid in await session.run(partial(_search, low, low + _UIDS_AT_ONCE - 1, session.unmarked)):
                    mail = await session.run(partial(_fetch, uid, f"{session.validity}:{uid}", most_bytes))
                    if mail is not None:
                        yield mail

    async def acknowledge(self, ids: Sequence[str], odd: Sequence[str] = ()) -> None:
        """Mark mails as done and seen, odd ones as flagged too. Raises MailboxFault."""
        async with _Session(self._account) as session:
            for names, flags in ((odd, f"{session.done} \\Flagged"), (ids, session.done)):
                uids = [uid for validity, _, uid in (name.partition(":") for name in names) if _is(session, validity)]
                for at in range(0, len(uids), _MARKED_AT_ONCE):
                    some = ",".join(uids[at : at + _MARKED_AT_ONCE])
                    await session.run(partial(_store, some, flags))

    async def wait(self, after: str, seconds: float) -> str:
        """Until a mail comes in, told by the server (IDLE). Raises MailboxFault."""
        async with _Session(self._account) as session:
            token = f"{session.validity}:{session.next_uid}"
            if token != after or not session.idles:
                return token
            came = await session.run(partial(_idle, min(seconds, IDLE_SECONDS)))
        return "" if came else token


class _Session:
    """A connection with the folder selected, used by one thread at a time, and ended however its use ends."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._imap: imaplib.IMAP4 | None = None
        self.validity = ""
        self.first, self.next_uid = 1, 1
        self.done, self.unmarked = f"{DONE} \\Seen", f"UNKEYWORD {DONE}"
        self.idles = False

    async def __aenter__(self) -> "_Session":
        try:
            await self._guarded(self._open)
        except BaseException:
            self._end()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        imap = self._imap
        if imap is not None and imap.state == "SELECTED":
            with contextlib.suppress(MailboxFault):
                await self._guarded(imap.logout)
        self._end()

    async def run(self, step: Callable[[imaplib.IMAP4], T]) -> T:
        imap = self._imap
        assert imap is not None
        return await self._guarded(lambda: step(imap))

    async def _guarded(self, step: Callable[[], T]) -> T:
        """Run a step in a thread. When the waiting is cancelled the connection is cut, or the thread would go on."""
        where = f"{self._account.host}:{self._account.port}"
        try:
            return await asyncio.to_thread(step)
        except asyncio.CancelledError:
            self._end()
            raise
        except TimeoutError:
            raise MailboxFault(Why.TIMEOUT, f"{where} does not answer") from None
        except ssl.SSLError as fault:
            raise MailboxFault(Why.NETWORK, f"{where}: TLS: {fault.reason}") from None
        except OSError as fault:
            raise MailboxFault(Why.NETWORK, f"{where}: {fault.strerror or type(fault).__name__}") from None
        except imaplib.IMAP4.abort:
            raise MailboxFault(Why.NETWORK, f"{where} ended the connection") from None
        except (imaplib.IMAP4.error, ValueError, IndexError, TypeError) as fault:
            raise MailboxFault(Why.UNREADABLE, f"{where} answers what is not IMAP ({type(fault).__name__})") from None

    def _open(self) -> None:
        account, seconds = self._account, self._account.timeout_seconds
        context = ssl.create_default_context(cafile=account.certificates)
        if account.tls == "implicit":
            self._imap = imaplib.IMAP4_SSL(account.host, account.port, ssl_context=context, timeout=seconds)
        else:
            self._imap = imaplib.IMAP4(account.host, account.port, timeout=seconds)
        if account.tls == "starttls":
            self._imap.starttls(context)
        try:
            self._imap.login(account.user, account.password.get_secret_value())
        except imaplib.IMAP4.abort:
            raise
        except imaplib.IMAP4.error:
            where = f"{account.host}:{account.port}"
            raise MailboxFault(Why.DENIED, f"{where} refuses the login of {account.user}") from None
        self._select(self._imap)

    def _select(self, imap: imaplib.IMAP4) -> None:
        self.idles = "IDLE" in imap.capabilities
        folder = self._account.folder
        try:
            kind, count = imap.select(f'"{folder.translate(_QUOTED)}"')
        except imaplib.IMAP4.readonly:
            raise MailboxFault(Why.DENIED, f"{self._account.host}: {folder} may only be read, not marked") from None
        if kind != "OK":
            raise MailboxFault(Why.DENIED, f"{self._account.host}: there is no folder {folder}, or it may not be read")
        self.validity = _number(imap, "UIDVALIDITY")
        self.next_uid = int(_number(imap, "UIDNEXT"))
        flags = (imap.response("PERMANENTFLAGS")[1] or [b""])[0] or b""
        if b"\\*" not in flags and DONE.lower().encode() not in flags.lower():
            self.done, self.unmarked = "\\Seen", "UNSEEN"
        self.first = _first_uid(imap) if int(count[0] or 0) else self.next_uid

    def _end(self) -> None:
        imap = self._imap
        if imap is not None:
            with contextlib.suppress(OSError, AttributeError):
                imap.sock.shutdown(socket.SHUT_RDWR)
            with contextlib.suppress(OSError, AttributeError):
                imap.shutdown()


def _is(session: _Session, validity: str) -> bool:
    """Whether an id was given by the folder as it is now: after a new UIDVALIDITY the same number is another mail."""
    return validity == session.validity


def _number(imap: imaplib.IMAP4, name: str) -> str:
    value: Any = imap.response(name)[1][0]
    return str(int(value))


def _first_uid(imap: imaplib.IMAP4) -> int:
    kind, found = imap.fetch("1", "(UID)")
    _expect(kind)
    match = re.search(rb"UID (\d+)", found[0] if isinstance(found[0], bytes) else b"")
    return int(match[1]) if match else 1


def _search(low: int, high: int, unmarked: str, imap: imaplib.IMAP4) -> list[int]:
    kind, found = imap.uid("SEARCH", f"UID {low}:{high} {unmarked}")
    _expect(kind)
    return sorted({int(uid) for part in found if part for uid in part.split()})


def _fetch(uid: int, name: str, most_bytes: int, imap: imaplib.IMAP4) -> Mail | None:
    """One mail, or its beginning when it is too large; None when it was taken away meanwhile."""
    kind, found = imap.uid("FETCH", str(uid), f"(RFC822.SIZE BODY.PEEK[]<0.{most_bytes}>)")
    _expect(kind)
    for part in found:
        if isinstance(part, tuple):
            match = _SIZE.search(part[0]) or _SIZE.search(b" ".join(rest for rest in found if isinstance(rest, bytes)))
            size = int(match[1]) if match else len(part[1])
            # Some servers count line ends of one letter as two: what came whole is whole.
            whole = len(part[1]) < most_bytes or size <= most_bytes
            return Mail(name, part[1], len(part[1])) if whole else Mail(name, part[1][:HEAD_BYTES], size)
    return None


def _store(uids: str, flags: str, imap: imaplib.IMAP4) -> None:
    kind, _ = imap.uid("STORE", uids, "+FLAGS.SILENT", f"({flags})")
    if kind != "OK":
        raise MailboxFault(Why.DENIED, "the server does not let mails be marked")


def _idle(seconds: float, imap: imaplib.IMAP4) -> bool:
    """Until the server tells of a mail (True). The connection is of no further use then, and is simply ended."""
    imap.state = "LOGOUT"
    imap.send(b"DLVRD IDLE\r\n")
    imap.sock.settimeout(seconds)
    with contextlib.suppress(TimeoutError):
        while line := imap.readline():
            if line.upper().rstrip().endswith((b" EXISTS", b" RECENT")):
                return True
            if line.startswith(b"DLVRD "):
                raise imaplib.IMAP4.error("IDLE was refused")
        raise imaplib.IMAP4.abort("closed while idle")
    return False


def _expect(kind: str) -> None:
    if kind != "OK":
        raise imaplib.IMAP4.error("the server refused a command")
