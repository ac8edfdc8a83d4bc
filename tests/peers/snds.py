"""Microsoft SNDS on this machine: its REST API and a key link, which can fail on purpose.

Microsoft publishes no description; this one answers as open clients that work found the real one: CSV without a header
as application/octet-stream, 404 for a day without numbers, 400 for a malformed one. It runs in a thread of its own.
"""

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

LINK_KEY = "the-key-of-the-link"
ROW = "{ip},{start} 8:00 AM,{start} 11:00 PM,422,409,422,{colour},{rate},{traps},mail.acme.com,@acme.com,"


class Fault(Enum):
    """The ways in which it can fail."""

    HANG = "takes the call and never answers"
    DRIP = "answers a byte now and then, without end"
    DRIP_HEADERS = "the same, before the answer begins"
    MALFORMED = 400
    UNAUTHORIZED = 401
    FORBIDDEN = 403
    RATE_LIMITED = 429
    BROKEN = 500
    GARBAGE = "200 and bytes that are nothing"
    HTML = "200 and the page to sign in"
    UNTYPED_HTML = "the same, said to be data"
    JSON = "200 and JSON of a shape that nobody knows"
    TRUNCATED = "200 and half of the answer"
    CUT = "200 and half of the answer, with its length"
    REDIRECT = 302


class FailingHandler(BaseHTTPRequestHandler):
    """Answers, or fails in the way that its `peer` is told to."""

    protocol_version = "HTTP/1.1"
    peer: Any

    def log_message(self, *_: object) -> None:
        """Tests are quiet."""

    def fail(self, fault: Fault) -> None:
        page = b"<!doctype html><title>Sign in to your account</title>"
        match fault:
            case Fault.HANG:
                self.peer.released.wait(30)
                self.close_connection = True
            case Fault.DRIP:
                self._drip(b" ")
            case Fault.DRIP_HEADERS:
                self._drip(b"x")
            case Fault.RATE_LIMITED:
                self.send(429, b"slow down", **{"retry-after": self.peer.retry_after})
            case Fault.GARBAGE:
                self.send(200, b"\x00\xff\xfe garbage \x80")
            case Fault.HTML:
                self.send(200, page, kind="text/html; charset=utf-8")
            case Fault.UNTYPED_HTML:
                self.send(200, b"\r\n" + page)
            case Fault.JSON:
                self.send(200, b'[{"ipAddress": "192.0.2.10"}]', kind="application/json")
            case Fault.TRUNCATED:
                self.send(200, b'192.0.2.10,9/11/2026 8:00 AM,9/12/20{"a": ', length=5000)
            case Fault.CUT:
                self.send(200, b"192.0.2.10,9/11/2026 8:00 AM,9/12/20")
            case Fault.REDIRECT:
                self.send(302, b"", location=f"http://127.0.0.1:1/{LINK_KEY}/sign-in")
            case _:
                self.send(fault.value, b"")

    def _drip(self, letter: bytes) -> None:
        self.send_response(200)
        self.send_header("content-length", "1000000")
        self.end_headers() if letter == b" " else self.flush_headers()
        while not self.peer.released.wait(0.05):
            self.wfile.write(letter)
        self.close_connection = True

    def send(
        self,
        status: int,
        body: bytes,
        *,
        kind: str = "application/octet-stream",
        length: int | None = None,
        **more: str,
    ) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body) if length is None else length))
        for name, value in more.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = length is not None


class QuietServer(ThreadingHTTPServer):
    """A client that goes away is no news."""

    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Nothing."""


@dataclass
class Snds:
    """The account's numbers: rows by ISO day. A day that is not there is 404, one without rows a quiet one."""

    accepts: Callable[[str], bool] = lambda token: token == "an-access-token"
    days: dict[str, list[str]] = field(default_factory=dict)
    link_rows: list[str] | None = None
    fault: Fault | None = None
    fault_on: str = ""
    """The fault is of addresses that have this in them."""
    retry_after: str = "7"
    slash_only: bool = False
    calls: list[str] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        handler = type("Handler", (_Handler,), {"peer": self})
        self._server = QuietServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/snds/"

    @property
    def link(self) -> str:
        return f"{self.url}{LINK_KEY}/SNDS/DataKey?Key={LINK_KEY}"

    def fill(self, day: str, *rows: str) -> None:
        self.days.setdefault(day, []).extend(rows)


def row(ip: str, day: str, colour: str = "GREEN", rate: str = "< 0.1%", traps: int | None = None) -> str:
    """A row as SNDS writes it, for one address on one ISO day."""
    year, month, date = (int(part) for part in day.split("-"))
    start = f"{month}/{date}/{year}"
    found = ",," if traps is None else f"{start} 9:00 AM,{start} 11:00 PM,{traps}"
    return ROW.format(ip=ip, start=start, colour=colour, rate=rate, traps=found)


class _Handler(FailingHandler):
    peer: Snds

    def do_GET(self) -> None:
        peer, parts = self.peer, urlsplit(self.path)
        peer.calls.append(self.path.removeprefix("/snds/"))
        if peer.fault and peer.fault_on in self.path:
            return self.fail(peer.fault)
        if "/SNDS/DataKey" in parts.path:
            if parse_qs(parts.query).get("Key") != [LINK_KEY]:
                return self.send(400, b"")
            return self._rows(peer.link_rows)
        token = self.headers.get("authorization", "").removeprefix("Bearer ")
        if not peer.accepts(token):
            return self.send(401, b"")
        found = re.fullmatch(r"/snds/api/report/data/([^/]+)(/?)", parts.path)
        if not found or not re.fullmatch(r"\d{4}-\d\d-\d\d", found[1]):
            return self.send(400, b"")
        return self._rows(None if peer.slash_only and not found[2] else peer.days.get(found[1]))

    def _rows(self, rows: list[str] | None) -> None:
        if rows is None:
            return self.send(404, b"")
        return self.send(200, "".join(f"{row}\r\n" for row in rows).encode())
