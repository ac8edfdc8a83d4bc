"""The on-call mailbox of the drill: an SMTP server on loopback that keeps every alert it is handed (RFC 5321)."""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as email_policy
from urllib.parse import quote

from aiosmtpd.smtp import SMTP, Envelope, Session

from deliverd.drill.diary import Diary, What

ADDRESS = "oncall@drill.test"


@dataclass(frozen=True, slots=True)
class AlertMail:
    """An alert as its reader gets it."""

    at: datetime
    to: tuple[str, ...]
    subject: str
    body: str


class Mailbox:
    """Takes every mail for everybody, writes it into the diary and keeps it."""

    def __init__(self, diary: Diary) -> None:
        self.mails: list[AlertMail] = []
        self.port = 0
        self._diary = diary
        self._server: asyncio.Server | None = None

    @property
    def channel(self) -> str:
        """The Apprise address of this mailbox."""
        to, sender = quote(ADDRESS), quote("deliverd@drill.test")
        return f"mailto://127.0.0.1:{self.port}/?from={sender}&to={to}&mode=insecure"

    async def start(self) -> int:
        """Listen on a free port of 127.0.0.1; returns it. Raises OSError."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: SMTP(self, hostname="mailbox.drill.test", loop=loop), "127.0.0.1", 0
        )
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self.port

    async def stop(self) -> None:
        """Stop listening. May be called twice."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    async def handle_DATA(  # noqa: N802 - the name aiosmtpd calls
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Keep one mail. The answer is SMTP's."""
        content = envelope.content or b""
        mail = message_from_bytes(content if isinstance(content, bytes) else content.encode(), policy=email_policy)
        subject = str(mail["Subject"] or "")
        happening = self._diary.write(What.ALERT, "", subject)
        self.mails.append(AlertMail(happening.at, tuple(envelope.rcpt_tos), subject, _text(mail)))
        return "250 Kept"


def _text(mail: EmailMessage) -> str:
    part = mail.get_body(("plain", "html"))
    return str(part.get_content()) if part is not None else ""
