"""Words for people: what an alert says. Pure: values in, text out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from deliverd.core import alert
from deliverd.model import Decision, Incident, Lever, Limit, Mode, Outcome, Severity, Standing

NEXT = {
    Standing.WATCH: "Nothing is held back. It is throttled or paused if this goes on.",
    Standing.THROTTLED: "It is given back once enough clean mail has been sent, and paused if it gets worse.",
    Standing.PAUSED: "It stays paused until a person resumes it; then it ramps up and is judged by new mail alone.",
    Standing.RECOVERING: "Each step up needs enough mail without complaints; it falls back at once if they return.",
    Standing.HEALTHY: "Nothing.",
}


@dataclass(frozen=True, slots=True)
class LeverState:
    """How far one lever has come: what is asked of it, and what came of the newest attempt (None: not tried yet)."""

    lever: Lever
    limit: Limit
    outcome: Outcome | None = None
    attempt: int = 0
    at: datetime | None = None
    detail: str = ""


def words(
    incident: Incident, decision: Decision | None, levers: Sequence[LeverState], repeat: int = 0
) -> tuple[str, str]:
    """Title and body of the notice about an incident. Plain text; every number stands with what it is a part of."""
    if incident.closed_at is not None:
        title, rows = _over(incident, decision, levers)
    elif incident.cause == alert.STANDING and decision is not None:
        title, rows = _standing(incident, decision, levers)
    elif incident.cause == alert.BLIND:
        title, rows = _blind(incident)
    elif incident.cause == alert.UNCONFIRMED:
        title, rows = _unconfirmed(incident, decision)
    else:
        title, rows = _noticed(incident)
    again = f" (still so, told {repeat + 1} times)" if repeat else ""
    prefix = "PAGE " if incident.severity is Severity.PAGE and incident.closed_at is None else ""
    return f"{prefix}{title}{again}", _table([*rows, ("More", f"deliverd explain {incident.domain}")])


def lever_line(state: LeverState) -> str:
    """One lever's progress in one line."""
    if state.outcome is None:
        return f"{state.lever} {state.limit}: not done yet"
    stamp = f" at {state.at:%H:%M:%S} UTC" if state.at else ""
    tries = f" after {state.attempt} attempts" if state.attempt > 1 else ""
    detail = f" ({state.detail})" if state.detail and state.outcome is not Outcome.CONFIRMED else ""
    return f"{state.lever} {state.limit}: {state.outcome}{stamp}{tries}{detail}"


def undo(domain: str) -> str:
    """The command that takes back what holds a domain's mail back."""
    return f'deliverd resume {domain} --reason "..."'


def _standing(
    incident: Incident, decision: Decision, levers: Sequence[LeverState]
) -> tuple[str, list[tuple[str, str]]]:
    domain, standing = incident.domain, decision.standing
    rows = [("Why", decision.reason), ("Before", decision.previous.value), ("Decided", _stamp(decision))]
    if not incident.facts.get("acts"):
        return f"{domain} would be {standing}: {decision.mode} only, nothing was changed", rows + _proposal(decision)
    rows += [("Done", lever_line(state)) for state in levers] or [("Done", "nothing to move")]
    rows += [("Next", NEXT[standing])]
    if standing.rank >= Standing.THROTTLED.rank:
        rows += [("Undo", undo(domain))]
    return f"{domain} is {standing.upper()}{_confirmation(decision, levers)}", rows


def _proposal(decision: Decision) -> list[tuple[str, str]]:
    if decision.mode is Mode.PROPOSE:
        return [
            ("Next", "Nothing is done until a person approves it."),
            ("Approve", f"deliverd approve {decision.domain}"),
        ]
    return [("Next", 'Nothing is done in mode "observe"; set mode = "propose" or "enforce" for the domain to act.')]


def _confirmation(decision: Decision, levers: Sequence[LeverState]) -> str:
    if decision.standing is Standing.WATCH or not levers:
        return ""
    if any(decision.limit.stricter_than(state.limit) for state in levers):
        return ", which the PLATFORM CANNOT DO"
    if all(state.outcome is Outcome.CONFIRMED for state in levers):
        return ", confirmed by the platform"
    return ", NOT CONFIRMED by the platform yet"


def _stamp(decision: Decision) -> str:
    return f"by {decision.author} at {decision.at:%a %d %b %H:%M:%S} UTC, rule {decision.rule}"


def _blind(incident: Incident) -> tuple[str, list[tuple[str, str]]]:
    sources = ", ".join(str(source) for source in incident.facts.get("sources", ()))
    times = incident.facts.get("expected_by", {})
    return f"{incident.domain}: deliverd is blind to {sources}", [
        ("Why", f"{sources} did not answer for longer than the policy's stale_after_minutes"),
        *((f"{source} by", f"{datetime.fromisoformat(at):%a %d %b %H:%M} UTC") for source, at in times.items()),
        (
            "Means",
            "Unknown is neither good nor bad: what is held back stays so, and nothing is paused for it.",
        ),
        ("Next", "deliverd keeps asking and says when it can see again."),
        ("Look", "deliverd status"),
    ]


def _unconfirmed(incident: Incident, decision: Decision | None) -> tuple[str, list[tuple[str, str]]]:
    rows = [("Wanted", f"{decision.limit}, because {decision.reason}")] if decision else []
    levers = incident.facts.get("levers", {})
    rows += [("Lever", f"{lever}: {why}") for lever, why in levers.items()]
    return f"{incident.domain}: UNCONFIRMED, the platform does not do as it was told", [
        *rows,
        ("Means", "Mail may still be leaving."),
        (
            "Next",
            "deliverd tries again, every 5 minutes at the latest, until the platform shows that it holds.",
        ),
        ("Do", "Stop the sender by hand at the platform; deliverd will see it and leave it so."),
    ]


def _noticed(incident: Incident) -> tuple[str, list[tuple[str, str]]]:
    texts = [str(text) for text in incident.facts.get("texts", ())]
    return f"{incident.domain}: {incident.cause.replace('-', ' ')}", [("Seen", text) for text in texts]


def _over(
    incident: Incident, decision: Decision | None, levers: Sequence[LeverState]
) -> tuple[str, list[tuple[str, str]]]:
    rows = [("Since", f"{incident.opened_at:%a %d %b %H:%M:%S} UTC")]
    if incident.cause == alert.STANDING:
        rows += [("Why", decision.reason)] if decision else []
        return f"{incident.domain} is healthy again", rows
    if incident.cause == alert.BLIND:
        return f"{incident.domain}: deliverd sees again", rows
    if incident.cause == alert.UNCONFIRMED:
        return f"{incident.domain}: confirmed by the platform now", rows + [
            ("Done", lever_line(state)) for state in levers
        ]
    title, seen = _noticed(incident)
    return f"{title}: over", rows + seen


def _table(rows: Sequence[tuple[str, str]]) -> str:
    width = max(len(name) for name, _ in rows) + 2
    return "\n".join(f"{name:<{width}}{text}" for name, text in rows)
