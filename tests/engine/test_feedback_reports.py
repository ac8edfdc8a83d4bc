"""DMARC and TLS reports of the feedback mailbox: stored before they are marked, once, and never a forged one."""

import asyncio
import gzip
import json
import subprocess
import sys
from base64 import encodebytes
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from deliverd.engine.feedback import Watch
from deliverd.engine.sight import look_at
from deliverd.model import Counts, Look
from deliverd.store import events, incidents, observations, schema
from deliverd.store.connection import Conn
from deliverd.store.writer import Store
from peers import feedback_round
from peers.feedback_round import MINE, NOW, SOURCE, context, go, maildir, settings
from peers.report_mails import DATE, arf, keys, signed
from probes.observation import Seen

REPORTER = "google.test"
RECORD = (
    "<record><row><source_ip>{ip}</source_ip><count>{count}</count><policy_evaluated><dkim>{dkim}</dkim><spf>fail</spf>"
    "</policy_evaluated></row><identifiers><header_from>acme.test</header_from></identifiers></record>"
)
NUMBERS = {
    "messages": 100,
    "spf_aligned": 0,
    "dkim_aligned": 98,
    "dmarc_passed": 98,
    "pass_rate": 0.98,
    "policy_published": "none",
    "sources": 2,
    "failing_sources": ("198.51.100.9=2",),
}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store.open(f"sqlite:///{tmp_path}/deliverd.db", migrate=True)) as opened:
        yield opened


@pytest.fixture
def box(tmp_path: Path) -> Path:
    for name in ("new", "cur", "tmp"):
        (tmp_path / "box" / name).mkdir(parents=True)
    return tmp_path / "box"


def mailed(content: bytes, kind: str, author: str = REPORTER) -> bytes:
    head = (
        f"From: noreply-dmarc@{author}\nTo: dmarc@acme.test\nDate: {DATE}\nSubject: Report domain: acme.test\n"
        "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\nA report.\n"
        f"--b\nContent-Type: {kind}\nContent-Transfer-Encoding: base64\n\n"
    )
    return head.encode() + encodebytes(gzip.compress(content, mtime=0)) + b"--b--\n"


def dmarc(good: int = 98, bad: int = 2, author: str = REPORTER, name: str = REPORTER, days: int = 0) -> bytes:
    begin = 1795132800 + 86400 * days
    rows = RECORD.format(ip="192.0.2.1", count=good, dkim="pass") + RECORD.format(
        ip="198.51.100.9", count=bad, dkim="fail"
    )
    xml = (
        f"<feedback><report_metadata><org_name>{name}</org_name><date_range><begin>{begin}</begin>"
        f"<end>{begin + 86399}</end></date_range></report_metadata><policy_published><domain>acme.test</domain>"
        f"<p>none</p></policy_published>{rows}</feedback>"
    )
    return mailed(xml.encode(), "application/gzip", author)


def tls() -> bytes:
    covers = {"start-datetime": "2026-11-20T00:00:00Z", "end-datetime": "2026-11-20T23:59:59Z"}
    summary = {"total-successful-session-count": 9, "total-failure-session-count": 1}
    details = [{"result-type": "certificate-expired", "failed-session-count": 1}]
    policy = {"policy": {"policy-domain": "acme.test"}, "summary": summary, "failure-details": details}
    report = {"organization-name": REPORTER, "report-id": "1", "date-range": covers, "policies": [policy]}
    return mailed(json.dumps(report).encode(), "application/tlsrpt+gzip")


def deliver(box: Path, *mails: bytes) -> None:
    first = len(list(box.glob("*/*")))
    for number, mail in enumerate(mails, first):
        (box / "new" / f"{number}.mail").write_bytes(mail)


def marks(box: Path) -> list[str]:
    return sorted(path.name.partition(":2,")[2] or "-" for path in box.glob("*/*.mail*"))


async def told(store: Store, domain: str = "acme.test") -> dict[tuple[str, str], dict[str, Any]]:
    """What is known of a domain from reports, by source and part."""

    def ask(conn: Conn) -> tuple[tuple[int, Look], ...]:
        return observations.looks(conn, domain)

    rows = [look for _, look in await store.read(ask) if look.latest.source != SOURCE]
    assert all(look.failing_since is None for look in rows)
    answers = [((look.latest.source, look.latest.part), look.latest.answer) for look in rows]
    return {key: dict(answer.readings) for key, answer in answers if isinstance(answer, Seen)}


