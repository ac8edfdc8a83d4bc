"""A mailbox at a real IMAP server: read without marking, marked when acknowledged, and told of new mail by IDLE."""

import asyncio
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from pydantic import SecretStr

from peers.dovecot import PASSWORD, Dovecot, serving
from peers.nsd import free_port
from peers.report_mails import arf, keys, signed
from probes.feedback_mail import Config, acknowledge, collect
from probes.imap import DONE, Account, Imap
from probes.mailbox import MailboxFault
from probes.observation import Why, Window


@pytest.fixture(scope="module")
def dovecot() -> Iterator[Dovecot]:
    with serving() as server:
        yield server


def account(server: Dovecot, user: str, **changed: Any) -> Account:
    values = {"port": server.tls_port, "certificates": str(server.certificate), "timeout_seconds": 20.0}
    return Account(**({"host": "127.0.0.1", "user": user, "password": SecretStr(PASSWORD)} | values | changed))


async def read(box: Imap, most_bytes: int = 1 << 20) -> list[tuple[str, int, bool]]:
    return [(mail.id.partition(":")[2], mail.size, mail.whole) async for mail in box.mails(most_bytes)]


async def test_nothing_is_marked_before_it_is_acknowledged(dovecot: Dovecot, now: Any) -> None:
    dovecot.deliver("acme", signed(arf()), arf(number=2), signed(arf("not-spam")))
    config = Config(
        kind="imap",
        host="127.0.0.1",
        port=dovecot.tls_port,
        user="acme",
        password=PASSWORD,
        certificates=dovecot.certificate,
    )
    found = [one async for one in collect(config, keys().ask, Window(now))]
    assert [one.verdict.code for one in found] == ["counted", "unauthenticated", "no-complaint"]
    assert dovecot.flags("acme") == [set(), set(), set()]
    assert found == [one async for one in collect(config, keys().ask, Window(now))]
    await acknowledge(config, [found[0].id], odd=[found[1].id])
    assert dovecot.flags("acme") == [{DONE, "\\Seen"}, {DONE, "\\Seen", "\\Flagged"}, set()]
    assert [one.id async for one in collect(config, None, Window(now))] == [found[2].id]


async def test_a_mail_that_a_person_opened_is_read_all_the_same(dovecot: Dovecot) -> None:
    dovecot.deliver("opened", arf())
    imap = dovecot.login("opened")
    imap.store("1", "+FLAGS", "\\Seen")
    imap.logout()
    assert len(await read(Imap(account(dovecot, "opened")))) == 1


async def test_ids_of_an_older_mailbox_mark_nothing(dovecot: Dovecot) -> None:
    dovecot.deliver("moved", arf())
    await Imap(account(dovecot, "moved")).acknowledge(["1:1"])
    assert dovecot.flags("moved") == [set()]


async def test_an_empty_mailbox_and_one_whose_mails_are_gone(dovecot: Dovecot) -> None:
    assert await read(Imap(account(dovecot, "empty"))) == []
    dovecot.deliver("some", arf(), arf(number=2), arf(number=3))
    found = []
    async for mail in Imap(account(dovecot, "some")).mails(1 << 20):
        found.append(mail.id)
        imap = dovecot.login("some")
        imap.store("1:*", "+FLAGS", "\\Deleted")
        imap.expunge()
        imap.logout()
    assert len(found) <= 3
    assert await read(Imap(account(dovecot, "some"))) == []


async def test_a_large_mail_comes_in_part(dovecot: Dovecot) -> None:
    large = arf() + b"x" * 3_000_000
    dovecot.deliver("large", large, arf())
    first, second = await read(Imap(account(dovecot, "large")), 1 << 20)
    assert first[1] > 3_000_000 and not first[2]
    assert second[2]


async def test_idle_tells_of_a_new_mail(dovecot: Dovecot) -> None:
    box = Imap(account(dovecot, "idle"))
    token = await box.wait("", 60)
    assert await box.wait(token, 0.2) == token
    waiting = asyncio.create_task(box.wait(token, 60))
    # A mail that comes before IDLE has begun is seen by the number that the next one would have.
    for number in range(3):
        await asyncio.sleep(0.3)
        await asyncio.to_thread(dovecot.deliver, "idle", arf(number=number))
        if waiting.done():
            break
    assert await asyncio.wait_for(waiting, 30) != token


