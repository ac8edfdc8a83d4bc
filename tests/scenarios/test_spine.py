"""The main job on real input: mail events in, a decision, the pause at the platform, the read-back, the alert."""

import signal
from pathlib import Path

from deliverd.model import Result, Standing
from deliverd.store import actions, decisions, desired, incidents, orders
from deliverd.store.connection import Conn
from deliverd.store.faults import StoreError
from peers.commands import run as deliverd
from peers.daemon import Daemon, running
from peers.mail_events import event, spike
from peers.mailbox import mailbox
from peers.nsd import serving, txt
from peers.own_sender import DomainState, Fault, OwnSender

SPF = "v=spf1 -all"
DMARC = "v=DMARC1; p=reject"


def standing(daemon: Daemon, domain: str = "acme.com") -> Standing:
    try:
        latest = daemon.ask(lambda conn: decisions.latest(conn, domain))
    except StoreError:
        return Standing.HEALTHY
    return latest.standing if latest else Standing.HEALTHY


def causes(daemon: Daemon) -> set[str]:
    return {row.cause for row in daemon.ask(incidents.open_incidents)}


def test_a_spike_is_paused_confirmed_and_told_in_numbers(tmp_path: Path) -> None:
    with mailbox() as box, OwnSender() as sender, running(Daemon(tmp_path, sender, [box.channel])) as daemon:
        assert sender.report(daemon.hook, spike(complaints=6, sent=1000))[0] == 200
        daemon.until(lambda: sender.domains["acme.com"].state == "paused", "it is paused")
        daemon.until(lambda: box.mails, "the owner is told")
        assert box.subjects[0] == "PAGE acme.com is PAUSED, confirmed by the platform"
        text = box.text(0)
        assert "6 complaints about 1,000 messages" in text
        assert "0.6 %; the pause threshold is 0.3 % with at least 5" in text
        assert 'deliverd resume acme.com --reason "..."' in text


def test_a_rate_that_is_too_high_for_weeks_is_paused_though_no_day_is_a_spike(tmp_path: Path) -> None:
    """0.2 % is under the 0.3 % of the pause guard; over so many messages the detector has no doubt. Gmail is silent."""
    with mailbox() as box, OwnSender() as sender, running(Daemon(tmp_path, sender, [box.channel])) as daemon:
        days = [24 * 60 * back for back in range(1, 13)]
        yahoo = {"recipient_domain": "yahoo.com"}
        mail = [event("sent", count=2000, minutes_ago=ago, **yahoo) for ago in days]
        mail += [event("complained", count=4, minutes_ago=ago, **yahoo) for ago in days]
        sender.report(daemon.hook, [*mail, *(event("sent", count=300, minutes_ago=ago) for ago in days)])
        daemon.until(lambda: sender.domains["acme.com"].state == "paused", "it is paused")
        latest = daemon.ask(lambda conn: decisions.latest(conn, "acme.com"))
        assert latest is not None
        assert latest.rule == "detector-pause"
        assert "where 0.08 % is tolerated; enough at this volume to pause" in latest.reason


def test_a_throttle_gives_half_of_the_normal_volume(tmp_path: Path) -> None:
    with mailbox() as box, OwnSender() as sender, running(Daemon(tmp_path, sender, [box.channel])) as daemon:
        day = 24 * 60
        history = [event("sent", count=1000, minutes_ago=day * back) for back in (2, 3, 4)]
        sender.report(daemon.hook, [*history, *(event("complained", minutes_ago=2 * day) for _ in range(4))])
        daemon.until(lambda: sender.domains["acme.com"].state == "throttled", "it is throttled")
        assert sender.domains["acme.com"].daily_limit == 500


def test_a_healthy_domain_is_left_alone(tmp_path: Path) -> None:
    with mailbox() as box, OwnSender() as sender, running(Daemon(tmp_path, sender, [box.channel])) as daemon:
        sender.report(daemon.hook, [event("sent", count=10_000), *(event("complained") for _ in range(4))])
        daemon.until(lambda: len(sender.calls) > 4, "it has looked around a few times")
        assert standing(daemon) is Standing.HEALTHY
        assert sender.domains["acme.com"] == DomainState()
        assert not box.mails


