"""What is Mandrill's own, beyond the contract: quotas by the hour, notes that stay people's, errors with a name."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from platforms.contract import PAUSED, RUNNING, THROTTLED, intent

from deliverd.model import Lever, Limit, SendState
from deliverd.platforms.base import Denied, Gone, Refused, Unavailable
from deliverd.platforms.mandrill import Mandrill, _actual, _hourly, _Info, _notes
from peers.mandrill import KEY, subaccount
from peers.mandrill import Mandrill as Peer
from peers.vendor_server import VendorServer
from probes.mandrill import Config

LEVER = Lever("md", "subaccount", "cust-1")


@asynccontextmanager
async def opened(peer: Peer, key: str = KEY) -> AsyncIterator[tuple[Mandrill, VendorServer]]:
    with peer.server() as server:
        platform = Mandrill("md", Config(kind="mandrill", api_key=key, base_url=server.base_url))
        try:
            yield platform, server
        finally:
            await platform.aclose()


def throttled(per_day: int) -> Limit:
    return Limit(SendState.THROTTLED, per_day)


@pytest.mark.parametrize(
    ("per_day", "quota", "notes"),
    [
        (240, 10, "ask Ann"),
        (100, 4, "ask Ann [deliverd: at most 100 a day]"),
        (20, 1, "ask Ann [deliverd: at most 20 a day]"),
    ],
)
async def test_a_day_is_told_by_the_hour_and_read_back_as_it_was_set(per_day: int, quota: int, notes: str) -> None:
    peer = Peer(brakes={"cust-1": subaccount("cust-1", notes="ask Ann")})
    async with opened(peer) as (platform, _):
        await platform.apply(intent(LEVER, throttled(per_day)))
        assert (peer.brakes["cust-1"]["custom_quota"], peer.brakes["cust-1"]["notes"]) == (quota, notes)
        assert (await platform.read(LEVER)).limit == throttled(per_day)
        await platform.apply(intent(LEVER, RUNNING))
    assert peer.brakes["cust-1"] == subaccount("cust-1", notes="ask Ann")


async def test_a_mark_that_a_person_overruled_is_not_believed() -> None:
    told = subaccount("cust-1", notes="[deliverd: at most 100 a day]", custom_quota=5)
    async with opened(Peer(brakes={"cust-1": told})) as (platform, _):
        assert (await platform.read(LEVER)).limit == throttled(120)


async def test_a_lift_to_a_persons_own_quota_takes_the_mark_away() -> None:
    peer = Peer(brakes={"cust-1": subaccount("cust-1", notes="ask Ann", custom_quota=40)})
    async with opened(peer) as (platform, _):
        before = (await platform.read(LEVER)).limit
        for limit in (THROTTLED, PAUSED, before):
            await platform.apply(intent(LEVER, limit))
    assert peer.brakes["cust-1"] == subaccount("cust-1", notes="ask Ann", custom_quota=40)


async def test_the_quota_stands_before_the_queue_is_let_go() -> None:
    peer = Peer(brakes={"cust-1": subaccount("cust-1", status="paused")})
    async with opened(peer) as (platform, server):
        await platform.apply(intent(LEVER, THROTTLED))
        verbs = [call.rpartition("/")[2] for call in server.calls]
        await platform.apply(intent(LEVER, THROTTLED))
    assert verbs == ["info", "update", "resume"]
    assert len(server.calls) == 4


async def test_what_was_paused_says_so_with_its_quota() -> None:
    async with opened(Peer(brakes={"cust-1": subaccount("cust-1", status="paused", custom_quota=4)})) as (platform, _):
        actual = await platform.read(LEVER)
    assert (actual.limit, actual.detail) == (PAUSED, "paused, 4 an hour")


async def test_errors_go_by_their_name_where_the_status_says_nothing() -> None:
    peer = Peer(brakes={"cust-1": subaccount("cust-1")}, old_statuses=True)
    async with opened(peer) as (platform, _):
        with pytest.raises(Gone):
            await platform.read(Lever("md", "subaccount", "unheard-of"))
    async with opened(peer, key="another key") as (platform, _):
        with pytest.raises(Denied):
            await platform.read(LEVER)


async def test_a_subaccount_called_like_the_domain_is_its_lever() -> None:
    listed: list[dict[str, Any]] = [subaccount("cust-1", name="acme.com"), subaccount("two.example", name=None)]
    listed[1].pop("name")
    async with opened(Peer(subaccounts=listed)) as (platform, server):
        assert await platform.levers("acme.com", ()) == (LEVER,)
        assert await platform.levers("two.example", ()) == (Lever("md", "subaccount", "two.example"),)
        with pytest.raises(Refused, match=r'Add levers = \["subaccount:NAME"\] to \[domains."other.example"\]'):
            await platform.levers("other.example", ())
        assert len(server.calls) == 1


@pytest.mark.parametrize("told", [{"status": "asleep"}, {"status": "active", "custom_quota": 0}])
def test_what_makes_no_sense_is_unreadable(told: dict[str, Any]) -> None:
    with pytest.raises(Unavailable):
        _actual(_Info(id="cust-1", **told))


@given(st.integers(1, 10_000_000), st.text(max_size=80))
def test_any_limit_is_read_back_and_notes_stay_as_they_were(per_day: int, notes: str) -> None:
    plain = _notes(notes, RUNNING)
    marked = _notes(plain, throttled(per_day))
    told = _Info("cust-1", "active", notes=marked, custom_quota=_hourly(throttled(per_day)))
    assert _actual(told).limit == throttled(per_day)
    assert _notes(marked, RUNNING) == plain
