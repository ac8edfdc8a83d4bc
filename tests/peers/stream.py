"""A stream of single-event posts over several connections, and the ids that were acknowledged."""

import http.client
import json
import threading
import uuid
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Self

from sqlalchemy import func, select

from deliverd.store import events, schema
from peers.daemon import Daemon
from peers.mail_events import event

LANES = 6


class Stream(AbstractContextManager["Stream"]):
    """Posts from entering to leaving, or until the daemon is gone. `refused` are the answers other than 200."""

    def __init__(self, daemon: Daemon) -> None:
        self.acknowledged: list[str] = []
        self.refused: list[tuple[int, str | None]] = []
        self._daemon = daemon
        self._over = threading.Event()
        self._lanes = [threading.Thread(target=self._lane, daemon=True) for _ in range(LANES)]

    def __enter__(self) -> Self:
        for lane in self._lanes:
            lane.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        for lane in self._lanes:
            lane.join(60)

    def _lane(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._daemon.port, timeout=30)
        try:
            while not self._over.is_set():
                self._post(connection, uuid.uuid4().hex)
        except (OSError, http.client.HTTPException):
            return  # the daemon was killed: whatever was not answered is nobody's promise
        finally:
            connection.close()

    def _post(self, connection: http.client.HTTPConnection, name: str) -> None:
        body = json.dumps({"events": [event("sent", id=name, message_id=f"{name}@acme.com")]})
        connection.request("POST", "/hooks/mail", body, self._daemon.sender.sign(body, name))
        answer = connection.getresponse()
        answer.read()
        if answer.status == 200:
            self.acknowledged.append(name)
            return
        self.refused.append((answer.status, answer.getheader("retry-after")))
        self._over.wait(0.05)


def check_kept(daemon: Daemon, acknowledged: list[str]) -> None:
    """Every acknowledged id is stored, none is there twice, and as many are counted as are there."""
    table = schema.events
    rows = daemon.ask(lambda conn: [str(row) for row in conn.execute(select(table.c.event_id)).scalars()])
    sent = daemon.ask(lambda conn: conn.execute(select(func.sum(table.c.count)).where(table.c.kind == "sent")).scalar())
    counted = daemon.ask(lambda conn: events.counts(conn, "acme.com", None)).sent
    assert set(acknowledged) <= set(rows)
    assert len(rows) == len(set(rows))
    assert counted == sent
