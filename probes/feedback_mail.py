"""A mailbox of reports: complaints, bounces and unsubscriptions, counted only when it is proven who wrote them.

What is counted: a complaint (ARF abuse, fraud, virus, other), an unsubscription (opt-out), a bounce (DSN). What is
not: `not-spam`, `auth-failure`, a delay. A report that nobody proves to have written, or whose writer is not believed
about such things (probes/reporters.py), is kept and shown, and changes nothing: otherwise anybody could have another
company's domain paused by mail. docs/feedback-mail.md.
"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, StringConstraints, model_validator

from probes import graph_mail, mail_report
from probes.attribution import Own
from probes.config import Secret, Strict
from probes.feedback_verdict import Rules, Verdict, judge, too_large
from probes.graph_mail import GraphMail, Place
from probes.graph_token import Application
from probes.imap import Account, Imap
from probes.mail_authentication import Authentication, authenticate
from probes.mail_report import Kind
from probes.mailbox import Box
from probes.maildir import Maildir
from probes.observation import Parsed, Window
from probes.reporters import Reporter
from probes.resolver import Ask

SOURCE = "feedback_mail"
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
MAX_MAIL_BYTES = 4 * 1024 * 1024

_Text = Annotated[str, StringConstraints(pattern=r"^[\x20-\x7e]{1,255}$")]
_Url = Annotated[str, StringConstraints(pattern=r"^https?://[\x21-\x7e]{1,255}[^/]$")]
_NEEDS = {
    "maildir": ("path",),
    "imap": ("host", "user", "password"),
    "graph": ("tenant", "client_id", "client_secret", "user"),
}


class Config(Strict):
    """`[sources.feedback_mail]`: a mailbox, of kind maildir (with `path`), imap (with `host`, `user` and `password`) or
    graph (Microsoft 365, with `tenant`, `client_id`, `client_secret` and `user`, the mailbox's address).

    `trusted_authserv_ids` are the names with which one's own mail servers sign Authentication-Results (RFC 8601);
    they must remove such fields that come from outside. `reporters` are believed besides probes/reporters.py.
    `own_headers` are fields of one's own mail that name its domain, `feedback_ids` ids in its Feedback-ID.
    """

    kind: Literal["maildir", "imap", "graph"]
    path: Path | None = None
    host: _Text | None = None
    port: int | None = Field(default=None, ge=1, le=65535)
    user: _Text | None = None
    password: Secret | None = None
    tenant: _Text | None = None
    client_id: _Text | None = None
    client_secret: Secret | None = None
    authority: _Url = graph_mail.AUTHORITY
    base_url: _Url = graph_mail.BASE_URL
    poll_seconds: float = Field(default=15, gt=0, le=3600, allow_inf_nan=False)
    folder: _Text = "INBOX"
    tls: Literal["implicit", "starttls", "none"] = "implicit"
    certificates: Path | None = None
    timeout_seconds: float = Field(default=30, gt=0, le=600, allow_inf_nan=False)
    trusted_authserv_ids: tuple[_Text, ...] = ()
    reporters: tuple[Reporter, ...] = ()
    own_headers: tuple[_Text, ...] = ()
    feedback_ids: dict[str, str] = Field(default_factory=dict)
    max_mail_bytes: int = Field(default=MAX_MAIL_BYTES, ge=65536, le=64 * 1024 * 1024)

    @model_validator(mode="after")
    def _complete(self) -> "Config":
        missing = [name for name in _NEEDS[self.kind] if getattr(self, name) is None]
        if missing:
            hint = ", the directory that holds new and cur" if self.kind == "maildir" else ""
            raise ValueError(f'kind = "{self.kind}" needs {", ".join(missing)}{hint}')
        if self.kind == "imap" and self.tls == "none" and self.host not in _LOOPBACK:
            raise ValueError('tls = "none" would send the password in clear: on a loopback address only')
        if not self.authority.startswith("https://"):
            raise ValueError("authority must begin with https://")
        if not self.base_url.startswith("https://") and urlsplit(self.base_url).hostname not in _LOOPBACK:
            raise ValueError("base_url must begin with https://, or be a loopback address: a token is sent there")
        return self

    def box(self) -> Box:
        """The mailbox. Opens nothing yet."""
        if self.path is not None and self.kind == "maildir":
            return Maildir(self.path)
        if self.kind == "graph":
            return self._graph()
        assert self.host is not None and self.user is not None and self.password is not None
        return Imap(
            Account(
                self.host,
                self.port or (993 if self.tls == "implicit" else 143),
                self.user,
                self.password,
                self.folder,
                self.tls,
                str(self.certificates) if self.certificates else None,
                self.timeout_seconds,
            )
        )

    def _graph(self) -> GraphMail:
        assert self.tenant and self.client_id and self.client_secret and self.user
        application = Application(
            f"{self.authority}/{self.tenant}",
            self.client_id,
            self.client_secret,
            urlsplit(self.base_url)._replace(path="", query="").geturl(),
            str(self.certificates) if self.certificates else None,
            self.timeout_seconds,
        )
        place = Place(self.base_url, self.user, self.folder, self.timeout_seconds, self.poll_seconds)
        return GraphMail(application, place)

    @property
    def rules(self) -> Rules:
        """What the judgement needs of this configuration."""
        return Rules(self.reporters, Own(self.own_headers, self.feedback_ids))


@dataclass(frozen=True, slots=True)
class Collected:
    """One mail of a mailbox and what is made of it.

    `id` is what it is acknowledged by; `raw_digest` the SHA-256 of what was read of it. With `again` it is not to be
    acknowledged: it will be read again. With `odd`, a person should look at it, in its mailbox, where it stays.
    """

    id: str
    raw_digest: str
    verdict: Verdict

    @property
    def parsed(self) -> Parsed:
        return self.verdict.parsed

    @property
    def again(self) -> bool:
        return self.verdict.code == "undecided"

    @property
    def odd(self) -> bool:
        return bool(self.parsed.rejects)


async def collect(
    config: Config, ask: Ask | None, window: Window, watched: Collection[str] | None = None
) -> AsyncGenerator[Collected, None]:
    """What the mails say that were not acknowledged yet, one at a time. Marks and deletes nothing.

    `watched` are the domains that are looked after. Raises MailboxFault; what was collected before holds.
    """
    async with aclosing(config.box().mails(config.max_mail_bytes)) as mails:
        async for mail in mails:
            verdict = await examine(
                mail.raw,
                whole=mail.whole,
                rules=config.rules,
                trusted=config.trusted_authserv_ids,
                ask=ask,
                window=window,
                watched=watched,
            )
            yield Collected(mail.id, hashlib.sha256(mail.raw).hexdigest(), verdict)


async def acknowledge(config: Config, ids: Sequence[str], odd: Sequence[str] = ()) -> None:
    """Mark mails as done, after what they say was committed; `odd` ones for a person, too. Raises MailboxFault."""
    await config.box().acknowledge(ids, odd)


async def wait(config: Config, after: str, seconds: float) -> str:
    """Until a mail comes in, or `seconds` are over: see `Box.wait`. Raises MailboxFault."""
    return await config.box().wait(after, seconds)


async def examine(
    raw: bytes,
    *,
    whole: bool = True,
    rules: Rules | None = None,
    trusted: Sequence[str] = (),
    ask: Ask | None = None,
    window: Window,
    watched: Collection[str] | None = None,
) -> Verdict:
    """What one mail is, who wrote it, and whether it counts. Never raises for what the mail holds."""
    # In a thread: to unpack what a stranger packed takes a while, and everything else would wait.
    report = await asyncio.to_thread(mail_report.read, raw)
    proof = Authentication(why="nothing in it would be counted")
    if report.kind is not Kind.UNKNOWN:
        proof = await authenticate(raw, whole=whole, trusted=trusted, ask=ask)
    verdict = judge(report, proof, window, rules or Rules(), watched)
    return verdict if whole else too_large(verdict)
