"""A past for a store: what the arrows would have written, row by row, through the store's own functions."""

from datetime import datetime, timedelta

from deliverd.model import (
    Action,
    Actual,
    Decision,
    Desired,
    Incident,
    Intent,
    Lever,
    Limit,
    Mode,
    Notice,
    Outcome,
    Result,
    SendState,
    Severity,
    Standing,
)
from deliverd.store import actions, decisions, desired, events, heartbeats, incidents, notices, observations
from deliverd.store.connection import Conn
from deliverd.store.events import Batch
from probes.observation import EventKind, MailEvent, Observation, Seen, Unseen, Why

RUNNING, PAUSED = Limit(SendState.RUNNING), Limit(SendState.PAUSED)
REASON = "17 complaints about 10,000 messages sent: 0.17 %"
PROCESS = "mailhost/4711"


def lever(domain: str) -> Lever:
    return Lever("mail", "domain", domain)


def beat(conn: Conn, now: datetime, age: timedelta = timedelta(seconds=2)) -> None:
    """A daemon gave a sign of life `age` ago."""
    heartbeats.beat(conn, PROCESS, now - age, {"domains": 3})


def mail(conn: Conn, domain: str, now: datetime, sent: int, complained: int) -> None:
    """Mail sent an hour ago, and complaints about it."""
    at = now - timedelta(hours=1)
    made = [MailEvent(f"{domain}/sent", EventKind.SENT, domain, at, at, count=sent)]
    if complained:
        made.append(MailEvent(f"{domain}/bad", EventKind.COMPLAINED, domain, at, at, count=complained))
    events.ingest_group(conn, [Batch("mail", tuple(made), (), now)])


def decided(
    conn: Conn,
    domain: str,
    now: datetime,
    standing: Standing = Standing.PAUSED,
    limit: Limit = PAUSED,
    mode: Mode = Mode.ENFORCE,
    author: str = "policy",
    order_id: int | None = None,
) -> Decision:
    """A decision that rests on one look at SPF and the complaints."""
    last = decisions.latest(conn, domain)
    look = Observation("spf", domain, now, Seen({"code": "ok", "record": "v=spf1 -all"}))
    (seen,) = observations.append(conn, [(look, False)])
    made = Decision(
        domain=domain,
        seq=last.seq + 1 if last else 1,
        at=now,
        previous=last.standing if last else Standing.HEALTHY,
        standing=standing,
        since=now,
        rule="complaints-pause",
        reason=REASON,
        evidence={"complaints": 17, "sent": 10_000, "rate": 0.0017, "threshold": 0.001, "complaints_needed": 5},
        author=author,
        mode=mode,
        limit=limit,
        normal_per_day=1_400,
        observation_ids=(seen,),
        order_id=order_id,
    )
    return decisions.append(conn, made)


def asked(conn: Conn, decision: Decision) -> Desired:
    """What the decision asks of the domain's one lever."""
    row = Desired(decision.domain, lever(decision.domain), decision.limit, decision.id, decision.at)
    return desired.append(conn, row)


def done(conn: Conn, row: Desired, outcome: Outcome, detail: str = "", at: datetime | None = None) -> Intent:
    """One attempt at it, and what came of that."""
    begun = at or row.at
    before = PAUSED if row.limit == RUNNING else RUNNING
    action = Action(row.lever, row.limit, before, RUNNING, row.domain, row.id, REASON)
    intent = actions.append_intent(conn, action, 1, begun)
    actual = Actual(row.limit if outcome is Outcome.CONFIRMED else before, "deliverd")
    actions.append_result(conn, Result(intent.id, outcome, begun + timedelta(milliseconds=40), actual, detail))
    return intent


def opened(
    conn: Conn, domain: str, cause: str, now: datetime, decision_id: int | None = None, **facts: object
) -> Incident:
    """An open incident."""
    row = Incident(domain, cause, Severity.PAGE, now, now, 1, facts)
    return incidents.append(conn, row, decision_id=decision_id)


def told(conn: Conn, incident: Incident, now: datetime, sent: bool, detail: str = "") -> None:
    """One notice about it."""
    title = f"PAGE {incident.domain} is PAUSED"
    claimed = notices.claim(conn, Notice(incident.id, incident.version, "growth", 0, now, title, "because"))
    assert claimed is not None
    notices.settle(conn, claimed.id, now, sent, detail)


def blind(conn: Conn, domain: str, now: datetime) -> None:
    """SPF could not be looked at, and an incident says so."""
    look = Observation("spf", domain, now, Unseen(Why.TIMEOUT, "127.0.0.1:53 did not answer within 3 s"))
    observations.append(conn, [(look, False)])
    opened(conn, domain, "blind", now, sources=["spf"])
