"""Laws of planning, on a small honest platform: acts are read back, people interfere, deliverd crashes."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest
from core.builders import ALL, DOMAIN, LEVER, NOW, ON_OFF, PAUSED, RUNNING, throttled
from hypothesis import assume, given
from hypothesis import strategies as st

from deliverd.core.plan import LeverCase, interrupted, next_attempt, plan, settled
from deliverd.model import (
    Action,
    Actual,
    Desired,
    FindingKind,
    Intent,
    LeverMemory,
    Limit,
    Outcome,
    Plan,
    Result,
    SendState,
)

ALICE, DELIVERD = "alice", "deliverd"
INTENT, CALL = "after the intent", "after the call"


@dataclass
class Platform:
    """Keeps one limit, and who set it, which it may or may not tell."""

    names: bool
    limit: Limit = RUNNING
    by: str = ALICE
    refusals: int = 0
    calls: list[Limit] = field(default_factory=list)

    def read(self) -> Actual:
        return Actual(self.limit, self.by if self.names else None)

    def set(self, limit: Limit, by: str) -> None:
        self.limit, self.by = limit, by


@dataclass
class Deliverd:
    """The reconcile arrow without a store: what it remembers survives a crash, as the store's rows do."""

    platform: Platform
    states: frozenset[SendState] = ALL
    memory: LeverMemory = field(default_factory=LeverMemory)
    wish: Desired | None = None
    now: datetime = NOW
    lifted_a_persons_pause: bool = False

    def want(self, limit: Limit) -> None:
        self.wish = Desired(DOMAIN, LEVER, limit, 70, self.now, self.wish.id + 1 if self.wish else 1)

    def case(self) -> LeverCase:
        return LeverCase(DOMAIN, LEVER, self.states, self.memory, self.wish, self.platform.read())

    def reconcile(self, crash: str = "") -> Plan:
        self.now += timedelta(minutes=6)
        cut_off = interrupted(self.memory)
        if cut_off:
            self.write(cut_off, settled(cut_off, self.platform.read()))
        planned = plan("mail", [self.case()], self.now)
        for action in planned.actions:
            self.act(action, crash)
        return planned

    def act(self, action: Action, crash: str) -> None:
        intent = Intent(1, action, next_attempt(self.case()), self.now)
        self.memory = replace(self.memory, latest=(intent, None))
        if crash == INTENT:
            return
        refused = action.limit != action.before and self.call(action.limit)
        if crash == CALL:
            return
        held = self.platform.limit == action.limit
        self.write(intent, Outcome.CONFIRMED if held else Outcome.FAILED if refused else Outcome.UNCONFIRMED)

    def call(self, limit: Limit) -> bool:
        self.platform.calls.append(limit)
        if self.platform.refusals:
            self.platform.refusals -= 1
            return True
        self.lifted_a_persons_pause |= self.platform.limit == PAUSED and self.platform.by == ALICE
        self.platform.set(limit, DELIVERD)
        return False

    def write(self, intent: Intent, outcome: Outcome) -> None:
        pair = intent, Result(1, outcome, self.now, self.platform.read())
        self.memory = LeverMemory(pair, pair if outcome is Outcome.CONFIRMED else self.memory.confirmed)

    def settle(self) -> Plan:
        """Run until there is nothing to do: the arrow is level-triggered, so a handful of runs must be enough."""
        for _ in range(6):
            planned = self.reconcile()
            waiting = any(finding.kind is FindingKind.WAITING for finding in planned.findings)
            if not planned.actions and not waiting:
                return planned
        pytest.fail(f"never settles: {planned}")


limits = st.sampled_from([RUNNING, PAUSED, throttled(100), throttled(500), throttled(900)])
steps = st.one_of(
    st.tuples(st.just("want"), limits),
    st.tuples(st.just("alice"), limits),
    st.tuples(st.just("refuse"), st.integers(1, 3)),
    st.tuples(st.just("run"), st.sampled_from(["", "", INTENT, CALL])),
)
Story = list[tuple[str, object]]
stories = st.lists(steps, max_size=12)
platforms = st.builds(Platform, names=st.booleans(), limit=limits)
abilities = st.sampled_from([ALL, ON_OFF])


