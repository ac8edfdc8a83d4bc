"""What is the `webhook` adapter's own, beyond the contract: its wire format, its ids, its calls in flight."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from platforms.contract import PAUSED, RUNNING, THROTTLED, intent

from deliverd.model import Actual, Lever, Limit, SendState
from deliverd.platforms.base import Denied, RateLimited, Refused, Unavailable
from deliverd.platforms.webhook import Webhook
from peers.own_sender import DomainState, Fault, OwnSender
from probes.webhook import Config

LEVER = Lever("mail", "domain", "acme.com")


@asynccontextmanager
async def adapter(
    sender: OwnSender, clock: Callable[[], datetime] | None = None, **settings: Any
) -> AsyncIterator[Webhook]:
    """An adapter that talks to `sender`; settings stand for those of the sender."""
    given = {"kind": "webhook", "secret": sender.secret, "control_url": sender.control_url} | settings
    config = Config(**given)
    platform = Webhook("mail", config) if clock is None else Webhook("mail", config, clock)
    try:
        yield platform
    finally:
        await platform.aclose()


async def test_the_order_on_the_wire() -> None:
    with OwnSender() as sender:
        async with adapter(sender) as platform:
            await platform.apply(intent(LEVER, THROTTLED, 17))
    (call,) = sender.calls
    assert call.body == {
        "domain": "acme.com",
        "state": "throttled",
        "daily_limit": 100,
        "reason": "3 complaints in 900 messages",
        "decision": 41,
        "author": "deliverd",
    }
    assert call.id.startswith("intent-17-")


async def test_every_call_has_an_id_of_its_own() -> None:
    with OwnSender() as sender:
        async with adapter(sender) as platform:
            await platform.apply(intent(LEVER, PAUSED, 1))
            await platform.apply(intent(LEVER, PAUSED, 1))
            await platform.read(LEVER)
            await platform.read(LEVER)
    assert len({call.id for call in sender.calls}) == 4


async def test_without_declared_levers_it_is_the_domain_itself() -> None:
    async with adapter(OwnSender(), control_url="https://sender.example/c") as platform:
        assert await platform.levers("acme.com", ()) == (LEVER,)
        two = await platform.levers("acme.com", ["domain:acme.com", "domain:mail.acme.com"])
        assert two == (LEVER, Lever("mail", "domain", "mail.acme.com"))


async def test_a_query_in_the_control_url_is_kept() -> None:
    with OwnSender() as sender:
        async with adapter(sender, control_url=f"{sender.control_url}?tenant=7") as platform:
            assert (await platform.read(LEVER)).limit == RUNNING


@pytest.mark.parametrize(
    ("told", "actual"),
    [
        (DomainState("running", 500, "ann"), Actual(RUNNING, "ann", "daily_limit 500")),
        (DomainState("running", None, ""), Actual(RUNNING, None)),
        (DomainState("paused", 0, "ann\n\x1b[31m"), Actual(PAUSED, "ann[31m", "daily_limit 0")),
        (DomainState("throttled", 9, "deliverd"), Actual(Limit(SendState.THROTTLED, 9), "deliverd")),
    ],
)
async def test_reading(told: DomainState, actual: Actual) -> None:
    with OwnSender(domains={"acme.com": told}) as sender:
        async with adapter(sender) as platform:
            assert await platform.read(LEVER) == actual


@pytest.mark.parametrize(
    "told",
    [
        DomainState("throttled"),
        DomainState("throttled", 0),
        DomainState("throttled", -5),
        DomainState("throttled", 10**30),
        DomainState("asleep"),
    ],
)
async def test_a_state_that_makes_no_sense_is_unreadable(told: DomainState) -> None:
    with OwnSender(domains={"acme.com": told}) as sender:
        async with adapter(sender) as platform:
            with pytest.raises(Unavailable):
                await platform.read(LEVER)


async def test_an_order_may_be_answered_without_words_but_a_question_may_not() -> None:
    with OwnSender() as sender:
        sender.fail(Fault.NO_CONTENT)
        async with adapter(sender) as platform:
            await platform.apply(intent(LEVER, PAUSED))
            assert sender.domains["acme.com"].state == "paused"
            with pytest.raises(Unavailable):
                await platform.read(LEVER)


async def test_the_refusal_is_in_the_senders_words() -> None:
    with OwnSender() as sender:
        sender.fail(Fault.ERROR_INSIDE)
        async with adapter(sender) as platform:
            with pytest.raises(Refused, match="the queue is busy"):
                await platform.apply(intent(LEVER, PAUSED))


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7), ("0", 0), ("999999999", 3600), ("soon", None), ("-3", None), ("", None)]
)
async def test_retry_after(header: str, seconds: float | None) -> None:
    with OwnSender(retry_after=header) as sender:
        sender.fail(Fault.RATE_LIMITED)
        async with adapter(sender) as platform:
            with pytest.raises(RateLimited) as caught:
                await platform.read(LEVER)
    assert caught.value.retry_after == seconds


async def test_another_secret_is_denied() -> None:
    with OwnSender() as sender:
        async with adapter(sender, secret="whsec_" + "A" * 32) as platform:
            with pytest.raises(Denied):
                await platform.apply(intent(LEVER, PAUSED))
    assert sender.forged
    assert sender.domains["acme.com"] == DomainState()


async def test_while_the_secret_changes_both_sign() -> None:
    with OwnSender() as sender:
        async with adapter(sender, secret="whsec_" + "A" * 32, previous_secret=sender.secret) as platform:
            await platform.apply(intent(LEVER, PAUSED))
    assert sender.domains["acme.com"].state == "paused"


async def test_a_signature_is_dated_when_the_call_leaves() -> None:
    with OwnSender() as sender:
        async with adapter(sender, lambda: datetime.now(UTC) - timedelta(minutes=6)) as platform:
            with pytest.raises(Denied):
                await platform.read(LEVER)


async def test_no_more_calls_in_flight_than_allowed() -> None:
    with OwnSender(linger_seconds=0.02) as sender:
        async with adapter(sender, calls_in_flight=3, timeout_seconds=30) as platform:
            await asyncio.gather(*(platform.read(LEVER) for _ in range(12)))
    assert sender.most_in_flight == 3
    assert len(sender.calls) == 12


@pytest.mark.parametrize("doing", ["read", "apply"])
async def test_waiting_for_a_turn_does_not_use_up_the_time_of_the_call(doing: str) -> None:
    with OwnSender(linger_seconds=0.2) as sender:
        async with adapter(sender, calls_in_flight=1, timeout_seconds=1.0) as platform:
            calls = (
                platform.read(LEVER) if doing == "read" else platform.apply(intent(LEVER, PAUSED)) for _ in range(8)
            )
            await asyncio.gather(*calls)
    assert len(sender.calls) == 8


async def test_a_sender_that_is_not_there() -> None:
    with OwnSender() as sender:
        pass
    async with adapter(sender) as platform:
        with pytest.raises(Unavailable):
            await platform.read(LEVER)


async def test_a_sender_that_comes_back_is_talked_to_again() -> None:
    with OwnSender() as first:
        async with adapter(first) as platform:
            await platform.apply(intent(LEVER, PAUSED))
            first.__exit__(None, None, None)
            with OwnSender(port=first.port) as second:
                await platform.apply(intent(LEVER, PAUSED))
                assert second.domains["acme.com"].state == "paused"
