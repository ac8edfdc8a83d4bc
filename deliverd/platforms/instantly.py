"""Instantly: pauses, limits and resumes the mailboxes of a domain.

Source: Instantly's OpenAPI document of API v2, read 2026-11-22: POST /accounts/pause ("Pauses up to 100 email accounts
in the authenticated workspace"; its `failed_emails` "were invalid or whose account status was not changed"), POST
/accounts/{email}/resume, PATCH and GET /accounts/{email}, GET /accounts; 100 calls a second and 6,000 a minute.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from urllib.parse import quote

import msgspec

from deliverd.clock import now
from deliverd.model import Actual, Intent, Lever, Limit, SendState
from deliverd.platforms.base import Capabilities, Gone, PlatformError, Refused, Unavailable
from deliverd.platforms.batch import Batch
from deliverd.platforms.mailboxes import MAILBOX, Api, Roster, declared, each, few_or_listed, limit_of
from deliverd.platforms.pace import Pace
from probes.event_parts import domain_of
from probes.http import Http
from probes.instantly import Config, calls
from probes.instantly_statistics import Account, Accounts, mailbox
from probes.outreach_looks import Mailbox
from probes.vendor_calls import MOST_PAGES

PLATFORM = "platform"
"""`Actual.by` where Instantly itself holds a mailbox back."""

# Less than half of what Instantly allows: the probe and other programs ask, too.
_CALLS, _SECONDS, _IN_FLIGHT = 40, 1.0, 8
_MOST_PAUSED = 100
# A mailbox carries its signature, and an answer is read no further than 1 MB.
_PAGE = 50
_MOST_READ = 10_000
_ACTIVE, _PAUSED = 1, 2
_HELD_BACK = {
    3: "resting for maintenance, and resumed by Instantly itself",
    -1: "stopped by a connection error",
    -2: "stopped by soft bounces",
    -3: "stopped by a sending error",
}


class _Paused(msgspec.Struct):
    """What a bulk pause did. Each address is in one of the two."""

    paused_emails: list[str]
    failed_emails: list[str]


class Instantly:
    """One workspace. A lever is `mailbox:ADDRESS`."""

    capabilities = Capabilities(
        states=frozenset(SendState),
        kinds=(MAILBOX,),
        note="Every mailbox of the domain is limited and paused by itself.",
    )

    def __init__(self, account: str, config: Config, clock: Callable[[], datetime] = now) -> None:
        self.account = account
        pace = Pace(_CALLS, _SECONDS, _IN_FLIGHT)
        self._http = Http(config.timeout_seconds, _IN_FLIGHT)
        self._api = Api(calls(config, self._http, clock()), pace, clock)
        self._roster = Roster(self._all, clock)
        self._reads: Batch[str, Account] = Batch(self._look, _MOST_READ, pace.lull)
        self._pauses: Batch[str, None] = Batch(self._pause, _MOST_PAUSED)

    async def levers(self, domain: str, declared_levers: Sequence[str]) -> tuple[Lever, ...]:
        """The declared levers, else every mailbox of the domain. Raises a PlatformError, Refused when there is none."""
        if declared_levers:
            return declared(self.account, declared_levers, self._is_lever, f"{MAILBOX}:ADDRESS")
        boxes = await self._roster.of(domain)
        if not boxes:
            raise Refused(f"{self.account} has no mailbox of {domain}")
        return tuple(Lever(self.account, MAILBOX, one.id) for one in boxes)

    async def read(self, lever: Lever) -> Actual:
        """What a mailbox is at; what Instantly itself has stopped is paused `by` the platform."""
        self._check(lever)
        return _actual(await self._reads.of(lever.id))

    async def apply(self, intent: Intent) -> None:
        """Pause, together with all that are paused at the same moment; or limit, and resume what is paused."""
        lever, limit = intent.action.lever, intent.action.limit
        self._check(lever)
        if limit.state is SendState.PAUSED:
            await self._pauses.of(lever.id)
        else:
            await self._let_run(lever.id, limit)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._pauses.aclose()
        await self._reads.aclose()
        await self._http.aclose()

    def _is_lever(self, lever: Lever) -> bool:
        return lever.kind == MAILBOX and "@" in lever.id

    def _check(self, lever: Lever) -> None:
        if not self._is_lever(lever):
            raise Refused(f"{lever} is no lever of Instantly: use {MAILBOX}:ADDRESS")

    async def _pause(self, emails: Sequence[str]) -> Mapping[str, PlatformError | None]:
        try:
            answer = await self._api.act("POST", "/accounts/pause", _Paused, {"emails": emails})
        except (Refused, Gone):
            if len(emails) == 1:
                raise
            # One that Instantly does not take would keep all others from being paused.
            return await each(emails, self._pause_one)
        paused, failed = ({one.lower() for one in some} for some in (answer.paused_emails, answer.failed_emails))
        left = [email for email in emails if email.lower() not in paused]
        told = await each([email for email in left if email.lower() in failed], self._why_not)
        return {**dict.fromkeys(emails), **{email: _untold(email) for email in left}, **told}

    async def _pause_one(self, email: str) -> None:
        _same(await self._api.act("POST", f"/accounts/{quote(email, safe='')}/pause", Account), email)

    async def _why_not(self, email: str) -> None:
        """Nothing when a mailbox that could not be paused was so already. Raises a PlatformError that says why not."""
        account = await self._reads.of(email)
        if account.status != _PAUSED:
            raise Refused(f"Instantly did not pause {email}, and does not say why; its status is {account.status}")

    async def _let_run(self, email: str, limit: Limit) -> None:
        path = f"/accounts/{quote(email, safe='')}"
        account = await self._api.act("PATCH", path, Account, {"daily_limit": limit.per_day})
        _same(account, email)
        # Only a pause is lifted: what Instantly has stopped is not deliverd's to start.
        if account.status == _PAUSED:
            _same(await self._api.act("POST", f"{path}/resume", Account), email)

    async def _look(self, emails: Sequence[str]) -> Mapping[str, Account | PlatformError]:
        domains: dict[str, list[str]] = {}
        for email in emails:
            domains.setdefault(domain_of(email), []).append(email)
        looks = (few_or_listed(some, self._one, partial(self._shown, domain)) for domain, some in domains.items())
        return {email: told for part in await asyncio.gather(*looks) for email, told in part.items()}

    async def _one(self, email: str) -> Account:
        return _same(await self._api.get(f"/accounts/{quote(email, safe='')}", Account), email)

    async def _shown(self, domain: str, emails: Sequence[str]) -> dict[str, Account]:
        """Those of `emails` that the list shows, read no further than the last of them."""
        left = {email.lower(): email for email in emails}
        found: dict[str, Account] = {}
        async for page in self._pages([("search", domain)]):
            found |= {left.pop(one.email.lower()): one for one in page if one.email.lower() in left}
            if not left:
                break
        return found

    async def _all(self) -> list[Mailbox]:
        return [mailbox(one) async for page in self._pages([]) for one in page]

    async def _pages(self, search: list[tuple[str, str]]) -> AsyncIterator[list[Account]]:
        """The pages of a list, until one shows nothing new: only that is the end, whatever the cursor says."""
        known: set[str] = set()
        after: list[tuple[str, str]] = []
        for _ in range(MOST_PAGES):
            page = await self._api.get("/accounts", Accounts, [("limit", str(_PAGE)), *search, *after])
            new = [one for one in page.items if one.email not in known]
            if not new:
                return
            yield new
            known.update(one.email for one in new)
            after = [("starting_after", page.following())]
        raise Unavailable(f"GET /accounts: the list does not end within {MOST_PAGES} pages")


def _same(account: Account, email: str) -> Account:
    """The account, when it is the one that was asked about. Raises Unavailable."""
    if account.email.lower() != email.lower():
        raise Unavailable(f"the answer is not about {email}")
    return account


def _untold(email: str) -> Unavailable:
    return Unavailable(f"Instantly does not say whether it paused {email}")


def _actual(account: Account) -> Actual:
    """What a mailbox is at. A limit that is left out is none: Instantly's document has it so, and null, too."""
    per_day = f"daily_limit {account.daily_limit}"
    status = account.status if type(account.status) in (int, float) else None
    if status == _PAUSED:
        return Actual(Limit(SendState.PAUSED), detail=per_day)
    if status == _ACTIVE:
        return Actual(limit_of(account.daily_limit, account.email), detail=per_day)
    if status in _HELD_BACK:
        return Actual(Limit(SendState.PAUSED), PLATFORM, f"{_HELD_BACK[status]}; {per_day}")
    raise Unavailable(f"the answer does not say whether {account.email} may send")
