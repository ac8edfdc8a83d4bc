"""What an aggregate report says: DMARC (RFC 7489, RFC 9990) of mail by its source, TLS-RPT (RFC 8460) of sessions."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

DMARC, TLS = "dmarc_reports", "tls_reports"
SOURCES = (DMARC, TLS)
"""The sources of the looks that such reports become. Nobody asks them, so none is expected by any time."""


class Unpackable(ValueError):  # noqa: N818 - a noun
    """An attachment that is not unpacked or not read: `code` is bomb, doctype or malformed."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


@dataclass(frozen=True, slots=True)
class Source:
    """The mail of one IP address in the name of one domain (`name`, its From): how many messages, and of them how many
    passed SPF and DKIM aligned with that domain, and one of the two, which is DMARC.
    """

    name: str
    ip: str
    messages: int
    spf_aligned: int
    dkim_aligned: int
    passed: int


@dataclass(frozen=True, slots=True)
class Sessions:
    """The TLS sessions to the mail servers of one domain, and of the failed ones how many by type of failure."""

    name: str
    ok: int
    failed: int
    failures: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One such report: whose it is by its own word, about which domain, and how many rows or policies it has.

    `begin` and `end` are the time it covers, None where it does not say. `policy` is the DMARC policy that the reporter
    found, "" if it names none. `unread` are the rows that could not be read; they are in no other number.
    """

    kind: Literal["dmarc-aggregate", "tls-rpt"]
    domain: str
    reporter: str
    rows: int
    begin: datetime | None = None
    end: datetime | None = None
    policy: str = ""
    sources: tuple[Source, ...] = ()
    sessions: tuple[Sessions, ...] = ()
    unread: int = 0
