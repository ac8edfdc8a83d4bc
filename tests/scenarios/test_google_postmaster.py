"""Gmail's own figures: read by the daemon, judged by, revised, and gone."""

import signal
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from sqlalchemy import func, select

from deliverd.model import Decision, Standing
from deliverd.store import decisions, incidents, schema
from deliverd.store.connection import Conn
from peers.daemon import Daemon, running
from peers.mail_events import event
from peers.mailbox import mailbox
from peers.own_sender import DomainState, OwnSender
from peers.postmaster import SPAM, Fault, Postmaster

MORE = """
[policies.default]
stale_after_minutes = 0.1

[sources.google_postmaster]
token = '{token}'
api_root = "{root}"
calls_per_minute = 6000
timeout_seconds = 2
"""
OFTEN = ("env", "DELIVERD_SCHEDULE__SOURCE_SECONDS=0.5")


def reading(google: Postmaster) -> str:
    return MORE.format(token=google.token, root=google.url)


def latest(daemon: Daemon) -> Decision | None:
    return daemon.ask(lambda conn: decisions.latest(conn, "acme.com"))


def standing(daemon: Daemon) -> Standing:
    made = latest(daemon)
    return made.standing if made else Standing.HEALTHY


def blind_to(daemon: Daemon) -> set[str]:
    return {name for row in daemon.ask(incidents.open_incidents) for name in row.facts.get("sources", ())}


def mail_of(day: date, count: int) -> dict[str, object]:
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC).isoformat()
    return event("sent", count=count, sent_at=noon, at=noon)


def looks_at(conn: Conn, day: date) -> int:
    return int(conn.execute(select(func.count()).where(schema.observations.c.part == day.isoformat())).scalar_one())


def test_what_gmail_publishes_is_judged_revised_and_outlives_its_silence(tmp_path: Path) -> None:
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    with mailbox() as box, OwnSender() as sender, Postmaster() as google:
        google.fill("acme.com", [yesterday], {SPAM: 0.0009})
        google.compliance["acme.com"] = {"complianceData": {"rowData": []}}
        daemon = Daemon(tmp_path, sender, [box.channel], more=reading(google), prefix=OFTEN)
        with running(daemon):
            assert sender.report(daemon.hook, [mail_of(yesterday, 2000)])[0] == 200
            daemon.until(lambda: standing(daemon) is Standing.WATCH, "0.09 % is watched")
            assert sender.domains["acme.com"] == DomainState()

            google.fill("acme.com", [yesterday], {SPAM: 0.0035})
            daemon.until(lambda: sender.domains["acme.com"].state == "paused", "the revised day pauses")
            daemon.until(lambda: any("PAUSED" in subject for subject in box.subjects), "the owner is told")
            told = box.subjects.index("PAGE acme.com is PAUSED, confirmed by the platform")
            words = " ".join(box.text(told).split())
            assert f"Google Postmaster published a spam rate of 0.35 % for {yesterday}" in words
            assert "about 7 complaints of 2,000 messages sent; the pause threshold is 0.3 %" in words
            paused = latest(daemon)

            google.fail(Fault.SERVICE_DISABLED)
            daemon.until(lambda: "google_postmaster" in blind_to(daemon), "it is known to be dark")
            assert latest(daemon) == paused
            assert sender.domains["acme.com"].state == "paused"
            assert daemon.ask(lambda conn: looks_at(conn, yesterday)) == 2, "a day is written down when it changed"
            assert sum("complianceStatus" in call for call in google.calls) == 1

            daemon.config.write_text(daemon.config.read_text().replace(reading(google), ""))
            assert daemon.process is not None
            daemon.process.send_signal(signal.SIGHUP)
            daemon.until(lambda: "google_postmaster" not in blind_to(daemon), "nobody waits for it any more")
            assert latest(daemon) == paused
        assert not google.problems


def test_a_domain_that_google_does_not_show_keeps_its_mail_flowing(tmp_path: Path) -> None:
    with mailbox() as box, OwnSender() as sender, Postmaster() as google:
        with running(Daemon(tmp_path, sender, [box.channel], more=reading(google), prefix=OFTEN)) as daemon:
            daemon.until(lambda: "google_postmaster" in blind_to(daemon), "it is told")
            assert standing(daemon) is Standing.HEALTHY
            assert sender.domains["acme.com"] == DomainState()
