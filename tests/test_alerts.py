"""The door alerts leave by, against a real SMTP server and a real web hook: delivered, refused, nobody; no URL."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as email_policy

import pytest
import pytest_asyncio
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from pydantic import SecretStr
from pytest_httpserver import HTTPServer

from deliverd.alerts import Delivery, send

SECRET = "hunter2-do-not-print"
TITLE, BODY = (
    "PAGE acme.com is PAUSED",
    "Why   6 complaints about 2,000 messages: 0.3 %\nMore  deliverd explain acme.com",
)


class Mailbox:
    """An SMTP server on loopback that keeps its mail, or refuses every one of it with a reply of its own."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.logins: list[tuple[bytes, bytes]] = []
        self.reply = "250 taken"
        self.port = 0

    @property
    def url(self) -> str:
        return (
            f"mailto://growth:{SECRET}@127.0.0.1:{self.port}/?from=deliverd%40drill.test&to=growth%40drill.test"
            "&mode=insecure"
        )

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins.append((data.login, data.password))
        return AuthResult(success=True)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.reply.startswith("250"):
            assert isinstance(envelope.content, bytes)
            mail = message_from_bytes(envelope.content, policy=email_policy)
            assert isinstance(mail, EmailMessage)
            self.mails.append(mail)
        return self.reply


@pytest_asyncio.fixture
async def mailbox() -> AsyncIterator[Mailbox]:
    box = Mailbox()
    loop = asyncio.get_running_loop()

    def protocol() -> SMTP:
        return SMTP(box, hostname="mailbox", authenticator=box.authenticate, auth_require_tls=False, loop=loop)

    server = await loop.create_server(protocol, "127.0.0.1", 0)
    box.port = server.sockets[0].getsockname()[1]
    yield box
    server.close()


def hook(server: HTTPServer, path: str) -> str:
    return f"json://growth:{SECRET}@{server.host}:{server.port}{path}"


async def told(channels: Sequence[str]) -> Delivery:
    return await asyncio.to_thread(send, [SecretStr(channel) for channel in channels], TITLE, BODY)


async def test_a_mail_arrives_whole(mailbox: Mailbox) -> None:
    assert await told([mailbox.url]) == Delivery(True, "taken by mailto")
    (mail,) = mailbox.mails
    text = mail.get_body(("plain",))
    assert text is not None
    assert (mail["subject"], mail["to"]) == (TITLE, "growth@drill.test")
    assert text.get_content().rstrip().replace("\r\n", "\n") == BODY
    assert mailbox.logins == [(b"growth", SECRET.encode())]


async def test_a_web_hook_gets_the_title_and_the_text(httpserver: HTTPServer) -> None:
    httpserver.expect_oneshot_request("/alerts", method="POST").respond_with_data("", 200)
    assert await told([hook(httpserver, "/alerts")]) == Delivery(True, "taken by json")
    sent = httpserver.log[0][0].get_json()
    assert (sent["title"], sent["message"]) == (TITLE, BODY)


@pytest.mark.parametrize("status", [401, 404, 500])
async def test_a_web_hook_that_refuses(httpserver: HTTPServer, status: int) -> None:
    httpserver.expect_request("/alerts").respond_with_data("", status)
    assert await told([hook(httpserver, "/alerts")]) == Delivery(False, "refused by json")


async def test_a_mail_server_that_refuses(mailbox: Mailbox) -> None:
    mailbox.reply = "554 no"
    assert await told([mailbox.url]) == Delivery(False, "refused by mailto")
    assert mailbox.mails == []


async def test_a_server_that_is_not_there(unused_tcp_port: int) -> None:
    assert await told([f"json://x:{SECRET}@127.0.0.1:{unused_tcp_port}/"]) == Delivery(False, "refused by json")


async def test_one_channel_that_takes_it_is_enough_and_the_others_are_named(
    mailbox: Mailbox, httpserver: HTTPServer
) -> None:
    httpserver.expect_request("/alerts").respond_with_data("", 500)
    channels = [hook(httpserver, "/alerts"), mailbox.url, f"nosuch://{SECRET}"]
    delivery = await told(channels)
    assert delivery.sent
    assert delivery.detail.startswith("taken by mailto; refused by json, ")
    assert len(mailbox.mails) == 1


async def test_nobody_to_tell_is_not_told() -> None:
    assert await told([]) == Delivery(False, "the owner has no channel")


UNREADABLE = [
    pytest.param(f"nosuch://{SECRET}", id="a kind that Apprise does not know"),
    pytest.param(SECRET, id="no URL at all"),
    pytest.param(f"{SECRET}:x", id="a secret before a colon"),
    pytest.param(f"{SECRET}://host", id="a secret for a kind"),
    pytest.param("", id="nothing"),
    pytest.param(f"json://x:{SECRET}@", id="no host"),
    pytest.param(f"mailto://{SECRET}", id="no address"),
    pytest.param(f"slack://{SECRET}", id="tokens that do not fit"),
    pytest.param(f"json://x:{SECRET}@[::bad", id="a broken address"),
]


PEERS = ("werkzeug", "mail.log")
"""The loggers of the servers in this test, which of course see what they are sent."""


def printed(delivery: Delivery, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> str:
    """Everything that reached a person's eye: the detail, every log line of ours or a library's, both streams."""
    lines = [record.getMessage() for record in caplog.records if record.name not in PEERS]
    return "\n".join([delivery.detail, *lines, *capfd.readouterr()])


@pytest.mark.parametrize("channel", UNREADABLE)
async def test_a_channel_that_cannot_be_read_is_refused_and_never_printed(
    channel: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.DEBUG):
        delivery = await told([channel])
    assert not delivery.sent
    assert delivery.detail.startswith("refused by ")
    assert SECRET not in printed(delivery, caplog, capfd)


async def test_a_channel_that_works_or_refuses_is_never_printed(
    mailbox: Mailbox, httpserver: HTTPServer, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    httpserver.expect_request(f"/{SECRET}").respond_with_data("", 500)
    with caplog.at_level(logging.DEBUG):
        delivery = await told([mailbox.url, hook(httpserver, f"/{SECRET}?:token={SECRET}")])
    assert delivery == Delivery(True, "taken by mailto; refused by json")
    assert SECRET not in printed(delivery, caplog, capfd)
