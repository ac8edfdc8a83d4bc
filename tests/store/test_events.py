"""Each event counts once, in the cohort of its message."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, func, select

from deliverd.model import Counts
from deliverd.store import decisions, events, schema
from deliverd.store.events import Ingested
from peers.values import NOW, batch, decision, event, minutes
from probes.observation import EventKind, MailEvent, Reject

HOUR = NOW.replace(minute=0, second=0, microsecond=0)
HOURS = timedelta(hours=1)
DAYS = timedelta(days=1)


def test_every_kind_is_counted_by_its_number(conn: Connection) -> None:
    kinds = list(EventKind)
    many = [event(f"{kind}-{n}", kind, count=10**n, detail="hard") for n, kind in enumerate(kinds)]
    soft = event("soft", EventKind.BOUNCED, detail="soft", count=7)
    unsaid = event("unsaid", EventKind.BOUNCED, detail="", count=1)
    events.ingest_group(conn, [batch(*many, soft, unsaid)])
    expected = {str(kind): 10**n for n, kind in enumerate(kinds)}
    assert events.counts(conn, "acme.com", None) == Counts(
        sent=expected["sent"],
        delivered=expected["delivered"],
        hard_bounced=expected["bounced"],
        soft_bounced=8,
        complained=expected["complained"],
        unsubscribed=expected["unsubscribed"],
        replied=expected["replied"],
    )


def test_answer_tells_new_from_known_and_good_from_adverse(conn: Connection) -> None:
    first = batch(event("1"), event("2", EventKind.COMPLAINED, domain="b.com"), event("1"))
    answers = events.ingest_group(conn, [first])
    assert answers == [Ingested(2, 1, frozenset({"b.com"}))]
    again = events.ingest_group(conn, [first])
    assert again == [Ingested(0, 3, frozenset())]
    assert events.counts(conn, "acme.com", None) == Counts(sent=1)
    assert events.counts(conn, "b.com", None) == Counts(complained=1)


def test_same_event_in_two_requests_of_a_group_is_new_in_the_first(conn: Connection) -> None:
    same = event("1", EventKind.COMPLAINED)
    answers = events.ingest_group(conn, [batch(same), batch(same, event("2")), batch()])
    assert [(answer.accepted, answer.duplicates) for answer in answers] == [(1, 0), (1, 1), (0, 0)]
    assert [answer.adverse for answer in answers] == [{"acme.com"}, frozenset(), frozenset()]
    assert events.counts(conn, "acme.com", None) == Counts(sent=1, complained=1)


def loose(*many: MailEvent) -> events.Batch:
    return replace(batch(*many), loose=True)


def at(event_id: str, moment: datetime, kind: EventKind = EventKind.SENT, **others: str) -> MailEvent:
    return event(event_id, kind, at=moment, sent_at=moment, **others)


def test_late_news_is_counted_with_the_sending_of_its_message(conn: Connection) -> None:
    late = NOW + 3 * HOURS
    events.ingest_group(conn, [loose(at("1", NOW, message_id="m"))])
    known, unknown = (at(name, late, EventKind.COMPLAINED, message_id=name) for name in ("m", "another"))
    events.ingest_group(conn, [loose(known, unknown)])
    assert events.counts(conn, "acme.com", HOUR, HOUR + HOURS) == Counts(sent=1, complained=1)
    assert events.counts(conn, "acme.com", HOUR + 3 * HOURS) == Counts(complained=1)


def test_of_one_group_the_order_does_not_matter(conn: Connection) -> None:
    bounce = at("1", NOW + 2 * HOURS, EventKind.BOUNCED, message_id="m")
    events.ingest_group(conn, [loose(bounce), loose(at("2", NOW, message_id="m")), batch(event("3"))])
    assert events.counts(conn, "acme.com", HOUR, HOUR + HOURS) == Counts(sent=2, soft_bounced=1)


def test_a_sending_after_its_bounce_or_long_ago_places_nothing(conn: Connection) -> None:
    bounce = at("1", NOW, EventKind.BOUNCED, message_id="m")
    events.ingest_group(conn, [loose(bounce, at("2", NOW + HOURS, message_id="m"))])
    old = at("3", NOW - 20 * DAYS, message_id="old")
    events.ingest_group(conn, [loose(old, at("4", NOW, EventKind.BOUNCED, message_id="old"))])
    assert events.counts(conn, "acme.com", HOUR, HOUR + HOURS) == Counts(soft_bounced=2)


def test_who_tells_the_sending_is_believed(conn: Connection) -> None:
    events.ingest_group(conn, [loose(event("1", at=NOW - HOURS, message_id="m"))])
    told = event("2", EventKind.COMPLAINED, at=NOW, sent_at=NOW - 2 * HOURS, message_id="m")
    events.ingest_group(conn, [loose(told)])
    assert events.counts(conn, "acme.com", HOUR - 2 * HOURS, HOUR - HOURS) == Counts(complained=1)


def test_ids_belong_to_their_account(conn: Connection) -> None:
    answers = events.ingest_group(conn, [batch(event("1"), account="a"), batch(event("1"), account="b")])
    assert [answer.accepted for answer in answers] == [1, 1]


def test_complaint_counts_in_the_hour_of_its_message(conn: Connection) -> None:
    sent_at = NOW - 30 * HOURS
    complaint = event("1", EventKind.COMPLAINED, sent_at=sent_at, at=NOW)
    events.ingest_group(conn, [batch(event("0", at=sent_at, sent_at=sent_at), complaint)])
    cohort = sent_at.replace(minute=0, second=0, microsecond=0)
    assert conn.execute(select(schema.events.c.cohort)).scalars().all() == [cohort, cohort]
    assert events.counts(conn, "acme.com", cohort) == Counts(sent=1, complained=1)
    assert events.counts(conn, "acme.com", cohort + HOURS) == Counts()
    assert events.counts(conn, "acme.com", None, cohort) == Counts()
    assert events.counts(conn, "acme.com", None, cohort + HOURS) == Counts(sent=1, complained=1)


@pytest.mark.parametrize(
    ("sent_at", "counts"),
    [
        (NOW - minutes(0.001), 0),
        (NOW, 1),
        (NOW + minutes(1), 1),
        (NOW + minutes(60), 1),
        (HOUR, 0),
        (HOUR - minutes(1), 0),
    ],
)
def test_only_mail_sent_after_an_epoch_counts_from_it(conn: Connection, sent_at: datetime, counts: int) -> None:
    """The epoch starts in the middle of an hour, and mail of that same hour lies on both its sides."""
    decisions.append(conn, decision(epoch=NOW))
    decisions.append(conn, decision(domain="other.com", epoch=NOW + minutes(2)))
    events.ingest_group(conn, [batch(event("1", EventKind.COMPLAINED, at=sent_at + 2 * HOURS, sent_at=sent_at))])
    assert events.counts(conn, "acme.com", NOW).complained == counts
    assert events.counts(conn, "acme.com", None).complained == 1


def test_newest_epoch_of_an_hour_holds(conn: Connection) -> None:
    for seq, epoch in enumerate((HOUR, NOW, NOW + minutes(5)), 1):
        decisions.append(conn, decision(seq, epoch=epoch))
    sent = [event(str(n), sent_at=at) for n, at in enumerate((NOW + minutes(1), NOW + minutes(6)))]
    events.ingest_group(conn, [batch(*sent)])
    assert conn.execute(select(schema.events.c.cohort).order_by("id")).scalars().all() == [NOW, NOW + minutes(5)]


def test_counts_of_all_domains(conn: Connection) -> None:
    old = event("0", domain="old.com", sent_at=NOW - 9 * DAYS)
    events.ingest_group(conn, [batch(old, event("1"), event("2", provider="yahoo.com"), event("3", domain="b.com"))])
    assert events.counts_all(conn, NOW - 7 * DAYS) == {"acme.com": Counts(sent=2), "b.com": Counts(sent=1)}
    assert set(events.counts_all(conn, None)) == {"old.com", "acme.com", "b.com"}


def test_sends_by_day(conn: Connection) -> None:
    midnight = datetime(2026, 11, 22, tzinfo=UTC)
    at = [midnight - minutes(1), midnight, midnight + minutes(61), midnight - 3 * DAYS]
    sent = [event(str(n), sent_at=when, count=n + 1) for n, when in enumerate(at)]
    events.ingest_group(conn, [batch(*sent, event("c", EventKind.COMPLAINED, sent_at=midnight - 2 * DAYS))])
    assert events.sends_by_day(conn, "acme.com", midnight - 2 * DAYS) == {date(2026, 11, 21): 1, date(2026, 11, 22): 5}


def test_rejects_are_kept_short(conn: Connection) -> None:
    long = Reject(3, "c" * 100, "nul \x00 " + "r" * 9000)
    assert events.ingest_group(conn, [batch(rejects=(long,))]) == [Ingested(0, 0, frozenset())]
    (row,) = conn.execute(select(schema.rejects)).mappings()
    assert (row["account"], row["at"], row["index_in_batch"]) == ("mail", NOW, 3)
    assert len(row["code"]) == 64
    assert len(row["reason"]) == 500
    assert row["reason"].startswith("nul \ufffd r")


def test_text_no_database_holds_is_mended(conn: Connection) -> None:
    odd = event("a\x00b", message_id="half \ud83d pair", detail="plain", provider="\U0001f4e7")
    literal = event("back\\u0000slash")
    answers = events.ingest_group(conn, [batch(odd, literal)])
    assert answers[0].accepted == 2
    assert events.ingest_group(conn, [batch(odd, literal)])[0].duplicates == 2
    ids = conn.execute(select(schema.events.c.event_id).order_by("id")).scalars().all()
    assert ids == ["a\ufffdb", "back\\u0000slash"]
    assert conn.execute(select(schema.events.c.provider).order_by("id").limit(1)).scalar() == "\U0001f4e7"


def test_half_a_surrogate_pair_alone(conn: Connection) -> None:
    assert events.ingest_group(conn, [batch(event("half \udc80"))])[0].accepted == 1
    assert events.ingest_group(conn, [batch(event("half \udc80"))])[0].duplicates == 1


def test_ids_too_long_for_an_index_are_told_apart(conn: Connection) -> None:
    """4 KB of what does not compress, the last character apart."""
    noise = "".join(chr(0x4E00 + n * 7919 % 20000) for n in range(4000))
    first, second = event(noise + "1", provider=noise), event(noise + "2", provider=noise)
    assert events.ingest_group(conn, [batch(first, second)])[0].accepted == 2
    assert events.ingest_group(conn, [batch(second, first)])[0].duplicates == 2
    assert events.counts(conn, "acme.com", None) == Counts(sent=2)


def test_absurd_count_is_refused(conn: Connection) -> None:
    with pytest.raises(ValueError, match="larger than any mailing"):
        events.ingest_group(conn, [batch(event("1", count=2**60))])


moments = st.integers(0, 72 * 3600 * 10**6).map(lambda micros: NOW - timedelta(microseconds=micros))
mail = st.builds(
    MailEvent,
    id=st.sampled_from("abcdefgh"),
    kind=st.sampled_from(EventKind),
    domain=st.sampled_from(["a.com", "b.com"]),
    at=st.just(NOW),
    sent_at=moments,
    provider=st.text(max_size=3),
    message_id=st.text(max_size=5),
    count=st.integers(1, 2**53),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(groups=st.lists(st.lists(mail, max_size=6), max_size=5))
def test_counts_are_those_of_the_events(conn: Connection, groups: list[list[MailEvent]]) -> None:
    """Whatever comes in whatever grouping: the counts are the sum over the events kept, each id kept once."""
    with conn.begin_nested() as undo:
        for group in groups:
            events.ingest_group(conn, [batch(one) for one in group])
        kept: dict[str, MailEvent] = {}
        for one in (one for group in groups for one in group):
            kept.setdefault(one.id, one)
        assert conn.execute(select(func.count()).select_from(schema.events)).scalar() == len(kept)
        found = events.counts_all(conn, None)
        for domain in ("a.com", "b.com"):
            sent = sum(one.count for one in kept.values() if one.domain == domain and one.kind is EventKind.SENT)
            assert found.get(domain, Counts()).sent == sent
        undo.rollback()
