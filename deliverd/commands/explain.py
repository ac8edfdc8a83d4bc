"""`deliverd explain`: the chain of causes behind a domain's standing, with every number."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from deliverd.commands.codes import Code, unknown_domain
from deliverd.commands.names import spelt
from deliverd.commands.output import BAD, GOOD, QUIET, UNSURE, Output, Styled, Words, plain, stamp, standing_of
from deliverd.commands.session import session
from deliverd.core import detection
from deliverd.core.rules import percent
from deliverd.model import Notice, Outcome
from deliverd.store import cohorts, history
from deliverd.store.connection import Conn
from deliverd.store.history import Act, Chain, Link, Telling, Wish
from probes.observation import Observation, Seen

_OUTCOMES = {Outcome.CONFIRMED: GOOD, Outcome.UNCONFIRMED: UNSURE, Outcome.FAILED: BAD}
_RATES = ("rate", "threshold", "tolerated_rate")


@dataclass(frozen=True, slots=True)
class Recomputed:
    """What came of working out again the evidence of a decision; no `differences` prove it, bit for bit."""

    decision: int
    differences: tuple[str, ...]


def explain(domain: str, last: int, as_json: bool, config: Path | None, recompute: bool = False) -> Code:
    """Show it, for configured domains and those that only the history still knows. Raises UsageFault, StoreError.

    `recompute`: the newest of these decisions that the complaint detector took is worked out again, from the events
    that had been counted then. WRONG when that gives anything else; UNSEEN when it took none of them.
    """
    with session(config) as (settings, store):
        name = spelt(domain)
        chain = store.read_sync(lambda conn: history.chain(conn, name, last))
        if name not in settings.domains and not chain.links and not chain.others:
            raise unknown_domain(domain, settings.domains)
        again = store.read_sync(lambda conn: _recomputed(conn, chain)) if recompute else None
    if as_json:
        Output().json(plain(chain) | {"recomputed": again} if recompute else chain)
    else:
        _show(Output(), chain)
        if recompute:
            Output().line(*_proof(again))
    if not recompute:
        return Code.GOOD
    return Code.UNSEEN if again is None else Code.WRONG if again.differences else Code.GOOD


def _recomputed(conn: Conn, chain: Chain) -> Recomputed | None:
    made = next((link.decision for link in chain.links if detection.is_detected(link.decision.evidence)), None)
    if made is None:
        return None
    numbers = made.evidence
    since, through = datetime.fromisoformat(numbers["counted_from"]), numbers["counted_through_event"]
    mail = cohorts.mail_by_hour_then(conn, chain.domain, numbers["feedback_providers"], since, through)
    return Recomputed(made.seq, detection.differences(numbers, mail))


def _proof(again: Recomputed | None) -> tuple[Words, ...]:
    if again is None:
        return ("recomputed: none of these decisions is the complaint detector's",)
    begun = f"recomputed: decision {again.decision}, from the events that had been counted then: "
    if not again.differences:
        return begun, Styled("the same, bit for bit", GOOD)
    return begun, Styled("NOT the same", BAD), f": {'; '.join(again.differences)}"


def _show(out: Output, chain: Chain) -> None:
    if not chain.links:
        out.line(f"{chain.domain}: no decision yet. It is healthy until something seen says otherwise.")
    for link in chain.links:
        _link(out, link)
    if chain.others:
        out.line(Styled("Beside these decisions", "bold"))
    for telling in chain.others:
        for words in _told(telling):
            out.line("  ", Styled("told     ", QUIET), *words)


def _link(out: Output, link: Link) -> None:
    made = link.decision
    out.line(
        Styled(f"{stamp(made.at)}  {made.domain}: {made.previous} -> ", "bold"),
        standing_of(made.standing),
        Styled(f"  decision {made.seq}, by {made.author}, rule {made.rule}, mode {made.mode}", QUIET),
    )
    for label, lines in (
        ("seen", _seen(link)),
        ("decided", _decided(link)),
        ("done", _done(link)),
        ("told", _all_told(link)),
    ):
        for number, words in enumerate(lines):
            out.line("  ", Styled(f"{label if number == 0 else '':<9}", QUIET), *words)
    out.line()


def _seen(link: Link) -> Iterator[tuple[Words, ...]]:
    if link.order is not None and link.order.author == link.decision.author:
        order = link.order
        yield (f"order {order.id} at {stamp(order.at)}: {order.author} ordered {order.kind}: {order.reason}",)
    for one in link.observations:
        yield (_observation(one),)
    if link.decision.evidence:
        yield (_numbers(link.decision.evidence),)


def _observation(one: Observation) -> str:
    name = " ".join(filter(None, (one.source, one.part)))
    if isinstance(one.answer, Seen):
        return f"{name} at {stamp(one.at)}: {_numbers(one.answer.readings)}"
    return f"{name} at {stamp(one.at)}: could not look ({one.answer.why}) {one.answer.detail}".rstrip()


def _numbers(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {_value(name, value)}" for name, value in values.items())


def _value(name: str, value: object) -> str:
    if name in _RATES and isinstance(value, int | float):
        return percent(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, list | tuple):
        return "; ".join(map(str, value)) or "none"
    return str(value)


def _decided(link: Link) -> Iterator[tuple[Words, ...]]:
    made = link.decision
    yield (made.reason,)
    details = [f"asks for: {made.limit}"]
    if made.normal_per_day:
        details.append(f"normal volume {made.normal_per_day:,} a day")
    if made.step:
        details.append(f"ramp step {made.step}")
    if made.epoch:
        details.append(f"only mail sent since {stamp(made.epoch)} counts")
    yield ("; ".join(details),)


def _done(link: Link) -> Iterator[tuple[Words, ...]]:
    if not link.wishes:
        yield ("nothing was asked of the platform",)
    for wish in link.wishes:
        if not wish.acts:
            yield (f"{wish.desired.lever} {wish.desired.limit}: not done yet",)
        for act in wish.acts:
            yield _act(wish, act)


def _act(wish: Wish, act: Act) -> tuple[Words, ...]:
    action, result = act.intent.action, act.result
    attempt = f"attempt {act.intent.attempt} at {stamp(act.intent.at)}"
    begun = f"{wish.desired.lever}: {action.before} -> {action.limit}, {attempt}: "
    if result is None:
        return begun, Styled("no result yet", UNSURE)
    read = f", read back {result.actual.limit}" if result.actual else ", not read back"
    by = f" by {result.actual.by}" if result.actual and result.actual.by else ""
    detail = f": {result.detail}" if result.detail else ""
    return begun, Styled(result.outcome.value, _OUTCOMES[result.outcome]), f" at {stamp(result.at)}{read}{by}{detail}"


def _all_told(link: Link) -> Iterator[tuple[Words, ...]]:
    for telling in link.tellings:
        yield from _told(telling)


def _told(telling: Telling) -> Iterator[tuple[Words, ...]]:
    if not telling.notices:
        one = telling.incident
        yield (f"{one.domain} {one.cause} (incident {one.id}, version {one.version}): nobody yet",)
    for notice in telling.notices:
        yield notice.owner, ": ", Styled(f'"{notice.title}"', "bold"), " ", _delivery(notice)


def _delivery(notice: Notice) -> Words:
    if notice.sent_at:
        return Styled(f"sent at {stamp(notice.sent_at)}", GOOD)
    why = f": {notice.detail}" if notice.detail else ""
    return Styled(f"NOT sent{why}; tried since {stamp(notice.at)}", BAD)
