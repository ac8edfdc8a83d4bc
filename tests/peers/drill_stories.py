"""Stories for the drill's pure parts, built by hand."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from deliverd.drill.diary import Happening, What
from deliverd.drill.sink import AlertMail
from deliverd.drill.story import Act, LaneView, Story
from deliverd.model import (
    Action,
    Actual,
    Decision,
    Intent,
    Lever,
    Limit,
    Mode,
    Outcome,
    Result,
    SendState,
    Standing,
)
from deliverd.settings_policies import load_default_policies
from probes.observation import Observation, Seen, Unseen, Why

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
VICTIM = "letters.test"
RUNNING, PAUSED = Limit(SendState.RUNNING), Limit(SendState.PAUSED)
THROTTLED = Limit(SendState.THROTTLED, 20_000)
LIMITS = {Standing.PAUSED: PAUSED, Standing.THROTTLED: THROTTLED}


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def lane(limit: Limit = RUNNING, domain: str = VICTIM, left: int = 0) -> LaneView:
    author = "customer" if limit == RUNNING else "deliverd"
    return LaneView(domain, limit, author, at(0) if left else None, left)


def act(
    seconds: float, limit: Limit, outcome: Outcome = Outcome.CONFIRMED, attempt: int = 1, domain: str = VICTIM
) -> Act:
    action = Action(Lever("platform", "domain", domain), limit, RUNNING, RUNNING, domain, 1, "complaints")
    actual = Actual(limit if outcome is Outcome.CONFIRMED else RUNNING, "deliverd")
    intent = Intent(round(seconds * 100), action, attempt, at(seconds))
    return intent, Result(intent.id, outcome, at(seconds), actual)


def decision(
    seconds: float,
    standing: Standing,
    previous: Standing = Standing.HEALTHY,
    rule: str = "complaints-pause",
    failures: int = 0,
    domain: str = VICTIM,
) -> Decision:
    limit = LIMITS.get(standing, RUNNING)
    return Decision(
        domain=domain,
        seq=round(seconds * 100) + 1,
        at=at(seconds),
        previous=previous,
        standing=standing,
        since=at(seconds),
        rule=rule,
        reason="200 complaints about 50,000 messages",
        evidence={"failures": failures},
        author="policy",
        mode=Mode.ENFORCE,
        limit=limit,
    )


def mail(seconds: float, subject: str, body: str = "") -> AlertMail:
    return AlertMail(at(seconds), ("oncall@drill.test",), subject, body)


def happened(seconds: float, what: What, domain: str = VICTIM, text: str = "so it was") -> Happening:
    return Happening(at(seconds), what, domain, text)


def look(seconds: float, source: str, answer: str | Why, part: str = "", domain: str = VICTIM) -> Observation:
    found = Unseen(answer, "no answer") if isinstance(answer, Why) else Seen({"code": answer})
    return Observation(source, domain, at(seconds), found, part)


def story(limit: Limit = RUNNING, **parts: object) -> Story:
    """A story of a victim at `limit` and one other domain, by the shipped policy; `parts` as Story names them."""
    lanes = (lane(limit, left=1000), lane(domain="receipts.test"))
    policy = load_default_policies()["default"]
    plain = Story(victim=VICTIM, policy=policy, mode=Mode.ENFORCE, now=at(30), lanes=lanes)
    return replace(plain, **parts)  # type: ignore[arg-type]
