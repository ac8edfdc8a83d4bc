"""The ladder, row by row: what a domain's standing becomes, and what is asked of its levers."""

from datetime import date, timedelta
from typing import Any

import pytest
from core.builders import (
    DAY,
    DEFAULT,
    DOMAIN,
    HOUR,
    NOW,
    PAUSED,
    RUNNING,
    TICK,
    authentication_rule,
    case,
    counts,
    day,
    decision,
    failing,
    gone_dark,
    good,
    guard,
    never_seen,
    order,
    policy,
    throttled,
)

from deliverd.core.decide import counting_from, decide, held, judge, published_from, wanted
from deliverd.model import Decision, Limit, Mode, Order, OrderKind, Standing
from deliverd.policy import Watched

QUIET, WORTH_A_WATCH, TOO_MANY, FAR_TOO_MANY = (
    counts(10_000, 4),
    counts(10_000, 5),
    counts(10_000, 8),
    counts(10_000, 30),
)
CLEAN = counts(2900)
DAWN = {date(2026, 11, 20): 1000, date(2026, 11, 21): 1000}


def next_standing(made: Decision | None) -> tuple[Standing, int] | None:
    return (made.standing, made.step) if made else None


HEALTHY, WATCH, THROTTLED = decision(Standing.HEALTHY), decision(Standing.WATCH), decision(Standing.THROTTLED)
PAUSE = decision(Standing.PAUSED)
FOOT = decision(Standing.RECOVERING, previous=Standing.PAUSED)
THIRD = decision(Standing.RECOVERING, step=2, limit=throttled(500))
LAST = decision(Standing.RECOVERING, step=3, limit=RUNNING)


@pytest.mark.parametrize(
    ("last", "window", "becomes"),
    [
        pytest.param(None, QUIET, None, id="new and healthy: nothing to decide"),
        pytest.param(None, WORTH_A_WATCH, (Standing.WATCH, 0), id="new to watch"),
        pytest.param(None, FAR_TOO_MANY, (Standing.PAUSED, 0), id="new to paused at once"),
        pytest.param(HEALTHY, WORTH_A_WATCH, (Standing.WATCH, 0), id="healthy to watch"),
        pytest.param(HEALTHY, TOO_MANY, (Standing.THROTTLED, 0), id="healthy to throttled, over the watch"),
        pytest.param(WATCH, WORTH_A_WATCH, None, id="watch stays watch"),
        pytest.param(WATCH, TOO_MANY, (Standing.THROTTLED, 0), id="watch to throttled"),
        pytest.param(THROTTLED, TOO_MANY, None, id="throttled stays throttled"),
        pytest.param(THROTTLED, FAR_TOO_MANY, (Standing.PAUSED, 0), id="throttled to paused"),
        pytest.param(PAUSE, FAR_TOO_MANY, None, id="paused stays paused"),
        pytest.param(FOOT, FAR_TOO_MANY, (Standing.PAUSED, 0), id="recovering to paused"),
        pytest.param(THIRD, TOO_MANY, (Standing.RECOVERING, 0), id="recovering falls back to the foot of the ramp"),
        pytest.param(decision(Standing.RECOVERING, step=1), TOO_MANY, (Standing.RECOVERING, 0), id="from any step"),
        pytest.param(FOOT, TOO_MANY, None, id="at the foot of the ramp there is nothing to fall back to"),
        pytest.param(THIRD, WORTH_A_WATCH, None, id="a watch alone moves nobody down the ramp"),
    ],
)
def test_down_at_once(last: Decision | None, window: Any, becomes: Any) -> None:
    assert next_standing(decide(case(last, window=window))) == becomes


LAST_DAY = {"since": NOW - DAY}


