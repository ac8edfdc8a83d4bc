"""The real daemon in a process of its own, with a configuration that the test writes, and what its store remembers."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from deliverd.store.connection import Conn
from deliverd.store.writer import Store
from peers.nsd import free_port
from peers.own_sender import OwnSender

T = TypeVar("T")
PATIENCE = 60.0
"""Seconds until a wait is given up. Far above what anything takes: no test measures time by it."""

TEMPLATE = """
[store]
url = "{url}"

[web]
listen = "127.0.0.1:{port}"
request_seconds = {request_seconds}

[dns]
nameservers = ["{nameserver}"]
timeout_seconds = {dns_seconds}
tries = 1

[schedule]
dns_seconds = {look_seconds}
platform_seconds = {look_seconds}
judge_seconds = 1
reconcile_seconds = 2
sweep_seconds = 0.1

[alerts]
wait_for_result_seconds = {wait}

[owners.team]
channels = [{channels}]

[platforms.mail]
kind = "webhook"
secret = "{secret}"
control_url = "{control}"
timeout_seconds = {call_seconds}

{domains}
{more}
"""


@dataclass(slots=True)
class Daemon:
    """One deliverd with a folder of its own. `start` may be called again after it was killed."""

    folder: Path
    sender: OwnSender
    channels: Sequence[str]
    nameserver: str = "127.0.0.1:9"
    domains: Sequence[str] = ("acme.com",)
    mode: str = "enforce"
    url: str = ""
    wait: float = 3.0
    dns_seconds: float = 0.5
    look_seconds: float = 5.0
    call_seconds: float = 2.0
    request_seconds: float = 20.0
    prefix: Sequence[str] = ()
    more: str = ""
    port: int = 0
    process: subprocess.Popen[bytes] | None = None
    _starts: int = field(default=0)

    @property
    def config(self) -> Path:
        return self.folder / "deliverd.toml"

    @property
    def hook(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks/mail"

    def write(self) -> None:
        self.url = self.url or f"sqlite:///{self.folder}/deliverd.db"
        self.port = self.port or free_port()
        table = '[domains."{name}"]\nowner = "team"\nplatform = "mail"\nmode = "{mode}"\n'
        self.config.write_text(
            TEMPLATE.format(
                url=self.url,
                port=self.port,
                nameserver=self.nameserver,
                wait=self.wait,
                dns_seconds=self.dns_seconds,
                look_seconds=self.look_seconds,
                call_seconds=self.call_seconds,
                request_seconds=self.request_seconds,
                channels=", ".join(f'"{channel}"' for channel in self.channels),
                secret=self.sender.secret,
                control=self.sender.control_url,
                domains="\n".join(table.format(name=name, mode=self.mode) for name in self.domains),
                more=self.more,
            )
        )

    def start(self, *, ready: bool = True) -> None:
        self.write()
        self._starts += 1
        command = [*self.prefix, sys.executable, "-m", "deliverd", "run", "--config", str(self.config)]
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        if ready:
            self.until(self.ready, "the daemon is ready")

    @property
    def log_path(self) -> Path:
        return self.folder / f"log-{self._starts}"

    def ready(self) -> bool:
        if self.process is not None and self.process.poll() is not None:
            raise AssertionError(f"the daemon ended with {self.process.returncode}:\n{self.log_path.read_text()}")
        try:
            with urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except (HTTPError, URLError, ConnectionError, TimeoutError):
            return False

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE)

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def ask(self, question: Callable[[Conn], T]) -> T:
        """Ask the daemon's store."""
        store = Store.open(self.url, migrate=False)
        try:
            return store.read_sync(question)
        finally:
            store.close()

    def until(self, holds: Callable[[], object], what: str) -> None:
        """Wait until `holds()` is true; fail with the daemon's log when it never is."""
        deadline = time.monotonic() + PATIENCE
        while not holds():
            if time.monotonic() > deadline:
                log = self.log_path.read_text() if self.log_path.exists() else ""
                raise AssertionError(f"waited in vain until {what}; the daemon said:\n{log[-4000:]}")
            time.sleep(0.05)

    def logged(self) -> list[dict[str, Any]]:
        whole = self.log_path.read_text().split("\n")[:-1]  # the last line may still be being written
        return [json.loads(line) for line in whole if line.startswith("{")]


@contextmanager
def running(daemon: Daemon) -> Iterator[Daemon]:
    """Start a daemon; whatever happens, leave none behind."""
    try:
        daemon.start()
        yield daemon
    finally:
        if daemon.process is not None and daemon.process.poll() is None:
            daemon.process.kill()
            daemon.process.wait(PATIENCE)
