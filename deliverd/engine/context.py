"""What the arrows work with: the configuration, the store, and the doors to the outside."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from weakref import WeakValueDictionary

from pydantic import SecretStr

from deliverd.alerts import Delivery
from deliverd.platforms.base import Platform
from deliverd.settings import Domain, Settings
from deliverd.store.writer import Store
from probes.http import Http
from probes.resolver import Resolver


@dataclass(slots=True)
class Context:
    """One running deliverd. `settings` and `platforms` are replaced whole by a reload; the rest stays.

    `clock` reads the time where an effect ends later than it began; `started` is since when sources are asked; `acts`
    counts how often each domain's levers were attended to: what was read of them before is old.
    """

    settings: Settings
    store: Store
    platforms: Mapping[str, Platform]
    http: Http
    resolver: Resolver
    send: Callable[[Sequence[SecretStr], str, str], Delivery]
    clock: Callable[[], datetime]
    started: datetime
    acts: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    _locks: WeakValueDictionary[str, asyncio.Lock] = field(default_factory=WeakValueDictionary)

    def lock(self, name: str) -> asyncio.Lock:
        """The lock of that name in this process. Across processes the store's compare-and-set claims decide."""
        lock = self._locks.get(name)
        if lock is None:
            self._locks[name] = lock = asyncio.Lock()
        return lock

    def domain(self, name: str) -> Domain:
        """The configuration of a watched domain. Raises KeyError when it is not (or no longer) configured."""
        return self.settings.domains[name]