@pytest.mark.parametrize(
    ("last", "over", "becomes"),
    [
        pytest.param(WATCH, {}, (Standing.HEALTHY, 0), id="watch to healthy after the dwell, as nothing was held back"),
        pytest.param(THROTTLED, {"since": CLEAN}, (Standing.WATCH, 0), id="throttled to watch on clean mail"),
        pytest.param(THROTTLED, {"since": counts(2899)}, None, id="one clean message short"),
        pytest.param(THROTTLED, {}, None, id="no mail is no evidence"),
        pytest.param(
            THROTTLED, {"since": CLEAN, "window": WORTH_A_WATCH}, (Standing.WATCH, 0), id="throttled to watch"
        ),
        pytest.param(THROTTLED, {"since": counts(10_000, 4)}, (Standing.WATCH, 0), id="0.04 % since is clean"),
        pytest.param(THROTTLED, {"since": counts(10_000, 5)}, None, id="0.05 % since is not clean"),
        pytest.param(PAUSE, {"since": CLEAN}, None, id="paused is left by nobody but a person"),
        pytest.param(FOOT, {"since": CLEAN}, (Standing.RECOVERING, 1), id="one step up the ramp"),
        pytest.param(FOOT, {"since": counts(2899)}, None, id="no step without enough clean mail"),
        pytest.param(THIRD, {"since": CLEAN}, (Standing.RECOVERING, 3), id="the last step of the ramp"),
        pytest.param(LAST, {"since": CLEAN}, (Standing.WATCH, 0), id="the end of the ramp is a watch, not yet healthy"),
        pytest.param(LAST, {"since": counts(2899)}, None, id="the ramp is left on evidence too"),
    ],
)
def test_up_one_step(last: Decision, over: dict[str, Any], becomes: Any) -> None:
    assert next_standing(decide(case(last, **over))) == becomes


@pytest.mark.parametrize(
    ("age", "up"),
    [
        pytest.param(DAY, True, id="the dwell is over to the microsecond"),
        pytest.param(DAY - TICK, False, id="a moment before"),
    ],
)
def test_the_dwell(age: Any, up: bool) -> None:
    young = decision(Standing.WATCH, since=NOW - age)
    assert (decide(case(young)) is not None) is up


HOLD, RELEASE = order(OrderKind.HOLD, 1), order(OrderKind.RELEASE, 2)
ALL_FRESH = [(1, good("spf")), (2, good("dmarc"))]
WATCHED = {"expected": {"spf": Watched(NOW - DAY), "dmarc": Watched(NOW - DAY)}}


@pytest.mark.parametrize(
    ("over", "up"),
    [
        pytest.param({}, True, id="nothing in the way"),
        pytest.param({"orders": (HOLD,)}, False, id="a hold"),
        pytest.param({"orders": (HOLD, RELEASE)}, True, id="a hold that was released"),
        pytest.param({"looks": ALL_FRESH, **WATCHED}, True, id="every source has a fresh answer"),
        pytest.param({"looks": ALL_FRESH[:1], **WATCHED}, False, id="a source that nobody polls"),
        pytest.param({"looks": [ALL_FRESH[0], (2, gone_dark(good("dmarc")))], **WATCHED}, False, id="a dark source"),
        pytest.param({"expected": {"spf": Watched(NOW)}}, False, id="a source just added that has not answered yet"),
        pytest.param(
            {"looks": [(1, never_seen("spf"))], "expected": {"spf": Watched(NOW)}}, False, id="and one that could not"
        ),
    ],
)
def test_what_stands_in_the_way_of_a_step_up(over: dict[str, Any], up: bool) -> None:
    assert (decide(case(WATCH, **over)) is not None) is up


@pytest.mark.parametrize(
    "over", [{"orders": (HOLD,)}, {"expected": {"spf": Watched(NOW - DAY)}}], ids=["hold", "blind"]
)
def test_nothing_stands_in_the_way_of_protection(over: dict[str, Any]) -> None:
    assert next_standing(decide(case(WATCH, window=FAR_TOO_MANY, **over))) == (Standing.PAUSED, 0)


UNTIL = order(OrderKind.HOLD, 3, until=NOW + HOUR)


@pytest.mark.parametrize(
    ("orders", "at", "in_force"),
    [
        pytest.param((), NOW, None, id="no word"),
        pytest.param((HOLD,), NOW, HOLD, id="a hold without end"),
        pytest.param((RELEASE,), NOW, None, id="a release alone"),
        pytest.param((HOLD, RELEASE), NOW, None, id="hold, release"),
        pytest.param((HOLD, RELEASE, UNTIL), NOW, UNTIL, id="hold, release, hold"),
        pytest.param((UNTIL,), NOW + HOUR - TICK, UNTIL, id="just before its end"),
        pytest.param((UNTIL,), NOW + HOUR, None, id="at its end to the microsecond"),
        pytest.param((HOLD, order(OrderKind.PAUSE, 4)), NOW, HOLD, id="a pause is no word about holding"),
        pytest.param((HOLD, UNTIL), NOW + HOUR, None, id="the newest hold counts, with its end"),
    ],
)
def test_hold(orders: tuple[Order, ...], at: Any, in_force: Order | None) -> None:
    assert held(orders, at) is in_force


