"""Calls to a cold-outreach platform: within one look, with patience where it asks for some, and no key in any error."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import urlencode

import msgspec

from probes.http import Http, HttpFault, check, redacted
from probes.observation import Why
from probes.vendor_statistics import decoded

MOST_PAGES = 1000
"""No list is followed further than this: an account whose pages never end is not believed."""

# What is waited for where a platform says "too many" and not how long.
_PAUSE_SECONDS = 2.0
# So that a platform which says "0 seconds" again and again is not asked without end.
_SHORTEST_SECONDS = 0.1
Shape = TypeVar("Shape")


@dataclass(slots=True)
class Calls:
    """The calls of one look at one account.

    `query` is added to every call and shown in no error; nor is one of `secrets`. `patience_seconds` is how long all
    calls together may wait because the platform asks for it (429).
    """

    http: Http
    base_url: str
    now: datetime
    timeout_seconds: float
    patience_seconds: float
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: Sequence[tuple[str, str]] = field(default=(), repr=False)
    secrets: Sequence[str] = field(default=(), repr=False)

    async def get(self, path: str, shape: type[Shape], query: Sequence[tuple[str, str]] = ()) -> Shape:
        """GET a JSON answer of the shape given. Raises HttpFault."""
        return await self._ask("GET", path, shape, query, None)

    async def post(self, path: str, shape: type[Shape], body: Any) -> Shape:
        """POST `body` as JSON for an answer of the shape given; for questions only. Raises HttpFault."""
        return await self._ask("POST", path, shape, (), msgspec.json.encode(body))

    async def _ask(
        self, method: str, path: str, shape: type[Shape], query: Sequence[tuple[str, str]], body: bytes | None
    ) -> Shape:
        asked = urlencode([*query, *self.query])
        url = f"{self.base_url}{path}{f'?{asked}' if asked else ''}"
        where = redacted(url)
        headers = {**self.headers, **({"content-type": "application/json"} if body is not None else {})}
        while True:
            answer = await self.http.request(
                method, url, headers=headers, body=body, timeout_seconds=self.timeout_seconds
            )
            try:
                check(answer, where, self.now, self.secrets)
            except HttpFault as fault:
                await asyncio.sleep(self._pause(fault))
            else:
                return decoded(answer, where, shape)

    def _pause(self, fault: HttpFault) -> float:
        """How long to wait before asking again. Raises the fault where waiting is no use, or too long."""
        seconds = max(_PAUSE_SECONDS if fault.retry_after is None else fault.retry_after, _SHORTEST_SECONDS)
        if fault.why is not Why.RATE_LIMITED or seconds > self.patience_seconds:
            raise fault
        self.patience_seconds -= seconds
        return seconds


def endless(where: str) -> HttpFault:
    """The fault of a list that does not end."""
    return HttpFault(Why.UNREADABLE, f"{where}: the list does not end within {MOST_PAGES} pages")
