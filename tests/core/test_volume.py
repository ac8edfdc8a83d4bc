"""What a throttle and a ramp are fractions of."""

from datetime import date

import pytest
from core.builders import DEFAULT, PAUSED, RUNNING, policy, throttled

from deliverd.core import volume
from deliverd.model import Limit, Standing

TODAY = date(2026, 11, 22)


def day(number: int) -> date:
    return date(2026, 11, number)


@pytest.mark.parametrize(
    ("sends", "normal"),
    [
        pytest.param({}, 0, id="no mail"),
        pytest.param({TODAY: 70}, 70, id="only today: its own count"),
        pytest.param({day(20): 100, day(21): 201, TODAY: 9_000}, 151, id="the mean of complete days, rounded up"),
        pytest.param({day(20): 100, day(21): 0}, 100, id="days without mail do not count"),
        pytest.param({day(21): 0, TODAY: 70}, 70, id="no complete day with mail"),
        pytest.param({day(21): 1, TODAY: 70}, 1, id="one message makes a day with mail"),
        pytest.param({day(23): 500}, 0, id="a day in the future does not count"),
    ],
)
def test_normal_volume(sends: dict[date, int], normal: int) -> None:
    assert volume.normal_per_day(sends, TODAY) == normal


@pytest.mark.parametrize(
    ("standing", "normal", "step", "limit"),
    [
        pytest.param(Standing.HEALTHY, 1000, 0, RUNNING, id="healthy runs"),
        pytest.param(Standing.WATCH, 1000, 0, RUNNING, id="a watch holds nothing back"),
        pytest.param(Standing.THROTTLED, 1000, 0, throttled(500), id="throttled to half"),
        pytest.param(Standing.THROTTLED, 1001, 0, throttled(501), id="rounded up"),
        pytest.param(Standing.THROTTLED, 40, 0, throttled(20), id="exactly the floor"),
        pytest.param(Standing.THROTTLED, 0, 0, throttled(20), id="never under the floor"),
        pytest.param(Standing.PAUSED, 1000, 0, PAUSED, id="paused"),
        pytest.param(Standing.RECOVERING, 1000, 0, throttled(100), id="the foot of the ramp"),
        pytest.param(Standing.RECOVERING, 1000, 1, throttled(250), id="the second step"),
        pytest.param(Standing.RECOVERING, 1000, 2, throttled(500), id="the third step"),
        pytest.param(Standing.RECOVERING, 1000, 3, RUNNING, id="the last step is everything"),
    ],
)
def test_what_a_standing_asks_of_the_levers(standing: Standing, normal: int, step: int, limit: Limit) -> None:
    assert volume.limit_of(standing, DEFAULT, normal, step) == limit


def test_a_ramp_need_not_end_at_everything() -> None:
    assert volume.limit_of(Standing.RECOVERING, policy(ramp=(0.99,)), 1000, 0) == throttled(990)


@pytest.mark.parametrize(
    ("limits", "sum_"),
    [
        pytest.param([], None, id="nothing was asked"),
        pytest.param([RUNNING, RUNNING], RUNNING, id="all run"),
        pytest.param([throttled(100), throttled(150), RUNNING], throttled(250), id="throttles add up"),
        pytest.param([throttled(100), PAUSED], PAUSED, id="one is paused"),
    ],
)
def test_what_levers_let_through_together(limits: list[Limit], sum_: Limit | None) -> None:
    assert volume.together(limits) == sum_
