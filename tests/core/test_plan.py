"""From what is wanted and what is, to the move: one row for each thing a lever can be found at."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from core.builders import (
    DOMAIN,
    LEVER,
    NOW,
    ON_OFF,
    PAUSED,
    RUNNING,
    TICK,
    confirmed,
    desired,
    intent,
    lever_case,
    result,
    throttled,
    tried,
)

from deliverd.core.plan import LeverCase, interrupted, next_attempt, plan, retry_at, settled
from deliverd.model import Action, Actual, FindingKind, LeverMemory, Limit, Outcome, Plan, SendState

CANNOT, DRIFT, FOREIGN, WAITING = (
    FindingKind.CANNOT_THROTTLE,
    FindingKind.DRIFT,
    FindingKind.FOREIGN_PAUSE,
    FindingKind.WAITING,
)
T100, T500, T900 = throttled(100), throttled(500), throttled(900)


def moves(one: LeverCase) -> list[tuple[str, str, str]]:
    """Each move as (from, to, goes back to)."""
    return [(str(it.before), str(it.limit), str(it.original)) for it in plan("mail", [one], NOW).actions]


def kinds(one: LeverCase) -> list[FindingKind]:
    return [finding.kind for finding in plan("mail", [one], NOW).findings]


def move(before: Limit, to: Limit, original: Limit) -> list[tuple[str, str, str]]:
    return [(str(before), str(to), str(original))]


OURS = confirmed(intent(PAUSED))
OURS_OVER_T100 = confirmed(intent(PAUSED, original=T100))
OURS_BEFORE = confirmed(intent(PAUSED, desired_id=4))
LIFTED = confirmed(intent(RUNNING, desired_id=5))


@pytest.mark.parametrize(
    ("wish", "actual", "memory", "expected"),
    [
        # Nothing on the lever is ours yet.
        pytest.param(PAUSED, RUNNING, None, move(RUNNING, PAUSED, RUNNING), id="pause what runs"),
        pytest.param(
            PAUSED, T100, None, move(T100, PAUSED, T100), id="pause what somebody throttled: remembers the limit"
        ),
        pytest.param(T500, RUNNING, None, move(RUNNING, T500, RUNNING), id="throttle what runs"),
        pytest.param(T500, T900, None, move(T900, T500, T900), id="throttle what somebody throttled less"),
        pytest.param(T500, T500, None, move(T500, T500, T500), id="already so: only written down"),
        pytest.param(
            T500, T100, None, move(T100, T100, T100), id="somebody throttles more: only written down, not moved"
        ),
        pytest.param(
            T500, PAUSED, None, move(PAUSED, PAUSED, PAUSED), id="somebody paused it: only written down, not moved"
        ),
        pytest.param(PAUSED, PAUSED, None, move(PAUSED, PAUSED, PAUSED), id="somebody paused it already"),
        pytest.param(RUNNING, RUNNING, None, move(RUNNING, RUNNING, RUNNING), id="runs already"),
        pytest.param(RUNNING, PAUSED, None, move(PAUSED, PAUSED, PAUSED), id="somebody's pause is not lifted"),
        pytest.param(RUNNING, T100, None, move(T100, T100, T100), id="somebody's throttle is not lifted"),
        # Ours, for what is desired now.
        pytest.param(PAUSED, PAUSED, OURS, [], id="ours and confirmed: nothing to do"),
        pytest.param(PAUSED, RUNNING, OURS, move(RUNNING, PAUSED, RUNNING), id="somebody resumed it: set again"),
        pytest.param(
            PAUSED, T900, OURS, move(T900, PAUSED, T900), id="somebody throttled it instead: theirs afterwards"
        ),
        # Ours, for what was desired before.
        pytest.param(PAUSED, PAUSED, OURS_BEFORE, move(PAUSED, PAUSED, RUNNING), id="ours already: only written down"),
        pytest.param(RUNNING, PAUSED, OURS_BEFORE, move(PAUSED, RUNNING, RUNNING), id="our pause is lifted"),
        pytest.param(
            T100, PAUSED, OURS_BEFORE, move(PAUSED, T100, RUNNING), id="our pause becomes the foot of the ramp"
        ),
        pytest.param(
            PAUSED,
            T500,
            confirmed(intent(T500, desired_id=4)),
            move(T500, PAUSED, RUNNING),
            id="our throttle becomes a pause: goes back to running, not to the throttle",
        ),
        pytest.param(
            RUNNING,
            PAUSED,
            OURS_OVER_T100,
            move(PAUSED, T100, T100),
            id="our pause goes back to the limit that was there",
        ),
        pytest.param(
            T500,
            PAUSED,
            OURS_OVER_T100,
            move(PAUSED, T100, T100),
            id="ours is never a way to send more than was allowed",
        ),
        pytest.param(
            T500,
            PAUSED,
            confirmed(intent(PAUSED, T500)),
            move(PAUSED, T500, T500),
            id="the limit that was there, exactly",
        ),
        pytest.param(
            T100, PAUSED, confirmed(intent(PAUSED, T500)), move(PAUSED, T100, T500), id="less than was allowed"
        ),
        pytest.param(RUNNING, RUNNING, LIFTED, [], id="lifted and confirmed: nothing to do"),
        pytest.param(RUNNING, PAUSED, LIFTED, [], id="somebody paused it after the lift: theirs"),
        # In doubt.
        pytest.param(
            RUNNING,
            PAUSED,
            tried(intent(PAUSED, desired_id=4)),
            move(PAUSED, RUNNING, RUNNING),
            id="took effect late: ours",
        ),
        pytest.param(
            RUNNING,
            PAUSED,
            replace(OURS_BEFORE, latest=tried(intent(RUNNING, desired_id=5)).latest),
            move(PAUSED, RUNNING, RUNNING),
            id="our lift did not hold: tried again",
        ),
        pytest.param(
            PAUSED, PAUSED, tried(intent(PAUSED)), move(PAUSED, PAUSED, RUNNING), id="took effect late: confirmed"
        ),
        pytest.param(
            PAUSED,
            RUNNING,
            LeverMemory(latest=(intent(PAUSED), None)),
            move(RUNNING, PAUSED, RUNNING),
            id="cut off before the call: tried again at once",
        ),
        pytest.param(
            RUNNING, PAUSED, confirmed(intent(PAUSED, original=PAUSED)), [], id="we found it paused: not ours"
        ),
        pytest.param(RUNNING, T100, OURS_BEFORE, move(T100, T100, T100), id="what stands there is not what we set"),
        pytest.param(
            RUNNING,
            PAUSED,
            tried(intent(PAUSED, desired_id=4), Outcome.FAILED),
            move(PAUSED, PAUSED, PAUSED),
            id="ours was refused: the pause is that of a person who stepped in, and stays",
        ),
    ],
)
def test_the_move(wish: Limit, actual: Limit, memory: LeverMemory | None, expected: Any) -> None:
    assert moves(lever_case(wish, actual, memory=memory or LeverMemory())) == expected


@pytest.mark.parametrize(
    ("by", "ours"),
    [
        pytest.param(None, True, id="the platform does not say who"),
        pytest.param("deliverd", True, id="deliverd"),
        pytest.param("alice", False, id="somebody else, at the very limit that we set"),
    ],
)
def test_who_the_platform_names_decides_whose_a_limit_is(by: str | None, ours: bool) -> None:
    one = lever_case(RUNNING, PAUSED, by, memory=OURS_BEFORE)
    assert moves(one) == (move(PAUSED, RUNNING, RUNNING) if ours else move(PAUSED, PAUSED, PAUSED))
    assert kinds(one) == ([] if ours else [FOREIGN])


@pytest.mark.parametrize(
    ("wish", "actual", "memory", "expected"),
    [
        pytest.param(None, RUNNING, None, [], id="nothing wanted, nothing odd"),
        pytest.param(None, T100, None, [], id="somebody's throttle is no pause"),
        pytest.param(None, PAUSED, None, [FOREIGN], id="nothing wanted, and paused"),
        pytest.param(None, PAUSED, OURS, [], id="paused by us"),
        pytest.param(PAUSED, PAUSED, None, [FOREIGN], id="pause wanted, and paused by somebody"),
        pytest.param(PAUSED, PAUSED, OURS, [], id="pause wanted, and paused by us"),
        pytest.param(RUNNING, PAUSED, LIFTED, [FOREIGN], id="paused after our lift"),
        pytest.param(RUNNING, PAUSED, confirmed(intent(PAUSED, original=PAUSED)), [FOREIGN], id="found paused by us"),
        pytest.param(PAUSED, RUNNING, None, [], id="not done yet is no drift"),
        pytest.param(PAUSED, RUNNING, OURS_BEFORE, [], id="done for an earlier wish is no drift"),
        pytest.param(PAUSED, RUNNING, OURS, [DRIFT], id="done and undone"),
        pytest.param(PAUSED, RUNNING, tried(intent(PAUSED), at=NOW), [WAITING], id="tried just now"),
        pytest.param(PAUSED, RUNNING, tried(intent(PAUSED), Outcome.FAILED, NOW), [WAITING], id="refused just now"),
        pytest.param(PAUSED, RUNNING, tried(intent(PAUSED, desired_id=4), at=NOW), [], id="another wish's failure"),
    ],
)
def test_what_is_told(
    wish: Limit | None, actual: Limit, memory: LeverMemory | None, expected: list[FindingKind]
) -> None:
    assert kinds(lever_case(wish, actual, memory=memory or LeverMemory())) == expected


def test_what_was_undone_just_after_it_was_confirmed_is_set_again_without_waiting() -> None:
    held = intent(PAUSED)
    pair = held, result(held, Outcome.CONFIRMED, NOW)
    one = lever_case(PAUSED, RUNNING, memory=LeverMemory(pair, pair))
    assert (kinds(one), moves(one)) == ([DRIFT], move(RUNNING, PAUSED, RUNNING))


def test_drift_while_waiting_is_told_too_and_nothing_is_done() -> None:
    both = LeverMemory(latest=tried(intent(PAUSED, attempt=2), at=NOW).latest, confirmed=OURS.confirmed)
    one = lever_case(PAUSED, RUNNING, memory=both)
    assert (kinds(one), moves(one)) == ([DRIFT, WAITING], [])


@pytest.mark.parametrize(
    ("states", "wish", "actual", "memory", "expected", "told"),
    [
        pytest.param(ON_OFF, T500, RUNNING, None, RUNNING, [CANNOT], id="cannot throttle: left running, and said"),
        pytest.param(
            ON_OFF, T500, PAUSED, OURS_BEFORE, RUNNING, [CANNOT], id="cannot ramp: our pause is lifted, and said"
        ),
        pytest.param(ON_OFF, T500, PAUSED, None, PAUSED, [CANNOT, FOREIGN], id="cannot ramp: somebody's pause stays"),
        pytest.param(ON_OFF, RUNNING, RUNNING, None, RUNNING, [], id="running needs no throttle"),
        pytest.param(ON_OFF, PAUSED, RUNNING, None, PAUSED, [], id="a pause needs no throttle"),
        pytest.param(frozenset(), PAUSED, RUNNING, None, RUNNING, [CANNOT], id="cannot even pause: said"),
    ],
)
def test_a_platform_that_cannot_do_everything(
    states: frozenset[SendState], wish: Limit, actual: Limit, memory: Any, expected: Limit, told: list[FindingKind]
) -> None:
    one = lever_case(wish, actual, memory=memory or LeverMemory(), states=states)
    assert [it.limit for it in plan("mail", [one], NOW).actions] == [expected]
    assert kinds(one) == told


RUN, THROTTLE, PAUSE = SendState.RUNNING, SendState.THROTTLED, SendState.PAUSED


@pytest.mark.parametrize(
    ("states", "wish", "text"),
    [
        (
            {RUN, PAUSE},
            throttled(1500),
            "cannot be throttled to 1,500 a day: this platform can only resume and pause. "
            "It is left running; hold the sender itself back to 1,500 messages a day",
        ),
        (
            {RUN, THROTTLE},
            PAUSED,
            "cannot be paused: this platform can only resume and throttle. It is left running; stop the sender itself",
        ),
        (set(), PAUSED, "cannot be paused: this platform can only be read. It is left running; stop the sender itself"),
    ],
)
def test_what_a_platform_cannot_do_is_said_with_what_a_person_can(
    states: set[SendState], wish: Limit, text: str
) -> None:
    found = plan("mail", [lever_case(wish, RUNNING, states=frozenset(states))], NOW).findings
    assert [finding.text for finding in found] == [f"mail/domain:acme.com {text}"]


@pytest.mark.parametrize(
    ("one", "text"),
    [
        (
            lever_case(PAUSED, None, fault="401, the key does not hold"),
            "cannot read mail/domain:acme.com: 401, the key does not hold",
        ),
        (
            lever_case(RUNNING, PAUSED),
            "mail/domain:acme.com is paused by somebody else at the platform, not by deliverd, which leaves it so",
        ),
        (
            lever_case(RUNNING, PAUSED, "alice"),
            "mail/domain:acme.com is paused by alice at the platform, not by deliverd, which leaves it so",
        ),
        (
            lever_case(PAUSED, T100, "alice", memory=OURS),
            "mail/domain:acme.com was left paused and is now throttled to 100 a day, changed by alice at the platform; "
            "set again",
        ),
        (
            lever_case(PAUSED, RUNNING, memory=OURS),
            "mail/domain:acme.com was left paused and is now running, changed at the platform; set again",
        ),
        (
            lever_case(T500, RUNNING, memory=OURS_OVER_T100),
            "mail/domain:acme.com was left paused and is now running, changed at the platform; set again",
        ),
        (
            lever_case(PAUSED, RUNNING, memory=tried(intent(PAUSED, attempt=3), at=NOW)),
            "attempt 3 on mail/domain:acme.com did not hold; next at 12:00:08 UTC",
        ),
    ],
)
def test_what_is_told_in_words(one: LeverCase, text: str) -> None:
    assert [finding.text for finding in plan("mail", [one], NOW).findings] == [text]


def test_a_platform_that_cannot_be_read_is_not_touched() -> None:
    one = lever_case(PAUSED, None, fault="timeout")
    assert (moves(one), kinds(one)) == ([], [FindingKind.UNREADABLE])


def test_an_action_names_everything_it_needs() -> None:
    made = plan("mail", [lever_case(PAUSED, T100)], NOW)
    action = Action(LEVER, PAUSED, before=T100, original=T100, domain=DOMAIN, desired_id=5, reason="why")
    assert made == Plan("mail", actions=(action,))


def test_a_plan_covers_every_lever_and_skips_those_that_are_well() -> None:
    cases = [lever_case(PAUSED, RUNNING), lever_case(PAUSED, PAUSED, memory=OURS), lever_case(None, PAUSED)]
    made = plan("mail", cases, NOW)
    assert (len(made.actions), [finding.kind for finding in made.findings]) == (1, [FOREIGN])
    assert made.findings[0].lever == LEVER
    assert made.findings[0].domain == DOMAIN


@pytest.mark.parametrize(
    ("attempt", "seconds"), [(1, 2), (2, 4), (3, 8), (7, 128), (8, 256), (9, 300), (10, 300), (11, 300), (10_000, 300)]
)
def test_backoff(attempt: int, seconds: int) -> None:
    assert retry_at(attempt, NOW) == NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("at", "again"), [(NOW - timedelta(seconds=2), True), (NOW - timedelta(seconds=2) + TICK, False)]
)
def test_a_failure_is_tried_again_when_its_wait_is_over_to_the_microsecond(at: Any, again: bool) -> None:
    assert bool(moves(lever_case(PAUSED, RUNNING, memory=tried(intent(PAUSED), at=at)))) is again


@pytest.mark.parametrize(
    ("memory", "number"),
    [
        pytest.param(LeverMemory(), 1, id="never tried"),
        pytest.param(tried(intent(PAUSED, attempt=4)), 5, id="tried four times"),
        pytest.param(confirmed(intent(PAUSED, attempt=4)), 5, id="confirmed, and undone"),
        pytest.param(LeverMemory(latest=(intent(PAUSED, attempt=2), None)), 3, id="cut off"),
        pytest.param(tried(intent(PAUSED, desired_id=4, attempt=9)), 1, id="another wish counts for itself"),
    ],
)
def test_the_number_of_the_next_try(memory: LeverMemory, number: int) -> None:
    assert next_attempt(lever_case(PAUSED, RUNNING, memory=memory)) == number
    assert next_attempt(lever_case(None, RUNNING, memory=memory)) == 1


def test_interrupted() -> None:
    cut_off = intent(PAUSED)
    assert interrupted(LeverMemory()) is None
    assert interrupted(OURS) is None
    assert interrupted(LeverMemory(latest=(cut_off, None))) is cut_off


@pytest.mark.parametrize(("actual", "outcome"), [(PAUSED, Outcome.CONFIRMED), (RUNNING, Outcome.UNCONFIRMED)])
def test_how_a_cut_off_intent_ended_is_read_from_the_platform(actual: Limit, outcome: Outcome) -> None:
    assert settled(intent(PAUSED), Actual(actual)) is outcome


def test_a_wish_of_the_same_id_is_needed_to_call_it_done() -> None:
    assert moves(lever_case(PAUSED, PAUSED, memory=OURS, desired=desired(PAUSED, 6))) == move(PAUSED, PAUSED, RUNNING)
