"""What the platforms whose levers are mailboxes share: calls at the account's pace, levers, and what limits say."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import urlencode

import msgspec

from deliverd.model import Lever, Limit, SendState
from deliverd.platforms.base import PlatformError, Refused, Unavailable
from deliverd.platforms.http import platform_error
from deliverd.platforms.pace import Pace
from probes.daily_numbers import count
from probes.http import HttpFault, check, error_text, redacted
from probes.outreach_looks import Mailbox, watched
from probes.vendor_calls import Calls, decoded

MAILBOX = "mailbox"
FRESH = timedelta(seconds=60)
"""How long a list of mailboxes holds for finding levers: a hundred domains do not list the account a hundred times."""
FEW = 3
"""Up to so many mailboxes are asked about one by one; for more a page of the list is fewer calls."""

Key = TypeVar("Key")
Shape = TypeVar("Shape")
Answer = TypeVar("Answer")


class Api:
    """The calls of an adapter to one account. `way` is how the platform's probe reaches it."""

    def __init__(self, way: Calls, pace: Pace, clock: Callable[[], datetime]) -> None:
        self._way = way
        self._pace = pace
        self._clock = clock

    async def get(self, path: str, shape: type[Shape], query: Sequence[tuple[str, str]] = ()) -> Shape:
        """Read, when nobody wants to act. Raises a PlatformError."""
        return await self._call("GET", path, shape, query, None, acting=False)

    async def act(self, method: str, path: str, shape: type[Shape], body: Any = None) -> Shape:
        """Act, before anybody reads. Raises a PlatformError."""
        raw = None if body is None else msgspec.json.encode(body)
        return await self._call(method, path, shape, (), raw, acting=True)

    async def _call(
        self,
        method: str,
        path: str,
        shape: type[Shape],
        query: Sequence[tuple[str, str]],
        body: bytes | None,
        *,
        acting: bool,
    ) -> Shape:
        way = self._way
        asked = urlencode([*query, *way.query])
        url = f"{way.base_url}{path}{f'?{asked}' if asked else ''}"
        where = f"{method} {redacted(url)}"
        headers = {**way.headers, **({"content-type": "application/json"} if body is not None else {})}
        try:
            async with self._pace.turn(acting=acting):
                answer = await way.http.request(
                    method, url, headers=headers, body=body, timeout_seconds=way.timeout_seconds
                )
            check(answer, where, self._clock(), way.secrets)
            said = error_text(answer.body, way.secrets)
            if said:
                raise Refused(f"{where}: {answer.status}, but with an error: {said}")
            return decoded(answer, where, shape)
        except HttpFault as fault:
            raise platform_error(fault) from None


class Roster:
    """Which mailboxes an account has, and which domain each counts with; listed anew when older than `FRESH`.

    A mailbox of a name below a domain counts with it, unless the levers of a nearer name have been asked for, too.
    """

    def __init__(self, listed: Callable[[], Awaitable[Sequence[Mailbox]]], clock: Callable[[], datetime]) -> None:
        self._listed = listed
        self._clock = clock
        self._turn = asyncio.Lock()
        self._known: Sequence[Mailbox] = ()
        self._until: datetime | None = None
        self._domains: set[str] = set()

    async def of(self, domain: str) -> list[Mailbox]:
        """The mailboxes of a domain. Raises a PlatformError."""
        self._domains.add(domain)
        async with self._turn:
            if self._until is None or not self._until - FRESH <= self._clock() < self._until:
                self._known = await self._listed()
                self._until = self._clock() + FRESH
        return [one for one in self._known if self.counts(one.domain, domain)]

    def counts(self, name: str, domain: str) -> bool:
        """Whether a mailbox at `name` counts with `domain`."""
        return watched(name, self._domains | {domain}) == domain


def declared(account: str, texts: Sequence[str], known: Callable[[Lever], bool], kinds: str) -> tuple[Lever, ...]:
    """The levers that a configuration names. Raises Refused for one that is not `known`; `kinds` says what is."""
    levers = tuple(Lever(account, kind, name) for kind, _, name in (text.partition(":") for text in texts))
    if wrong := [text for text, lever in zip(texts, levers, strict=True) if not known(lever)]:
        raise Refused(f"levers of {account} are called {kinds}, not {', '.join(wrong)}")
    return levers


async def each(keys: Sequence[Key], ask: Callable[[Key], Awaitable[Answer]]) -> dict[Key, Answer | PlatformError]:
    """What comes of each key, an error being told like an answer."""

    async def one(key: Key) -> Answer | PlatformError:
        try:
            return await ask(key)
        except PlatformError as fault:
            return fault

    return dict(zip(keys, await asyncio.gather(*map(one, keys)), strict=True))


async def few_or_listed(
    keys: Sequence[str],
    ask: Callable[[str], Awaitable[Answer]],
    pages: Callable[[Sequence[str]], Awaitable[Mapping[str, Answer]]],
) -> dict[str, Answer | PlatformError]:
    """What is shown of each key: few are asked about by themselves, many are looked up in `pages` of the list.

    What the list does not show is asked about by itself: only the platform's own word makes a lever gone.
    """
    found: Mapping[str, Answer] = {}
    if len(keys) > FEW:
        try:
            found = await pages(keys)
        except PlatformError as fault:
            return dict.fromkeys(keys, fault)
    return {**found, **await each([key for key in keys if key not in found], ask)}


def limit_of(per_day: Any, what: str) -> Limit:
    """What a mailbox that is not paused may send, by its daily limit; null is no limit, and 0 is as good as a pause.

    Raises:
        Unavailable: that is no number of messages.
    """
    number = count(per_day)
    if number is None and per_day is not None:
        raise Unavailable(f"{what}: its daily limit is not a number of messages")
    if number is None:
        return Limit(SendState.RUNNING)
    return Limit(SendState.THROTTLED, number) if number else Limit(SendState.PAUSED)
