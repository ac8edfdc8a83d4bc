"""The detector's promises, measured: false actions, delays, a search for a world that breaks the bound, and speed.

    .venv/bin/python benchmarks/detector.py [--runs 100] [--domains 100000] [--only table,bound,worst,speed] [--jobs 2]

Simulated domains send flat, in one daily burst or on weekdays; complaints arrive after a lognormal delay (median 6 h,
sigma 1); each is judged every hour by deliverd.core.detector. Beside each figure stands the one to reproduce. Busy
domains are simulated in fewer runs (each takes longer, and none fires falsely). Exit status 1 when a promise is broken.
"""

import argparse
import multiprocessing
import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from math import comb, inf
from typing import Any

import numpy as np

from deliverd.core import detector, detector_grid
from deliverd.core.cohorts import Cohorts, hour_start
from deliverd.core.detector import PAUSE, THROTTLE, Step
from deliverd.core.detector_grid import Floats

DAYS = 90
HISTORY = 60 * 24
WINDOW = 60 * 24
VOLUMES = (200, 2_000, 20_000, 500_000)
PATTERNS = ("flat", "burst", "weekdays")
MONDAY = 490_632  # an hour number: 2025-12-22 00:00 UTC
AHEAD = 24 * 30
HORIZON = {200: 150, 2_000: 60, 20_000: 15, 500_000: 5}  # days within which all but a few are found
LIVE = {20_000: 4, 500_000: 12}  # busy domains are found within hours: how often an hour is looked at

# The figures to reproduce: the share of false actions in 90 days, then the median hours to find 0.20 % and 0.50 %.
FACTS = {
    ("throttle", 200): (0.14, 11.7 * 24, 3.4 * 24),
    ("throttle", 2_000): (0.08, 66, 24),
    ("throttle", 20_000): (0.01, 22, 10),
    ("throttle", 500_000): (0.00, 8, 4),
    ("pause", 200): (0.01, 39 * 24, 7 * 24),
    ("pause", 2_000): (0.00, 7 * 24, 40),
    ("pause", 20_000): (0.00, 40, 12),
    ("pause", 500_000): (0.00, 14, 6),
}
STEPS = {"throttle": THROTTLE, "pause": PAUSE}


@dataclass(frozen=True)
class World:
    """How a domain sends, is complained about, and for how long it is watched (hours)."""

    per_day: float
    rate: float
    pattern: str = "flat"
    before: float | None = None  # the rate in the HISTORY hours before the watch begins; None: no mail before it
    hours: int = DAYS * 24
    delay: float = 6.0
    sigma: float = 1.0
    ticks: int = 1  # how often an hour is looked at
    within: bool = True  # whether a message is sent some time within its hour, or all of them as it begins

    @property
    def start(self) -> int:
        return 0 if self.before is None else HISTORY * self.ticks

    @property
    def end(self) -> int:
        return self.start + self.hours * self.ticks


@dataclass
class Run:
    """One simulated domain: the messages of each tick, and for each complaint its cohort and the tick it arrives in."""

    ticks: int
    sends: np.ndarray
    hourly: np.ndarray
    cohorts: np.ndarray
    arrivals: np.ndarray
    start: int
    at: int
    known: np.ndarray
    taken: int = 0
    most: float = 0.0
    fired: int | None = None

    def table(self, at: int) -> Cohorts:
        """What is known at the end of the tick `at`."""
        upto = int(np.searchsorted(self.arrivals, at, side="right"))
        np.add.at(self.known, self.cohorts[self.taken : upto], 1)
        self.taken = upto
        hour = at // self.ticks
        first = max(hour + 1 - WINDOW, 0)
        sends, known = self.hourly[first : hour + 1].copy(), self.known[first : hour + 1]
        sends[-1] = self.sends[hour * self.ticks : at + 1].sum()
        rows = np.flatnonzero((sends > 0) | (known > 0))
        return Cohorts(rows + first + MONDAY, sends[rows], known[rows])


