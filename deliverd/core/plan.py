"""From what is wanted and what is, to the moves that make them agree. Pure: it can be printed, compared and refused.

Only deliverd's own doing is undone: a lever that a person or the platform holds back stays theirs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from deliverd.model import (
    Action,
    Actual,
    Desired,
    Finding,
    FindingKind,
    Intent,
    Lever,
    LeverMemory,
    Limit,
    Outcome,
    Plan,
    SendState,
)

OWN = (None, "deliverd")
"""Who a platform may name as the author of a state that could be deliverd's: itself, or nobody at all."""

FIRST_RETRY = timedelta(seconds=2)
LAST_RETRY = timedelta(minutes=5)
RUNNING = Limit(SendState.RUNNING)


@dataclass(frozen=True, slots=True)
class LeverCase:
    """All that planning one lever needs. `actual` is None when the platform could not be read, `fault` says why."""

    domain: str
    lever: Lever
    states: frozenset[SendState]
    memory: LeverMemory
    desired: Desired | None = None
    actual: Actual | None = None
    fault: str = ""
    reason: str = ""


def plan(account: str, cases: Sequence[LeverCase], now: datetime) -> Plan:
    """What to do about every lever of an account, and what to tell about it."""
    moves = [_lever(case, now) for case in cases]
    actions = tuple(action for action, _ in moves if action)
    findings = tuple(finding for _, found in moves for finding in found)
    return Plan(account, actions, findings)


def retry_at(attempt: int, last: datetime) -> datetime:
    """When attempt `attempt` that ended at `last` is tried again: 2 s, 4 s, 8 s ... at most 5 minutes later."""
    return last + min(LAST_RETRY, FIRST_RETRY * (1 << min(attempt - 1, 10)))


def interrupted(memory: LeverMemory) -> Intent | None:
    """An intent whose result was never written, because the process died: the platform alone knows how it ended."""
    return memory.latest[0] if memory.latest and memory.latest[1] is None else None


def settled(intent: Intent, actual: Actual) -> Outcome:
    """How an intent ended, going by what the platform shows."""
    return Outcome.CONFIRMED if actual.limit == intent.action.limit else Outcome.UNCONFIRMED


def next_attempt(case: LeverCase) -> int:
    """The number of the next try for what is desired now, from 1."""
    return _attempt(case)[0] + 1


def _lever(case: LeverCase, now: datetime) -> tuple[Action | None, list[Finding]]:
    if case.actual is None:
        return None, [_finding(case, FindingKind.UNREADABLE, f"cannot read {case.lever}: {case.fault}")]
    original = _imposed_over(case.memory, case.actual)
    if case.desired is None:
        return None, _foreign(case, case.actual, original)
    target, findings = _target(case, case.desired, case.actual, original)
    if _satisfied(case.actual, target, original):
        done = _confirmed_for(case)
        # What stands there is written down as it is: a stricter hold of somebody else's is not moved to the target.
        action = None if done else _action(case, case.desired, case.actual, case.actual.limit, original)
        return action, findings + _foreign(case, case.actual, original)
    if confirmed := _confirmed_for(case):
        findings.append(_drift(case, case.actual, confirmed.action.limit))
    if (wait := _waiting(case, now)) is not None:
        return None, [*findings, wait]
    return _action(case, case.desired, case.actual, target, original), findings


def _imposed_over(memory: LeverMemory, actual: Actual) -> Limit | None:
    """What deliverd's own hold on the lever replaced; None when what stands there is not deliverd's.

    An act that was called but not confirmed counts too: it may have taken effect after the read-back. One that the
    platform refused does not: what stands there is then somebody else's, such as the pause by hand that was asked for.
    """
    if actual.by not in OWN:
        return None
    acts = [pair for pair in (memory.latest, memory.confirmed) if pair]
    for action in (intent.action for intent, result in acts if not (result and result.outcome is Outcome.FAILED)):
        if action.limit == actual.limit and action.limit.stricter_than(action.original):
            return action.original
    return None


