"""Whose turn it is to call an account: no more calls than it allows, and who acts goes before who reads."""

import asyncio
import heapq
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

PATIENCE_SECONDS = 10.0
"""How much longer than an act a reading waits for its turn: acting goes first, but no reading waits for ever."""


class Pace:
    """At most `calls` begin within any `seconds`, and at most `in_flight` are under way at once."""

    def __init__(self, calls: int, seconds: float, in_flight: int, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._seconds = seconds
        self._patience_seconds = patience_seconds
        self._free = in_flight
        self._begun: deque[float] = deque(maxlen=calls)
        self._waiting: list[tuple[float, int, bool, asyncio.Future[None]]] = []
        self._number = count()
        self._later: asyncio.TimerHandle | None = None

    @asynccontextmanager
    async def turn(self, *, acting: bool) -> AsyncIterator[None]:
        """Wait for the turn of one call; it is over when the block is."""
        async with self._turn(acting=acting, calling=True):
            yield

    async def lull(self) -> None:
        """Wait until a reading could begin, without beginning it: whoever else wants to read by then can join."""
        async with self._turn(acting=False, calling=False):
            pass

    @asynccontextmanager
    async def _turn(self, *, acting: bool, calling: bool) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        mine: asyncio.Future[None] = loop.create_future()
        due = loop.time() + (0 if acting else self._patience_seconds)
        heapq.heappush(self._waiting, (due, next(self._number), calling, mine))
        self._serve(loop)
        try:
            await mine
            yield
        finally:
            # One that was given up while it waited never had a place to give back.
            self._free += mine.done() and not mine.cancelled()
            self._serve(loop)

    def _serve(self, loop: asyncio.AbstractEventLoop) -> None:
        """Give the free places to those whose turn it is, and come back when the next call may begin."""
        if self._later is not None:
            self._later.cancel()
            self._later = None
        while self._waiting and self._free:
            _, _, calling, mine = self._waiting[0]
            if not mine.done():
                seconds = self._full_for(loop.time())
                if seconds > 0:
                    self._later = loop.call_later(seconds, self._serve, loop)
                    return
                self._free -= 1
                if calling:
                    self._begun.append(loop.time())
                mine.set_result(None)
            heapq.heappop(self._waiting)

    def _full_for(self, now: float) -> float:
        """For how many seconds no further call may begin."""
        full = len(self._begun) == self._begun.maxlen
        return self._begun[0] + self._seconds - now if full else 0.0
