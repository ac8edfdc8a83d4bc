"""Instantly's brake: the contract, and what is its own: bulk pauses, lists that serve many, what Instantly stopped."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from platforms.contract import PAUSED, RUNNING, THROTTLED, Case, intent
from platforms.entrants_outreach import ENTRANTS, contract_of, run

from deliverd.clock import now
from deliverd.model import Actual, Lever, Limit, SendState
from deliverd.platforms.base import Denied, Gone, PlatformError, RateLimited, Refused, Unavailable
from deliverd.platforms.instantly import Instantly
from peers import instantly as peer
from peers.outreach import Fault, Spec
from probes.instantly import Config

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
Outcome = PlatformError | None


@pytest.mark.parametrize("case", contract_of("instantly"))
async def test_contract(case: Case, tmp_path: Path) -> None:
    await run(ENTRANTS["instantly"], case, tmp_path)


@pytest.fixture
def platform() -> Iterator[peer.Instantly]:
    with peer.Instantly() as found:
        yield found
    if Spec.is_there(peer.SPEC):
        described = [call for call in found.calls if call.status == 200 and isinstance(call.answer, dict)]
        assert Spec(peer.SPEC).faults(described, found.prefix) == []


@asynccontextmanager
async def adapter(
    platform: peer.Instantly, clock: Callable[[], datetime] = now, **members: Any
) -> AsyncIterator[Instantly]:
    config = Config(**{"kind": "instantly", "api_key": platform.key, "base_url": platform.base_url} | members)
    found = Instantly("outreach", config, clock)
    try:
        yield found
    finally:
        await found.aclose()


def box(email: str) -> Lever:
    return Lever("outreach", "mailbox", email)


def many(number: int, domain: str = "acme.com") -> list[Lever]:
    return [box(f"m{index}@{domain}") for index in range(number)]


async def outcome(work: Any) -> Outcome:
    try:
        await work
    except PlatformError as fault:
        return fault
    return None


async def pause_all(at: Instantly, levers: list[Lever]) -> list[Outcome]:
    return await asyncio.gather(*(outcome(at.apply(intent(one, PAUSED, n))) for n, one in enumerate(levers)))


async def test_a_thousand_pauses_are_ten_calls_and_their_read_backs_twenty(platform: peer.Instantly) -> None:
    levers = many(1000)
    platform.add(*(lever.id for lever in levers), "x@other.com")
    async with adapter(platform) as at:
        assert set(await pause_all(at, levers)) == {None}
        assert len(platform.calls) == 10
        back = await asyncio.gather(*map(at.read, levers))
    assert {actual.limit for actual in back} == {PAUSED}
    assert len(platform.calls) == 30
    assert {call.asked["search"] for call in platform.asked("/accounts")} == {"acme.com"}
    assert platform.accounts["x@other.com"]["status"] == peer.ACTIVE


async def test_those_that_could_not_be_paused_are_refused_and_no_others(platform: peer.Instantly) -> None:
    levers = many(20)
    platform.add(*(lever.id for lever in levers))
    platform.gone |= {"m3@acme.com", "m7@acme.com"}
    platform.person_pauses("m5@acme.com")
    del platform.accounts["m9@acme.com"]
    async with adapter(platform) as at:
        told = dict(zip([lever.id for lever in levers], await pause_all(at, levers), strict=True))
        back = await asyncio.gather(*(at.read(lever) for lever in levers if lever.id != "m9@acme.com"))
    failed = {email: type(fault) for email, fault in told.items() if fault}
    assert failed == {"m3@acme.com": Refused, "m7@acme.com": Refused, "m9@acme.com": Gone}
    assert "status is 1" in str(told["m3@acme.com"])
    assert sum(actual.limit == PAUSED for actual in back) == 17
    assert len(platform.asked("/accounts/pause")) == 1


async def test_one_bad_address_does_not_keep_the_others_from_being_paused(platform: peer.Instantly) -> None:
    platform.bulk_takes_no_strangers = True
    platform.add("a@acme.com", "b@acme.com")
    async with adapter(platform) as at:
        told = await pause_all(at, [box("a@acme.com"), box("gone@acme.com"), box("b@acme.com")])
    assert [type(one) for one in told] == [type(None), Gone, type(None)]
    assert {one["status"] for one in platform.accounts.values()} == {peer.PAUSED}


@pytest.mark.parametrize(
    ("fault", "kind"), [(Fault.UNAUTHORIZED, Denied), (Fault.RATE_LIMITED, RateLimited), (Fault.BROKEN, Unavailable)]
)
async def test_what_hits_the_bulk_call_hits_all_of_it(
    platform: peer.Instantly, fault: Fault, kind: type[PlatformError]
) -> None:
    platform.add("a@acme.com", "b@acme.com")
    platform.fail(fault)
    async with adapter(platform) as at:
        told = await pause_all(at, [box("a@acme.com"), box("b@acme.com")])
    assert [type(one) for one in told] == [kind, kind]
    assert len(platform.calls) == 1


async def test_the_wait_that_instantly_asks_for_is_handed_on_and_not_waited_out(platform: peer.Instantly) -> None:
    platform.retry_after = "30"
    platform.fail(Fault.RATE_LIMITED)
    async with adapter(platform) as at:
        with pytest.raises(RateLimited) as caught:
            await asyncio.wait_for(at.read(box("a@acme.com")), 5)
    assert caught.value.retry_after == 30


async def test_a_bulk_answer_that_forgets_one_leaves_it_open(platform: peer.Instantly) -> None:
    platform.add("a@acme.com", "b@acme.com")
    platform.fail(Fault.ANOTHER_DOMAIN, "/accounts/pause")
    async with adapter(platform) as at:
        told = await pause_all(at, [box("a@acme.com"), box("b@acme.com")])
    assert [type(one) for one in told] == [Unavailable, Unavailable]
    platform.calls.clear()


async def test_a_read_back_never_shows_what_was_before_the_act(platform: peer.Instantly) -> None:
    levers = many(30)
    platform.add(*(lever.id for lever in levers))
    async with adapter(platform) as at:

        async def there_and_back(lever: Lever) -> Limit:
            await at.read(lever)
            await at.apply(intent(lever, PAUSED))
            return (await at.read(lever)).limit

        assert set(await asyncio.gather(*map(there_and_back, levers))) == {PAUSED}
    assert len(platform.calls) < 12


async def test_what_the_list_does_not_show_is_asked_about_by_itself(platform: peer.Instantly) -> None:
    platform.search_finds_nothing = True
    levers = many(6)
    platform.add(*(lever.id for lever in levers[:5]))
    async with adapter(platform) as at:
        told = await asyncio.gather(*(outcome(at.read(lever)) for lever in levers))
    assert [type(one) for one in told] == [type(None)] * 5 + [Gone]


async def test_a_list_that_breaks_off_tells_nothing_of_its_domain_alone(platform: peer.Instantly) -> None:
    platform.add(*(f"m{number}@acme.com" for number in range(5)), "x@other.com")
    platform.fail(Fault.BROKEN, "/accounts")
    async with adapter(platform) as at:
        told = await asyncio.gather(*(outcome(at.read(lever)) for lever in [*many(5), box("x@other.com")]))
    assert [type(one) for one in told] == [Unavailable] * 5 + [type(None)]


# ---- levers


async def test_all_mailboxes_of_the_domain_and_no_others(platform: peer.Instantly) -> None:
    platform.add(*(f"m{number}@acme.com" for number in range(120)), "x@notacme.com", "y@acme.com.other.com", "z@x.com")
    async with adapter(platform) as at:
        assert {lever.id for lever in await at.levers("acme.com", ())} == {f"m{n}@acme.com" for n in range(120)}
        with pytest.raises(Refused, match=r"no mailbox of absent\.com"):
            await at.levers("absent.com", ())


async def test_a_hundred_domains_list_the_account_once_and_a_minute_later_again(platform: peer.Instantly) -> None:
    platform.add(*(f"a@d{number}.com" for number in range(100)))
    clock = [NOW]
    async with adapter(platform, lambda: clock[0]) as at:
        found = await asyncio.gather(*(at.levers(f"d{number}.com", ()) for number in range(100)))
        assert [len(levers) for levers in found] == [1] * 100
        assert len(platform.calls) == 3
        platform.add("new@d7.com")
        assert len(await at.levers("d7.com", ())) == 1
        clock[0] += timedelta(seconds=61)
        assert {lever.id for lever in await at.levers("d7.com", ())} == {"a@d7.com", "new@d7.com"}
        clock[0] -= timedelta(days=1)
        platform.add("newer@d7.com")
        assert len(await at.levers("d7.com", ())) == 3, "a clock that was set back does not make a list last for ever"


async def test_mailboxes_below_a_domain_count_with_it_unless_they_have_one_of_their_own(
    platform: peer.Instantly,
) -> None:
    platform.add("a@acme.com", "b@mail.acme.com", "c@eu.acme.com")
    async with adapter(platform) as at:
        assert [lever.id for lever in await at.levers("mail.acme.com", ())] == ["b@mail.acme.com"]
        assert [lever.id for lever in await at.levers("acme.com", ())] == ["a@acme.com", "c@eu.acme.com"]


async def test_a_list_that_cannot_be_read_is_no_empty_list(platform: peer.Instantly) -> None:
    platform.add("a@acme.com")
    platform.fail(Fault.BROKEN, times=1)
    async with adapter(platform) as at:
        with pytest.raises(Unavailable):
            await at.levers("acme.com", ())
        assert len(await at.levers("acme.com", ())) == 1


@pytest.mark.parametrize("lever", [Lever("outreach", "campaign", "a@acme.com"), box("acme.com")])
async def test_a_foreign_lever_is_neither_read_nor_moved(platform: peer.Instantly, lever: Lever) -> None:
    async with adapter(platform) as at:
        for call in (at.read(lever), at.apply(intent(lever, PAUSED))):
            with pytest.raises(Refused, match="mailbox:ADDRESS"):
                await call
    assert platform.calls == []


# ---- what a mailbox is at

STATES = [
    ({"status": 1, "daily_limit": 50}, Actual(Limit(SendState.THROTTLED, 50), detail="daily_limit 50")),
    ({"status": 1.0, "daily_limit": 50.0}, Actual(Limit(SendState.THROTTLED, 50), detail="daily_limit 50.0")),
    ({"status": 1, "daily_limit": None}, Actual(RUNNING, detail="daily_limit None")),
    ({"status": 1, "daily_limit": 0}, Actual(PAUSED, detail="daily_limit 0")),
    ({"status": 2, "daily_limit": 50}, Actual(PAUSED, detail="daily_limit 50")),
    (
        {"status": 3, "daily_limit": 50},
        Actual(PAUSED, "platform", "resting for maintenance, and resumed by Instantly itself; daily_limit 50"),
    ),
    ({"status": -2, "daily_limit": 5}, Actual(PAUSED, "platform", "stopped by soft bounces; daily_limit 5")),
]


@pytest.mark.parametrize(("members", "actual"), STATES)
async def test_reading(platform: peer.Instantly, members: dict[str, Any], actual: Actual) -> None:
    platform.add("a@acme.com", **members)
    async with adapter(platform) as at:
        assert await at.read(box("a@acme.com")) == actual
    platform.calls.clear()


@pytest.mark.parametrize(
    "members",
    [
        {"status": None},
        {"status": 7},
        {"status": True},
        {"status": "1"},
        {"status": [1]},
        {"daily_limit": -1},
        {"daily_limit": 2.5},
        {"daily_limit": "many"},
        {"daily_limit": True},
    ],
)
async def test_a_state_that_makes_no_sense_is_unreadable(platform: peer.Instantly, members: dict[str, Any]) -> None:
    platform.add("a@acme.com", **members)
    async with adapter(platform) as at:
        with pytest.raises(Unavailable, match=r"a@acme\.com"):
            await at.read(box("a@acme.com"))
    platform.calls.clear()


# ---- limits and resuming


async def test_a_limit_is_set_and_a_pause_lifted_to_the_limit_that_was_there(platform: peer.Instantly) -> None:
    lever, before = box("a+b@acme.com"), Limit(SendState.THROTTLED, 50)
    platform.add("a+b@acme.com")
    async with adapter(platform) as at:
        assert (await at.read(lever)).limit == before
        for limit in (THROTTLED, PAUSED, Limit(SendState.THROTTLED, 10), before):
            await at.apply(intent(lever, limit))
            assert (await at.read(lever)).limit == limit
    assert len(platform.asked(".*/resume")) == 1, "what is not paused is not resumed"
    assert platform.accounts["a+b@acme.com"]["status"] == peer.ACTIVE


@pytest.mark.parametrize("status", [3, -1, -2, -3])
async def test_what_instantly_stopped_is_not_started_by_lifting_a_limit(platform: peer.Instantly, status: int) -> None:
    platform.add("a@acme.com", status=status)
    async with adapter(platform) as at:
        await at.apply(intent(box("a@acme.com"), THROTTLED))
        actual = await at.read(box("a@acme.com"))
    assert platform.asked(".*/resume") == []
    assert (actual.limit, actual.by) == (PAUSED, "platform")
    assert platform.accounts["a@acme.com"]["daily_limit"] == 100


async def test_whoever_waits_when_it_is_closed_is_told(platform: peer.Instantly) -> None:
    platform.add("a@acme.com")
    platform.fail(Fault.SILENT)
    config = Config(kind="instantly", api_key=platform.key, base_url=platform.base_url, timeout_seconds=30)
    at = Instantly("outreach", config)
    waiting = [asyncio.create_task(outcome(at.read(box("a@acme.com"))))]
    waiting += [asyncio.create_task(outcome(at.apply(intent(box("a@acme.com"), PAUSED))))]
    await asyncio.sleep(0.2)
    waiting += [asyncio.create_task(outcome(at.read(box("b@acme.com"))))]
    await asyncio.sleep(0)
    await at.aclose()
    assert [type(one) for one in await asyncio.gather(*waiting)] == [Unavailable] * 3
