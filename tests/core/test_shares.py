"""How a domain's limit is shared out among its levers."""

import pytest
from core.builders import PAUSED, RUNNING, throttled
from hypothesis import given
from hypothesis import strategies as st

from deliverd.core.shares import LEAST, shares
from deliverd.model import Lever, Limit, SendState

ALL = frozenset(SendState)
STATES = {
    "mailbox": ALL,
    "limit": frozenset({SendState.RUNNING, SendState.THROTTLED}),
    "campaign": frozenset({SendState.RUNNING, SendState.PAUSED}),
    "nothing": frozenset(),
}


def levers(*kinds: str) -> list[Lever]:
    return [Lever("mail", kind, str(number)) for number, kind in enumerate(kinds)]


@pytest.mark.parametrize(
    ("limit", "kinds", "each"),
    [
        pytest.param(throttled(500), ["mailbox"], [throttled(500)], id="one lever has it all"),
        pytest.param(
            throttled(5), ["mailbox"] * 2, [throttled(3), throttled(2)], id="no more and no less than the limit"
        ),
        pytest.param(throttled(1), ["mailbox", "mailbox"], [throttled(1), PAUSED], id="nothing left: paused"),
        pytest.param(throttled(1), ["limit", "limit"], [throttled(1), LEAST], id="nothing left, cannot be paused"),
        pytest.param(throttled(9), ["mailbox", "campaign"], [throttled(9), RUNNING], id="only what can be limited"),
        pytest.param(throttled(9), ["campaign"], [throttled(9)], id="none can: the plan says so"),
        pytest.param(PAUSED, ["mailbox", "mailbox"], [PAUSED, PAUSED], id="a pause is for each"),
        pytest.param(
            PAUSED, ["limit", "campaign"], [LEAST, PAUSED], id="what cannot be paused is limited to the least"
        ),
        pytest.param(PAUSED, ["nothing", "campaign"], [RUNNING, PAUSED], id="what can neither is left"),
        pytest.param(RUNNING, ["limit", "campaign"], [RUNNING, RUNNING], id="all run"),
        pytest.param(PAUSED, [], [], id="no levers"),
    ],
)
def test_shares(limit: Limit, kinds: list[str], each: list[Limit]) -> None:
    assert list(shares(limit, levers(*kinds), STATES.__getitem__).values()) == each


@given(st.integers(1, 10**6), st.integers(1, 60))
def test_together_they_let_through_what_the_domain_may_send(per_day: int, many: int) -> None:
    told = shares(throttled(per_day), levers(*["mailbox"] * many), STATES.__getitem__)
    assert sum(limit.per_day or 0 for limit in told.values()) == per_day