def volume(world: World, hours: int) -> Floats:
    """Expected messages an hour."""
    hour = np.arange(hours)
    flat = np.full(hours, world.per_day / 24)
    working = (hour // 24 % 7 < 5) & (hour % 24 >= 8) & (hour % 24 < 18)
    ramp = np.minimum(1.0, 20 * 1.25 ** np.minimum(hour // 24, 100) / max(world.per_day, 20))
    patterns: dict[str, Floats] = {
        "flat": flat,
        "burst": np.where(hour % 24 == 9, world.per_day, 0.0),
        "weekdays": np.where(working, world.per_day * 7 / 5 / 10, 0.0),
        "warm-up": flat * ramp,
        "weekly": np.where(hour % 168 == 33, world.per_day * 7, 0.0),
        # A large volume, and then next to none: nothing dilutes what is to come.
        "ebb": flat * np.where(hour < hours // 3, 3.0, 0.02),
    }
    return patterns[world.pattern]


def simulate(world: World, seed: int) -> Run:
    rng, ticks = np.random.default_rng(seed), world.ticks
    sends = rng.poisson(np.repeat(volume(world, world.end // ticks) / ticks, ticks))
    rates = np.full(world.end, world.rate)
    rates[: world.start] = world.before or 0.0
    sent = np.repeat(np.arange(world.end), rng.binomial(sends, rates))
    delay = world.delay * ticks * np.exp(world.sigma * rng.standard_normal(len(sent)))
    arrivals = np.floor(sent + rng.random(len(sent)) * world.within + delay).astype(np.int64)
    order = np.argsort(arrivals, kind="stable")
    hourly = sends.reshape(-1, ticks).sum(axis=1)
    known = np.zeros(len(hourly), np.int64)
    return Run(ticks, sends, hourly, sent[order] // ticks, arrivals[order], world.start, world.start, known)


def watch(world: World, step: Step, seeds: range, to_fire: bool = True) -> list[Run]:
    """Judge every run every hour, until it fires (`to_fire`) or to the end, for the most evidence there ever was
    (if it reached the threshold).

    Hours in which nothing can be found are skipped, provably: m complaints lift R by (rate / tolerated)^m at most, and
    an hour adds one start.
    """
    runs = [simulate(world, seed) for seed in seeds]
    ratios = np.array([rate / tolerated for rate, tolerated in step.weighed])
    live = runs
    while live:
        tables = ((str(number), run.table(run.at)) for number, run in enumerate(live))
        for block in detector_grid.blocks(tables):
            sums = detector_grid.sums([table for _, table in block], step.weighed).hours()
            for (number, table), hours in zip(block, sums, strict=True):
                _judge(live[int(number)], table, hours, step, ratios, world.end, to_fire)
        live = [run for run in live if run.at < world.end and run.fired is None]
    return runs


def _judge(
    run: Run, table: Cohorts, hours: np.ndarray, step: Step, ratios: np.ndarray, end: int, to_fire: bool
) -> None:
    r = float(hours.sum() / 24 / len(ratios))
    enough = int(table.complaints.sum()) >= step.complaints
    run.most = max(run.most, r if enough else 0.0)
    if to_fire and enough and r >= step.threshold:
        assert detector.weigh(table, (step,))[0].fires
        run.fired = run.at
        return
    coming = np.arange(run.at + 1, min(run.at + 1 + AHEAD, end))
    new = np.searchsorted(run.arrivals, coming, side="right") - run.taken
    with np.errstate(over="ignore"):
        bound = (
            ((hours + 1 + ((coming - run.at) / run.ticks)[:, None]) * ratios ** new[:, None]).sum(axis=1)
            / 24
            / len(ratios)
        )
    reached = np.flatnonzero(bound * (1 + 1e-9) >= (step.threshold if to_fire else max(run.most, step.threshold)))
    run.at = int(coming[reached[0]]) if len(reached) else int(coming[-1]) + 1 if len(coming) else end


def false_share(cell: tuple[str, int, str, int]) -> tuple[float, int]:
    """The share of runs that fire within 90 days while the true rate is the tolerated one."""
    name, per_day, pattern, runs = cell
    found = watch(World(per_day, STEPS[name].tolerated, pattern), STEPS[name], range(runs))
    return sum(run.fired is not None for run in found) / runs, runs


def delay(cell: tuple[str, int, float, int, bool]) -> float:
    """The median hours from a jump of the true rate from 0.03 % to the evidence; runs that fired before are left out.

    `live`: looked at every few minutes, with mail spread over the hour; else as the figures to reproduce were made,
    hour by hour, each complaint's delay counted from the beginning of its message's hour.
    """
    name, per_day, rate, runs, live = cell
    world = World(
        per_day, rate, before=0.0003, hours=HORIZON[per_day] * 24, ticks=LIVE[per_day] if live else 1, within=live
    )
    found = watch(world, STEPS[name], range(10_000, 10_000 + runs * (1 if live else 3)))
    after = [inf if run.fired is None else (run.fired + 1 - run.start) / run.ticks for run in found]
    return float(np.median([hours for hours in after if hours * world.ticks > 1]))


def spoken(hours: float) -> str:
    return "never" if hours == inf else f"{hours:.1f} h" if hours < 72 else f"{hours / 24:.1f} d"


def show_table(pool: Any, runs: int) -> bool:
    """Delays beside the figures to reproduce: within 15 %."""
    rates = (0.002, 0.005)
    cells = [(*cell, rate, runs, False) for cell in FACTS for rate in rates]
    cells += [(name, per_day, rate, runs, True) for name, per_day in FACTS for rate in rates if per_day in LIVE]
    found = dict(zip(cells, pool.map(delay, cells, chunksize=1), strict=True))
    print(
        f"\nMedian delay after a jump from 0.03 % to 0.20 % and to 0.50 %, flat sending, "
        f"{3 * runs} runs a cell ({runs} live)"
    )
    print(f"{'step':10}{'a day':>9}" + f"{'found':>12}{'to be':>8}{'off by':>8}{'live':>8}" * 2)
    good = True
    for name, per_day in FACTS:
        line = f"{name:10}{per_day:>9,}"
        for rate, wanted in zip(rates, FACTS[name, per_day][1:], strict=True):
            hours = found[name, per_day, rate, runs, False]
            good &= abs(hours / wanted - 1) <= 0.15
            live = spoken(found[name, per_day, rate, runs, True]) if per_day in LIVE else ""
            line += f"{spoken(hours):>12}{spoken(wanted):>8}{hours / wanted - 1:>+8.0%}{live:>8}"
        print(line)
    return good


def runs_of(per_day: int, runs: int) -> int:
    return {200: runs * 2, 2_000: runs, 20_000: max(runs // 4, 10), 500_000: max(runs // 20, 5)}[per_day]


def show_bound(pool: Any, runs: int) -> bool:
    """False fires within 90 days at the tolerated rate, against T / c."""
    cells = [
        (name, per_day, pattern, runs_of(per_day, runs))
        for name in STEPS
        for pattern in PATTERNS
        for per_day in VOLUMES
    ]
    found = dict(zip(cells, pool.map(false_share, cells, chunksize=1), strict=True))
    print(f"\nFalse actions within {DAYS} days while the true rate is the tolerated one (runs)")
    print(f"{'step':10}{'sending':10}{'bound':>8}" + "".join(f"{per_day:>12,} a day" for per_day in VOLUMES))
    good = True
    for name, step in STEPS.items():
        bound = DAYS / step.threshold
        for pattern in PATTERNS:
            shares = [found[name, per_day, pattern, runs_of(per_day, runs)] for per_day in VOLUMES]
            good &= all(lower(round(share * n), n) <= bound for share, n in shares)
            cells_text = "".join(f"{share:>10.1%} ({n:>4})" for share, n in shares)
            print(f"{name:10}{pattern:10}{bound:>8.1%}{cells_text}")
        print(f"{'':10}{'wanted':18}" + "".join(f"{FACTS[name, per_day][0]:>10.0%}{'':7}" for per_day in VOLUMES))
    return good


def lower(fired: int, runs: int) -> float:
    """The lower end of the 99 % interval of a share (Clopper and Pearson): the bound is broken when it lies below."""
    if fired == 0:
        return 0.0
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        below = sum(comb(runs, n) * middle**n * (1 - middle) ** (runs - n) for n in range(fired))
        low, high = (middle, high) if 1 - below < 0.005 else (low, middle)
    return low


def worst_of(world: World, runs: int, seed: int) -> tuple[float, float, float, World]:
    """How near a world comes to the bound: the largest share * c / T over thresholds c, surely and as measured."""
    scaled = tuple(rate / PAUSE.tolerated * world.rate for rate in PAUSE.alternatives)
    days = world.hours / 24
    step = Step("any", world.rate, scaled, false_actions=365 / (1.2 * days))
    most = np.sort([run.most for run in watch(world, step, range(seed, seed + runs), to_fire=False)])
    found = (0.0, 0.0, 0.0)
    for c in days * np.array([1.25, 1.5, 2, 3, 5, 8]):
        fired = int(runs - np.searchsorted(most, c))
        found = max(found, (lower(fired, runs) * c / days, fired / runs * c / days, c))
    return *found, world


def worlds(count: int) -> Iterator[World]:
    """Worlds at the tolerated rate (nothing is worse: fewer complaints only lower R), picked to be hard.

    What matters is how many complaints a day are tolerated: from one in three weeks to ten a day.
    """
    rng = np.random.default_rng(20_261_122)
    patterns = (*PATTERNS, "warm-up", "weekly", "ebb")
    for number in range(count):
        rate = float(10 ** rng.uniform(-3.5, -1.7))
        yield World(
            per_day=float(10 ** rng.uniform(-1.3, 1)) / rate,
            rate=rate,
            pattern=patterns[number % len(patterns)],
            hours=int(rng.choice([5, 10, 30])) * 24,
            delay=float(rng.choice([0, 1, 6, 24])),
            sigma=float(rng.choice([0.3, 1, 2])),
        )


def show_worst(pool: Any, runs: int) -> bool:
    """Search for a world that fires more often than T / c: at random, then more of the worst with fresh luck."""
    first = pool.map(partial(worst_of, runs=runs // 2, seed=50_000), list(worlds(120)), chunksize=1)
    suspects = [row[3] for row in sorted(first, key=lambda row: row[1], reverse=True)[:4]]
    again = pool.map(partial(worst_of, runs=runs * 4, seed=900_000), suspects, chunksize=1)
    print(f"\nSearch for a broken bound: false actions / (T / c), worst of {len(first)} worlds x 6 thresholds, again")
    for surely, measured, c, world in again:
        print(
            f"  {measured:.2f} of the bound (99 % sure of {surely:.2f}; must be <= 1) at c = {c:.0f} d in "
            f"{world.hours // 24} d: {world.per_day:,.0f} a day {world.pattern}, rate {world.rate:.2%}, "
            f"delay {world.delay:g} h sigma {world.sigma:g}"
        )
    return all(surely <= 1 for surely, *_ in again)


def fleet(domains: int, seed: int = 1) -> Iterator[tuple[str, Cohorts]]:
    """Domains with mail in every hour of 60 days, made as they are asked for: 500 different ones, over and over."""
    rng = np.random.default_rng(seed)
    hours = np.arange(WINDOW) + MONDAY
    made = []
    for _ in range(min(domains, 500)):
        sends = rng.poisson(10 ** rng.uniform(2, 5) / 24, WINDOW) + 1
        made.append(Cohorts(hours, sends, rng.binomial(sends, 10 ** rng.uniform(-4, -2.8))))
    for number in range(domains):
        yield f"d{number}.example", made[number % len(made)]


def timed_sweep(domains: int) -> tuple[float, int]:
    tables = fleet(domains)
    first = next(tables)
    started = time.perf_counter()
    fired = sum(row.fires is not None for row in detector.sweep(tables)) + (detector.weigh(first[1])[0].fires)
    return time.perf_counter() - started, fired


def timed_event() -> list[float]:
    """Milliseconds to take one complaint into a domain's table and judge it by all three steps."""
    taken = []
    for _, table in fleet(400):
        at = hour_start(int(table.hours[-3]))
        started = time.perf_counter()
        evidence = detector.weigh(table.plus(at, complaints=1))
        taken.append((time.perf_counter() - started) * 1000)
        assert len(evidence) == 3
    return sorted(taken)


def show_speed(domains: int) -> bool:
    timed_sweep(100)
    taken = timed_event()
    half, tenth = len(taken) // 2, len(taken) // 100
    print(
        f"\nOne complaint, one domain with 60 days of hourly cohorts, three steps, evidence, meter: "
        f"p50 {taken[half]:.2f} ms, p99 {taken[-1 - tenth]:.2f} ms (to be under 2 ms)"
    )
    small, _ = timed_sweep(max(domains // 10, 1))
    large, fired = timed_sweep(domains)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"Sweep of {domains:,} domains with 60 days of hourly cohorts: {large:.1f} s on one core (to be under 60 s for "
        f"100,000), {memory:.0f} MB (under 2,048), {fired:,} fire; a tenth of them: {small:.1f} s, growth "
        f"{large / max(small, 1e-9) / 10:.2f} of linear"
    )
    return taken[half] < 2 and large < 60 * max(domains / 100_000, 0.1) and memory < 2048


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--domains", type=int, default=100_000)
    parser.add_argument("--only", default="table,bound,worst,speed")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    wanted = options.only.split(",")
    good = show_speed(options.domains) if "speed" in wanted else True
    with multiprocessing.get_context("spawn").Pool(options.jobs) as pool:
        for name, show in (("table", show_table), ("bound", show_bound), ("worst", show_worst)):
            if name in wanted:
                started = time.perf_counter()
                good &= show(pool, options.runs)
                print(f"  ({time.perf_counter() - started:.0f} s)")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
