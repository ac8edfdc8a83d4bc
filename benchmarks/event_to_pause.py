"""From a complaint event to the pause call at the platform: the real daemon, a platform on loopback, all durable.

    .venv/bin/python benchmarks/event_to_pause.py                     # both loads of the goal
    .venv/bin/python benchmarks/event_to_pause.py --rate 5000 --batch 50 --seconds 10

Prints, for each load, the milliseconds from a request's leaving to its 200 (which follows the commit), and from its
200 to the pause call's arrival at the platform, at the median and the 99th percentile. The load generator and the
platform share one process and one core; the daemon has the other.
"""

import argparse
import asyncio
import base64
import json
import os
import secrets
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

from pydantic import SecretStr

from probes import webhook

SECRET = "whsec_" + base64.b64encode(b"benchmark-secret-of-thirty-two-b").decode()
CONNECTIONS = 32


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Platform(asyncio.Protocol):
    """A sender that obeys: remembers what it was told, answers what it remembers, and notes when a pause arrived."""

    states: ClassVar[dict[str, dict[str, object]]] = {}
    paused_at: ClassVar[dict[str, float]] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.buffer = transport, b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end].lower()
            length = int(head.split(b"content-length:")[1].split(b"\r\n")[0]) if b"content-length:" in head else 0
            if len(self.buffer) < end + 4 + length:
                return
            body, line = self.buffer[end + 4 : end + 4 + length], self.buffer[:end].split(b"\r\n")[0].decode()
            self.buffer = self.buffer[end + 4 + length :]
            self.answer(line, body)

    def answer(self, line: str, body: bytes) -> None:
        state: dict[str, object] = {}
        if line.startswith("POST /control"):
            order = json.loads(body)
            if order["state"] == "paused":
                self.paused_at[order["domain"]] = time.perf_counter()
            state = {key: order[key] for key in ("domain", "state", "daily_limit", "author")}
            self.states[order["domain"]] = state
        elif line.startswith("GET /control"):
            domain = parse_qs(urlsplit(line.split(" ")[1]).query)["domain"][0]
            idle = {"domain": domain, "state": "running", "daily_limit": None, "author": "person"}
            state = self.states.get(domain, idle)
        text = json.dumps(state).encode()
        head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(text)}\r\n\r\n"
        self.transport.write(head.encode() + text)


