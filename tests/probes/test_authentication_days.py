"""DMARC and TLS reports become pass rates of a domain, a day and a reporter, each under its proven author's name."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.aggregate_report import Aggregate, Sessions, Source
from probes.authentication_days import fault, looks, targets
from probes.observation import Reading, Seen, Window

DAY = datetime(2026, 11, 20, tzinfo=UTC)
NOW = DAY + timedelta(days=2)
HOUR = timedelta(hours=1)


def told(*rows: Source | Sessions, hours: float = 24, begin: datetime = DAY, **more: Any) -> Aggregate:
    dmarc = tuple(row for row in rows if isinstance(row, Source))
    sessions = tuple(row for row in rows if isinstance(row, Sessions))
    values: dict[str, Any] = {"kind": "tls-rpt" if sessions else "dmarc-aggregate", "domain": "acme.test"}
    values |= {"reporter": "mail.test", "rows": len(rows), "begin": begin, "end": begin + hours * HOUR}
    return Aggregate(**(values | {"sources": dmarc, "sessions": sessions} | more))


def found(report: Aggregate, *watched: str, author: str = "mail.test") -> dict[str, dict[str, Reading]]:
    every = looks(report, author, watched or None, NOW)
    assert all(look.at == NOW for look in every)
    return {look.target: dict(look.answer.readings) for look in every if isinstance(look.answer, Seen)}


def test_the_numbers_of_dmarc() -> None:
    rows = [Source("acme.test", f"192.0.2.{n}", 10, 3, 4, 10 - n) for n in range(7)]
    (look,) = looks(told(*rows, policy="reject", unread=1, rows=8), "mail.test", {"acme.test"}, NOW)
    assert (look.source, look.target, look.part, look.at) == (
        *("dmarc_reports", "acme.test"),
        *("2026-11-20/mail.test", NOW),
    )
    assert isinstance(look.answer, Seen)
    assert look.answer.readings == {
        "messages": 70,
        "spf_aligned": 21,
        "dkim_aligned": 28,
        "dmarc_passed": 49,
        "pass_rate": 0.7,
        "policy_published": "reject",
        "sources": 7,
        "failing_sources": ("192.0.2.6=6", "192.0.2.5=5", "192.0.2.4=4", "192.0.2.3=3", "192.0.2.2=2"),
        "rows_unread": 1,
    }


def test_the_numbers_of_tls() -> None:
    one = Sessions("acme.test", 5, 3, (("b", 1), ("a", 1), ("c", 2)))
    (look,) = looks(told(one, Sessions("acme.test", 2, 0)), "mail.test", {"acme.test"}, NOW)
    assert (look.source, look.part) == ("tls_reports", "2026-11-20/mail.test")
    assert isinstance(look.answer, Seen)
    assert look.answer.readings == {
        "sessions": 10,
        "sessions_ok": 7,
        "sessions_failed": 3,
        "pass_rate": 0.7,
        "failures": ("c=2", "a=1", "b=1"),
    }
    assert "pass_rate" not in found(told(Sessions("acme.test", 0, 0)))["acme.test"]


def test_each_row_goes_to_the_nearest_watched_domain() -> None:
    rows = [
        Source(name, "192.0.2.1", count, count, 0, count)
        for name, count in (("acme.test", 1), ("a.news.acme.test", 2), ("evil.test", 4), ("", 8), ("notacme.test", 16))
    ]
    assert {name: it["messages"] for name, it in found(told(*rows), "acme.test", "news.acme.test").items()} == {
        "acme.test": 29,
        "news.acme.test": 2,
    }
    assert {name: it["messages"] for name, it in found(told(*rows), "news.acme.test", "evil.test").items()} == {
        "news.acme.test": 2
    }
    assert found(told(*rows), "b.test") == {}
    assert {name: it["messages"] for name, it in found(told(*rows)).items()} == {"acme.test": 31}
    assert targets(told(*rows), {"news.acme.test", "evil.test"}) == {"news.acme.test"}
    sessions = (Sessions("mx.acme.test", 1, 0), Sessions("b.test", 2, 0))
    assert {name: it["sessions"] for name, it in found(told(*sessions), "acme.test", "b.test").items()} == {
        "acme.test": 1,
        "b.test": 2,
    }
    assert targets(told(*sessions), {"b.test", "c.test"}) == {"b.test"}


def test_no_messages_are_no_rate() -> None:
    assert found(told()) == {}
    assert found(told(Source("acme.test", "192.0.2.1", 0, 0, 0, 0))) == {}


@pytest.mark.parametrize(
    ("begin", "hours", "reporter", "author", "part"),
    [
        (DAY, 24, "google.com", "google.com", "2026-11-20/google.com"),
        (DAY, 24, "Yahoo", "dmarc.yahoo.com", "2026-11-20/dmarc.yahoo.com"),
        (DAY, 24, "mx.mail.test", "dmarc.mail.test", "2026-11-20/dmarc.mail.test"),
        (DAY, 24, "", "mail.test", "2026-11-20/mail.test"),
        (DAY, 24, "Enterprise Outlook", "microsoft.com", "2026-11-20/microsoft.com Enterprise Outlook"),
        (DAY, 24, "Outlook.com", "microsoft.com", "2026-11-20/microsoft.com Outlook.com"),
        (DAY, 24, "x" * 300, "mail.test", f"2026-11-20/mail.test {'x' * 64}"),
        (DAY - 8 * HOUR, 24, "", "east.test", "2026-11-20/east.test"),
        (DAY + 8 * HOUR, 24, "", "west.test", "2026-11-20/west.test"),
        (DAY + 14 * HOUR, 1, "", "mail.test", "2026-11-20/mail.test 14:00"),
        (DAY + 17 * HOUR, 0, "", "mail.test", "2026-11-20/mail.test"),
    ],
)
def test_parts(begin: datetime, hours: float, reporter: str, author: str, part: str) -> None:
    row = Source("acme.test", "192.0.2.1", 1, 1, 1, 1)
    (look,) = looks(told(row, begin=begin, hours=hours, reporter=reporter), author, None, NOW)
    assert look.part == part


@pytest.mark.parametrize(
    ("report", "code"),
    [
        (told(begin=DAY), None),
        (told(unread=1, rows=2), None),
        (told(unread=2, rows=2), "malformed"),
        (told(hours=-1), "malformed"),
        (told(hours=72), None),
        (told(hours=73), "malformed"),
        (Aggregate("tls-rpt", "acme.test", "", 0, None, DAY), "malformed"),
        (Aggregate("tls-rpt", "acme.test", "", 0, DAY, None), "malformed"),
        (told(begin=DAY - timedelta(days=60)), "ancient"),
        (told(begin=NOW), "ancient"),
    ],
)
def test_faults(report: Aggregate, code: str | None) -> None:
    wrong = fault(report, Window(NOW))
    assert (wrong and wrong[0]) == code


_COUNT = st.integers(0, 10**9)
_ROWS = st.builds(
    lambda name, ip, spf, dkim, rest: Source(name, ip, spf + dkim + rest, spf, dkim, spf + dkim),
    *(st.sampled_from(["acme.test", "a.acme.test", "", "b.test"]), st.sampled_from(["192.0.2.1", "::1"])),
    *(_COUNT, _COUNT, _COUNT),
)


@given(st.lists(_ROWS, max_size=6), st.text(max_size=100), st.floats(0, 72))
def test_any_report_reads_the_same_twice_and_no_message_is_lost(rows: list[Source], name: str, hours: float) -> None:
    report = told(*rows, reporter=name, hours=hours)
    every = looks(report, "mail.test", {"acme.test", "a.acme.test"}, NOW)
    again = looks(report, "mail.test", {"acme.test", "a.acme.test"}, NOW + HOUR)
    assert [(one.target, one.part, one.answer) for one in every] == [(o.target, o.part, o.answer) for o in again]
    assert all(one.part.startswith("2026-11-2") for one in every)
    readings = [one.answer.readings for one in every if isinstance(one.answer, Seen)]
    assert sum(int(str(one["messages"])) for one in readings) == sum(row.messages for row in rows)
    assert all(0 <= float(str(one["pass_rate"])) <= 1 for one in readings)
