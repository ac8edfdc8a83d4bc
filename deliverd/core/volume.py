"""How much a domain normally sends: what a throttle and a ramp are fractions of."""

import math
from collections.abc import Collection, Mapping
from datetime import date

from deliverd.model import Limit, SendState, Standing
from deliverd.policy import Policy


def normal_per_day(sends: Mapping[date, int], today: date) -> int:
    """Messages a day on the complete days with mail; today's own count when there is no complete day yet."""
    complete = [count for day, count in sends.items() if day < today and count > 0]
    return math.ceil(sum(complete) / len(complete)) if complete else sends.get(today, 0)


def limit_of(standing: Standing, policy: Policy, normal: int, step: int) -> Limit:
    """What a standing asks of a domain's levers; `step` is the place on the ramp while recovering."""
    if standing is Standing.PAUSED:
        return Limit(SendState.PAUSED)
    if standing is Standing.THROTTLED:
        return _fraction(policy.throttle_fraction, policy, normal)
    if standing is Standing.RECOVERING and policy.ramp[step] < 1:
        return _fraction(policy.ramp[step], policy, normal)
    return Limit(SendState.RUNNING)


def together(limits: Collection[Limit]) -> Limit | None:
    """What levers let through that were each asked for a share: the strictest state, and the sum of the throttles."""
    strictest = max(limits, key=lambda limit: limit.strictness, default=None)
    if strictest is None or strictest.per_day is None:
        return strictest
    return Limit(strictest.state, sum(limit.per_day or 0 for limit in limits))


def _fraction(share: float, policy: Policy, normal: int) -> Limit:
    return Limit(SendState.THROTTLED, max(policy.throttle_floor_per_day, math.ceil(normal * share)))
