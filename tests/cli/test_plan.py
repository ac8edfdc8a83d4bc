"""`deliverd plan` against a sender that really answers."""

from deliverd import clock
from deliverd.model import Mode, Outcome
from peers import past
from peers.commands import House
from peers.own_sender import Fault


def test_nothing_to_do_is_0_and_said_plainly(house: House) -> None:
    ran = house.call("plan")
    assert (ran.code, ran.err, ran.out) == (0, "", "3 of 3 domains: nothing to do.\n")
    assert house.call("plan", "acme.test").out == "1 of 1 domain: nothing to do.\n"
    assert {call.method for call in house.sender.calls} == {"GET"}


def test_what_would_be_done_is_shown_and_not_done(house: House) -> None:
    now = clock.now()
    house.store.write_sync(lambda conn: past.asked(conn, past.decided(conn, "acme.test", now)))
    ran = house.call("plan")
    assert ran.code == 1
    assert ran.out == (
        "acme.test\n"
        f"  would do       mail/domain:acme.test: running -> paused, because complaints-pause: {past.REASON}\n"
        "\n2 of 3 domains: nothing to do.\n"
    )
    assert {call.method for call in house.sender.calls} == {"GET"}
    assert house.sender.domains["acme.test"].state == "running"


def test_what_is_done_already_is_nothing_to_do(house: House) -> None:
    now = clock.now()
    house.store.write_sync(
        lambda conn: past.done(conn, past.asked(conn, past.decided(conn, "acme.test", now)), Outcome.CONFIRMED)
    )
    house.sender.person_sets("acme.test", "paused", author="deliverd")
    assert house.call("plan", "acme.test").code == 0


def test_what_deliverd_would_ask_in_the_other_modes(house: House) -> None:
    now = clock.now()

    def write(conn: past.Conn) -> None:
        past.decided(conn, "bulk.test", now, mode=Mode.PROPOSE)
        past.decided(conn, "quiet.test", now, mode=Mode.OBSERVE)

    house.store.write_sync(write)
    ran = house.call("plan")
    assert ran.code == 1
    assert f"bulk.test\n  would ask      paused, because {past.REASON}\n" in ran.out
    assert "nothing is done until a person approves it: deliverd approve bulk.test" in ran.out
    assert 'nothing is done in mode "observe"' in ran.out
    assert "1 of 3 domains: nothing to do." in ran.out
    proposed = {one["domain"]: one["proposed"] for one in house.call("plan", "--json").json["domains"]}
    assert proposed == {
        "acme.test": None,
        "bulk.test": {"state": "paused", "per_day": None},
        "quiet.test": {"state": "paused", "per_day": None},
    }


def test_a_persons_own_pause_is_shown_and_left(house: House) -> None:
    house.sender.person_sets("acme.test", "paused")
    ran = house.call("plan", "acme.test", "--json")
    assert ran.code == 1
    (row,) = ran.json["domains"]
    assert row["actions"] == []
    assert [one["kind"] for one in row["findings"]] == ["foreign-pause"]


def test_a_platform_that_cannot_be_read_is_2(house: House) -> None:
    house.sender.fail(Fault.BROKEN)
    ran = house.call("plan", "acme.test")
    assert ran.code == 2
    assert "cannot read mail/domain:acme.test" in ran.out
