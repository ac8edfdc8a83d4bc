"""How fast feedback mails become stored events, that their number costs no memory, and what a hostile one costs.

    python benchmarks/feedback.py [--mails 100000] [--every 10000]

Fills a maildir and takes it in as the daemon does: every signature is checked, and events are committed to a store
(SQLite) before their mails are marked. Of a thousand mails, one each is malformed, a zip bomb, an XML entity bomb and a
mail of 50 MB (a sparse file); of the others one in ten is a complaint with a DKIM signature (2,000 of them, which come
again and again), six a complaint that one's own mail server vouches for, two an unsigned bounce, one an unsubscribe
mail. Prints mails a second and memory as it goes, then what was made of the mails. Ends with 1 when memory
grew by more than 50 MB after the first figure, when a mail was counted twice or lost, or when an odd mail cost more or
less than one log line and one count.
"""

import argparse
import asyncio
import gzip
import sys
import tempfile
import time
from base64 import b64encode, encodebytes
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import cache
from pathlib import Path
from typing import TextIO, cast

import dkim
import prometheus_client
import structlog
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from pydantic import SecretStr

from deliverd.alerts import Delivery
from deliverd.engine.context import Context
from deliverd.engine.feedback import Taken, Watch, attend
from deliverd.settings import Domain, Owner, Settings
from deliverd.store.writer import Store
from probes.feedback_mail import Config
from probes.http import Http
from probes.resolver import Absent, Answer, Found, Resolver
from probes.webhook import Config as Webhook

SOURCE = "feedback_mail"
REPORTER = "arf.mail.yahoo.com"
OWN = "mx.acme.example"
DOMAINS = 1000
SIGNED = 2000
ALLOWED_KB = 50 * 1024
KEY = rsa.generate_private_key(65537, 1024)
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
RECORD = b"v=DKIM1; p=" + b64encode(KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
DATE = format_datetime(datetime.now(UTC))
ENTITIES = (
    b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]><feedback>&b;</feedback>'
)
HOSTILE = ("bomb", "doctype", "malformed", "too-large")


def complaint(number: int) -> bytes:
    return (
        f"From: feedback@{REPORTER}\r\nTo: fbl@acme.example\r\nDate: {DATE}\r\nSubject: FW: News\r\n"
        'Content-Type: multipart/report; report-type=feedback-report; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nThis is an email abuse report.\r\n"
        "--b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nUser-Agent: x\r\nVersion: 1\r\n"
        f"Original-Rcpt-To: u{number}@yahoo.com\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n"
        f"DKIM-Signature: v=1; d=d{number % DOMAINS}.example; s=s; b=x\r\nFrom: news@d{number % DOMAINS}.example\r\n"
        f"Date: {DATE}\r\nMessage-ID: <{number}@d.example>\r\n\r\n{'News! ' * 200}\r\n--b--\r\n"
    ).encode()


@cache
def signed(number: int) -> bytes:
    text = complaint(number)
    fields = [b"from", b"to", b"date", b"content-type"]
    return bytes(dkim.sign(text, b"s", REPORTER.encode(), PEM, include_headers=fields)) + text


def vouched(number: int) -> bytes:
    return f"Authentication-Results: {OWN}; dkim=pass header.d={REPORTER}\r\n".encode() + complaint(number)


def bounce(number: int) -> bytes:
    return (
        f"From: mailer-daemon@mx{number % 50}.example\nDate: {DATE}\n"
        "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n"
        "Content-Type: message/delivery-status\n\nReporting-MTA: dns; mx\n\n"
        f"Final-Recipient: rfc822; u{number}@x.example\nAction: failed\nStatus: 5.1.1\n\n--b\n"
        f"Content-Type: text/rfc822-headers\n\nFrom: a@d{number % DOMAINS}.example\n"
        f"Message-ID: <{number}@d.example>\n--b--\n"
    ).encode()


def packed(content: bytes) -> bytes:
    head = b"From: a@b.example\nContent-Type: application/gzip\nContent-Transfer-Encoding: base64\n\n"
    return head + encodebytes(content)


def fill(folder: Path, mails: int) -> Counter[str]:
    """Put the mails into the maildir; returns how many there are of what should become of them."""
    bomb = packed(gzip.compress(b"<feedback>" + b" " * (200 << 20)))
    asks = b"From: u@icloud.com\nTo: unsubscribe-x@d1.example\nSubject: unsubscribe\n\nplease\n"
    odd = {0: bomb, 1: packed(ENTITIES), 2: complaint(0).replace(b"abuse", b"letter"), 3: b"From: a@b.example\n\n"}
    odd[2] = odd[2].replace(b"Feedback-Type: letter\r\n", b"")
    wanted: Counter[str] = Counter()
    for number in range(mails):
        path = folder / "new" / f"{number}.bench"
        if number % 1000 in odd:
            path.write_bytes(odd[number % 1000])
            wanted[HOSTILE[number % 1000]] += 1
            if number % 1000 == 3:
                with path.open("r+b") as file:
                    file.truncate(50 << 20)
        elif number % 10 == 0:
            path.write_bytes(signed(number % (SIGNED * 10)))
            wanted["counted"] += 1
        elif number % 10 < 7:
            path.write_bytes(vouched(number))
            wanted["counted"] += 1
        else:
            path.write_bytes(bounce(number) if number % 10 < 9 else asks)
            wanted["unauthenticated"] += 1
    signed.cache_clear()
    return wanted


