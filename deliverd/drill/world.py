"""The simulated outside world on loopback: DNS, a sending platform with its event feed, the on-call mailbox."""

import asyncio
import base64
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from random import Random
from secrets import token_bytes

from deliverd.drill.config import ACCOUNT, Addresses
from deliverd.drill.diary import Diary
from deliverd.drill.dns import NameServer
from deliverd.drill.feed import Feed, FeedError
from deliverd.drill.lanes import Lane
from deliverd.drill.records import zone
from deliverd.drill.sender import Sender
from deliverd.drill.serving import free_port
from deliverd.drill.sink import Mailbox
from deliverd.drill.story import LaneView
from deliverd.model import Limit

VOLUMES = {"letters.test": 40_000, "receipts.test": 12_000, "support.test": 5_000}
HISTORY_DAYS = 8


class World:
    """Everything outside deliverd. `seed` makes the drawn parts (providers, delays) alike in every run."""

    def __init__(self, seed: int) -> None:
        random = Random(seed)  # noqa: S311 - chance for a play, not for a secret
        self.diary = Diary()
        self.secret = "whsec_" + base64.b64encode(token_bytes(24)).decode()
        self.names = NameServer(zone(tuple(VOLUMES)))
        self.mailbox = Mailbox(self.diary)
        self.sender = Sender([Lane(name, volume) for name, volume in VOLUMES.items()], self.secret, self.diary, random)
        self.listen = ""
        self.feed = Feed("", self.secret, self.sender.reports, self.diary)
        self._history = 0
        self.feeding: asyncio.Task[None] | None = None

    @property
    def domains(self) -> tuple[str, ...]:
        return tuple(self.sender.lanes)

    async def start(self, directory: Path) -> Addresses:
        """Start every server, and choose where the daemon is to listen. Raises OSError."""
        await self.names.start()
        await self.mailbox.start()
        await self.sender.start()
        return self.move_daemon(directory)

    def move_daemon(self, directory: Path) -> Addresses:
        """The addresses, with a fresh port for the daemon: the last one may have been taken meanwhile."""
        self.listen = f"127.0.0.1:{free_port()}"
        self.feed.url = f"http://{self.listen}/hooks/{ACCOUNT}"
        nameserver = f"127.0.0.1:{self.names.port}"
        database = directory / "deliverd.db"
        return Addresses(self.listen, nameserver, self.sender.control_url, self.mailbox.channel, database)

    def report_history(self) -> None:
        """Report some healthy days, hour by hour, up to the last full hour; then begin to deliver reports.

        Complaints come last: a day whose mail is only half reported would look worse than it was.
        """
        hour = self.diary.now().replace(minute=0, second=0, microsecond=0)
        days = [hour.replace(hour=0) - timedelta(days=day) for day in range(HISTORY_DAYS, -1, -1)]
        sender = self.sender
        events = [
            event
            for lane in sender.lanes.values()
            for day in days
            for event in lane.day(day, hour, sender.ids, sender.random)
        ]
        for event in sorted(events, key=lambda event: bool(event["type"] == "complained")):
            sender.reports.put_nowait(event)
        self._history = len(events)
        self.feeding = asyncio.create_task(self.feed.run())

    @property
    def reported(self) -> bool:
        """Whether deliverd has acknowledged the whole history."""
        return 0 < self._history <= self.feed.accepted

    def check(self) -> None:
        """Raise FeedError when deliverd refused a report, or a part of one."""
        if self.feeding is not None and self.feeding.done():
            self.feeding.result()
        if self.feed.rejected:
            raise FeedError(f"deliverd rejected {len(self.feed.rejected)} events, such as: {self.feed.rejected[0]}")

    def lanes(self) -> Sequence[LaneView]:
        """How each domain stands at the platform now."""
        return [
            LaneView(
                lane.domain, Limit(lane.state, lane.daily_limit), lane.author, lane.first_bad_at, lane.left_since_bad
            )
            for lane in self.sender.lanes.values()
        ]

    async def stop(self) -> None:
        """Stop everything. May be called twice."""
        if self.feeding is not None:
            self.feeding.cancel()
            await asyncio.gather(self.feeding, return_exceptions=True)
            self.feeding = None
        await self.sender.stop()
        await self.mailbox.stop()
        await self.names.stop()


def _view(lane: Lane) -> LaneView:
    limit = Limit(lane.state, lane.daily_limit)
    return LaneView(lane.domain, limit, lane.author, lane.first_bad_at, lane.left_since_bad)
