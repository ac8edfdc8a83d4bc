"""The drill's world as deliverd's own probes see it: its platform, its reports, and the healthy days it begins with."""

import base64
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from deliverd import clock
from deliverd.drill.world import HISTORY_DAYS, World
from deliverd.model import SendState
from probes import webhook
from probes.http import Http
from probes.observation import EventKind, ForgedRequest, Seen, Unseen, Window


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    running = World(seed=1)
    await running.start(tmp_path)
    yield running
    await running.stop()


def config(world: World, secret: str | None = None) -> webhook.Config:
    url = world.sender.control_url
    return webhook.Config(
        kind="webhook", secret=SecretStr(secret or world.secret), control_url=url, timeout_seconds=0.5
    )


async def test_the_platform_is_read_by_deliverds_probe(world: World) -> None:
    world.sender.lanes["support.test"].state = SendState.PAUSED
    async with Http() as http:
        looks = await webhook.observe(config(world), world.domains, http, clock.now())
    states = {look.target: look.answer.readings["state"] for look in looks if isinstance(look.answer, Seen)}
    assert states == {"letters.test": "running", "receipts.test": "running", "support.test": "paused"}


async def test_the_dark_platform_is_unseen(world: World) -> None:
    world.sender.dark = True
    async with Http() as http:
        looks = await webhook.observe(config(world), world.domains, http, clock.now())
    assert [type(look.answer) for look in looks] == [Unseen, Unseen, Unseen]


async def test_the_history_is_taken_by_deliverds_probe_whole(world: World) -> None:
    world.report_history()
    events = [world.sender.reports.get_nowait() for _ in range(world.sender.reports.qsize())]
    now = clock.now()
    async with Http() as http:
        feed = world.feed
        body = json.dumps({"events": events})
        parsed = await webhook.receive(config(world), feed._headers(body), body.encode(), Window(now), http)
        other = "whsec_" + base64.b64encode(bytes(24)).decode()
        with pytest.raises(ForgedRequest):
            await webhook.receive(config(world, other), feed._headers(body), body.encode(), Window(now), http)
    assert parsed.rejects == ()
    sent = dict.fromkeys(world.domains, 0)
    for event in parsed.events:
        if event.kind is EventKind.SENT:
            sent[event.domain] += event.count
    days = HISTORY_DAYS + (now - now.replace(hour=0, minute=0, second=0, microsecond=0)) / timedelta(days=1)
    assert sent["letters.test"] == pytest.approx(40_000 * days, rel=0.01)
    complaints = [event for event in parsed.events if event.kind is EventKind.COMPLAINED]
    assert len(complaints) / sum(sent.values()) == pytest.approx(0.0002, rel=0.05)
    assert all(event.kind is EventKind.COMPLAINED for event in parsed.events[-len(complaints) :])
    assert max(event.at for event in parsed.events) <= now


async def test_stopping_twice_is_stopping(world: World) -> None:
    world.report_history()
    world.sender.send()
    await world.stop()
    await world.stop()
