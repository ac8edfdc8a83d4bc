"""What is made of each report, and a maildir of them: what counts, what does not, and what is left for a person."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from peers.report_mails import ARF, DATE, FIELDS, ORIGINAL, UNSUBSCRIBE, YAHOO, Keys, arf, dsn, keys, signed
from probes.feedback_mail import Config, examine
from probes.feedback_verdict import CountsAs, Rules, Verdict
from probes.observation import EventKind, Window
from probes.reporters import Reporter

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
WINDOW = Window(NOW)
MINE = "mx.acme.test"
ICLOUD = signed(UNSUBSCRIBE.encode(), "icloud.com")
KEYS = keys(YAHOO, "icloud.com", "googlemail.com", "evil.test")


async def look(mail: bytes, **more: Any) -> Verdict:
    return await examine(mail, **({"ask": KEYS.ask, "window": WINDOW} | more))


@pytest.mark.parametrize("kind", ["abuse", "fraud", "virus", "other"])
async def test_a_complaint_of_a_known_reporter_counts(kind: str) -> None:
    verdict = await look(signed(arf(kind)))
    assert (verdict.counts_as, verdict.code, verdict.reporter) == (CountsAs.COMPLAINT, "counted", "Yahoo CFL")
    (event,) = verdict.events
    assert (event.kind, event.domain, event.detail) == (EventKind.COMPLAINED, "mail.acme.test", kind)
    assert (event.at, event.sent_at) == (NOW.replace(hour=11), NOW.replace(hour=9, minute=30))
    assert (event.provider, event.message_id, event.count) == ("yahoo", "1.2@acme.test", 1)
    assert verdict.parsed.events == verdict.events and not verdict.parsed.rejects


@pytest.mark.parametrize(("kind", "why"), [("not-spam", "no spam"), ("auth-failure", "authentication")])
async def test_what_is_no_complaint(kind: str, why: str) -> None:
    verdict = await look(signed(arf(kind)))
    assert (verdict.means, verdict.code, verdict.events) == (None, "no-complaint", ())
    assert why in verdict.why
    assert verdict.parsed.rejects == ()


async def test_an_opt_out_is_an_unsubscription() -> None:
    verdict = await look(signed(arf("opt-out")))
    assert verdict.counts_as is CountsAs.UNSUBSCRIBE
    assert [(event.kind, event.detail) for event in verdict.events] == [(EventKind.UNSUBSCRIBED, "")]


async def test_everybody_may_unsubscribe_himself() -> None:
    verdict = await look(ICLOUD)
    assert verdict.counts_as is CountsAs.UNSUBSCRIBE
    assert (verdict.attribution.domain, verdict.reporter) == ("acme.test", "")
    assert not (await look(UNSUBSCRIBE.encode())).events


async def test_bounces_count_one_by_one() -> None:
    mail = dsn(("a@gmail.com", "failed", "5.1.1"), ("b@x.test", "failed", "4.2.2"), ("c@x.test", "delayed", "4.0.0"))
    verdict = await look(signed(mail, "googlemail.com"))
    assert verdict.counts_as is CountsAs.HARD_BOUNCE
    assert [(it.kind, it.detail, it.provider, it.domain) for it in verdict.events] == [
        (EventKind.BOUNCED, "hard", "google", "mail.acme.test"),
        (EventKind.BOUNCED, "soft", "other", "mail.acme.test"),
    ]
    assert len({event.id for event in verdict.events}) == 2


@pytest.mark.parametrize(
    ("action", "status", "means", "code"),
    [
        ("failed", "4.4.7", CountsAs.SOFT_BOUNCE, "counted"),
        ("delayed", "4.4.7", None, "no-complaint"),
        ("delivered", "2.0.0", None, "no-complaint"),
        ("failed", "", None, "malformed"),
        ("", "", None, "malformed"),
    ],
)
async def test_other_notifications(action: str, status: str, means: CountsAs | None, code: str) -> None:
    verdict = await look(signed(dsn(("a@gmail.com", action, status)), "googlemail.com"))
    assert (verdict.means, verdict.code) == (means, code)


@pytest.mark.parametrize(
    ("mail", "code", "words"),
    [
        (arf(), "unauthenticated", "not signed"),
        (signed(arf()).replace(b"d=mail.acme.test", b"d=rival.test"), "unauthenticated", "does not hold"),
        (
            signed(arf().replace(b"@arf.mail.yahoo.com", b"@evil.test"), "evil.test"),
            "unbelieved",
            "feedback@evil.test is authentic, and no known reporter",
        ),
        (signed(dsn(("a@x.test", "failed", "5.1.1"))), "unauthenticated", "none of its 1 DKIM"),
        (signed(arf(fields="Feedback-Type: {type}", original="X: y\n")), "unmapped", "nothing in it names"),
        (signed(arf(date="Sun, 1 Feb 2026 11:00:00 +0000")), "ancient", "more than 60 days ago"),
        (b"From: a@b.test\nSubject: hi\n\nhello\n", "not-a-report", "no report"),
        (b"\n\n\n", "malformed", "no header"),
        (signed(arf(fields="Version: 1")).replace(b"abuse report", b"letter"), "malformed", "Feedback-Type"),
    ],
)
async def test_what_does_not_count_and_why(mail: bytes, code: str, words: str) -> None:
    verdict = await look(mail)
    assert (verdict.code, verdict.counts_as, verdict.events) == (code, None, ())
    assert words in verdict.why
    (reject,) = verdict.parsed.rejects
    assert (reject.code, reject.reason) == (code, verdict.why)


async def test_a_domain_that_is_not_looked_after_is_nobodys() -> None:
    verdict = await look(signed(arf()), watched={"other.test"})
    assert (verdict.code, verdict.attribution.domain) == ("unwatched", "mail.acme.test")
    above = await look(signed(arf()), watched={"acme.test"})
    assert above.events[0].domain == "acme.test"


async def test_the_word_of_ones_own_server_counts_too() -> None:
    mail = f"Authentication-Results: {MINE}; dkim=pass header.d={YAHOO}\n".encode() + arf()
    assert (await look(mail, trusted=[MINE])).counts_as is CountsAs.COMPLAINT
    assert (await look(mail)).code == "unauthenticated"


async def test_a_name_server_that_fails_is_asked_again_for_some_days() -> None:
    dark = Keys({f"r._domainkey.{YAHOO}": None})
    verdict = await look(signed(arf()), ask=dark.ask)
    assert verdict.code == "undecided"
    assert verdict.parsed.rejects == () and verdict.parsed.events == ()
    late = await look(signed(arf()), ask=dark.ask, window=Window(NOW + timedelta(days=4)))
    assert late.code == "unauthenticated"


async def test_reporters_of_ones_own_are_believed() -> None:
    mail = signed(arf().replace(b"@arf.mail.yahoo.com", b"@evil.test"), "evil.test")
    mine = Reporter(name="friends", senders=("@evil.test",))
    verdict = await look(mail, rules=Rules((mine,)))
    assert (verdict.code, verdict.reporter) == ("counted", "friends")


async def test_dates_that_are_missing_or_odd() -> None:
    undated = ORIGINAL.replace("\nDate:", "\nX-Date:")
    assert (await look(signed(arf(original=undated)))).events[0].sent_at.hour == 10
    neither = FIELDS.replace("Arrival-Date", "X")
    assert (await look(signed(arf(original=undated, fields=neither)))).events[0].sent_at.hour == 11
    old = FIELDS.replace("Arrival-Date", "Received-Date")
    assert (await look(signed(arf(original=undated, fields=old)))).events[0].sent_at.hour == 10
    ahead = (await look(signed(arf(date="Tue, 24 Nov 2026 11:00:00 +0000")))).events[0]
    assert (ahead.at.hour, ahead.sent_at.hour) == (10, 9)
    crossed = (await look(signed(arf(date="Sun, 22 Nov 2026 08:00:00 +0000")))).events[0]
    assert crossed.at == crossed.sent_at


async def test_a_report_that_names_no_day_is_of_the_same_day_whenever_it_is_read() -> None:
    mail = signed(arf().replace(b"\nDate: Sun, 22 Nov 2026 11:00:00 +0000\nSubject: FW", b"\nSubject: FW"))
    first = (await look(mail)).events[0]
    later = (await look(mail, window=Window(NOW + timedelta(days=1)))).events[0]
    assert (first.id, first.at) == (later.id, later.at)
    timeless = signed(arf(original="From: a@acme.test\n", fields="Feedback-Type: {type}", date="soon"))
    assert (await look(timeless)).events[0].at == NOW


async def ids(*mails: bytes) -> list[str]:
    return [(await look(mail)).events[0].id for mail in mails]


async def test_one_report_is_one_event_however_often_and_by_what_way_it_comes() -> None:
    mail = signed(arf())
    relayed = b"Received: from a by b\nX-Spam: no\n" + mail.replace(b"\r\n", b"\n")
    again, other_person, other_type = signed(arf(number=2)), signed(arf(complainer="b@yahoo.com")), signed(arf("fraud"))
    found = await ids(mail, relayed, again, other_person, other_type)
    assert found[0] == found[1] == found[2]
    assert len(set(found)) == 3


async def test_without_the_complainer_each_report_is_its_own() -> None:
    first, second = arf(complainer="redacted@yahoo.com"), arf(complainer="redacted@yahoo.com", number=2)
    relayed = b"Received: x\n" + signed(first)
    found = await ids(signed(first), relayed, signed(second))
    assert found[0] == found[1] != found[2]


async def test_two_unsubscribe_mails_of_the_same_words_are_two() -> None:
    other = signed(UNSUBSCRIBE.replace("abc123", "def456").encode(), "icloud.com")
    assert len(set(await ids(ICLOUD, other))) == 2


async def test_the_provider_of_the_complainer_counts_before_the_loops() -> None:
    own = signed(arf(complainer="a@company.test"))
    assert (await look(own)).events[0].provider == "yahoo"
    assert (await look(signed(arf(complainer="a@gmail.com")))).events[0].provider == "google"


@pytest.mark.parametrize(
    ("mail", "code"),
    [
        (b"From: a@b.test\nContent-Type: multipart/mixed; boundary=x\n" + b"\n--x\n\nhi" * 200, "too-many-parts"),
        (
            b"From: a@b.test\n"
            + b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (i, i) for i in range(50)),
            "too-deep",
        ),
    ],
)
async def test_mails_made_to_cost_much_cost_one_line(mail: bytes, code: str) -> None:
    verdict = await look(mail)
    assert [reject.code for reject in verdict.parsed.rejects] == [code]


def test_configurations() -> None:
    assert Config(kind="maildir", path=Path("/x")).box()
    assert Config(kind="imap", host="mail.acme.test", user="u", password="secret").box()
    starttls = Config(kind="imap", host="h.test", user="u", password="hush", tls="starttls", certificates=Path("ca"))
    assert "hush" not in repr(starttls) + repr(starttls.box())
    assert Config(kind="imap", host="127.0.0.1", user="u", password="p", tls="none").box()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"kind": "maildir"}, "needs path"),
        ({"kind": "imap", "host": "h.test"}, "needs user, password"),
        ({"kind": "imap", "host": "h.test", "user": "u", "password": "hush", "tls": "none"}, "loopback"),
        ({"kind": "imap", "host": "h\n", "user": "u", "password": "hush"}, "host"),
        ({"kind": "pop3"}, "kind"),
    ],
)
def test_configurations_that_cannot_be_used(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words) as fault:
        Config(**fields)
    assert "hush" not in str(fault.value)


SIGNED = signed(
    ARF.format(date=DATE, number=1, fields=FIELDS, original=ORIGINAL, original_type="message/rfc822").encode()
)


@settings(max_examples=60)
@given(st.integers(0, len(SIGNED)), st.integers(0, 60), st.binary(max_size=30))
async def test_no_damaged_mail_raises(at: int, gone: int, put: bytes) -> None:
    verdict = await look(SIGNED[:at] + put + SIGNED[at + gone :])
    assert bool(verdict.parsed.events) == (verdict.counts_as is not None)


@given(st.binary(max_size=500))
async def test_no_bytes_raise_and_none_count(raw: bytes) -> None:
    assert not (await look(raw)).parsed.events
