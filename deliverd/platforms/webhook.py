"""A sender of one's own: told the state of a domain by a signed POST, asked for it by a signed GET.

docs/own-sender.md shows the sender's side. What the POST answers is read for refusals only; the read-back decides.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec

from deliverd.clock import now
from deliverd.model import Actual, Intent, Lever, Limit, SendState
from deliverd.platforms.base import Capabilities, Refused
from deliverd.platforms.http import platform_error
from probes.http import Http, HttpFault
from probes.webhook import Config, State, ask, parse_state, sign

DOMAIN = "domain"
_encode = msgspec.json.Encoder().encode


class Webhook:
    """One sender. `clock` dates the signatures: a call may wait for its turn, and a sender refuses old signatures."""

    capabilities = Capabilities(states=frozenset(SendState), kinds=(DOMAIN,))

    def __init__(self, account: str, config: Config, clock: Callable[[], datetime] = now) -> None:
        self.account = account
        self._config = config
        self._clock = clock
        self._http = Http(config.timeout_seconds, config.calls_in_flight)
        self._turn = asyncio.Semaphore(config.calls_in_flight)

    async def levers(self, domain: str, declared: Sequence[str]) -> tuple[Lever, ...]:
        """The domain itself, or the declared `domain:NAME`s. Raises Refused for a lever of another kind."""
        names = [text.partition(":") for text in declared or (f"{DOMAIN}:{domain}",)]
        if any(kind != DOMAIN or not name for kind, _, name in names):
            raise Refused(f"levers of {self.account} are called {DOMAIN}:NAME, not {', '.join(declared)}")
        return tuple(Lever(self.account, DOMAIN, name) for _, _, name in names)

    async def read(self, lever: Lever) -> Actual:
        """What the sender says the domain is at, and who set it. A PlatformError when it cannot be told."""
        async with self._turn:
            try:
                return _actual(await ask(self._config, lever.id, self._http, self._clock()))
            except HttpFault as fault:
                raise platform_error(fault) from None

    async def apply(self, intent: Intent) -> None:
        """Tell the sender what the domain should be at. A PlatformError unless it said yes in so many words."""
        action = intent.action
        order = {
            "domain": action.lever.id,
            "state": action.limit.state,
            "daily_limit": action.limit.per_day,
            "reason": action.reason,
            "decision": action.desired_id,
            "author": "deliverd",
        }
        async with self._turn:
            try:
                await self._tell(action.lever.id, f"intent-{intent.id}", _encode(order))
            except HttpFault as fault:
                raise platform_error(fault) from None

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _tell(self, domain: str, name: str, body: bytes) -> None:
        at = self._clock()
        # A sender may drop ids it has seen; the time keeps ours apart from those of an earlier database.
        headers = sign(self._config, f"{name}-{at.timestamp():.6f}", at, body)
        headers["content-type"] = "application/json"
        answer = await self._http.post(self._config.control_url, body=body, headers=headers)
        if answer.status != 204:
            parse_state(self._config, domain, answer, at)


def _actual(state: State) -> Actual:
    sending = SendState(state.state)
    per_day = state.daily_limit if sending is SendState.THROTTLED else None
    own = f"daily_limit {state.daily_limit}" if per_day is None and state.daily_limit is not None else ""
    return Actual(Limit(sending, per_day), state.by or None, own)
