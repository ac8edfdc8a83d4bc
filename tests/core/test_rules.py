"""The rules: what each kind of evidence calls for, and where exactly the line is."""

from dataclasses import replace
from datetime import timedelta

import pytest
from core.builders import (
    DAY,
    DEFAULT,
    DOMAIN,
    HOUR,
    MINUTE,
    NOW,
    TICK,
    authentication_rule,
    counts,
    failing,
    gone_dark,
    good,
    guard,
    never_seen,
    policy,
    unseen,
)
from hypothesis import given
from hypothesis import strategies as st

from deliverd.core import rules
from deliverd.model import Counts, Look, Standing
from deliverd.policy import Watched
from probes.observation import Observation, Seen, Unseen, Why

WEEK_AGO = NOW - 7 * DAY
GRACE = 72 * HOUR
FAILING = failing("spf", NOW - GRACE)


@pytest.mark.parametrize(
    ("sent", "complained", "standing", "rule"),
    [
        pytest.param(0, 0, Standing.HEALTHY, "complaints", id="no mail at all is no complaint"),
        pytest.param(10_000, 0, Standing.HEALTHY, "complaints", id="mail without complaints"),
        pytest.param(10_000, 4, Standing.HEALTHY, "complaints", id="0.04 % is under the watch rate"),
        pytest.param(10_000, 5, Standing.WATCH, "complaints-watch", id="0.05 % is exactly the watch rate"),
        pytest.param(10_001, 5, Standing.HEALTHY, "complaints", id="one message more is under the watch rate"),
        pytest.param(200, 1, Standing.WATCH, "complaints-watch", id="the first complaint at low volume is watched"),
        pytest.param(10_000, 8, Standing.THROTTLED, "complaints-throttle", id="0.08 % is exactly 8 of 10,000"),
        pytest.param(10_001, 8, Standing.WATCH, "complaints-watch", id="8 of 10,001 is under 0.08 %"),
        pytest.param(9_999, 8, Standing.THROTTLED, "complaints-throttle", id="8 of 9,999 is over 0.08 %"),
        pytest.param(100, 2, Standing.WATCH, "complaints-watch", id="2 complaints throttle nobody, whatever the rate"),
        pytest.param(100, 3, Standing.THROTTLED, "complaints-throttle", id="3 complaints are enough to throttle"),
        pytest.param(100, 4, Standing.THROTTLED, "complaints-throttle", id="4 complaints pause nobody, at 4 %"),
        pytest.param(100, 5, Standing.PAUSED, "complaints-pause", id="5 complaints are enough to pause"),
        pytest.param(10_000, 30, Standing.PAUSED, "complaints-pause", id="0.30 % is exactly 30 of 10,000"),
        pytest.param(10_001, 30, Standing.THROTTLED, "complaints-throttle", id="30 of 10,001 is under 0.30 %"),
        pytest.param(0, 5, Standing.THROTTLED, "complaints-pause", id="complaints about mail never reported as sent"),
        pytest.param(3, 5, Standing.PAUSED, "complaints-pause", id="more complaints than mail"),
    ],
)
def test_complaints(sent: int, complained: int, standing: Standing, rule: str) -> None:
    verdict = rules.complaints(DEFAULT, counts(sent, complained), WEEK_AGO, NOW)
    assert (verdict.standing, verdict.rule) == (standing, rule)


@pytest.mark.parametrize("percent", ["0.01", "0.05", "0.07", "0.08", "0.1", "0.3", "0.7", "2.9", "12.5"])
def test_a_rate_of_exactly_the_threshold_acts_in_every_notation(percent: str) -> None:
    """Percent over ratio: dividing 0.07 by 100 as a float would be 0.0007000000000000001, over 7 of 10,000."""
    at = round(float(percent) * 1000)
    strict = policy(watch=guard(percent, 1), throttle=guard(percent, 1), pause=guard("100", 3))
    assert rules.complaints(strict, counts(100_000, at), WEEK_AGO, NOW).standing is Standing.THROTTLED
    assert rules.complaints(strict, counts(100_000, at - 1), WEEK_AGO, NOW).standing is Standing.HEALTHY


