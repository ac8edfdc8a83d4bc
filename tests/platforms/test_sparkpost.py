"""What is SparkPost's own, beyond the contract: its compliance, and subaccounts found by domain."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from platforms.contract import PAUSED, RUNNING

from deliverd.model import Lever, Limit
from deliverd.platforms.base import Refused, Unavailable
from deliverd.platforms.sparkpost import SparkPost
from peers.sparkpost import KEY, PREFIX, subaccount
from peers.sparkpost import SparkPost as Peer
from probes.sparkpost import Config

LEVER = Lever("sp", "subaccount", "7")


@asynccontextmanager
async def opened(peer: Peer) -> AsyncIterator[SparkPost]:
    with peer:
        platform = SparkPost("sp", Config(kind="sparkpost", api_key=KEY, base_url=peer.url + PREFIX))
        try:
            yield platform
        finally:
            await platform.aclose()


@pytest.mark.parametrize(
    ("told", "limit", "by"),
    [
        ({}, RUNNING, None),
        ({"compliance_status": None}, RUNNING, None),
        ({"status": "suspended"}, PAUSED, None),
        ({"compliance_status": "suspended"}, PAUSED, "platform"),
        ({"status": "suspended", "compliance_status": "blocked"}, PAUSED, "platform"),
    ],
)
async def test_reading(told: dict[str, Any], limit: Limit, by: str | None) -> None:
    async with opened(Peer(brakes={"7": subaccount(7, **told)})) as platform:
        actual = await platform.read(LEVER)
    assert (actual.limit, actual.by) == (limit, by)


@pytest.mark.parametrize("told", [{"status": "terminated"}, {"status": 1}, {"id": "7"}, {"id": 9}])
async def test_what_is_neither_active_nor_suspended_is_for_a_person(told: dict[str, Any]) -> None:
    async with opened(Peer(brakes={"7": subaccount(7) | told})) as platform:
        with pytest.raises(Unavailable):
            await platform.read(LEVER)


async def test_the_subaccount_of_a_domain_is_found() -> None:
    listed = [
        {"domain": "acme.com", "subaccount_id": 7},
        {"domain": "plain.example"},
        {"domain": "one.example", "subaccount_id": 8},
        *({"domain": f"d{number}.example", "subaccount_id": 8} for number in range(5)),
    ]
    async with opened(Peer(listed=listed)) as platform:
        assert await platform.levers("acme.com", ()) == (LEVER,)
        with pytest.raises(Refused, match="no subaccount of its own"):
            await platform.levers("plain.example", ())
        with pytest.raises(Refused, match=r"d0.example, d1.example, d2.example and 2 more, which would be stopped"):
            await platform.levers("one.example", ())
