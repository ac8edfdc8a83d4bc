"""lemlist: limits the mailboxes of a domain, and pauses the campaigns that nobody else sends.

Sources, read 2026-11-22: lemlist's OpenAPI document: GET /team/senders, GET /campaigns/{id}, POST /campaigns/{id}/pause
and /start; developer.lemlist.com: GET /user/sending-settings?scope=team and PATCH ("Sets the daily email limit of up to
100 team email accounts in one call", each "processed independently"); 20 calls in 2 s. A mailbox cannot be paused:
whether a limit of 0 means none or no limit is not documented, so it is never set, and never taken for either.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import msgspec

from deliverd.clock import now
from deliverd.model import Actual, Intent, Lever, Limit, SendState
from deliverd.platforms.base import Capabilities, Gone, PlatformError, Refused, Unavailable
from deliverd.platforms.batch import Batch
from deliverd.platforms.mailboxes import MAILBOX, Api, Roster, declared, each
from deliverd.platforms.pace import Pace
from probes.daily_numbers import count
from probes.event_parts import domain_of
from probes.http import Http
from probes.lemlist import Config, calls
from probes.lemlist_statistics import Senders
from probes.outreach_looks import Mailbox

CAMPAIGN = "campaign"
PLATFORM, PERSON = "platform", "a person"
"""`Actual.by` of a campaign that is not paused but over, or was never begun."""

# Somewhat less than lemlist allows: the probe and other programs ask, too.
_CALLS, _SECONDS, _IN_FLIGHT = 16, 2.0, 4
_MOST_LIMITED = 100
_MOST_READ = 10_000
_SETTINGS = "/user/sending-settings"
# Who sends a campaign is asked again so seldom because it takes a call each; before one is paused it is asked anyway.
_SENDERS_HOLD = timedelta(minutes=10)
# One with errors may be running or paused: it is taken for running, so that it is paused and read back.
_SENDING = frozenset({"running", "errors"})
_OVER = {"draft": PERSON, "archived": PERSON, "ended": PLATFORM}


class _Box(msgspec.Struct, rename="camel"):
    """One mailbox of the sending settings."""

    id: str
    email: str = ""
    daily_email_limit: Any = None


class _Boxes(msgspec.Struct, rename="camel"):
    email_accounts: list[_Box]


class _Sender(msgspec.Struct):
    email: str | None = None

    @property
    def domain(self) -> str:
        return domain_of(self.email or "")


class _Campaign(msgspec.Struct):
    id: str = msgspec.field(name="_id")
    status: str = ""
    senders: list[_Sender] = []


class _Moved(msgspec.Struct):
    id: str = msgspec.field(name="_id")


class Lemlist:
    """One team. Levers are `mailbox:ID` (usm_...), to be limited, and `campaign:ID` (cam_...), to be paused."""

    capabilities = Capabilities(
        states=frozenset(SendState),
        kinds=(MAILBOX, CAMPAIGN),
        note="A mailbox can be limited and not paused, a campaign paused and not limited. A campaign that other "
        "domains send as well is left alone, and needs a person.",
        by_kind={
            MAILBOX: frozenset({SendState.RUNNING, SendState.THROTTLED}),
            CAMPAIGN: frozenset({SendState.RUNNING, SendState.PAUSED}),
        },
    )

    def __init__(self, account: str, config: Config, clock: Callable[[], datetime] = now) -> None:
        self.account = account
        self._clock = clock
        pace = Pace(_CALLS, _SECONDS, _IN_FLIGHT)
        self._http = Http(config.timeout_seconds, _IN_FLIGHT)
        self._api = Api(calls(config, self._http, clock()), pace, clock)
        self._roster = Roster(self._all, clock)
        self._sent_by: dict[str, tuple[datetime, _Campaign]] = {}
        self._reads: Batch[str, _Box] = Batch(self._look, _MOST_READ, pace.lull)
        self._limits: Batch[tuple[str, int], None] = Batch(self._limit, _MOST_LIMITED)

    async def levers(self, domain: str, declared_levers: Sequence[str]) -> tuple[Lever, ...]:
        """The declared levers, else every mailbox of the domain and every campaign that they send, shared or not.

        Raises a PlatformError, Refused when there is none.
        """
        if declared_levers:
            return declared(self.account, declared_levers, self._is_lever, f"{MAILBOX}:ID or {CAMPAIGN}:ID")
        named = [(MAILBOX, one.id) for one in await self._roster.of(domain)]
        for campaign in await self._campaigns():
            if any(self._roster.counts(sender.domain, domain) for sender in campaign.senders):
                named.append((CAMPAIGN, campaign.id))
        if not named:
            raise Refused(f"{self.account} has no mailbox and no campaign of {domain}")
        return tuple(Lever(self.account, kind, name) for kind, name in named)

    async def read(self, lever: Lever) -> Actual:
        """What a mailbox may send, or whether a campaign is sent."""
        self._check(lever)
        if lever.kind == CAMPAIGN:
            return _campaign_at(await self._campaign(lever.id))
        return _mailbox_at(await self._reads.of(lever.id))

    async def apply(self, intent: Intent) -> None:
        """Limit a mailbox; pause a campaign, if nobody but the domain sends it, or start it."""
        lever, limit = intent.action.lever, intent.action.limit
        self._check(lever)
        if lever.kind == MAILBOX and limit.per_day is not None:
            await self._limits.of((lever.id, limit.per_day))
        elif lever.kind == CAMPAIGN and limit.state is SendState.PAUSED:
            await self._pause(lever.id, intent.action.domain)
        elif lever.kind == CAMPAIGN and limit.state is SendState.RUNNING:
            await self._move(lever.id, "start")
        else:
            raise Refused(f"lemlist cannot set {lever} to {limit.state}: {self.capabilities.note}")

    async def aclose(self) -> None:
        """Close the connections."""
        await self._limits.aclose()
        await self._reads.aclose()
        await self._http.aclose()

    @staticmethod
    def _is_lever(lever: Lever) -> bool:
        return lever.kind in (MAILBOX, CAMPAIGN) and bool(lever.id)

    def _check(self, lever: Lever) -> None:
        if not self._is_lever(lever):
            raise Refused(f"{lever} is no lever of lemlist: use {MAILBOX}:ID or {CAMPAIGN}:ID")

    # ---- mailboxes

    async def _settings(self) -> list[_Box]:
        return (await self._api.get(_SETTINGS, _Boxes, [("scope", "team")])).email_accounts

    async def _all(self) -> list[Mailbox]:
        try:
            return [Mailbox(one.id, one.email.lower()) for one in await self._settings()]
        except Gone:
            # The call is newer than lemlist's own document; where it is not there, campaigns can still be paused.
            return []

    async def _look(self, names: Sequence[str]) -> Mapping[str, _Box | PlatformError]:
        there = {one.id: one for one in await self._settings()}
        return {name: there.get(name, Gone(f"GET {_SETTINGS}: there is no mailbox {name}")) for name in names}

    async def _limit(self, wanted: Sequence[tuple[str, int]]) -> Mapping[tuple[str, int], PlatformError | None]:
        body = {"emailAccounts": [{"id": name, "dailyEmailLimit": per_day} for name, per_day in wanted]}
        refused = _refused(await self._api.act("PATCH", _SETTINGS, dict[str, Any], body))
        told: dict[tuple[str, int], PlatformError | None] = dict.fromkeys(wanted)
        return told | await each([one for one in wanted if one[0] in refused], self._why_not)

    async def _why_not(self, wanted: tuple[str, int]) -> None:
        box = await self._reads.of(wanted[0])
        raise Refused(f"lemlist did not limit {box.email or box.id} to {wanted[1]} messages a day")

    # ---- campaigns

    async def _campaigns(self) -> list[_Campaign]:
        """Those that are sent by mail or could be started again, with who sends them."""
        users = await self._api.get("/team/senders", list[Senders])
        names = {one.id for user in users for one in user.campaigns if one.counts and one.status not in _OVER}
        self._sent_by = {name: known for name, known in self._sent_by.items() if name in names}
        at = self._clock()
        due = [name for name in names if name not in self._sent_by or self._sent_by[name][0] <= at]
        for name, told in (await each(due, self._campaign)).items():
            if isinstance(told, _Campaign):
                self._sent_by[name] = (at + _SENDERS_HOLD, told)
            elif not isinstance(told, Gone):
                raise told
        return [campaign for _, (_, campaign) in sorted(self._sent_by.items())]

    async def _campaign(self, name: str) -> _Campaign:
        campaign = await self._api.get(f"/campaigns/{quote(name, safe='')}", _Campaign)
        if campaign.id != name:
            raise Unavailable(f"the answer is not about campaign {name}")
        return campaign

    async def _pause(self, name: str, domain: str) -> None:
        senders = (await self._campaign(name)).senders
        others = {one.email or "?" for one in senders if not self._roster.counts(one.domain, domain)}
        if others or not senders:
            shown = ", ".join(sorted(others)[:3]) + (" and others" if len(others) > 3 else "")
            raise Refused(
                f"campaign {name} is not sent by {domain} alone, but by {shown or 'nobody that is told'}: "
                "it is left alone, and needs a person"
            )
        await self._move(name, "pause")

    async def _move(self, name: str, order: str) -> None:
        moved = await self._api.act("POST", f"/campaigns/{quote(name, safe='')}/{order}", _Moved)
        if moved.id != name:
            raise Unavailable(f"the answer is not about campaign {name}")


def _refused(answer: Mapping[str, Any]) -> set[str]:
    """The ids that an answer tells with a reason why not; how it is laid out is not documented, so all lists count."""
    items = [one for some in answer.values() if isinstance(some, list) for one in some if isinstance(one, dict)]
    no = [one for one in items if one.get("success") is False or one.get("error") or one.get("reason")]
    return {str(one.get("id")) for one in no}


def _mailbox_at(box: _Box) -> Actual:
    per_day = count(box.daily_email_limit)
    if not per_day:
        raise Unavailable(f"mailbox {box.id} {box.email}: what it may send a day is not told for sure")
    return Actual(Limit(SendState.THROTTLED, per_day), detail=box.email)


def _campaign_at(campaign: _Campaign) -> Actual:
    detail = f"status {campaign.status}"
    if campaign.status in _SENDING:
        return Actual(Limit(SendState.RUNNING), detail=detail)
    if campaign.status == "paused":
        return Actual(Limit(SendState.PAUSED), detail=detail)
    if campaign.status in _OVER:
        return Actual(Limit(SendState.PAUSED), _OVER[campaign.status], detail)
    raise Unavailable(f"the answer does not say whether campaign {campaign.id} is sent")