def test_observe_writes_down_and_touches_nothing(tmp_path: Path) -> None:
    with mailbox() as box, OwnSender() as sender:
        with running(Daemon(tmp_path, sender, [box.channel], mode="observe")) as daemon:
            sender.report(daemon.hook, spike())
            daemon.until(lambda: box.mails, "the owner is told")
            assert box.subjects == ["acme.com would be paused: observe only, nothing was changed"]
            assert standing(daemon) is Standing.PAUSED
            assert sender.domains["acme.com"].state == "running"
            assert not daemon.ask(lambda conn: desired.newest(conn, "mail"))


def test_propose_acts_once_a_person_approves(tmp_path: Path) -> None:
    with mailbox() as box, OwnSender() as sender:
        with running(Daemon(tmp_path, sender, [box.channel], mode="propose")) as daemon:
            sender.report(daemon.hook, spike())
            daemon.until(lambda: box.mails, "the owner is asked")
            assert "deliverd approve acme.com" in box.text(0)
            assert sender.domains["acme.com"].state == "running"
            told = deliverd("approve", "acme.com", "--reason", "seen it", "--config", str(daemon.config))
            assert told.code == 0, told.err
            assert sender.domains["acme.com"].state == "paused"


def test_a_person_pauses_resumes_and_the_ramp_begins(tmp_path: Path) -> None:
    with mailbox() as box, OwnSender() as sender, running(Daemon(tmp_path, sender, [box.channel])) as daemon:
        config = ("--config", str(daemon.config), "--by", "ann")
        sender.report(daemon.hook, [event("sent", count=1000, minutes_ago=24 * 60 * back) for back in (2, 3)])
        paused = deliverd("pause", "acme.com", "--reason", "list was bought", *config)
        assert paused.code == 0, paused.err
        assert sender.domains["acme.com"].state == "paused"
        resumed = deliverd("resume", "acme.com", "--reason", "list cleaned", *config)
        assert resumed.code == 0, resumed.err
        assert sender.domains["acme.com"] == DomainState("throttled", 100, "deliverd")
        assert standing(daemon) is Standing.RECOVERING


def test_a_persons_own_pause_is_never_lifted(tmp_path: Path) -> None:
    with mailbox() as box, OwnSender() as sender, running(Daemon(tmp_path, sender, [box.channel])) as daemon:
        sender.person_sets("acme.com", "paused")
        daemon.until(lambda: "foreign-pause" in causes(daemon), "it is noticed")
        deliverd("resume", "acme.com", "--reason", "try", "--config", str(daemon.config), "--wait", "2")
        daemon.until(lambda: daemon.ask(orders.newest_id), "the order is taken")
        assert sender.domains["acme.com"] == DomainState("paused", None, "ann")


def test_drift_is_told_and_set_right(tmp_path: Path) -> None:
    with mailbox() as box, OwnSender() as sender, running(Daemon(tmp_path, sender, [box.channel])) as daemon:
        sender.report(daemon.hook, spike())
        daemon.until(lambda: box.mails, "it is paused and told")
        sender.person_sets("acme.com", "running")
        daemon.until(lambda: sender.domains["acme.com"].state == "paused", "it is paused again")
        daemon.until(lambda: any("drift" in subject for subject in box.subjects), "the drift is told")


def test_a_pause_that_does_not_hold_pages_and_goes_on(tmp_path: Path) -> None:
    with mailbox() as box, OwnSender() as sender, running(Daemon(tmp_path, sender, [box.channel], wait=1)) as daemon:
        sender.fail(Fault.ERROR_INSIDE, times=2, methods=["POST"])
        sender.report(daemon.hook, spike())
        daemon.until(lambda: any("UNCONFIRMED" in subject for subject in box.subjects), "somebody is paged")
        daemon.until(lambda: sender.domains["acme.com"].state == "paused", "it holds in the end")
        daemon.until(lambda: any("confirmed by the platform now" in it for it in box.subjects), "the end is told")
        posted = [call for call in sender.calls if call.method == "POST"]
        assert len(posted) == 3