PAUSE_NOW, RESUME_NOW = order(OrderKind.PAUSE, 4), order(OrderKind.RESUME, 5)
WOULD_PAUSE = decision(Standing.PAUSED, mode=Mode.OBSERVE)
PROPOSED = decision(Standing.PAUSED, mode=Mode.PROPOSE)
APPROVAL = order(OrderKind.APPROVE, 6, decision_id=70)


@pytest.mark.parametrize(
    ("last", "orders", "becomes"),
    [
        pytest.param(None, (PAUSE_NOW,), (Standing.PAUSED, 0), id="pause a new domain"),
        pytest.param(None, (order(OrderKind.PAUSE, 1),), (Standing.PAUSED, 0), id="by the very first order"),
        pytest.param(THROTTLED, (PAUSE_NOW,), (Standing.PAUSED, 0), id="pause a throttled one"),
        pytest.param(PAUSE, (RESUME_NOW,), (Standing.RECOVERING, 0), id="resume from paused: the foot of the ramp"),
        pytest.param(FOOT, (RESUME_NOW,), (Standing.RECOVERING, 1), id="resume while recovering: one step up"),
        pytest.param(THIRD, (RESUME_NOW,), (Standing.RECOVERING, 3), id="to the last step"),
        pytest.param(LAST, (RESUME_NOW,), (Standing.HEALTHY, 0), id="and off the ramp"),
        pytest.param(THROTTLED, (RESUME_NOW,), (Standing.HEALTHY, 0), id="resume from throttled"),
        pytest.param(WATCH, (RESUME_NOW,), (Standing.HEALTHY, 0), id="resume from watch"),
        pytest.param(None, (RESUME_NOW,), (Standing.HEALTHY, 0), id="resume a new domain"),
        pytest.param(PAUSE, (PAUSE_NOW, RESUME_NOW), (Standing.RECOVERING, 0), id="the newest order counts: resume"),
        pytest.param(PAUSE, (order(OrderKind.RESUME, 3), PAUSE_NOW), (Standing.PAUSED, 0), id="the newest: pause"),
        pytest.param(WOULD_PAUSE, (RESUME_NOW,), (Standing.HEALTHY, 0), id="resume from a pause only written down"),
        pytest.param(PROPOSED, (RESUME_NOW,), (Standing.HEALTHY, 0), id="resume from a pause only proposed"),
        pytest.param(PROPOSED, (RESUME_NOW, APPROVAL), (Standing.RECOVERING, 0), id="from an approved one: the ramp"),
        pytest.param(decision(Standing.PAUSED, order_id=5), (RESUME_NOW,), None, id="an order already taken"),
        pytest.param(
            decision(Standing.PAUSED, order_id=4), (PAUSE_NOW, RESUME_NOW), (Standing.RECOVERING, 0), id="next"
        ),
        pytest.param(PAUSE, (HOLD, RELEASE, APPROVAL), None, id="other words move nothing"),
    ],
)
def test_a_persons_order(last: Decision | None, orders: tuple[Order, ...], becomes: Any) -> None:
    mode = last.mode if last else Mode.ENFORCE
    made = decide(case(last, orders=orders, mode=mode, since=CLEAN))
    assert next_standing(made) == becomes


def test_an_order_goes_before_every_verdict_and_names_its_author() -> None:
    made = decide(case(PAUSE, orders=(RESUME_NOW,), window=FAR_TOO_MANY, mode=Mode.OBSERVE))
    assert made is not None
    assert (made.standing, made.author, made.order_id) == (Standing.RECOVERING, "dana", 5)
    assert (made.rule, made.reason, made.evidence) == ("order", "dana: the list is mended", {"order": 5})


def test_a_resume_begins_an_epoch_and_a_pause_does_not() -> None:
    epoch = NOW - 2 * DAY
    last = decision(Standing.PAUSED, epoch=epoch)
    resumed, paused = (decide(case(last, orders=(word,))) for word in (RESUME_NOW, PAUSE_NOW))
    assert resumed is not None
    assert paused is not None
    assert (resumed.epoch, paused.epoch) == (NOW, epoch)


