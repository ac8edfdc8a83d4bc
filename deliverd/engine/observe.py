"""The arrow from the outside world to observations: one look by one source, written down whatever it says."""

from collections.abc import Sequence
from datetime import datetime

from deliverd.core.findings import failing
from deliverd.engine.context import Context
from deliverd.store import observations
from probes import registry
from probes.observation import Observation, Unseen, Why

DNS_SOURCES = ("spf", "dkim", "dmarc")
"""The sources asked about every domain over DNS."""


def expected(ctx: Context, domain: str) -> dict[str, datetime]:
    """The sources that should watch a domain, each with the instant since when this process has been asking it."""
    settings = ctx.domain(domain)
    dns = [source for source in DNS_SOURCES if source != "dkim" or settings.dkim_selectors]
    return dict.fromkeys([*dns, ctx.settings.platforms[settings.platform].kind], ctx.started)


async def observe_dns(ctx: Context, domain: str, now: datetime) -> tuple[Observation, ...]:
    """Ask every DNS source about one domain and store what they answered."""
    looks: list[Observation] = []
    for source in DNS_SOURCES:
        probe = registry.load(source)
        options = {"selectors": ctx.domain(domain).dkim_selectors} if source == "dkim" else {}
        looks += await probe.observe(domain, probe.Config(**options), ctx.resolver, now)
    return await _store(ctx, looks)


async def observe_account(ctx: Context, account: str, now: datetime) -> tuple[Observation, ...]:
    """Ask a platform account for its numbers on all its domains and store what it answered."""
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
        looks = tuple(Observation(config.kind, domain, now, unseen) for domain in domains)
        await _store(ctx, looks)
        raise
    return await _store(ctx, looks)


async def _store(ctx: Context, looks: Sequence[Observation]) -> tuple[Observation, ...]:
    rows = [(look, failing(look)) for look in looks]
    await ctx.store.write(lambda conn: observations.append(conn, rows))
    return tuple(looks)