def test_authentication_that_vanishes_is_watched_after_a_second_look(tmp_path: Path) -> None:
    zone = txt("@", SPF)
    with mailbox() as box, OwnSender() as sender, serving(tmp_path, {"acme.com": zone, "com": ""}) as dns:
        with running(Daemon(tmp_path, sender, [box.channel], nameserver=dns.nameserver)) as daemon:
            daemon.until(lambda: box.mails, "the owner is told")
            assert "DMARC fails (missing), seen 2 times" in box.text(0)
            assert standing(daemon) is Standing.WATCH
            assert sender.domains["acme.com"].state == "running"


def test_blindness_is_told_and_changes_nothing(tmp_path: Path) -> None:
    policy = "[policies.default]\nstale_after_minutes = 0.1"
    with mailbox() as box, OwnSender() as sender:
        with running(Daemon(tmp_path, sender, [box.channel], more=policy)) as daemon:
            daemon.until(lambda: box.mails, "the owner is told")
            assert box.subjects[0].startswith("acme.com: deliverd is blind to dmarc, spf")
            assert standing(daemon) is Standing.HEALTHY
            assert sender.domains["acme.com"] == DomainState()


def test_sigterm_in_the_middle_of_an_act_drains_it(tmp_path: Path) -> None:
    with mailbox() as box, OwnSender() as sender, running(Daemon(tmp_path, sender, [box.channel])) as daemon:
        sender.linger_seconds = 0.6
        sender.report(daemon.hook, spike())
        daemon.until(lambda: any(call.method == "POST" for call in sender.calls) or sender.in_flight, "it is at it")
        assert daemon.stop() == 0
        assert daemon.ask(finished), "the act under way was finished and its result written"
        assert sender.domains["acme.com"].state == "paused"
        assert daemon.logged()[-1]["event"] == "stopped"


def finished(conn: Conn) -> list[Result]:
    latest = [memory.latest for memory in actions.memories(conn, "mail").values()]
    return [pair[1] for pair in latest if pair and pair[1]]


def test_sighup_takes_up_a_good_configuration_and_refuses_a_bad_one(tmp_path: Path) -> None:
    with mailbox() as box, OwnSender({"acme.com": DomainState(), "other.com": DomainState()}) as sender:
        with running(Daemon(tmp_path, sender, [box.channel])) as daemon:
            assert daemon.process is not None
            good = daemon.config.read_text()
            daemon.config.write_text(good + '\n[domains."other.com"]\nowner = "nobody"\nplatform = "mail"\n')
            daemon.process.send_signal(signal.SIGHUP)
            daemon.until(lambda: said(daemon, "configuration not taken up, the old one stays"), "it refuses")
            assert sender.report(daemon.hook, [event("sent")])[0] == 200
            daemon.config.write_text(good + '\n[domains."other.com"]\nowner = "team"\nplatform = "mail"\n')
            daemon.process.send_signal(signal.SIGHUP)
            daemon.until(lambda: said(daemon, "configuration taken up"), "it takes it up")
            assert sender.report(daemon.hook, [event("sent", "other.com")], "msg_2")[1]["accepted"] == 1


def said(daemon: Daemon, what: str) -> bool:
    return any(line["event"] == what for line in daemon.logged())


def test_a_second_daemon_on_one_file_is_refused(tmp_path: Path) -> None:
    with mailbox() as box, OwnSender() as sender, running(Daemon(tmp_path, sender, [box.channel])) as daemon:
        second = deliverd("run", "--config", str(daemon.config))
        assert second.code == 2
        assert "another deliverd" in second.err
