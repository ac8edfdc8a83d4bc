"""Putting queries to Google Postmaster Tools: a hundred a call, every page, and alone where company is refused.

The description of batchQuery says that it is refused whole when one of its domains may not be seen, its schema says
that each query has an error of its own: both are dealt with.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from probes.google_postmaster_client import TRIES, Client
from probes.google_postmaster_faults import ApiFault, of_status, unreadable
from probes.google_postmaster_parse import Days, Metric, Unreadable, merge, next_page, parse

PAGE = 200
BATCH = 100
_MOST_PAGES = 500


@dataclass(slots=True)
class Query:
    """Some metrics of one domain, from `start` to `end` (both included), and what has been answered so far."""

    domain: str
    metrics: tuple[Metric, ...]
    start: date
    end: date
    days: Days = field(default_factory=dict)
    fault: ApiFault | None = None
    done: bool = False
    wait: float = 0.0
    """Seconds not to ask in, after a fault."""
    _token: str = ""
    _pages: int = 0
    _failed: int = 0

    def body(self) -> dict[str, Any]:
        """As a QueryDomainStatsRequest for the next page."""
        ranges = [{"start": _date(self.start), "end": _date(self.end)}]
        asked: dict[str, Any] = {
            "parent": f"domains/{self.domain}",
            "metricDefinitions": [metric.definition() for metric in self.metrics],
            # Nested twice: a TimeQuery has one DateRanges, which has the list.
            "timeQuery": {"dateRanges": {"dateRanges": ranges}},
            "aggregationGranularity": "DAILY",
            "pageSize": PAGE,
        }
        return asked | ({"pageToken": self._token} if self._token else {})

    def take(self, answer: Any) -> None:
        """Take in a page."""
        try:
            merge(self.days, parse(answer, self.metrics))
            token = next_page(answer)
        except Unreadable as fault:
            self.fail(unreadable(str(fault)), 0.0)
            return
        self._pages += 1
        if token and (token == self._token or self._pages >= _MOST_PAGES):
            self.end_with(unreadable("its pages do not come to an end"))
            return
        self._token, self._failed, self.wait, self.done = token, 0, 0.0, not token

    def fail(self, fault: ApiFault, patience: float) -> None:
        """Take in a fault: ask again where that may help, a few times, and within `patience` seconds."""
        self._failed += 1
        self.wait = fault.retry_after or 0.0
        if not fault.again or self._failed >= TRIES or self.wait > patience:
            self.end_with(fault)

    def end_with(self, fault: ApiFault) -> None:
        """Give up. The newest days come last, so pages that were read are not the whole story, and are dropped."""
        self.fault, self.done = fault, True
        self.days.clear()


def spread(domain: str, metrics: tuple[Metric, ...], start: date, end: date) -> Iterator[Query]:
    """Queries for all days from `start` to `end`, each of as many days as fit into one page."""
    size = max(1, PAGE // len(metrics))
    while start <= end:
        last = min(start + timedelta(days=size - 1), end)
        yield Query(domain, metrics, start, last)
        start = last + timedelta(days=1)


class Asker:
    """Puts queries and sees each of them through to its end. `in_flight` is how many calls run at once."""

    def __init__(self, client: Client, in_flight: int, now: datetime) -> None:
        self._client = client
        self._turns = asyncio.Semaphore(in_flight)
        self._now = now
        self._refused: dict[str, ApiFault] = {}

    async def ask(self, queries: Sequence[Query]) -> None:
        """Answer every query, with days or a fault; nothing is raised for a remote fault."""
        while left := [query for query in queries if not query.done]:
            starts = range(0, len(left), BATCH)
            await asyncio.gather(*(self._in_turn(left[start : start + BATCH]) for start in starts))
            self._client.hold(max((query.wait for query in left if not query.done), default=0.0))

    async def _in_turn(self, batch: list[Query]) -> None:
        async with self._turns:
            if not await self._together(batch):
                await self._apart(batch)

    async def _apart(self, refused: list[Query]) -> None:
        """Find whom a refusal is about: by halves while one half is fine, else one by one."""
        if len(refused) > 1:
            middle = len(refused) // 2
            halves = refused[:middle], refused[middle:]
            taken = [await self._together(half) for half in halves]
            if any(taken):
                for half in (half for half, fine in zip(halves, taken, strict=True) if not fine):
                    await self._apart(half)
                return
        for query in refused:
            for left in self._pass_over([query]):
                await self._alone(left)

    async def _together(self, batch: list[Query]) -> bool:
        """Whether Google took a batch. One that it takes is answered; a fault that is nobody's own is everybody's."""
        batch = self._pass_over(batch)
        if not batch:
            return True
        if len(batch) == 1:
            await self._alone(batch[0])
            return True
        request = self._client.service.domainStats().batchQuery(body={"requests": [query.body() for query in batch]})
        try:
            answer = await self._client.call(request)
        except ApiFault as fault:
            if not fault.everybody:
                return False
            for query in batch:
                query.end_with(fault)
            return True
        await asyncio.to_thread(self._share, batch, answer)
        return True

    def _share(self, batch: list[Query], answer: dict[str, Any]) -> None:
        results = answer.get("results")
        if not isinstance(results, list) or len(results) != len(batch):
            for query in batch:
                query.fail(unreadable("it does not answer each query"), self._client.patience)
            return
        for query, result in zip(batch, results, strict=True):
            if isinstance(result, dict) and "response" in result:
                query.take(result["response"])
            elif isinstance(result, dict) and "error" in result:
                query.fail(of_status(result["error"], self._now), self._client.patience)
                self._note(query)
            else:
                query.fail(unreadable("a result is neither response nor error"), self._client.patience)

    async def _alone(self, query: Query) -> None:
        stats = self._client.service.domains().domainStats()
        body = query.body()
        request = stats.query(parent=body.pop("parent"), body=body)
        try:
            query.take(await self._client.call(request))
        except ApiFault as fault:
            query.end_with(fault)
            self._note(query)

    def _note(self, query: Query) -> None:
        """Remember who may not be seen: the same domain's other queries need not be put."""
        if query.fault and not query.fault.everybody and not query.fault.again:
            self._refused[query.domain] = query.fault

    def _pass_over(self, queries: list[Query]) -> list[Query]:
        for query in queries:
            if query.domain in self._refused and not query.done:
                query.end_with(self._refused[query.domain])
        return [query for query in queries if not query.done]


def _date(day: date) -> dict[str, int]:
    return {"year": day.year, "month": day.month, "day": day.day}
