"""What is worth telling, to whom it is due, and when again. Pure; level-triggered, so that a restart repeats nothing.

An incident is open while its cause holds. Each arrow owns some causes and says which of them hold now; comparing
that with what is open gives the rows to append. Each version of an incident is told once to its owner.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from deliverd.model import (
    Decision,
    Finding,
    FindingKind,
    Incident,
    Limit,
    Mode,
    Notice,
    Severity,
    Standing,
)

STANDING = "standing"
BLIND = "blind"
LATE = "late"
NO_LEVER = "no-lever"
UNCONFIRMED = "unconfirmed"
KEY_ENDS = "key-ends"
JUDGED = (STANDING, BLIND, LATE, NO_LEVER, KEY_ENDS)
"""The causes that judging opens and closes."""
RECONCILED = (UNCONFIRMED, FindingKind.DRIFT.value, FindingKind.FOREIGN_PAUSE.value, FindingKind.CANNOT_THROTTLE.value)
"""The causes that reconciling opens and closes."""
MOMENTARY = (FindingKind.DRIFT.value,)
"""Causes that are worth telling even when they were mended before anybody was told."""

RETRY = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Cause:
    """A cause that holds now. A new `key` is news: it makes a new version, which is told again."""

    cause: str
    severity: Severity
    key: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Due:
    """A notice to be sent now: of which incident, the how-manieth repeat, and the row when one is claimed already."""

    incident: Incident
    repeat: int
    claimed: Notice | None = None


def judged(
    last: Decision | None,
    limit: Limit | None,
    mode: Mode,
    blind: Sequence[str],
    no_lever: str,
    *,
    expected_by: Mapping[str, datetime] | None = None,
    late: Mapping[str, str] | None = None,
    ending: Sequence[str] = (),
) -> list[Cause]:
    """The causes that a judged domain has.

    `limit` is what is really asked of the levers (None: nothing is); `no_lever` says why the levers that should be
    asked could not be found ("" when they were). `expected_by` is when each blind source should have answered, `late`
    what is missing of each source that answers and whose numbers are overdue, `ending` says of each key that lapses
    soon when it does.
    """
    causes = []
    if no_lever:
        causes.append(Cause(NO_LEVER, Severity.PAGE, NO_LEVER, {"texts": [no_lever]}))
    if last is not None and last.standing is not Standing.HEALTHY:
        acts = limit is not None
        loud = mode is not Mode.OBSERVE and _lowered(last)
        facts = {"decision_id": last.id, "standing": last.standing.value, "acts": acts, "mode": mode.value}
        key = f"{last.standing}/{last.step}/{'acts' if acts else mode}"
        causes.append(Cause(STANDING, Severity.PAGE if loud else Severity.NOTIFY, key, facts))
    if blind:
        held = last is not None and last.standing.rank >= Standing.THROTTLED.rank
        times = {source: at.isoformat() for source, at in (expected_by or {}).items() if source in blind}
        facts = {"sources": list(blind), **({"expected_by": times} if times else {})}
        causes.append(Cause(BLIND, Severity.PAGE if held else Severity.NOTIFY, ",".join(blind), facts))
    if late:
        texts = {"texts": [f"{source} answers, but has {why}" for source, why in sorted(late.items())]}
        causes.append(Cause(LATE, Severity.NOTIFY, ",".join(sorted(late)), texts))
    if ending:
        causes.append(Cause(KEY_ENDS, Severity.NOTIFY, "; ".join(ending), {"texts": list(ending)}))
    return causes


def _lowered(last: Decision) -> bool:
    """Whether mail is newly held back: throttled, paused, or fallen back to the foot of the ramp. A step up is not."""
    fell_back = last.standing is last.previous is Standing.RECOVERING and last.step == 0
    return fell_back or last.standing in (Standing.THROTTLED, Standing.PAUSED)


def reconciled(findings: Sequence[Finding], unconfirmed: Mapping[str, str]) -> list[Cause]:
    """The causes that a reconciled domain has; `unconfirmed` gives each lever that does not hold, and why."""
    causes = []
    if unconfirmed:
        facts = {"levers": dict(unconfirmed)}
        causes.append(Cause(UNCONFIRMED, Severity.PAGE, ",".join(sorted(unconfirmed)), facts))
    for kind in (FindingKind.DRIFT, FindingKind.FOREIGN_PAUSE, FindingKind.CANNOT_THROTTLE):
        texts = [finding.text for finding in findings if finding.kind is kind]
        if texts:
            severity = Severity.NOTIFY if kind is FindingKind.FOREIGN_PAUSE else Severity.PAGE
            causes.append(Cause(kind.value, severity, kind.value, {"texts": texts}))
    return causes


def changes(
    domain: str, scope: Sequence[str], open_: Sequence[Incident], causes: Sequence[Cause], now: datetime
) -> list[Incident]:
    """The incident rows to append so that what is open is what holds, for the causes in `scope`."""
    standing = {incident.cause: incident for incident in open_ if incident.cause in scope}
    holding = {cause.cause: cause for cause in causes}
    rows = [_closed(incident, now) for name, incident in standing.items() if name not in holding]
    for name, cause in holding.items():
        before = standing.get(name)
        if before is None:
            rows.append(_opened(domain, cause, now))
        elif before.facts.get("key") != cause.key:
            rows.append(_changed(before, cause, now))
    return rows


def _opened(domain: str, cause: Cause, now: datetime) -> Incident:
    facts = dict(cause.facts) | {"key": cause.key}
    return Incident(domain, cause.cause, cause.severity, now, now, 1, facts)


def _changed(incident: Incident, cause: Cause, now: datetime) -> Incident:
    facts = dict(cause.facts) | {"key": cause.key, "was": incident.facts.get("standing", "")}
    return replace(incident, severity=cause.severity, changed_at=now, version=incident.version + 1, facts=facts)


def _closed(incident: Incident, now: datetime) -> Incident:
    return replace(incident, changed_at=now, version=incident.version + 1, closed_at=now)


def due(
    incidents: Sequence[Incident],
    notices: Sequence[Notice],
    undecided: Mapping[int, datetime],
    repeat_every: timedelta,
    wait: timedelta,
    now: datetime,
) -> list[Due]:
    """The notices to send now.

    `incidents` holds the newest version of each open incident and of each one closed since; `notices` all that was
    ever claimed for them. `undecided` names the incidents whose action has not held yet, with the instant since when
    that is waited for: at most `wait`, so that one message can say what was done *and* that the platform confirmed it.
    """
    mine: dict[int, list[Notice]] = {}
    for notice in notices:
        mine.setdefault(notice.incident_id, []).append(notice)
    found = (_due(incident, mine.get(incident.id, []), undecided, repeat_every, wait, now) for incident in incidents)
    return [row for row in found if row is not None]


def _due(
    incident: Incident,
    told: Sequence[Notice],
    undecided: Mapping[int, datetime],
    repeat_every: timedelta,
    wait: timedelta,
    now: datetime,
) -> Due | None:
    since = undecided.get(incident.id)
    if since is not None and now - since < wait:
        return None
    if incident.closed_at and not told and incident.cause not in MOMENTARY:
        return None
    current = [notice for notice in told if notice.version == incident.version]
    if not current:
        return Due(incident, 0)
    newest = max(current, key=lambda notice: notice.repeat)
    if newest.sent_at is None:
        return Due(incident, newest.repeat, newest) if _may_retry(newest, now) else None
    if incident.closed_at or now - newest.sent_at < repeat_every:
        return None
    return Due(incident, newest.repeat + 1)


def _may_retry(notice: Notice, now: datetime) -> bool:
    """A notice without any result was cut off: send at once, twice rather than never. A failed one waits a little."""
    return notice.failed_at is None or now - notice.failed_at >= RETRY
