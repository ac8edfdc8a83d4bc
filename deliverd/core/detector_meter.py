"""The evidence meter: how many more complaints it would take, so that people see how far a domain is from a step."""

from collections.abc import Sequence
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from math import ceil, log

HOURS_A_DAY = 24
_EXACT = Context(prec=28, Emax=MAX_EMAX, Emin=MIN_EMIN)
"""Decimal arithmetic has the same digits on every machine, and no number of complaints is too many for it."""


def missing(
    totals: Sequence[int], powers: Sequence[int], alternatives: Sequence[tuple[float, float]], threshold: float
) -> int:
    """The fewest further complaints, all about the newest cohort, that lift the evidence to `threshold` days.

    `totals[k]` * 2**`powers[k]` hours is the sum over starts for the alternative k, a pair (rate, tolerated rate). A
    complaint about the newest cohort belongs to every start, and multiplies that sum by rate / tolerated. Nought when
    nothing was sent: nothing can be complained about.
    """
    if not any(totals):
        return 0
    sums = [_EXACT.multiply(total, _EXACT.power(2, power)) for total, power in zip(totals, powers, strict=True)]
    ratios = [_EXACT.divide(Decimal(rate), Decimal(tolerated)) for rate, tolerated in alternatives]
    wanted = Decimal(threshold) * HOURS_A_DAY * len(sums)
    # Floats guess, decimals settle it: the guess may differ between machines, what it is settled to may not.
    logs = [
        (log(total) + power * log(2), log(ratio)) for total, power, ratio in zip(totals, powers, ratios, strict=True)
    ]
    found = max(min(ceil((log(wanted) - hours) / gain) for hours, gain in logs), 0)
    while _with(found, sums, ratios) < wanted:
        found += 1
    while found and _with(found - 1, sums, ratios) >= wanted:
        found -= 1
    return found


def _with(complaints: int, sums: Sequence[Decimal], ratios: Sequence[Decimal]) -> Decimal:
    found = Decimal(0)
    for hours, ratio in zip(sums, ratios, strict=True):
        found = _EXACT.fma(hours, _EXACT.power(ratio, complaints), found)
    return found


def text(complaints: int, needed: int, fires: bool) -> str:
    """The meter in words."""
    if fires:
        return f"{complaints:,} complaint{'' if complaints == 1 else 's'}, enough at this volume"
    return f"{complaints:,} of about {needed:,} complaints needed at this volume"
