"""Smartlead: suspends, limits and unsuspends the mailboxes of a domain.

Sources, read 2026-11-22: Smartlead's OpenAPI document and its documentation pages, which name members differently: both
are read. PUT /email-accounts/suspend/{id} stops campaigns and warm-up at once; DELETE /email-accounts/unsuspend/{id};
POST /email-accounts/{id} `max_email_per_day`, warm-up mail included; 60 calls a minute and 1,000 an hour (Standard).
Campaigns are left alone. The answer about a mailbox holds its password, which is not read.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from deliverd.clock import now
from deliverd.model import Actual, Intent, Lever, Limit, SendState
from deliverd.platforms.base import Capabilities, PlatformError, Refused, Unavailable
from deliverd.platforms.batch import Batch
from deliverd.platforms.mailboxes import MAILBOX, Api, Roster, declared, few_or_listed, limit_of
from deliverd.platforms.pace import Pace
from probes.http import Http
from probes.outreach_looks import Mailbox
from probes.smartlead import Config, calls
from probes.vendor_calls import MOST_PAGES

# Somewhat less than Smartlead allows: the probe and other programs ask, too.
_CALLS, _SECONDS, _IN_FLIGHT = 50, 60.0, 4
# An answer is read no further than 1 MB.
_PAGE = 50
_MOST_READ = 10_000


class _Account(msgspec.Struct):
    """One mailbox, of which only this is read: never its password. What is left out is not null."""

    id: int
    from_email: str = ""
    max_email_per_day: Any = msgspec.UNSET
    message_per_day: Any = msgspec.UNSET
    is_suspended: Any = msgspec.UNSET

    @property
    def per_day(self) -> Any:
        """Its limit, by the specification's or the documentation's name. UNSET where neither tells one."""
        return self.message_per_day if self.max_email_per_day is msgspec.UNSET else self.max_email_per_day


class _About(msgspec.Struct, rename="camel"):
    account_id: Any = None


class _Done(msgspec.Struct):
    """What an order did: `ok` in the specification, `success` and `data` in the documentation."""

    ok: Any = None
    success: Any = None
    data: _About | None = None


class Smartlead:
    """One account. A lever is `mailbox:ID`, with Smartlead's own number of the mailbox."""

    capabilities = Capabilities(
        states=frozenset(SendState),
        kinds=(MAILBOX,),
        note="Every mailbox of the domain is limited and suspended by itself; its warm-up stops and counts with it.",
    )

    def __init__(self, account: str, config: Config, clock: Callable[[], datetime] = now) -> None:
        self.account = account
        pace = Pace(_CALLS, _SECONDS, _IN_FLIGHT)
        self._http = Http(config.timeout_seconds, _IN_FLIGHT)
        self._api = Api(calls(config, self._http, clock()), pace, clock)
        self._roster = Roster(self._all, clock)
        self._reads: Batch[str, _Account] = Batch(self._look, _MOST_READ, pace.lull)

    async def levers(self, domain: str, declared_levers: Sequence[str]) -> tuple[Lever, ...]:
        """The declared levers, else every mailbox of the domain. Raises a PlatformError, Refused when there is none."""
        if declared_levers:
            return declared(self.account, declared_levers, _is_lever, f"{MAILBOX}:ID, with Smartlead's number")
        boxes = await self._roster.of(domain)
        if not boxes:
            raise Refused(f"{self.account} has no mailbox of {domain}")
        return tuple(Lever(self.account, MAILBOX, one.id) for one in boxes)

    async def read(self, lever: Lever) -> Actual:
        """What a mailbox is at. Raises Unavailable where Smartlead does not tell: that is never taken for a success."""
        _check(lever)
        return _actual(await self._reads.of(lever.id))

    async def apply(self, intent: Intent) -> None:
        """Suspend; or limit, and unsuspend what is suspended."""
        lever, limit = intent.action.lever, intent.action.limit
        _check(lever)
        if limit.state is SendState.PAUSED:
            await self._order("PUT", f"/email-accounts/suspend/{lever.id}", lever.id)
        else:
            await self._let_run(lever.id, limit)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._reads.aclose()
        await self._http.aclose()

    async def _let_run(self, name: str, limit: Limit) -> None:
        account = await self._reads.of(name)
        if account.per_day != limit.per_day:
            await self._order("POST", f"/email-accounts/{name}", name, {"max_email_per_day": limit.per_day})
        if account.is_suspended is not False:
            await self._order("DELETE", f"/email-accounts/unsuspend/{name}", name)

    async def _order(self, method: str, path: str, name: str, body: Any = None) -> None:
        done = await self._api.act(method, path, _Done, body)
        if done.ok is False or done.success is False:
            raise Refused(f"{method} {path}: Smartlead says that it did not")
        if done.ok is not True and done.success is not True:
            raise Unavailable(f"{method} {path}: the answer does not say whether it was done")
        if done.data is not None and done.data.account_id is not None and str(done.data.account_id) != name:
            raise Unavailable(f"{method} {path}: the answer is about another mailbox")

    async def _look(self, names: Sequence[str]) -> Mapping[str, _Account | PlatformError]:
        return await few_or_listed(names, self._one, self._shown)

    async def _one(self, name: str) -> _Account:
        account = await self._api.get(f"/email-accounts/{name}", _Account)
        if str(account.id) != name:
            raise Unavailable(f"the answer is not about mailbox {name}")
        return account

    async def _shown(self, names: Sequence[str]) -> dict[str, _Account]:
        """Those of `names` that the list shows and tells all about, read no further than the last of them."""
        left = set(names)
        found: dict[str, _Account] = {}
        async for page in self._pages():
            told = [one for one in page if str(one.id) in left and one.is_suspended is not msgspec.UNSET]
            found |= {str(one.id): one for one in told}
            left -= {str(one.id) for one in page}
            if not left:
                break
        return found

    async def _all(self) -> list[Mailbox]:
        return [Mailbox(str(one.id), one.from_email.lower()) async for page in self._pages() for one in page]

    async def _pages(self) -> AsyncIterator[list[_Account]]:
        """The pages of the list, until one shows nothing new: pages may be short, or the offset be ignored."""
        known: set[int] = set()
        offset = 0
        for _ in range(MOST_PAGES):
            query = [("offset", str(offset)), ("limit", str(_PAGE))]
            page = await self._api.get("/email-accounts/", list[_Account], query)
            new = [one for one in page if one.id not in known]
            if not new:
                return
            yield new
            known.update(one.id for one in new)
            offset += len(page)
        raise Unavailable(f"GET /email-accounts/: the list does not end within {MOST_PAGES} pages")


def _is_lever(lever: Lever) -> bool:
    return lever.kind == MAILBOX and lever.id.isascii() and lever.id.isdigit()


def _check(lever: Lever) -> None:
    if not _is_lever(lever):
        raise Refused(f"{lever} is no lever of Smartlead: use {MAILBOX}:ID, with Smartlead's number of the mailbox")


def _actual(account: _Account) -> Actual:
    """What a mailbox is at, by either name of its limit."""
    who = f"mailbox {account.id} {account.from_email}".strip()
    if type(account.is_suspended) is not bool:
        raise Unavailable(f"{who}: cannot be verified, for Smartlead does not say whether it is suspended")
    if account.is_suspended:
        return Actual(Limit(SendState.PAUSED), detail=who)
    if account.per_day is msgspec.UNSET:
        raise Unavailable(f"{who}: cannot be verified, for Smartlead does not say what it may send a day")
    return Actual(limit_of(account.per_day, who), detail=who)
