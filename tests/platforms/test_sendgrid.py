"""What is SendGrid's own, beyond the contract: subusers, their credits, and whose they are."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from platforms.contract import PAUSED, RUNNING, THROTTLED, intent

from deliverd.model import Lever, Limit, SendState
from deliverd.platforms.base import Denied, Gone, PlatformError, Refused, Unavailable
from deliverd.platforms.sendgrid import SendGrid
from peers.sendgrid import KEY, UNLIMITED, credits
from peers.sendgrid import SendGrid as Peer
from peers.vendor_server import VendorServer
from probes.sendgrid import Config

LEVER = Lever("sg", "subuser", "acme")


@asynccontextmanager
async def opened(peer: Peer, **settings: Any) -> AsyncIterator[tuple[SendGrid, VendorServer]]:
    with peer.server() as server:
        config = Config(**({"kind": "sendgrid", "api_key": KEY, "base_url": server.base_url} | settings))
        platform = SendGrid("sg", config)
        try:
            yield platform, server
        finally:
            await platform.aclose()


def peer(disabled: bool = False, **more: Any) -> Peer:
    return Peer(brakes={"acme": {"disabled": disabled, "credits": UNLIMITED}}, **more)


def domain(name: str, *subusers: str) -> dict[str, Any]:
    return {"domain": name, "username": "parent", "valid": True, "subusers": [{"username": one} for one in subusers]}


@pytest.mark.parametrize(
    ("told", "limit", "detail"),
    [
        (UNLIMITED, RUNNING, "unlimited credits"),
        (credits(200), Limit(SendState.THROTTLED, 200), "200 daily credits"),
        (credits(5000, "monthly"), RUNNING, "5,000 monthly credits"),
        (credits(70, "weekly"), RUNNING, "70 weekly credits"),
        (credits(9, None, "nonrecurring") | {"total": None}, RUNNING, "nonrecurring credits"),
        (credits(0), PAUSED, "0 daily credits"),
    ],
)
async def test_credits_read(told: dict[str, Any], limit: Limit, detail: str) -> None:
    at = peer()
    at.brakes["acme"]["credits"] = told
    async with opened(at) as (platform, _):
        actual = await platform.read(LEVER)
    assert (actual.limit, actual.by, actual.detail) == (limit, None, detail)


@pytest.mark.parametrize("told", [credits(1) | {"total": None}, UNLIMITED | {"type": "golden"}, {"total": 3}])
async def test_credits_that_make_no_sense_are_unreadable(told: dict[str, Any]) -> None:
    at = peer(checked=False)
    at.brakes["acme"]["credits"] = told
    async with opened(at) as (platform, _):
        with pytest.raises(Unavailable):
            await platform.read(LEVER)


@pytest.mark.parametrize("told", [credits(5000, "monthly"), credits(9, None, "nonrecurring")])
async def test_credits_that_could_not_be_given_back_are_left_alone(told: dict[str, Any]) -> None:
    at = peer()
    at.brakes["acme"]["credits"] = told
    async with opened(at) as (platform, _):
        with pytest.raises(Refused, match=r"could not give back.*hold it to 100 messages a day by hand"):
            await platform.apply(intent(LEVER, THROTTLED))
        await platform.apply(intent(LEVER, PAUSED))
        await platform.apply(intent(LEVER, RUNNING))
    assert at.brakes["acme"] == {"disabled": False, "credits": told}


async def test_a_limit_stands_before_anything_is_let_through() -> None:
    async with opened(peer(disabled=True)) as (platform, server):
        await platform.apply(intent(LEVER, THROTTLED))
        assert [call.partition(" ")[0] for call in server.calls] == ["GET", "PUT", "PATCH"]
        assert (await platform.read(LEVER)).limit == THROTTLED


async def test_credits_that_are_there_are_not_filled_up_again() -> None:
    at = peer()
    async with opened(at) as (platform, _server):
        await platform.apply(intent(LEVER, THROTTLED, 1))
        at.brakes["acme"]["credits"] |= {"remain": 1, "used": 99}
        await platform.apply(intent(LEVER, THROTTLED, 2))
        assert at.brakes["acme"]["credits"]["remain"] == 1


async def test_a_lift_goes_back_to_the_limit_that_was_there() -> None:
    at = peer()
    at.brakes["acme"]["credits"] = credits(1000)
    async with opened(at) as (platform, _):
        before = (await platform.read(LEVER)).limit
        for limit in (THROTTLED, PAUSED, before):
            await platform.apply(intent(LEVER, limit))
    assert at.brakes["acme"] == {"disabled": False, "credits": credits(1000)}


async def test_a_lift_gives_unlimited_credits_back() -> None:
    at = peer()
    async with opened(at) as (platform, _):
        for limit in (THROTTLED, PAUSED, RUNNING):
            await platform.apply(intent(LEVER, limit))
    assert at.brakes["acme"] == {"disabled": False, "credits": UNLIMITED}


async def test_another_subuser_with_a_longer_name_is_not_it() -> None:
    at = Peer(brakes={name: {"disabled": name == "acme", "credits": UNLIMITED} for name in ("acme-two", "acme")})
    async with opened(at) as (platform, _):
        assert (await platform.read(LEVER)).limit == PAUSED
        del at.brakes["acme"]
        with pytest.raises(Unavailable, match="about others"):
            await platform.read(LEVER)


async def test_the_subuser_that_is_configured_is_the_lever() -> None:
    subusers = {"acme.com": "acme", "one.example": "both", "two.example": "both"}
    async with opened(peer(), subusers=subusers) as (platform, server):
        assert await platform.levers("acme.com", ()) == (LEVER,)
        with pytest.raises(Refused, match=r'also sends for two.example.*levers = \["subuser:both"\] to \[domains."one'):
            await platform.levers("one.example", ())
        assert not server.calls


async def test_levers_are_found_where_the_account_lists_them() -> None:
    listed = [domain("acme.com", "acme"), domain("plain.example"), domain("mail.low.example", "low")]
    listed += [domain("one.example", "both"), domain("two.example", "both")]
    clock = [datetime(2026, 11, 22, tzinfo=UTC)]
    at = peer(domains=listed)
    with at.server() as server:
        config = Config(kind="sendgrid", api_key=KEY, base_url=server.base_url)
        platform = SendGrid("sg", config, lambda: clock[0])
        assert await platform.levers("acme.com", ()) == (LEVER,)
        with pytest.raises(Refused, match="from no subuser of its own"):
            await platform.levers("plain.example", ())
        with pytest.raises(Refused, match=r"has no domain low\.example, but mail\.low\.example"):
            await platform.levers("low.example", ())
        with pytest.raises(Refused, match=r'for two.example, which.*Add levers = \["subuser:both"\]'):
            await platform.levers("one.example", ())
        assert len(server.calls) == 1
        at.domains.append(domain("acme.com", "acme-new"))
        clock[0] += timedelta(seconds=61)
        assert len(await platform.levers("acme.com", ())) == 2
        await platform.aclose()


async def test_a_list_that_failed_is_asked_for_again() -> None:
    async with opened(peer(domains=[domain("acme.com", "acme")])) as (platform, server):
        assert server.troubles is not None
        server.troubles.fail("UNAUTHORIZED", 1)
        with pytest.raises(Denied):
            await platform.levers("acme.com", ())
        assert await platform.levers("acme.com", ()) == (LEVER,)


@pytest.mark.parametrize("name", ["..", "../subusers/other", "a/b?c=d", "ü"])
async def test_a_name_stays_in_its_place_in_the_address(name: str) -> None:
    async with opened(peer()) as (platform, _):
        with pytest.raises(Refused if name == ".." else Gone):
            await platform.apply(intent(Lever("sg", "subuser", name), PAUSED))


@pytest.mark.parametrize("lever", [Lever("sg", "domain", "acme.com"), Lever("sg", "subuser", "")])
async def test_what_is_no_lever_is_neither_read_nor_moved(lever: Lever) -> None:
    async with opened(peer()) as (platform, server):
        for asking in (platform.read(lever), platform.apply(intent(lever, PAUSED))):
            with pytest.raises(PlatformError, match="subuser:NAME"):
                await asking
        assert not server.calls
