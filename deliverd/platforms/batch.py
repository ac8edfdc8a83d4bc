"""Questions and orders that come together go out together: a thousand mailboxes are not a thousand calls."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Mapping, Sequence
from typing import Generic, TypeVar

from deliverd.platforms.base import PlatformError, Unavailable

GATHER_SECONDS = 0.02
LONGEST_ROUNDS = 10
Key = TypeVar("Key", bound=Hashable)
Answer = TypeVar("Answer")


class Batch(Generic[Key, Answer]):
    """`ask` is called with at most `most` keys and tells what came of each, an error being told like an answer.

    Keys are gathered while more keep coming, and until `ready` lets them go. Whoever asks is told of what was asked
    after that, never of an earlier answer: so that a read-back shows what an act did.
    """

    def __init__(
        self,
        ask: Callable[[Sequence[Key]], Awaitable[Mapping[Key, Answer | PlatformError]]],
        most: int,
        ready: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._ask = ask
        self._most = most
        self._ready = ready
        self._waiting: dict[Key, asyncio.Future[Answer | PlatformError]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def of(self, key: Key) -> Answer:
        """What comes of one key. Raises a PlatformError."""
        if key not in self._waiting:
            self._waiting[key] = asyncio.get_running_loop().create_future()
            if len(self._waiting) == 1:
                self._start(self._gather())
        # Others may wait for the same key: one that gives up does not take it from them.
        told = await asyncio.shield(self._waiting[key])
        if isinstance(told, PlatformError):
            raise told
        return told

    async def aclose(self) -> None:
        """Give up what is under way; who waits for it is told so."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _gather(self) -> None:
        try:
            for _ in range(LONGEST_ROUNDS):
                so_far = len(self._waiting)
                await asyncio.sleep(GATHER_SECONDS)
                if len(self._waiting) == so_far or so_far >= self._most:
                    break
            if self._ready is not None:
                await self._ready()
        except asyncio.CancelledError:
            self._tell(self._waiting, {})
            raise
        taken, self._waiting = self._waiting, {}
        keys = list(taken)
        for start in range(0, len(keys), self._most):
            self._start(self._some({key: taken[key] for key in keys[start : start + self._most]}))

    async def _some(self, asked: Mapping[Key, asyncio.Future[Answer | PlatformError]]) -> None:
        told: Mapping[Key, Answer | PlatformError] = {}
        try:
            told = await self._ask(list(asked))
        except PlatformError as fault:
            told = dict.fromkeys(asked, fault)
        finally:
            self._tell(asked, told)

    @staticmethod
    def _tell(
        asked: Mapping[Key, asyncio.Future[Answer | PlatformError]], told: Mapping[Key, Answer | PlatformError]
    ) -> None:
        for key, future in asked.items():
            if not future.done():
                future.set_result(told[key] if key in told else Unavailable(f"nothing was told of {key}"))
