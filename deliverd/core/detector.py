"""The complaint detector: has the complaint rate risen over what is tolerated, at a stated rate of false actions.

A mixture Shiryaev-Roberts e-detector over cohorts. For every hour j in which a change might have begun, N = messages
sent since, X = complaints so far about those, p the tolerated rate, t_1..t_K the rates that it is weighed against:

    R = sum over j of 1/24 day * (1/K) * sum over k of (t_k / p)^X * exp(-(t_k - p) * N)

A step fires when R >= c days. Whatever the volume, the pattern of sending, the delay of complaints and however often
one looks: while every message is complained about with a probability of at most p, the chance of a false action within
T days is at most T / c. docs/detector.md gives the argument and the sources; benchmarks/detector.py tries to break it.

R is a function of the cohort table alone: the order of events does not matter, late complaints change the cohort that
they are about, and everybody with the same table gets the same bits.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from math import isfinite
from sys import float_info
from typing import Any

import numpy as np

from deliverd.core import detector_grid as grid
from deliverd.core import detector_meter
from deliverd.core.cohorts import Cohorts, hour_start
from deliverd.core.detector_grid import Alternative, Floats
from deliverd.core.reach import LOOK_BACK

HOURS_A_DAY = 24
_Columns = tuple[int, int]
_SPAN = LOOK_BACK.days * HOURS_A_DAY


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the detector: what it tolerates, and how often it may act falsely.

    `tolerated` and `alternatives` are ratios; `false_actions` a domain-year, while the true rate is `tolerated`;
    `complaints` the fewest that it acts on, however strong the evidence.

    Raises:
        ValueError: a rate out of (0, 0.5], an alternative that is not at least 1 % over the tolerated rate, ...
    """

    name: str
    tolerated: float
    alternatives: tuple[float, ...]
    false_actions: float
    complaints: int = 1

    def __post_init__(self) -> None:
        if not self.tolerated > 0:
            raise ValueError(f"{self.name}: tolerated is {self.tolerated}: a ratio over 0 is wanted")
        if not self.alternatives or any(not self.tolerated * 1.01 <= rate <= 0.5 for rate in self.alternatives):
            raise ValueError(f"{self.name}: every alternative must be over the tolerated rate by 1 % of it, up to 0.5")
        if not (isfinite(self.false_actions) and self.false_actions > 0):
            raise ValueError(f"{self.name}: false_actions is {self.false_actions}: a number over 0 is wanted")
        if self.complaints < 1:
            raise ValueError(f"{self.name}: complaints is {self.complaints}: nobody is acted on without any")

    @property
    def threshold(self) -> float:
        """The evidence that fires, in days: 365 / false actions a domain-year."""
        return 365 / self.false_actions

    @property
    def weighed(self) -> tuple[Alternative, ...]:
        return tuple((rate, self.tolerated) for rate in self.alternatives)


_LOW = (0.0007, 0.0010, 0.0015, 0.0025, 0.005, 0.010)
NOTIFY = Step("notify", 0.0005, _LOW, 365 / 60)
THROTTLE = Step("throttle", 0.0005, _LOW, 365 / 180, complaints=3)
PAUSE = Step("pause", 0.0008, (0.0010, 0.0013, 0.0018, 0.0030, 0.0050, 0.010), 365 / 1825, complaints=3)
STEPS = (NOTIFY, THROTTLE, PAUSE)
"""The steps as shipped, mildest first."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the detector found for one step, and on what.

    `r` and `threshold` are in days; `start` the hour that contributes most to `r` as the beginning of a change (None
    without mail); `sends` and `complaints` what was sent since then and the complaints about that; `needed` how many
    complaints it would have taken at that volume; `total` the complaints in all; `digest` identifies the cohorts.
    """

    step: str
    fires: bool
    r: float
    threshold: float
    tolerated: float
    start: datetime | None
    sends: int
    complaints: int
    needed: int
    total: int
    digest: str

    @property
    def rate(self) -> float:
        """Complaints a message since `start`, a ratio."""
        return self.complaints / self.sends if self.sends else 0.0

    @property
    def meter(self) -> str:
        """How far it is, for people: "3 of about 5 complaints needed at this volume"."""
        return detector_meter.text(self.complaints, self.needed, self.fires)

    def numbers(self) -> dict[str, Any]:
        """The evidence as it is stored with a decision: plain values that survive JSON bit for bit."""
        return {
            "detector_step": self.step,
            "r_days": self.r,
            "threshold_days": self.threshold,
            "tolerated_rate": self.tolerated,
            "start": self.start.isoformat() if self.start else None,
            "sent": self.sends,
            "complaints": self.complaints,
            "complaints_needed": self.needed,
            "complaints_counted": self.total,
            "rate": self.rate,
            "cohorts_sha256": self.digest,
        }


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep found for one domain: R of each step in days, and the strictest step that fires, if any."""

    domain: str
    r: tuple[float, ...]
    fires: Step | None


def weigh(table: Cohorts, steps: Sequence[Step] = STEPS) -> tuple[Evidence, ...]:
    """The evidence of one domain for each step. `table` holds its cohorts since the epoch, none in the future.

    Cohorts more than LOOK_BACK before the newest are left out: that can only lower R.
    """
    table = _recent(table)
    digest = table.digest
    if not len(table):
        return tuple(_silence(step, digest) for step in steps)
    columns, alternatives = _layout(tuple(steps))
    terms = grid.terms([table], alternatives)
    starts = {column: int(np.argmax(terms.by_start(slice(*column)))) for column in set(columns)}
    weighing = _Weighing(table, digest, terms)
    return tuple(weighing.evidence(step, column, starts[column]) for step, column in zip(steps, columns, strict=True))


class _Weighing:
    """One domain's cohorts and the sums over them, of which each step takes its part."""

    def __init__(self, table: Cohorts, digest: str, terms: grid.Terms) -> None:
        self.table, self.digest, self.terms = table, digest, terms
        self.sums = terms.sums()
        self.hours = self.sums.hours()
        self.total = int(table.complaints.sum())

    def evidence(self, step: Step, column: _Columns, start: int) -> Evidence:
        r = float(_days(self.hours[:, slice(*column)])[0])
        fires = _fires(step, r, self.total)
        complaints = int(self.terms.complaints[start])
        return Evidence(
            step=step.name,
            fires=fires,
            r=r,
            threshold=step.threshold,
            tolerated=step.tolerated,
            start=hour_start(int(self.table.hours[start])),
            sends=int(self.terms.sends[start]),
            complaints=complaints,
            needed=complaints + (0 if fires else self._missing(step, column)),
            total=self.total,
            digest=self.digest,
        )

    def _missing(self, step: Step, column: _Columns) -> int:
        totals, powers = (row[0, slice(*column)].tolist() for row in (self.sums.total, self.sums.power))
        more = detector_meter.missing(totals, powers, step.weighed, step.threshold)
        return max(more, step.complaints - self.total)


