"""`deliverd explain`: the chain of causes behind a domain's standing, with every number."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from deliverd.commands.codes import Code, unknown_domain
from deliverd.commands.names import spelt
from deliverd.commands.output import BAD, GOOD, QUIET, UNSURE, Output, Styled, Words, stamp, standing_of
from deliverd.commands.session import session
from deliverd.core.rules import percent
from deliverd.model import Notice, Outcome
from deliverd.store import history
from deliverd.store.history import Act, Chain, Link, Telling, Wish
from probes.observation import Observation, Seen

_OUTCOMES = {Outcome.CONFIRMED: GOOD, Outcome.UNCONFIRMED: UNSURE, Outcome.FAILED: BAD}
_RATES = ("rate", "threshold")


def explain(domain: str, last: int, as_json: bool, config: Path | None) -> Code:
    """Show it, for configured domains and those that only the history still knows. Raises UsageFault, StoreError."""
    with session(config) as (settings, store):
        name = spelt(domain)
        chain = store.read_sync(lambda conn: history.chain(conn, name, last))
        if name not in settings.domains and not chain.links and not chain.others:
            raise unknown_domain(domain, settings.domains)
    if as_json:
        Output().json(chain)
    else:
        _show(Output(), chain)
    return Code.GOOD


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
