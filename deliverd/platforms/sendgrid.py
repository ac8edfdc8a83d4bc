"""Twilio SendGrid: a subuser is disabled and enabled, or held to so many credits a day.

Source, read 2026-11-22: SendGrid's OpenAPI file for subusers (GET /v3/subusers, PATCH /v3/subusers/{name}, GET and PUT
/v3/subusers/{name}/credits). It answers 400 "invalid username" or "No user found" for a subuser that is not there.
"""

from collections.abc import Sequence

import msgspec

from deliverd.clock import now
from deliverd.model import Actual, Intent, Lever, Limit, SendState
from deliverd.platforms.base import Capabilities, Gone, Refused, Unavailable
from deliverd.platforms.vendor import (
    Api,
    Catalogue,
    Clock,
    checked,
    declared_levers,
    segment,
    shaped,
    undeclared,
)
from probes import sendgrid
from probes.http import Response
from probes.observation import Why
from probes.sendgrid import Config
from probes.vendor_calls import vendor_words

SUBUSER = "subuser"
_MOST = 500
_NOBODY = ("invalid username", "no user found")


class _Subuser(msgspec.Struct, frozen=True):
    username: str
    disabled: bool


class _Credits(msgspec.Struct, frozen=True):
    type: str
    reset_frequency: str | None = None
    total: int | None = None

    @property
    def daily(self) -> bool:
        return self.type == "recurring" and self.reset_frequency == "daily"

    def __str__(self) -> str:
        if self.type == "unlimited":
            return "unlimited credits"
        return f"{'' if self.total is None else f'{self.total:,} '}{self.reset_frequency or self.type} credits"


class SendGrid:
    """One account, by the key of the parent. Levers are `subuser:NAME`."""

    capabilities = Capabilities(
        states=frozenset(SendState),
        kinds=(SUBUSER,),
        note="Moves whole subusers, not domains. Mail over the daily credits, or of a disabled subuser, is refused to "
        "whoever sends it, not queued. A subuser with weekly, monthly or one-time credits can be paused but not "
        "throttled, as these could not be given back.",
    )

    def __init__(self, account: str, config: Config, clock: Clock = now) -> None:
        self.account = account
        key = config.api_key.get_secret_value()
        self._subusers = config.subusers
        self._api = Api(
            config.base_url,
            config.timeout_seconds,
            clock,
            headers={"authorization": f"Bearer {key}"},
            secrets=[key],
            meaning=_meaning,
        )
        self._catalogue = Catalogue(SUBUSER, lambda: sendgrid.discover(config, self._api.http, clock()), clock)

    async def levers(self, domain: str, declared: Sequence[str]) -> tuple[Lever, ...]:
        """The declared levers, else the subuser of `subusers`, else the one that the domain is authenticated for."""
        if declared:
            return declared_levers(self.account, SUBUSER, declared)
        name = self._subusers.get(domain)
        if name is None:
            return await self._catalogue.levers(self.account, domain)
        others = [other for other, theirs in self._subusers.items() if theirs == name and other != domain]
        if others:
            why = f"subuser {name} at {self.account} also sends for {others[0]}, which would be stopped as well"
            raise undeclared(domain, why, f"{SUBUSER}:{name}")
        return declared_levers(self.account, SUBUSER, [f"{SUBUSER}:{name}"])

    async def read(self, lever: Lever) -> Actual:
        """What the subuser is at. SendGrid does not tell who set it."""
        name = checked(lever, SUBUSER)
        where = f"GET /v3/subusers of {name}"
        answer = await self._api.call("GET", "/v3/subusers", params={"username": name, "limit": str(_MOST)})
        rows = shaped(answer, list[_Subuser], where)
        mine = next((row for row in rows if row.username.casefold() == name.casefold()), None)
        if mine is None and rows:
            raise Unavailable(f"{where}: the answer is about others")
        if mine is None:
            raise Gone(f"{self.account} has no subuser {name}")
        if mine.disabled:
            return Actual(Limit(SendState.PAUSED), detail="disabled")
        return _actual(await self._credits(name))

    async def apply(self, intent: Intent) -> None:
        """Disable the subuser; or set its credits, and only then enable it, so that nothing slips through between."""
        name, limit = checked(intent.action.lever, SUBUSER), intent.action.limit
        paused = limit.state is SendState.PAUSED
        if not paused:
            await self._limit(name, limit)
        told = await self._api.call("PATCH", f"/v3/subusers/{segment(name)}", {"disabled": paused})
        if told is not None:
            raise Unavailable(f"PATCH /v3/subusers of {name}: an answer where there should be none")

    async def aclose(self) -> None:
        """Close the connections."""
        await self._api.aclose()

    async def _limit(self, name: str, limit: Limit) -> None:
        present = await self._credits(name)
        if limit.state is SendState.RUNNING:
            # Anything but daily credits is not deliverd's, and stays.
            if present.daily:
                await self._set(name, _Credits("unlimited"))
            return
        if not present.daily and present.type != "unlimited":
            raise Refused(
                f"subuser {name} has {present}, which deliverd could not give back after a throttle: give it unlimited "
                f"or daily credits at SendGrid, or hold it to {limit.per_day:,} messages a day by hand"
            )
        wanted = _Credits("recurring", "daily", limit.per_day)
        # Setting them fills up what is left of today, so it is done once.
        if present != wanted:
            await self._set(name, wanted)

    async def _credits(self, name: str) -> _Credits:
        answer = await self._api.call("GET", f"/v3/subusers/{segment(name)}/credits")
        return shaped(answer, _Credits, f"GET /v3/subusers/{name}/credits")

    async def _set(self, name: str, credits: _Credits) -> None:
        body = {key: value for key, value in msgspec.structs.asdict(credits).items() if value is not None}
        answer = await self._api.call("PUT", f"/v3/subusers/{segment(name)}/credits", body)
        shaped(answer, _Credits, f"PUT /v3/subusers/{name}/credits")


def _actual(credits: _Credits) -> Actual:
    if credits.daily and credits.total is not None:
        limit = Limit(SendState.THROTTLED, credits.total) if credits.total >= 1 else Limit(SendState.PAUSED)
        return Actual(limit, detail=str(credits))
    if credits.daily or credits.type not in ("unlimited", "recurring", "nonrecurring"):
        raise Unavailable("GET /v3/subusers/NAME/credits: these are no credits that SendGrid documents")
    return Actual(Limit(SendState.RUNNING), detail=str(credits))


def _meaning(answer: Response) -> Why | None:
    words = vendor_words(answer.body).lower()
    return Why.NO_DATA if answer.status == 400 and any(nobody in words for nobody in _NOBODY) else None
