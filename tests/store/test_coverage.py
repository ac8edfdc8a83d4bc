"""The mail of a domain by day and provider, and when a hook last took something in."""

from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Connection

from deliverd.core.coverage import DayMail
from deliverd.store import coverage, events
from peers.values import NOW, batch, event
from probes.observation import EventKind

DAY = timedelta(days=1)
MIDNIGHT = datetime(2026, 11, 21, tzinfo=UTC)


def test_mail_is_summed_by_utc_day_and_provider(conn: Connection) -> None:
    late = MIDNIGHT - timedelta(microseconds=1)
    events.ingest_group(
        conn,
        [
            batch(
                event("1", count=3, at=late, sent_at=late, provider="google"),
                event("2", count=4, at=MIDNIGHT, sent_at=MIDNIGHT, provider="google"),
                event("3", count=5, at=MIDNIGHT + DAY / 2, sent_at=MIDNIGHT + DAY / 2, provider="google"),
                event("4", EventKind.DELIVERED, count=2, at=MIDNIGHT, sent_at=MIDNIGHT, provider=""),
                # A complaint of the day after belongs to the day of its message.
                event("5", EventKind.COMPLAINED, at=MIDNIGHT + DAY, sent_at=MIDNIGHT, provider="yahoo"),
                event("6", at=MIDNIGHT, sent_at=MIDNIGHT, domain="other.com"),
            )
        ],
    )
    before, today = date(2026, 11, 20), date(2026, 11, 21)
    assert coverage.mail_by_day(conn, "acme.com", MIDNIGHT - DAY) == (
        DayMail(before, "google", 3, 0, 0),
        DayMail(today, "", 0, 2, 0),
        DayMail(today, "google", 9, 0, 0),
        DayMail(today, "yahoo", 0, 0, 1),
    )
    assert {row.day for row in coverage.mail_by_day(conn, "acme.com", MIDNIGHT)} == {today}
    assert coverage.mail_by_day(conn, "nobody.com", MIDNIGHT) == ()


def test_when_a_hook_was_heard_last(conn: Connection) -> None:
    events.ingest_group(conn, [batch(event("1"), at=NOW - DAY), batch(event("2"), at=NOW)])
    events.ingest_group(conn, [batch(event("3"), account="second", at=NOW - 2 * DAY)])
    found = coverage.last_received(conn, ["mail", "second", "silent"])
    assert found == {"mail": NOW, "second": NOW - 2 * DAY}