async def test_waiting_can_be_called_off(dovecot: Dovecot) -> None:
    box = Imap(account(dovecot, "off"))
    token = await box.wait("", 60)
    waiting = asyncio.create_task(box.wait(token, 600))
    await asyncio.sleep(0.3)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(waiting, 30)


@pytest.mark.parametrize("tls", ["starttls", "none"])
async def test_the_other_ways_in(dovecot: Dovecot, tls: Any) -> None:
    dovecot.deliver(tls, arf())
    assert len(await read(Imap(account(dovecot, tls, tls=tls, port=dovecot.port)))) == 1


@pytest.mark.parametrize(
    ("changed", "why", "words"),
    [
        ({"password": SecretStr("wrong-one")}, Why.DENIED, "refuses the login of x"),
        ({"folder": 'No"such'}, Why.DENIED, "there is no folder"),
        ({"certificates": None}, Why.NETWORK, "TLS: CERTIFICATE_VERIFY_FAILED"),
    ],
)
async def test_what_the_server_does_not_let_in(dovecot: Dovecot, changed: Any, why: Why, words: str) -> None:
    with pytest.raises(MailboxFault, match=words) as fault:
        await read(Imap(account(dovecot, "x", **changed)))
    assert fault.value.why is why
    assert "wrong-one" not in str(fault.value) and PASSWORD not in str(fault.value)


GREETING = b"* OK ready\r\n"
ANSWERS: dict[str, bytes | None] = {
    "CAPABILITY": b"* CAPABILITY IMAP4rev1 IDLE\r\nTAG OK done\r\n",
    "LOGIN": b"TAG OK done\r\n",
    "SELECT": (
        b"* 1 EXISTS\r\n* OK [PERMANENTFLAGS (\\Seen)] x\r\n"
        b"* OK [UIDVALIDITY 7] x\r\n* OK [UIDNEXT 9] x\r\nTAG OK done\r\n"
    ),
    "FETCH": b"* 1 FETCH (UID 8)\r\nTAG OK done\r\n",
    "UID SEARCH": b"* SEARCH 8\r\nTAG OK done\r\n",
    "UID FETCH": b"* 1 FETCH (UID 8 BODY[]<0> {5}\r\nA: b\n RFC822.SIZE 5)\r\nTAG OK done\r\n",
    "UID STORE": b"TAG OK done\r\n",
    "IDLE": b"+ idling\r\n* 2 EXISTS\r\n",
    "LOGOUT": b"* BYE\r\nTAG OK done\r\n",
}


@contextmanager
def speaking(changed: Mapping[str, bytes | None], greeting: bytes = GREETING) -> Iterator[tuple[Imap, list[str]]]:
    """A literal server: an answer for each command, None for silence, b"" for hanging up. And what it was told."""
    answers = ANSWERS | dict(changed)
    told: list[str] = []

    def converse(client: socket.socket) -> None:
        with client, client.makefile("rwb") as stream, suppress(OSError):
            stream.write(greeting)
            stream.flush()
            while line := stream.readline().decode():
                tag, _, command = line.strip().partition(" ")
                told.append(command)
                name = next((name for name in answers if command.startswith(name)), "")
                answer = answers.get(name)
                if answer == b"":
                    return
                if answer is not None:
                    stream.write(answer.replace(b"TAG", tag.encode()))
                    stream.flush()

    def serve() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=converse, args=(server.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, daemon=True).start()
        port = server.getsockname()[1]
        try:
            yield Imap(Account("127.0.0.1", port, "u", SecretStr("hush-hush"), tls="none", timeout_seconds=0.5)), told
        finally:
            server.shutdown(socket.SHUT_RDWR)


async def test_a_server_without_keywords_is_read_by_the_flag_seen() -> None:
    with speaking({}) as (box, told):
        assert await read(box) == [("8", 5, True)]
        await box.acknowledge(["7:8"])
        assert await box.wait("7:9", 5) == ""
    assert "UID SEARCH UID 8:20007 UNSEEN" in told
    assert "UID STORE 8 +FLAGS.SILENT (\\Seen)" in told


