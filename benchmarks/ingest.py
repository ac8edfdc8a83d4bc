"""How many webhook events a second the daemon takes in: verified, parsed, deduplicated, committed to SQLite.

    .venv/bin/python benchmarks/ingest.py                  # 20,000 events/s in batches of 100, and the limit
    .venv/bin/python benchmarks/ingest.py --rate 10000 --seconds 20

Prints, for the real daemon, the milliseconds from a request's leaving to its 200 at a fixed rate, the most it takes
when it is asked for all it can, and the same for a bare Starlette application that checks an HMAC, decodes with
msgspec and has one thread commit in groups: the limit on this machine. A fifth of the events come twice, and the
batches come out of order; the counts at the end say whether that changed anything. Requests are made and signed
before the clock starts, so that the load generator costs next to nothing.
"""

import argparse
import asyncio
import base64
import json
import random
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from event_to_pause import SECRET, configuration, cpu, free_port, ready
from pydantic import SecretStr

from deliverd.store import events as stored
from deliverd.store.rows import packed
from probes import webhook
from probes.observation import Window
from probes.webhook_events import parse_events

CONNECTIONS = 16
DOMAINS = [f"d{index}.example.test" for index in range(200)]
CONFIG = webhook.Config(kind="webhook", secret=SecretStr(SECRET), control_url="http://127.0.0.1:1/")
BARE = Path(__file__).with_name("bare_ingest.py")


def bodies(batches: int, size: int, twice: float, tag: str) -> tuple[list[bytes], int]:
    """Signed requests in a shuffled order, and how many different events are in them."""
    now = datetime.now(UTC)
    sent = (now - timedelta(minutes=3)).isoformat()
    rng = random.Random(7)
    pool: list[dict[str, object]] = []
    number, requests = 0, []
    for _ in range(batches):
        batch: list[dict[str, object]] = []
        for _ in range(size):
            if pool and rng.random() < twice:
                batch.append(rng.choice(pool[-5000:]))
                continue
            domain = DOMAINS[number % len(DOMAINS)]
            event = {"id": f"{tag}-{number}", "type": "sent", "domain": domain, "at": sent}
            event |= {"message_id": f"m-{number}@{domain}", "recipient_domain": "gmail.com"}
            number += 1
            pool.append(event)
            batch.append(event)
        requests.append(json.dumps({"events": batch}).encode())
    rng.shuffle(requests)
    return [request(body, f"{tag}{index}") for index, body in enumerate(requests)], number


def request(body: bytes, name: str) -> bytes:
    lines = [f"{key}: {value}" for key, value in webhook.sign(CONFIG, name, datetime.now(UTC), body).items()]
    head = "\r\n".join(["POST /hooks/mail HTTP/1.1", "host: x", f"content-length: {len(body)}", *lines, "", ""])
    return head.encode() + body


