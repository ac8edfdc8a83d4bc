"""Any platform, with the acting taken out: reads go through, and what would have been done is written down."""

from collections import deque
from collections.abc import Sequence

import structlog

from deliverd.model import Actual, Intent, Lever
from deliverd.platforms.base import Platform

REMEMBERED = 1000
_log = structlog.get_logger()


class DryRun:
    """`platform`, only looked at. `would_apply` holds the newest intents that were not carried out, oldest first.

    Its capabilities are those of the platform itself: a plan is to come out as it would in earnest.
    """

    def __init__(self, platform: Platform) -> None:
        self.account = platform.account
        self.capabilities = platform.capabilities
        self.would_apply: deque[Intent] = deque(maxlen=REMEMBERED)
        self._platform = platform

    async def levers(self, domain: str, declared: Sequence[str]) -> tuple[Lever, ...]:
        """What the platform itself says."""
        return await self._platform.levers(domain, declared)

    async def read(self, lever: Lever) -> Actual:
        """What the lever is really at."""
        return await self._platform.read(lever)

    async def apply(self, intent: Intent) -> None:
        """Write the intent down, and leave the platform alone."""
        action = intent.action
        self.would_apply.append(intent)
        _log.info(
            "dry run: not applied",
            lever=str(action.lever),
            domain=action.domain,
            limit=_words(action.limit.state, action.limit.per_day),
            before=_words(action.before.state, action.before.per_day),
            reason=action.reason,
        )

    async def aclose(self) -> None:
        """Close the platform's connections."""
        await self._platform.aclose()


def _words(state: str, per_day: int | None) -> str:
    return state if per_day is None else f"{state} to {per_day} a day"
