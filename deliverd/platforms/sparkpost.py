"""SparkPost (Bird): a subaccount is suspended and made active again. There is no throttle to set.

Source, read 2026-11-22: developers.sparkpost.com/api/subaccounts (the API Blueprint in
github.com/SparkPost/developers.sparkpost.com): `status` is the customer's to set, `compliance_status` SparkPost's.
"""

from collections.abc import Sequence

import msgspec

from deliverd.clock import now
from deliverd.model import Actual, Intent, Lever, Limit, SendState
from deliverd.platforms.base import Capabilities, Refused, Unavailable
from deliverd.platforms.vendor import Api, Catalogue, Clock, checked, declared_levers, segment, shaped
from probes import sparkpost
from probes.sparkpost import Config

SUBACCOUNT = "subaccount"
PLATFORM = "platform"
"""`Actual.by` where SparkPost itself holds the mail back."""

_ACTIVE, _SUSPENDED = "active", "suspended"


class _Subaccount(msgspec.Struct, frozen=True):
    id: int
    status: str
    compliance_status: str | None = None


class _Told(msgspec.Struct, frozen=True):
    results: _Subaccount


class _Done(msgspec.Struct, frozen=True):
    message: str


class _Updated(msgspec.Struct, frozen=True):
    results: _Done


class SparkPost:
    """One account, by a key of the primary account. Levers are `subaccount:ID`."""

    capabilities = Capabilities(
        states=frozenset({SendState.RUNNING, SendState.PAUSED}),
        kinds=(SUBACCOUNT,),
        note="Moves whole subaccounts, not domains. SparkPost has no sending limit to set: it can pause and resume, "
        "not throttle.",
    )

    def __init__(self, account: str, config: Config, clock: Clock = now) -> None:
        self.account = account
        key = config.api_key.get_secret_value()
        headers = {"authorization": key}
        self._api = Api(config.base_url, config.timeout_seconds, clock, headers=headers, secrets=[key])
        self._catalogue = Catalogue(SUBACCOUNT, lambda: sparkpost.discover(config, self._api.http, clock()), clock)

    async def levers(self, domain: str, declared: Sequence[str]) -> tuple[Lever, ...]:
        """The declared levers, else the subaccount that has the domain, and no other."""
        if declared:
            return declared_levers(self.account, SUBACCOUNT, declared)
        return await self._catalogue.levers(self.account, domain)

    async def read(self, lever: Lever) -> Actual:
        """What the subaccount is at; paused `by` the platform where SparkPost's compliance holds it."""
        where = _path(lever)
        told = shaped(await self._api.call("GET", where), _Told, f"GET {where}").results
        if str(told.id) != lever.id:
            raise Unavailable(f"GET {where}: the answer is about another subaccount")
        if told.status not in (_ACTIVE, _SUSPENDED):
            raise Unavailable(f"{lever} is neither active nor suspended: look at it at SparkPost")
        detail = f"status={told.status} compliance={told.compliance_status or 'not told'}"
        if told.compliance_status not in (None, "", _ACTIVE):
            return Actual(Limit(SendState.PAUSED), by=PLATFORM, detail=detail)
        return Actual(Limit(SendState.RUNNING if told.status == _ACTIVE else SendState.PAUSED), detail=detail)

    async def apply(self, intent: Intent) -> None:
        """Suspend the subaccount or make it active. It can then still read and be resumed."""
        lever, state = intent.action.lever, intent.action.limit.state
        where = _path(lever)
        if state not in self.capabilities.states:
            raise Refused(f"SparkPost cannot set {lever} to {state}: {self.capabilities.note}")
        body = {"status": _ACTIVE if state is SendState.RUNNING else _SUSPENDED}
        shaped(await self._api.call("PUT", where, body), _Updated, f"PUT {where}")

    async def aclose(self) -> None:
        """Close the connections."""
        await self._api.aclose()


def _path(lever: Lever) -> str:
    return f"/subaccounts/{segment(checked(lever, SUBACCOUNT))}"