def _target(case: LeverCase, desired: Desired, actual: Actual, original: Limit | None) -> tuple[Limit, list[Finding]]:
    """What the lever should be at, as near as this platform can come to what is desired."""
    lifted = original if original is not None else actual.limit
    if desired.limit.state in case.states and desired.limit.state is not SendState.RUNNING:
        # A limit of a person's own that is stricter than ours holds; ours is never a way to send more.
        own = original if original is not None else RUNNING
        return (own if own.stricter_than(desired.limit) else desired.limit), []
    if desired.limit.state is SendState.RUNNING:
        return lifted, []
    text = (
        f"{case.lever} cannot be {desired.limit}: this platform can only {_verbs(case.states)}. "
        f"It is left {lifted.state}; {_by_hand(desired.limit)}"
    )
    return lifted, [_finding(case, FindingKind.CANNOT_THROTTLE, text)]


def _by_hand(limit: Limit) -> str:
    return (
        f"hold the sender itself back to {limit.per_day:,} messages a day"
        if limit.per_day
        else "stop the sender itself"
    )


def _verbs(states: frozenset[SendState]) -> str:
    verbs = {SendState.RUNNING: "resume", SendState.THROTTLED: "throttle", SendState.PAUSED: "pause"}
    return " and ".join(verbs[state] for state in SendState if state in states) or "be read"


def _satisfied(actual: Actual, target: Limit, original: Limit | None) -> bool:
    """Ours must be exactly what is wanted; somebody else's hold need only be as strict."""
    return actual.limit == target or (original is None and actual.limit.stricter_than(target))


def _confirmed_for(case: LeverCase) -> Intent | None:
    """The confirmed act for what is desired now."""
    intent = case.memory.confirmed[0] if case.memory.confirmed else None
    return intent if intent and case.desired and intent.action.desired_id == case.desired.id else None


def _attempt(case: LeverCase) -> tuple[int, datetime | None]:
    """The newest attempt for what is desired now, and when it ended unconfirmed."""
    if not (case.memory.latest and case.desired):
        return 0, None
    intent, result = case.memory.latest
    if intent.action.desired_id != case.desired.id:
        return 0, None
    ended = result.at if result and result.outcome is not Outcome.CONFIRMED else None
    return intent.attempt, ended


def _waiting(case: LeverCase, now: datetime) -> Finding | None:
    attempt, ended = _attempt(case)
    if ended is None or now >= (again := retry_at(attempt, ended)):
        return None
    text = f"attempt {attempt} on {case.lever} did not hold; next at {again:%H:%M:%S} UTC"
    return _finding(case, FindingKind.WAITING, text)


def _action(case: LeverCase, desired: Desired, actual: Actual, target: Limit, original: Limit | None) -> Action:
    return Action(
        lever=case.lever,
        limit=target,
        before=actual.limit,
        original=original if original is not None else actual.limit,
        domain=case.domain,
        desired_id=desired.id,
        reason=case.reason,
    )


def _foreign(case: LeverCase, actual: Actual, original: Limit | None) -> list[Finding]:
    """A pause that is not deliverd's: told, and left alone."""
    if original is not None or actual.limit.state is not SendState.PAUSED:
        return []
    who = f"by {actual.by}" if actual.by not in OWN else "by somebody else"
    text = f"{case.lever} is paused {who} at the platform, not by deliverd, which leaves it so"
    return [_finding(case, FindingKind.FOREIGN_PAUSE, text)]


def _drift(case: LeverCase, actual: Actual, left: Limit) -> Finding:
    who = f" by {actual.by}" if actual.by not in OWN else ""
    text = f"{case.lever} was left {left} and is now {actual.limit}, changed{who} at the platform; set again"
    return _finding(case, FindingKind.DRIFT, text)


def _finding(case: LeverCase, kind: FindingKind, text: str) -> Finding:
    return Finding(kind, case.lever, case.domain, text)
