"""What each source says of a domain, beside each other."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from core.builders import DAY, DEFAULT, DOMAIN, HOUR, NOW, TICK, gone_dark, good, never_seen, policy, seen
from core.builders import day as published_day
from hypothesis import given
from hypothesis import strategies as st

from deliverd.core.coverage import DayMail, Feedback
from deliverd.core.fusion import EVENTS_HOLD, Complete, Fused, Known, Number, SourceView, State, fuse, late
from deliverd.core.sources import ABOUT, EVENTS
from deliverd.model import Look
from deliverd.policy import Watched
from probes.observation import Observation, Reading, Seen, Unseen, Why

GOOGLE = "google_postmaster"
SELDOM = Watched(NOW, 6 * HOUR)


def nov(number: int) -> date:
    return date(2026, 11, number)


def whole(source: str, at: Any = NOW, part: str = "", **readings: Reading) -> Look:
    one = Observation(source, DOMAIN, at, Seen(readings or {"code": "ok"}), part)
    return Look(one, one)


def told(source: str, number: int, **readings: Reading) -> Look:
    return published_day(nov(number).isoformat(), source=source, **readings)


def nothing(source: str, at: Any = NOW) -> Look:
    return Look(Observation(source, DOMAIN, at, Unseen(Why.NO_DATA, "too little mail")))


def mail(number: int, sent: int, provider: str = "google", complained: int = 0) -> DayMail:
    return DayMail(nov(number), provider, sent, 0, complained)


def known(*looks: Look, platform: str = "webhook", **over: Any) -> Known:
    """A domain whose sources are those that were looked at."""
    expected = {look.latest.source: SELDOM for look in looks}
    rows = [(number, look) for number, look in enumerate(looks, start=1)]
    asked: dict[str, Any] = {"policy": DEFAULT, "platform": platform, "expected": expected, "looks": rows}
    return Known(**({"domain": DOMAIN, "now": NOW} | asked | over))


def view(fused: Fused, source: str) -> SourceView:
    return next(one for one in fused.sources if one.source == source)


def only(*looks: Look, **over: Any) -> SourceView:
    return view(fuse(known(*looks, **over)), looks[0].latest.source)


OLD = NOW - 12 * HOUR - TICK


@pytest.mark.parametrize(
    ("looks", "state", "why"),
    [
        pytest.param([whole("spf")], State.FRESH, "", id="it answers"),
        pytest.param([whole("spf", NOW - 12 * HOUR)], State.FRESH, "", id="two rounds old, to the instant"),
        pytest.param([whole("spf", OLD)], State.STALE, "it was not asked again", id="older"),
        pytest.param([gone_dark(whole("spf"))], State.STALE, "timeout: no answer in 3 s", id="it answers no more"),
        pytest.param(
            [replace(whole("spf", NOW - HOUR), latest=never_seen("spf").latest)],
            State.FRESH,
            "timeout: no answer in 3 s",
            id="one try failed; what it said still holds",
        ),
        pytest.param([never_seen("spf")], State.DARK, "timeout: no answer in 3 s", id="it never answered"),
        pytest.param(
            [Look(Observation("spf", DOMAIN, NOW, Unseen(Why.DENIED)))], State.DARK, "denied", id="and says no more"
        ),
        pytest.param([nothing("spf")], State.NOTHING, "no-data: too little mail", id="it has nothing"),
        pytest.param([nothing("spf", OLD)], State.DARK, "no-data: too little mail", id="had nothing, long ago"),
        pytest.param(
            [good("dkim", "s1"), never_seen("dkim", "s2")], State.STALE, "timeout: no answer in 3 s", id="half"
        ),
        pytest.param([whole("ses", part="account"), nothing("ses")], State.FRESH, "no-data: too little mail", id="one"),
    ],
)
def test_states(looks: list[Look], state: State, why: str) -> None:
    found = only(*looks)
    assert (found.state, found.why) == (state, why)
    assert found.state.well is (state in (State.FRESH, State.NOTHING))


def test_a_source_that_nobody_asked_yet() -> None:
    found = view(fuse(known(expected={GOOGLE: SELDOM})), GOOGLE)
    assert (found.state, found.why, found.look_by) == (State.UNASKED, "nobody has asked it yet", None)
    assert not found.numbers and not found.days and found.at is None


def test_the_next_look_is_expected_while_the_answer_holds() -> None:
    assert only(whole("spf", NOW - HOUR)).look_by == NOW + 11 * HOUR
    assert only(good("dkim", "s1", NOW - 3 * HOUR), good("dkim", "s2")).look_by == NOW + 9 * HOUR
    assert only(whole("spf"), policy=policy(stale_after_minutes=24 * 60)).look_by == NOW + DAY
    assert only(never_seen("spf")).look_by == NOW + 12 * HOUR


def test_how_rules_are_kept_is_no_sign_of_life() -> None:
    compliance = whole(GOOGLE, NOW - 20 * HOUR, "compliance", spf="compliant")
    assert only(whole(GOOGLE, days=3), compliance).state is State.FRESH
    assert only(compliance).state is State.UNASKED


def test_a_selector_may_look_like_a_day() -> None:
    found = only(good("dkim", "2026-11-20"))
    assert (found.state, found.days) == (State.FRESH, ())


def test_google_tells_days_in_its_own_units() -> None:
    found = only(
        whole(GOOGLE, code="ok", days=2),
        told(GOOGLE, 18, spam_rate=0.004, reject_rate=0.1),
        told(GOOGLE, 19, spam_rate=0.0012, dkim_success_rate=1.0),
        mail=[mail(number, 500) for number in range(17, 22)],
    )
    assert (found.state, found.newest, found.complete) == (State.FRESH, nov(19), Complete(1, 1, "days"))
    assert [(one.day, dict(one.readings)["spam_rate"]) for one in found.days] == [(nov(18), 0.004), (nov(19), 0.0012)]
    first, second, third = found.numbers
    assert (first.reading, first.value, first.unit, first.total, first.day) == (
        "spam_rate",
        0.0012,
        "ratio",
        None,
        nov(19),
    )
    assert "Gmail" in first.of
    assert (second.reading, second.day) == ("dkim_success_rate", nov(19))
    assert third == Number("days", 2, "days")
    assert found.tells == found.speaks_for == {"google"}


def test_google_falls_silent() -> None:
    """Reached, and answering, but the numbers of three days of mail do not come."""
    sent = [mail(number, 500) for number in range(13, 22)]
    fused = fuse(known(whole(GOOGLE, days=1), told(GOOGLE, 15, spam_rate=0.001), mail=sent))
    found = view(fused, GOOGLE)
    assert (found.state, found.why) == (State.LATE, "no numbers of 2026-11-16 and 2 more")
    assert (found.complete, found.day_by) == (Complete(1, 4, "days"), NOW.replace(day=20, hour=0))
    assert late(fused) == (GOOGLE,) and not fused.well
    assert not found.tells and fused.coverage.ratio(Feedback.TOLD) == 0
    one = fuse(known(whole(GOOGLE, days=1), told(GOOGLE, 17, spam_rate=0.001), mail=sent))
    assert view(one, GOOGLE).why == "no numbers of 2026-11-18"


def test_stale_counts_before_late() -> None:
    sent = [mail(number, 500) for number in range(13, 22)]
    assert only(whole(GOOGLE, OLD), told(GOOGLE, 15, spam_rate=0.001), mail=sent).state is State.STALE


def test_microsoft_tells_by_address_and_keeps_an_interval_one() -> None:
    rates = {"complaint_rate_low": 0.0, "complaint_rate_high": 0.001, "complaint_rate_text": "< 0.1%"}
    days = [
        published_day(f"2026-11-20 192.0.2.{n}", source="microsoft_snds", message_recipients=100 * n, **rates)
        for n in (1, 2)
    ]
    found = only(whole("microsoft_snds"), *days)
    written = [one for one in found.numbers if one.reading == "complaint_rate_text"]
    assert [(one.part, one.value, one.total) for one in written] == [
        ("192.0.2.1", "< 0.1%", 100),
        ("192.0.2.2", "< 0.1%", 200),
    ]
    assert found.tells == {"microsoft"}


@pytest.mark.parametrize(
    ("looks", "tells"),
    [
        pytest.param(
            [whole("sendgrid"), told("sendgrid", 21, sent=9, complained=0)], {"yahoo", "microsoft"}, id="days"
        ),
        pytest.param([whole("ses", complaints=0, sends=9)], {"yahoo", "microsoft"}, id="a window"),
        pytest.param([whole("sendgrid"), told("sendgrid", 21, sent=9)], set(), id="it counts none"),
        pytest.param([whole("instantly"), told("instantly", 21, sent=9, complained=0)], set(), id="nobody tells it"),
        pytest.param([nothing(GOOGLE)], set(), id="too little mail"),
        pytest.param([whole("unheard-of", complained=3)], set(), id="nothing is known of it"),
    ],
)
def test_who_tells_of_complaints(looks: list[Look], tells: set[str]) -> None:
    assert only(*looks).tells == tells


def test_a_mailbox_of_reports_has_nothing_to_show_before_the_first() -> None:
    found = only(whole("feedback_mail"))
    assert not found.tells and {"yahoo", "microsoft", "fastmail"} <= found.perhaps
    assert not only(never_seen("feedback_mail")).perhaps


def test_a_window_is_told_where_no_day_is() -> None:
    """A day's figure goes before the same one over a window; a total that is no number is none."""
    found = only(whole("ses", sent=70, complained=7, sends=70), told("ses", 21, complained=1, sent="?"))
    assert [(one.reading, one.value, one.total, one.day) for one in found.numbers] == [
        ("complained", 1, None, nov(21)),
        ("sent", "?", None, nov(21)),
        ("sends", 70, None, None),
    ]