async def test_a_server_without_idle_is_not_waited_for() -> None:
    with speaking({"CAPABILITY": b"* CAPABILITY IMAP4rev1\r\nTAG OK done\r\n"}) as (box, _):
        assert await box.wait("7:9", 600) == "7:9"


async def test_a_mail_that_is_gone_is_passed_over() -> None:
    with speaking({"UID FETCH": b"TAG OK done\r\n"}) as (box, _):
        assert await read(box) == []


async def test_a_mail_without_a_size_is_as_long_as_it_came() -> None:
    with speaking({"UID FETCH": b"* 1 FETCH (UID 8 BODY[]<0> {5}\r\nA: b\n)\r\nTAG OK done\r\n"}) as (box, _):
        assert await read(box) == [("8", 5, True)]


async def test_a_first_id_that_is_not_told_is_one() -> None:
    with speaking({"FETCH": b"TAG OK done\r\n"}) as (box, told):
        assert await read(box) == [("8", 5, True)]
    assert "UID SEARCH UID 1:20000 UNSEEN" in told


@pytest.mark.parametrize("command", ["LOGIN", "SELECT", "FETCH", "UID SEARCH", "UID FETCH"])
@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (None, Why.TIMEOUT),
        (b"", Why.NETWORK),
        (b"TAG BAD no\r\n", None),
        (b"TAG NO no\r\n", None),
        (b"\xff\xfe garbage\r\n", Why.NETWORK),
    ],
)
async def test_a_server_that_fails_at_any_step(command: str, answer: bytes | None, why: Why | None) -> None:
    with speaking({command: answer}) as (box, _):
        with pytest.raises(MailboxFault) as fault:
            await read(box)
    refusal = Why.DENIED if command in ("LOGIN", "SELECT") else Why.UNREADABLE
    assert fault.value.why is (why or refusal) or (command, answer) == ("SELECT", b"TAG BAD no\r\n")
    assert "hush" not in str(fault.value)


@pytest.mark.parametrize(
    ("changed", "why", "words"),
    [
        ({"SELECT": ANSWERS["SELECT"].replace(b"TAG OK", b"TAG OK [READ-ONLY]")}, Why.DENIED, "only be read"),  # type: ignore[union-attr]
        ({"SELECT": b"* 1 EXISTS\r\nTAG OK done\r\n"}, Why.UNREADABLE, "not IMAP"),
        ({"UID SEARCH": b"* SEARCH x\r\nTAG OK done\r\n"}, Why.UNREADABLE, "not IMAP"),
    ],
)
async def test_answers_that_cannot_be_used(changed: Mapping[str, bytes], why: Why, words: str) -> None:
    with speaking(changed) as (box, _), pytest.raises(MailboxFault, match=words) as fault:
        await read(box)
    assert fault.value.why is why


async def test_marks_that_are_refused() -> None:
    with speaking({"UID STORE": b"TAG NO read only\r\n"}) as (box, _):
        with pytest.raises(MailboxFault, match="does not let mails be marked") as fault:
            await box.acknowledge(["7:8"])
    assert fault.value.why is Why.DENIED


@pytest.mark.parametrize(
    ("answer", "why"), [(b"TAG BAD no\r\n", Why.UNREADABLE), (b"", Why.NETWORK), (b"+ idling\r\n* 2 EXISTS\r\n", None)]
)
async def test_idle_that_is_refused_or_cut(answer: bytes, why: Why | None) -> None:
    with speaking({"IDLE": answer}) as (box, _):
        if why is None:
            assert await box.wait("7:9", 5) == ""
            return
        with pytest.raises(MailboxFault) as fault:
            await box.wait("7:9", 5)
    assert fault.value.why is why


@pytest.mark.parametrize("greeting", [b"* BYE\r\n", b"garbage\r\n", b""])
async def test_a_server_that_is_none(greeting: bytes) -> None:
    with speaking({}, greeting) as (box, _), pytest.raises(MailboxFault):
        await read(box)


async def test_nobody_there() -> None:
    box = Imap(Account("127.0.0.1", free_port(), "u", SecretStr("p"), tls="none"))
    with pytest.raises(MailboxFault, match="Connection refused"):
        await read(box)
