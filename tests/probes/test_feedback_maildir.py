"""A maildir of reports: read without a mark, marked when acknowledged, and nothing in it waits or costs for ever."""

import asyncio
import os
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from peers.report_mails import YAHOO, arf, keys, signed
from probes.feedback_mail import Collected, Config, acknowledge, collect, wait
from probes.mailbox import HEAD_BYTES, MailboxFault
from probes.observation import Why, Window

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
WINDOW = Window(NOW)
MINE = "mx.acme.test"
KEYS = keys()


@pytest.fixture
def box(tmp_path: Path) -> Path:
    for name in ("new", "cur", "tmp"):
        (tmp_path / name).mkdir()
    return tmp_path


async def gather(path: Path, **more: Any) -> list[Collected]:
    config = Config(kind="maildir", path=path, **more)
    return sorted([one async for one in collect(config, KEYS.ask, WINDOW)], key=lambda one: one.id)


async def test_a_maildir_is_read_and_marked_only_when_acknowledged(box: Path) -> None:
    (box / "new" / "1.a").write_bytes(signed(arf()))
    (box / "cur" / "2.b:2,R").write_bytes(arf(number=2))
    (box / "cur" / "3.c:2,S").write_bytes(signed(arf(number=3)))
    (box / "cur" / "4.d").write_bytes(signed(arf("not-spam")))
    (box / "new" / ".hidden").write_bytes(b"x")
    found = await gather(box)
    assert [(one.id, one.verdict.code, one.odd) for one in found] == [
        ("cur/2.b:2,R", "unauthenticated", True),
        ("cur/4.d", "no-complaint", False),
        ("new/1.a", "counted", False),
    ]
    assert len({one.raw_digest for one in found}) == 3 and not any(one.again for one in found)
    assert found == await gather(box)
    config = Config(kind="maildir", path=box)
    await acknowledge(config, ["new/1.a", "cur/4.d", "new/gone"], odd=["cur/2.b:2,R"])
    assert {path.name for path in (box / "cur").iterdir()} == {"1.a:2,S", "2.b:2,FRS", "3.c:2,S", "4.d:2,S"}
    assert (box / "cur" / "2.b:2,FRS").read_bytes() == arf(number=2)
    assert await gather(box) == []


@pytest.mark.parametrize("name", ["tmp/x", "new/../x", "new/", "x", "new/.x"])
async def test_nothing_outside_the_maildir_is_touched(box: Path, name: str) -> None:
    with pytest.raises(ValueError, match="no mail of a maildir"):
        await acknowledge(Config(kind="maildir", path=box), [name])


async def test_what_is_no_plain_file_is_passed_over(box: Path) -> None:
    os.mkfifo(box / "new" / "fifo")
    (box / "new" / "directory").mkdir()
    (box / "new" / "link").symlink_to("/etc/passwd")
    (box / "new" / "mail").write_bytes(arf())
    assert [one.id for one in await gather(box)] == ["new/mail"]


async def test_a_mail_that_goes_while_the_others_are_read(box: Path) -> None:
    for number in range(3):
        (box / "new" / f"{number}").write_bytes(arf(number=number))
    found = []
    async for one in collect(Config(kind="maildir", path=box), None, WINDOW):
        found.append(one)
        for path in (box / "new").iterdir():
            path.unlink()
    assert len(found) == 1


async def test_a_maildir_that_cannot_be_used(tmp_path: Path) -> None:
    config = Config(kind="maildir", path=tmp_path / "none")
    for use in (gather(tmp_path / "none"), wait(config, "", 1)):
        with pytest.raises(MailboxFault, match="No such file") as fault:
            await use
        assert fault.value.why is Why.NETWORK
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "1").write_bytes(b"x")
    (tmp_path / "cur").write_bytes(b"no directory")
    with pytest.raises(MailboxFault, match="Not a directory"):
        await acknowledge(Config(kind="maildir", path=tmp_path), ["new/1"])


async def test_a_maildir_that_breaks_while_it_is_read(box: Path) -> None:
    for number in range(2):
        (box / "new" / f"{number}").write_bytes(arf())
    with pytest.raises(MailboxFault, match="Not a directory"):
        async for _ in collect(Config(kind="maildir", path=box), None, WINDOW):
            (box / "new").rename(box / "old")
            (box / "new").write_bytes(b"")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
async def test_a_maildir_that_may_not_be_read(box: Path) -> None:
    (box / "new" / "1").write_bytes(b"x")
    (box / "new" / "1").chmod(0)
    with pytest.raises(MailboxFault) as fault:
        await gather(box)
    assert fault.value.why is Why.DENIED


async def test_waiting_ends_when_a_mail_comes(box: Path) -> None:
    config = Config(kind="maildir", path=box)
    token = await wait(config, "", 60)
    assert await wait(config, token, 0.01) == token
    waiting = asyncio.create_task(wait(config, token, 60))
    await asyncio.sleep(0)
    (box / "new" / "1").write_bytes(b"x")
    assert await asyncio.wait_for(waiting, 30) != token


async def test_a_mail_of_50_mb_is_not_read_whole(box: Path) -> None:
    path = box / "new" / "large"
    with path.open("wb") as file:
        file.write(signed(arf()).replace(b"--=_b1--", b""))
        file.truncate(50 * 1024 * 1024)
    (found,) = await gather(box)
    assert (found.verdict.code, found.odd) == ("too-large", True)
    assert found.verdict.attribution.domain == "mail.acme.test"
    assert stat.S_ISREG(path.stat().st_mode)


async def test_a_large_mail_counts_when_ones_own_server_vouches_for_it(box: Path) -> None:
    mail = f"Authentication-Results: {MINE}; dkim=pass header.d={YAHOO}\n".encode() + arf()
    for number, kind in enumerate(("abuse", "not-spam")):
        told = mail.replace(b"Feedback-Type: abuse", f"Feedback-Type: {kind}".encode())
        (box / "new" / f"{number}").write_bytes(told + b"x" * (HEAD_BYTES * 2))
    found = await gather(box, trusted_authserv_ids=[MINE], max_mail_bytes=65536)
    assert [one.verdict.code for one in found] == ["counted", "no-complaint"]
