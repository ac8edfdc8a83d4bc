"""The outside world talks nonsense: name servers, platforms, callers. Said, counted, survived; no secret is told."""

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from deliverd.store import decisions
from peers import dns_fakes
from peers.aws_host import AwsHost, aws_host
from peers.daemon import Daemon, running
from peers.dns_fakes import Reply
from peers.door import Door, Watch
from peers.mail_events import event, spike
from peers.mailbox import mailbox
from peers.own_sender import DomainState, Fault, OwnSender

SECRET = "whsec_" + base64.b64encode(b"canary-secret-of-the-sender-1234").decode()
CHANNEL = "json://canaryuser:canarypassword@127.0.0.1:9/canarypath"
CANARIES = (SECRET, SECRET.removeprefix("whsec_"), "canarypassword", "canarypath", "AKIACANARY", "canaryaws")
MORE = """
[platforms.aws]
kind = "ses"
region = "eu-west-1"
endpoint_url = "{aws}"
access_key_id = "AKIACANARY"
secret_access_key = "canaryaws"
timeout_seconds = 0.3

[domains."ses.test"]
owner = "team"
platform = "aws"
mode = "enforce"
levers = ["configuration-set:acme"]
"""


def another_id(question: bytes) -> bytes:
    return bytes([question[0] ^ 1]) + dns_fakes.header(question, 0x8180)[1:] + question[12:]


def broken_record(question: bytes) -> bytes:
    """An answer with a TXT record whose length is not that of its data."""
    end = question.index(b"\0", 12) + 5
    head = question[:2] + b"\x81\x80" + b"\0\1\0\1\0\0\0\0"
    return head + question[12:end] + b"\xc0\x0c\0\x10\0\1\0\0\0\x05\0\x04\xffv=s"


def flood(question: bytes) -> tuple[bytes, ...]:
    return (b"", b"\xff", question, question[:5], *(bytes([n]) * 300 for n in range(50)))


NAME_SERVERS: dict[str, tuple[Reply, str]] = {
    "garbage.test": (dns_fakes.garbage, "unreadable"),
    "broken-record.test": (broken_record, "unreadable"),
    "refused.test": (dns_fakes.rcode(5), "refused"),
    "nothing.test": (dns_fakes.silent, "timeout"),
    "another-id.test": (another_id, "unreadable"),
    "flood.test": (flood, "unreadable"),
    "tcp-only.test": (dns_fakes.truncated, "network"),
    "servfail.test": (dns_fakes.rcode(2), "servfail"),
}
DOMAINS = ("acme.com", *NAME_SERVERS)


@dataclass(frozen=True)
class World:
    """One daemon and all that it talks to."""

    door: Door
    sender: OwnSender
    aws: AwsHost

    @property
    def daemon(self) -> Daemon:
        return self.door.daemon


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    replies = dns_fakes.by_domain({name: reply for name, (reply, _) in NAME_SERVERS.items()}, dns_fakes.rcode(2))
    sender = OwnSender({name: DomainState() for name in DOMAINS}, SECRET)
    with mailbox() as box, sender, aws_host() as aws, dns_fakes.answering_beside(replies) as fake:
        daemon = Daemon(
            tmp_path_factory.mktemp("world"),
            sender,
            [box.channel],
            nameserver=fake.nameserver,
            domains=DOMAINS,
            look_seconds=0.3,
            call_seconds=1,
            more=MORE.format(aws=aws.url),
        )
        with running(daemon):
            yield World(Door(daemon), sender, aws)


