"""A year of Google Postmaster days for 1,000 domains, through Google's own client, from a stand-in on loopback.

    PYTHONPATH=tests .venv/bin/python benchmarks/postmaster.py                 # the goal: under 60 s, at most 100 calls
    PYTHONPATH=tests .venv/bin/python benchmarks/postmaster.py --domains 100 --days 30

The stand-in has a process of its own, and numbers for every metric of every day; it makes its answers while it is
asked, so that a good part of the time is its own. Every call is counted, and none may wait for its turn: a pause of the
pace ends the run. Requests are checked against the discovery document; the tests do the same with the answers.
Compliance is left out: it has no batch, takes one call for each domain, and so 10 minutes for 1,000 at 100 calls a
minute.
"""

import argparse
import asyncio
import multiprocessing
import resource
import time
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection

from peers.postmaster import LOOPS, Postmaster, Value, key, loop
from probes.google_postmaster import Config, observe_days
from probes.google_postmaster_client import Pace
from probes.google_postmaster_parse import EVERYTHING
from probes.observation import Seen

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
WITH_LOOPS = 5
"""Every fifth domain has feedback loops."""


def stand_in(pipe: Connection, domains: list[str], days: int) -> None:
    # Requests are all checked; of the answers none, which would take longer than everything else together.
    google = Postmaster(check_answers=False)
    rates: dict[str, Value] = {
        key(metric.standard, metric.filter): 0.0013 for metric in EVERYTHING if metric.standard != "FEEDBACK_LOOP_ID"
    }
    looped = rates | {LOOPS: ["c1", "c2"], loop("c1"): 0.002, loop("c2"): 0.0}
    dates = [NOW.date() - timedelta(days=back) for back in range(1, days + 1)]
    for number, domain in enumerate(domains):
        google.fill(domain, [], rates)
        values = looped if number % WITH_LOOPS == 0 else rates
        google.numbers[domain] = dict.fromkeys((day.isoformat() for day in dates), values)
    with google:
        pipe.send((google.url, google.token))
        pipe.recv()
        pipe.send((len(google.calls), google.problems, time.process_time()))


async def never(seconds: float) -> None:
    raise AssertionError(f"a call had to wait {seconds:.1f} s for its turn: more than 100 calls a minute")


async def read(config: Config, domains: list[str]) -> tuple[float, int, int]:
    begun = time.perf_counter()
    looks = await observe_days(config, domains, None, NOW, Pace(config.calls_per_minute, never))
    seconds = time.perf_counter() - begun
    fine = sum(isinstance(look.answer, Seen) for look in looks if not look.part)
    return seconds, fine, sum(1 for look in looks if look.part)


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--domains", type=int, default=1000)
    options.add_argument("--days", type=int, default=365)
    given = options.parse_args()
    domains = [f"d{number}.example" for number in range(given.domains)]
    here, there = multiprocessing.Pipe()
    peer = multiprocessing.get_context("spawn").Process(target=stand_in, args=(there, domains, given.days), daemon=True)
    peer.start()
    url, token = here.recv()
    config = Config(token=token, api_root=url, days=given.days, timeout_seconds=60)
    cpu = time.process_time()
    seconds, fine, days = asyncio.run(read(config, domains))
    cpu = time.process_time() - cpu
    here.send("stop")
    calls, problems, theirs = here.recv()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{given.domains:,} domains, {given.days} days: {days:,} days read, {fine:,} domains seen")
    print(f"{problems or 'no'} faults in the requests")
    print(f"{seconds:.1f} s, {calls} calls (goal: under 60 s, at most 100 calls), none waited for its turn")
    print(f"processor: {cpu:.1f} s here, {theirs:.1f} s the stand-in with its filling; {peak:.0f} MB at most here")


if __name__ == "__main__":
    main()
