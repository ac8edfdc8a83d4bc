"""Pausing every mailbox of one domain at Instantly: the adapter itself, against the stand-in on loopback.

    PYTHONPATH=tests .venv/bin/python benchmarks/instantly_pause.py
    PYTHONPATH=tests .venv/bin/python benchmarks/instantly_pause.py --mailboxes 5000 --answer-ms 200

All mailboxes are found, read, paused and read back, each by its own call of the adapter, at the same time. Prints the
calls that Instantly got for each step, the seconds it took, and the most calls that began within one second (Instantly
allows 100). The stand-in shares the process, and takes `--answer-ms` for each answer as a real one would.
"""

import argparse
import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from deliverd.model import Action, Actual, Intent, Lever, Limit, SendState
from deliverd.platforms.instantly import Instantly
from peers import instantly as peer
from probes.instantly import Config

RUNNING, PAUSED = Limit(SendState.RUNNING), Limit(SendState.PAUSED)
OTHERS = 500
"""Mailboxes of other domains in the same account."""


@dataclass(slots=True)
class Timed(peer.Instantly):
    """The stand-in, noting when each call began, and taking its time."""

    answer_seconds: float = 0.0
    began: list[float] = field(default_factory=list)

    async def _serve(self, request: Request) -> Response:
        self.began.append(time.monotonic())
        await asyncio.sleep(self.answer_seconds)
        return await peer.Instantly._serve(self, request)


def pause(lever: Lever, number: int) -> Intent:
    action = Action(lever, PAUSED, RUNNING, RUNNING, "acme.com", 1, "complaints")
    return Intent(number, action, 1, datetime.now(UTC))


def most_in_a_second(began: Iterable[float]) -> int:
    times = sorted(began)
    first = most = 0
    for last, at in enumerate(times):
        while at - times[first] >= 1.0:
            first += 1
        most = max(most, last - first + 1)
    return most


async def step(name: str, instantly: Timed, work: Awaitable[Any]) -> Any:
    """Do it, and print what it took."""
    before, start = len(instantly.calls), time.perf_counter()
    done = await work
    seconds = time.perf_counter() - start
    kinds = Counter(f"{call.method} {call.path}" for call in instantly.calls[before:])
    said = ", ".join(f"{number} x {kind}" for kind, number in kinds.most_common(3)) or "none"
    print(f"{name:<12} {seconds:6.2f} s   {len(instantly.calls) - before:4} calls: {said}")
    return done


async def measure(options: argparse.Namespace) -> bool:
    with Timed(answer_seconds=options.answer_ms / 1000) as instantly:
        instantly.add(*(f"m{number}@acme.com" for number in range(options.mailboxes)))
        instantly.add(*(f"m{number}@other.com" for number in range(OTHERS)))
        config = Config(kind="instantly", api_key=instantly.key, base_url=instantly.base_url)
        adapter = Instantly("outreach", config)
        start = time.perf_counter()
        levers: tuple[Lever, ...] = await step("find", instantly, adapter.levers("acme.com", ()))
        await step("read", instantly, asyncio.gather(*map(adapter.read, levers)))
        acting = time.perf_counter()
        orders = [adapter.apply(pause(lever, number)) for number, lever in enumerate(levers)]
        await step("pause", instantly, asyncio.gather(*orders))
        back: list[Actual] = await step("read back", instantly, asyncio.gather(*map(adapter.read, levers)))
        ended = time.perf_counter()
        await adapter.aclose()
    paused = sum(actual.limit == PAUSED for actual in back)
    untouched = all(one["status"] == peer.ACTIVE for name, one in instantly.accounts.items() if "@other.com" in name)
    print(
        f"{paused:,} of {len(levers):,} paused and read back in {ended - acting:.2f} s ({ended - start:.2f} s in all);"
    )
    print(f"at most {most_in_a_second(instantly.began)} calls within a second; others left alone: {untouched}")
    return paused == options.mailboxes and untouched


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mailboxes", type=int, default=1000)
    parser.add_argument("--answer-ms", type=float, default=50.0, help="how long Instantly takes for an answer")
    raise SystemExit(0 if asyncio.run(measure(parser.parse_args())) else 1)


if __name__ == "__main__":
    main()