async def post(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    answer = await reader.readuntil(b"\r\n\r\n")
    length = int(answer.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    text = await reader.readexactly(length)
    assert b" 200 " in answer[:20], (answer[:80], text[:200])


async def load(port: int, requests: Sequence[bytes], per_second: float | None) -> tuple[list[float], float]:
    """Send all; at `per_second` requests a second, or as fast as they are taken. Latencies, and the seconds it took."""
    waiting: asyncio.Queue[tuple[float, bytes] | None] = asyncio.Queue(0 if per_second else CONNECTIONS)
    took: list[float] = []

    async def connection() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while (data := await waiting.get()) is not None:
            due, body = data
            await post(reader, writer, body)
            took.append(time.perf_counter() - due)
        writer.close()

    workers = [asyncio.create_task(connection()) for _ in range(CONNECTIONS)]
    start = time.perf_counter()
    for index, body in enumerate(requests):
        if per_second and (delay := start + index / per_second - time.perf_counter()) > 0:
            await asyncio.sleep(delay)
        await waiting.put((time.perf_counter(), body))
    for _ in workers:
        await waiting.put(None)
    await asyncio.gather(*workers)
    return took, time.perf_counter() - start


async def measure(name: str, command: list[str], port: int, options: argparse.Namespace, database: Path) -> float:
    """Run one server under both loads; the most events a second it took."""
    size = options.batch
    with (database.parent / f"{name}.log").open("w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        await ready(port, server)
        await asyncio.sleep(options.settle)
        paced, first = bodies(options.rate * options.seconds // size, size, options.twice, f"{name}-a")
        flood, second = bodies(options.flood // size, size, options.twice, f"{name}-b")
        before = cpu(server.pid)
        took, seconds = await load(port, paced, options.rate / size)
        used = (cpu(server.pid) - before) / seconds
        p50, p99 = statistics.median(took) * 1e3, statistics.quantiles(took, n=100)[98] * 1e3
        reached = len(paced) * size / seconds
        print(
            f"{name:<9} at {reached:>7,.0f}/s in batches of {size}: to the 200, after the commit, median {p50:.1f} ms"
        )
        print(f"{'':9} p99 {p99:.1f} ms, max {max(took) * 1e3:.1f} ms; {used:.0%} of one core")
        _, seconds = await load(port, flood, None)
        most = len(flood) * size / seconds
        print(f"{'':9} at most {most:>7,.0f}/s")
        kept, counted = totals(database)
        told = f"{first + second:,} different events sent, {kept:,} kept"
        print(f"{'':9} {told}{f', {counted:,} counted' if counted is not None else ''}")
        assert kept == first + second, "events were lost or taken twice"
        assert counted in (None, kept), "an event was counted twice or not at all"
        return most
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(60)


def totals(database: Path) -> tuple[int, int | None]:
    """How many events there are, and how many sends they were counted as (None: nothing counts there)."""
    with sqlite3.connect(database) as conn:
        kept = conn.execute("SELECT count(*) FROM events").fetchone()[0]
        tables = {row[0] for row in conn.execute("SELECT name FROM sqlite_master")}
        counted = conn.execute("SELECT sum(sent) FROM counts").fetchone()[0] if "counts" in tables else None
        return int(kept), counted


def parts(size: int) -> None:
    """Where the time goes: microseconds of processor an event costs, step by step, one batch at a time."""
    now = datetime.now(UTC)
    batches = [data.split(b"\r\n\r\n", 1)[1] for data in bodies(200, size, 0.2, "parts")[0]]
    signed = {key.lower(): value for key, value in webhook.sign(CONFIG, "x", now, batches[0]).items()}
    steps: dict[str, float] = {}

    def timed(name: str, step: Callable[[Any], Any], values: Sequence[Any]) -> list[Any]:
        start = time.process_time()
        found = [step(value) for value in values]
        steps[name] = (time.process_time() - start) / len(batches) / size * 1e6
        return found

    timed("verify", lambda _: webhook.verify(CONFIG, signed, batches[0], now), batches)
    parsed = timed("parse", lambda body: parse_events(body, Window(now)), batches)
    given = [stored.Batch("mail", one.events, (), now) for one in parsed]
    rows = timed("rows", lambda batch: stored._rows([batch], 26)[1], given)
    timed("pack", packed, rows)
    words = ", ".join(f"{name} {cost:.1f}" for name, cost in steps.items())
    print(f"          microseconds of processor an event, before the database: {words}")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=20_000, help="events a second")
    parser.add_argument("--batch", type=int, default=100, help="events a request")
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--flood", type=int, default=200_000, help="events of the load without a rate")
    parser.add_argument("--twice", type=float, default=0.2, help="share of events that come twice")
    parser.add_argument("--settle", type=float, default=6.0, help="seconds of quiet before the load")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bare, daemon = folder / "bare.db", folder / "deliverd.db"
        port = free_port()
        key = base64.b64encode(base64.b64decode(SECRET.removeprefix("whsec_"))).decode()
        command = [sys.executable, str(BARE), str(bare), str(port), key]
        limit = await measure("bare", command, port, options, bare)
        port = free_port()
        path = configuration(folder, port, free_port(), DOMAINS)
        command = [sys.executable, "-m", "deliverd", "run", "--config", str(path)]
        reached = await measure("deliverd", command, port, options, daemon)
    print(f"share of the limit: {reached / limit:.0%}")
    parts(options.batch)


if __name__ == "__main__":
    asyncio.run(main())
