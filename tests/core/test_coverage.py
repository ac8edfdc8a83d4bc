"""Whose mail is covered by sources that tell of complaints, and when nobody can say."""

from collections.abc import Sequence
from datetime import date
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverd.core.coverage import Coverage, DayMail, Feedback, Share, Speaker, basis_of, coverage
from deliverd.core.sources import ABOUT, COMPLAINT_READINGS, EVENTS, LOOPS, about
from probes.provider import DOMAINS

DAY = date(2026, 11, 20)
GOOGLE = Speaker("google_postmaster", frozenset({"google"}))
RELAY = Speaker("sendgrid", frozenset({"yahoo"}), frozenset({"fastmail"}))
REPORTS = Speaker("feedback_mail", frozenset(), frozenset({"yahoo", "fastmail"}))


def mail(provider: str, sent: int = 0, delivered: int = 0, complained: int = 0, day: date = DAY) -> DayMail:
    return DayMail(day, provider, sent, delivered, complained)


def only(found: Coverage) -> Share:
    (share,) = found.shares
    return share


@pytest.mark.parametrize(
    ("row", "speakers", "share"),
    [
        pytest.param(mail("google", 9), [GOOGLE], Share("google", 9, Feedback.TOLD, ("google_postmaster",)), id="told"),
        pytest.param(mail("google", 9), [RELAY], Share("google", 9, Feedback.NONE, ()), id="nobody tells"),
        pytest.param(mail("other", 9), [GOOGLE, RELAY], Share("other", 9, Feedback.NONE, ()), id="own domains"),
        pytest.param(mail("", 9), [GOOGLE], Share("", 9, Feedback.UNKNOWN, ()), id="it went who knows where"),
        pytest.param(
            mail("fastmail", 9),
            [RELAY, REPORTS],
            Share("fastmail", 9, Feedback.PERHAPS, ("feedback_mail", "sendgrid")),
            id="perhaps: nobody knows whether its loop was joined",
        ),
        pytest.param(
            mail("fastmail", 9, complained=1),
            [REPORTS],
            Share("fastmail", 9, Feedback.TOLD, ("feedback_mail",)),
            id="a complaint was heard: its loop was joined",
        ),
        pytest.param(
            mail("yahoo", 9), [REPORTS, RELAY], Share("yahoo", 9, Feedback.TOLD, ("sendgrid",)), id="certain goes first"
        ),
        pytest.param(
            mail("google", 9, complained=1), [], Share("google", 9, Feedback.NONE, ()), id="nobody answers now"
        ),
    ],
)
def test_one_provider(row: DayMail, speakers: Sequence[Speaker], share: Share) -> None:
    assert only(coverage([row], speakers)) == share


@pytest.mark.parametrize(
    ("rows", "basis", "volume"),
    [
        pytest.param([mail("google", 5, 4)], "sent", 5, id="by what was sent"),
        pytest.param([mail("google", 0, 4)], "delivered", 4, id="nothing is told before the delivery"),
        pytest.param([mail("google", 0, 4), mail("yahoo", 7, 6)], "sent", 7, id="never mixed"),
        pytest.param([mail("google", 0, 0, 1)], "sent", 0, id="a complaint about mail nobody counted"),
        pytest.param([], "sent", 0, id="nothing"),
    ],
)
def test_what_mail_is_counted_by(rows: list[DayMail], basis: str, volume: int) -> None:
    found = coverage(rows, [])
    assert (found.basis, found.mail) == (basis, volume)
    assert basis_of(rows) == basis


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        pytest.param([], "coverage is not known: no mail of the last 28 days is counted", id="no mail"),
        pytest.param(
            [mail("", 700)],
            "coverage is not known: of no mail of the last 28 days is it known where it went",
            id="no provider",
        ),
        pytest.param(
            [mail("other", 720), mail("google", 280)],
            "of 1,000 messages sent in 28 days, 28 % go to providers whose complaints are told and 72 % go to "
            "providers that send no feedback",
            id="two kinds",
        ),
        pytest.param(
            [mail("google", delivered=10)],
            "of 10 messages delivered in 28 days, 100 % go to providers whose complaints are told",
            id="one kind",
        ),
        pytest.param(
            [mail("google", 1), mail("fastmail", 2), mail("apple", 3), mail("", 4)],
            "of 10 messages sent in 28 days, 10 % go to providers whose complaints are told, 20 % go to providers "
            "whose complaints are told only if their loop was joined, 30 % go to providers that send no feedback and "
            "40 % go to providers that are not known",
            id="all kinds",
        ),
    ],
)
def test_in_words(rows: list[DayMail], sentence: str) -> None:
    assert coverage(rows, [GOOGLE, REPORTS]).sentence() == sentence


