"""ministack, somebody else's stand-in for AWS, as a process of its own on loopback."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

STARTS_WITHIN_SECONDS = 60


def free_port() -> int:
    """A TCP port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def ministack(folder: Path, services: str = "ses,sns") -> Iterator[str]:
    """Its endpoint URL, while it runs. What it writes (pid, log) goes into `folder`."""
    port = free_port()
    environment = os.environ | {
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "MINISTACK_HOST": "127.0.0.1",
        "SERVICES": services,
        "TMPDIR": str(folder),
    }
    log = folder / "ministack.log"
    with (
        log.open("wb") as out,
        subprocess.Popen([sys.executable, "-m", "ministack"], env=environment, stdout=out, stderr=out) as process,
    ):
        try:
            _wait(process, port, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Until it answers. Raises RuntimeError with its log when it does not."""
    for _ in range(STARTS_WITHIN_SECONDS * 20):
        try:
            with urlopen(f"http://127.0.0.1:{port}/_ministack/health", timeout=2):
                return
        except (URLError, OSError):
            if process.poll() is not None:
                break
            time.sleep(0.05)
    raise RuntimeError(f"ministack did not start:\n{log.read_text(errors='replace')}")
