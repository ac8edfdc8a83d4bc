"""Readings of levers begun while the decision is being stored: an act need not wait for one after the other."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from deliverd.engine.context import Context
from deliverd.model import Actual, Lever
from deliverd.platforms.base import Platform, PlatformError

Reading = Actual | PlatformError

HOLDS = timedelta(seconds=1)
"""How old the beginning of a reading may be: in a crowd an act may wait long for its turn."""


@dataclass(frozen=True, slots=True)
class Foresight:
    """Readings under way, with the instant they began and how many acts the domain had had by then."""

    readings: Mapping[Lever, asyncio.Task[Reading]]
    at: datetime
    acts: int

    def holds(self, ctx: Context, domain: str) -> bool:
        """Whether they may still be acted upon: no other act came between, and no person had the time to."""
        return self.acts == ctx.acts[domain] and ctx.clock() - self.at < HOLDS

    def drop(self) -> None:
        """Give the readings up."""
        for reading in self.readings.values():
            reading.cancel()


def foresee(ctx: Context, domain: str, levers: Collection[Lever]) -> Foresight:
    """Begin to read these levers."""
    platforms = {lever: ctx.platforms[lever.account] for lever in levers}
    readings = {lever: asyncio.create_task(read(platform, lever)) for lever, platform in platforms.items()}
    return Foresight(readings, ctx.clock(), ctx.acts[domain])


async def read(platform: Platform, lever: Lever) -> Reading:
    """What a lever is at, or why that cannot be told."""
    try:
        return await platform.read(lever)
    except PlatformError as fault:
        return fault
