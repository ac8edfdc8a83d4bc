"""The mail of a domain by the hour it was sent in, as it is known now and as it was known at an earlier event."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, func, select

from deliverd.model import HourlyMail
from deliverd.store import cohorts, decisions, events, schema
from peers.values import NOW, batch, decision, event
from probes.observation import EventKind, MailEvent

HOUR = timedelta(hours=1)
NUMBER = (NOW - datetime(1970, 1, 1, tzinfo=UTC)) // HOUR
FEEDBACK = ("yahoo", "microsoft", "")
SENT, BAD = EventKind.SENT, EventKind.COMPLAINED


def mail(
    event_id: str, kind: EventKind, ago: int, provider: str, count: int = 1, domain: str = "acme.com"
) -> MailEvent:
    at = NOW - ago * HOUR
    return event(event_id, kind, at=at, sent_at=at, provider=provider, count=count, domain=domain)


MANY = (
    mail("1", SENT, 3, "yahoo", 100),
    mail("2", SENT, 3, "", 20),
    mail("3", SENT, 3, "google", 7000),
    mail("4", SENT, 2, "microsoft", 30),
    mail("5", BAD, 3, "yahoo"),
    mail("6", BAD, 1, ""),
    mail("7", BAD, 2, "google", 9),
    mail("8", SENT, 3, "yahoo", 5, domain="other.com"),
    mail("9", SENT, 90, "yahoo", 5),
)


def newest(conn: Connection) -> int:
    return int(conn.execute(select(func.max(schema.events.c.id))).scalar_one())


def now(conn: Connection, domain: str = "acme.com", since: datetime = NOW - 24 * HOUR) -> HourlyMail:
    return cohorts.mail_by_hour(conn, domain, FEEDBACK, since)


def test_by_hour_and_only_to_those_who_tell(conn: Connection) -> None:
    events.ingest_group(conn, [batch(*MANY)])
    found = now(conn)
    assert sorted(found.rows) == [(NUMBER - 3, 120, 1), (NUMBER - 2, 30, 0), (NUMBER - 1, 0, 1)]
    assert found.through == newest(conn)
    assert cohorts.mail_by_hour(conn, "acme.com", ["google"], NOW - 3 * HOUR).rows == ((NUMBER - 2, 0, 9),)


def test_nothing_where_nobody_complained(conn: Connection) -> None:
    assert now(conn) == HourlyMail()
    events.ingest_group(conn, [batch(*MANY)])
    assert now(conn, "other.com") == HourlyMail()
    assert now(conn, since=NOW) == HourlyMail()


def test_an_epoch_cuts_an_hour_in_two(conn: Connection) -> None:
    epoch = NOW - timedelta(minutes=5)
    events.ingest_group(conn, [batch(event("before", sent_at=NOW - timedelta(minutes=9), provider="", count=10))])
    made = decision(at=epoch, epoch=epoch)
    decisions.append(conn, made)
    events.ingest_group(conn, [batch(event("sent", provider="", count=3), event("bad", BAD, provider=""))])
    assert now(conn, since=epoch).rows == ((NUMBER, 3, 1),)
    assert sorted(now(conn).rows) == [(NUMBER, 3, 1), (NUMBER, 10, 0)]


def test_as_it_was_at_an_earlier_event(conn: Connection) -> None:
    events.ingest_group(conn, [batch(*MANY)])
    then = now(conn)
    late = [mail("late", BAD, 3, "yahoo"), mail("bounce", EventKind.BOUNCED, 3, "yahoo"), mail("more", SENT, 0, "", 8)]
    events.ingest_group(conn, [batch(*late)])
    assert now(conn).rows != then.rows
    again = cohorts.mail_by_hour_then(conn, "acme.com", FEEDBACK, NOW - 24 * HOUR, then.through)
    assert (sorted(again.rows), again.through) == (sorted(then.rows), then.through)
    today = cohorts.mail_by_hour_then(conn, "acme.com", FEEDBACK, NOW - 24 * HOUR, newest(conn))
    assert sorted(today.rows) == sorted(now(conn).rows)


def test_before_anything_was_known(conn: Connection) -> None:
    assert cohorts.mail_by_hour_then(conn, "acme.com", FEEDBACK, NOW, 0).rows == ()