@pytest.fixture(autouse=True)
def unharmed(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever was said to it: the loop turns, good mail is taken in, nothing was moved, and no secret told."""
    yield
    if "world" not in request.fixturenames:
        return
    world: World = request.getfixturevalue("world")
    world.sender.heal()
    world.door.turns()
    assert world.door.ready()
    assert world.door.report(event("delivered")).json["accepted"] == 1
    assert world.sender.domains == dict.fromkeys(DOMAINS, DomainState())
    assert all(call.method == "GET" for call in world.sender.calls)
    assert not [path for path in world.aws.calls if path.endswith("/sending")]
    assert world.daemon.ask(decisions.latest_all) == {}
    assert not tell_tales(world.daemon)


def tell_tales(daemon: Daemon) -> list[tuple[str, str]]:
    """Files that hold a secret, and which."""
    kept = [*daemon.folder.glob("deliverd.db*"), *daemon.folder.glob("log-*")]
    return [(path.name, canary) for path in kept for canary in CANARIES if canary.encode() in path.read_bytes()]


@pytest.mark.parametrize(("domain", "why"), [(name, why) for name, (_, why) in NAME_SERVERS.items()])
def test_dns(world: World, domain: str, why: str) -> None:
    world.daemon.until(lambda: len(unseen(world, domain)) >= 2, "both are told")
    assert [(source, of) for source, of, _ in unseen(world, domain)] == [("spf", why), ("dmarc", why)]
    assert all("127.0.0.1" in detail for _, _, detail in unseen(world, domain))
    assert world.door.metrics()[f'deliverd_looks_unseen_total{{source="spf",why="{why}"}}'] >= 1


def unseen(world: World, domain: str) -> list[tuple[str, str, str]]:
    lines = [line for line in world.daemon.logged() if line["event"] == "could not look" and line["domain"] == domain]
    return [(line["source"], line["why"], line["detail"]) for line in lines if line["source"] in ("spf", "dmarc")]


@pytest.mark.parametrize(
    ("fault", "why", "words"),
    [
        (Fault.HTML, "unreadable", "no state of a domain in it"),
        (Fault.NO_STATE, "unreadable", "no state of a domain in it"),
        (Fault.NO_CONTENT, "unreadable", "no state of a domain in it"),
        (Fault.ERROR_INSIDE, "refused", "the sender refuses: the queue is busy"),
        (Fault.HUGE, "unreadable", "the answer is longer than"),
        (Fault.ANOTHER_DOMAIN, "unreadable", "it answers about another domain"),
        (Fault.REDIRECT, "refused", "redirects are not followed"),
        (Fault.SILENT, "timeout", "no answer within 1 s"),
        (Fault.BROKEN, "servfail", "500"),
        (Fault.UNAUTHORIZED, "denied", "401"),
        (Fault.TELLS_THE_SECRET, "refused", "<b>wanted</b> **********"),
    ],
    ids=lambda value: value.name if isinstance(value, Fault) else "",
)
def test_a_platform(world: World, fault: Fault, why: str, words: str) -> None:
    watch = Watch(world.door)
    world.sender.fail(fault)
    key = f'deliverd_looks_unseen_total{{source="webhook",why="{why}"}}'
    world.daemon.until(lambda: told(watch, "could not look", why=why) == set(DOMAINS), "it is told of each")
    assert watch.counted(key) >= len(DOMAINS)
    assert all(words in line["detail"] for line in watch.said("could not look") if line["why"] == why)
    world.sender.heal()
    world.daemon.until(lambda: told(watch, "can look again") == set(DOMAINS), "it is over")


def told(watch: Watch, event: str, **also: str) -> set[str]:
    """The domains of which that was said about the sender's platform."""
    lines = [line for line in watch.said(event) if line["source"] == "webhook"]
    return {line["domain"] for line in lines if line.items() >= also.items()}


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ((200, b"<html>Please log in</html>"), "unreadable"),
        ((200, b"[]"), "unreadable"),
        ((200, b"null"), "unreadable"),
        ((200, b'{"__type": "InternalFailure", "message": "no"}'), "unreadable"),
        ((200, b'{"SendingEnabled": "yes", "SendQuota": "none"}'), "unreadable"),
        ((403, b'{"__type": "AccessDenied", "message": "you sent AUTHORIZATION"}'), "denied"),
        ((400, b'{"__type": "BadRequest", "message": "no"}'), "refused"),
    ],
    ids=["a page", "a list", "null", "an error inside", "other types", "quotes the request", "refuses"],
)
def test_amazon(world: World, answer: tuple[int, bytes], why: str) -> None:
    watch = Watch(world.door)
    world.aws.answer = answer
    key = f'deliverd_looks_unseen_total{{source="ses",why="{why}"}}'
    world.daemon.until(lambda: watch.counted(key), "it is counted")


def test_amazon_says_nothing(world: World) -> None:
    watch = Watch(world.door)
    world.aws.silent = True
    key = 'deliverd_looks_unseen_total{source="ses",why="timeout"}'
    world.daemon.until(lambda: watch.counted(key), "it is counted")
    world.aws.silent = False


def test_a_refused_pause_is_told_without_the_secret_and_without_markup(tmp_path: Path) -> None:
    """What the platform says goes into log, history and mails: as text, less the secret. One dead channel is no end."""
    with mailbox() as box, OwnSender(secret=SECRET) as sender:
        with running(Daemon(tmp_path, sender, [CHANNEL, box.channel], wait=0.5)) as daemon:
            sender.fail(Fault.TELLS_THE_SECRET, methods=["POST"])
            row = event("complained", feedback_type="<b>abuse</b>")
            assert sender.report(daemon.hook, [*spike(), row])[0] == 200
            daemon.until(lambda: any("UNCONFIRMED" in subject for subject in box.subjects), "somebody is paged")
            assert 'deliverd_actions_total{outcome="failed"}' in Door(daemon).metrics()
            assert daemon.stop() == 0
        told = "\n".join(mail.as_string() for mail in box.mails)
        assert "<b>wanted</b> **********" in box.text(0)
        assert {part.get_content_type() for mail in box.mails for part in mail.walk()} == {"text/plain"}
        assert not tell_tales(daemon)
        assert not [canary for canary in CANARIES if canary in told]


def test_a_log_for_people_keeps_each_event_on_its_line(tmp_path: Path) -> None:
    with mailbox() as box, OwnSender() as sender:
        daemon = Daemon(tmp_path, sender, [box.channel], more='[log]\nformat = "text"')
        with running(daemon):
            door = Door(daemon)
            assert door.send(b"{}", path="/hooks/x%0astopped%20%20by%20ann%1b%5b2J%e2%80%ae").status == 404
            daemon.until(lambda: "unknown-account" in daemon.log_path.read_text(), "it is logged")
        log = daemon.log_path.read_text()
        assert "\x1b" not in log
        assert "\u202e" not in log
        assert not [line for line in log.splitlines() if line.startswith("stopped")]


def test_told_to_stop_it_waits_for_nobody_who_takes_for_ever(tmp_path: Path) -> None:
    with mailbox() as box, OwnSender() as sender, dns_fakes.answering_beside(dns_fakes.silent) as fake:
        daemon = Daemon(tmp_path, sender, [box.channel], nameserver=fake.nameserver, dns_seconds=60, request_seconds=1)
        with running(daemon):
            head = "POST /hooks/mail HTTP/1.1\nhost: x\ncontent-length: 1000\n\n"
            with Door(daemon).begin(head, b"{") as slow, Door(daemon).begin("POST /hooks") as slower:
                daemon.until(lambda: fake.over_udp, "it asks a name server that does not answer")
                assert daemon.stop() == 0
                assert slow.recv(100).startswith(b"HTTP/1.1 408")
                assert slower.recv(100) == b""
        assert "cut off" not in [line["event"] for line in daemon.logged()]
