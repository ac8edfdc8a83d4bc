"""The evidence meter: how many more complaints it would take, so that people see how far a domain is from a step."""

from collections.abc import Sequence
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from math import ceil, log
from typing import NamedTuple

HOURS_A_DAY = 24
_EXACT = Context(prec=28, Emax=MAX_EMAX, Emin=MIN_EMIN)
"""Decimal arithmetic has the same digits on every machine, and no number of complaints is too many for it."""


def missing(
    totals: Sequence[int], powers: Sequence[int], alternatives: Sequence[tuple[float, float]], threshold: float
) -> int:
    """The fewest further complaints, all about the newest cohort, that lift the evidence to `threshold` days.

    `totals[k]` * 2**`powers[k]` hours is the sum over starts for the alternative k, a pair (rate, tolerated rate). A
    complaint about the newest cohort belongs to every start, and multiplies that sum by rate / tolerated. Every
    sum is over 0, as it is wherever there is mail.
    """
    parts = [
        _Part(_EXACT.multiply(total, _EXACT.power(2, power)), _EXACT.divide(Decimal(rate), Decimal(tolerated)))
        for total, power, (rate, tolerated) in zip(totals, powers, alternatives, strict=True)
    ]
    wanted = Decimal(threshold) * HOURS_A_DAY * len(parts)
    # Floats guess, decimals settle it: the guess may differ between machines, what it is settled to may not.
    logs = [log(total) + power * log(2) for total, power in zip(totals, powers, strict=True)]
    found = min(ceil((log(wanted) - hours) / log(part.ratio)) for hours, part in zip(logs, parts, strict=True))
    while _with(found - 1, parts) >= wanted:
        found -= 1
    while _with(found, parts) < wanted:
        found += 1
    return max(found, 0)


class _Part(NamedTuple):
    """The sum over starts for one alternative, in hours, and what a complaint multiplies it by."""

    hours: Decimal
    ratio: Decimal


def _with(complaints: int, parts: Sequence[_Part]) -> Decimal:
    found = Decimal(0)
    for hours, ratio in parts:
        found = _EXACT.fma(hours, _EXACT.power(ratio, complaints), found)
    return found


def text(complaints: int, needed: int, fires: bool) -> str:
    """The meter in words."""
    if fires:
        return f"{complaints:,} complaint{'' if complaints == 1 else 's'}, enough at this volume"
    return f"{complaints:,} of about {needed:,} complaints needed at this volume"