def events(told_by_day: Mapping[int, Any], counted: list[DayMail], age: timedelta | None) -> Fused:
    days = [told("sendgrid", number, **readings) for number, readings in told_by_day.items()]
    last = None if age is None else NOW - age
    return fuse(known(whole("sendgrid"), *days, platform="sendgrid", mail=counted, last_event=last))


@pytest.mark.parametrize(
    ("told_by_day", "counted", "age", "state", "complete"),
    [
        pytest.param({}, [], None, State.NOTHING, None, id="no event ever"),
        pytest.param({20: {"sent": 9}}, [], None, State.NOTHING, Complete(0, 9, "messages"), id="a hook never set up"),
        pytest.param({}, [], EVENTS_HOLD, State.FRESH, None, id="heard within three days"),
        pytest.param({}, [], EVENTS_HOLD + TICK, State.NOTHING, None, id="silent for longer: nothing is known"),
        pytest.param({20: {"sent": 9}}, [], HOUR, State.LATE, Complete(0, 9, "messages"), id="of others, not of it"),
        pytest.param({20: {"sent": 9}}, [mail(19, 5)], HOUR, State.LATE, Complete(0, 9, "messages"), id="fell silent"),
        pytest.param(
            {19: {"sent": 10}, 20: {"sent": 9}},
            [mail(19, 10), mail(20, 8)],
            HOUR,
            State.FRESH,
            Complete(18, 19, "messages"),
            id="one is missing",
        ),
        pytest.param(
            {19: {"sent": 10}, 20: {"sent": 0}},
            [mail(19, 12)],
            HOUR,
            State.FRESH,
            Complete(10, 10, "messages"),
            id="more than it says is not more than all; it sent none since",
        ),
        pytest.param({21: {"sent": 9}}, [mail(19, 5)], HOUR, State.FRESH, None, id="too soon to say"),
        pytest.param({18: {"sent": 9}}, [mail(19, 5)], HOUR, State.FRESH, None, id="before the hook was there"),
        pytest.param({20: {"complained": 9}}, [mail(19, 5)], HOUR, State.FRESH, None, id="it does not say"),
    ],
)
def test_events_are_held_against_what_the_platform_says(
    told_by_day: Mapping[int, Any],
    counted: list[DayMail],
    age: timedelta | None,
    state: State,
    complete: Complete | None,
) -> None:
    found = view(events(told_by_day, counted, age), EVENTS)
    assert (found.state, found.complete) == (state, complete)
    assert bool(found.why) is (state is not State.FRESH)
    assert bool(found.tells) is (state is State.FRESH)


