"""A web application served inside the drill's own event loop, on a free loopback port."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.applications import Starlette


class _Server(uvicorn.Server):
    """uvicorn that leaves the process's signals alone: the drill stops it, and not Ctrl-C by itself."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Serving:
    """One application on one port of 127.0.0.1."""

    def __init__(self, app: Starlette) -> None:
        self.port = 0
        config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=1)
        self._server = _Server(config)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> int:
        """Listen; returns the port once requests are answered. Raises OSError."""
        # With the protocol left at 0, asyncio would leave Nagle's algorithm on, and answers could take 40 ms.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.bind(("127.0.0.1", 0))
        self.port = int(listener.getsockname()[1])
        self._task = asyncio.create_task(self._server.serve(sockets=[listener]))
        while not self._server.started and not self._task.done():  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
        return self.port

    async def stop(self) -> None:
        """Answer what is being asked, for at most a second, and close. May be called twice."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task
            self._task = None


def free_port() -> int:
    """A port of 127.0.0.1 that was free a moment ago: somebody may take it before its user does."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
