"""The sums behind the detector: for every domain and every alternative rate, over all possible starts of a change.

For the start bin j, N = messages sent in bins >= j and X = complaints so far about them, the likelihood ratio of an
alternative rate t against the tolerated rate p is (t / p)^X * exp(-(t - p) N): X log2(t / p) - N (t - p) log2(e) in
powers of two. Its sum over all starts must be the same on every machine, bit for bit, or a stored judgement could not
be proved. numpy's exp and log are not (https://github.com/numpy/numpy/issues/23523: they depend on the processor), nor
is the order in which floats are added up. So only operations that IEEE 754 rounds exactly are used (+, -, *, rint), a
table made with decimal arithmetic, and integers for the sums: integers have the same sum in any order. That makes one
domain judged by itself and the same domain in a sweep of the fleet agree to the last bit.
"""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from functools import cache
from math import ldexp
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deliverd.core.cohorts import Cohorts, Integers

Floats = NDArray[np.float64]
Alternative = tuple[float, float]
"""A rate (ratio) and the tolerated rate (ratio) that it is weighed against."""

IDLE_HOURS = 24
"""An hour without mail gives the same likelihood ratio as the next one with mail, and so counts as a start as well; of
a longer silence the last 24 hours. Else a domain that slept for a month would wake up with a month of evidence."""

BLOCK = 1536
"""How many cohorts are worked on at once: 60 days of one busy domain, or as many quiet ones as that. More would no
longer fit a core's second-level cache, and takes twice as long."""

_FRACTION = 44
_DEEPEST = 48
_STEPS = 64


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """For each domain (row) and alternative (column): the sum over starts, in hours, is `total` * 2**`power`.

    Relative error under 2e-10, and the same everywhere.
    """

    total: Integers
    power: Integers

    def hours(self) -> Floats:
        """The sums as floats; inf when they are too large for one."""
        with np.errstate(over="ignore", under="ignore"):
            exponent = np.clip(self.power, -4000, 4000).astype(np.int32)
            return np.ldexp(self.total.astype(np.float64), exponent)


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """What each cohort, as the start of a change, adds for each alternative: row `k` of `values` * 2**`power`, hours.

    `sends` are the messages of each cohort and later ones, `complaints` those about them. A complaint proves its
    message: of each cohort at least as many messages count as were complained about.

    `values` is scratch space: it holds only until the same thread asks for other terms.
    """

    sends: Integers
    complaints: Integers
    values: Integers
    power: Integers
    starts: NDArray[np.intp]

    def sums(self) -> Sums:
        return Sums(np.add.reduceat(self.values, self.starts, axis=1).T, self.power.T)

    def by_start(self, columns: slice) -> Floats:
        """What each cohort of the one table adds for some of the alternatives, on a scale of its own."""
        power = self.power[columns, 0]
        scale = np.ldexp(1.0, np.maximum(power - power.max(), -1000).astype(np.int32))
        shares: Floats = (self.values[columns] * scale[:, None]).sum(axis=0)
        return shares


def sums(tables: Sequence[Cohorts], alternatives: tuple[Alternative, ...]) -> Sums:
    """The sums of each table; a table without rows has none."""
    shape = (len(tables), len(alternatives))
    found = Sums(np.zeros(shape, np.int64), np.zeros(shape, np.int64))
    busy = [number for number, table in enumerate(tables) if len(table)]
    if busy:
        part = terms([tables[number] for number in busy], alternatives).sums()
        found.total[busy], found.power[busy] = part.total, part.power
    return found


class _Scratch(threading.local):
    """Memory that is used again: fresh arrays of this size come as fresh pages, and would cost more than the sums."""

    def __init__(self) -> None:
        self.floats = np.zeros(0)
        self.integers = np.zeros(0, np.int64)

    def arrays(self, rows: int, columns: int) -> tuple[Floats, Floats, Floats, Integers]:
        size = rows * columns
        if len(self.integers) < size:
            self.floats, self.integers = np.zeros(3 * size), np.zeros(size, np.int64)
        one, two, three = (self.floats[n * size : (n + 1) * size].reshape(rows, columns) for n in range(3))
        return one, two, three, self.integers[:size].reshape(rows, columns)


_SCRATCH = _Scratch()


