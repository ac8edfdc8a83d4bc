"""Each check of each scenario, held and broken: a verdict that cannot say no is worth nothing."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from deliverd.drill import verdict
from deliverd.drill.diary import What
from deliverd.drill.scenarios import COMPLAINT_SPIKE, DKIM_REMOVED, PLATFORM_REFUSES_PAUSE, SOURCE_GOES_DARK
from deliverd.drill.story import Story
from deliverd.model import Mode, Outcome, Standing
from deliverd.policy import AuthenticationRule
from peers.drill_stories import (
    PAUSED,
    RUNNING,
    THROTTLED,
    VICTIM,
    act,
    at,
    decision,
    happened,
    lane,
    mail,
    story,
)

TOLD = mail(6, f"PAGE {VICTIM} is PAUSED, confirmed by the platform")
SPIKE = story(PAUSED, acts=(act(2, THROTTLED), act(5, PAUSED)), mails=(TOLD,))
REFUSED = story(
    PAUSED,
    diary=(happened(4, What.REFUSED),),
    acts=(act(4, PAUSED, Outcome.FAILED), act(8, PAUSED, attempt=2)),
    mails=(
        mail(5, f"PAGE {VICTIM}: UNCONFIRMED, the platform does not do as it was told"),
        mail(9, f"{VICTIM}: confirmed by the platform now"),
    ),
)
RULE = AuthenticationRule(then=Standing.PAUSED, source="a test", date="2026-11-22")
POLICY = story().policy.model_copy(update={"authentication": RULE})
DKIM = story(
    PAUSED,
    policy=POLICY,
    decisions=(decision(3, Standing.WATCH, rule="authentication-dkim", failures=2),),
    acts=(act(7, PAUSED),),
    mails=(mail(4, f"{VICTIM} is WATCH", "Why  DKIM s1 fails (missing)"),),
)
DARK = story(
    THROTTLED,
    decisions=(decision(1, Standing.THROTTLED),),
    acts=(act(1, THROTTLED),),
    diary=(happened(5, What.TROUBLE, ""),),
    mails=tuple(mail(12, f"{name}: deliverd is blind to dkim, spf") for name in (VICTIM, "receipts.test")),
)


@pytest.mark.parametrize(
    ("scenario", "good"),
    [(COMPLAINT_SPIKE, SPIKE), (PLATFORM_REFUSES_PAUSE, REFUSED), (DKIM_REMOVED, DKIM), (SOURCE_GOES_DARK, DARK)],
)
def test_a_protected_domain_is_called_protected(scenario: object, good: Story) -> None:
    found = scenario.protected(good)  # type: ignore[attr-defined]
    assert [check.text for check in found.checks if not check.ok] == []
    assert found.protected


@pytest.mark.parametrize(
    "scenario", [COMPLAINT_SPIKE, PLATFORM_REFUSES_PAUSE, DKIM_REMOVED, SOURCE_GOES_DARK], ids=lambda one: one.name
)
def test_a_domain_nobody_looked_after_is_never_called_protected(scenario: object) -> None:
    assert not scenario.protected(story()).protected  # type: ignore[attr-defined]


def changed(good: Story, **parts: object) -> Story:
    return replace(good, **parts)  # type: ignore[arg-type]


OTHER_PAUSED = (lane(PAUSED, left=1000), lane(PAUSED, "receipts.test"))
BY_A_PERSON = (replace(lane(PAUSED, left=1000), author="customer"), lane(domain="receipts.test"))


@pytest.mark.parametrize(
    ("check", "broken", "words"),
    [
        (verdict.held_back, changed(SPIKE, lanes=(lane(RUNNING),)), "running at the platform"),
        (verdict.held_back, changed(SPIKE, lanes=(lane(THROTTLED),)), "still leaving"),
        (verdict.held_back, changed(SPIKE, lanes=BY_A_PERSON), "paused at the platform"),
        (verdict.held_back, story(mode=Mode.OBSERVE), 'mode "observe" does not act'),
        (verdict.confirmed, changed(SPIKE, acts=(act(5, PAUSED, Outcome.UNCONFIRMED),)), "no act"),
        (verdict.confirmed, changed(SPIKE, acts=(act(2, THROTTLED),)), "no act"),
        (verdict.confirmed, changed(SPIKE, acts=((act(5, PAUSED)[0], None),)), "no act"),
        (verdict.owner_told, changed(SPIKE, mails=()), "no alert"),
        (verdict.owner_told, changed(SPIKE, mails=(replace(TOLD, at=at(4)),)), "no alert"),
        (verdict.owner_told, changed(SPIKE, mails=(mail(6, f"{VICTIM} is PAUSED, NOT CONFIRMED"),)), "no alert"),
        (
            verdict.owner_told,
            changed(SPIKE, mails=(mail(6, "x.test is PAUSED, confirmed by the platform"),)),
            "no alert",
        ),
        (verdict.others_untouched, changed(SPIKE, lanes=OTHER_PAUSED), "receipts.test was touched"),
        (
            verdict.others_untouched,
            changed(SPIKE, acts=(*SPIKE.acts, act(6, PAUSED, domain="receipts.test"))),
            "receipts.test was touched",
        ),
        (verdict.told_unconfirmed, changed(REFUSED, diary=()), "refused nothing"),
        (verdict.told_unconfirmed, changed(REFUSED, mails=REFUSED.mails[1:]), "no page"),
        (verdict.kept_trying, changed(REFUSED, acts=(act(4, PAUSED),)), "0 pauses did not hold"),
        (verdict.kept_trying, changed(REFUSED, acts=REFUSED.acts[:1]), "none of the 1"),
        (
            verdict.claimed_no_more,
            changed(REFUSED, mails=(mail(5, f"{VICTIM} is PAUSED, confirmed by the platform"),)),
            "before it was",
        ),
        (verdict.confirmed_by_second_look, changed(DKIM, decisions=()), "decided nothing"),
        (
            verdict.confirmed_by_second_look,
            changed(DKIM, decisions=(decision(3, Standing.WATCH, rule="authentication-dkim", failures=1),)),
            "after 1 looks",
        ),
        (verdict.told_of_dkim, changed(DKIM, mails=(mail(4, f"{VICTIM} is WATCH", "Why  SPF"),)), "no alert"),
        (verdict.after_the_grace, changed(DKIM, lanes=(lane(RUNNING),)), "not paused"),
        (verdict.after_the_grace, changed(DKIM, lanes=(lane(THROTTLED),)), "not paused"),
        (verdict.after_the_grace, changed(DKIM, acts=()), "not paused"),
        (verdict.told_blind, changed(DARK, mails=DARK.mails[:1]), "receipts.test"),
        (verdict.nothing_moved_in_the_dark, changed(DARK, diary=()), "never fell silent"),
        (
            verdict.nothing_moved_in_the_dark,
            changed(DARK, decisions=(*DARK.decisions, decision(8, Standing.HEALTHY, Standing.THROTTLED))),
            "from throttled to healthy",
        ),
        (
            verdict.nothing_moved_in_the_dark,
            changed(DARK, decisions=(decision(8, Standing.PAUSED, domain="receipts.test"),)),
            "to paused",
        ),
        (
            verdict.nothing_moved_in_the_dark,
            changed(DARK, diary=(*DARK.diary, happened(8, What.UNANSWERED, text="told to let it run"))),
            "told to let it run",
        ),
    ],
)
def test_each_check_says_no_and_why(check: Callable[[Story], verdict.Check], broken: Story, words: str) -> None:
    found = check(broken)
    assert not found.ok
    assert words in found.text


def test_a_throttle_whose_limit_is_used_up_holds_the_mail_back() -> None:
    exhausted = story(THROTTLED, diary=(happened(9, What.EXHAUSTED),))
    assert verdict.held_back(exhausted).ok
    assert "20,000 a day" in verdict.held_back(exhausted).text


def test_a_policy_that_only_watches_authentication_asks_for_no_more() -> None:
    rule = RULE.model_copy(update={"then": Standing.WATCH})
    watching = story(policy=POLICY.model_copy(update={"authentication": rule}))
    assert verdict.after_the_grace(watching).ok


def test_going_dark_waits_for_a_throttle_that_has_held_for_a_while() -> None:
    (_, dark) = SOURCE_GOES_DARK.steps
    throttled = story(THROTTLED, acts=(act(2, THROTTLED),))
    assert not dark.when(replace(throttled, now=at(4)))
    assert dark.when(replace(throttled, now=at(6)))
    assert not dark.when(story(PAUSED, acts=(act(2, PAUSED),)))
