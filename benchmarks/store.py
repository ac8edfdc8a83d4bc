"""How fast the store takes in events, one a request, each answered after its commit.

    python benchmarks/store.py [--url URL] [--rate 5000] [--seconds 5] [--batch 1]

Prints the rate that was reached, the latency from call to answer, and the processor time of it all. An open load:
requests leave on time whether or not earlier ones were answered, so that waiting is not hidden ("left late" is the
generator's own lateness, of which a millisecond is the loop's timer).
"""

import argparse
import asyncio
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import uvloop

from deliverd.store.events import Batch
from deliverd.store.faults import StoreBusy
from deliverd.store.writer import Store
from probes.observation import EventKind, MailEvent


def batch(number: int, size: int, now: datetime) -> Batch:
    events = tuple(
        MailEvent(
            f"evt_{number}_{i}",
            EventKind.COMPLAINED if number % 100 == 0 else EventKind.SENT,
            f"domain{number % 100}.example",
            now,
            now,
            "gmail.com",
            f"<{number}.{i}@example.com>",
        )
        for i in range(size)
    )
    return Batch("mail", events, (), now)


async def run(store: Store, rate: int, seconds: float, size: int) -> None:
    took: list[float] = []
    late: list[float] = []
    busy: list[int] = []

    async def one(number: int, due: float) -> None:
        late.append(time.perf_counter() - due)
        called = time.perf_counter()
        try:
            await store.ingest(batch(number, size, datetime.now(UTC)))
        except StoreBusy:
            busy.append(number)
            return
        took.append(time.perf_counter() - called)

    started, cpu = time.perf_counter(), time.process_time()
    total = int(rate * seconds)
    sent = 0
    tasks = set()
    while sent < total:
        ready = min(total, int((time.perf_counter() - started) * rate) + 1)
        for number in range(sent, ready):
            task = asyncio.create_task(one(number, started + number / rate))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        sent = ready
        await asyncio.sleep(0.001)  # the resolution of the loop's timers
    await asyncio.gather(*tasks)
    wall, cpu = time.perf_counter() - started, time.process_time() - cpu
    took.sort()
    late.sort()
    at = {share: took[min(len(took) - 1, int(len(took) * share))] * 1000 for share in (0.5, 0.99, 0.999)}
    print(
        f"{total / wall:.0f} requests/s of {size}; ms p50 {at[0.5]:.2f} p99 {at[0.99]:.2f} p99.9 {at[0.999]:.2f} "
        f"max {took[-1] * 1000:.1f}, left late p99 "
        f"{late[int(total * 0.99)] * 1000:.1f}; processor {cpu / wall:.0%}, "
        f"{cpu / total / size * 1e6:.0f} us an event; {len(busy)} refused as busy"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url")
    parser.add_argument("--rate", type=int, default=5000)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--batch", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(options.url or f"sqlite:///{Path(folder) / 'bench.db'}", migrate=True)
        uvloop.run(run(store, options.rate, options.seconds, options.batch))
        store.close()


if __name__ == "__main__":
    main()
