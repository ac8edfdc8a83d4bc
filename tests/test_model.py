"""The nouns: what they refuse, and the arithmetic they carry."""

from datetime import timedelta
from typing import Any

import pytest
from core.builders import PAUSED, RUNNING, authentication_rule, counts, guard, policy, throttled
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from deliverd.model import Counts, Lever, Limit, SendState, Standing


def test_standings_rank_by_how_much_they_hold_back() -> None:
    ranks = {standing.value: standing.rank for standing in Standing}
    assert ranks == {"healthy": 0, "watch": 1, "throttled": 2, "recovering": 2, "paused": 3}


@pytest.mark.parametrize(
    ("state", "per_day", "says"),
    [
        pytest.param(
            SendState.THROTTLED, None, "a daily limit goes with throttled only", id="a throttle needs a number"
        ),
        pytest.param(SendState.RUNNING, 5, "a daily limit goes with throttled only", id="running has none"),
        pytest.param(SendState.PAUSED, 5, "a daily limit goes with throttled only", id="paused has none"),
        pytest.param(SendState.THROTTLED, 0, "use paused", id="nothing a day is a pause"),
        pytest.param(SendState.THROTTLED, -1, "use paused", id="less than nothing"),
    ],
)
def test_a_limit_that_makes_no_sense(state: SendState, per_day: int | None, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Limit(state, per_day)


def test_limits_are_ordered_from_everything_to_nothing() -> None:
    rising = [RUNNING, throttled(900), throttled(100), throttled(1), PAUSED]
    for place, limit in enumerate(rising):
        assert [limit.stricter_than(other) for other in rising] == [place > index for index in range(len(rising))]


@pytest.mark.parametrize(
    ("limit", "text"), [(RUNNING, "running"), (throttled(1500), "throttled to 1,500 a day"), (PAUSED, "paused")]
)
def test_a_limit_in_words(limit: Limit, text: str) -> None:
    assert str(limit) == text


def test_a_lever_in_words() -> None:
    assert str(Lever("aws", "configuration-set", "acme")) == "aws/configuration-set:acme"


@pytest.mark.parametrize("percent", ["-0.01", "100.01", "NaN", "Infinity", "much"])
def test_a_threshold_that_is_no_percentage(percent: str) -> None:
    with pytest.raises((ValidationError, ArithmeticError)):
        guard(percent, 1)


def test_a_threshold_in_percent_is_the_very_float_that_the_counts_give() -> None:
    assert guard("0.08", 3).rate == 8 / 10_000


@given(st.integers(1, 100_000), st.integers(1, 100_000))
def test_a_threshold_reached_exactly_equals_the_rate_at_any_volume(complained: int, thousands: int) -> None:
    sent = thousands * 1000
    mail = counts(sent, min(complained, sent))
    percent = f"{mail.complained * 100 / sent:.12f}"
    assert guard(percent, 1).rate == pytest.approx(mail.complaint_rate, abs=1e-13)


@pytest.mark.parametrize(
    ("over", "says"),
    [
        pytest.param({"throttle": guard("0.04", 3)}, "must not fall", id="throttle under watch"),
        pytest.param({"pause": guard("0.07", 5)}, "must not fall", id="pause under throttle"),
        pytest.param({"pause": guard("0.30", 2)}, "fewer than 3 complaints", id="a pause on two complaints"),
        pytest.param({"ramp": ()}, "ramp must rise", id="no ramp"),
        pytest.param({"ramp": (0.5, 0.25)}, "ramp must rise", id="a ramp that falls"),
        pytest.param({"ramp": (0.0, 1.0)}, "ramp must rise", id="a ramp that starts at nothing"),
        pytest.param({"ramp": (0.5, 1.5)}, "ramp must rise", id="a ramp over everything"),
        pytest.param({"window_days": 0}, "greater than or equal to 1", id="no window"),
        pytest.param({"window_days": 61}, "less than or equal to 60", id="a window beyond the look-back"),
        pytest.param({"throttle_fraction": 1.0}, "less than 1", id="a throttle that lets everything through"),
        pytest.param({"throttle_fraction": 0.0}, "greater than 0", id="a throttle that is a pause"),
        pytest.param({"throttle_floor_per_day": 0}, "greater than or equal to 1", id="a floor of nothing"),
        pytest.param({"dwell_hours": -1}, "greater than or equal to 0", id="a dwell that ends before it begins"),
        pytest.param({"dwell_hours": float("inf")}, "finite", id="a dwell that never ends"),
        pytest.param({"clean_sends": 0}, "greater than or equal to 1", id="no evidence needed"),
        pytest.param({"stale_after_minutes": 0}, "greater than 0", id="stale at once"),
        pytest.param({"surprise": 1}, "Extra inputs", id="an unknown key"),
    ],
)
def test_a_policy_that_makes_no_sense(over: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        policy(**over)


def test_a_policy_at_its_edges() -> None:
    edge = policy(
        window_days=60,
        watch=guard("0.08", 1),
        throttle=guard("0.08", 1),
        pause=guard("0.08", 3),
        dwell_hours=0,
        clean_sends=1,
        ramp=(1.0, 1.0),
    )
    assert (edge.window, edge.dwell, edge.stale_after) == (timedelta(days=60), timedelta(0), timedelta(minutes=60))


@pytest.mark.parametrize("over", [{"confirmations": 0}, {"grace_hours": -1}, {"grace_hours": float("nan")}])
def test_an_authentication_rule_that_makes_no_sense(over: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        authentication_rule(**over)


@pytest.mark.parametrize("name", ["sent", "delivered", "hard_bounced", "soft_bounced", "complained", "unsubscribed"])
def test_a_count_is_never_negative(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is -1: a count is never negative"):
        Counts(**{name: -1})


@pytest.mark.parametrize(
    ("sent", "complained", "rate"), [(0, 0, 0.0), (1000, 1, 0.001), (0, 3, 1.0), (2, 3, 1.0), (3, 3, 1.0)]
)
def test_the_complaint_rate(sent: int, complained: int, rate: float) -> None:
    assert counts(sent, complained).complaint_rate == rate
