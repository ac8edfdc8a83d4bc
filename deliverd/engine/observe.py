"""The arrow from the outside world to observations: one look by one source, written down whatever it says."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

from deliverd.core.findings import failing
from deliverd.engine.context import Context
from deliverd.policy import Watched
from deliverd.store import observations
from deliverd.store.connection import Conn
from probes import aggregate_report, registry
from probes.observation import Observation, Seen, Unseen, Why

DNS_SOURCES = ("spf", "dkim", "dmarc")
"""The sources asked about every domain over DNS."""

PUBLISHERS = ("google_postmaster", "microsoft_snds")
"""The sources that publish figures of every domain day by day: a look at the whole (part ""), and one at each day."""

REPORTS = aggregate_report.SOURCES
"""What others report of a domain's authentication, by mail: shown to people. It is expected by no time, and decides
nothing.
"""

DAILY = (*PUBLISHERS, *REPORTS, *registry.ACCOUNTS)
"""The sources that may tell figures of single days: a look whose part begins with the ISO day."""

KEY = "key"
"""The part of a look at the key to a publisher: its `code` is ok, or what a person has to mend, in `detail`."""

MAILBOXES = ("feedback_mail",)
"""The sources that are mailboxes: waited at, and read mail by mail (deliverd/engine/feedback.py)."""

NO_DAY = "9999"
"""As the first day of looks: none of them, and every part that is no day."""

COMPLIANCE = "compliance"
COMPLIANCE_EVERY = timedelta(days=1)
"""How often a publisher is asked how its rules are kept: a call for each domain, and an answer that seldom changes."""

_CHUNK = 50
"""How many domains of a publisher are written at once: other writers wait for no more than that."""


def is_day(look: Observation) -> bool:
    """Whether a look is at the figures of one day, which never go stale, and not at a source as it is now."""
    return look.source in DAILY and look.part[:1].isdigit()


def publishers(ctx: Context) -> list[str]:
    """The publishers that are configured."""
    return [source for source in PUBLISHERS if source in ctx.settings.sources]


def mailboxes(ctx: Context) -> list[str]:
    """The mailboxes that are configured."""
    return [source for source in MAILBOXES if source in ctx.settings.sources]


def expected(ctx: Context, domain: str) -> dict[str, Watched]:
    """The sources that should watch a domain, each with the instant since when this process has been asking it."""
    settings = ctx.domain(domain)
    dns = [source for source in DNS_SOURCES if source != "dkim" or settings.dkim_selectors]
    often = Watched(ctx.started)
    seldom = Watched(ctx.started, timedelta(seconds=ctx.settings.schedule.source_seconds))
    sources = [*dns, ctx.settings.platforms[settings.platform].kind, *mailboxes(ctx)]
    return dict.fromkeys(sources, often) | dict.fromkeys(publishers(ctx), seldom)


async def observe_dns(ctx: Context, domain: str, now: datetime) -> tuple[Observation, ...]:
    """Ask every DNS source about one domain and store what they answered."""
    looks: list[Observation] = []
    for source in DNS_SOURCES:
        probe = registry.load(source)
        options = {"selectors": ctx.domain(domain).dkim_selectors} if source == "dkim" else {}
        looks += await probe.observe(domain, probe.Config(**options), ctx.resolver, now)
    return await _store(ctx, looks)


async def observe_account(ctx: Context, account: str, now: datetime) -> tuple[Observation, ...]:
    """Ask a platform account for its numbers on all its domains. Stores and returns what it answered, of the days only
    those that say something new.
    """
    config = ctx.settings.platforms[account]
    domains = [name for name, domain in ctx.settings.domains.items() if domain.platform == account]
    if not domains:
        return ()
    probe = registry.load(config.kind)
    try:
        looks = await probe.observe(config, domains, ctx.http, now)
    except Exception as fault:
        # One source's mistake must not blind the others; its text may hold a secret, so only its type is kept.
        unseen = Unseen(Why.UNREADABLE, f"the probe failed: {type(fault).__name__}")
        await _store(ctx, [Observation(config.kind, domain, now, unseen) for domain in domains])
        raise
    return await _store_news(ctx, looks)


async def observe_source(ctx: Context, source: str, now: datetime) -> tuple[Observation, ...]:
    """Ask a publisher about all domains. Stores and returns the looks, and of the days those that say something new."""
    domains = list(ctx.settings.domains)
    probe, config = registry.load(source), ctx.settings.sources[source]
    try:
        looks = await probe.observe_days(config, domains, ctx.http, now)
    except Exception as fault:
        # As above: only its type is kept.
        unseen = Unseen(Why.UNREADABLE, f"the probe failed: {type(fault).__name__}")
        await _store_news(ctx, [Observation(source, domain, now, unseen) for domain in domains])
        raise
    return await _store_news(ctx, looks)


async def observe_compliance(ctx: Context, source: str, now: datetime) -> tuple[Observation, ...]:
    """Ask a publisher how its rules are kept, about the domains that it was not asked about for a day."""

    def due(conn: Conn) -> list[str]:
        return [domain for domain in ctx.settings.domains if now - _told(conn, domain, source) >= COMPLIANCE_EVERY]

    domains = await ctx.store.read(due)
    probe, config = registry.load(source), ctx.settings.sources[source]
    return await _store(ctx, await probe.observe_compliance(config, domains, ctx.http, now)) if domains else ()


def _told(conn: Conn, domain: str, source: str) -> datetime:
    """When a domain's compliance was looked at last, seen or not."""
    rows = (look.latest for _, look in observations.looks(conn, domain, DAILY, NO_DAY))
    found = [row.at for row in rows if (row.source, row.part) == (source, COMPLIANCE)]
    return found[0] if found else datetime.min.replace(tzinfo=UTC)


async def _store_news(ctx: Context, looks: Sequence[Observation]) -> tuple[Observation, ...]:
    """Store what says something new, some domains at a time; returns it."""
    mine: dict[str, list[Observation]] = {}
    for look in looks:
        mine.setdefault(look.target, []).append(look)
    domains, fresh = list(mine), []
    for start in range(0, len(domains), _CHUNK):
        some = [look for domain in domains[start : start + _CHUNK] for look in mine[domain]]
        fresh += await ctx.store.write(partial(_append_news, looks=some))
    return tuple(fresh)


def _append_news(conn: Conn, looks: Sequence[Observation]) -> list[Observation]:
    first = min((look.part for look in looks if is_day(look)), default=NO_DAY)
    known = {
        (look.latest.source, domain, look.latest.part): look.seen.answer
        for domain in dict.fromkeys(look.target for look in looks)
        for _, look in observations.looks(conn, domain, DAILY, first)
        if look.seen
    }
    fresh = [look for look in looks if not is_day(look) or not _same(known.get(_key(look)), look)]
    observations.append(conn, [(look, failing(look)) for look in fresh])
    return fresh


def _key(look: Observation) -> tuple[str, str, str]:
    return look.source, look.target, look.part


def _same(before: Seen | Unseen | None, look: Observation) -> bool:
    """Whether a look reads what was read before."""
    return isinstance(before, Seen) and isinstance(look.answer, Seen) and before.readings == look.answer.readings


async def _store(ctx: Context, looks: Sequence[Observation]) -> tuple[Observation, ...]:
    rows = [(look, failing(look)) for look in looks]
    await ctx.store.write(lambda conn: observations.append(conn, rows))
    return tuple(looks)
