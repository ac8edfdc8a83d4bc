"""`deliverd status` on stores with a past."""

import re
from datetime import timedelta

import pytest

from deliverd import clock
from deliverd.model import Limit, Mode, OrderKind, Outcome, SendState, Standing
from deliverd.store import orders
from peers import past
from peers.commands import House

THROTTLED = Limit(SendState.THROTTLED, 700)


def test_all_good_is_0(house: House) -> None:
    house.store.write_sync(lambda conn: past.beat(conn, clock.now()))
    ran = house.call("status")
    assert (ran.code, ran.err) == (0, "")
    lines = ran.out.splitlines()
    assert lines[0].startswith("DOMAIN")
    assert [line.split()[:4] for line in lines[1:4]] == [
        ["acme.test", "healthy", "-", "enforce"],
        ["bulk.test", "healthy", "-", "propose"],
        ["quiet.test", "healthy", "-", "observe"],
    ]
    assert re.fullmatch(r"The daemon runs \(mailhost/4711, last sign of life \d+ s ago\)\.", lines[-1])


def test_a_dead_daemon_is_2_and_said_plainly(house: House) -> None:
    assert "has never run" in house.call("status").out
    house.store.write_sync(lambda conn: past.beat(conn, clock.now(), timedelta(seconds=40)))
    ran = house.call("status")
    assert ran.code == 2
    assert "The daemon does NOT run: last sign of life 40 s ago" in ran.out


def test_worst_first_with_what_is_asked_and_whether_it_holds(house: House) -> None:
    now = clock.now()

    def write(conn: past.Conn) -> None:
        past.beat(conn, now)
        past.mail(conn, "quiet.test", now, 10_000, 17)
        watched = past.decided(conn, "acme.test", now, Standing.WATCH, past.RUNNING)
        past.opened(conn, "acme.test", "standing", now, watched.id)
        throttled = past.decided(conn, "bulk.test", now, Standing.THROTTLED, THROTTLED)
        past.done(conn, past.asked(conn, throttled), Outcome.CONFIRMED)
        paused = past.decided(conn, "quiet.test", now)
        past.done(conn, past.asked(conn, paused), Outcome.FAILED, "said no: the queue is busy")

    house.store.write_sync(write)
    ran = house.call("status")
    assert ran.code == 1
    rows = ran.out.splitlines()
    assert [row.split()[:2] for row in rows[1:4]] == [
        ["quiet.test", "paused"],
        ["bulk.test", "throttled"],
        ["acme.test", "watch"],
    ]
    assert "paused, NOT CONFIRMED" in rows[1] and "17 of 10,000 (0.17 %) since " in rows[1]
    assert "throttled to 700 a day, confirmed" in rows[2]
    assert " nothing " in rows[3]
    assert "  lever    mail/domain:quiet.test paused: failed" in ran.out
    assert "(said no: the queue is busy)" in ran.out
    assert f"  why      {past.REASON}" in ran.out


def test_not_done_yet_is_not_confirmed(house: House) -> None:
    now = clock.now()
    house.store.write_sync(lambda conn: past.asked(conn, past.decided(conn, "acme.test", now)))
    assert "paused, not done yet" in house.call("status").out
    (first, *_) = house.call("status", "--json").json["domains"]
    assert (first["domain"], first["confirmed"]) == ("acme.test", False)


def test_what_is_only_proposed_is_said_to_be(house: House) -> None:
    now = clock.now()

    def write(conn: past.Conn) -> None:
        past.decided(conn, "bulk.test", now, mode=Mode.PROPOSE)
        past.decided(conn, "quiet.test", now, mode=Mode.OBSERVE)

    house.store.write_sync(write)
    ran = house.call("status")
    assert ran.out.count("nothing (would ask: paused)") == 2
    assert "deliverd approve bulk.test" in ran.out
    assert "deliverd approve quiet.test" not in ran.out


@pytest.mark.parametrize("held", [True, False])
def test_blind_is_2_and_holds_are_shown(house: House, held: bool) -> None:
    now = clock.now()

    def write(conn: past.Conn) -> None:
        past.beat(conn, now)
        past.blind(conn, "acme.test", now)
        end = now + timedelta(hours=24 if held else -24)
        orders.append(conn, "acme.test", OrderKind.HOLD, "ann@x", "audit", now, end)

    house.store.write_sync(write)
    ran = house.call("status")
    assert ran.code == 2
    assert " spf " in ran.out.splitlines()[1]
    assert ("by ann@x: audit" in ran.out) is held


def test_other_incidents_are_1_with_their_words(house: House) -> None:
    now = clock.now()

    def write(conn: past.Conn) -> None:
        past.beat(conn, now)
        past.opened(conn, "acme.test", "foreign-pause", now, texts=["paused by ann at the platform"])

    house.store.write_sync(write)
    ran = house.call("status")
    assert ran.code == 1
    assert "foreign-pause" in ran.out.splitlines()[1]
    assert "paused by ann at the platform" in ran.out


def test_mail_before_the_epoch_does_not_count(house: House) -> None:
    now = clock.now()
    house.store.write_sync(lambda conn: past.mail(conn, "acme.test", now, 100, 5))
    counted = {one["domain"]: one["complaints"] for one in house.call("status", "--json").json["domains"]}
    assert (counted["acme.test"]["complained"], counted["acme.test"]["sent"]) == (5, 100)
    assert counted["acme.test"]["rate"] == 0.05
    assert counted["quiet.test"]["sent"] == 0


def test_no_domain_at_all(house: House) -> None:
    text = house.config.read_text()
    house.config.write_text(text[: text.index('[domains."acme.test"]')])
    house.store.write_sync(lambda conn: past.beat(conn, clock.now()))
    ran = house.call("status")
    assert (ran.code, ran.out.splitlines()[0]) == (0, "No domain is configured.")
