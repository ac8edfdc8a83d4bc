"""Decisions, orders, and what is wanted of the levers."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import Connection, select

from deliverd.model import Decision, Lever, Mode, OrderKind, Standing
from deliverd.store import decisions, observations, orders, schema
from deliverd.store import desired as wishes
from deliverd.store.faults import Conflict
from peers.values import HALF, LEVER, NOW, PAUSED, RUNNING, decision, desired, minutes, observation


def full(conn: Connection) -> Decision:
    """A decision none of whose fields is at its default."""
    ids = observations.append(conn, [(observation(), False), (observation("dmarc"), True)])
    order = orders.append(conn, "acme.com", OrderKind.RESUME, "ada", "it was a test", NOW)
    return decision(
        previous=Standing.PAUSED,
        standing=Standing.RECOVERING,
        since=NOW - minutes(1),
        limit=HALF,
        mode=Mode.PROPOSE,
        evidence={"rate": 0.0031, "by": {"gmail.com": 3}, "list": ["a", "b"], "none": None},
        epoch=NOW - minutes(2),
        normal_per_day=1000,
        step=2,
        observation_ids=tuple(ids),
        order_id=order.id,
    )


def test_decision_comes_back_whole(conn: Connection) -> None:
    given = full(conn)
    stored = decisions.append(conn, given)
    assert stored.id > 0
    assert stored == replace(given, id=stored.id)
    assert decisions.get(conn, stored.id) == decisions.latest(conn, "acme.com") == stored


def test_evidence_may_hold_tuples_times_and_decimals(conn: Connection) -> None:
    evidence = {"at": NOW, "words": ("a", "b"), "set": {2, 1}, "rate": Decimal("0.5"), "standing": Standing.WATCH}
    plain = {"at": NOW.isoformat(), "words": ["a", "b"], "set": [1, 2], "rate": 0.5, "standing": "watch"}
    decisions.append(conn, decision(evidence=evidence))
    stored = decisions.latest(conn, "acme.com")
    assert stored is not None
    assert stored.evidence == plain


@pytest.mark.parametrize("evidence", [{"rate": float("nan")}, {"what": object()}])
def test_evidence_that_json_cannot_say_is_refused(conn: Connection, evidence: dict[str, object]) -> None:
    with pytest.raises(Exception, match=r"JSON"):
        decisions.append(conn, decision(evidence=evidence))


def test_number_is_claimed_once(conn: Connection) -> None:
    first = decisions.append(conn, decision(1))
    with pytest.raises(Conflict, match=r"decision 1 of acme\.com"):
        decisions.append(conn, decision(1, reason="another"))
    decisions.append(conn, decision(1, domain="b.com"))
    assert decisions.latest(conn, "acme.com") == first


def test_latest_of_each_domain(conn: Connection) -> None:
    assert decisions.latest(conn, "acme.com") is None
    assert decisions.latest_all(conn) == {}
    rows = [decisions.append(conn, decision(n, at=NOW + minutes(n))) for n in (1, 2, 3)]
    other = decisions.append(conn, decision(1, domain="b.com"))
    assert decisions.latest_all(conn) == {"acme.com": rows[2], "b.com": other}
    assert decisions.history(conn, "acme.com", 2) == (rows[2], rows[1])
    assert decisions.get(conn, 10**9) is None


def test_epoch_is_written_by_the_decision_that_starts_it(conn: Connection) -> None:
    first = decisions.append(conn, decision(1, epoch=NOW))
    decisions.append(conn, decision(2, epoch=NOW))
    decisions.append(conn, decision(3))
    last = decisions.append(conn, decision(4, epoch=NOW + minutes(1)))
    found = conn.execute(select(schema.epochs).order_by(schema.epochs.c.started_at)).all()
    assert [tuple(row) for row in found] == [("acme.com", NOW, first.id), ("acme.com", NOW + minutes(1), last.id)]


def test_newest_row_of_a_lever_holds(conn: Connection) -> None:
    cause = decisions.append(conn, decision()).id
    other, foreign = Lever("mail", "domain", "b.com"), Lever("ses", "domain", "acme.com")
    rows = [
        wishes.append(conn, desired(cause, lever=lever, limit=limit, domain=domain))
        for lever, limit, domain in [
            (LEVER, RUNNING, "acme.com"),
            (LEVER, HALF, "acme.com"),
            (other, PAUSED, "b.com"),
            (foreign, PAUSED, "acme.com"),
        ]
    ]
    assert [row.id for row in rows] == sorted({row.id for row in rows})
    assert wishes.newest(conn, "mail") == (rows[1], rows[2])
    assert wishes.newest(conn, "mail", "b.com") == (rows[2],)
    assert wishes.newest(conn, "mail", "nobody.com") == ()
    assert wishes.newest(conn, "none") == ()


def test_orders_newest_first(conn: Connection) -> None:
    assert orders.newest(conn, "acme.com") == ()
    assert orders.newest_id(conn) == 0
    hold = orders.append(conn, "acme.com", OrderKind.HOLD, "ada", "audit", NOW, until=NOW + timedelta(days=2))
    cause = decisions.append(conn, decision()).id
    yes = orders.append(conn, "acme.com", OrderKind.APPROVE, "ada", "agreed", NOW, decision_id=cause)
    other = orders.append(conn, "b.com", OrderKind.PAUSE, "bob", "stop", NOW)
    assert orders.newest(conn, "acme.com") == (yes, hold)
    assert (hold.until, yes.decision_id) == (NOW + timedelta(days=2), cause)
    assert orders.newest_id(conn) == other.id
    assert orders.get(conn, yes.id) == yes
    assert orders.get(conn, 10**9) is None
    assert orders.domains_after(conn, hold.id) == ("acme.com", "b.com")
    assert orders.domains_after(conn, other.id) == ()


def test_an_old_hold_is_not_lost_behind_many_orders(conn: Connection) -> None:
    hold = orders.append(conn, "acme.com", OrderKind.HOLD, "ada", "until I say otherwise", NOW)
    others = [orders.append(conn, "acme.com", OrderKind.PAUSE, "ada", str(n), NOW) for n in range(60)]
    assert orders.newest(conn, "acme.com") == (*others[:9:-1], hold)


def test_a_person_may_write_a_novel(conn: Connection) -> None:
    order = orders.append(conn, "acme.com", OrderKind.PAUSE, "a" * 300, "w\x00" * 3000, NOW)
    assert (len(order.author), len(order.reason)) == (200, 2000)
    assert orders.get(conn, order.id) == order
