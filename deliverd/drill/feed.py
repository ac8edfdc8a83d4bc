"""Takes the sender's reports to deliverd, signed, in batches, and keeps each one until deliverd has taken it."""

import asyncio
import json
from dataclasses import dataclass, field
from datetime import datetime

from standardwebhooks.webhooks import Webhook

from deliverd.drill.diary import Diary
from deliverd.drill.lanes import Event
from probes.http import Http, HttpFault

_BATCH = 500
_PAUSE_SECONDS = 0.05
_FIRST_RETRY_SECONDS = 0.1
_LAST_RETRY_SECONDS = 1.0
_ANSWER_SECONDS = 5
_OK = 200
_REFUSALS = (401, 404, 413, 422)


class FeedError(Exception):
    """deliverd will never take these reports: not worth a retry. The text says what it answered."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What deliverd acknowledged of one batch, and when: by then it is durable."""

    at: datetime
    sent: dict[str, int]
    complained: dict[str, int]


@dataclass(slots=True)
class Feed:
    """Delivers what is put into `reports` to `url`. While `dark`, reports wait."""

    url: str
    secret: str
    reports: asyncio.Queue[Event]
    diary: Diary
    dark: bool = False
    accepted: int = 0
    rejected: list[str] = field(default_factory=list)
    retries: int = 0
    taken: list[Taken] = field(default_factory=list)
    _batches: int = 0

    async def run(self) -> None:
        """Deliver for ever. Raises FeedError when deliverd refuses a batch for good."""
        async with Http(_ANSWER_SECONDS) as http:
            while True:
                await self.deliver(http, [await self.reports.get(), *self._more()])
                await asyncio.sleep(_PAUSE_SECONDS)

    async def deliver(self, http: Http, events: list[Event]) -> None:
        """Hand over one batch, again and again until it is taken. Raises FeedError when it never will be."""
        self._batches += 1
        body = json.dumps({"events": events}, separators=(",", ":"))
        wait = _FIRST_RETRY_SECONDS
        while not (not self.dark and await self._taken(http, body, events)):
            self.retries += not self.dark
            await asyncio.sleep(wait)
            wait = min(wait * 2, _LAST_RETRY_SECONDS)

    def _more(self) -> list[Event]:
        waiting = min(self.reports.qsize(), _BATCH - 1)
        return [self.reports.get_nowait() for _ in range(waiting)]

    async def _taken(self, http: Http, body: str, events: list[Event]) -> bool:
        try:
            answer = await http.post(self.url, body=body.encode(), headers=self._headers(body))
        except HttpFault:
            return False
        if answer.status in _REFUSALS:
            said = answer.body[:300].decode(errors="replace")
            raise FeedError(f"deliverd answered {answer.status} to the sender's report: {said}")
        if answer.status != _OK:
            return False
        receipt = json.loads(answer.body)
        # What was taken before an answer got lost is a duplicate the second time: taken all the same.
        self.accepted += receipt["accepted"] + receipt["duplicates"]
        self.rejected += [f"{reject['code']}: {reject['reason']}" for reject in receipt["rejected"]]
        self.taken.append(Taken(self.diary.now(), _count(events, "sent"), _count(events, "complained")))
        return True

    def _headers(self, body: str) -> dict[str, str]:
        now, name = self.diary.now(), f"msg_{self._batches}"
        return {
            "content-type": "application/json",
            "webhook-id": name,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(self.secret).sign(name, now, body),
        }


def _count(events: list[Event], kind: str) -> dict[str, int]:
    counts: dict[str, int] = {}
    for event in events:
        if event["type"] == kind:
            counts[event["domain"]] = counts.get(event["domain"], 0) + event.get("count", 1)
    return counts
