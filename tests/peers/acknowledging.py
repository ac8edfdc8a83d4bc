"""A process that ingests events one after another and prints the id of each acknowledged one. For tests that kill it.

    python acknowledging.py URL PREFIX [FILE_SIZE_LIMIT]

With a limit (bytes a file may have) it stops at the first refusal, prints it, lifts the limit and goes on by one event.
"""

import asyncio
import resource
import sys

from deliverd.store.faults import StoreUnavailable
from deliverd.store.writer import Store
from peers.values import batch, event

LANES = 8


async def lane(store: Store, prefix: str, number: int) -> None:
    count = 0
    while True:
        name = f"{prefix}-{number}-{count}"
        await store.ingest(batch(event(name, message_id="m" * 200)))
        print(name, flush=True)
        count += 1


async def main(url: str, prefix: str, limit: int) -> None:
    store = Store.open(url, migrate=False)
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    lanes = asyncio.gather(*(lane(store, prefix, number) for number in range(LANES)))
    try:
        await lanes
    except StoreUnavailable as fault:
        lanes.cancel()
        print(f"refused: {fault}", flush=True)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    await store.ingest(batch(event(f"{prefix}-after")))
    print(f"{prefix}-after", flush=True)
    await store.aclose()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 0))
