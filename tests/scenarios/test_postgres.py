"""The main path on PostgreSQL, and what becomes of it when the server stops, or deliverd is killed."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from deliverd.model import Outcome, Standing
from deliverd.store import actions, decisions, incidents
from peers.daemon import PATIENCE, Daemon, running
from peers.door import Door
from peers.killer import Killer
from peers.mail_events import event, spike
from peers.mailbox import mailbox
from peers.own_sender import OwnSender
from peers.postgres import Postgres, PostgresImpossible
from peers.stream import Stream, check_kept

PASSWORD = "canarypassword"


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    try:
        server = Postgres().__enter__()
    except PostgresImpossible as why:
        pytest.skip(f"real-server tier: {why}")
    try:
        yield server
    finally:
        server.__exit__(None, None, None)


@pytest.fixture
def url(postgres: Postgres) -> str:
    """A database without a schema. The server trusts everybody here, so any password will do."""
    return postgres.url(postgres.create()).replace(
        "postgresql://postgres:@", f"postgresql+psycopg://postgres:{PASSWORD}@"
    )


def paused_once(daemon: Daemon, subjects: list[str]) -> None:
    """One decision, one incident, one alert, and the pause confirmed."""
    chain = daemon.ask(lambda conn: decisions.history(conn, "acme.com", 10))
    opened = [row for row in daemon.ask(lambda conn: incidents.recent(conn, "acme.com", 50)) if row.cause == "standing"]
    assert [decision.standing for decision in chain] == [Standing.PAUSED]
    assert len({row.id for row in opened}) == 1
    assert confirmed(daemon)
    assert [subject for subject in subjects if "PAUSED" in subject] == [
        "PAGE acme.com is PAUSED, confirmed by the platform"
    ]


def confirmed(daemon: Daemon) -> bool:
    latest = [memory.latest for memory in daemon.ask(lambda conn: actions.memories(conn, "mail")).values()]
    return any(pair and pair[1] and pair[1].outcome is Outcome.CONFIRMED for pair in latest)


def test_a_spike_is_paused_confirmed_and_told(tmp_path: Path, url: str) -> None:
    with mailbox() as box, OwnSender() as sender, running(Daemon(tmp_path, sender, [box.channel], url=url)) as daemon:
        assert sender.report(daemon.hook, spike(complaints=6, sent=1000))[0] == 200
        daemon.until(lambda: box.mails, "the owner is told")
        assert sender.domains["acme.com"].state == "paused"
        assert "6 complaints about 1,000 messages" in box.text(0)
        assert daemon.stop() == 0
        paused_once(daemon, box.subjects)


def test_killed_after_the_call_and_started_again_it_is_paused_once(tmp_path: Path, url: str) -> None:
    with mailbox() as box, Killer() as sender:
        daemon = Daemon(tmp_path, sender, [box.channel], url=url)
        with running(daemon):
            process = daemon.process
            assert process is not None
            sender.at("after called", lambda: os.kill(process.pid, signal.SIGKILL))
            assert sender.report(daemon.hook, spike())[0] == 200
            daemon.until(lambda: process.poll() is not None, "it was killed")
        with running(daemon):
            daemon.until(lambda: confirmed(daemon), "the pause is confirmed")
            daemon.until(lambda: box.mails, "the owner is told")
            assert daemon.stop() == 0
        assert sender.domains["acme.com"].state == "paused"
        assert len([call for call in sender.calls if call.method == "POST"]) == 1
        paused_once(daemon, box.subjects)


def test_killed_in_a_stream_of_events_it_has_all_that_it_acknowledged(tmp_path: Path, url: str) -> None:
    with mailbox() as box, OwnSender() as sender, running(Daemon(tmp_path, sender, [box.channel], url=url)) as daemon:
        with Stream(daemon) as stream:
            daemon.until(lambda: len(stream.acknowledged) > 300, "it takes them")
            daemon.kill()
        assert not stream.refused
        check_kept(daemon, stream.acknowledged)


def test_while_the_server_is_away_nothing_is_acknowledged_and_then_it_goes_on(
    tmp_path: Path, postgres: Postgres, url: str
) -> None:
    with mailbox() as box, OwnSender() as sender, running(Daemon(tmp_path, sender, [box.channel], url=url)) as daemon:
        door, early, late = Door(daemon), event("sent"), event("sent")
        assert door.report(early).json["accepted"] == 1
        with Stream(daemon) as stream:
            daemon.until(lambda: len(stream.acknowledged) > 50, "it takes them")
            postgres.stop()
            try:
                daemon.until(lambda: len(stream.refused) > 20, "it refuses them")
                answer = door.report(late)
                assert (answer.status, answer.json["error"], answer.headers["retry-after"]) == (503, "store", "5")
                assert "PostgreSQL is not available" in answer.json["reason"]
                assert door.metrics()['deliverd_requests_refused_total{account="mail",code="store"}'] > 20
            finally:
                postgres.start()
            before = len(stream.acknowledged)
            daemon.until(lambda: len(stream.acknowledged) > before + 50, "it takes them again")
        assert set(stream.refused) == {(503, "5")}
        assert door.report(early, late).json == {"accepted": 1, "duplicates": 1, "rejected": []}
        door.turns()
        assert door.report(*spike(sent=100_000, complaints=400)).status == 200
        daemon.until(lambda: sender.domains["acme.com"].state == "paused", "it pauses as ever")
        assert daemon.stop() == 0
        check_kept(daemon, [*stream.acknowledged, early["id"], late["id"]])
        assert PASSWORD not in daemon.log_path.read_text()


def test_without_a_server_it_does_not_start_and_says_why(tmp_path: Path) -> None:
    with OwnSender() as sender:
        url = f"postgresql+psycopg://postgres:{PASSWORD}@127.0.0.1:9/deliverd"
        daemon = Daemon(tmp_path, sender, ["json://127.0.0.1:9/"], url=url)
        daemon.start(ready=False)
        assert daemon.process is not None
        assert daemon.process.wait(PATIENCE) == 2
        said = daemon.log_path.read_text()
        assert "PostgreSQL is not available" in said
        assert "127.0.0.1" in said
        assert PASSWORD not in said
        assert "Traceback" not in said