async def written(store: Store) -> int:
    """How many looks at reports were ever written."""
    question = select(func.count()).select_from(schema.observations).where(schema.observations.c.source != SOURCE)
    return await store.read(lambda conn: int(conn.execute(question).scalar_one()))


async def test_reports_are_pass_rates_by_day_and_reporter_and_count_for_nothing(store: Store, box: Path) -> None:
    deliver(box, signed(dmarc(), REPORTER), signed(tls(), REPORTER), signed(dmarc(1, 0, days=-1), REPORTER))
    ctx = context(store, settings(maildir(box)), keys(REPORTER).ask)
    _, (taken,) = await go(ctx)
    assert (taken.codes, taken.accepted, taken.adverse, taken.odd) == ({"aggregate": 3}, 0, frozenset(), ())
    found = await told(store)
    assert list(found) == [
        ("dmarc_reports", f"2026-11-19/{REPORTER}"),
        ("dmarc_reports", f"2026-11-20/{REPORTER}"),
        ("tls_reports", f"2026-11-20/{REPORTER}"),
    ]
    assert found["dmarc_reports", f"2026-11-20/{REPORTER}"] == NUMBERS
    assert found["tls_reports", f"2026-11-20/{REPORTER}"] == {
        "sessions": 10,
        "sessions_ok": 9,
        "sessions_failed": 1,
        "pass_rate": 0.9,
        "failures": ("certificate-expired=1",),
    }
    assert marks(box) == ["S", "S", "S"]
    assert await store.read(lambda conn: events.counts(conn, "acme.test", None)) == Counts()
    assert await store.read(incidents.open_incidents) == ()


async def test_a_report_that_comes_again_is_written_once_and_a_corrected_one_takes_its_place(
    store: Store, box: Path
) -> None:
    ctx, watch = context(store, settings(maildir(box)), keys(REPORTER).ask), Watch(SOURCE)
    for mails, rows, messages in (
        ([dmarc(), dmarc()], 1, 100),
        ([dmarc()], 1, 100),
        ([dmarc(good=198)], 2, 200),
        ([dmarc(good=198), dmarc(good=298)], 3, 300),
    ):
        deliver(box, *(signed(mail, REPORTER) for mail in mails))
        watch.token = ""
        await go(ctx, watch)
        found = await told(store)
        assert [one["messages"] for one in found.values()] == [messages]
        assert await written(store) == rows


async def test_a_forged_report_changes_nothing(store: Store, box: Path) -> None:
    ask = keys(REPORTER, "evil.test", "gmail.com").ask
    ctx, watch = context(store, settings(maildir(box)), ask), Watch(SOURCE)
    deliver(box, signed(dmarc(), REPORTER))
    await go(ctx, watch)
    before = await told(store)
    deliver(
        box,
        dmarc(good=0, bad=10**6),
        signed(dmarc(good=0, bad=10**6), "evil.test"),
        signed(dmarc(author="gmail.com"), "gmail.com"),
        f"Authentication-Results: other.test; dkim=pass header.d={REPORTER}\n".encode() + dmarc(good=0),
    )
    watch.token = ""
    _, (taken,) = await go(ctx, watch)
    assert taken.codes == {"unauthenticated": 3, "unbelieved": 1}
    assert (await told(store), await written(store)) == (before, 1)
    assert marks(box) == ["FS", "FS", "FS", "FS", "S"]
    assert await store.read(incidents.open_incidents) == ()


async def test_whoever_calls_himself_another_does_not_overwrite_him(store: Store, box: Path) -> None:
    deliver(box, signed(dmarc(), REPORTER), signed(dmarc(good=0, author="evil.test"), "evil.test"))
    await go(context(store, settings(maildir(box)), keys(REPORTER, "evil.test").ask))
    found = await told(store)
    assert found["dmarc_reports", f"2026-11-20/{REPORTER}"] == NUMBERS
    assert len(found) == 2 and ("dmarc_reports", f"2026-11-20/evil.test {REPORTER}") in found


