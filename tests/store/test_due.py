"""What is due is claimed by one, given back by its owner, taken up again when that one is gone."""

import threading
from datetime import timedelta

from sqlalchemy import Connection, select

from deliverd.store import due, heartbeats, schema
from deliverd.store.writer import Store
from peers.values import NOW, minutes

LEASE = minutes(2)


def claimed(conn: Connection, at: timedelta = timedelta(0), limit: int = 10, owner: str = "a") -> list[str]:
    return [row.target for row in due.claim(conn, NOW + at, LEASE, owner, limit)]


def when(conn: Connection) -> dict[str, timedelta]:
    return {row.target: row.due_at - NOW for row in conn.execute(select(schema.due))}


def test_rows_that_are_due_earlier_stay_as_they_are(conn: Connection) -> None:
    due.push_all(conn, "dns", ["a", "b", "a"], NOW)
    due.push_all(conn, "dns", ["b", "c"], NOW + minutes(9))
    due.push_all(conn, "dns", [], NOW)
    assert when(conn) == {"a": minutes(0), "b": minutes(0), "c": minutes(9)}


def test_claim_takes_the_longest_due_first(conn: Connection) -> None:
    for target, at in (("late", -2), ("later", -1), ("now", 0), ("soon", 1)):
        due.push_all(conn, "dns", [target], NOW + minutes(at))
    assert claimed(conn, limit=2) == ["late", "later"]
    assert claimed(conn) == ["now"]
    assert claimed(conn) == []
    assert claimed(conn, minutes(1)) == ["soon"]


def test_claim_tells_all_about_the_row(conn: Connection) -> None:
    due.push_all(conn, "dns", ["a"], NOW)
    (row,) = due.claim(conn, NOW, LEASE, "me", 5)
    assert (row.kind, row.target, row.attempt, row.lease_owner) == ("dns", "a", 1, "me")
    assert row.leased_until == NOW + LEASE


def test_lease_that_ran_out_is_taken_up_and_its_owner_is_too_late(conn: Connection) -> None:
    due.push_all(conn, "dns", ["a"], NOW)
    (lost,) = due.claim(conn, NOW, LEASE, "killed", 5)
    assert claimed(conn, LEASE - timedelta(microseconds=1)) == []
    (found,) = due.claim(conn, NOW + LEASE, LEASE, "heir", 5)
    assert (found.attempt, found.lease_owner) == (2, "heir")
    assert not due.done(conn, lost, NOW + minutes(60))
    assert due.done(conn, found, NOW + minutes(30))
    assert when(conn) == {"a": minutes(30)}


def test_done_starts_the_count_again_or_goes_on(conn: Connection) -> None:
    due.push_all(conn, "dns", ["a"], NOW)
    (row,) = due.claim(conn, NOW, LEASE, "a", 5)
    assert due.done(conn, row, NOW + minutes(1), attempt=row.attempt)
    assert claimed(conn, minutes(0.5)) == []
    (row,) = due.claim(conn, NOW + minutes(1), LEASE, "a", 5)
    assert row.attempt == 2
    assert due.done(conn, row, NOW + minutes(2))
    (row,) = due.claim(conn, NOW + minutes(2), LEASE, "a", 5)
    assert row.attempt == 1


def test_push_only_brings_forward(conn: Connection) -> None:
    due.push_all(conn, "judge", ["a"], NOW + minutes(10))
    due.push(conn, "judge", "a", NOW + minutes(5))
    due.push(conn, "judge", "a", NOW + minutes(7))
    due.push(conn, "judge", "new", NOW + minutes(3))
    assert when(conn) == {"a": minutes(5), "new": minutes(3)}


def test_push_during_the_work_is_not_lost(conn: Connection) -> None:
    """What came while the row was in hand has it done again at once, not at its next regular time."""
    due.push_all(conn, "judge", ["pushed", "quiet"], NOW)
    rows = {row.target: row for row in due.claim(conn, NOW, LEASE, "a", 5)}
    due.push(conn, "judge", "pushed", NOW + minutes(0.5))
    assert claimed(conn, minutes(0.6)) == []
    for row in rows.values():
        assert due.done(conn, row, NOW + minutes(60))
    assert when(conn) == {"pushed": minutes(0.5), "quiet": minutes(60)}
    assert claimed(conn, minutes(0.6)) == ["pushed"]


def test_done_with_a_near_time_is_not_put_off(conn: Connection) -> None:
    due.push_all(conn, "judge", ["a"], NOW)
    (row,) = due.claim(conn, NOW, LEASE, "a", 5)
    assert due.done(conn, row, NOW + minutes(0.1))
    assert when(conn) == {"a": minutes(0.1)}


def test_drop_forgets_what_is_configured_no_more(conn: Connection) -> None:
    due.push_all(conn, "dns", [f"d{n}" for n in range(1200)], NOW)
    due.push_all(conn, "judge", ["d1"], NOW)
    assert due.drop(conn, "dns", ["d7", "unknown"]) == 1199
    found = conn.execute(select(schema.due.c.kind, schema.due.c.target).order_by(schema.due.c.kind)).all()
    assert [tuple(row) for row in found] == [("dns", "d7"), ("judge", "d1")]


def test_several_processes_share_the_work(url: str) -> None:
    """Four stores on one database claim at once: every row is claimed by exactly one."""
    stores = [Store.open(url, migrate=False) for _ in range(4)]
    stores[0].write_sync(lambda conn: due.push_all(conn, "dns", [f"d{n}" for n in range(400)], NOW))
    taken: list[str] = []

    def work(store: Store) -> None:
        while rows := store.write_sync(lambda conn: due.claim(conn, NOW, LEASE, "x", 7)):
            assert len(rows) <= 7
            taken.extend(row.target for row in rows)

    threads = [threading.Thread(target=work, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for store in stores:
        store.close()
    assert sorted(taken) == sorted(f"d{n}" for n in range(400))


def test_heartbeats(conn: Connection) -> None:
    assert heartbeats.newest(conn) == ()
    heartbeats.beat(conn, "a", NOW, {"domains": 3})
    heartbeats.beat(conn, "b", NOW + minutes(1), {})
    heartbeats.beat(conn, "a", NOW + minutes(2), {"domains": 4})
    assert heartbeats.newest(conn) == (
        heartbeats.Heartbeat("a", NOW + minutes(2), {"domains": 4}),
        heartbeats.Heartbeat("b", NOW + minutes(1), {}),
    )


def test_release_takes_from_the_dead_and_leaves_the_living(conn: Connection) -> None:
    due.push_all(conn, "dns", ["a", "b", "c"], NOW)
    assert (claimed(conn, limit=1, owner="dead"), claimed(conn, limit=1, owner="living")) == (["a"], ["b"])
    (late,) = conn.execute(select(schema.due.c.token).where(schema.due.c.target == "a")).scalars()
    assert due.owners(conn) == {"dead", "living"}
    due.release(conn, {"dead", "never seen"})
    assert due.owners(conn) == {"living"}
    (token,) = conn.execute(select(schema.due.c.token).where(schema.due.c.target == "a")).scalars()
    assert token > late, "the dead one cannot give it back any more, should it live after all"
    due.release(conn, set())
    assert due.owners(conn) == {"living"}
    assert claimed(conn, LEASE) == ["a", "b", "c"]
