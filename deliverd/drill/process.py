"""The daemon under drill: the installed `deliverd run`, unchanged, in a process of its own."""

import asyncio
import os
import signal
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

DELIVERD = (sys.executable, "-m", "deliverd.cli")

_STOP_SECONDS = 10
_LAST_LINES = 15
_OUTSIDE = ("CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET")


def without_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment less what would lay a real configuration, store or secret over the drill's."""
    return {name: value for name, value in environ.items() if not name.startswith("DELIVERD_") and name not in _OUTSIDE}


class Daemon:
    """Starts, watches and stops `deliverd run --config PATH`; what it logs goes to a file."""

    def __init__(
        self, config: Path, log: Path, program: Sequence[str] = DELIVERD, environ: Mapping[str, str] = os.environ
    ) -> None:
        self.log = log
        self._environment = without_settings(environ)
        self._command = [*program, "run", "--config", str(config)]
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, store_url: str) -> None:
        """Start it, out of reach of the terminal's Ctrl-C and of the caller's settings. Raises OSError."""
        # A variable goes over every secret file: in a container /run/secrets may name the real store.
        environment = {**self._environment, "DELIVERD_STORE__URL": store_url}
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,
            )

    @property
    def exit_code(self) -> int | None:
        """What it ended with; None while it runs or before it was started."""
        return self._process.returncode if self._process else None

    async def stop(self) -> int | None:
        """End it, politely first; returns its exit code. May be called twice."""
        process = self._process
        if process is None:
            return None
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), _STOP_SECONDS)
            except (TimeoutError, asyncio.CancelledError):
                # Also when the wait itself is given up (Ctrl-C twice): no daemon is left behind.
                process.kill()
                await process.wait()
        return process.returncode

    def last_lines(self) -> list[str]:
        """The end of its log."""
        if not self.log.exists():
            return []
        with self.log.open(encoding="utf-8", errors="replace") as log:
            return [line.rstrip("\n") for line in deque(log, maxlen=_LAST_LINES)]
