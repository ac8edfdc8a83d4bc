"""What every platform adapter is: read a lever, move it, and say plainly why not.

PlatformError               retry?
|- Denied                   no, until the key is mended: a person is told
|- Gone                     no: the lever is not there
|- Refused                  yes, slowly: the platform understood and said no
|- RateLimited              yes, after `retry_after`
`- Unavailable              yes: it may or may not have taken effect; read back decides
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from deliverd.model import Actual, Intent, Lever, SendState


class PlatformError(Exception):
    """A call to a platform that did not do what was asked. The text holds no secret."""

    retry: ClassVar[bool] = True


class Denied(PlatformError):  # noqa: N818
    """401 or 403: the credentials do not hold, or may not do this."""

    retry = False


class Gone(PlatformError):  # noqa: N818
    """404: there is no such lever."""

    retry = False


class Refused(PlatformError):  # noqa: N818
    """The platform understood and said no: 4xx, or a 200 with an error inside."""


class RateLimited(PlatformError):  # noqa: N818
    """429: come back after `retry_after` seconds (None: it did not say)."""

    def __init__(self, text: str, retry_after: float | None = None) -> None:
        super().__init__(text)
        self.retry_after = retry_after


class Unavailable(PlatformError):  # noqa: N818
    """Timeout, broken connection, 5xx or an unreadable answer: whether it took effect is unknown."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an adapter can do. `states` are the send states it can set; `kinds` the levers it knows.

    `by_kind` narrows the states for kinds of levers that cannot be set to all of them.
    """

    states: frozenset[SendState]
    kinds: tuple[str, ...]
    note: str = ""
    by_kind: Mapping[str, frozenset[SendState]] = field(default_factory=dict)

    def of(self, kind: str) -> frozenset[SendState]:
        """What can be set of levers of one kind."""
        return self.by_kind.get(kind, self.states)


class Platform(Protocol):
    """One account at one platform. Every method may raise a PlatformError, and nothing else, for a remote fault."""

    account: str
    capabilities: Capabilities

    async def levers(self, domain: str, declared: Sequence[str]) -> tuple[Lever, ...]:
        """The levers of a domain: `declared` ones (`kind:id` from the configuration), else what the platform lists."""

    async def read(self, lever: Lever) -> Actual:
        """What the lever is at now."""

    async def apply(self, intent: Intent) -> None:
        """Move the lever to `intent.action.limit`. Sets a state, so twice is as good as once."""

    async def aclose(self) -> None:
        """Close connections."""