@pytest.mark.parametrize(
    ("last", "start"),
    [
        pytest.param(None, NOW - 7 * DAY, id="the window"),
        pytest.param(PAUSE, NOW - 7 * DAY, id="no epoch"),
        pytest.param(decision(Standing.WATCH, epoch=NOW - DAY), NOW - DAY, id="an epoch within the window cuts it"),
        pytest.param(decision(Standing.WATCH, epoch=NOW - 9 * DAY), NOW - 7 * DAY, id="an epoch before it does not"),
    ],
)
def test_from_when_mail_counts(last: Decision | None, start: Any) -> None:
    assert counting_from(DEFAULT, last, NOW) == start


@pytest.mark.parametrize(
    ("last", "mode", "becomes"),
    [
        pytest.param(WOULD_PAUSE, Mode.ENFORCE, Standing.HEALTHY, id="written down, now enforced: judged afresh"),
        pytest.param(PROPOSED, Mode.OBSERVE, Standing.HEALTHY, id="proposed, now observed: judged afresh"),
        pytest.param(PROPOSED, Mode.ENFORCE, Standing.HEALTHY, id="proposed, now enforced: judged afresh"),
        pytest.param(PAUSE, Mode.OBSERVE, None, id="carried out, now observed: it stays"),
        pytest.param(
            decision(Standing.PAUSED, mode=Mode.OBSERVE, author="dana"), Mode.ENFORCE, None, id="ordered: stays"
        ),
        pytest.param(None, Mode.OBSERVE, None, id="never judged"),
    ],
)
def test_a_change_of_mode(last: Decision | None, mode: Mode, becomes: Standing | None) -> None:
    made = decide(case(last, mode=mode))
    assert (made.standing if made else None) == becomes


def test_a_change_of_mode_judges_on_what_is_seen_now_and_says_so() -> None:
    made = decide(case(WOULD_PAUSE, window=TOO_MANY))
    assert made is not None
    assert (made.standing, made.rule, made.mode) == (Standing.THROTTLED, "complaints-throttle", Mode.ENFORCE)
    assert made.reason.startswith("mode is now enforce (was observe); 8 complaints about 10,000 messages")


def test_a_change_of_mode_with_no_words_of_the_rule() -> None:
    calm = policy(authentication=authentication_rule(then=Standing.PAUSED))
    made = decide(case(WOULD_PAUSE, policy=calm))
    assert made is not None
    assert made.reason.startswith("mode is now enforce (was observe); 0 complaints")


HELD_BACK = {"imposed": throttled(500)}


@pytest.mark.parametrize(
    ("last", "over", "becomes"),
    [
        pytest.param(WOULD_PAUSE, {}, (Standing.HEALTHY, 0), id="written down only: it goes when its cause goes"),
        pytest.param(WOULD_PAUSE, {"window": WORTH_A_WATCH}, (Standing.WATCH, 0), id="as far as its cause goes"),
        pytest.param(WOULD_PAUSE, {"imposed": RUNNING}, (Standing.HEALTHY, 0), id="what was lifted holds nothing back"),
        pytest.param(WOULD_PAUSE, HELD_BACK, None, id="something is held back: a pause stays a person's to leave"),
        pytest.param(
            decision(Standing.THROTTLED, mode=Mode.OBSERVE),
            {},
            (Standing.HEALTHY, 0),
            id="would be throttled: no longer",
        ),
        pytest.param(
            decision(Standing.THROTTLED, mode=Mode.OBSERVE), HELD_BACK, None, id="is throttled: not without clean mail"
        ),
        pytest.param(
            decision(Standing.RECOVERING, mode=Mode.OBSERVE, step=1),
            {"since": CLEAN, "imposed": throttled(250)},
            (Standing.RECOVERING, 2),
            id="ramping while only observed: still one step at a time",
        ),
        pytest.param(
            decision(Standing.RECOVERING, mode=Mode.PROPOSE, step=1),
            {"imposed": throttled(250)},
            None,
            id="and still on clean mail only",
        ),
    ],
)
def test_a_standing_that_the_policy_alone_wrote_down(last: Decision, over: dict[str, Any], becomes: Any) -> None:
    assert next_standing(decide(case(last, mode=last.mode, **over))) == becomes


