"""What becomes of a mailbox of reports: counted once, marked only after the commit, odd mails kept, outages told."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from deliverd.engine.feedback import AFTER_DENIED, AFTER_FAULT, PAUSE, UNMAPPED, Watch
from deliverd.model import Counts, Severity
from deliverd.render import words
from deliverd.store import events, incidents, schema
from deliverd.store.connection import Conn
from deliverd.store.faults import StoreUnavailable
from deliverd.store.writer import Store
from peers import dovecot, feedback_round, graph
from peers.dovecot import PASSWORD, Dovecot
from peers.feedback_round import NOW, SOURCE, context, go, maildir, settings, vouched
from peers.graph import CLIENT, SECRET, TENANT, USER, Fault, Graph
from peers.report_mails import YAHOO, Keys, arf, dsn, keys, signed
from probes.feedback_mail import Config
from probes.imap import DONE
from probes.mailbox import MailboxFault
from probes.observation import Why

DAY = timedelta(days=1)
UNMAPPABLE = signed(arf(fields="Feedback-Type: {type}", original="X: y\n"))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store.open(f"sqlite:///{tmp_path}/deliverd.db", migrate=True)) as opened:
        yield opened


@pytest.fixture
def box(tmp_path: Path) -> Path:
    for name in ("new", "cur", "tmp"):
        (tmp_path / "box" / name).mkdir(parents=True)
    return tmp_path / "box"


@pytest.fixture(scope="module")
def imap() -> Iterator[Dovecot]:
    with dovecot.serving() as server:
        yield server


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Graph]:
    (tmp_path / "office").mkdir()
    with graph.serving(tmp_path / "office") as peer:
        yield peer


def deliver(box: Path, *mails: bytes) -> None:
    first = len(list(box.glob("*/*")))
    for number, mail in enumerate(mails, first):
        (box / "new" / f"{number}.mail").write_bytes(mail)


def away(box: Path, to: Path) -> None:
    box.rename(to)


def marks(box: Path) -> dict[str, str]:
    """Of each mail its flags; "-" for one that was never touched."""
    found = {path.name.partition(":")[0]: path.name.partition(":2,")[2] for path in (box / "cur").iterdir()}
    return dict(sorted((found | {path.name: "-" for path in (box / "new").iterdir()}).items()))


async def count(store: Store, domain: str = "acme.test") -> Counts:
    return await store.read(lambda conn: events.counts(conn, domain, None))


async def rejects(store: Store) -> dict[str, int]:
    def ask(conn: Conn) -> dict[str, int]:
        question = select(schema.rejects.c.code, func.count()).group_by(schema.rejects.c.code)
        return {code: int(number) for code, number in conn.execute(question)}

    return await store.read(ask)


async def looks(store: Store) -> list[tuple[str, str | None]]:
    def ask(conn: Conn) -> list[tuple[str, str | None]]:
        table = schema.observations.c
        return [tuple(row) for row in conn.execute(select(table.target, table.why).order_by(table.id))]

    return await store.read(ask)


async def open_ones(store: Store) -> Any:
    return await store.read(incidents.open_incidents)


async def test_mails_are_stored_marked_and_counted_once_however_often_they_come(store: Store, box: Path) -> None:
    ctx = context(store, settings(maildir(box)))
    deliver(
        box, signed(arf()), signed(arf()), vouched(arf()), signed(dsn(("a@x.com", "failed", "5.1.1")), "googlemail.com")
    )
    ctx.resolver.ask = keys(YAHOO, "googlemail.com").ask  # type: ignore[method-assign]
    done, (taken,) = await go(ctx)
    assert (taken.accepted, taken.duplicates, taken.codes) == (2, 2, {"counted": 4})
    assert taken.adverse == {"acme.test"} and taken.odd == ()
    assert set(marks(box).values()) == {"S"}
    found = await count(store)
    assert (found.complained, found.hard_bounced) == (1, 1)
    assert done.pause == PAUSE
    deliver(box, b"Received: again\n" + signed(arf()))
    _, (again,) = await go(ctx)
    assert (again.accepted, again.duplicates, again.adverse) == (0, 1, frozenset())
    assert (await count(store)).complained == 1


async def test_forged_and_odd_mails_count_nothing_and_are_kept_flagged(store: Store, box: Path) -> None:
    evil = signed(arf().replace(b"@arf.mail.yahoo.com", b"@evil.test"), "evil.test")
    deliver(box, arf(), evil, b"From: a@b.test\n\nhello\n", signed(arf("not-spam")))
    ctx = context(store, settings(maildir(box)), keys(YAHOO, "evil.test").ask)
    _, (taken,) = await go(ctx)
    assert taken.codes == {"unauthenticated": 1, "unbelieved": 1, "not-a-report": 1, "no-complaint": 1}
    assert (taken.accepted, taken.adverse) == (0, frozenset())
    assert await count(store) == Counts()
    assert await rejects(store) == {"unauthenticated": 1, "unbelieved": 1, "not-a-report": 1}
    assert sorted(marks(box).values()) == ["FS", "FS", "FS", "S"]
    assert {(odd.code, odd.domain) for odd in taken.odd} == {
        ("unauthenticated", "acme.test"),
        ("unbelieved", "acme.test"),
        ("not-a-report", ""),
    }
    assert all(odd.id.startswith("new/") and len(odd.digest) == 64 and odd.why for odd in taken.odd)
    assert await open_ones(store) == ()


@pytest.mark.parametrize(("moment", "stored"), [("before the commit", 0), ("after the commit", 3)])
async def test_killed_at_any_moment_nothing_is_lost_and_nothing_counts_twice(
    box: Path, tmp_path: Path, moment: str, stored: int
) -> None:
    deliver(box, *(vouched(arf(complainer=f"u{number}@yahoo.com")) for number in range(3)))
    database = tmp_path / "killed.db"
    command = [sys.executable, feedback_round.__file__, str(database), str(box), moment]
    path = {"PYTHONPATH": ":".join(sys.path)}
    ended = await asyncio.to_thread(subprocess.run, command, env=path, timeout=60, check=False, capture_output=True)
    assert ended.returncode == -9, ended.stderr
    assert set(marks(box).values()) == {"-"}
    with closing(Store.open(f"sqlite:///{database}", migrate=False)) as killed:
        assert (await count(killed)).complained == stored
        _, (taken,) = await go(context(killed, settings(maildir(box))))
        assert (taken.accepted, taken.duplicates) == (3 - stored, stored)
        assert (await count(killed)).complained == 3
    assert set(marks(box).values()) == {"S"}


async def test_a_store_that_fails_leaves_every_mail_as_it_is(store: Store, box: Path) -> None:
    deliver(box, vouched(arf()))
    store.close()
    with pytest.raises(StoreUnavailable):
        await go(context(store, settings(maildir(box))))
    assert set(marks(box).values()) == {"-"}


async def test_what_dns_leaves_undecided_is_read_again(store: Store, box: Path) -> None:
    deliver(box, signed(arf()))
    watch = Watch(SOURCE)
    dark = context(store, settings(maildir(box)), Keys({f"r._domainkey.{YAHOO}": None}).ask)
    done, taken = await go(dark, watch)
    assert taken == [] and set(marks(box).values()) == {"-"}
    assert [look.answer.readings for look in done.looks] == [{"code": "ok", "mails": 1, "undecided": 1}]
    watch.token = ""
    _, (taken_then,) = await go(context(store, settings(maildir(box))), watch)
    assert taken_then.accepted == 1 and set(marks(box).values()) == {"S"}


async def test_mails_are_committed_in_batches_of_bounded_size(store: Store, box: Path) -> None:
    deliver(box, *(vouched(arf(complainer=f"u{number}@yahoo.com")) for number in range(1100)))
    _, taken = await go(context(store, settings(maildir(box))))
    sizes = [one.accepted for one in taken]
    assert sum(sizes) == 1100 and max(sizes) <= 500
    assert set(marks(box).values()) == {"S"}


async def test_a_report_that_cannot_be_mapped_is_told_each_owner_once_a_day(store: Store, box: Path) -> None:
    now = NOW
    config = settings(maildir(box), "acme.test", "b.test", "c.test", "d.test", owners=2)
    ctx, watch = context(store, config, clock=lambda: now), Watch(SOURCE)

    async def arrive(times: int = 1) -> list[tuple[str, int]]:
        deliver(box, *[UNMAPPABLE] * times)
        watch.token = ""
        await go(ctx, watch)
        return [(one.domain, one.version) for one in await open_ones(store)]

    assert await arrive() == [("acme.test", 1), ("b.test", 1)]
    (first, _) = await open_ones(store)
    assert (first.cause, first.severity) == (UNMAPPED, Severity.NOTIFY)
    title, body = words(first, None, ())
    assert title == "acme.test: unmapped report"
    assert "feedback_mail: mail new/0.mail: nothing in it names the domain" in body
    assert marks(box) == {"0.mail": "FS"} and (box / "cur" / "0.mail:2,FS").read_bytes() == UNMAPPABLE
    assert await arrive(8) == [("acme.test", 1), ("b.test", 1)]
    now += timedelta(hours=13)
    assert await arrive(8) == [("acme.test", 2), ("b.test", 2)]
    assert "flagged, and 3 more" in words((await open_ones(store))[0], None, ())[1]
    assert await count(store) == Counts()
    now += DAY
    assert await arrive(0) == []


class _Breaks:
    """A mailbox that breaks off: literal, and passed in by a configuration."""

    def __init__(self, box: Any, after: int = 10**9, marking: bool = False) -> None:
        self._box, self._after, self._marking = box, after, marking

    async def mails(self, most_bytes: int) -> AsyncIterator[Any]:
        number = 0
        async for mail in self._box.mails(most_bytes):
            if number == self._after:
                raise MailboxFault(Why.NETWORK, "it broke off")
            number += 1
            yield mail

    async def acknowledge(self, ids: Any, odd: Any = ()) -> None:
        if self._marking:
            raise MailboxFault(Why.DENIED, "it may not be marked")
        await self._box.acknowledge(ids, odd)

    async def wait(self, after: str, seconds: float) -> str:
        return str(await self._box.wait(after, seconds))


class _Breaking(Config):
    after: int = 10**9
    marking: bool = False

    def box(self) -> Any:
        return _Breaks(super().box(), self.after, self.marking)


async def test_a_mailbox_that_breaks_off_holds_what_it_gave(store: Store, box: Path) -> None:
    deliver(box, *(vouched(arf(complainer=f"u{number}@yahoo.com")) for number in range(5)))
    config = _Breaking(**maildir(box).model_dump(), after=3)
    done, (taken,) = await go(context(store, settings(config)))
    assert taken.accepted == 3 and sorted(marks(box).values()) == ["-", "-", "S", "S", "S"]
    assert [look.answer.why for look in done.looks] == [Why.NETWORK]
    assert (await looks(store), done.pause) == ([("acme.test", "network")], AFTER_FAULT)


async def test_a_mailbox_that_cannot_be_marked_is_counted_judged_and_told(store: Store, box: Path) -> None:
    deliver(box, vouched(arf()))
    config = _Breaking(**maildir(box).model_dump(), marking=True)
    for adverse in ({"acme.test"}, set()):
        done, (taken,) = await go(context(store, settings(config)))
        assert taken.adverse == adverse
        assert (done.looks[0].answer.why, done.pause) == (Why.DENIED, AFTER_DENIED)
    assert (await count(store)).complained == 1


async def test_looks_are_written_when_they_are_news(store: Store, box: Path) -> None:
    now = NOW
    ctx, watch = context(store, settings(maildir(box), "acme.test", "b.test"), clock=lambda: now), Watch(SOURCE)

    async def look() -> list[tuple[str, str | None]]:
        watch.token = ""
        done, _ = await go(ctx, watch)
        return [(one.target, getattr(one.answer, "why", None)) for one in done.looks]

    assert await look() == [("acme.test", None), ("b.test", None)]
    now += timedelta(seconds=449)
    assert await look() == []
    away(box, box.with_name("gone"))
    assert await look() == [("acme.test", Why.NETWORK), ("b.test", Why.NETWORK)]
    assert await look() == []
    away(box.with_name("gone"), box)
    assert len(await look()) == 2
    now += timedelta(seconds=450)
    assert len(await look()) == 2
    ctx.settings = settings(maildir(box), "acme.test", "b.test", "c.test")
    assert len(await look()) == 3
    assert len(await looks(store)) == 11


async def test_calling_off_loses_nothing(store: Store, box: Path) -> None:
    ctx, watch = context(store, settings(maildir(box))), Watch(SOURCE)
    await go(ctx, watch)
    waiting = asyncio.create_task(go(ctx, watch))
    await asyncio.sleep(0.1)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(waiting, 5)
    deliver(box, vouched(arf()))
    _, (taken,) = await go(ctx, watch)
    assert taken.accepted == 1


async def test_a_new_mail_ends_the_waiting(store: Store, box: Path) -> None:
    ctx, watch = context(store, settings(maildir(box))), Watch(SOURCE)
    await go(ctx, watch)
    waiting = asyncio.create_task(go(ctx, watch))
    await asyncio.sleep(0.1)
    deliver(box, vouched(arf()))
    _, (taken,) = await asyncio.wait_for(waiting, 30)
    assert taken.adverse == {"acme.test"}


def at_imap(server: Dovecot, user: str, **changed: Any) -> Config:
    values = {"kind": "imap", "host": "127.0.0.1", "port": server.tls_port, "user": user, "password": PASSWORD}
    return Config(**(values | {"certificates": server.certificate, "timeout_seconds": 20} | changed))


def at_graph(peer: Graph, **changed: Any) -> Config:
    values = {"kind": "graph", "tenant": TENANT, "client_id": CLIENT, "client_secret": SECRET, "user": USER}
    place = {"authority": peer.authority, "base_url": peer.url, "certificates": peer.certificate}
    return Config(**(values | place | {"timeout_seconds": 10, "poll_seconds": 0.05} | changed))


async def test_a_round_at_a_real_imap_server(store: Store, imap: Dovecot) -> None:
    imap.deliver("round", signed(arf()), arf(), signed(arf()))
    ctx = context(store, settings(at_imap(imap, "round")))
    _, (taken,) = await go(ctx)
    assert (taken.accepted, taken.duplicates, taken.codes) == (1, 1, {"counted": 2, "unauthenticated": 1})
    done = {DONE, "\\Seen"}
    assert imap.flags("round") == [done, done | {"\\Flagged"}, done]
    assert (await go(ctx))[1] == []


async def test_a_round_at_graph(store: Store, office: Graph) -> None:
    office.deliver(signed(arf()), arf(), signed(arf()))
    ctx, watch = context(store, settings(at_graph(office))), Watch(SOURCE)
    _, (taken,) = await go(ctx, watch)
    assert (taken.accepted, taken.duplicates, taken.codes) == (1, 1, {"counted": 2, "unauthenticated": 1})
    assert office.marks() == [(True, False), (True, True), (True, False)]
    waiting = asyncio.create_task(go(ctx, watch))
    await asyncio.sleep(0.2)
    assert not waiting.done()
    office.deliver(signed(arf(complainer="b@yahoo.com")))
    assert (await asyncio.wait_for(waiting, 30))[1][0].accepted == 1


@pytest.mark.parametrize(
    ("kind", "why", "pause"),
    [
        ("no directory", Why.NETWORK, AFTER_FAULT),
        ("no imap server", Why.NETWORK, AFTER_FAULT),
        ("wrong password", Why.DENIED, AFTER_DENIED),
        ("graph slows down", Why.RATE_LIMITED, timedelta(seconds=900)),
        ("graph is broken", Why.SERVFAIL, AFTER_FAULT),
        ("graph hangs", Why.TIMEOUT, AFTER_FAULT),
        ("wrong secret", Why.DENIED, AFTER_DENIED),
    ],
)
async def test_outages_are_unseen_looks_and_nothing_else(
    store: Store, imap: Dovecot, office: Graph, tmp_path: Path, kind: str, why: Why, pause: timedelta
) -> None:
    config = {
        "no directory": lambda: maildir(tmp_path / "nowhere"),
        "no imap server": lambda: at_imap(imap, "x", port=9),
        "wrong password": lambda: at_imap(imap, "x", password="not-this-one"),
        "wrong secret": lambda: at_graph(office, client_secret="not-this-one"),
    }.get(kind, lambda: at_graph(office, timeout_seconds=0.5))()
    faults = {"graph slows down": Fault.RATE_LIMITED, "graph is broken": Fault.BROKEN, "graph hangs": Fault.HANG}
    if kind in faults:
        office.retry_after = "900"
        office.fail("messages", faults[kind])
    done, taken = await go(context(store, settings(config)))
    assert taken == [] and await count(store) == Counts()
    (look,) = done.looks
    assert (look.source, look.answer.why, done.pause) == (SOURCE, why, pause)
    assert "not-this-one" not in look.answer.detail
    assert await open_ones(store) == ()


async def test_a_source_that_left_the_configuration(store: Store, box: Path) -> None:
    ctx = context(store, settings(maildir(box)).model_copy(update={"sources": {}}))
    with pytest.raises(KeyError):
        await go(ctx)