def in_doubt(deliverd: Deliverd) -> bool:
    """Whether a platform that names nobody could not tell a person's pause from deliverd's own."""
    intents = [pair[0] for pair in (deliverd.memory.latest, deliverd.memory.confirmed) if pair]
    return not deliverd.platform.names and any(intent.action.limit == PAUSED for intent in intents)


def play(deliverd: Deliverd, story: Story) -> None:
    for verb, what in story:
        if isinstance(what, Limit) and verb == "want":
            deliverd.want(what)
        elif isinstance(what, Limit):
            if not (what == PAUSED and in_doubt(deliverd)):
                deliverd.platform.set(what, ALICE)
        elif isinstance(what, int):
            deliverd.platform.refusals = what
        else:
            deliverd.reconcile(crash=str(what))


@given(platforms, abilities, stories)
def test_it_settles_and_then_there_is_nothing_to_do(
    platform: Platform, states: frozenset[SendState], story: Story
) -> None:
    deliverd = Deliverd(platform, states)
    play(deliverd, story)
    settled_plan = deliverd.settle()
    again = deliverd.reconcile()
    assert again == settled_plan
    assert again.actions == ()
    assert {it.kind for it in again.findings} <= {FindingKind.FOREIGN_PAUSE, FindingKind.CANNOT_THROTTLE}


@given(platforms, abilities, stories)
def test_once_settled_no_more_is_let_through_than_is_desired(
    platform: Platform, states: frozenset[SendState], story: Story
) -> None:
    deliverd = Deliverd(platform, states)
    play(deliverd, story)
    deliverd.settle()
    if deliverd.wish and deliverd.wish.limit.state in states:
        assert not deliverd.wish.limit.stricter_than(platform.limit)


@given(platforms, abilities, stories)
def test_a_persons_pause_is_never_lifted(platform: Platform, states: frozenset[SendState], story: Story) -> None:
    deliverd = Deliverd(platform, states)
    play(deliverd, story)
    deliverd.settle()
    assert not deliverd.lifted_a_persons_pause


@given(st.builds(Platform, names=st.booleans(), limit=limits), stories)
def test_what_deliverd_imposed_alone_is_given_back_whole(platform: Platform, story: Story) -> None:
    deliverd, before = Deliverd(platform), platform.limit
    play(deliverd, [step for step in story if step[0] != "alice"])
    deliverd.want(RUNNING)
    deliverd.settle()
    assert platform.limit == before


@given(platforms, stories)
def test_no_call_ever_lets_more_through_than_what_stood_there_before_deliverd(platform: Platform, story: Story) -> None:
    deliverd, before = Deliverd(platform), platform.limit
    play(deliverd, [step for step in story if step[0] != "alice"])
    assert all(not before.stricter_than(call) for call in platform.calls)


@given(platforms, abilities, stories)
def test_planning_changes_nothing_and_says_the_same_twice(
    platform: Platform, states: frozenset[SendState], story: Story
) -> None:
    deliverd = Deliverd(platform, states)
    play(deliverd, story)
    one = deliverd.case()
    assert plan("mail", [one], deliverd.now) == plan("mail", [one], deliverd.now)


@pytest.mark.parametrize("names", [True, False])
@pytest.mark.parametrize("crash", ["", INTENT, CALL])
def test_a_crash_at_any_boundary_leaves_one_pause_by_one_call(crash: str, names: bool) -> None:
    deliverd = Deliverd(Platform(names))
    deliverd.want(PAUSED)
    deliverd.reconcile(crash)
    deliverd.settle()
    assert deliverd.platform.calls == [PAUSED]
    deliverd.want(RUNNING)
    deliverd.reconcile(crash)
    deliverd.settle()
    assert deliverd.platform.calls == [PAUSED, RUNNING]


@given(platforms, stories, limits)
def test_wanting_the_same_again_calls_nobody(platform: Platform, story: Story, limit: Limit) -> None:
    deliverd = Deliverd(platform)
    play(deliverd, story)
    platform.refusals = 0
    deliverd.want(limit)
    deliverd.settle()
    calls = len(platform.calls)
    assume(deliverd.wish is not None)
    deliverd.want(limit)
    deliverd.settle()
    assert len(platform.calls) == calls
