"""Smartlead's brake: the contract, and what is its own: two shapes of every answer, and what cannot be verified."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from platforms.contract import PAUSED, RUNNING, THROTTLED, Case, intent
from platforms.entrants_outreach import ENTRANTS, contract_of, run

from deliverd.clock import now
from deliverd.model import Lever, Limit, SendState
from deliverd.platforms.base import Refused, Unavailable
from deliverd.platforms.smartlead import Smartlead
from peers import smartlead as peer
from peers.outreach import Fault, Spec
from probes.smartlead import Config

FORTY = Limit(SendState.THROTTLED, 40)


@pytest.mark.parametrize("case", contract_of("smartlead"))
async def test_contract(case: Case, tmp_path: Path) -> None:
    await run(ENTRANTS["smartlead"], case, tmp_path)


@pytest.fixture
def platform() -> Iterator[peer.Smartlead]:
    with peer.Smartlead() as found:
        yield found


@asynccontextmanager
async def adapter(
    platform: peer.Smartlead, clock: Callable[[], datetime] = now, **members: Any
) -> AsyncIterator[Smartlead]:
    config = Config(**{"kind": "smartlead", "api_key": platform.key, "base_url": platform.base_url} | members)
    found = Smartlead("outreach", config, clock)
    try:
        yield found
    finally:
        await found.aclose()


def box(number: int) -> Lever:
    return Lever("outreach", "mailbox", str(number))


async def test_the_calls_are_those_of_the_vendors_description(platform: peer.Smartlead) -> None:
    platform.add("a@acme.com")
    async with adapter(platform) as at:
        await at.levers("acme.com", ())
        for limit in (THROTTLED, PAUSED, FORTY):
            await at.apply(intent(box(1000), limit))
            assert (await at.read(box(1000))).limit == limit
    if not Spec.is_there(peer.SPEC):
        pytest.skip(f"{peer.SPEC} is not on this machine, so the calls are not held against it")
    calls = [call for call in platform.calls if call.path != "/email-accounts/"]
    assert Spec(peer.SPEC).faults(calls, "/v1") == []


@pytest.mark.parametrize("wraps", [True, False])
async def test_a_limit_is_set_and_a_pause_lifted_to_the_limit_that_was_there(
    platform: peer.Smartlead, wraps: bool
) -> None:
    platform.wraps_answers = wraps
    platform.add("a@acme.com")
    async with adapter(platform) as at:
        assert (await at.read(box(1000))).limit == FORTY
        for limit in (THROTTLED, PAUSED, THROTTLED, FORTY):
            await at.apply(intent(box(1000), limit))
            assert (await at.read(box(1000))).limit == limit
    orders = [(call.method, call.path) for call in platform.calls if call.method != "GET"]
    assert orders == [
        ("POST", "/email-accounts/1000"),
        ("PUT", "/email-accounts/suspend/1000"),
        ("DELETE", "/email-accounts/unsuspend/1000"),
        ("POST", "/email-accounts/1000"),
    ], "what is there already is not written again"


async def test_forty_pauses_come_before_their_read_backs_which_are_one_page(platform: peer.Smartlead) -> None:
    platform.add(*(f"m{number}@acme.com" for number in range(40)))
    levers = [box(1000 + number) for number in range(40)]
    async with adapter(platform) as at:

        async def pause(lever: Lever) -> Limit:
            await at.apply(intent(lever, PAUSED))
            return (await at.read(lever)).limit

        assert set(await asyncio.gather(*map(pause, levers))) == {PAUSED}
    methods = [call.method for call in platform.calls]
    assert methods.count("PUT") == 40
    assert methods.count("GET") <= 6
    assert methods.index("GET") >= 36, "acting goes first"


async def test_all_pages_are_read_for_the_levers_and_no_others_taken(platform: peer.Smartlead) -> None:
    platform.most_a_page = 7
    platform.add(*(f"m{number}@acme.com" for number in range(20)), "x@notacme.com", "y@mail.acme.com")
    async with adapter(platform) as at:
        levers = await at.levers("acme.com", ())
        assert [lever.id for lever in levers] == [*map(str, range(1000, 1020)), "1021"]
        with pytest.raises(Refused, match=r"no mailbox of absent\.com"):
            await at.levers("absent.com", ())


async def test_a_list_that_ignores_where_to_begin_ends(platform: peer.Smartlead) -> None:
    platform.ignores_the_offset = True
    platform.add(*(f"m{number}@acme.com" for number in range(60)))
    async with adapter(platform) as at:
        assert len(await at.levers("acme.com", ())) == 50
        told = await asyncio.gather(*(at.read(box(1000 + number)) for number in (0, 1, 2, 59)))
    assert {actual.limit for actual in told} == {FORTY}, "what the list does not show is asked about by itself"


# ---- what cannot be verified


@pytest.mark.parametrize("number", [1, 5])
async def test_the_documented_shape_does_not_say_whether_a_mailbox_is_suspended(
    platform: peer.Smartlead, number: int
) -> None:
    platform.as_documented = platform.wraps_answers = True
    platform.add(*(f"m{index}@acme.com" for index in range(number)))
    async with adapter(platform) as at:
        await at.apply(intent(box(1000), PAUSED))
        assert platform.accounts[1000]["is_suspended"] is True
        told = await asyncio.gather(*(at.read(box(1000 + index)) for index in range(number)), return_exceptions=True)
    assert {type(one) for one in told} == {Unavailable}
    assert all("cannot be verified" in str(one) for one in told)


async def test_where_it_does_say_so_its_name_of_the_limit_is_read(platform: peer.Smartlead) -> None:
    platform.add("a@acme.com", message_per_day=30)
    del platform.accounts[1000]["max_email_per_day"]
    async with adapter(platform) as at:
        assert (await at.read(box(1000))).limit == Limit(SendState.THROTTLED, 30)
        platform.person_suspends("a@acme.com")
        assert (await at.read(box(1000))).limit == PAUSED


@pytest.mark.parametrize(
    "members",
    [
        {"is_suspended": None},
        {"is_suspended": 0},
        {"is_suspended": "false"},
        {"max_email_per_day": "many"},
        {"max_email_per_day": -1},
        {"max_email_per_day": True},
    ],
)
async def test_a_state_that_makes_no_sense_is_unreadable(platform: peer.Smartlead, members: dict[str, Any]) -> None:
    platform.add("a@acme.com", **members)
    async with adapter(platform) as at:
        with pytest.raises(Unavailable):
            await at.read(box(1000))


async def test_a_mailbox_that_tells_no_limit_cannot_be_verified(platform: peer.Smartlead) -> None:
    platform.add("a@acme.com")
    del platform.accounts[1000]["max_email_per_day"]
    async with adapter(platform) as at:
        with pytest.raises(Unavailable, match="cannot be verified"):
            await at.read(box(1000))
        platform.person_suspends("a@acme.com")
        assert (await at.read(box(1000))).limit == PAUSED, "suspended is suspended, whatever the limit"


async def test_no_limit_and_a_limit_of_nothing(platform: peer.Smartlead) -> None:
    platform.add("a@acme.com", max_email_per_day=None)
    platform.add("b@acme.com", max_email_per_day=0)
    async with adapter(platform) as at:
        assert (await at.read(box(1000))).limit == RUNNING
        assert (await at.read(box(1001))).limit == PAUSED


# ---- faults


@pytest.mark.parametrize("wraps", [True, False])
async def test_a_200_that_says_no_is_a_refusal(platform: peer.Smartlead, wraps: bool) -> None:
    platform.refuses_orders, platform.wraps_answers = True, wraps
    platform.add("a@acme.com")
    async with adapter(platform) as at:
        for limit in (PAUSED, THROTTLED):
            with pytest.raises(Refused):
                await at.apply(intent(box(1000), limit))
            assert (await at.read(box(1000))).limit == FORTY


async def test_one_that_fails_fails_alone(platform: peer.Smartlead) -> None:
    platform.add(*(f"m{number}@acme.com" for number in range(20)))
    platform.fail(Fault.BROKEN, ".*/(1003|1007|1011)")
    async with adapter(platform) as at:
        orders = (at.apply(intent(box(1000 + number), PAUSED)) for number in range(20))
        told = await asyncio.gather(*orders, return_exceptions=True)
    assert [number for number, one in enumerate(told) if isinstance(one, Unavailable)] == [3, 7, 11]
    assert sum(one["is_suspended"] for one in platform.accounts.values()) == 17


@pytest.mark.parametrize("lever", [Lever("outreach", "campaign", "1"), Lever("outreach", "mailbox", "a@acme.com")])
async def test_a_foreign_lever_is_neither_read_nor_moved(platform: peer.Smartlead, lever: Lever) -> None:
    async with adapter(platform) as at:
        for call in (at.read(lever), at.apply(intent(lever, PAUSED))):
            with pytest.raises(Refused, match="mailbox:ID"):
                await call
        with pytest.raises(Refused, match="mailbox:ID"):
            await at.levers("acme.com", [f"{lever.kind}:{lever.id}"])
    assert platform.calls == []


async def test_nothing_that_is_kept_holds_the_password(platform: peer.Smartlead) -> None:
    platform.add(*(f"m{number}@acme.com" for number in range(5)))
    async with adapter(platform) as at:
        told = [await at.levers("acme.com", ()), *await asyncio.gather(*(at.read(box(1000 + n)) for n in range(5)))]
        assert peer.PASSWORD not in repr(told)
        assert peer.PASSWORD not in repr([vars(at), vars(at._roster), vars(at._reads)])
