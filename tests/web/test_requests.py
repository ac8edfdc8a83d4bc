"""Requests that cannot be taken in as a whole: refused in words, counted, logged; and what may come twice."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from deliverd.store import events
from peers.door import Answer, Door, Watch, signed
from peers.mail_events import event
from peers.own_sender import SECRET

ANOTHER_SECRET = "whsec_" + base64.b64encode(b"another secret, 32 bytes of it..").decode()
GOOD = json.dumps({"events": [event("complained")]}).encode()


@dataclass(frozen=True)
class Case:
    """What is sent, and the status, code and words that come back."""

    what: str
    send: Callable[[Door], Answer]
    status: int
    code: str
    words: str
    account: str = "mail"


def body(what: str, content: bytes, words: str) -> Case:
    return Case(what, lambda door: door.send(content), 422, "malformed", words)


def headers(what: str, words: str, *without: str, **changed: str) -> Case:
    def send(door: Door) -> Answer:
        made = signed(GOOD, SECRET) | {f"webhook-{name}": value for name, value in changed.items()}
        return door.post(GOOD, {name: value for name, value in made.items() if name not in without})

    return Case(what, send, 401, "forged", words)


def stamped(what: str, words: str, stamp: str) -> Case:
    return Case(what, lambda door: door.send(GOOD, stamp=stamp), 401, "forged", words)


def aged(what: str, words: str, age: timedelta) -> Case:
    return Case(what, lambda door: door.send(GOOD, at=datetime.now(UTC) - age), 401, "forged", words)


def stranger(what: str, path: str) -> Case:
    words = "no platform account"
    return Case(what, lambda door: door.send(GOOD, path=path), 404, "unknown-account", words, account="unknown")


DEEP = 100_000
CASES = (
    body("not JSON", b'{"events": [', "not JSON in UTF-8"),
    body("cut off", GOOD[:-20], "not JSON in UTF-8"),
    body("nothing", b"", "not JSON in UTF-8"),
    body("a page", b"<html>hello</html>", "not JSON in UTF-8"),
    body("a list", b"[]", "not an object with a list of events"),
    body("null", b"null", "not an object with a list of events"),
    body("no events", b'{"messages": []}', "not an object with a list of events"),
    body("events is no list", b'{"events": {"0": {}}}', "not an object with a list of events"),
    body("a key twice", b'{"events": [], "events": []}', "a key stands twice"),
    body("too many events", b'{"events":[' + b"{}," * 10_000 + b"{}]}", "10001 events, at most 10000"),
    body("deep lists", b"[" * DEEP, "nested too deeply"),
    body("deep in an event", b'{"events":[{"x":' + b'{"y":' * DEEP + b"1" + b"}" * DEEP + b"}]}", "nested too deeply"),
    Case("not UTF-8", lambda door: door.send(b'{"events": ["\xff"]}'), 401, "forged", "not UTF-8"),
    Case("UTF-16", lambda door: door.send(GOOD.decode().encode("utf-16")), 401, "forged", "not UTF-8"),
    headers("unsigned", "is missing", "webhook-id", "webhook-timestamp", "webhook-signature"),
    headers("no signature", "is missing", "webhook-signature"),
    headers("forged", "does not match", signature="v1," + base64.b64encode(b"x" * 32).decode()),
    headers("not base64", "is not base64", signature="v1,$$$"),
    headers("too short", "is not 32 bytes long", signature="v1,YWJj"),
    headers("another version", "no signature of version v1", signature="v2,YWJj"),
    headers("another id", "does not match", id="msg_2"),
    Case("another body", lambda door: door.post(GOOD + b" ", signed(GOOD, SECRET)), 401, "forged", "body was changed"),
    Case("another secret", lambda door: door.post(GOOD, signed(GOOD, ANOTHER_SECRET)), 401, "forged", "another secret"),
    aged("old", "s ago, at most 300 allowed", timedelta(minutes=6)),
    aged("ahead", "s ahead, at most 300 allowed", timedelta(minutes=-6)),
    stamped("no time", "not in seconds since 1970", "yesterday"),
    stamped("minus", "not in seconds since 1970", "-1"),
    stamped("endless", "not in seconds since 1970", "9" * 500),
    stamped("in milliseconds", "not in seconds since 1970", "1700000000000"),
    stranger("unknown account", "/hooks/nobody"),
    stranger("account with orders for a terminal", "/hooks/%0aready%1b%5b31m"),
    stranger("long account", "/hooks/" + "x" * 4000),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_refused_whole(door: Door, case: Case) -> None:
    watch = Watch(door)
    answer = case.send(door)
    assert (answer.status, answer.json["error"]) == (case.status, case.code)
    assert case.words in answer.json["reason"]
    assert watch.counted(f'deliverd_requests_refused_total{{account="{case.account}",code="{case.code}"}}') == 1
    (line,) = watch.said("request refused")
    assert (line["status"], line["code"], line["why"]) == (case.status, case.code, answer.json["reason"])
    assert watch.counted('deliverd_events_accepted_total{account="mail"}') == 0


@pytest.mark.parametrize(("method", "status"), [("GET", 405), ("PUT", 405), ("BREW", 400)])
def test_another_method(door: Door, method: str, status: int) -> None:
    with door.begin(f"{method} /hooks/mail HTTP/1.1\nhost: x\n\n") as sock:
        assert sock.recv(100).startswith(f"HTTP/1.1 {status}".encode())


def test_no_http_at_all(door: Door) -> None:
    with door.begin("", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100)) as sock:
        assert sock.recv(100).startswith(b"HTTP/1.1 400")


def test_a_request_replayed_counts_once(door: Door) -> None:
    sent = json.dumps({"events": [event("sent", count=7, minutes_ago=3000)]}).encode()
    made = signed(sent, SECRET)
    watch = Watch(door)
    before = counted(door)
    answers = [door.post(sent, made).json for _ in range(3)]
    assert [(answer["accepted"], answer["duplicates"]) for answer in answers] == [(1, 0), (0, 1), (0, 1)]
    assert watch.counted('deliverd_events_duplicate_total{account="mail"}') == 2
    assert counted(door) - before == 7


def test_several_signatures_of_which_one_holds(door: Door) -> None:
    made = signed(GOOD, SECRET)
    made["webhook-signature"] = f"v1a,xyz v1,YWJj {made['webhook-signature']}"
    assert door.post(GOOD, made).status == 200


def counted(door: Door) -> int:
    return door.daemon.ask(lambda conn: events.counts(conn, "acme.com", None)).sent
