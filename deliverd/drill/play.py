"""Plays one scenario: world, daemon, trouble, and watching until the domain is protected or the time is up.

CouldNotRun    the drill itself failed (the daemon did not start, refused a report, or died); says nothing of protection
"""

import asyncio
import os
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from deliverd import settings
from deliverd.drill import config
from deliverd.drill.config import POLICY, Addresses, Rehearsal
from deliverd.drill.diary import What
from deliverd.drill.feed import FeedError
from deliverd.drill.process import Daemon, without_settings
from deliverd.drill.reader import Reader, Reading
from deliverd.drill.scenarios import Scenario
from deliverd.drill.screen import Screen
from deliverd.drill.story import Story
from deliverd.drill.summary import Summary, summarise
from deliverd.drill.timeline import Line, lines
from deliverd.drill.world import HISTORY_DAYS, World
from deliverd.model import Mode, Standing
from deliverd.policy import Policy
from deliverd.settings import ConfigError
from deliverd.store.faults import StoreError

_START_SECONDS = 30.0
_STARTS = 3
_LOOK_SECONDS = 0.2
_CALM_SECONDS = 1.5
_SOURCES = 4
_LAST_WORD = timedelta(seconds=3)


class CouldNotRun(Exception):  # noqa: N818 - what the drill says of itself
    """The drill failed, and with it says nothing about protection."""


@dataclass(frozen=True, slots=True)
class Played:
    """A scenario that was played to its end."""

    summary: Summary
    began: datetime
    lines: Sequence[Line]


class Stage:
    """One scenario under way. `stack` closes what it opened, in reverse order."""

    def __init__(self, scenario: Scenario, what: Rehearsal, directory: Path, seed: int, screen: Screen) -> None:
        self.scenario = scenario
        self.world = World(seed)
        self.config = directory / "deliverd.toml"
        self.addresses: Addresses | None = None
        self._what = what
        self._directory = directory
        self._screen = screen
        self._daemon = Daemon(self.config, directory / "deliverd.log")
        self._reader = Reader(directory / "deliverd.db", self.world.domains)
        self._reading = Reading()
        self._policy: Policy | None = None

    async def play(self, stack: AsyncExitStack) -> Played:
        """From an empty directory to the verdict; the world and the daemon stay up until `stack` is closed.

        Raises:
            CouldNotRun: the drill itself failed.
        """
        began = self.world.diary.now()
        stack.push_async_callback(self.world.stop)
        stack.callback(self._reader.close)
        stack.push_async_callback(self._daemon.stop)
        try:
            await self._open(began)
            await self._suffer()
        except (OSError, StoreError) as fault:
            raise CouldNotRun(f"{type(fault).__name__}: {fault}") from None
        story = self._story()
        return Played(summarise(self.scenario, story), began, lines(story, self.world.feed.taken))

    async def watch(self) -> None:
        """Go on showing what happens, for ever. Raises CouldNotRun when the daemon ends."""
        while True:
            await self._watch_for(_LOOK_SECONDS)

    async def _open(self, began: datetime) -> None:
        self.addresses = await self.world.start(self._directory)
        self._write(self.addresses)
        name = f"the policy {self._what.base!r}, with waits shortened, in mode {self._what.mode}"
        self._screen.begin(self.scenario.name, self.scenario.title, self.world.domains, name, began)
        self.world.report_history()
        for start in range(1, _STARTS + 1):
            await self._daemon.start(self.addresses.store_url)
            if await self._ready():
                break
            if start == _STARTS or not any("in use" in line for line in self._daemon.last_lines()):
                raise CouldNotRun(self._ended())
            self.addresses = self.world.move_daemon(self._directory)
            self._write(self.addresses)
        self.world.diary.write(What.NOTE, "", f"{HISTORY_DAYS} healthy days have been reported; mail flows")
        self.world.sender.send()
        await self._watch_for(_CALM_SECONDS)

    def _write(self, addresses: Addresses) -> None:
        text = config.text(addresses, self.world.domains, self.world.secret, self._what, self.scenario.stale_seconds)
        # The file holds a signing secret, if only the drill's own.
        self.config.touch(mode=0o600)
        self.config.write_text(text, encoding="utf-8")
        try:
            self._policy = settings.load(self.config, without_settings(os.environ)).policies[POLICY]
        except ConfigError as fault:
            raise CouldNotRun(f"the policy cannot be rehearsed: {fault}") from None

    async def _ready(self) -> bool:
        """Wait until deliverd has taken the history and looked at every domain; False when it ended instead."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _START_SECONDS
        while loop.time() < deadline:
            if self._daemon.exit_code is not None:
                return False
            await self._look()
            looked = {(one.target, one.source) for one in self._reading.observations}
            if self.world.reported and len(looked) >= _SOURCES * len(self.world.domains):
                return True
            await asyncio.sleep(_LOOK_SECONDS)
        raise CouldNotRun(f"deliverd was not ready after {_START_SECONDS:.0f} s\n{self._log()}")

    async def _suffer(self) -> None:
        """Let things go wrong, and watch until the domain is protected for a while or the time is up."""
        loop = asyncio.get_running_loop()
        began, left = loop.time(), list(self.scenario.steps)
        good_since: float | None = None
        while loop.time() - began < self.scenario.limit_seconds:
            story = self._story()
            while left and (left[0].when(story) or 0 < left[0].at_most <= loop.time() - began):
                left.pop(0).do(self.world)
            if _beyond_help(story):
                return
            good = not left and self.scenario.protected(story).protected
            good_since = (good_since or loop.time()) if good else None
            if good_since is not None and loop.time() - good_since >= self.scenario.linger_seconds:
                return
            await self._watch_for(_LOOK_SECONDS)

    async def _watch_for(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while True:
            await self._look()
            if self._daemon.exit_code is not None:
                raise CouldNotRun(self._ended())
            if loop.time() >= until:
                return
            await asyncio.sleep(min(_LOOK_SECONDS, max(0.0, until - loop.time())))

    async def _look(self) -> None:
        self._reading = await asyncio.to_thread(self._reader.read)
        try:
            self.world.check()
        except FeedError as fault:
            raise CouldNotRun(f"{fault}\n{self._log()}") from None
        self._screen.show(lines(self._story(), self.world.feed.taken))

    def _story(self) -> Story:
        if self._policy is None:
            raise CouldNotRun("there is no policy yet")
        return Story(
            victim=self.scenario.victim,
            policy=self._policy,
            mode=self._what.mode,
            now=self.world.diary.now(),
            lanes=self.world.lanes(),
            decisions=self._reading.decisions,
            acts=self._reading.acts,
            observations=self._reading.observations,
            diary=tuple(self.world.diary.happenings),
            mails=tuple(self.world.mailbox.mails),
        )

    def _ended(self) -> str:
        return f"deliverd ended with code {self._daemon.exit_code}\n{self._log()}"

    def _log(self) -> str:
        return "\n".join(["its last words:", *(f"  {line}" for line in self._daemon.last_lines())])


def _beyond_help(story: Story) -> bool:
    """Whether deliverd has decided on the worst and may not act on it: waiting longer would change nothing."""
    if story.mode is Mode.ENFORCE:
        return False
    decided = (one for one in story.decisions if one.domain == story.victim and one.standing is Standing.PAUSED)
    return any(story.now - one.at > _LAST_WORD for one in decided)
