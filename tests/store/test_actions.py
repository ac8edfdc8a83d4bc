"""Intents and results: each attempt is claimed once, and ends once."""

from dataclasses import replace

import pytest
from sqlalchemy import Connection

from deliverd.model import Actual, Lever, LeverMemory, Outcome, Result
from deliverd.store import actions, decisions
from deliverd.store import desired as wishes
from deliverd.store.faults import Conflict
from peers.values import HALF, LEVER, NOW, PAUSED, RUNNING, action, decision, desired, minutes


@pytest.fixture
def wish(conn: Connection) -> int:
    return wishes.append(conn, desired(decisions.append(conn, decision()).id)).id


def test_attempt_is_claimed_once(conn: Connection, wish: int) -> None:
    intent = actions.append_intent(conn, action(wish), 1, NOW)
    assert (intent.action, intent.attempt, intent.at) == (action(wish), 1, NOW)
    with pytest.raises(Conflict, match="attempt 1"):
        actions.append_intent(conn, action(wish), 1, NOW + minutes(1))
    actions.append_intent(conn, action(wish), 2, NOW + minutes(1))


def test_intent_has_one_result(conn: Connection, wish: int) -> None:
    intent = actions.append_intent(conn, action(wish), 1, NOW)
    given = Result(intent.id, Outcome.CONFIRMED, NOW, Actual(PAUSED, "deliverd", "as asked"), "done")
    stored = actions.append_result(conn, given)
    assert stored.id > 0
    with pytest.raises(Conflict, match="has its result"):
        actions.append_result(conn, given)
    assert actions.memories(conn, "mail")[LEVER].latest == (intent, stored)


@pytest.mark.parametrize(
    "actual", [None, Actual(HALF), Actual(RUNNING, "somebody", "x" * 10), Actual(PAUSED, None, "")]
)
def test_what_was_read_back_comes_back(conn: Connection, wish: int, actual: Actual | None) -> None:
    moved = action(wish, limit=HALF, before=PAUSED, original=RUNNING, reason="ramp")
    intent = actions.append_intent(conn, moved, 1, NOW)
    result = actions.append_result(conn, Result(intent.id, Outcome.UNCONFIRMED, NOW, actual))
    assert actions.memories(conn, "mail") == {LEVER: LeverMemory((intent, result), None)}


def test_memory_is_of_the_newest_and_the_newest_confirmed(conn: Connection, wish: int) -> None:
    intents = [actions.append_intent(conn, action(wish), n, NOW + minutes(n)) for n in (1, 2, 3, 4)]
    outcomes = [Outcome.CONFIRMED, Outcome.CONFIRMED, Outcome.FAILED]
    results = [
        actions.append_result(conn, Result(intent.id, outcome, NOW, Actual(PAUSED)))
        for intent, outcome in zip(intents, outcomes, strict=False)
    ]
    expected = LeverMemory((intents[3], None), (intents[1], results[1]))
    assert actions.memories(conn, "mail") == {LEVER: expected}


def test_memories_by_account_and_domain(conn: Connection, wish: int) -> None:
    other = Lever("mail", "domain", "b.com")
    foreign = Lever("ses", "domain", "acme.com")
    decided = decisions.append(conn, replace(decision(), domain="b.com")).id
    for number, (lever, domain) in enumerate([(LEVER, "acme.com"), (other, "b.com"), (foreign, "acme.com")], 1):
        wishes.append(conn, replace(desired(decided), lever=lever, domain=domain))
        actions.append_intent(conn, action(wish, lever=lever, domain=domain), number, NOW)
    assert set(actions.memories(conn, "mail")) == {LEVER, other}
    assert set(actions.memories(conn, "mail", "b.com")) == {other}
    assert actions.memories(conn, "mail", "nobody.com") == {}
    assert actions.memories(conn, "none") == {}


def test_a_lever_that_moved_is_the_newer_domains_and_keeps_its_past(conn: Connection, wish: int) -> None:
    intent = actions.append_intent(conn, action(wish), 1, NOW)
    decided = decisions.append(conn, replace(decision(), domain="b.com")).id
    moved = wishes.append(conn, replace(desired(decided), domain="b.com"))
    assert wishes.newest(conn, LEVER.account, "acme.com") == ()
    assert wishes.newest(conn, LEVER.account, "b.com") == (moved,)
    assert actions.memories(conn, LEVER.account, "b.com") == {LEVER: LeverMemory((intent, None), None)}


def test_long_answers_of_a_platform_are_cut(conn: Connection, wish: int) -> None:
    intent = actions.append_intent(conn, action(wish), 1, NOW)
    actions.append_result(
        conn, Result(intent.id, Outcome.FAILED, NOW, Actual(PAUSED, None, "y" * 9999), "x\x00" * 9999)
    )
    _, result = actions.memories(conn, "mail")[LEVER].latest or (None, None)
    assert result is not None
    assert result.actual is not None
    assert (len(result.detail), len(result.actual.detail)) == (2000, 2000)