class Connection:
    """One keep-alive connection that posts signed batches."""

    def __init__(self, port: int, config: webhook.Config) -> None:
        self.port, self.config = port, config

    async def open(self) -> None:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)

    async def post(self, events: list[dict[str, object]]) -> tuple[int, bytes]:
        body = json.dumps({"events": events}).encode()
        signed = webhook.sign(self.config, secrets.token_hex(8), datetime.now(UTC), body)
        lines = [f"{name}: {value}" for name, value in signed.items()]
        head = "\r\n".join(["POST /hooks/mail HTTP/1.1", "host: x", f"content-length: {len(body)}", *lines, "", ""])
        self.writer.write(head.encode() + body)
        answer = await self.reader.readuntil(b"\r\n\r\n")
        length = int(answer.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        return int(answer.split(b" ")[1]), await self.reader.readexactly(length)


def configuration(folder: Path, port: int, platform: int, domains: list[str]) -> Path:
    tables = [
        f'[store]\nurl = "sqlite:///{folder}/deliverd.db"',
        f'[web]\nlisten = "127.0.0.1:{port}"',
        f'[dns]\nnameservers = ["127.0.0.1:{free_port()}"]\ntimeout_seconds = 0.2\ntries = 1',
        "[schedule]\ndns_seconds = 3000\nplatform_seconds = 3000\njudge_seconds = 3600\nreconcile_seconds = 3600",
        f'[owners.team]\nchannels = ["json://127.0.0.1:{platform}/alert"]',
        f'[platforms.mail]\nkind = "webhook"\nsecret = "{SECRET}"\ncontrol_url = "http://127.0.0.1:{platform}/control"',
        *(f'[domains."{name}"]\nowner = "team"\nplatform = "mail"\nmode = "enforce"' for name in domains),
    ]
    path = folder / "deliverd.toml"
    path.write_text("\n\n".join(tables) + "\n")
    return path


def event(kind: str, domain: str, count: int = 1) -> dict[str, object]:
    now = datetime.now(UTC)
    at = (now - timedelta(minutes=1)).isoformat() if kind == "sent" else now.isoformat()
    sent = (now - timedelta(minutes=1)).isoformat()
    row = {"id": secrets.token_hex(10), "type": kind, "domain": domain, "at": at, "sent_at": sent, "count": count}
    return row | {"recipient_domain": "gmail.com"}


async def ready(port: int, daemon: subprocess.Popen[bytes]) -> float:
    """Wait until the daemon is ready; the seconds it took."""
    began = time.perf_counter()
    while daemon.poll() is None:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            answer = await reader.read()
            writer.close()
            if b" 200 " in answer[:20]:
                return time.perf_counter() - began
        except OSError:
            pass
        await asyncio.sleep(0.02)
    raise SystemExit(f"the daemon ended with {daemon.returncode}")


async def load(connections: list[Connection], options: argparse.Namespace, rate: int, domains: list[str]) -> None:
    """Send at `rate` events a second, of which `share` make a domain's pause due; print what was measured."""
    pool: asyncio.Queue[Connection] = asyncio.Queue()
    for connection in connections:
        pool.put_nowait(connection)
    accepted, acked, tasks = {}, [], set()

    async def one(events: list[dict[str, object]], victims: list[str]) -> None:
        connection = await pool.get()
        began = time.perf_counter()
        status, body = await connection.post(events)
        ended = time.perf_counter()
        pool.put_nowait(connection)
        assert status == 200, (status, body)
        acked.append(ended - began)
        accepted.update(dict.fromkeys(victims, ended))

    total = rate * options.seconds
    every = round(1 / options.share)
    start = time.perf_counter()
    for first in range(0, total, options.batch):
        indices = range(first, min(first + options.batch, total))
        victims = [domains[i // every] for i in indices if i % every == 0 and i // every < len(domains)]
        events = [event("sent", domains[i % len(domains)]) for i in indices if i % every]
        events += [event("complained", victim, 5) for victim in victims]
        delay = start + first / rate - time.perf_counter()
        if delay > 0:
            await asyncio.sleep(delay)
        task = asyncio.create_task(one(events, victims))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)
    took = time.perf_counter() - start
    for _ in range(300):
        if accepted.keys() <= Platform.paused_at.keys():
            break
        await asyncio.sleep(0.1)
    report(rate, options.batch, total / took, acked, accepted)


def report(rate: int, batch: int, reached: float, acked: list[float], accepted: dict[str, float]) -> None:
    calls = [Platform.paused_at[name] - at for name, at in accepted.items() if name in Platform.paused_at]
    missing = len(accepted) - len(calls)
    print(f"{rate:>6}/s in batches of {batch} (reached {reached:,.0f}/s), {len(calls)} pauses, {missing} missing")
    for name, values in (("request to 200, after the commit", acked), ("200 to the pause call", calls)):
        p50, p99 = statistics.median(values) * 1e3, statistics.quantiles(values, n=100)[98] * 1e3
        print(f"         {name:<34} median {p50:8.1f} ms   p99 {p99:8.1f} ms   max {max(values) * 1e3:8.1f} ms")


def memory(pid: int) -> float:
    """Resident memory of a process, in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


def cpu(pid: int) -> float:
    """Processor seconds a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def measure(options: argparse.Namespace, rate: int) -> None:
    need = int(rate * options.seconds * options.share) + 1
    domains = [f"d{index}.example.test" for index in range(max(need, 100))]
    Platform.states, Platform.paused_at = {}, {}
    platform = await asyncio.get_running_loop().create_server(Platform, "127.0.0.1", 0)
    port = free_port()
    with tempfile.TemporaryDirectory() as name:
        path = configuration(Path(name), port, platform.sockets[0].getsockname()[1], domains)
        command = [sys.executable, "-m", "deliverd", "run", "--config", str(path)]
        with (Path(name) / "log").open("w") as log:
            daemon = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            started = await ready(port, daemon)
            config = webhook.Config(kind="webhook", secret=SecretStr(SECRET), control_url="http://127.0.0.1:1/")
            seeding = Connection(port, config)
            await seeding.open()
            for first in range(0, len(domains), 200):
                await seeding.post([event("sent", domain, 1000) for domain in domains[first : first + 200]])
            await asyncio.sleep(options.settle)
            connections = [Connection(port, config) for _ in range(CONNECTIONS)]
            for connection in connections:
                await connection.open()
            print(
                f"{len(domains)} domains, start to ready {started:.2f} s, memory when idle {memory(daemon.pid):.0f} MB"
            )
            used = cpu(daemon.pid)
            await load(connections, options, rate, domains)
            share = (cpu(daemon.pid) - used) / options.seconds
            print(f"         memory afterwards {memory(daemon.pid):.0f} MB; {share:.0%} of one core")
        finally:
            daemon.send_signal(signal.SIGTERM)
            daemon.wait(90)
            platform.close()
            if daemon.returncode:
                print((Path(name) / "log").read_text()[-3000:], file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, action="append", help="events a second (default: 100, then 5000)")
    parser.add_argument("--batch", type=int, default=1, help="events a request")
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--share", type=float, default=0.01, help="share of the events that lead to a pause")
    parser.add_argument("--settle", type=float, default=8.0, help="seconds of quiet before the load")
    options = parser.parse_args()
    os.environ.pop("DELIVERD_CONFIG", None)
    for rate in options.rate or (100, 5000):
        asyncio.run(measure(options, rate))


if __name__ == "__main__":
    main()
