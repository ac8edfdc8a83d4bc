"""What a platform answered before, so that a look takes few calls: platforms count calls, and numbers change slowly."""

from collections.abc import Hashable, Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

MOST = 200_000


class _Known(NamedTuple):
    at: datetime
    value: Any


class Memory:
    """Answers by what was asked, each with when it was; the oldest go when there are more than `most`."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._known: dict[Hashable, _Known] = {}

    def keep(self, key: Hashable, value: Any, now: datetime) -> None:
        """Remember an answer."""
        self._known.pop(key, None)
        self._known[key] = _Known(now, value)
        while len(self._known) > self._most:
            del self._known[next(iter(self._known))]

    def has(self, key: Hashable, now: datetime, not_older: timedelta) -> bool:
        """Whether there is an answer of at most this age."""
        known = self._known.get(key)
        return known is not None and now - known.at <= not_older

    def value(self, key: Hashable) -> Any:
        """The answer. Raises KeyError when there is none."""
        return self._known[key].value

    def due(self, wanted: Iterable[tuple[Hashable, timedelta]], now: datetime, most: int) -> list[Hashable]:
        """What to ask now of what is `wanted`, each with the age at which it is asked again: at most `most` of them.

        What was never asked comes first, in the order given; then the oldest.
        """
        late = [(key, self._known.get(key)) for key, age in wanted if not self.has(key, now, age)]
        # The sort is stable, and False comes before True.
        late.sort(key=lambda pair: (pair[1] is not None, pair[1].at if pair[1] else now))
        return [key for key, _ in late[:most]]


MEMORY = Memory()
"""This process's. A new process knows nothing, and asks again."""
