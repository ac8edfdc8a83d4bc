"""A real SMTP server on loopback that keeps what it is handed, and the Apprise address that leads to it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as policy
from typing import Any

from aiosmtpd.controller import Controller

from peers.nsd import free_port


@dataclass(slots=True)
class Mailbox:
    """Every mail received, parsed. `refuse` makes it answer 451 to all."""

    mails: list[EmailMessage] = field(default_factory=list)
    refuse: bool = False
    port: int = 0

    @property
    def channel(self) -> str:
        return f"mailto://127.0.0.1:{self.port}/?from=deliverd@alerts.test&to=oncall@alerts.test&mode=insecure"

    @property
    def subjects(self) -> list[str]:
        return [str(mail["subject"]) for mail in self.mails]

    def text(self, index: int) -> str:
        body = self.mails[index].get_body(("plain",))
        assert body is not None
        return str(body.get_content())

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        if self.refuse:
            return "451 not now"
        message = message_from_bytes(envelope.content, policy=policy)
        assert isinstance(message, EmailMessage)
        self.mails.append(message)
        return "250 kept"


@contextmanager
def mailbox() -> Iterator[Mailbox]:
    box = Mailbox(port=free_port())
    controller = Controller(box, hostname="127.0.0.1", port=box.port)
    controller.start()
    try:
        yield box
    finally:
        controller.stop(no_assert=True)