def test_what_is_held_back_is_not_judged_afresh_by_a_change_of_mode() -> None:
    assert decide(case(decision(Standing.RECOVERING, mode=Mode.OBSERVE), imposed=throttled(100))) is None


@pytest.mark.parametrize(
    ("last", "mode", "orders", "imposed", "asked"),
    [
        pytest.param(None, Mode.ENFORCE, (), None, None, id="never judged"),
        pytest.param(PAUSE, Mode.ENFORCE, (), None, PAUSED, id="enforced"),
        pytest.param(PAUSE, Mode.OBSERVE, (), None, None, id="observed"),
        pytest.param(PAUSE, Mode.PROPOSE, (), None, None, id="proposed"),
        pytest.param(PAUSE, Mode.PROPOSE, (APPROVAL,), None, PAUSED, id="proposed and approved"),
        pytest.param(
            PAUSE, Mode.PROPOSE, (order(OrderKind.APPROVE, 6, decision_id=69),), None, None, id="another one approved"
        ),
        pytest.param(
            PAUSE, Mode.PROPOSE, (order(OrderKind.HOLD, 6, decision_id=70),), None, None, id="not an approval at all"
        ),
        pytest.param(
            decision(Standing.PAUSED, author="dana"), Mode.OBSERVE, (), None, PAUSED, id="a person's, in every mode"
        ),
        pytest.param(THROTTLED, Mode.PROPOSE, (), throttled(499), throttled(500), id="it gives back"),
        pytest.param(THROTTLED, Mode.PROPOSE, (), PAUSED, throttled(500), id="it gives back from a pause"),
        pytest.param(THROTTLED, Mode.PROPOSE, (), throttled(500), throttled(500), id="it keeps what was given back"),
        pytest.param(THROTTLED, Mode.PROPOSE, (), throttled(501), None, id="it would take away"),
        pytest.param(THROTTLED, Mode.PROPOSE, (), RUNNING, None, id="it would take away what was given back"),
    ],
)
def test_what_is_asked_of_the_levers(
    last: Decision | None, mode: Mode, orders: tuple[Order, ...], imposed: Limit | None, asked: Limit | None
) -> None:
    assert wanted(last, orders, mode, imposed) == asked


def test_a_first_decision() -> None:
    made = decide(case(window=FAR_TOO_MANY, sends=DAWN))
    assert made == Decision(
        domain=DOMAIN,
        seq=1,
        at=NOW,
        previous=Standing.HEALTHY,
        standing=Standing.PAUSED,
        since=NOW,
        rule="complaints-pause",
        reason=judge(case(window=FAR_TOO_MANY)).reason,
        evidence=judge(case(window=FAR_TOO_MANY)).evidence,
        author="policy",
        mode=Mode.ENFORCE,
        limit=PAUSED,
        normal_per_day=1000,
    )


def test_a_later_decision_counts_on_from_the_last() -> None:
    last = decision(Standing.THROTTLED, epoch=NOW - DAY, order_id=3)
    looks = [(44, failing("spf", NOW - 80 * HOUR))]
    strict = policy(authentication=authentication_rule(then=Standing.PAUSED))
    made = decide(case(last, policy=strict, looks=looks))
    assert made is not None
    assert (made.seq, made.previous, made.epoch, made.order_id) == (8, Standing.THROTTLED, NOW - DAY, 3)
    assert (made.rule, made.observation_ids) == ("authentication-spf", (44,))


@pytest.mark.parametrize(
    ("last", "normal"),
    [
        pytest.param(None, 1000, id="new: measured"),
        pytest.param(decision(Standing.WATCH, normal_per_day=77), 1000, id="nothing held back: measured afresh"),
        pytest.param(decision(Standing.THROTTLED, normal_per_day=77), 77, id="throttled: what was normal before"),
        pytest.param(decision(Standing.RECOVERING, normal_per_day=77), 77, id="recovering: what was normal before"),
    ],
)
def test_what_is_normal_was_measured_before_anything_was_held_back(last: Decision | None, normal: int) -> None:
    made = decide(case(last, window=FAR_TOO_MANY, sends=DAWN))
    assert made is not None
    assert made.normal_per_day == normal