def blocks(tables: Iterator[tuple[str, Cohorts]]) -> Iterator[list[tuple[str, Cohorts]]]:
    """The tables in groups that are worked on together, none held longer than needed."""
    block: list[tuple[str, Cohorts]] = []
    size = 0
    for name, table in tables:
        if block and size + len(table) > BLOCK:
            yield block
            block, size = [], 0
        block.append((name, table))
        size += len(table) + 1  # so that even empty tables fill a block
    if block:
        yield block


def terms(tables: Sequence[Cohorts], alternatives: tuple[Alternative, ...]) -> Terms:
    """The terms of some tables, none of them empty, best of about BLOCK cohorts together (see `blocks`)."""
    lengths = np.array([len(table) for table in tables])
    starts = np.concatenate(([0], np.cumsum(lengths)[:-1]))
    hours = np.concatenate([table.hours for table in tables])
    complaints = np.concatenate([table.complaints for table in tables])
    mail = np.maximum(np.concatenate([table.sends for table in tables]), complaints)
    gain, charge = _constants(alternatives)
    sends, complaints = _remaining(mail, starts), _remaining(complaints, starts)
    exponents, spare, _, _ = arrays = _SCRATCH.arrays(len(alternatives), len(hours))
    np.multiply(complaints.astype(np.float64), gain, out=exponents)
    np.multiply(sends.astype(np.float64), charge, out=spare)
    exponents -= spare
    power = np.floor(np.maximum.reduceat(exponents, starts, axis=1) / _STEPS)
    lift = (_DEEPEST - power) * _STEPS
    exponents += lift if len(tables) == 1 else np.repeat(lift, lengths, axis=1)
    values = _powers_of_two(arrays)
    values *= _idle_weights(hours, starts)
    return Terms(sends, complaints, values, power.astype(np.int64) - _FRACTION, starts)


def _remaining(counts: Integers, starts: NDArray[Any]) -> Integers:
    """For each row, the sum of it and of the rows after it, up to where the next table starts."""
    through = counts.cumsum()
    ends = np.append(starts[1:], len(counts))
    found: Integers = through[ends - 1].repeat(ends - starts) - through + counts
    return found


def _idle_weights(hours: Integers, starts: NDArray[np.intp]) -> Integers:
    """How many hours each cohort stands for as a start: its own, and the idle ones before it."""
    weights = np.ones(len(hours), np.int64)
    np.minimum(hours[1:] - hours[:-1], IDLE_HOURS, out=weights[1:])
    weights[starts] = 1
    return weights


def _powers_of_two(arrays: tuple[Floats, Floats, Floats, Integers]) -> Integers:
    """2**(x/64 - 48) as a multiple of 2**-_FRACTION, rounded down, for each x of the first array; all four are spoilt.

    x is under 49 * 64, and below 0 taken as none. x = n + f with n whole and |f| <= 1/2: a table gives 2**(n/64), a
    cubic in f the rest (error 4e-11).
    """
    rest, whole, result, integers = arrays
    table, (first, second, third) = _table()
    np.rint(rest, out=whole)
    rest -= whole
    np.multiply(rest, third, out=result)
    result += second
    result *= rest
    result += first
    result *= rest
    result += 1.0
    np.copyto(integers, whole, casting="unsafe")
    result *= np.take(table, integers, out=whole, mode="clip")
    np.copyto(integers, result, casting="unsafe")
    return integers


@cache
def _table() -> tuple[Floats, tuple[float, float, float]]:
    with localcontext(prec=50):
        step = Decimal(2).ln() / _STEPS
        fractions = [float((step * number).exp()) for number in range(_STEPS)]
        series = float(step), float(step**2 / 2), float(step**3 / 6)
    powers = range((_DEEPEST + 1) * _STEPS + 1)
    return np.array([ldexp(fractions[n % _STEPS], n // _STEPS - _DEEPEST + _FRACTION) for n in powers]), series


@cache
def _constants(alternatives: tuple[Alternative, ...]) -> tuple[Floats, Floats]:
    """For each alternative, what a complaint adds to 64 times the exponent of 2, and what a message takes from it."""
    with localcontext(prec=50):
        log = Decimal(2).ln() / _STEPS
        pairs = [(Decimal(rate), Decimal(tolerated)) for rate, tolerated in alternatives]
        gain = [float((rate / tolerated).ln() / log) for rate, tolerated in pairs]
        charge = [float((rate - tolerated) / log) for rate, tolerated in pairs]
    return np.array(gain)[:, None], np.array(charge)[:, None]
