"""Readings begun before the act's turn: used when they are fresh, and never when they are old."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deliverd.engine.context import Context
from deliverd.engine.foresight import HOLDS, foresee
from deliverd.engine.judge import judge
from deliverd.engine.reconcile import reconcile
from deliverd.model import Lever, Outcome, SendState
from deliverd.platforms.registry import open_platform
from deliverd.settings import load
from deliverd.store.events import Batch
from deliverd.store.writer import Store
from peers.own_sender import OwnSender
from probes.http import Http
from probes.observation import EventKind, MailEvent
from probes.resolver import Config, Resolver

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
LEVER = Lever("mail", "domain", "acme.com")
TEXT = """
[owners.team]
channels = ["json://127.0.0.1:9/"]
[platforms.mail]
kind = "webhook"
secret = "{secret}"
control_url = "{url}"
[domains."acme.com"]
owner = "team"
platform = "mail"
mode = "enforce"
"""


@dataclass
class Clock:
    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Scene:
    ctx: Context
    sender: OwnSender
    clock: Clock

    def methods(self) -> list[str]:
        return [call.method for call in self.sender.calls]


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    with OwnSender() as sender, closing(Store.open(f"sqlite:///{tmp_path}/deliverd.db", migrate=True)) as store:
        file = tmp_path / "deliverd.toml"
        file.write_text(TEXT.format(secret=sender.secret, url=sender.control_url))
        settings = load(file, {})
        clock = Clock()
        platform = open_platform("mail", "webhook", settings.platforms["mail"])
        ctx = Context(
            settings=settings,
            store=store,
            platforms={"mail": platform},
            http=Http(),
            resolver=Resolver(Config()),
            send=lambda *_: pytest.fail("nothing is told here"),
            clock=clock,
            started=NOW,
        )
        yield Scene(ctx, sender, clock)
        await platform.aclose()


async def burning(scene: Scene) -> None:
    """A thousand messages and a hundred complaints about them."""
    sent = MailEvent("1", EventKind.SENT, "acme.com", NOW, NOW, count=1000)
    complained = MailEvent("2", EventKind.COMPLAINED, "acme.com", NOW, NOW, count=100)
    await scene.ctx.store.ingest(Batch("mail", (sent, complained), (), NOW))


async def test_a_decision_comes_with_the_reading_its_act_needs(scene: Scene) -> None:
    await burning(scene)
    judged = await judge(scene.ctx, "acme.com", NOW)
    assert judged.moved
    done = await reconcile(scene.ctx, "acme.com", NOW, judged.ahead)
    assert [result.outcome for _, result in done.acts] == [Outcome.CONFIRMED]
    assert scene.methods() == ["GET", "POST", "GET"]


@pytest.mark.parametrize("later", [timedelta(0), HOLDS], ids=["another act came between", "it waited too long"])
async def test_an_old_reading_is_not_acted_upon(scene: Scene, later: timedelta) -> None:
    """A person paused the sender after it was read: what was read before would have it that deliverd did."""
    await burning(scene)
    judged = await judge(scene.ctx, "acme.com", NOW)
    assert judged.ahead is not None
    await asyncio.gather(*judged.ahead.readings.values())
    scene.sender.person_sets("acme.com", "paused")
    if later:
        scene.clock.now += later
    else:
        scene.ctx.acts["acme.com"] += 1
    done = await reconcile(scene.ctx, "acme.com", NOW, judged.ahead)
    assert [intent.action.original.state for intent, _ in done.acts] == [SendState.PAUSED]
    assert "POST" not in scene.methods()


async def test_what_cannot_be_read_is_a_reading_too(scene: Scene) -> None:
    gone = foresee(scene.ctx, "acme.com", [LEVER])
    scene.sender.person_sets("acme.com", "paused")
    found = await gone.readings[LEVER]
    assert not isinstance(found, BaseException)
    dropped = foresee(scene.ctx, "acme.com", [LEVER])
    dropped.drop()
    with pytest.raises(asyncio.CancelledError):
        await dropped.readings[LEVER]
