"""What a daemon meets at AWS: the certificate SNS signs with, and an API that answers as a test tells it to."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4

from peers.sns import certificate


@dataclass(slots=True)
class AwsHost:
    """`answer` is the status and body of every API call; `certificates` those of each certificate by path."""

    url: str = ""
    answer: tuple[int, bytes] = (500, b"{}")
    silent: bool = False
    calls: list[str] = field(default_factory=list)
    certificates: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    over: threading.Event = field(default_factory=threading.Event)

    def certificate_url(self, status: int = 200, content: bytes | None = None) -> str:
        """A new address of a certificate, good unless told otherwise."""
        path = f"/SimpleNotificationService-{uuid4().hex}.pem"
        self.certificates[path] = (status, certificate(datetime.now(UTC)) if content is None else content)
        return f"{self.url}{path}"


@contextmanager
def aws_host() -> Iterator[AwsHost]:
    host = AwsHost()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            status, content = host.certificates.get(self.path) or self._api()
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            self.send_header("content-type", "application/json")
            self.end_headers()
            self.wfile.write(content)

        def _api(self) -> tuple[int, bytes]:
            host.calls.append(self.path)
            if host.silent:
                host.over.wait(60)
            status, content = host.answer
            return status, content.replace(b"AUTHORIZATION", self.headers.get("authorization", "").encode())

        do_GET = do_POST = do_PUT = _answer  # noqa: N815 - names of the standard library

        def log_message(self, format: str, *args: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    host.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield host
    finally:
        host.over.set()
        server.shutdown()
        server.server_close()
