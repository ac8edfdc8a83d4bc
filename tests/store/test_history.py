"""The chain of causes that `deliverd explain` prints."""

from dataclasses import replace

from sqlalchemy import Connection

from deliverd.model import Actual, Notice, OrderKind, Outcome, Result, Standing
from deliverd.store import actions, decisions, history, incidents, notices, observations, orders
from deliverd.store import desired as wishes
from deliverd.store.history import Act, Chain, Link, Telling, Wish
from peers.values import LEVER, NOW, PAUSED, RUNNING, action, decision, desired, incident, minutes, observation


def test_nothing_is_known_of_a_stranger(conn: Connection) -> None:
    assert history.chain(conn, "acme.com", 10) == Chain("acme.com", (), ())


def test_every_row_hangs_on_its_cause(conn: Connection) -> None:
    looks = [observation("spf"), observation("dmarc")]
    ids = tuple(observations.append(conn, [(look, False) for look in looks]))
    paused = decisions.append(conn, decision(1, observation_ids=ids))
    wish = wishes.append(conn, desired(paused.id))
    intents = [actions.append_intent(conn, action(wish.id), n, NOW + minutes(n)) for n in (1, 2)]
    failed = actions.append_result(conn, Result(intents[0].id, Outcome.FAILED, NOW, None, "503"))
    opened = incidents.append(conn, incident(), decision_id=paused.id)
    unconfirmed = incidents.append(conn, incident(cause="unconfirmed"), result_id=failed.id)
    told = notices.claim(conn, Notice(opened.id, 1, "growth", 0, NOW, "paused", "why"))
    assert told is not None
    notices.settle(conn, told.id, NOW + minutes(1), True, "taken")

    order = orders.append(conn, "acme.com", OrderKind.RESUME, "ada", "fixed", NOW)
    resumed = decisions.append(conn, decision(2, standing=Standing.HEALTHY, limit=RUNNING, order_id=order.id))
    lift = wishes.append(conn, desired(resumed.id, limit=RUNNING))
    closing = replace(opened, version=2, closed_at=NOW + minutes(5))
    closed = incidents.append(conn, closing, decision_id=resumed.id)
    drift = incidents.append(conn, incident(cause="drift"))
    decisions.append(conn, decision(1, domain="b.com"))

    sent = replace(told, sent_at=NOW + minutes(1), detail="taken")
    tellings = (Telling(opened, (sent,)), Telling(unconfirmed, ()))
    acts = (Act(intents[0], failed), Act(intents[1], None))
    first = Link(paused, tuple(looks), None, (Wish(wish, acts),), tellings)
    second = Link(resumed, (), order, (Wish(lift, ()),), (Telling(closed, ()),))
    assert history.chain(conn, "acme.com", 10) == Chain("acme.com", (second, first), (Telling(drift, ()),))
    assert history.chain(conn, "acme.com", 1).links == (second,)


def test_chain_of_a_long_history(conn: Connection) -> None:
    """Many attempts, one confirmed at last; the order is that of the attempts."""
    cause = decisions.append(conn, decision()).id
    wish = wishes.append(conn, desired(cause))
    for attempt in range(1, 31):
        intent = actions.append_intent(conn, action(wish.id), attempt, NOW)
        outcome = Outcome.CONFIRMED if attempt == 30 else Outcome.UNCONFIRMED
        actions.append_result(conn, Result(intent.id, outcome, NOW, Actual(PAUSED)))
    ((acts,),) = [[wish.acts for wish in link.wishes] for link in history.chain(conn, "acme.com", 1).links]
    assert [act.intent.attempt for act in acts] == list(range(1, 31))
    assert acts[-1].result is not None
    assert acts[-1].result.outcome is Outcome.CONFIRMED
    assert acts[0].intent.action.lever == LEVER