def test_not_known_is_not_0() -> None:
    assert [coverage([mail("", 9)], [GOOGLE]).ratio(one) for one in Feedback] == [None] * 4
    assert coverage([mail("google", 9)], []).ratio(Feedback.TOLD) == 0


rows = st.lists(
    st.builds(
        mail,
        st.sampled_from(["", "google", "yahoo", "fastmail", "other"]),
        *[st.integers(0, 10**6)] * 3,
        st.dates(date(2026, 11, 1), date(2026, 11, 28)),
    ),
    max_size=12,
)
speakers = st.lists(st.sampled_from([GOOGLE, RELAY, REPORTS]), unique_by=lambda one: one.source)


@given(rows, speakers, st.randoms())
def test_laws_of_coverage(mail: list[DayMail], answering: list[Speaker], chance: Random) -> None:
    found = coverage(mail, answering)
    ratios = [found.ratio(one) for one in Feedback]
    # Known as a whole or not at all; every message is somewhere, and once.
    assert found.known is (ratios[0] is not None)
    assert not found.known or sum(ratio or 0 for ratio in ratios) == pytest.approx(1)
    assert found.sentence()
    # In whatever order it is told.
    shuffled = sorted(mail, key=lambda _: chance.random())
    assert coverage(shuffled, answering[::-1]) == found
    # Nobody covers less by one source more, and what is covered has a source.
    more = coverage(mail, [*answering, Speaker("another", frozenset({"other"}))])
    assert (more.ratio(Feedback.TOLD) or 0) >= (found.ratio(Feedback.TOLD) or 0)
    assert all(bool(share.sources) is (share.feedback in (Feedback.TOLD, Feedback.PERHAPS)) for share in found.shares)


def test_the_table_of_sources_speaks_the_words_of_providers() -> None:
    named = {one for facts in ABOUT.values() for one in (*facts.speaks_for, *facts.perhaps, facts.days_of)} - {""}
    assert named | set(LOOPS) <= set(DOMAINS)
    for name, facts in ABOUT.items():
        readings = [figure.reading for figure in facts.figures]
        assert len(readings) == len(set(readings)), name
        assert not facts.speaks_for & facts.perhaps, name
        # Whoever speaks for a provider has a reading by which that is seen, but for a mailbox: mails may come or not.
        silent = name == "feedback_mail" or not (facts.speaks_for or facts.perhaps)
        assert silent or COMPLAINT_READINGS & set(readings), name
    assert "google" not in LOOPS and "apple" not in LOOPS


@pytest.mark.parametrize("kind", ["instantly", "lemlist", "smartlead", "spf", "dkim", "dmarc", EVENTS, "unheard-of"])
def test_who_tells_of_no_complaints_speaks_for_nobody(kind: str) -> None:
    assert not about(kind).speaks_for and not about(kind).perhaps


@pytest.mark.parametrize("kind", ["mailgun", "mandrill", "postmark", "resend", "sendgrid", "ses", "sparkpost"])
def test_relays_hear_from_the_large_loops_and_never_from_google(kind: str) -> None:
    assert about(kind).speaks_for == {"yahoo", "microsoft"}
    assert "google" not in about(kind).perhaps
