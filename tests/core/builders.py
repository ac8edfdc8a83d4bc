"""Literal values for the tests of the pure core: the shipped thresholds, one domain, one lever, one noon."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from deliverd.core.decide import POLICY as BY_POLICY
from deliverd.core.decide import Case
from deliverd.core.plan import LeverCase
from deliverd.model import (
    Action,
    Actual,
    Counts,
    Decision,
    Desired,
    HourlyMail,
    Incident,
    Intent,
    Lever,
    LeverMemory,
    Limit,
    Look,
    Mode,
    Notice,
    Order,
    OrderKind,
    Outcome,
    Result,
    SendState,
    Severity,
    Standing,
)
from deliverd.policy import AuthenticationRule, DetectorRule, DetectorStep, Policy, PublishedRule, RateGuard
from probes.observation import Observation, Seen, Unseen, Why

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
TICK = timedelta(microseconds=1)
DOMAIN = "acme.com"

RUNNING, PAUSED = Limit(SendState.RUNNING), Limit(SendState.PAUSED)
LEVER = Lever("mail", "domain", DOMAIN)
ALL = frozenset(SendState)
ON_OFF = frozenset((SendState.RUNNING, SendState.PAUSED))


def throttled(per_day: int) -> Limit:
    return Limit(SendState.THROTTLED, per_day)


def guard(percent: str, complaints: int) -> RateGuard:
    return RateGuard(rate_percent=Decimal(percent), complaints=complaints, source="a test", date="2026-11-22")


def authentication_rule(**over: Any) -> AuthenticationRule:
    return AuthenticationRule(**({"source": "a test", "date": "2026-11-22"} | over))


def published_rule(**over: Any) -> PublishedRule:
    percents = {"watch_percent": Decimal("0.08"), "throttle_percent": Decimal("0.10"), "pause_percent": Decimal("0.30")}
    return PublishedRule(**(percents | {"complaints": 3, "source": "a test", "date": "2026-11-22"} | over))


def detector_step(tolerated: str, alternatives: str, false_actions: float, complaints: int) -> DetectorStep:
    return DetectorStep(
        tolerated_percent=Decimal(tolerated),
        alternatives_percent=tuple(map(Decimal, alternatives.split())),
        false_actions_per_domain_year=false_actions,
        complaints=complaints,
        source="a test",
        date="2026-11-22",
    )


def detector_rule(**over: Any) -> DetectorRule:
    low = "0.07 0.10 0.15 0.25 0.5 1.0"
    steps = {
        "notify": detector_step("0.05", low, 6.08, 1),
        "throttle": detector_step("0.05", low, 2.03, 3),
        "pause": detector_step("0.08", "0.10 0.13 0.18 0.30 0.50 1.0", 0.2, 3),
    }
    return DetectorRule(**({"feedback": ("yahoo", "microsoft", "")} | steps | over))


def policy(**over: Any) -> Policy:
    """The shipped thresholds, written out here: a change in the shipped file must not quietly change these tests."""
    shipped: dict[str, Any] = {
        "window_days": 7,
        "watch": guard("0.05", 1),
        "throttle": guard("0.08", 3),
        "pause": guard("0.30", 5),
        "detector": detector_rule(),
        "published": published_rule(),
        "authentication": authentication_rule(),
        "throttle_fraction": 0.5,
        "throttle_floor_per_day": 20,
        "dwell_hours": 24,
        "clean_sends": 2900,
        "ramp": (0.10, 0.25, 0.50, 1.0),
        "stale_after_minutes": 60,
    }
    return Policy(**(shipped | over))


DEFAULT = policy()


def counts(sent: int, complained: int = 0) -> Counts:
    return Counts(sent=sent, complained=complained)


def hourly(sent: int, complained: dict[int, int] | None = None, hours: int = 60 * 24, through: int = 9) -> HourlyMail:
    """`sent` messages in each of the last `hours`, and the complaints about those of so many hours ago."""
    newest = int(NOW.timestamp()) // 3600
    told = complained or {}
    return HourlyMail(tuple((newest - ago, sent, told.get(ago, 0)) for ago in range(hours)), through)


def seen(source: str, code: str = "ok", at: datetime = NOW, part: str = "") -> Observation:
    return Observation(source, DOMAIN, at, Seen({"code": code}), part)


def unseen(source: str, at: datetime = NOW, part: str = "") -> Observation:
    return Observation(source, DOMAIN, at, Unseen(Why.TIMEOUT, "no answer in 3 s"), part)


def good(source: str, part: str = "", at: datetime = NOW) -> Look:
    one = seen(source, "ok", at, part)
    return Look(one, one)


def failing(
    source: str, since: datetime, code: str = "missing", times: int = 2, part: str = "", at: datetime = NOW
) -> Look:
    one = seen(source, code, at, part)
    return Look(one, one, failing_since=since, failures=times)


def day(iso: str, at: datetime = NOW, source: str = "google_postmaster", **readings: Any) -> Look:
    """What a mailbox provider published for one day."""
    one = Observation(source, DOMAIN, at, Seen(readings), iso)
    return Look(one, one)


def never_seen(source: str, part: str = "") -> Look:
    return Look(unseen(source, part=part))


def gone_dark(look: Look, now: datetime = NOW) -> Look:
    """The same look after its source stopped answering: what it last said is a day old."""
    last = look.seen and replace(look.seen, at=now - DAY)
    return replace(look, latest=unseen(look.latest.source, now, look.latest.part), seen=last)


def decision(standing: Standing, **over: Any) -> Decision:
    """A decision of the policy, enforced, three days old."""
    limits: dict[Standing, Limit] = {
        Standing.THROTTLED: throttled(500),
        Standing.PAUSED: PAUSED,
        Standing.RECOVERING: throttled(100),
    }
    values: dict[str, Any] = {
        "domain": DOMAIN,
        "seq": 7,
        "at": NOW - 3 * DAY,
        "previous": Standing.HEALTHY,
        "standing": standing,
        "since": NOW - 3 * DAY,
        "rule": "complaints-throttle",
        "reason": "3 complaints about 1,000 messages",
        "evidence": {},
        "author": BY_POLICY,
        "mode": Mode.ENFORCE,
        "limit": limits.get(standing, RUNNING),
        "normal_per_day": 1000,
        "id": 70,
    }
    return Decision(**(values | over))


def order(kind: OrderKind, id_: int = 1, **over: Any) -> Order:
    values: dict[str, Any] = {"author": "dana", "reason": "the list is mended", "at": NOW - HOUR}
    return Order(id_, DOMAIN, kind, **(values | over))


def case(last: Decision | None = None, **over: Any) -> Case:
    """An enforced domain with nothing wrong, watched by nothing but its mail."""
    values: dict[str, Any] = {"domain": DOMAIN, "now": NOW, "policy": DEFAULT, "mode": Mode.ENFORCE, "last": last}
    return Case(**(values | over))


def desired(limit: Limit, id_: int = 5) -> Desired:
    return Desired(DOMAIN, LEVER, limit, decision_id=70, at=NOW, id=id_)


def intent(limit: Limit, original: Limit = RUNNING, desired_id: int = 5, attempt: int = 1, id_: int = 9) -> Intent:
    action = Action(
        LEVER, limit, before=original, original=original, domain=DOMAIN, desired_id=desired_id, reason="why"
    )
    return Intent(id_, action, attempt, NOW - MINUTE)


def result(of: Intent, outcome: Outcome, at: datetime = NOW - MINUTE) -> Result:
    return Result(of.id, outcome, at, Actual(of.action.limit))


def confirmed(of: Intent) -> LeverMemory:
    pair = of, result(of, Outcome.CONFIRMED)
    return LeverMemory(latest=pair, confirmed=pair)


def tried(of: Intent, outcome: Outcome = Outcome.UNCONFIRMED, at: datetime = NOW - MINUTE) -> LeverMemory:
    return LeverMemory(latest=(of, result(of, outcome, at)))


def lever_case(wish: Limit | None, at: Limit | None, by: str | None = None, **over: Any) -> LeverCase:
    values: dict[str, Any] = {
        "domain": DOMAIN,
        "lever": LEVER,
        "states": ALL,
        "memory": LeverMemory(),
        "desired": desired(wish) if wish else None,
        "actual": Actual(at, by) if at else None,
        "reason": "why",
    }
    return LeverCase(**(values | over))


def incident(cause: str = "standing", **over: Any) -> Incident:
    values: dict[str, Any] = {
        "severity": Severity.PAGE,
        "opened_at": NOW - HOUR,
        "changed_at": NOW - HOUR,
        "version": 1,
        "id": 3,
    }
    return Incident(**({"domain": DOMAIN, "cause": cause} | values | over))


def notice(**over: Any) -> Notice:
    values: dict[str, Any] = {
        "incident_id": 3,
        "version": 1,
        "owner": "growth",
        "repeat": 0,
        "at": NOW - HOUR,
        "title": "title",
        "body": "body",
    }
    return Notice(**(values | over))
