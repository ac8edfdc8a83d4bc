"""The arrow from a mailbox of reports to stored events: a mail is marked as done only after the commit of what it says.

Each piece can be cut off at any point: what is not marked is read again, and an event that is known counts once.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from deliverd.core import alert
from deliverd.core.findings import failing
from deliverd.engine.context import Context
from deliverd.engine.observe import DAILY
from deliverd.model import Severity
from deliverd.settings import Settings
from deliverd.store import incidents, observations
from deliverd.store.connection import Conn
from deliverd.store.events import Batch
from probes import registry
from probes.mailbox import MailboxFault
from probes.observation import MailEvent, Observation, Reject, Seen, Unseen, Why, Window

if TYPE_CHECKING:  # loaded where it is configured: it brings clients for IMAP and Microsoft
    from probes.feedback_mail import Collected, Config

WAIT_SECONDS = 300.0
"""How long a mailbox is waited at, at most: then it is looked into all the same, for mails that DNS left undecided."""

PAUSE = timedelta(seconds=5)
"""The least time between two rounds, however much mail comes in: a round takes in all that is there."""

AFTER_FAULT = timedelta(minutes=1)
AFTER_DENIED = timedelta(minutes=5)
"""Before a mailbox is tried again that could not be used; and one that a person has to mend."""

UNMAPPED = "unmapped-report"
"""The cause of an incident: mails came that are reports, and do not say about which domain."""

UNMAPPED_FOR = timedelta(days=1)
"""How long after the last such mail the incident stays open; each day with new ones is told once."""

_BATCH = 500
_BATCH_SECONDS = 2.0
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Odd:
    """A mail that a person should look at. It stays in its mailbox, flagged; `id` is its name there."""

    id: str
    digest: str
    code: str
    why: str
    domain: str


@dataclass(frozen=True, slots=True)
class Taken:
    """What some mails said, committed. `codes` counts them by verdict; the `adverse` domains are to be judged."""

    codes: Mapping[str, int]
    accepted: int
    duplicates: int
    odd: tuple[Odd, ...]
    adverse: frozenset[str]


@dataclass(frozen=True, slots=True)
class Round:
    """How a round went: the looks that were written down, and how long to wait before the next."""

    looks: tuple[Observation, ...]
    pause: timedelta


@dataclass(slots=True)
class Watch:
    """What one process remembers of a mailbox between rounds. Nothing of it has to outlast the process."""

    source: str
    token: str = ""
    _told: tuple[datetime, Why | None, tuple[str, ...]] | None = None

    def news(self, now: datetime, why: Why | None, domains: tuple[str, ...], every: timedelta) -> bool:
        """Whether it is worth writing down that the mailbox was looked into (`why` is None) or could not be."""
        fresh = self._told is None or self._told[1:] != (why, domains) or now - self._told[0] >= every
        if fresh:
            self._told = (now, why, domains)
        return fresh


@dataclass(slots=True)
class _Pile:
    """Mails whose verdicts wait to be committed together: what they say, and no longer the mails themselves."""

    until: float
    mails: int = 0
    undecided: int = 0
    done: list[str] = field(default_factory=list)
    odd: list[Odd] = field(default_factory=list)
    codes: Counter[str] = field(default_factory=Counter)
    events: list[MailEvent] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    looks: list[Observation] = field(default_factory=list)

    def add(self, one: "Collected") -> None:
        self.mails += 1
        if one.again:
            self.undecided += 1
            return
        place = self.codes.total()
        self.codes[one.verdict.code] += 1
        self.events += one.parsed.events
        self.looks += one.verdict.looks
        self.rejects += (replace(reject, index=place) for reject in one.parsed.rejects)
        if one.odd:
            verdict = one.verdict
            self.odd.append(Odd(one.id, one.raw_digest, verdict.code, verdict.why, verdict.attribution.domain))
        else:
            self.done.append(one.id)

    def full(self, time: float) -> bool:
        return max(self.codes.total(), len(self.events), len(self.looks)) >= _BATCH or time >= self.until


async def attend(ctx: Context, watch: Watch, note: Callable[[Taken], None]) -> Round:
    """Wait for mail, take in all there is, and write down how the looking went. `note` is called after each commit.

    That the mailbox cannot be used is no error but an unseen look. Cancelling loses nothing.

    Raises:
        StoreError: nothing was marked that is not stored.
        KeyError: the source is no longer configured.
    """
    config: Config = ctx.settings.sources[watch.source]  # type: ignore[assignment]
    answer: Seen | Unseen
    try:
        seconds = min(WAIT_SECONDS, _often(ctx).total_seconds())
        watch.token = await registry.load(watch.source).wait(config, watch.token, seconds)
        answer, pause = Seen(await _take(ctx, watch.source, config, note)), PAUSE
    except MailboxFault as fault:
        answer, pause = Unseen(fault.why, fault.detail), AFTER_DENIED if fault.why is Why.DENIED else AFTER_FAULT
        pause = max(pause, timedelta(seconds=fault.retry_after or 0))
    return Round(await _tell(ctx, watch, answer, ctx.clock()), pause)


def _often(ctx: Context) -> timedelta:
    """How often it is written down that a mailbox can still be read: it is told twice as often as answers have to be
    for none to go stale, which the settings see to for DNS.
    """
    return timedelta(seconds=ctx.settings.schedule.dns_seconds / 2)


async def _take(ctx: Context, source: str, config: "Config", note: Callable[[Taken], None]) -> dict[str, str | int]:
    """Take in all mails, some at a time; returns the readings of the look. Raises MailboxFault."""
    mails, undecided = 0, 0
    async with aclosing(_piles(ctx, source, config)) as piles:
        async for pile in piles:
            mails += pile.mails
            undecided += pile.undecided
            if pile.codes:
                await _commit(ctx, source, config, pile, note)
    return {"code": "ok", "mails": mails, "undecided": undecided}


async def _piles(ctx: Context, source: str, config: "Config") -> AsyncGenerator[_Pile, None]:
    """The mails in piles. When the mailbox breaks off, what was read before holds: that, and then MailboxFault."""
    time = asyncio.get_running_loop().time
    pile = _Pile(time() + _BATCH_SECONDS)
    window = Window(ctx.clock())
    collect = registry.load(source).collect
    async with aclosing(collect(config, ctx.resolver.ask, window, ctx.settings.domains)) as collected:
        try:
            async for one in collected:
                pile.add(one)
                if pile.full(time()):
                    yield pile
                    pile = _Pile(time() + _BATCH_SECONDS)
        except MailboxFault:
            yield pile
            raise
        yield pile


async def _commit(ctx: Context, source: str, config: "Config", pile: _Pile, note: Callable[[Taken], None]) -> None:
    """Store what a pile says, have it judged, and only then mark its mails."""
    now = ctx.clock()
    stored = await ctx.store.ingest(Batch(source, tuple(pile.events), tuple(pile.rejects), now))
    if pile.looks:
        await ctx.store.write(partial(_append_new, looks=pile.looks))
    unmapped = [odd for odd in pile.odd if odd.code == "unmapped"]
    if unmapped:
        await ctx.store.write(lambda conn: _open(conn, ctx.settings, source, unmapped, now))
    note(Taken(dict(pile.codes), stored.accepted, stored.duplicates, tuple(pile.odd), stored.adverse))
    await registry.load(source).acknowledge(config, pile.done, [odd.id for odd in pile.odd])


def _append_new(conn: Conn, looks: Sequence[Observation]) -> None:
    """Write down the numbers of reports where they are new: a report that is read again says nothing new, and one that
    was corrected takes the place of the one before.
    """
    newest = {(look.source, look.target, look.part): look for look in looks}
    first = min(look.part for look in looks)[:10]
    known = {
        (look.latest.source, target, look.latest.part): look.latest.answer
        for target in dict.fromkeys(look.target for look in looks)
        for _, look in observations.looks(conn, target, DAILY, first)
    }
    fresh = [look for key, look in newest.items() if known.get(key) != look.answer]
    observations.append(conn, [(look, failing(look)) for look in fresh])


async def _tell(ctx: Context, watch: Watch, answer: Seen | Unseen, now: datetime) -> tuple[Observation, ...]:
    """Write down for every domain that its mailbox was looked into, or why not, where that is news."""
    domains = tuple(ctx.settings.domains)
    why = answer.why if isinstance(answer, Unseen) else None
    if not watch.news(now, why, domains, _often(ctx)):
        return ()
    looks = tuple(Observation(watch.source, domain, now, answer) for domain in domains)
    rows = [(look, failing(look)) for look in looks]

    def write(conn: Conn) -> None:
        observations.append(conn, rows)
        _close(conn, ctx.settings, now)

    await ctx.store.write(write)
    return looks


def _speakers(settings: Settings) -> list[str]:
    """One domain of each owner: what may be about any domain is told to every owner once."""
    first: dict[str, str] = {}
    for name, domain in settings.domains.items():
        first.setdefault(domain.owner, name)
    return list(first.values())


def _open(conn: Conn, settings: Settings, source: str, unmapped: list[Odd], now: datetime) -> None:
    texts = [f"{source}: mail {odd.id}: {odd.why}; it may be about any domain of yours" for odd in unmapped[:_NAMED]]
    more = f", and {len(unmapped) - _NAMED} more" if len(unmapped) > _NAMED else ""
    texts.append(f"kept in the mailbox, flagged{more}; `deliverd feedback parse` explains a mail that was saved")
    cause = alert.Cause(UNMAPPED, Severity.NOTIFY, now.date().isoformat(), {"texts": texts})
    for domain in _speakers(settings):
        standing = incidents.open_incidents(conn, domain)
        for row in alert.changes(domain, (UNMAPPED,), standing, [cause], now):
            incidents.append(conn, row)


def _close(conn: Conn, settings: Settings, now: datetime) -> None:
    """Close what is over, told to which domain ever: the owners may have changed since."""
    for incident in incidents.open_incidents(conn):
        over = now - incident.changed_at >= UNMAPPED_FOR or incident.domain not in settings.domains
        if incident.cause == UNMAPPED and over:
            for row in alert.changes(incident.domain, (UNMAPPED,), [incident], [], now):
                incidents.append(conn, row)
