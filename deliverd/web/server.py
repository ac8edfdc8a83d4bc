"""The HTTP server: uvicorn, stopped by the daemon alone, and with an end to requests that never finish arriving."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

GRACE_SECONDS = 10
"""How long requests may take to finish when told to stop: longer than the store needs to say yes or no to one."""


class Server(uvicorn.Server):
    """uvicorn without its own signal handling: it would raise the signal again after stopping, past our draining."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def serve(app: Starlette, head_seconds: Callable[[], float]) -> Server:
    """A server for `app`, not started. Connections whose request has no complete head in time are closed."""
    options = uvicorn.Config(
        app,
        http=_protocol(head_seconds),
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    return Server(options)


def _protocol(head_seconds: Callable[[], float]) -> type[asyncio.Protocol]:
    class Timely(HttpToolsProtocol):
        """uvicorn bounds the time between two requests, but not that of a request's head."""

        _deadline: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._expect()

        def on_message_begin(self) -> None:
            self._expect()
            super().on_message_begin()

        def on_headers_complete(self) -> None:
            self._arrived()
            super().on_headers_complete()

        def connection_lost(self, exc: Exception | None) -> None:
            self._arrived()
            super().connection_lost(exc)

        def _expect(self) -> None:
            self._arrived()
            self._deadline = self.loop.call_later(head_seconds(), self.transport.close)

        def _arrived(self) -> None:
            if self._deadline is not None:
                self._deadline.cancel()

    return Timely
