"""A small HTTP API on loopback: JSON answers of a stand-in, and the ways in which an API fails. For tests only."""

import contextlib
import copy
import json
import threading
import time
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

import pytest

from peers.troubles import SLOW, Troubles

SPECS = Path("/work/shared/specs")


class Outage(Enum):
    """The ways in which it can fail."""

    HANG = "takes the call and does not answer in time"
    UNAUTHORIZED = 401
    FORBIDDEN = 403
    NOT_FOUND = 404
    INVALID = 422
    RATE_LIMITED = 429
    BROKEN = 500
    GARBAGE = "200 and bytes that are no JSON"
    HTML = "200 and a page"
    LIST = "200 and JSON that is no object"
    OTHER = "200 and an object that holds something else"
    TRUNCATED = "200 and half of the answer"
    REDIRECT = 302


class SmallApi:
    """Serves `answer`; `fail` makes it fail from the call number `after` on. It runs in a thread of its own.

    Calls that change something are served by `act`; `state` is what they change. `troubles` make calls fail by the
    names of the contract of platforms.
    """

    hang_seconds = 1.0
    slow_seconds = 5.0
    troubles: Troubles | None = None

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, str]]] = []
        self._outage: Outage | None = None
        self._after = 0
        self.unfit: list[str] = []
        self.state: dict[str, Any] = {}

    def answer(self, path: str, params: dict[str, str], headers: dict[str, str]) -> tuple[int, Any]:
        """Status and JSON. To be written by each stand-in."""
        raise NotImplementedError

    def act(self, method: str, path: str, body: Any, headers: dict[str, str]) -> tuple[int, Any]:
        """Status and JSON of a call that changes something. To be written by each stand-in that has one."""
        raise NotImplementedError

    def fail(self, outage: Outage, after: int = 0) -> None:
        self._outage, self._after = outage, after

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                owner.serve(self)

            def do_PUT(self) -> None:
                owner.serve(self)

            def do_PATCH(self) -> None:
                owner.serve(self)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, _: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        assert kind is not None or not self.unfit, self.unfit

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        params = dict(parse_qsl(parts.query, keep_blank_values=True))
        self.calls.append((parts.path, params))
        headers = {name.lower(): value for name, value in handler.headers.items()}
        trouble = self.troubles.next(handler.command, parts.path) if self.troubles else ""
        before = copy.deepcopy(self.state)
        try:
            if handler.command == "GET":
                status, told = self.answer(parts.path, params, headers)
            else:
                body = json.loads(handler.rfile.read(int(headers["content-length"])))
                if trouble in ("", "LATE", "LIES"):
                    status, told = self.act(handler.command, parts.path, body, headers)
        except Exception as fault:
            self.unfit.append(f"{handler.path}: {fault!r}")
            status, told = 500, {}
        if trouble == "LIES":
            self.state.clear()
            self.state.update(before)
        elif trouble:
            self._troubled(handler, trouble)
            return
        outage = self._outage if len(self.calls) > self._after else None
        if outage is not None:
            self._break(handler, outage, json.dumps(told).encode())
        else:
            self._send(handler, status, json.dumps(told).encode())

    def _troubled(self, handler: BaseHTTPRequestHandler, trouble: str) -> None:
        assert self.troubles is not None
        if trouble in SLOW:
            time.sleep(self.slow_seconds)
            handler.close_connection = True
            return
        wrong = self.troubles.answer(trouble)
        headers = {name.replace("-", "_"): value for name, value in wrong.headers.items() if name != "content-type"}
        with contextlib.suppress(OSError):  # who asked may have heard enough
            self._send(handler, wrong.status, wrong.body, wrong.headers.get("content-type", "text/plain"), **headers)

    def _break(self, handler: BaseHTTPRequestHandler, outage: Outage, good: bytes) -> None:
        match outage:
            case Outage.HANG:
                time.sleep(self.hang_seconds)
                handler.close_connection = True
            case Outage.GARBAGE:
                self._send(handler, 200, b"\xff\x00{{{")
            case Outage.HTML:
                self._send(handler, 200, b"<html><title>Please log in</title></html>", "text/html")
            case Outage.LIST:
                self._send(handler, 200, b"[]")
            case Outage.OTHER:
                self._send(handler, 200, b'{"fine": true}')
            case Outage.TRUNCATED:
                self._send(handler, 200, good[: len(good) // 2], length=len(good))
                handler.close_connection = True
            case Outage.REDIRECT:
                self._send(handler, 302, b"", location="https://login.example/?token=abc")
            case _:
                wait = "17" if outage is Outage.RATE_LIMITED else None
                self._send(handler, int(outage.value), self.words(outage), retry_after=wait)

    def words(self, outage: Outage) -> bytes:
        """The body of an error, in the platform's own shape."""
        return json.dumps({"message": f"no: {outage.name.lower()}"}).encode()

    @staticmethod
    def _send(
        handler: BaseHTTPRequestHandler,
        status: int,
        body: bytes,
        kind: str = "application/json",
        *,
        length: int | None = None,
        **headers: str | None,
    ) -> None:
        handler.send_response(status)
        handler.send_header("content-type", kind)
        handler.send_header("content-length", str(len(body) if length is None else length))
        for name, value in headers.items():
            if value is not None:
                handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)


def stored_spec(name: str) -> str | None:
    """The text of a vendor's API description, or None where it is not at hand."""
    path = SPECS / name
    return path.read_text(encoding="utf-8") if path.exists() else None


def skip_without(spec: object, name: str) -> None:
    """Skip a test that only compares with a vendor's description."""
    if spec is None:
        pytest.skip(f"the vendor's API description {name} is not at hand")
