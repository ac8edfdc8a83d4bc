"""The least that takes in signed events durably: Starlette, one HMAC, msgspec, one thread that commits in groups.

Started by benchmarks/ingest.py as the limit that deliverd is held against. Arguments: database, port, key (base64).
"""

import asyncio
import base64
import hashlib
import hmac
import queue
import sqlite3
import sys
import threading

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


class Event(msgspec.Struct):
    id: str
    type: str
    domain: str
    at: str
    message_id: str = ""
    recipient_domain: str = ""


class Body(msgspec.Struct):
    events: list[Event]


database, port, key = sys.argv[1], int(sys.argv[2]), base64.b64decode(sys.argv[3])
decode = msgspec.json.Decoder(Body).decode
waiting: queue.SimpleQueue[tuple[list[Event], asyncio.AbstractEventLoop, asyncio.Future[None]]] = queue.SimpleQueue()


def write() -> None:
    conn = sqlite3.connect(database, isolation_level=None)
    for statement in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL"):
        conn.execute(statement)
    conn.execute(
        "CREATE TABLE IF NOT EXISTS events (id TEXT PRIMARY KEY, type TEXT, domain TEXT, at TEXT, m TEXT, r TEXT)"
        " WITHOUT ROWID"
    )
    while True:
        group = [waiting.get()]
        while not waiting.empty() and len(group) < 50:
            group.append(waiting.get())
        rows = [
            (e.id, e.type, e.domain, e.at, e.message_id, e.recipient_domain) for batch, _, _ in group for e in batch
        ]
        conn.execute("BEGIN IMMEDIATE")
        conn.executemany("INSERT OR IGNORE INTO events VALUES (?,?,?,?,?,?)", rows)
        conn.execute("COMMIT")
        for _, loop, future in group:
            loop.call_soon_threadsafe(future.set_result, None)


async def receive(request: Request) -> Response:
    body = await request.body()
    text = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + body
    wanted = b"v1," + base64.b64encode(hmac.new(key, text, hashlib.sha256).digest())
    if not hmac.compare_digest(wanted, request.headers["webhook-signature"].encode()):
        return Response(status_code=401)
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    waiting.put((decode(body).events, loop, future))
    await future
    return Response(b"{}", media_type="application/json")


async def readyz(_: Request) -> Response:
    return Response()


threading.Thread(target=write, daemon=True).start()
app = Starlette(routes=[Route("/hooks/mail", receive, methods=["POST"]), Route("/readyz", readyz)])
uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")
