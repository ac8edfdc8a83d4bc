"""The daemon's web door from outside: requests as bytes, what its metrics count, and what its log says of them."""

import base64
import hashlib
import hmac
import http.client
import json
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from peers.daemon import Daemon

Body = bytes | Iterable[bytes]
"""What is posted: whole with a Content-Length, or as chunks without one."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    json: dict[str, Any]


def signed(
    body: bytes, secret: str, *, name: str = "msg_1", at: datetime | None = None, stamp: str = ""
) -> dict[str, str]:
    """Standard Webhooks headers over any bytes, which the reference library makes for text alone."""
    stamp = stamp or str(int((at or datetime.now(UTC)).timestamp()))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{name}.{stamp}.".encode() + body, hashlib.sha256).digest()
    signature = f"v1,{base64.b64encode(digest).decode()}"
    return {"webhook-id": name, "webhook-timestamp": stamp, "webhook-signature": signature}


@dataclass(slots=True)
class Door:
    """One daemon as its callers meet it."""

    daemon: Daemon

    def post(self, body: Body, headers: Mapping[str, str] | None = None, path: str = "/hooks/mail") -> Answer:
        """POST `body`, and the answer."""
        return self._request("POST", path, body, headers or {})

    def send(self, body: bytes, path: str = "/hooks/mail", **how: Any) -> Answer:
        """POST `body` signed by the account's own secret."""
        return self.post(body, signed(body, self.daemon.sender.secret, **how), path)

    def report(self, *events: Mapping[str, Any], name: str = "msg_1") -> Answer:
        """Report events, signed. NaN and the like go out as Python writes them."""
        return self.send(json.dumps({"events": events}).encode(), name=name)

    def ready(self) -> bool:
        return self._request("GET", "/readyz", b"", {}).status == 200

    def metrics(self) -> dict[str, float]:
        """Every sample, keyed as it is written: `name{label="value"}` with labels by name."""
        connection = self._connection()
        try:
            connection.request("GET", "/metrics")
            text = connection.getresponse().read().decode()
        finally:
            connection.close()
        return {
            sample.name + _labels(sample.labels): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def turns(self) -> None:
        """Wait until the loop has turned once more."""
        before = self.metrics()["deliverd_last_sweep_timestamp_seconds"]
        self.daemon.until(
            lambda: self.metrics()["deliverd_last_sweep_timestamp_seconds"] > before, "the loop turns again"
        )

    def begin(self, head: str, body: bytes = b"") -> socket.socket:
        """A connection on which a request has begun: its head and so much of its body."""
        sock = socket.create_connection(("127.0.0.1", self.daemon.port), timeout=30)
        sock.sendall(head.replace("\n", "\r\n").encode() + body)
        return sock

    def _connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.daemon.port, timeout=30)

    def _request(self, method: str, path: str, body: Body, headers: Mapping[str, str]) -> Answer:
        connection = self._connection()
        try:
            connection.request(method, path, body, dict(headers), encode_chunked=not isinstance(body, bytes))
            got = connection.getresponse()
            told = {name.lower(): value for name, value in got.getheaders()}
            return Answer(got.status, told, json.loads(got.read() or b"{}"))
        finally:
            connection.close()


def _labels(labels: Mapping[str, str]) -> str:
    inner = ",".join(f'{name}="{labels[name]}"' for name in sorted(labels))
    return f"{{{inner}}}" if inner else ""


class Watch:
    """What a daemon counts and says from here on."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._metrics = door.metrics()
        self._lines = len(door.daemon.logged())

    def counted(self, key: str) -> float:
        """By how much a sample has grown."""
        return self._door.metrics().get(key, 0) - self._metrics.get(key, 0)

    def said(self, event: str) -> list[dict[str, Any]]:
        """The log lines of that kind."""
        return [line for line in self._door.daemon.logged()[self._lines :] if line["event"] == event]
