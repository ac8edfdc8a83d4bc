"""SIGKILL at each step boundary of a pause: started again, it ends paused once, with one incident and one alert.

The platform is what kills: it knows best when the daemon has just called it. Nothing in the daemon helps.
"""

import os
import signal
from pathlib import Path

import pytest

from deliverd.model import Outcome, Standing
from deliverd.store import actions, decisions, incidents
from peers.daemon import Daemon, running
from peers.killer import Killer
from peers.mail_events import spike
from peers.mailbox import mailbox
from peers.own_sender import Call, DomainState, OwnSender

MOMENTS = (
    "before called",  # the intent is written, the platform was asked, nothing has taken effect
    "after called",  # it took effect, the answer was never heard
    "before read back",  # the call was answered, nothing was read back
    "after read back",  # it was read back, the result was never written
)


def posts(sender: OwnSender) -> list[Call]:
    return [call for call in sender.calls if call.method == "POST"]


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_and_started_again_it_is_paused_once(tmp_path: Path, moment: str) -> None:
    with mailbox() as box, Killer() as sender:
        daemon = Daemon(tmp_path, sender, [box.channel])
        with running(daemon):
            process = daemon.process
            assert process is not None
            sender.at(moment, lambda: os.kill(process.pid, signal.SIGKILL))
            assert sender.report(daemon.hook, spike())[0] == 200
            daemon.until(lambda: process.poll() is not None, "it was killed")
        with running(daemon):
            daemon.until(lambda: confirmed(daemon), "the pause is confirmed")
            daemon.until(lambda: box.mails, "the owner is told")
            assert daemon.stop() == 0
        assert sender.domains["acme.com"].state == "paused"
        # The one boundary at which the platform had not taken it: there it is called again, once.
        assert len(posts(sender)) == (2 if moment == "before called" else 1)
        told_once(daemon, box.subjects)


def confirmed(daemon: Daemon) -> bool:
    memories = daemon.ask(lambda conn: actions.memories(conn, "mail"))
    latest = [memory.latest for memory in memories.values()]
    return any(pair and pair[1] and pair[1].outcome is Outcome.CONFIRMED for pair in latest)


def told_once(daemon: Daemon, subjects: list[str]) -> None:
    chain = daemon.ask(lambda conn: decisions.history(conn, "acme.com", 10))
    opened = [row for row in daemon.ask(lambda conn: incidents.recent(conn, "acme.com", 50)) if row.cause == "standing"]
    assert [decision.standing for decision in chain] == [Standing.PAUSED]
    assert len({row.id for row in opened}) == 1
    assert [subject for subject in subjects if "PAUSED" in subject] == [
        "PAGE acme.com is PAUSED, confirmed by the platform"
    ]


def test_accepted_events_survive_a_kill(tmp_path: Path) -> None:
    with mailbox() as box, OwnSender({"acme.com": DomainState("paused", None, "ann")}) as sender:
        daemon = Daemon(tmp_path, sender, [box.channel])
        events = spike()
        with running(daemon):
            assert sender.report(daemon.hook, events)[1]["accepted"] == len(events)
            daemon.kill()
        with running(daemon):
            answer = sender.report(daemon.hook, events)[1]
            assert (answer["accepted"], answer["duplicates"]) == (0, len(events))
