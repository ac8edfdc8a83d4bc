"""Reads deliverd's own history while it is being made: as `deliverd explain` would, and never writing."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from deliverd.drill.story import Act
from deliverd.model import Decision
from deliverd.store import history, observations
from deliverd.store.connection import Conn
from deliverd.store.faults import SchemaMissing, StoreUnavailable
from deliverd.store.writer import Store
from probes.observation import Observation

_NEWEST = 100
_LOOKS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Reading:
    """What the store holds of the drill's domains, oldest first."""

    decisions: tuple[Decision, ...] = ()
    acts: tuple[Act, ...] = ()
    observations: tuple[Observation, ...] = ()


@dataclass(slots=True)
class Reader:
    """Asks one database. Blocks: call it in a thread, one call at a time."""

    database: Path
    domains: tuple[str, ...]
    _store: Store | None = None
    _looks: list[Observation] = field(default_factory=list)
    _last_look: int = 0

    def read(self) -> Reading:
        """Everything so far; nothing as long as the daemon has not made its tables. Raises StoreError."""
        if not self.database.exists():
            return Reading()
        try:
            self._store = self._store or Store.open(f"sqlite:///{self.database}", migrate=False)
        except (SchemaMissing, StoreUnavailable):
            return Reading()
        return self._store.read_sync(self._reading)

    def close(self) -> None:
        """Let go of the database. May be called twice."""
        if self._store is not None:
            self._store.close()
            self._store = None

    def _reading(self, conn: Conn) -> Reading:
        chains = [history.chain(conn, domain, _NEWEST) for domain in self.domains]
        links = [link for chain in chains for link in reversed(chain.links)]
        acts = [(act.intent, act.result) for link in links for wish in link.wishes for act in wish.acts]
        return Reading(
            tuple(sorted((link.decision for link in links), key=lambda one: one.at)),
            tuple(sorted(acts, key=lambda act: act[0].id)),
            tuple(self._observed(conn)),
        )

    def _observed(self, conn: Conn) -> Iterable[Observation]:
        ids = range(self._last_look + 1, self._last_look + 1 + _LOOKS_AT_ONCE)
        fresh = observations.by_ids(conn, ids)
        self._looks += [fresh[one] for one in sorted(fresh)]
        self._last_look = max(fresh, default=self._last_look)
        return self._looks
