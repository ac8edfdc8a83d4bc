"""The newest look of each source, and since when it has been failing."""

import time
from datetime import timedelta

import pytest
from sqlalchemy import Connection, func, select

from deliverd.model import Look
from deliverd.store import observations, schema
from peers.values import NOW, minutes, observation
from probes.observation import Seen, Unseen, Why

DARK = Unseen(Why.SERVFAIL, "127.0.0.1:53 answered SERVFAIL")


def look(conn: Connection, domain: str = "acme.com") -> Look:
    ((_, found),) = observations.looks(conn, domain)
    return found


@pytest.mark.parametrize(
    ("history", "failures", "since"),
    [
        ("g", 0, None),
        ("u", 0, None),
        ("b", 1, 0),
        ("bb", 2, 0),
        ("gbb", 2, 1),
        ("bgb", 1, 2),
        ("bub", 2, 0),
        ("ubu", 1, 1),
        ("bgu", 0, None),
        ("gubuub", 2, 2),
    ],
)
@pytest.mark.parametrize("together", [True, False], ids=["one-append", "several-appends"])
def test_run_of_failures(conn: Connection, history: str, failures: int, since: int | None, together: bool) -> None:
    """g good, b bad, u unseen. Unseen answers neither lengthen nor break a run."""
    rows = [
        (observation(at=NOW + minutes(n), answer=DARK if kind == "u" else Seen({"n": n})), kind == "b")
        for n, kind in enumerate(history)
    ]
    if together:
        observations.append(conn, rows)
    else:
        for row in rows:
            observations.append(conn, [row])
    seen = [row for row, kind in zip(rows, history, strict=True) if kind != "u"]
    assert look(conn) == Look(
        latest=rows[-1][0],
        seen=seen[-1][0] if seen else None,
        failing_since=None if since is None else NOW + minutes(since),
        failures=failures,
    )


def test_failing_means_nothing_when_unseen(conn: Connection) -> None:
    observations.append(conn, [(observation(answer=DARK), True)])
    assert look(conn).failures == 0


def test_sources_parts_and_domains_are_apart(conn: Connection) -> None:
    rows = [
        (observation("spf"), False),
        (observation("dkim", part="s1", answer=Seen({"code": "missing"})), True),
        (observation("dkim", part="s2"), False),
        (observation("dkim", "b.com", part="s1"), False),
    ]
    ids = observations.append(conn, rows)
    found = observations.looks(conn, "acme.com")
    assert [(row_id, one.latest) for row_id, one in found] == [
        (ids[1], rows[1][0]),
        (ids[2], rows[2][0]),
        (ids[0], rows[0][0]),
    ]
    assert [one.failures for _, one in found] == [1, 0, 0]
    assert observations.looks(conn, "nobody.com") == ()


def test_readings_come_back_as_they_were(conn: Connection) -> None:
    readings = {"text": "ünï\U0001f4e7", "number": 3, "ratio": 0.0012, "flag": True, "words": ("a", "b"), "none": ()}
    seen = observation(answer=Seen(readings))
    unseen = observation("dmarc", answer=DARK)
    first, second = observations.append(conn, [(seen, False), (unseen, False)])
    found = observations.by_ids(conn, [first, second, 10**9])
    assert found == {first: seen, second: unseen}
    answer = found[first].answer
    assert isinstance(answer, Seen)
    assert {name: type(value) for name, value in answer.readings.items()} == {n: type(v) for n, v in readings.items()}


def test_text_of_a_record_that_no_database_holds(conn: Connection) -> None:
    observations.append(conn, [(observation(answer=Seen({"record": "v=spf1 \x00 \udc80"})), True)])
    answer = look(conn).latest.answer
    assert isinstance(answer, Seen)
    assert str(answer.readings["record"]).startswith("v=spf1 \ufffd \ufffd")


def test_nothing_to_append(conn: Connection) -> None:
    assert observations.append(conn, []) == []


def test_looks_stay_quick_with_a_long_history(conn: Connection) -> None:
    """100,000 observations of one domain, one source failing and one dark all along: no slower for it."""
    observations.append(
        conn, [(observation(), True), (observation("dkim"), True), (observation("dkim", answer=DARK), False)]
    )
    names = [column.name for column in schema.observations.c if column.name != "id"]
    doubled = select(*(schema.observations.c[name] for name in names)).where(schema.observations.c.failing.is_(True))
    for _ in range(16):
        conn.execute(schema.observations.insert().from_select(names, doubled))
    latest = observation(at=NOW + timedelta(days=1))
    observations.append(conn, [(latest, True)])
    assert conn.execute(select(func.count()).select_from(schema.observations)).scalar_one() > 100_000
    observations.looks(conn, "acme.com")
    started = time.perf_counter()
    for _ in range(10):
        found = observations.looks(conn, "acme.com")
    # Far above what it takes (4 ms): only a question that walks the whole history would be slower.
    assert (time.perf_counter() - started) / 10 < 0.5
    assert [(one.failures, one.latest.answer) for _, one in found] == [(1, DARK), (2, latest.answer)]


def test_old_days_of_a_daily_source_are_left_out_when_asked(conn: Connection) -> None:
    parts = ["", "2026-11-13", "2026-11-14", "2026-11-15", "compliance"]
    published = [(observation("google_postmaster", part=part), False) for part in parts]
    observations.append(conn, [*published, (observation("dkim", part="20230601"), False)])
    found = observations.looks(conn, "acme.com", ("google_postmaster",), "2026-11-14")
    assert [(one.latest.source, one.latest.part) for _, one in found] == [
        ("dkim", "20230601"),
        *(("google_postmaster", part) for part in parts if part != "2026-11-13"),
    ]
    assert len(observations.looks(conn, "acme.com")) == 6