def test_a_complaint_verdict_carries_the_numbers_it_stands_on() -> None:
    verdict = rules.complaints(DEFAULT, counts(2_000, 6), WEEK_AGO, NOW)
    assert verdict.reason == (
        "6 complaints about 2,000 messages sent since Sun 15 Nov 12:00 UTC: 0.3 %; "
        "the pause threshold is 0.3 % with at least 5"
    )
    assert verdict.evidence == {
        "complaints": 6,
        "sent": 2000,
        "rate": 0.003,
        "since": "2026-11-15T12:00:00+00:00",
        "until": "2026-11-22T12:00:00+00:00",
        "threshold": 0.003,
        "complaints_needed": 5,
        "threshold_source": "a test",
        "threshold_date": "2026-11-22",
    }


@pytest.mark.parametrize(
    ("held", "reason"),
    [
        pytest.param(counts(5_000), "0 complaints about 5,000 messages", id="none"),
        pytest.param(counts(5_000, 1), "1 complaint about 5,000 messages", id="one"),
        pytest.param(counts(0, 2), "2 complaints about 2 messages", id="mail never reported as sent"),
    ],
)
def test_a_healthy_verdict_says_what_was_counted(held: Counts, reason: str) -> None:
    quiet = policy(watch=guard("100", 9), throttle=guard("100", 9), pause=guard("100", 9))
    verdict = rules.complaints(quiet, held, WEEK_AGO, NOW)
    assert verdict.reason.startswith(f"{reason} sent since Sun 15 Nov 12:00 UTC: ")
    assert verdict.evidence["complaints"] == held.complained
    assert "threshold" not in verdict.evidence


@pytest.mark.parametrize(
    ("rate", "text"), [(0.0, "0 %"), (0.0008, "0.08 %"), (0.0017, "0.17 %"), (0.125, "12.5 %"), (1.0, "100 %")]
)
def test_a_ratio_is_read_as_percent(rate: float, text: str) -> None:
    assert rules.percent(rate) == text


@pytest.mark.parametrize(
    ("looks", "standing"),
    [
        pytest.param([], Standing.HEALTHY, id="nobody looked"),
        pytest.param([good("spf")], Standing.HEALTHY, id="good"),
        pytest.param([never_seen("spf")], Standing.HEALTHY, id="never answered is not failing"),
        pytest.param([failing("spf", NOW, times=1)], Standing.HEALTHY, id="seen once is not confirmed"),
        pytest.param([failing("spf", NOW, times=2)], Standing.WATCH, id="seen twice is confirmed"),
        pytest.param([failing("spf", NOW - GRACE + TICK)], Standing.WATCH, id="just within the grace"),
        pytest.param([failing("spf", NOW - GRACE)], Standing.THROTTLED, id="the grace is over to the microsecond"),
        pytest.param([failing("dmarc", NOW - GRACE)], Standing.THROTTLED, id="DMARC"),
        pytest.param([failing("dkim", NOW - GRACE, part="s1")], Standing.THROTTLED, id="the only DKIM key"),
        pytest.param(
            [failing("dkim", NOW - GRACE, part="s1"), good("dkim", part="s2")],
            Standing.WATCH,
            id="another DKIM key is good: a rotation",
        ),
        pytest.param(
            [failing("dkim", NOW - GRACE, part="s1"), never_seen("dkim", part="s2")],
            Standing.THROTTLED,
            id="another DKIM key that never answered is no comfort",
        ),
        pytest.param(
            [failing("dkim", NOW - GRACE, part="s1"), failing("dkim", NOW - GRACE, part="s2")],
            Standing.THROTTLED,
            id="both DKIM keys fail",
        ),
        pytest.param(
            [failing("dkim", NOW - GRACE, part="s1"), good("spf")],
            Standing.THROTTLED,
            id="a good SPF is no DKIM key",
        ),
        pytest.param(
            [failing("spf", NOW - GRACE), good("dkim", part="s2")],
            Standing.THROTTLED,
            id="a good DKIM key is no SPF",
        ),
        pytest.param(
            [failing("spf", NOW), failing("dmarc", NOW - GRACE)], Standing.THROTTLED, id="the worst of several"
        ),
        pytest.param([failing("webhook", NOW - GRACE)], Standing.HEALTHY, id="another kind of source"),
        pytest.param([gone_dark(FAILING)], Standing.HEALTHY, id="failing when last seen, and dark since"),
    ],
)
def test_authentication(looks: list[Look], standing: Standing) -> None:
    verdict = rules.authentication(DEFAULT, list(enumerate(looks, 1)), NOW)
    assert verdict.standing is standing
    assert bool(verdict.reason) is (standing is not Standing.HEALTHY)


