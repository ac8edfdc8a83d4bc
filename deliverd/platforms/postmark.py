"""Postmark: read only. What could stop a stream there cannot be undone for long, so a person is asked instead.

Source, read 2026-11-22: the message streams of Postmark's API: one that is put away is deleted, with all it holds,
after 45 days; and there is no limit to set and no pause, for a domain, a server or a stream.
"""

from collections.abc import Sequence

from deliverd.model import Lever
from deliverd.platforms.base import Capabilities, Refused
from deliverd.platforms.notify_only import NotifyOnly
from probes.postmark import Config


class Postmark(NotifyOnly):
    """One server. It has no lever: asking for one is refused, which pages a person."""

    capabilities = Capabilities(
        states=frozenset(),
        kinds=(),
        note="Postmark has no pause and no limit that could be undone safely: a person is paged, and stops or limits "
        "the mail where it is sent from.",
    )

    def __init__(self, account: str, config: Config) -> None:
        super().__init__(account, config)
        self._streams = config.streams

    async def levers(self, domain: str, declared: Sequence[str]) -> tuple[Lever, ...]:
        """None. Raises Refused, saying what a person can do."""
        streams = sorted(stream for stream, theirs in self._streams.items() if theirs == domain)
        through = f", through {' and '.join(streams)}" if streams else ""
        raise Refused(
            f"deliverd has no brake at Postmark ({self.account}) that could be undone safely. By hand: stop or limit "
            f"the application that sends as {domain}{through}, or give the server a new API token at Postmark"
        )
