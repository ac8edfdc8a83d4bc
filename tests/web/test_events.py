"""Events that cannot be believed: each refused by its place in the batch, counted and logged; the others are taken."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from deliverd.store import events
from peers.door import Door, Watch
from peers.mail_events import event

PERSON = "canary.person@gmail.com"
ABSENT: Any = object()


def instant(**ago: float) -> str:
    return (datetime.now(UTC) - timedelta(**ago)).isoformat()


FUTURE = {"at": instant(days=-1)}
DAY = 24 * 60
CASES: tuple[tuple[str, dict[str, Any], str, str], ...] = (
    ("unknown domain", {"domain": "stranger.test"}, "unknown-domain", "not a configured domain"),
    ("the parent of a domain", {"domain": "com.test"}, "unknown-domain", "not a configured domain"),
    ("no domain", {"domain": "acme"}, "bad-domain", "not a host name"),
    ("an address for a domain", {"domain": PERSON}, "bad-domain", "not a host name"),
    ("a domain with a line end", {"domain": "acme.com\nready"}, "bad-domain", "not a host name"),
    ("future", FUTURE, "future", "is in the future (now "),
    ("far future", {"at": "9999-12-31T23:59:59Z"}, "future", "is in the future (now "),
    ("beyond the calendar", {"at": "9999-12-31T23:59:59-12:00"}, "malformed", "outside the calendar"),
    ("ancient", {"at": instant(days=61), "sent_at": instant(days=62)}, "ancient", "more than 60 days ago"),
    ("sent long ago", {"sent_at": "1970-01-01T00:00:00Z"}, "ancient", "sent_at 1970-01-01"),
    ("sent after it came", {"at": instant(hours=2), "sent_at": instant(hours=1)}, "sent-after-at", "is after at"),
    ("no time", {"at": ABSENT}, "malformed", "missing required field `at`"),
    ("not known when sent", {"sent_at": ABSENT}, "malformed", "sent_at is missing"),
    ("a time in words", {"at": "yesterday"}, "malformed", "$.at"),
    ("a time as a number", {"at": 1_700_000_000}, "malformed", "$.at"),
    ("a time without an offset", {"at": "2026-11-22T12:00:00"}, "malformed", "$.at"),
    ("NaN", {"count": float("nan")}, "malformed", "$.count"),
    ("infinity", {"count": float("inf")}, "malformed", "$.count"),
    ("minus infinity", {"count": float("-inf")}, "malformed", "$.count"),
    ("negative", {"count": -1}, "negative-count", "count is under 1"),
    ("zero", {"count": 0}, "negative-count", "count is under 1"),
    ("very negative", {"count": -(10**4000)}, "negative-count", "count is under 1"),
    ("absurd", {"count": 10**10}, "malformed", "$.count"),
    ("endless", {"count": 10**4000}, "malformed", "$.count"),
    ("a fraction", {"count": 1.5}, "malformed", "$.count"),
    ("a number as text", {"count": "3"}, "malformed", "$.count"),
    ("yes", {"count": True}, "malformed", "$.count"),
    ("no id", {"id": ABSENT}, "malformed", "missing required field `id`"),
    ("an empty id", {"id": ""}, "malformed", "$.id"),
    ("an id that is a number", {"id": 5}, "malformed", "$.id"),
    ("a long id", {"id": "x" * 201}, "malformed", "$.id"),
    ("an id with a line end", {"id": 'evt\n{"event": "stopped"}'}, "malformed", "id holds a character"),
    ("an id with orders for a terminal", {"id": "\x1b[2Jevt"}, "malformed", "id holds a character"),
    ("an id written backwards", {"id": "evt\u202e"}, "malformed", "id holds a character"),
    ("NUL", {"id": "evt\x00"}, "malformed", "id holds a character"),
    ("half a character", {"id": "evt\ud800"}, "malformed", "id holds a character"),
    ("a message id with a line end", {"message_id": "a\r\nb"}, "malformed", "message_id holds a character"),
    ("no type", {"type": ABSENT}, "malformed", "missing required field `type`"),
    ("another type", {"type": "exploded"}, "unknown-type", "sent, delivered, bounced, complained"),
    ("a type that is a list", {"type": ["sent"]}, "malformed", "$.type"),
    ("neither hard nor soft", {"type": "bounced"}, "malformed", "says hard or soft"),
    ("a person for a bounce", {"type": "bounced", "bounce": PERSON}, "malformed", "neither hard nor soft"),
    ("long feedback", {"feedback_type": "x" * 65}, "malformed", "$.feedback_type"),
    ("feedback with orders", {"feedback_type": "\x1b[31mabuse"}, "malformed", "feedback_type holds a character"),
)


def made(changes: dict[str, Any]) -> dict[str, Any]:
    row = event("complained", count=100) | changes
    return {name: value for name, value in row.items() if value is not ABSENT}


@pytest.mark.parametrize(("changes", "code", "words"), [row[1:] for row in CASES], ids=[row[0] for row in CASES])
def test_refused_alone(door: Door, changes: dict[str, Any], code: str, words: str) -> None:
    watch = Watch(door)
    answer = door.report(made(changes))
    assert answer.status == 422
    (reject,) = answer.json["rejected"]
    assert (reject["index"], reject["code"]) == (0, code)
    assert words in reject["reason"]
    assert watch.counted(f'deliverd_events_rejected_total{{account="mail",code="{code}"}}') == 1
    (line,) = watch.said("event rejected")
    assert (line["code"], line["index"], line["why"]) == (code, 0, reject["reason"])
    assert PERSON not in json.dumps([answer.json, line])


@pytest.mark.parametrize("item", [None, 5, "sent", [], {}, [{}], True, float("nan")], ids=repr)
def test_no_event_at_all(door: Door, item: Any) -> None:
    answer = door.send(json.dumps({"events": [item]}).encode())
    assert answer.status == 422
    assert [(row["index"], row["code"]) for row in answer.json["rejected"]] == [(0, "malformed")]


def test_a_key_twice_in_an_event(door: Door) -> None:
    text = json.dumps({"events": [event("complained", count=1)]}).replace('"count": 1', '"count": 1, "count": 900')
    answer = door.send(text.encode())
    assert [row["code"] for row in answer.json["rejected"]] == ["duplicate-key"]


def test_of_a_mixed_batch_the_good_are_taken_and_the_bad_named_by_their_place(door: Door) -> None:
    bad = [made(dict(CASES[number][1])) for number in (0, 16, 5, 38)]
    good = [event("sent"), event("delivered"), event("bounced", bounce="hard")]
    watch = Watch(door)
    answer = door.report(good[0], bad[0], bad[1], good[1], bad[2], good[2], bad[3], made({"domain": "other.test"}))
    assert (answer.status, answer.json["accepted"]) == (200, 3)
    assert [(row["index"], row["code"]) for row in answer.json["rejected"]] == [
        (1, "unknown-domain"),
        (2, "malformed"),
        (4, "future"),
        (6, "unknown-type"),
        (7, "unknown-domain"),
    ]
    assert watch.counted('deliverd_events_accepted_total{account="mail"}') == 3
    assert len(watch.said("event rejected")) == 5


def test_the_same_id_twice_in_a_batch_counts_once(door: Door) -> None:
    first = event("sent", count=3, minutes_ago=20 * DAY)
    before = total(door)
    answer = door.report(first, first | {"count": 900}, first)
    assert (answer.status, answer.json["accepted"], answer.json["duplicates"]) == (200, 1, 2)
    assert total(door) - before == 3


def test_ten_thousand_events_at_once(door: Door) -> None:
    at = instant(minutes=5)[:19] + "Z"
    many = [f'{{"id":"m{number}","type":"sent","domain":"acme.com","at":"{at}"}}' for number in range(10_000)]
    content = f'{{"events":[{",".join(many)}]}}'.encode()
    before = total(door)
    assert door.send(content).json == {"accepted": 10_000, "duplicates": 0, "rejected": []}
    assert door.send(content).json == {"accepted": 0, "duplicates": 10_000, "rejected": []}
    assert total(door) - before == 10_000


def test_ten_thousand_bad_ones_are_each_named_and_the_log_stays_short(door: Door) -> None:
    watch = Watch(door)
    answer = door.send(b'{"events":[' + b"{}," * 9_999 + b"{}]}")
    assert answer.status == 422
    assert [row["index"] for row in answer.json["rejected"]] == list(range(10_000))
    assert watch.counted('deliverd_events_rejected_total{account="mail",code="malformed"}') == 10_000
    assert len(watch.said("event rejected")) == 10
    assert [line["codes"] for line in watch.said("more events rejected")] == [{"malformed": 9_990}]


def test_what_it_does_not_know_is_passed_over_and_kept_nowhere(door: Door) -> None:
    row = event("complained", recipient=PERSON, recipient_domain=PERSON, subject="<script>alert(1)</script>")
    assert door.report(row).json["accepted"] == 1
    database = door.daemon.folder / "deliverd.db"
    files = [database, *database.parent.glob("deliverd.db-*"), door.daemon.log_path]
    assert not [path.name for path in files if PERSON.encode() in path.read_bytes()]


def total(door: Door) -> int:
    return door.daemon.ask(lambda conn: events.counts(conn, "acme.com", None)).sent