def test_an_authentication_verdict_carries_what_was_seen_and_which_observation_showed_it() -> None:
    looks = [(11, good("spf")), (12, failing("dkim", NOW - 3 * HOUR, "revoked", times=13, part="s1"))]
    verdict = rules.authentication(DEFAULT, looks, NOW)
    assert verdict.rule == "authentication-dkim"
    assert verdict.reason == "DKIM s1 fails (revoked), seen 13 times since Sun 22 Nov 09:00 UTC; the grace is 72 h"
    assert verdict.observation_ids == (12,)
    assert verdict.evidence == {
        "source": "dkim",
        "part": "s1",
        "code": "revoked",
        "failing_since": "2026-11-22T09:00:00+00:00",
        "failures": 13,
        "grace_hours": 72.0,
        "threshold_source": "a test",
        "threshold_date": "2026-11-22",
    }


def test_a_rotation_is_named_as_the_reason_why_the_grace_does_not_end() -> None:
    looks = [(1, failing("dkim", NOW - GRACE, part="s1")), (2, good("dkim", part="s2"))]
    assert rules.authentication(DEFAULT, looks, NOW).reason.endswith("; another selector is good")


def test_one_look_that_timed_out_does_not_hide_what_the_last_answer_said() -> None:
    look = replace(failing("spf", NOW - HOUR, "syntax", at=NOW - MINUTE), latest=unseen("spf"))
    assert rules.authentication(DEFAULT, [(1, look)], NOW).reason.startswith("SPF fails (syntax), seen 2 times")


def test_a_failing_answer_without_a_code_is_still_failing() -> None:
    odd = Observation("spf", DOMAIN, NOW, Seen({"record": "v=spf1"}))
    verdict = rules.authentication(DEFAULT, [(1, Look(odd, odd, NOW, 2))], NOW)
    assert verdict.reason.startswith("SPF fails (failing), seen 2 times")


@pytest.mark.parametrize("confirmations", [1, 3])
def test_how_many_looks_confirm_is_the_policys_word(confirmations: int) -> None:
    strict = policy(authentication=authentication_rule(confirmations=confirmations))
    looks = [(1, failing("spf", NOW, times=n)) for n in (confirmations - 1, confirmations)]
    verdicts = [rules.authentication(strict, [look], NOW).standing for look in looks]
    assert verdicts == [Standing.HEALTHY, Standing.WATCH]


def test_what_follows_the_grace_is_the_policys_word() -> None:
    strict = policy(authentication=authentication_rule(grace_hours=0.1, then=Standing.PAUSED))
    at, before = NOW - 6 * MINUTE, NOW - 6 * MINUTE + TICK
    assert rules.authentication(strict, [(1, failing("spf", at))], NOW).standing is Standing.PAUSED
    assert rules.authentication(strict, [(1, failing("spf", before))], NOW).standing is Standing.WATCH


@given(st.permutations([(1, failing("spf", NOW)), (2, failing("dmarc", NOW)), (3, failing("dkim", NOW, part="a"))]))
def test_the_order_of_looks_does_not_matter(looks: list[tuple[int, Look]]) -> None:
    assert rules.authentication(DEFAULT, looks, NOW).rule == "authentication-dkim"


STALE = timedelta(minutes=60)


@pytest.mark.parametrize(
    ("look", "stale"),
    [
        pytest.param(good("spf", at=NOW - STALE), False, id="answered exactly an hour ago"),
        pytest.param(good("spf", at=NOW - STALE - TICK), True, id="answered a moment longer ago"),
        pytest.param(never_seen("spf"), True, id="never answered"),
    ],
)
def test_stale(look: Look, stale: bool) -> None:
    assert rules.stale(look, STALE, NOW) is stale


def nothing_on_it(age: timedelta) -> Look:
    """A source that was reached `age` ago and said that it has no data on the domain, as it always did."""
    return Look(Observation("dkim", DOMAIN, NOW - age, Unseen(Why.NO_DATA, "too little mail")))


S1, S2 = good("dkim", part="s1"), good("dkim", part="s2")


