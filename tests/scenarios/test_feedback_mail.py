"""A mailbox of reports and a whole daemon: complaints by mail pause; what is odd costs a line and a count."""

import signal
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from urllib.request import urlopen

from deliverd.engine.feedback import UNMAPPED
from deliverd.store import incidents
from peers.daemon import Daemon, running
from peers.feedback_round import MINE, vouched
from peers.mail_events import event
from peers.mailbox import mailbox
from peers.own_sender import DomainState, OwnSender
from peers.report_mails import ORIGINAL, SENT, arf

MORE = """
[sources.feedback_mail]
kind = "maildir"
path = "{path}"
trusted_authserv_ids = ["{mine}"]
"""


def box_of(folder: Path, name: str) -> Path:
    for part in ("new", "cur", "tmp"):
        (folder / name / part).mkdir(parents=True)
    return folder / name


def deliver(box: Path, name: str, mail: bytes) -> None:
    (box / "tmp" / name).write_bytes(mail)
    (box / "tmp" / name).rename(box / "new" / name)


def complaint(number: int) -> bytes:
    at = datetime.now(UTC) - timedelta(seconds=1)
    original = ORIGINAL.replace(SENT, format_datetime(at))
    return vouched(arf(complainer=f"u{number}@yahoo.com", original=original, date=format_datetime(at)))


def counted(daemon: Daemon, text: str) -> bool:
    with urlopen(f"http://127.0.0.1:{daemon.port}/metrics", timeout=5) as answer:
        return text in answer.read().decode()


def flags(box: Path) -> dict[str, str]:
    return {path.name.partition(":")[0]: path.name.partition(":2,")[2] for path in (box / "cur").iterdir()}


def blind(daemon: Daemon) -> bool:
    rows = daemon.ask(incidents.open_incidents)
    return any("feedback_mail" in row.facts.get("sources", ()) for row in rows)


def test_complaints_by_mail_pause_and_everything_else_does_not(tmp_path: Path) -> None:
    first, second = box_of(tmp_path, "first"), box_of(tmp_path, "second")
    more = MORE.format(path=first, mine=MINE)
    with mailbox() as box, OwnSender(domains={"acme.test": DomainState()}) as sender:
        daemon = Daemon(tmp_path, sender, [box.channel], domains=("acme.test",), more=more)
        with running(daemon):
            assert sender.report(daemon.hook, [event("sent", domain="acme.test", count=2000)])[0] == 200
            deliver(first, "forged", arf())
            deliver(first, "nobodys", vouched(arf(fields="Feedback-Type: {type}", original="X: y\n")))
            daemon.until(lambda: flags(first) == {"forged": "FS", "nobodys": "FS"}, "odd mails are flagged")
            told = [line for line in daemon.logged() if line["event"] == "mail not counted"]
            assert {(line["mail"], line["code"]) for line in told} == {
                ("new/forged", "unauthenticated"),
                ("new/nobodys", "unmapped"),
            }
            assert len(told) == 2
            daemon.until(lambda: any("unmapped report" in subject for subject in box.subjects), "the owner is told")
            assert [row.cause for row in daemon.ask(incidents.open_incidents) if row.cause == UNMAPPED] == [UNMAPPED]
            code = 'deliverd_feedback_mails_total{code="unmapped",source="feedback_mail"} 1.0'
            daemon.until(lambda: counted(daemon, code), "it is counted")
            assert sender.domains["acme.test"] == DomainState()

            for number in range(10):
                deliver(first, f"c{number}", complaint(number))
                deliver(first, f"again{number}", complaint(number))
            daemon.until(lambda: sender.domains["acme.test"].state == "paused", "complaints by mail pause")
            daemon.until(lambda: len(flags(first)) == 22, "all mails are marked")
            code = 'deliverd_events_accepted_total{account="feedback_mail"} 10.0'
            daemon.until(lambda: counted(daemon, code), "each complaint is counted once")

            daemon.config.write_text(daemon.config.read_text().replace(str(first), str(second)))
            assert daemon.process is not None
            daemon.process.send_signal(signal.SIGHUP)
            deliver(second, "late", complaint(99))
            daemon.until(lambda: flags(second) == {"late": "S"}, "another mailbox is taken up")
            begun = time.monotonic()
            assert daemon.stop() == 0
            assert time.monotonic() - begun < 20


def test_a_mailbox_that_is_not_there_is_blindness_and_nothing_else(tmp_path: Path) -> None:
    stale = "[policies.default]\nstale_after_minutes = 0.1\n"
    more = stale + MORE.format(path=tmp_path / "nowhere", mine=MINE)
    with mailbox() as box, OwnSender(domains={"acme.test": DomainState()}) as sender:
        with running(Daemon(tmp_path, sender, [box.channel], domains=("acme.test",), more=more)) as daemon:
            daemon.until(lambda: blind(daemon), "it is told")
            assert sender.domains["acme.test"] == DomainState()
