"""A platform that deliverd only reads: when mail has to stop there, a person is paged to stop it."""

from collections.abc import Sequence

from deliverd.model import Actual, Intent, Lever
from deliverd.platforms.base import Capabilities, Refused
from probes.config import Strict


class NotifyOnly:
    """An account without a brake. Nothing of it can be read or moved; asking says so, and what to do instead."""

    capabilities = Capabilities(frozenset(), (), "only read: a person is paged, and stops or limits the mail by hand")

    def __init__(self, account: str, config: Strict) -> None:
        self.account = account
        self._kind = getattr(config, "kind", "this platform")

    async def levers(self, domain: str, declared: Sequence[str]) -> tuple[Lever, ...]:
        """None. Raises Refused, which pages a person."""
        raise self._no_brake()

    async def read(self, lever: Lever) -> Actual:
        """Raises Refused."""
        raise self._no_brake()

    async def apply(self, intent: Intent) -> None:
        """Raises Refused."""
        raise self._no_brake()

    async def aclose(self) -> None:
        """Nothing is open."""

    def _no_brake(self) -> Refused:
        return Refused(f"deliverd has no brake at {self._kind} ({self.account}): stop or limit its mail there by hand")