def test_events_tell_what_was_counted_and_of_whom_it_was_heard() -> None:
    counted = [mail(19, 700, "other"), mail(20, 290), mail(21, 10, "mailru", complained=2)]
    fused = events({}, counted, HOUR)
    found = view(fused, EVENTS)
    assert [(one.reading, one.value, one.total) for one in found.numbers] == [
        ("complained", 2, 1000),
        ("sent", 1000, None),
    ]
    assert (found.at, found.newest) == (NOW - HOUR, nov(21))
    assert found.tells == {"yahoo", "microsoft", "mailru"}
    assert {share.provider: share.feedback for share in fused.coverage.shares} == {
        "other": Feedback.NONE,
        "google": Feedback.NONE,
        "mailru": Feedback.TOLD,
    }


def test_sources_are_never_averaged() -> None:
    """Three rates of one day, three views: none is touched by another."""
    looks = [
        whole(GOOGLE, days=1),
        told(GOOGLE, 21, spam_rate=0.004),
        whole("sendgrid"),
        told("sendgrid", 21, sent=1000, complained=1),
    ]
    together, alone = fuse(known(*looks, platform="sendgrid")), fuse(known(*looks[:2], platform="sendgrid"))
    assert view(together, GOOGLE) == view(alone, GOOGLE)
    assert [one.source for one in together.sources] == [GOOGLE, "sendgrid", EVENTS]


