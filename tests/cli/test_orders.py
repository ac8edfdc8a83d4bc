"""`deliverd pause`, `resume`, `approve` and `hold`: recorded, followed, and told how it went."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from deliverd import clock
from deliverd.model import Mode, Order, OrderKind, Outcome, Standing
from deliverd.store import orders
from peers import past
from peers.commands import House, Ran, run


def recorded(house: House, domain: str = "acme.test") -> tuple[Order, ...]:
    return house.store.read_sync(lambda conn: orders.newest(conn, domain))


def answered(house: House, act: Callable[[past.Conn, Order], None], *command: str) -> Ran:
    """Run the command while something that beats like a daemon waits for the order and answers it with `act`."""

    def answer() -> None:
        for _ in range(200):
            if found := recorded(house, command[1]):
                house.store.write_sync(lambda conn: act(conn, found[0]))
                return
            time.sleep(0.02)

    house.store.write_sync(lambda conn: past.beat(conn, clock.now()))
    thread = threading.Thread(target=answer)
    thread.start()
    ran = house.call(*command)
    thread.join()
    return ran


def paused_with(outcome: Outcome, detail: str = "") -> Callable[[past.Conn, Order], None]:
    def act(conn: past.Conn, order: Order) -> None:
        made = past.decided(conn, order.domain, clock.now(), author=order.author, order_id=order.id)
        past.done(conn, past.asked(conn, made), outcome, detail)

    return act


@pytest.mark.parametrize("command", ["pause", "resume"])
def test_without_a_daemon_it_is_recorded_and_said_to_be_2(house: House, command: str) -> None:
    begun = time.monotonic()
    ran = house.call(command, "ACME.test", "--reason", " list bought ")
    assert time.monotonic() - begun < 10
    assert (ran.code, ran.err) == (2, "")
    (order,) = recorded(house)
    assert (order.kind, order.reason, order.domain) == (OrderKind(command), "list bought", "acme.test")
    assert order.author.startswith("ann@")
    assert ran.out.splitlines() == [
        f"acme.test: {command} recorded as order {order.id}, by {order.author}: list bought",
        "The daemon has never run on this store; start it with deliverd run.",
        "The order is recorded, and will be done once deliverd run runs.",
    ]


def test_a_confirmed_pause_is_0(house: House) -> None:
    ran = answered(house, paused_with(Outcome.CONFIRMED), "pause", "acme.test", "-r", "x", "--by", "bob")
    assert (ran.code, ran.err) == (0, "")
    lines = ran.out.splitlines()
    assert "by bob: x" in lines[0]
    assert "  decided  paused, asks for: paused" in lines
    assert lines[-2].startswith("  lever    mail/domain:acme.test paused: confirmed at ")
    assert lines[-1] == "acme.test: done, confirmed by the platform."


def test_a_pause_the_platform_refuses_is_1(house: House) -> None:
    ran = answered(house, paused_with(Outcome.FAILED, "busy"), "pause", "acme.test", "-r", "x", "--wait", "3")
    assert ran.code == 1
    assert "paused: failed at " in ran.out and "(busy)" in ran.out
    assert ran.out.splitlines()[-1].startswith("acme.test: the platform does NOT do it after 3 s")


def test_a_pause_that_moves_no_lever_is_not_done(house: House) -> None:
    def act(conn: past.Conn, order: Order) -> None:
        past.decided(conn, order.domain, clock.now(), author=order.author, order_id=order.id)
        past.opened(conn, order.domain, "no-lever", clock.now(), texts=["its levers cannot be found"])

    ran = answered(house, act, "pause", "acme.test", "-r", "x", "--wait", "2", "--json")
    assert ran.code == 1
    assert (ran.json["stage"], ran.json["notes"]) == ("decided", ["its levers cannot be found"])


def test_a_daemon_that_does_not_come_to_it_in_time_is_2(house: House) -> None:
    house.store.write_sync(lambda conn: past.beat(conn, clock.now()))
    ran = house.call("pause", "acme.test", "-r", "x", "--wait", "0.5")
    assert ran.code == 2
    assert ran.out.splitlines()[-1].startswith("acme.test: not done yet after 0.5 s")


def test_resuming_what_was_never_held_back_moves_nothing(house: House) -> None:
    def act(conn: past.Conn, order: Order) -> None:
        past.decided(
            conn, order.domain, clock.now(), Standing.HEALTHY, past.RUNNING, author=order.author, order_id=order.id
        )

    ran = answered(house, act, "resume", "acme.test", "-r", "x")
    assert ran.code == 0
    assert ran.out.splitlines()[-1] == "acme.test: done; nothing had to be moved."


def test_json_of_an_order(house: House) -> None:
    ran = answered(house, paused_with(Outcome.CONFIRMED), "pause", "acme.test", "-r", "x", "--json")
    assert ran.code == 0
    assert ran.json["stage"] == "done"
    assert ran.json["order"]["kind"] == "pause"
    assert ran.json["decision"]["limit"] == {"state": "paused", "per_day": None}
    assert ran.json["levers"][0]["outcome"] == "confirmed"
    assert ran.json["daemon"]["alive"] is True


def test_an_approval_names_the_decision_it_approves(house: House) -> None:
    now = clock.now()
    made = house.store.write_sync(lambda conn: past.decided(conn, "bulk.test", now, mode=Mode.PROPOSE))

    def act(conn: past.Conn, order: Order) -> None:
        past.done(conn, past.asked(conn, made), Outcome.CONFIRMED)

    ran = answered(house, act, "approve", "bulk.test")
    assert ran.code == 0
    (order,) = recorded(house, "bulk.test")
    assert (order.kind, order.decision_id, order.reason) == (OrderKind.APPROVE, made.id, "approved")


def test_an_approval_that_was_overtaken_is_1(house: House) -> None:
    now = clock.now()
    house.store.write_sync(lambda conn: past.decided(conn, "bulk.test", now, mode=Mode.PROPOSE))

    def act(conn: past.Conn, order: Order) -> None:
        past.decided(conn, "bulk.test", clock.now(), Standing.WATCH, past.RUNNING, mode=Mode.PROPOSE)

    ran = answered(house, act, "approve", "bulk.test")
    assert ran.code == 1
    assert "judged anew meanwhile" in ran.out


def test_there_has_to_be_something_to_approve(house: House) -> None:
    ran = house.call("approve", "bulk.test")
    assert (ran.code, recorded(house, "bulk.test")) == (64, ())
    assert "nothing to approve; it is healthy" in ran.err
    house.store.write_sync(lambda conn: past.decided(conn, "quiet.test", clock.now(), mode=Mode.OBSERVE))
    ran = house.call("approve", "quiet.test")
    assert (ran.code, recorded(house, "quiet.test")) == (64, ())
    assert 'in mode "observe", which proposes nothing' in ran.err


@pytest.mark.parametrize(
    "arguments", [("--reason", " "), ("--reason", "x", "--by", "policy"), ("-r", "x", "--by", " Deliverd")]
)
def test_orders_need_a_reason_and_a_person(house: House, arguments: tuple[str, ...]) -> None:
    assert house.call("pause", "acme.test", *arguments).code == 64
    assert house.call("hold", "acme.test", *arguments).code == 64
    assert recorded(house) == ()


def test_sudo_does_not_hide_who_it_was(house: House) -> None:
    assert run("-c", str(house.config), "pause", "acme.test", "-r", "x", SUDO_USER="carol", USER="root").code == 2
    assert recorded(house)[0].author.startswith("carol@")


def test_holds_end_when_told(house: House) -> None:
    begun = clock.now()
    assert house.call("hold", "acme.test", "-r", "audit", "--for", "24h").code == 0
    until = recorded(house)[0].until
    assert until is not None
    assert begun + timedelta(hours=24) <= until <= clock.now() + timedelta(hours=24)
    at = (begun + timedelta(days=3)).replace(microsecond=0)
    assert house.call("hold", "acme.test", "-r", "audit", "--until", at.isoformat()).code == 0
    assert recorded(house)[0].until == at
    ran = house.call("hold", "acme.test", "-r", "audit")
    assert recorded(house)[0].until is None
    assert "held until released with --release" in ran.out
    assert "counts once deliverd run runs" in ran.out


def test_a_release_ends_the_hold_in_force(house: House) -> None:
    house.store.write_sync(lambda conn: past.beat(conn, clock.now()))
    ran = house.call("hold", "acme.test", "-r", "x", "--release")
    assert (ran.code, recorded(house)) == (64, ())
    assert "no hold is in force" in ran.err
    assert house.call("hold", "acme.test", "-r", "x").code == 0
    ran = house.call("hold", "acme.test", "-r", "over", "--release", "--json")
    assert (ran.code, ran.json["order"]["kind"]) == (0, "release")
    assert house.call("hold", "acme.test", "-r", "x", "--release").code == 64


@pytest.mark.parametrize(
    "arguments",
    [
        ("--for", "24"),
        ("--until", "yesterday"),
        ("--until", datetime(2020, 1, 1, tzinfo=UTC).isoformat()),
        ("--for", "1h", "--release"),
        ("--for", "1h", "--until", "2099-01-01"),
    ],
)
def test_holds_that_make_no_sense_are_64(house: House, arguments: tuple[str, ...]) -> None:
    ran = house.call("hold", "acme.test", "-r", "x", *arguments)
    assert (ran.code, ran.out, recorded(house)) == (64, "", ())