def test_a_throttle_is_a_share_of_what_is_normal() -> None:
    made = decide(case(window=TOO_MANY, sends=DAWN))
    assert made is not None
    assert made.limit == throttled(500)


def test_a_step_up_says_on_what_clean_mail() -> None:
    made = decide(case(FOOT, since=counts(3_000, 1), window=counts(3_000, 1)))
    assert made is not None
    assert made.reason == "1 complaints about 3,000 messages sent since Thu 19 Nov 12:00 UTC; now healthy"
    assert made.rule == "complaints-better"
    assert (made.evidence["since_sent"], made.evidence["since_complaints"]) == (3000, 1)
    assert made.evidence["sent"] == 3000


def test_the_worst_verdict_wins_whichever_rule_it_comes_from() -> None:
    late = [(1, failing("spf", NOW - 80 * HOUR))]
    assert judge(case(window=WORTH_A_WATCH, looks=late)).rule == "authentication-spf"
    assert judge(case(window=FAR_TOO_MANY, looks=late)).rule == "complaints-pause"
    assert judge(case(window=TOO_MANY, looks=late)).rule == "complaints-throttle"


def test_mail_before_the_epoch_is_named_as_not_counted() -> None:
    last = decision(Standing.RECOVERING, epoch=NOW - DAY)
    assert judge(case(last, window=TOO_MANY)).evidence["since"] == (NOW - DAY).isoformat()


def test_a_watch_at_every_complaint_still_lets_a_domain_without_complaints_up() -> None:
    every = policy(watch=guard("0", 1))
    assert next_standing(decide(case(THROTTLED, policy=every, since=CLEAN))) == (Standing.WATCH, 0)
    assert decide(case(THROTTLED, policy=every, since=counts(100_000, 1))) is None


@pytest.mark.parametrize(
    ("epoch", "first"),
    [
        pytest.param(None, date(2026, 11, 15), id="the window"),
        pytest.param(NOW - 9 * DAY, date(2026, 11, 15), id="an epoch before the window"),
        pytest.param(NOW - 2 * DAY, date(2026, 11, 21), id="the day after the resume, which had mail of both kinds"),
    ],
)
def test_from_which_day_published_figures_count(epoch: Any, first: date) -> None:
    assert published_from(DEFAULT, decision(Standing.HEALTHY, epoch=epoch), NOW) == first
    assert published_from(DEFAULT, None, NOW) == date(2026, 11, 15)


SENT = {date(2026, 11, 20): 2000, date(2026, 11, 21): 2000}
BAD_DAY = [(3, day("2026-11-20", spam_rate=0.0035))]


def test_a_published_rate_pauses_on_the_days_own_mail() -> None:
    made = decide(case(published=BAD_DAY, sends=SENT))
    assert made is not None
    assert (made.standing, made.rule, made.observation_ids) == (Standing.PAUSED, "published-pause", (3,))


def test_after_a_resume_the_day_that_led_to_the_pause_counts_no_more() -> None:
    resumed = decision(Standing.RECOVERING, step=1, epoch=NOW - 2 * DAY)
    assert decide(case(resumed, published=BAD_DAY, sends=SENT)) is None
    again = [*BAD_DAY, (4, day("2026-11-21", spam_rate=0.0035))]
    assert next_standing(decide(case(resumed, published=again, sends=SENT))) == (Standing.PAUSED, 0)


def test_the_worst_of_all_rules_is_taken() -> None:
    mild = [(3, day("2026-11-20", spam_rate=0.0009))]
    assert judge(case(window=TOO_MANY, published=mild, sends=SENT)).rule == "complaints-throttle"
    assert judge(case(window=WORTH_A_WATCH, published=BAD_DAY, sends=SENT)).rule == "published-pause"


def test_a_source_that_is_asked_seldom_stands_in_nobodys_way_before_its_second_round() -> None:
    """Nor a publisher that is dark: its days stand, and nothing is loosened."""
    seldom = {"google_postmaster": Watched(NOW - 9 * DAY, timedelta(hours=6))}
    last_round, missed_two = ([(1, good("google_postmaster", at=NOW - age * HOUR))] for age in (12, 13))
    assert next_standing(decide(case(WATCH, looks=last_round, expected=seldom))) == (Standing.HEALTHY, 0)
    assert decide(case(WATCH, looks=missed_two, expected=seldom)) is None
