"""What the tests of probes share: zones served by a real nsd, a resolver that asks it, and the door to HTTP."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from peers.nsd import Nsd, serving
from probes.http import Http
from probes.resolver import Config, Resolver

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    """The door to HTTP; it is closed after the test."""
    async with Http() as found:
        yield found


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[[Mapping[str, str | None]], Nsd]]:
    """Starts nsd with zones (name to records; None: SERVFAIL); it is stopped after the test."""
    with ExitStack() as stack:

        def start(zones: Mapping[str, str | None]) -> Nsd:
            directory = tmp_path / f"nsd{len(list(tmp_path.iterdir()))}"
            directory.mkdir()
            return stack.enter_context(serving(directory, zones))

        yield start


@pytest.fixture
async def resolving() -> AsyncIterator[Callable[..., Resolver]]:
    """Makes a resolver that asks the given servers, patient enough for a busy machine; it is closed after the test."""
    made: list[Resolver] = []

    def make(*nameservers: str, timeout_seconds: float = 5.0, tries: int = 1) -> Resolver:
        made.append(Resolver(Config(nameservers=nameservers, timeout_seconds=timeout_seconds, tries=tries)))
        return made[-1]

    yield make
    for resolver in made:
        await resolver.aclose()
