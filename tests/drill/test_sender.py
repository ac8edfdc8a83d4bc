"""The drill's sending platform, spoken to as deliverd speaks: signed orders, signed questions, and its bad moods."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook

from deliverd import clock
from deliverd.drill.diary import Diary, What
from deliverd.drill.lanes import Campaign, Lane
from deliverd.drill.sender import Sender
from deliverd.model import SendState
from probes.http import Http, HttpFault, Response

SECRET = "whsec_" + base64.b64encode(b"a secret of the drill's own").decode()
OTHER = "whsec_" + base64.b64encode(b"somebody else's").decode()


@pytest.fixture
async def sender() -> AsyncIterator[Sender]:
    running = Sender([Lane("a.test", 1440), Lane("b.test", 1440)], SECRET, Diary(), Random(1))
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    async with Http(1) as client:
        yield client


def signed(body: str, secret: str = SECRET) -> dict[str, str]:
    now = clock.now()
    signature = Webhook(secret).sign("msg_1", now, body)
    return {"webhook-id": "msg_1", "webhook-timestamp": str(int(now.timestamp())), "webhook-signature": signature}


def order(state: str, daily_limit: int | None = None, domain: str = "a.test") -> dict[str, Any]:
    about = {"domain": domain, "state": state, "daily_limit": daily_limit}
    return {**about, "reason": "too many complaints", "decision": 7, "author": "deliverd"}


async def tell(http: Http, sender: Sender, body: dict[str, Any] | str, secret: str = SECRET) -> Response:
    text = body if isinstance(body, str) else json.dumps(body)
    return await http.post(sender.control_url, body=text.encode(), headers=signed(text, secret))


async def ask(http: Http, sender: Sender, domain: str = "a.test") -> dict[str, Any]:
    answer = await http.get(sender.control_url, headers=signed(""), params={"domain": domain})
    found: dict[str, Any] = json.loads(answer.body)
    return found


async def test_it_starts_running_by_nobody_of_deliverd(http: Http, sender: Sender) -> None:
    found = await ask(http, sender)
    expected = {"domain": "a.test", "state": "running", "daily_limit": None, "author": "customer"}
    assert found == {**expected, "statistics": {"sent_today": 0}}


async def test_an_order_is_obeyed_and_read_back(http: Http, sender: Sender) -> None:
    answer = await tell(http, sender, order("throttled", 20_000))
    assert answer.status == 200
    found = await ask(http, sender)
    assert (found["state"], found["daily_limit"], found["author"]) == ("throttled", 20_000, "deliverd")
    await tell(http, sender, order("paused"))
    found = await ask(http, sender)
    assert (found["state"], found["daily_limit"]) == ("paused", None)
    assert (await ask(http, sender, "b.test"))["state"] == "running"


async def test_a_forged_order_is_not_obeyed(http: Http, sender: Sender) -> None:
    assert (await tell(http, sender, order("paused"), OTHER)).status == 401
    unsigned = await http.post(sender.control_url, body=json.dumps(order("paused")).encode())
    assert unsigned.status == 401
    assert (await http.get(sender.control_url, params={"domain": "a.test"})).status == 401
    assert sender.lanes["a.test"].state is SendState.RUNNING


@pytest.mark.parametrize(
    "body", ["[]", "nonsense", "{}", order("asleep"), order("throttled"), order("paused", 5), order("throttled", 0)]
)
async def test_an_order_that_makes_no_sense_is_answered_so(http: Http, sender: Sender, body: Any) -> None:
    assert (await tell(http, sender, body)).status == 422
    assert sender.lanes["a.test"].state is SendState.RUNNING


async def test_a_stranger_is_not_found(http: Http, sender: Sender) -> None:
    assert (await tell(http, sender, order("paused", domain="c.test"))).status == 404


async def test_it_refuses_so_many_pauses_inside_a_200_and_throttles_meanwhile(http: Http, sender: Sender) -> None:
    sender.refusals = 2
    for _ in range(2):
        answer = await tell(http, sender, order("paused"))
        assert answer.status == 200
        assert "error" in json.loads(answer.body)
        assert (await ask(http, sender))["state"] == "running"
    await tell(http, sender, order("throttled", 9))
    assert (await ask(http, sender))["state"] == "throttled"
    await tell(http, sender, order("paused"))
    assert (await ask(http, sender))["state"] == "paused"


async def test_in_the_dark_it_answers_nobody_but_remembers_who_called(http: Http, sender: Sender) -> None:
    sender.dark = True
    with pytest.raises(HttpFault):
        await tell(http, sender, order("paused"))
    with pytest.raises(HttpFault):
        await ask(http, sender)
    diary = sender._diary
    assert [one.what for one in diary.happenings] == [What.UNANSWERED]
    assert sender.lanes["a.test"].state is SendState.RUNNING
    await asyncio.wait_for(sender.stop(), 3)


async def test_it_writes_down_the_first_bad_message_the_first_complaint_and_the_end_of_a_limit(sender: Sender) -> None:
    start = datetime(2026, 11, 22, 12, tzinfo=UTC)
    lane = sender.lanes["a.test"]
    sender.tick(start, 0.1)
    lane.campaign = Campaign(5000, 1000, 0.1)
    lane.state, lane.daily_limit = SendState.THROTTLED, 2000
    for tick in range(1, 50):
        sender.tick(start + timedelta(seconds=tick / 10), 0.1)
    assert [one.what for one in sender._diary.happenings] == [What.BAD_SENT, What.COMPLAINT, What.EXHAUSTED]
    assert "2,000" in sender._diary.happenings[-1].text


async def test_it_sends_by_itself_in_fast_motion(sender: Sender) -> None:
    sender.lanes["a.test"].per_day = 1
    sender.send()
    event = await asyncio.wait_for(sender.reports.get(), 3)
    assert (event["type"], event["id"][:4]) == ("sent", "evt_")
