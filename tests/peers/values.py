"""Values for tests of the store: one plain example of each noun, any field of which can be said otherwise."""

from datetime import UTC, datetime, timedelta
from typing import Any

from deliverd.model import Action, Decision, Desired, Incident, Lever, Limit, Mode, SendState, Severity, Standing
from deliverd.store.events import Batch
from probes.observation import EventKind, MailEvent, Observation, Reject, Seen

NOW = datetime(2026, 11, 22, 12, 30, 15, 123456, tzinfo=UTC)
RUNNING = Limit(SendState.RUNNING)
PAUSED = Limit(SendState.PAUSED)
HALF = Limit(SendState.THROTTLED, 500)
LEVER = Lever("mail", "domain", "acme.com")


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def event(event_id: str, kind: EventKind = EventKind.SENT, **others: Any) -> MailEvent:
    plain: dict[str, Any] = {"domain": "acme.com", "at": NOW, "sent_at": NOW, "provider": "gmail.com"}
    return MailEvent(id=event_id, kind=kind, **{**plain, **others})


def batch(*events: MailEvent, account: str = "mail", rejects: tuple[Reject, ...] = (), at: datetime = NOW) -> Batch:
    return Batch(account, events, rejects, at)


def observation(source: str = "spf", target: str = "acme.com", **others: Any) -> Observation:
    plain: dict[str, Any] = {"at": NOW, "answer": Seen({"code": "ok"})}
    return Observation(source=source, target=target, **{**plain, **others})


def decision(seq: int = 1, **others: Any) -> Decision:
    plain: dict[str, Any] = {
        "domain": "acme.com",
        "at": NOW,
        "previous": Standing.HEALTHY,
        "standing": Standing.PAUSED,
        "since": NOW,
        "rule": "pause",
        "reason": "5 complaints in 900 messages",
        "evidence": {"complaints": 5},
        "author": "deliverd",
        "mode": Mode.ENFORCE,
        "limit": PAUSED,
    }
    return Decision(seq=seq, **{**plain, **others})


def desired(decision_id: int, **others: Any) -> Desired:
    plain: dict[str, Any] = {"domain": "acme.com", "lever": LEVER, "limit": PAUSED, "at": NOW}
    return Desired(decision_id=decision_id, **{**plain, **others})


def action(desired_id: int, **others: Any) -> Action:
    plain: dict[str, Any] = {
        "lever": LEVER,
        "limit": PAUSED,
        "before": RUNNING,
        "original": RUNNING,
        "domain": "acme.com",
        "reason": "5 complaints in 900 messages",
    }
    return Action(desired_id=desired_id, **{**plain, **others})


def incident(version: int = 1, **others: Any) -> Incident:
    plain: dict[str, Any] = {"domain": "acme.com", "cause": "standing", "severity": Severity.PAGE}
    times: dict[str, Any] = {"opened_at": NOW, "changed_at": NOW, "facts": {"complaints": 5}}
    return Incident(version=version, **{**plain, **times, **others})
