"""How fast feedback mails are read, and that their number costs no memory.

    python benchmarks/feedback.py [--mails 100000] [--every 10000]

Fills a maildir with complaints signed by one reporter, bounces, unsubscribe mails, and, one in a thousand each, a
damaged mail, a zip bomb, an XML entity bomb and a mail of 50 MB (a sparse file). Then reads it as the daemon does:
every signature is checked, and each mail is acknowledged. Prints mails a second and the memory of the process as it
goes; ends with 1 when memory grew by more than 50 MB after the first tenth.
"""

import argparse
import asyncio
import gzip
import sys
import tempfile
import time
from base64 import b64encode, encodebytes
from collections import Counter
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

import dkim
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from probes.feedback_mail import Config, acknowledge, collect
from probes.observation import Window
from probes.resolver import Absent, Answer, Found

REPORTER = "arf.mail.yahoo.com"
BATCH = 500
ALLOWED_KB = 50 * 1024
KEY = rsa.generate_private_key(65537, 1024)
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
RECORD = b"v=DKIM1; p=" + b64encode(
    KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
)
ENTITIES = (
    b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]><feedback>&b;</feedback>'
)


def complaint(number: int, date: str) -> bytes:
    text = (
        f"From: feedback@{REPORTER}\r\nTo: fbl@acme.example\r\nDate: {date}\r\nSubject: FW: News\r\n"
        'Content-Type: multipart/report; report-type=feedback-report; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nThis is an email abuse report.\r\n"
        "--b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nUser-Agent: x\r\nVersion: 1\r\n"
        f"Original-Rcpt-To: u{number}@yahoo.com\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n"
        f"DKIM-Signature: v=1; d=d{number % 1000}.example; s=s; b=x\r\nFrom: news@d{number % 1000}.example\r\n"
        f"Date: {date}\r\nMessage-ID: <{number}@d.example>\r\n\r\n{'News! ' * 200}\r\n--b--\r\n"
    ).encode()
    fields = [b"from", b"to", b"date", b"content-type"]
    return bytes(dkim.sign(text, b"s", REPORTER.encode(), PEM, include_headers=fields)) + text


def bounce(number: int, date: str) -> bytes:
    return (
        f"From: mailer-daemon@mx{number % 50}.example\nDate: {date}\n"
        "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n"
        "Content-Type: message/delivery-status\n\nReporting-MTA: dns; mx\n\n"
        f"Final-Recipient: rfc822; u{number}@x.example\nAction: failed\nStatus: 5.1.1\n\n--b\n"
        f"Content-Type: text/rfc822-headers\n\nFrom: a@d{number % 1000}.example\n"
        f"Message-ID: <{number}@d.example>\n--b--\n"
    ).encode()


def packed(content: bytes) -> bytes:
    head = b"From: a@b.example\nContent-Type: application/gzip\nContent-Transfer-Encoding: base64\n\n"
    return head + encodebytes(content)


def fill(folder: Path, mails: int) -> None:
    date = format_datetime(datetime.now(UTC))
    bomb = packed(gzip.compress(b"<feedback>" + b" " * (200 << 20)))
    asks = b"From: u@icloud.com\nTo: unsubscribe-x@acme.example\nSubject: unsubscribe\n\nplease\n"
    for number in range(mails):
        path = folder / "new" / f"{number}.bench"
        odd = {0: bomb, 1: packed(ENTITIES), 2: complaint(number, date)[:700], 3: b"From: a@b.example\n\n"}
        if number % 1000 in odd:
            path.write_bytes(odd[number % 1000])
            if number % 1000 == 3:
                with path.open("r+b") as file:
                    file.truncate(50 << 20)
        elif number % 10 < 7:
            path.write_bytes(complaint(number, date))
        else:
            path.write_bytes(bounce(number, date) if number % 10 < 9 else asks)


def memory_kb() -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1])


async def ask(name: str, _: str) -> Answer:
    return Found((RECORD,)) if name == f"s._domainkey.{REPORTER}" else Absent(nxdomain=True)


async def read(folder: Path, every: int) -> int:
    config = Config(kind="maildir", path=folder)
    window = Window(datetime.now(UTC))
    found: Counter[str] = Counter()
    memory: list[int] = []
    batch: list[str] = []
    started = time.perf_counter()
    async for one in collect(config, ask, window):
        found[one.verdict.code] += 1
        batch.append(one.id)
        if len(batch) == BATCH:
            await acknowledge(config, batch)
            batch = []
        if found.total() % every == 0:
            memory.append(memory_kb())
            rate = found.total() / (time.perf_counter() - started)
            print(f"{found.total():>8,} mails  {rate:,.0f}/s  {memory[-1] / 1024:.0f} MB", flush=True)
    await acknowledge(config, batch)
    print("  ".join(f"{code} {count:,}" for code, count in found.most_common()))
    grown = max(memory, default=0) - (memory[0] if memory else 0)
    print(f"memory grew by {grown / 1024:.1f} MB after the first {every:,}")
    return 0 if grown <= ALLOWED_KB else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mails", type=int, default=100_000)
    parser.add_argument("--every", type=int, default=10_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("new", "cur", "tmp"):
            (folder / part).mkdir()
        fill(folder, options.mails)
        return asyncio.run(read(folder, options.every))


if __name__ == "__main__":
    sys.exit(main())