answers = st.one_of(
    st.builds(Unseen, st.sampled_from(Why)),
    st.dictionaries(
        st.sampled_from(["code", "sent", "complained", "spam_rate", "days", "sends"]),
        st.one_of(st.integers(0, 10**6), st.floats(0, 1), st.just("ok"), st.booleans()),
        min_size=1,
    ).map(Seen),
)
parts = st.one_of(st.sampled_from(["", "account", "compliance", "s1"]), st.dates().map(str), st.text(max_size=12))


@st.composite
def looks(draw: st.DrawFn) -> Look:
    source, part = draw(st.sampled_from(sorted(ABOUT))), draw(parts)
    ages = st.timedeltas(timedelta(), 40 * DAY)
    latest = Observation(source, DOMAIN, NOW - draw(ages), draw(answers), part)
    if isinstance(latest.answer, Seen):
        return Look(latest, latest)
    return Look(latest, draw(st.none() | st.just(replace(seen(source, at=latest.at - HOUR), part=part))))


mails = st.lists(
    st.builds(
        mail, st.integers(1, 22), st.integers(0, 1000), st.sampled_from(["", "google", "yahoo"]), st.integers(0, 3)
    ),
    max_size=8,
)


@given(
    st.lists(looks(), max_size=8),
    mails,
    st.sampled_from(sorted(ABOUT)),
    st.none() | st.timedeltas(timedelta(), 9 * DAY),
)
def test_laws_of_fusion(some: list[Look], counted: list[DayMail], platform: str, age: timedelta | None) -> None:
    case = known(*some, platform=platform, mail=counted, last_event=None if age is None else NOW - age)
    fused = fuse(case)
    assert len(fused.sources) == len(case.expected) + 1
    for one in fused.sources:
        # Who does not answer covers nothing, and nobody covers more than it speaks for (or was heard of).
        assert one.state is State.FRESH or not (one.tells or one.perhaps)
        assert one.tells <= one.speaks_for | {row.provider for row in counted if row.complained}
        assert one.complete is None or 0 <= one.complete.have <= one.complete.due
        assert all(number.reading in {figure.reading for figure in ABOUT[one.source].figures} for number in one.numbers)
    # A source without any look takes nothing away from what the others say.
    wider = fuse(replace(case, expected={**case.expected, "another": SELDOM}))
    assert [one for one in wider.sources if one.source != "another"] == list(fused.sources)
    assert wider.coverage == fused.coverage


def test_reports_on_authentication_are_shown_and_never_missed() -> None:
    assert [one.source for one in fuse(known()).sources if one.source.endswith("_reports")] == []
    day = NOW.date() - timedelta(days=2)
    looks = [
        Look(Observation(source, DOMAIN, NOW, Seen({"pass_rate": 0.98, total: 100}), f"{day}/google.com"), None)
        for source, total in (("dmarc_reports", "messages"), ("tls_reports", "sessions"))
    ]
    told = [replace(look, seen=look.latest) for look in looks]
    shown = fuse(known(*told, expected={}))
    for source in ("dmarc_reports", "tls_reports"):
        one = view(shown, source)
        assert (one.state, one.tells, one.newest) == (State.FRESH, frozenset(), day)
        assert (one.day_by, one.look_by) == (None, None)
        assert [(it.value, it.total, it.part) for it in one.numbers] == [(0.98, 100, "google.com")]
    assert shown.coverage == fuse(known(expected={})).coverage and late(shown) == ()