@pytest.mark.parametrize(
    ("looks", "asked_for", "blind", "unknown"),
    [
        pytest.param([good("dkim")], STALE + TICK, False, False, id="answers"),
        pytest.param([failing("dkim", NOW)], STALE + TICK, False, False, id="failing is seen"),
        pytest.param([gone_dark(good("dkim"))], STALE + TICK, True, True, id="stopped answering"),
        pytest.param([gone_dark(good("dkim"))], 0 * STALE, True, True, id="dark before this process asked"),
        pytest.param([], STALE, False, True, id="just added: not blind yet, and not known to be good either"),
        pytest.param([], STALE + TICK, True, True, id="nobody asks it"),
        pytest.param([good("spf")], STALE + TICK, True, True, id="only another source answers"),
        pytest.param([never_seen("dkim")], STALE, False, True, id="asked for an hour, no answer yet"),
        pytest.param([never_seen("dkim")], STALE + TICK, True, True, id="asked for longer, never answered"),
        pytest.param([nothing_on_it(STALE)], STALE + TICK, False, False, id="reached, and never had anything on it"),
        pytest.param([nothing_on_it(STALE + TICK)], STALE + TICK, True, True, id="reached too long ago"),
        pytest.param([S1, gone_dark(S2)], STALE + TICK, True, True, id="one selector of two went dark"),
        pytest.param([gone_dark(S1), S2], STALE + TICK, True, True, id="the other selector went dark"),
        pytest.param([S1, never_seen("dkim", "s2")], STALE, False, True, id="a selector just added"),
        pytest.param([S1, never_seen("dkim", "s2")], STALE + TICK, True, True, id="a selector never answered"),
    ],
)
def test_blind_and_unknown(looks: list[Look], asked_for: timedelta, blind: bool, unknown: bool) -> None:
    numbered = list(enumerate(looks))
    expected = {"dkim": Watched(NOW - asked_for)}
    assert rules.blind(DEFAULT, numbered, expected, NOW) == (("dkim",) if blind else ())
    assert rules.unknown(DEFAULT, numbered, expected, NOW) == (("dkim",) if unknown else ())


def test_blind_and_unknown_name_only_sources_that_should_watch_in_one_order() -> None:
    looks = [(1, gone_dark(good("webhook"))), (2, gone_dark(good("spf"))), (3, good("dmarc"))]
    expected = dict.fromkeys(["spf", "dmarc", "dkim"], Watched(NOW - DAY))
    assert rules.blind(DEFAULT, looks, expected, NOW) == ("dkim", "spf")
    assert rules.unknown(DEFAULT, looks, expected, NOW) == ("dkim", "spf")


@pytest.mark.parametrize(
    ("every", "age", "dark"),
    [
        pytest.param(6 * HOUR, 12 * HOUR, False, id="answered two rounds ago"),
        pytest.param(6 * HOUR, 12 * HOUR + TICK, True, id="a moment longer ago"),
        pytest.param(10 * MINUTE, STALE, False, id="asked often: the policy's word"),
        pytest.param(10 * MINUTE, STALE + TICK, True, id="and a moment longer"),
    ],
)
def test_an_answer_holds_for_two_rounds_of_its_source(every: timedelta, age: timedelta, dark: bool) -> None:
    expected = {"google_postmaster": Watched(NOW - DAY, every)}
    looks = [(1, good("google_postmaster", at=NOW - age))]
    assert rules.blind(DEFAULT, looks, expected, NOW) == (("google_postmaster",) if dark else ())
    assert rules.unknown(DEFAULT, looks, expected, NOW) == (("google_postmaster",) if dark else ())
    just_asked = {"google_postmaster": Watched(NOW - age, every)}
    assert rules.blind(DEFAULT, [], just_asked, NOW) == (("google_postmaster",) if dark else ())


def test_when_the_next_answer_should_have_been_there() -> None:
    looks = [(1, good("dkim", "s1", NOW - HOUR)), (2, good("dkim", "s2")), (3, good("spf", at=NOW - DAY))]
    watched = Watched(NOW - 2 * DAY)
    assert rules.expected_by("dkim", watched, looks, DEFAULT) == NOW
    assert rules.expected_by("dmarc", watched, looks, DEFAULT) == NOW - 2 * DAY + HOUR
