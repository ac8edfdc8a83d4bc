"""What becomes of a publisher's looks: only news is written, the rules are asked about daily, a mistake is a look."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Coroutine, Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from deliverd.engine.context import Context
from deliverd.engine.observe import expected, observe_compliance, observe_source
from deliverd.settings import Settings, load
from deliverd.store import due, schema
from deliverd.store.connection import Conn
from deliverd.store.due import Due
from deliverd.store.writer import Store
from deliverd.work import LEASE, Work
from peers.own_sender import SECRET
from peers.postmaster import SPAM, Fault, Postmaster, wait_for
from probes.config import Strict
from probes.http import Http
from probes.resolver import Config, Resolver

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SOURCE = "google_postmaster"
TEXT = """
[owners.team]
channels = ["json://127.0.0.1:9/"]
[platforms.mail]
kind = "webhook"
secret = "{secret}"
control_url = "http://127.0.0.1:9/"
[sources.google_postmaster]
token = '{token}'
api_root = "{root}"
calls_per_minute = 6000
timeout_seconds = 20
{domains}
"""


def settings(folder: Path, google: Postmaster, *names: str) -> Settings:
    file = folder / "deliverd.toml"
    domains = "\n".join(f'[domains."{name}"]\nowner = "team"\nplatform = "mail"' for name in names)
    file.write_text(TEXT.format(token=google.token, root=google.url, secret=SECRET, domains=domains))
    return load(file, {})


@pytest.fixture
def google() -> Iterator[Postmaster]:
    with Postmaster() as peer:
        for name in ("acme.com", "b.com"):
            peer.fill(name, [date(2026, 11, 20), date(2026, 11, 21)], {SPAM: 0.0002})
            peer.compliance[name] = {"complianceData": {"rowData": [{"requirement": "SPF"}]}}
        yield peer


@pytest.fixture
def ctx(tmp_path: Path, google: Postmaster) -> Iterator[Context]:
    with closing(Store.open(f"sqlite:///{tmp_path}/deliverd.db", migrate=True)) as store:
        yield Context(
            settings=settings(tmp_path, google, "acme.com"),
            store=store,
            platforms={},
            http=Http(),
            resolver=Resolver(Config()),
            send=lambda *_: pytest.fail("nothing is told here"),
            clock=lambda: NOW,
            started=NOW,
        )


def parts(conn: Conn) -> Counter[str]:
    return Counter(conn.execute(select(schema.observations.c.part)).scalars())


async def test_a_day_is_written_down_when_it_is_new_or_revised(ctx: Context, google: Postmaster) -> None:
    first = await observe_source(ctx, SOURCE, NOW)
    assert {look.part for look in first} == {"", "2026-11-20", "2026-11-21"}
    again = await observe_source(ctx, SOURCE, NOW + 6 * HOUR)
    assert [look.part for look in again] == [""]
    google.fill("acme.com", [date(2026, 11, 20)], {SPAM: 0.0003})
    revised = await observe_source(ctx, SOURCE, NOW + 12 * HOUR)
    assert [look.part for look in revised] == ["", "2026-11-20"]
    assert await ctx.store.read(parts) == {"": 3, "2026-11-20": 2, "2026-11-21": 1}


async def test_more_domains_than_are_written_at_once(ctx: Context, google: Postmaster, tmp_path: Path) -> None:
    names = [f"d{number}.com" for number in range(101)]
    for name in names:
        google.fill(name, [date(2026, 11, 21)], {SPAM: 0.0002})
    ctx.settings = settings(tmp_path, google, *names)
    looks = await observe_source(ctx, SOURCE, NOW)
    assert len({look.target for look in looks}) == 101
    assert await ctx.store.read(parts) == {"": 101, "2026-11-21": 101}


async def test_the_rules_are_asked_about_once_a_day_and_at_once_for_a_new_domain(
    ctx: Context, google: Postmaster, tmp_path: Path
) -> None:
    async def asked(at: datetime) -> list[str]:
        return [look.target for look in await observe_compliance(ctx, SOURCE, at)]

    assert await asked(NOW) == ["acme.com"]
    assert await asked(NOW + DAY - HOUR) == []
    ctx.settings = settings(tmp_path, google, "acme.com", "b.com")
    assert await asked(NOW + DAY - HOUR) == ["b.com"]
    assert await asked(NOW + DAY) == ["acme.com"]


async def test_a_mistake_of_the_probe_is_an_unseen_look_and_told_without_its_words(ctx: Context) -> None:
    ctx.settings = ctx.settings.model_copy(update={"sources": {SOURCE: Strict()}})
    with pytest.raises(AttributeError):
        await observe_source(ctx, SOURCE, NOW)
    (detail,) = await ctx.store.read(lambda conn: conn.execute(select(schema.observations.c.detail)).scalars().all())
    assert detail == "the probe failed: AttributeError"


def test_it_is_expected_where_it_is_configured(ctx: Context) -> None:
    watched = expected(ctx, "acme.com")
    assert watched[SOURCE].stale_after(ctx.settings.policies["default"]) == 12 * HOUR
    assert watched["spf"].stale_after(ctx.settings.policies["default"]) == HOUR
    ctx.settings = ctx.settings.model_copy(update={"sources": {}})
    assert SOURCE not in expected(ctx, "acme.com")


def claimed(kind: str) -> Due:
    return Due(kind, SOURCE, NOW, 1, NOW + LEASE, "a test", 1)


def unjudged(piece: Awaitable[None]) -> None:
    """What would be done besides is not done here."""
    assert isinstance(piece, Coroutine)
    piece.close()


async def test_a_look_that_outlasts_its_lease_is_joined_not_begun_twice(ctx: Context, google: Postmaster) -> None:
    google.fail(Fault.HANG, times=1)
    work = Work(ctx, unjudged)
    await asyncio.gather(*(work.run(claimed("source")) for _ in range(3)))
    assert (await ctx.store.read(parts))[""] == 1
    await work.run(claimed("source"))
    assert (await ctx.store.read(parts))[""] == 2


@pytest.mark.parametrize(("slow_down", "hours"), [(False, 6.0), (True, 1.5)], ids=["seen", "a passing fault"])
async def test_when_it_is_asked_again(ctx: Context, google: Postmaster, slow_down: bool, hours: float) -> None:
    google.retry_after = "1000"
    if slow_down:
        google.fail(Fault.RATE_LIMITED)

    def claim(conn: Conn, at: datetime) -> tuple[Due, ...]:
        return due.claim(conn, at, LEASE, "a test", 1)

    await ctx.store.write(lambda conn: due.push(conn, "source", SOURCE, NOW))
    (row,) = await ctx.store.write(lambda conn: claim(conn, NOW))
    await Work(ctx, unjudged).run(row)
    again = NOW + hours * HOUR
    assert await ctx.store.write(lambda conn: claim(conn, again - timedelta(seconds=1))) == ()
    assert len(await ctx.store.write(lambda conn: claim(conn, again))) == 1


async def test_what_is_asked_regularly(ctx: Context, google: Postmaster) -> None:
    work = Work(ctx, unjudged)
    assert (work.targets()["source"], work.targets()["compliance"]) == ([SOURCE], [SOURCE])
    quiet = ctx.settings.sources[SOURCE].model_copy(update={"compliance": False})
    ctx.settings = ctx.settings.model_copy(update={"sources": {SOURCE: quiet}})
    assert (work.targets()["source"], work.targets()["compliance"]) == ([SOURCE], [])
    ctx.settings = ctx.settings.model_copy(update={"sources": {}})
    assert (work.targets()["source"], work.targets()["compliance"]) == ([], [])


async def test_looking_away_gives_up_a_look_under_way(ctx: Context, google: Postmaster) -> None:
    google.fail(Fault.HANG)
    work = Work(ctx, unjudged)
    look = asyncio.create_task(work.run(claimed("source")))
    await asyncio.to_thread(wait_for, lambda: google.calls)
    work.look_away()
    with pytest.raises(asyncio.CancelledError):
        await look
    assert not await ctx.store.read(parts)
