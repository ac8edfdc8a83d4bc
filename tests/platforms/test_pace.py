"""Turns at an account, and questions that go out together."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from deliverd.platforms.base import PlatformError, Refused, Unavailable
from deliverd.platforms.batch import Batch
from deliverd.platforms.pace import Pace


async def test_no_more_calls_begin_within_the_time_than_allowed() -> None:
    pace, loop = Pace(5, 0.2, 50), asyncio.get_running_loop()
    began: list[float] = []

    async def call() -> None:
        async with pace.turn(acting=False):
            began.append(loop.time())

    await asyncio.gather(*(call() for _ in range(17)))
    assert len(began) == 17
    assert all(later - earlier >= 0.199 for earlier, later in zip(began, began[5:], strict=False))
    assert began[-1] - began[0] < 2


async def test_no_more_calls_are_under_way_than_allowed() -> None:
    pace = Pace(1000, 1, 3)
    under_way = most = 0

    async def call() -> None:
        nonlocal under_way, most
        async with pace.turn(acting=True):
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(0.005)
            under_way -= 1

    await asyncio.gather(*(call() for _ in range(20)))
    assert most == 3


async def _order(pace: Pace, *kinds: str) -> list[str]:
    """In which order calls get their turn that come while another is under way."""
    done: list[str] = []

    async def call(kind: str) -> None:
        if kind == "lull":
            await pace.lull()
        else:
            async with pace.turn(acting=kind == "act"):
                await asyncio.sleep(0)
        done.append(kind)

    async with pace.turn(acting=True):
        tasks = [asyncio.create_task(call(kind)) for kind in kinds]
        await asyncio.sleep(0.01)
    await asyncio.gather(*tasks)
    return done


async def test_who_acts_goes_before_who_reads() -> None:
    assert await _order(Pace(100, 1, 1), "read", "lull", "act", "read", "act") == ["act", "act", "read", "lull", "read"]


async def test_a_lull_is_no_call() -> None:
    pace = Pace(1, 60, 1)
    await asyncio.wait_for(pace.lull(), 1)
    async with asyncio.timeout(1), pace.turn(acting=True):
        pass
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(pace.lull(), 0.05)


async def test_a_reading_does_not_wait_for_ever_for_acts() -> None:
    pace = Pace(1000, 1, 1, patience_seconds=0.05)
    done: list[str] = []

    async def call(kind: str) -> None:
        async with pace.turn(acting=kind != "read"):
            done.append(kind)

    async with pace.turn(acting=True):
        tasks = [asyncio.create_task(call("read"))]
        await asyncio.sleep(0)
        tasks.append(asyncio.create_task(call("early act")))
        await asyncio.sleep(0.1)
        tasks.append(asyncio.create_task(call("late act")))
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    assert done == ["early act", "read", "late act"]


async def test_one_that_gives_up_waiting_takes_no_place() -> None:
    pace = Pace(100, 1, 1)
    async with pace.turn(acting=True):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(pace.lull(), 0.02)
    for _ in range(3):
        async with asyncio.timeout(1), pace.turn(acting=True):
            pass


async def test_one_that_fails_gives_its_place_back() -> None:
    pace = Pace(100, 1, 1)
    for _ in range(3):
        with pytest.raises(ValueError, match="no"):
            async with asyncio.timeout(1), pace.turn(acting=True):
                raise ValueError("no")


class Asked:
    """Who notes what is asked together."""

    def __init__(self) -> None:
        self.parts: list[Sequence[str]] = []

    async def ask(self, keys: Sequence[str]) -> Mapping[str, str | PlatformError]:
        self.parts.append(keys)
        await asyncio.sleep(0.01)
        if "all" in keys:
            raise Refused("none of them")
        return {key: Refused(key) if key.startswith("no") else key.upper() for key in keys if key != "untold"}


async def test_what_comes_together_is_asked_together_and_told_one_by_one() -> None:
    asked = Asked()
    batch: Batch[str, str] = Batch(asked.ask, 3)
    told = await asyncio.gather(*map(batch.of, ("a", "no", "b", "a", "untold", "c")), return_exceptions=True)
    assert asked.parts == [["a", "no", "b"], ["untold", "c"]]
    assert [told[0], told[2], told[3], told[5]] == ["A", "B", "A", "C"]
    assert isinstance(told[1], Refused)
    assert isinstance(told[4], Unavailable)
    assert await batch.of("a") == "A"
    assert len(asked.parts) == 3


async def test_a_fault_of_the_whole_call_is_told_to_all_of_it() -> None:
    batch: Batch[str, str] = Batch(Asked().ask, 10)
    told = await asyncio.gather(*map(batch.of, ("a", "all", "b")), return_exceptions=True)
    assert [type(one) for one in told] == [Refused] * 3


async def test_more_can_join_until_it_is_let_go() -> None:
    asked, go = Asked(), asyncio.Event()

    async def ready() -> None:
        await go.wait()

    batch: Batch[str, str] = Batch(asked.ask, 10, ready)
    tasks = [asyncio.create_task(batch.of("a"))]
    await asyncio.sleep(0.1)
    tasks.append(asyncio.create_task(batch.of("b")))
    await asyncio.sleep(0)
    go.set()
    assert await asyncio.gather(*tasks) == ["A", "B"]
    assert asked.parts == [["a", "b"]]


async def test_who_gives_up_takes_nothing_from_the_others() -> None:
    batch: Batch[str, str] = Batch(Asked().ask, 10)
    hasty, patient = asyncio.create_task(batch.of("a")), asyncio.create_task(batch.of("a"))
    await asyncio.sleep(0)
    hasty.cancel()
    assert await patient == "A"