async def test_a_report_on_a_domain_that_is_not_configured_is_left_in_peace(store: Store, box: Path) -> None:
    deliver(box, signed(dmarc(), REPORTER))
    _, (taken,) = await go(context(store, settings(maildir(box), "b.test"), keys(REPORTER).ask))
    assert (taken.codes, taken.odd, await told(store, "acme.test")) == ({"unwatched": 1}, (), {})
    assert marks(box) == ["S"]


async def test_what_dns_leaves_undecided_is_read_again(store: Store, box: Path) -> None:
    deliver(box, signed(dmarc(), REPORTER))
    watch = Watch(SOURCE)
    ask = keys(REPORTER)
    ask.table = {f"r._domainkey.{REPORTER}": None}
    await go(context(store, settings(maildir(box)), ask.ask), watch)
    assert (await told(store), marks(box)) == ({}, ["-"])
    watch.token = ""
    await go(context(store, settings(maildir(box)), keys(REPORTER).ask), watch)
    assert (len(await told(store)), marks(box)) == (1, ["S"])


@pytest.mark.parametrize(("moment", "stored"), [("before the commit", 0), ("after the commit", 2)])
async def test_killed_at_any_moment_a_report_is_neither_lost_nor_twice(
    box: Path, tmp_path: Path, moment: str, stored: int
) -> None:
    word = f"Authentication-Results: {MINE}; dkim=pass header.d={REPORTER}\n".encode()
    deliver(box, word + dmarc(), word + tls())
    database = tmp_path / "killed.db"
    command = [sys.executable, feedback_round.__file__, str(database), str(box), moment]
    path = {"PYTHONPATH": ":".join(sys.path)}
    ended = await asyncio.to_thread(subprocess.run, command, env=path, timeout=60, check=False, capture_output=True)
    assert ended.returncode == -9, ended.stderr
    assert marks(box) == ["-", "-"]
    with closing(Store.open(f"sqlite:///{database}", migrate=False)) as killed:
        assert await written(killed) == stored
        await go(context(killed, settings(maildir(box))))
        assert (await written(killed), len(await told(killed))) == (2, 2)
        assert (await told(killed))["dmarc_reports", f"2026-11-20/{REPORTER}"] == NUMBERS
    assert marks(box) == ["S", "S"]


async def test_reports_and_complaints_come_in_together(store: Store, box: Path) -> None:
    ask = keys(REPORTER, "arf.mail.yahoo.com").ask
    deliver(box, signed(arf()), *(signed(dmarc(days=-day), REPORTER) for day in range(30)))
    _, (taken, *_) = await go(context(store, settings(maildir(box)), ask))
    assert taken.accepted == 1 and taken.adverse == {"acme.test"}
    assert len(await told(store)) == 30


async def test_an_archive_that_is_the_whole_mail_is_authentic_without_a_signature_over_its_type(
    store: Store, box: Path
) -> None:
    xml = dmarc().split(b"base64\n\n")[1].removesuffix(b"--b--\n")
    head = f"From: noreply-dmarc@{REPORTER}\nDate: {DATE}\nContent-Type: application/gzip\n"
    mail = head.encode() + b"Content-Transfer-Encoding: base64\n\n" + xml
    deliver(box, signed(mail, REPORTER, fields=(b"from", b"date")))
    _, (taken,) = await go(context(store, settings(maildir(box)), keys(REPORTER).ask))
    assert taken.codes == {"aggregate": 1}
    assert (await told(store))["dmarc_reports", f"2026-11-20/{REPORTER}"] == NUMBERS


async def test_reports_decide_nothing(store: Store, box: Path) -> None:
    ctx = context(store, settings(maildir(box)), keys(REPORTER).ask)
    before = await store.read(lambda conn: look_at(conn, ctx, "acme.test", (), NOW.date() - timedelta(days=7), NOW))
    deliver(box, signed(dmarc(good=0, bad=10**6), REPORTER), signed(tls(), REPORTER))
    await go(ctx)
    assert len(await told(store)) == 2
    after = await store.read(lambda conn: look_at(conn, ctx, "acme.test", (), NOW.date() - timedelta(days=7), NOW))
    assert [row.latest.source for _, row in after.looks] == [SOURCE]
    assert (after.days, after.expected, after.late) == (before.days, before.expected, before.late)