def memory_kb() -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1])


class Dns:
    async def ask(self, name: str, _: str) -> Answer:
        return Found((RECORD,)) if name == f"s._domainkey.{REPORTER}" else Absent(nxdomain=True)


class Tally:
    """What the daemon does with what was taken in: a line in the log for each odd mail, and a count for each mail."""

    def __init__(self, every: int, log: TextIO) -> None:
        self._every = every
        self._log = structlog.wrap_logger(structlog.PrintLogger(log), processors=[structlog.processors.JSONRenderer()])
        registry = prometheus_client.CollectorRegistry()
        self._mails = prometheus_client.Counter("feedback_mails", "By verdict.", ["code"], registry=registry)
        self._started = time.perf_counter()
        self.memory: list[int] = []
        self.events = self.repeated = 0

    def note(self, taken: Taken) -> None:
        self.events += taken.accepted
        self.repeated += taken.duplicates
        for code, number in taken.codes.items():
            self._mails.labels(code).inc(number)
        for odd in taken.odd:
            self._log.warning("mail not counted", mail=odd.id, code=odd.code, why=odd.why, domain=odd.domain or None)
        total = self.counts().total()
        if total // self._every > len(self.memory):
            self.memory.append(memory_kb())
            rate = total / (time.perf_counter() - self._started)
            print(f"{total:>8,} mails  {rate:,.0f}/s  {self.memory[-1] / 1024:.0f} MB", flush=True)

    def counts(self) -> Counter[str]:
        samples = [sample for metric in self._mails.collect() for sample in metric.samples]
        return Counter({s.labels["code"]: int(s.value) for s in samples if s.name.endswith("_total")})


def context(store: Store, folder: Path) -> Context:
    config = Config(kind="maildir", path=folder, trusted_authserv_ids=(OWN,))
    secret = SecretStr("whsec_" + b64encode(b"a secret of no consequence").decode())
    settings = Settings(
        owners={"team": Owner(channels=(SecretStr("json://127.0.0.1:9/"),))},
        platforms={"mail": Webhook(kind="webhook", secret=secret, control_url="http://127.0.0.1:9/")},
        sources={SOURCE: config},
        domains={f"d{number}.example": Domain(owner="team", platform="mail") for number in range(DOMAINS)},
    )
    now = datetime.now(UTC)
    return Context(
        settings=settings,
        store=store,
        platforms={},
        http=Http(),
        resolver=cast(Resolver, Dns()),
        send=lambda *_: Delivery(True, ""),
        clock=lambda: datetime.now(UTC),
        started=now,
    )


async def run(folder: Path, mails: int, every: int) -> int:
    begun = time.perf_counter()
    wanted = fill(folder, mails)
    print(f"filled in {time.perf_counter() - begun:.0f} s")
    with (
        closing(Store.open(f"sqlite:///{folder}/bench.db", migrate=True)) as store,
        (folder / "log").open("w+", encoding="utf-8") as log,
    ):
        tally = Tally(every, log)
        await attend(context(store, folder), Watch(SOURCE), tally.note)
        log.seek(0)
        lines = sum(1 for _ in log)
    return report(tally, wanted, lines, folder)


def report(tally: Tally, wanted: Counter[str], lines: int, folder: Path) -> int:
    counts = tally.counts()
    print("  ".join(f"{code} {count:,}" for code, count in counts.most_common()))
    odd = counts.total() - counts["counted"]
    print(f"{odd:,} odd mails, {lines:,} lines in the log; {tally.events:,} events, {tally.repeated:,} came again")
    grown = max(tally.memory, default=0) - (tally.memory[0] if tally.memory else 0)
    print(f"memory grew by {grown / 1024:.1f} MB after its first figure")
    faults = [
        *(["memory"] if grown > ALLOWED_KB else []),
        *(["verdicts"] if counts != wanted else []),
        *(["log lines"] if lines != odd else []),
        *(["events"] if tally.events + tally.repeated != counts["counted"] else []),
        *(["marks"] if any((folder / "new").iterdir()) else []),
    ]
    print(f"WRONG: {', '.join(faults)}" if faults else "all as it should be")
    return 1 if faults else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mails", type=int, default=100_000)
    parser.add_argument("--every", type=int, default=10_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("new", "cur", "tmp"):
            (folder / part).mkdir()
        return asyncio.run(run(folder, options.mails, options.every))


if __name__ == "__main__":
    sys.exit(main())
