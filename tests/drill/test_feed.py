"""The drill's feed against a receiver that fails on purpose: nothing lost, nothing given up that could be taken."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from deliverd.drill.diary import Diary
from deliverd.drill.feed import Feed, FeedError
from deliverd.drill.serving import Serving, free_port

SECRET = "whsec_" + base64.b64encode(b"a secret of the drill's own").decode()


@dataclass
class Receiver:
    """Takes signed batches; answers with the statuses it is given first, and takes what it answers 200 to."""

    statuses: list[int] = field(default_factory=list)
    reject: bool = False
    ids: list[str] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)

    async def receive(self, request: Request) -> Response:
        body = await request.body()
        try:
            Webhook(SECRET).verify(body, dict(request.headers))
        except WebhookVerificationError:
            return JSONResponse({"error": "forged"}, status_code=401)
        status = self.statuses.pop(0) if self.statuses else 200
        events: list[dict[str, Any]] = json.loads(body)["events"]
        rejected = [{"index": 0, "code": "bad", "reason": "on purpose"}] if self.reject else []
        if status == 200:
            self.sizes.append(len(events))
            self.ids += [event["id"] for event in events]
        receipt = {"accepted": len(events) - len(rejected), "duplicates": 0, "rejected": rejected}
        return JSONResponse(receipt, status_code=status)


@pytest.fixture
async def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
async def serving(receiver: Receiver) -> AsyncIterator[Serving]:
    running = Serving(Starlette(routes=[Route("/hooks/platform", receiver.receive, methods=["POST"])]))
    await running.start()
    yield running
    await running.stop()


def feed(port: int, events: int, secret: str = SECRET) -> Feed:
    reports: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    for number in range(events):
        reports.put_nowait({"id": f"evt_{number}", "type": "sent", "domain": "a.test", "count": 2})
    return Feed(f"http://127.0.0.1:{port}/hooks/platform", secret, reports, Diary())


async def until_accepted(running: Feed, events: int) -> None:
    task = asyncio.create_task(running.run())
    try:
        async with asyncio.timeout(10):
            while running.accepted < events and not task.done():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        if task.done():
            task.result()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_everything_is_delivered_in_order_in_batches(serving: Serving, receiver: Receiver) -> None:
    running = feed(serving.port, 1234)
    await until_accepted(running, 1234)
    assert receiver.ids == [f"evt_{number}" for number in range(1234)]
    assert max(receiver.sizes) <= 500
    assert sum(batch.sent["a.test"] for batch in running.taken) == 2468


async def test_a_busy_receiver_is_asked_again_until_it_takes_the_batch(serving: Serving, receiver: Receiver) -> None:
    receiver.statuses = [503, 500, 429, 503]
    running = feed(serving.port, 3)
    await until_accepted(running, 3)
    assert receiver.ids == ["evt_0", "evt_1", "evt_2"]
    assert running.retries == 4


async def test_a_receiver_that_is_not_there_yet_is_waited_for(receiver: Receiver) -> None:
    running = feed(free_port(), 3)
    delivering = asyncio.create_task(running.run())
    await asyncio.sleep(0.3)
    assert not delivering.done()
    assert running.retries >= 1
    serving = Serving(Starlette(routes=[Route("/hooks/platform", receiver.receive, methods=["POST"])]))
    running.url = f"http://127.0.0.1:{await serving.start()}/hooks/platform"
    async with asyncio.timeout(10):
        while running.accepted < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    delivering.cancel()
    await asyncio.gather(delivering, return_exceptions=True)
    await serving.stop()
    assert receiver.ids == ["evt_0", "evt_1", "evt_2"]


async def test_in_the_dark_nothing_is_delivered_and_nothing_lost(serving: Serving, receiver: Receiver) -> None:
    running = feed(serving.port, 3)
    running.dark = True
    task = asyncio.create_task(running.run())
    await asyncio.sleep(0.3)
    assert receiver.ids == []
    running.dark = False
    async with asyncio.timeout(10):
        while running.accepted < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert receiver.ids == ["evt_0", "evt_1", "evt_2"]


@pytest.mark.parametrize("status", [401, 404, 413, 422])
async def test_a_refusal_for_good_is_not_repeated(serving: Serving, receiver: Receiver, status: int) -> None:
    receiver.statuses = [status]
    with pytest.raises(FeedError, match=str(status)):
        await until_accepted(feed(serving.port, 1), 1)


async def test_the_wrong_secret_is_told_as_such(serving: Serving, receiver: Receiver) -> None:
    wrong = "whsec_" + base64.b64encode(b"wrong").decode()
    with pytest.raises(FeedError, match="401") as caught:
        await until_accepted(feed(serving.port, 1, wrong), 1)
    assert wrong not in str(caught.value)
    assert receiver.ids == []


async def test_rejected_events_are_kept_for_the_drill_to_see(serving: Serving, receiver: Receiver) -> None:
    receiver.reject = True
    running = feed(serving.port, 2)
    await until_accepted(running, 1)
    assert running.rejected == ["bad: on purpose"]
