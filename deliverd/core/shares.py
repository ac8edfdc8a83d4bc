"""How what is asked of a domain is shared out among its levers: mailboxes, campaigns, a subaccount."""

from collections.abc import Callable, Sequence

from deliverd.model import Lever, Limit, SendState

LEAST = Limit(SendState.THROTTLED, 1)
"""What is asked of a lever that can be limited and not paused, when its domain is paused."""


def shares(limit: Limit, levers: Sequence[Lever], states: Callable[[str], frozenset[SendState]]) -> dict[Lever, Limit]:
    """What each lever should be at, so that together they let through what the domain may send.

    `states` tells what can be set of levers of a kind. Where none of them can be set to what is asked, it is asked of
    all the same: the plan then says that the platform cannot do it.
    """
    able = [lever for lever in levers if limit.state in states(lever.kind)]
    if not able or limit.state is SendState.RUNNING:
        return dict.fromkeys(levers, limit)
    if limit.per_day is None:
        return {lever: limit if lever in able else _least(lever, states) for lever in levers}
    each, more = divmod(limit.per_day, len(able))
    told = {lever: _part(each + (index < more), lever, states) for index, lever in enumerate(able)}
    return {lever: told.get(lever, Limit(SendState.RUNNING)) for lever in levers}


def _part(per_day: int, lever: Lever, states: Callable[[str], frozenset[SendState]]) -> Limit:
    if per_day:
        return Limit(SendState.THROTTLED, per_day)
    return Limit(SendState.PAUSED) if SendState.PAUSED in states(lever.kind) else LEAST


def _least(lever: Lever, states: Callable[[str], frozenset[SendState]]) -> Limit:
    return LEAST if SendState.THROTTLED in states(lever.kind) else Limit(SendState.RUNNING)
