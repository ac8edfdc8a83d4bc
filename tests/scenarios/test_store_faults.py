"""The store fails under the daemon: nothing is acknowledged that is not durable, and it carries on by itself."""

import os
import resource
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from peers.daemon import PATIENCE, Daemon, running
from peers.door import Door, Watch
from peers.mail_events import event
from peers.mailbox import mailbox
from peers.own_sender import OwnSender
from peers.stream import Stream, check_kept

UNSEEN = 2
"""The exit code of a command that could not do its work."""

UNPRIVILEGED: Sequence[str] = (
    ("setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override") if os.geteuid() == 0 else ()
)
"""Root writes to read-only folders; without this capability it does not."""


def test_killed_in_a_stream_of_events_it_has_all_that_it_acknowledged(tmp_path: Path) -> None:
    with mailbox() as box, OwnSender() as sender, running(Daemon(tmp_path, sender, [box.channel])) as daemon:
        with Stream(daemon) as stream:
            daemon.until(lambda: len(stream.acknowledged) > 500, "it takes them")
            daemon.kill()
        assert not stream.refused
        check_kept(daemon, stream.acknowledged)
        daemon.start()
        again = Door(daemon).report(*(event("sent", id=name) for name in stream.acknowledged[:100]))
        assert again.json == {"accepted": 0, "duplicates": 100, "rejected": []}


def test_a_locked_database_is_waited_for_then_refused_then_used_again(tmp_path: Path) -> None:
    with mailbox() as box, OwnSender() as sender, running(Daemon(tmp_path, sender, [box.channel])) as daemon:
        door, row = Door(daemon), event("sent")
        watch = Watch(door)
        other = sqlite3.connect(tmp_path / "deliverd.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        answer = door.report(row)
        assert (answer.status, answer.json["error"]) == (503, "store")
        assert "locked by another process" in answer.json["reason"]
        assert int(answer.headers["retry-after"]) > 0
        assert watch.counted('deliverd_requests_refused_total{account="mail",code="store"}') == 1
        assert other.execute("SELECT count(*) FROM events").fetchone() == (0,)
        other.rollback()
        other.close()
        assert door.report(row).json["accepted"] == 1
        door.turns()
        check_kept(daemon, [row["id"]])


def test_a_full_disk_refuses_and_once_there_is_room_it_goes_on(tmp_path: Path) -> None:
    """The daemon's files may not grow past a limit: what does not fit is refused, what was acknowledged stays."""
    with mailbox() as box, OwnSender() as sender, running(Daemon(tmp_path, sender, [box.channel])) as daemon:
        door = Door(daemon)
        assert daemon.process is not None
        resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (600_000, resource.RLIM_INFINITY))
        with Stream(daemon) as stream:
            daemon.until(lambda: len(stream.refused) > 10, "the disk is full")
        assert set(stream.refused) == {(503, "5")}
        assert len(stream.acknowledged) > 10
        answer = door.report(event("sent"))
        assert answer.status == 503
        assert "disk" in answer.json["reason"]
        resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        late = event("sent")
        assert door.report(late).json["accepted"] == 1
        door.turns()
        assert daemon.stop() == 0
        check_kept(daemon, [*stream.acknowledged, late["id"]])


def refuses_to_start(folder: Path, url: str, prefix: Sequence[str] = ()) -> str:
    """Start a daemon that cannot; what it said."""
    with OwnSender() as sender:
        daemon = Daemon(folder, sender, ["json://127.0.0.1:9/"], url=url, prefix=prefix)
        daemon.start(ready=False)
        assert daemon.process is not None
        try:
            assert daemon.process.wait(PATIENCE) == UNSEEN
        finally:
            daemon.process.kill()
        said = daemon.log_path.read_text()
    assert "Traceback" not in said
    return said


def not_a_database(path: Path) -> None:
    path.write_bytes(b"these are somebody's notes\n" * 400)


def damaged(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
    connection.commit()
    connection.close()
    whole = bytearray(path.read_bytes())
    whole[100:4000] = b"\xa5" * 3900
    path.write_bytes(whole)


def newer(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
    connection.execute("INSERT INTO alembic_version VALUES ('9999')")
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (not_a_database, "the file is not an SQLite database"),
        (damaged, "the database file is damaged"),
        (newer, "a newer deliverd wrote it"),
    ],
    ids=["not a database", "damaged", "newer schema"],
)
def test_what_it_cannot_use_it_leaves_as_it_is(tmp_path: Path, make: Callable[[Path], None], words: str) -> None:
    path = tmp_path / "deliverd.db"
    make(path)
    before = path.read_bytes()
    assert words in refuses_to_start(tmp_path, f"sqlite:///{path}")
    assert path.read_bytes() == before
    assert not path.with_name("deliverd.db-wal").exists()


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    folder.mkdir()
    folder.chmod(0o555)
    said = refuses_to_start(tmp_path, f"sqlite:///{folder}/deliverd.db", UNPRIVILEGED)
    folder.chmod(0o755)
    assert f"{folder}/deliverd.db.lock: Permission denied" in said
    assert not list(folder.iterdir())


def test_a_file_that_cannot_be_written_to(tmp_path: Path) -> None:
    path = tmp_path / "deliverd.db"
    path.touch()
    path.chmod(0o444)
    assert "the database is read-only" in refuses_to_start(tmp_path, f"sqlite:///{path}", UNPRIVILEGED)
    assert path.read_bytes() == b""


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    said = refuses_to_start(tmp_path, f"sqlite:///{tmp_path}/nowhere/deliverd.db")
    assert f"{tmp_path}/nowhere/deliverd.db.lock: No such file or directory" in said