def _silence(step: Step, digest: str) -> Evidence:
    return Evidence(step.name, False, 0.0, step.threshold, step.tolerated, None, 0, 0, 0, 0, digest)


def sweep(tables: Iterable[tuple[str, Cohorts]], steps: Sequence[Step] = STEPS) -> Iterator[Swept]:
    """R of every domain, in the order given; tables are taken as they come and held no longer than needed.

    The bits are those that `weigh` finds for the domain by itself.
    """
    columns, alternatives = _layout(tuple(steps))
    for block in grid.blocks((name, _recent(table)) for name, table in tables):
        hours = grid.sums([table for _, table in block], alternatives).hours()
        days = np.stack([_days(hours[:, slice(*column)]) for column in columns], axis=1)
        for (name, table), row in zip(block, days.tolist(), strict=True):
            total = int(table.complaints.sum())
            firing = [step for step, r in zip(steps, row, strict=True) if _fires(step, r, total)]
            yield Swept(name, tuple(row), firing[-1] if firing else None)


def differences(stored: Mapping[str, Any], table: Cohorts, step: Step) -> tuple[str, ...]:
    """What of a stored judgement (`Evidence.numbers`) does not come out of these cohorts again, in words.

    None at all proves it, bit for bit. The cohorts must be those of the moment it was judged at.
    """
    again = weigh(table, (step,))[0].numbers()
    return tuple(
        f"{name} was {stored.get(name)!r} and is {value!r}"
        for name, value in again.items()
        if stored.get(name) != value
    )


def expected_false_actions(domains: int, step: Step) -> float:
    """The most false actions a year to expect of a fleet whose domains are all at the tolerated rate."""
    return domains * step.false_actions


def _recent(table: Cohorts) -> Cohorts:
    if not len(table):
        return table
    first = int(np.searchsorted(table.hours, table.hours[-1] - _SPAN, side="right"))
    return Cohorts(table.hours[first:], table.sends[first:], table.complaints[first:])


def _fires(step: Step, r: float, total: int) -> bool:
    return r >= step.threshold and total >= step.complaints


def _days(hours: Floats) -> Floats:
    """The mixture in days; added in a fixed order, and as large as a float can be where it is larger."""
    total = np.zeros(len(hours))
    with np.errstate(over="ignore"):
        for column in hours.T:
            total += column
    found: Floats = np.minimum(total / (HOURS_A_DAY * hours.shape[1]), float_info.max)
    return found


@cache
def _layout(steps: tuple[Step, ...]) -> tuple[tuple[_Columns, ...], tuple[Alternative, ...]]:
    """Where each step's alternatives stand among all of them; steps that weigh the same share theirs."""
    places: dict[tuple[Alternative, ...], _Columns] = {}
    alternatives: tuple[Alternative, ...] = ()
    for step in steps:
        if step.weighed not in places:
            places[step.weighed] = len(alternatives), len(alternatives) + len(step.weighed)
            alternatives += step.weighed
    return tuple(places[step.weighed] for step in steps), alternatives
