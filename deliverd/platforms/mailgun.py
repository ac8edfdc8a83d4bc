"""Mailgun: a subaccount is disabled and enabled. There is no throttle to set.

Source, read 2026-11-22: Mailgun's OpenAPI file (GET /v5/accounts/subaccounts/{id}, POST .../disable and .../enable). It
answers 400 "subaccount is already disabled" to a second pause.
"""

import base64
from collections.abc import Sequence

import msgspec

from deliverd.clock import now
from deliverd.model import Actual, Intent, Lever, Limit, SendState
from deliverd.platforms.base import Capabilities, Refused, Unavailable
from deliverd.platforms.vendor import Api, Catalogue, Clock, checked, declared_levers, segment, shaped
from probes import mailgun
from probes.mailgun import Config

SUBACCOUNT = "subaccount"
_STATES = {"open": SendState.RUNNING, "disabled": SendState.PAUSED, "closed": SendState.PAUSED}


class _Subaccount(msgspec.Struct, frozen=True):
    id: str
    status: str


class _Answer(msgspec.Struct, frozen=True):
    subaccount: _Subaccount


class Mailgun:
    """One account, by the key of the primary account. Levers are `subaccount:ID`."""

    capabilities = Capabilities(
        states=frozenset({SendState.RUNNING, SendState.PAUSED}),
        kinds=(SUBACCOUNT,),
        note="Moves whole subaccounts, not domains. The only limit that can be set is for a month, too coarse to "
        "throttle by: it can pause and resume, not throttle.",
    )

    def __init__(self, account: str, config: Config, clock: Clock = now) -> None:
        self.account = account
        key = config.api_key.get_secret_value()
        basic = base64.b64encode(f"api:{key}".encode()).decode()
        headers = {"authorization": f"Basic {basic}"}
        self._api = Api(config.base_url, config.timeout_seconds, clock, headers=headers, secrets=[key, basic])
        self._catalogue = Catalogue(SUBACCOUNT, lambda: mailgun.discover(config, self._api.http, clock()), clock)

    async def levers(self, domain: str, declared: Sequence[str]) -> tuple[Lever, ...]:
        """The declared levers, else the subaccount that has the domain, and no other."""
        if declared:
            return declared_levers(self.account, SUBACCOUNT, declared)
        return await self._catalogue.levers(self.account, domain)

    async def read(self, lever: Lever) -> Actual:
        """What the subaccount is at. Mailgun does not tell who set it."""
        told = await self._ask("GET", checked(lever, SUBACCOUNT))
        state = _STATES.get(told.status)
        if state is None:
            raise Unavailable(f"{lever}: its status is none that Mailgun documents")
        return Actual(Limit(state), detail=told.status)

    async def apply(self, intent: Intent) -> None:
        """Disable or enable the subaccount."""
        name, state = checked(intent.action.lever, SUBACCOUNT), intent.action.limit.state
        if state not in self.capabilities.states:
            raise Refused(f"Mailgun cannot set {intent.action.lever} to {state}: {self.capabilities.note}")
        try:
            await self._ask("POST", name, "/enable" if state is SendState.RUNNING else "/disable")
        except Refused as no:
            if "already" not in str(no):
                raise

    async def aclose(self) -> None:
        """Close the connections."""
        await self._api.aclose()

    async def _ask(self, method: str, name: str, verb: str = "") -> _Subaccount:
        where = f"/v5/accounts/subaccounts/{segment(name)}{verb}"
        told = shaped(await self._api.call(method, where), _Answer, f"{method} {where}").subaccount
        if told.id != name:
            raise Unavailable(f"{method} {where}: the answer is about another subaccount")
        return told
