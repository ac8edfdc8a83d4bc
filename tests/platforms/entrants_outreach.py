"""Those that take part in the contract for cold-outreach platforms: Instantly, Smartlead and lemlist."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from platforms.contract import PAUSED, RETRY_AFTER_SECONDS, RUNNING, Case, Entrant, Harness, Traits, Trouble, cases
from structlog.testing import capture_logs

from deliverd.model import Actual, Intent, Lever, Limit, SendState
from deliverd.platforms.base import Platform
from deliverd.platforms.instantly import Instantly
from deliverd.platforms.lemlist import CAMPAIGN, Lemlist
from deliverd.platforms.smartlead import Smartlead
from peers import instantly as instantly_peer
from peers import lemlist as lemlist_peer
from peers import smartlead as smartlead_peer
from peers.outreach import Fault, Outreach
from probes import instantly, lemlist, smartlead

PATIENCE_SECONDS = 0.6
BOX = "a@acme.com"


@dataclass(slots=True)
class OutreachHarness:
    """An adapter, its stand-in, and how the stand-in is looked at and moved by hand. `acting` are the paths of acts."""

    peer: Outreach
    platform: Platform
    lever: Lever
    missing: Lever
    canaries: tuple[str, ...]
    shown: Callable[[], Limit]
    moved: Callable[[Limit], None]
    acting: str

    def fail(self, trouble: Trouble, times: int | None = None) -> None:
        # Who acts may look first: these two are about the act.
        path = self.acting if trouble in (Trouble.LATE, Trouble.LIES) else ".*"
        self.peer.fail(Fault[trouble.name], path, times)

    def heal(self) -> None:
        self.peer.heal()

    def add_unknown_fields(self) -> None:
        self.peer.extra = {"mood": "fine", "queue": {"length": 3, "oldest": None}}

    def truth(self) -> Limit:
        return self.shown()

    def person_sets(self, limit: Limit) -> None:
        self.moved(limit)


def _limit(paused: bool, per_day: int | None) -> Limit:
    if paused:
        return PAUSED
    return RUNNING if per_day is None else Limit(SendState.THROTTLED, per_day)


def _spelled(key: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys((key, quote(key, safe=""), quote_plus(key))))


@contextmanager
def instantly_mailbox(_: Path) -> Iterator[Harness]:
    with instantly_peer.Instantly(retry_after=str(RETRY_AFTER_SECONDS)) as peer:
        peer.add(BOX, daily_limit=None)
        peer.add("b@acme.com", "x@other.com")

        def moved(limit: Limit) -> None:
            status = instantly_peer.PAUSED if limit == PAUSED else instantly_peer.ACTIVE
            peer.accounts[BOX] |= {"status": status, "daily_limit": limit.per_day}

        def shown() -> Limit:
            account = peer.accounts[BOX]
            return _limit(account["status"] == instantly_peer.PAUSED, account["daily_limit"])

        config = instantly.Config(
            kind="instantly", api_key=peer.key, base_url=peer.base_url, timeout_seconds=PATIENCE_SECONDS
        )
        levers = [Lever("instantly", "mailbox", name) for name in (BOX, "unheard-of@acme.com")]
        platform = Instantly("instantly", config)
        yield OutreachHarness(peer, platform, *levers, _spelled(peer.key), shown, moved, "/accounts/.*(pause|resume)")


@contextmanager
def smartlead_mailbox(_: Path) -> Iterator[Harness]:
    with smartlead_peer.Smartlead(retry_after=str(RETRY_AFTER_SECONDS), wraps_answers=True) as peer:
        peer.add(BOX, max_email_per_day=None)
        peer.add("b@acme.com", "x@other.com")

        def moved(limit: Limit) -> None:
            peer.accounts[1000] |= {"is_suspended": limit == PAUSED, "max_email_per_day": limit.per_day}

        def shown() -> Limit:
            return _limit(peer.accounts[1000]["is_suspended"], peer.accounts[1000]["max_email_per_day"])

        config = smartlead.Config(
            kind="smartlead", api_key=peer.key, base_url=peer.base_url, timeout_seconds=PATIENCE_SECONDS
        )
        levers = (Lever("smartlead", "mailbox", name) for name in ("1000", "999999"))
        canaries = (*_spelled(peer.key), smartlead_peer.PASSWORD)
        platform = Smartlead("smartlead", config)
        yield OutreachHarness(peer, platform, *levers, canaries, shown, moved, ".*suspend.*")


class OnlyCampaigns:
    """lemlist as far as its campaigns go: the contract asks one lever for all that the platform can do."""

    def __init__(self, platform: Lemlist) -> None:
        self.account = platform.account
        self.capabilities = replace(
            platform.capabilities, states=frozenset({SendState.RUNNING, SendState.PAUSED}), kinds=(CAMPAIGN,)
        )
        self._platform = platform

    async def levers(self, domain: str, declared: Sequence[str]) -> tuple[Lever, ...]:
        return await self._platform.levers(domain, declared)

    async def read(self, lever: Lever) -> Actual:
        return await self._platform.read(lever)

    async def apply(self, intent: Intent) -> None:
        await self._platform.apply(intent)

    async def aclose(self) -> None:
        await self._platform.aclose()


@contextmanager
def lemlist_campaign(_: Path) -> Iterator[Harness]:
    with lemlist_peer.Lemlist(retry_after=str(RETRY_AFTER_SECONDS)) as peer:
        peer.add_user("ann", BOX)
        peer.add_campaign("one", ("ann", BOX))

        def moved(limit: Limit) -> None:
            peer.campaigns["cam_one"]["status"] = "paused" if limit == PAUSED else "running"

        def shown() -> Limit:
            return PAUSED if peer.campaigns["cam_one"]["status"] == "paused" else RUNNING

        config = lemlist.Config(
            kind="lemlist", api_key=peer.key, base_url=peer.base_url, timeout_seconds=PATIENCE_SECONDS
        )
        levers = (Lever("lemlist", CAMPAIGN, name) for name in ("cam_one", "cam_unheard_of"))
        canaries = (*_spelled(peer.key), lemlist_peer.basic(peer.key))
        platform = OnlyCampaigns(Lemlist("lemlist", config))
        yield OutreachHarness(peer, platform, *levers, canaries, shown, moved, ".*/(pause|start)")


_ALL = Traits(tells_author=False, troubles=frozenset(Trouble))
ENTRANTS = {
    "instantly": Entrant(instantly_mailbox, _ALL),
    "smartlead": Entrant(smartlead_mailbox, _ALL),
    "lemlist": Entrant(lemlist_campaign, replace(_ALL, throttles=False)),
}


def contract_of(kind: str) -> list[Any]:
    """The cases of one kind, with their names, for pytest."""
    return [pytest.param(case, id=name) for name, case in cases(ENTRANTS[kind].traits)]


async def run(entrant: Entrant, case: Case, folder: Path) -> None:
    """One case, with no secret in any log."""
    with entrant.open(folder) as harness:
        try:
            with capture_logs() as logged:
                await case(harness)
        finally:
            await harness.platform.aclose()
        assert not [canary for canary in harness.canaries if canary in str(logged)]
