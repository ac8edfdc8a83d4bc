"""Complaints, bounces and unsubscribe mails as they come, and a reporter who signs them with a key of his own."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

import dkim
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from probes.observation import Why
from probes.resolver import Absent, Answer, Found, NotAsked

YAHOO = "arf.mail.yahoo.com"
DATE = "Sun, 22 Nov 2026 11:00:00 +0000"
SENT = "Sun, 22 Nov 2026 09:30:00 +0000"

ORIGINAL = f"""\
Return-Path: <bounce-77@bounces.esp.test>
DKIM-Signature: v=1; a=rsa-sha256; d=esp.test; s=e; h=from; bh=AAAA; b=AAAA
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=mail.acme.test;
 s=s1; h=from:to; bh=AAAA; b=AAAA
Received: from mail.acme.test (192.0.2.1) by mta.yahoo.com with SMTP; {SENT}
From: "Acme, Inc." <news@acme.test>
To: someone@yahoo.com
Date: {SENT}
Message-ID: <1.2@acme.test>
Subject: News
Content-Type: text/plain

News!
"""

ARF = """\
From: Yahoo! Mail AntiSpam Feedback <feedback@arf.mail.yahoo.com>
To: fbl@acme.test
Date: {date}
Subject: FW: News
Message-ID: <{number}@arf.mail.yahoo.com>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="=_b{number}"

This is a multi-part message in MIME format.

--=_b{number}
Content-Type: text/plain; charset=US-ASCII

This is an email abuse report for an email message.

--=_b{number}
Content-Type: message/feedback-report

{fields}

--=_b{number}
Content-Type: {original_type}

{original}
--=_b{number}--
"""

FIELDS = """\
Feedback-Type: {type}
User-Agent: Yahoo!-Mail-Feedback/2.0
Version: 1
Original-Mail-From: <bounce-77@bounces.esp.test>
Original-Rcpt-To: {complainer}
Arrival-Date: Sun, 22 Nov 2026 10:00:00 +0000
Reported-Domain: esp.test
Source-IP: 192.0.2.1"""

DSN = """\
From: Mail Delivery Subsystem <mailer-daemon@googlemail.com>
To: bounce-77@acme.test
Date: {date}
Subject: Delivery Status Notification (Failure)
Message-ID: <dsn1@googlemail.com>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="dsn"

--dsn
Content-Type: text/plain

It failed.

--dsn
Content-Type: message/delivery-status

Reporting-MTA: dns; googlemail.com
Arrival-Date: {date}

{blocks}

--dsn
Content-Type: text/rfc822-headers

{original}
--dsn--
"""

UNSUBSCRIBE = f"""\
From: Someone <someone@icloud.com>
To: unsubscribe-abc123@acme.test
Date: {DATE}
Message-ID: <u1@icloud.com>
Subject: unsubscribe
Content-Type: text/plain

Please.
"""


def arf(
    type: str = "abuse",
    *,
    number: int = 1,
    complainer: str = "someone@yahoo.com",
    fields: str = FIELDS,
    original: str = ORIGINAL,
    original_type: str = "message/rfc822",
    date: str = DATE,
) -> bytes:
    """A complaint of Yahoo's."""
    told = fields.format(type=type, complainer=complainer)
    text = ARF.format(date=date, number=number, fields=told, original=original, original_type=original_type)
    return text.encode()


def dsn(*recipients: tuple[str, str, str], original: str = ORIGINAL) -> bytes:
    """A bounce of Gmail's: address, action and status of each recipient."""
    blocks = "\n\n".join(
        f"Final-Recipient: rfc822; {address}\nAction: {action}\nStatus: {status}"
        for address, action, status in recipients
    )
    return DSN.format(date=DATE, blocks=blocks, original=original.partition("\n\n")[0] + "\n").encode()


@cache
def _key(bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


def private(bits: int = 1024) -> bytes:
    """The reporter's key, in PEM."""
    return _key(bits).private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


def record(bits: int = 1024) -> str:
    """What DNS says of it."""
    der = _key(bits).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"v=DKIM1; k=rsa; p={base64.b64encode(der).decode()}"


def signed(mail: bytes, domain: str = YAHOO, *, bits: int = 1024, fields: tuple[bytes, ...] | None = None) -> bytes:
    """The mail with a signature of `domain` by selector `r`, over `fields` or what is usual."""
    crlf = mail.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    header: bytes = dkim.sign(
        crlf,
        b"r",
        domain.encode(),
        private(bits),
        canonicalize=(b"relaxed", b"relaxed"),
        include_headers=list(fields) if fields else [b"from", b"to", b"date", b"subject", b"content-type"],
    )
    return header + crlf


@dataclass
class Keys:
    """A resolver by a literal table: a TXT record by name; None: the server fails. It keeps what it was asked."""

    table: Mapping[str, str | None] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def ask(self, name: str, rdtype: str) -> Answer:
        self.asked.append(f"{name} {rdtype}")
        if name not in self.table:
            return Absent(nxdomain=True)
        text = self.table[name]
        if text is None:
            return NotAsked(Why.SERVFAIL, f"{name} TXT: 192.0.2.53 said SERVFAIL")
        return Found((text.encode(),))


def keys(*domains: str, bits: int = 1024) -> Keys:
    """A resolver that knows the key `r` of these domains, or of Yahoo's reporter."""
    return Keys({f"r._domainkey.{domain}": record(bits) for domain in domains or (YAHOO,)})
