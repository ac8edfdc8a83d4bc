"""`deliverd explain`: the whole chain, with every number."""

import json
from datetime import datetime, timedelta
from typing import Any

from deliverd import clock
from deliverd.commands.explain import explain
from deliverd.commands.output import stamp
from deliverd.core import detection
from deliverd.model import OrderKind, Outcome, Standing
from deliverd.settings_policies import load_default_policies
from deliverd.store import cohorts, decisions, events, orders
from deliverd.store.events import Batch
from peers import past
from peers.commands import House
from peers.values import decision
from probes.observation import EventKind, MailEvent


def test_the_chain_from_seen_to_told(house: House) -> None:
    now = clock.now() - timedelta(minutes=5)

    def write(conn: past.Conn) -> None:
        made = past.decided(conn, "acme.test", now)
        past.done(conn, past.asked(conn, made), Outcome.CONFIRMED)
        past.told(conn, past.opened(conn, "acme.test", "standing", now, made.id), now, sent=True)

    house.store.write_sync(write)
    ran = house.call("explain", "acme.test")
    assert (ran.code, ran.err) == (0, "")
    at = stamp(now)
    done = stamp(now + timedelta(milliseconds=40))
    assert ran.out.splitlines() == [
        f"{at}  acme.test: healthy -> paused  decision 1, by policy, rule complaints-pause, mode enforce",
        f"  seen     spf at {at}: code ok, record v=spf1 -all",
        "           complaints 17, sent 10,000, rate 0.17 %, threshold 0.1 %, complaints needed 5",
        f"  decided  {past.REASON}",
        "           asks for: paused; normal volume 1,400 a day",
        f"  done     mail/domain:acme.test: running -> paused, attempt 1 at {at}: confirmed at {done}, "
        "read back paused by deliverd",
        f'  told     growth: "PAGE acme.test is PAUSED" sent at {at}',
        "",
    ]


def test_what_did_not_work_is_said(house: House) -> None:
    now = clock.now()

    def write(conn: past.Conn) -> None:
        made = past.decided(conn, "acme.test", now)
        past.done(conn, past.asked(conn, made), Outcome.FAILED, "it said no")
        past.told(conn, past.opened(conn, "acme.test", "standing", now, made.id), now, sent=False, detail="refused")
        past.opened(conn, "acme.test", "drift", now)

    house.store.write_sync(write)
    out = house.call("explain", "acme.test").out
    assert "failed at " in out and "read back running by deliverd: it said no" in out
    assert f"NOT sent: refused; tried since {stamp(now)}" in out
    assert "acme.test drift (incident 2, version 1): nobody yet" in out


def test_newest_first_and_no_more_than_asked_for(house: House) -> None:
    now = clock.now()

    def write(conn: past.Conn) -> None:
        past.decided(conn, "acme.test", now - timedelta(hours=1))
        order = orders.append(conn, "acme.test", OrderKind.RESUME, "ann@x", "list cleaned", now)
        past.decided(conn, "acme.test", now, Standing.RECOVERING, past.RUNNING, author="ann@x", order_id=order.id)

    house.store.write_sync(write)
    out = house.call("explain", "acme.test").out
    assert out.index("paused -> recovering") < out.index("healthy -> paused")
    assert "ann@x ordered resume: list cleaned" in out
    assert "nothing was asked of the platform" in out
    assert "healthy -> paused" not in house.call("explain", "acme.test", "--last", "1").out


def test_a_domain_without_a_past(house: House) -> None:
    ran = house.call("explain", "quiet.test")
    assert (ran.code, ran.out) == (
        0,
        "quiet.test: no decision yet. It is healthy until something seen says otherwise.\n",
    )


def test_a_domain_that_only_the_history_knows(house: House) -> None:
    house.store.write_sync(lambda conn: past.decided(conn, "gone.test", clock.now()))
    assert "gone.test: healthy -> paused" in house.call("explain", "gone.test").out


def test_json_is_the_chain(house: House) -> None:
    now = clock.now()

    def write(conn: past.Conn) -> None:
        made = past.decided(conn, "acme.test", now)
        past.done(conn, past.asked(conn, made), Outcome.CONFIRMED)

    house.store.write_sync(write)
    chain = house.call("explain", "acme.test", "--json").json
    (link,) = chain["links"]
    assert link["decision"]["evidence"]["rate"] == 0.0017
    assert link["observations"][0]["answer"]["readings"]["code"] == "ok"
    (wish,) = link["wishes"]
    assert wish["acts"][0]["result"]["outcome"] == "confirmed"


def test_a_reason_cannot_command_the_terminal(house: House) -> None:
    now = clock.now()

    def write(conn: past.Conn) -> None:
        order = orders.append(conn, "acme.test", OrderKind.PAUSE, "eve@x", "\x1b]0;owned\x07", now)
        past.decided(conn, "acme.test", now, author="eve@x", order_id=order.id)

    house.store.write_sync(write)
    out = house.call("explain", "acme.test").out
    assert "\x1b" not in out and "\\x1b]0;owned\\x07" in out


def detected(conn: past.Conn, now: datetime, sent: int = 900) -> None:
    """A decision of the complaint detector, as judging makes it, and mail and a complaint that came after it."""
    past.mail(conn, "acme.test", now, sent, 9)
    rule, since = load_default_policies()["default"].detector, now - timedelta(days=60)
    verdict = detection.detector(rule, cohorts.mail_by_hour(conn, "acme.test", rule.feedback, since), since)
    values = {"domain": "acme.test", "standing": verdict.standing, "rule": verdict.rule, "reason": verdict.reason}
    decisions.append(conn, decision(at=now, since=now, evidence=verdict.evidence, **values))
    late = MailEvent("late", EventKind.COMPLAINED, "acme.test", now, now - timedelta(hours=1), count=3)
    events.ingest_group(conn, [Batch("mail", (late,), (), now)])


def recomputed(house: House, capsys: Any, as_json: bool = False) -> tuple[int, str]:
    code = explain("acme.test", 5, as_json, house.config, recompute=True)
    return code, capsys.readouterr().out


def test_a_decision_of_the_detector_is_worked_out_again(house: House, capsys: Any) -> None:
    house.store.write_sync(lambda conn: detected(conn, clock.now()))
    code, out = recomputed(house, capsys)
    assert code == 0
    assert "where 0.08 % is tolerated; enough at this volume to pause" in out
    proof = "recomputed: decision 1, from the events that had been counted then: the same, bit for bit"
    assert out.splitlines()[-1] == proof
    code, out = recomputed(house, capsys, as_json=True)
    assert (code, json.loads(out)["recomputed"]) == (0, {"decision": 1, "differences": []})


def test_what_does_not_come_out_again_is_said(house: House, capsys: Any) -> None:
    def write(conn: past.Conn) -> None:
        detected(conn, clock.now())
        conn.exec_driver_sql("UPDATE events SET count = 1000 WHERE kind = 'sent'")

    house.store.write_sync(write)
    code, out = recomputed(house, capsys)
    assert code == 1
    assert "NOT the same: " in out and "sent was 900 and is 1000" in out


def test_there_is_nothing_to_work_out_again(house: House, capsys: Any) -> None:
    house.store.write_sync(lambda conn: past.decided(conn, "acme.test", clock.now()))
    code, out = recomputed(house, capsys)
    assert code == 2
    assert out.splitlines()[-1] == "recomputed: none of these decisions is the complaint detector's"
    assert json.loads(recomputed(house, capsys, as_json=True)[1])["recomputed"] is None
