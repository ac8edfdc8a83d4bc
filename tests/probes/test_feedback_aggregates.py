"""DMARC and TLS reports are recognised however they are packed, and bombs cost nothing."""

import gzip
import io
import json
import tracemalloc
import zipfile
from base64 import encodebytes
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.aggregate_report import Aggregate, Unpackable
from probes.aggregates import MAX_BYTES, looks_like_one, read
from probes.mail_report import Kind
from probes.mail_report import read as read_mail

CORPUS = Path(__file__).parents[3] / "shared" / "corpora" / "dmarc"
SAMPLES = {
    "!example.com!1538204542!1538463818.xml": (Kind.DMARC, "example.com"),
    "estadocuenta1.infonacot.gob.mx!example.com!1536853302!1536939702!2940.xml.zip": (Kind.DMARC, "example.com"),
    "fastmail.com!example.com!1516060800!1516147199!102675056.xml.gz": (Kind.DMARC, "indemed.com"),
    "invalid_utf_8.xml": (Kind.DMARC, "example.com"),
    "mimecast-weird-gzip.eml": (Kind.DMARC, "ab.id.au"),
    "rfc8460.json": (Kind.TLS, "company-y.example"),
    "rfc9990-sample.xml": (Kind.DMARC, "example.com"),
}
XML = b"""<?xml version="1.0"?><feedback><report_metadata><org_name>Mail Inc</org_name></report_metadata>
<policy_published><domain>acme.test</domain><p>none</p></policy_published><record><row/></record><record/></feedback>"""
TLS = {"organization-name": "Mail Inc", "report-id": "1", "policies": [{"policy": {"policy-domain": "acme.test"}}]}
DMARC = Aggregate("dmarc-aggregate", "acme.test", "Mail Inc", 2, policy="none", unread=2)
BOMB = b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>
<feedback>&b;</feedback>"""


def zipped(*members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.mkdir("folder")
        for number, member in enumerate(members):
            archive.writestr(f"{number}.xml", member)
    return file.getvalue()


def mailed(content: bytes, kind: str = "application/gzip") -> bytes:
    head = (
        "From: noreply@mail.test\nSubject: Report Domain: acme.test\nContent-Type: multipart/mixed; boundary=x\n\n"
        f"--x\nContent-Type: text/plain\n\nhello\n--x\nContent-Type: {kind}\nContent-Transfer-Encoding: base64\n\n"
    )
    return head.encode() + encodebytes(content) + b"--x--\n"


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the shared corpora are not here")
@pytest.mark.parametrize("name", SAMPLES)
def test_real_samples(name: str) -> None:
    report = read_mail((CORPUS / name).read_bytes())
    assert report.aggregate is not None
    assert (report.kind, report.aggregate.domain) == SAMPLES[name]


@pytest.mark.parametrize("content", [XML, gzip.compress(XML), zipped(XML), b"\xef\xbb\xbf\n" + XML.partition(b"?>")[2]])
def test_however_it_is_packed(content: bytes) -> None:
    assert looks_like_one(content)
    assert read(content) == DMARC


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        ("application/gzip", True),
        ("application/octet-stream", True),
        ("text/xml", True),
        ('text/plain; name="r.xml.gz"', True),
        ('text/plain\nContent-Disposition: attachment; filename="r.xml"', True),
        ('image/png; name="r.png"', False),
        ("text/plain", False),
        ("audio/midi", False),
    ],
)
def test_attached_to_a_mail(kind: str, found: bool) -> None:
    report = read_mail(mailed(gzip.compress(XML), kind))
    assert (report.aggregate == DMARC) is found
    assert report.kind is (Kind.DMARC if found else Kind.UNKNOWN)


def test_a_tls_report() -> None:
    found = Aggregate("tls-rpt", "acme.test", "Mail Inc", 1, unread=1)
    assert read(json.dumps(TLS).encode()) == found
    assert read_mail(mailed(gzip.compress(json.dumps(TLS).encode()), "application/tlsrpt+gzip")).aggregate == found


@pytest.mark.parametrize("policies", [[], [1], [{"policy": 1}], [{"policy": {"policy-domain": 5}}]])
def test_a_tls_report_without_a_domain(policies: list[object]) -> None:
    assert read(json.dumps(TLS | {"policies": policies}).encode()) == Aggregate(
        "tls-rpt", "", "Mail Inc", len(policies), unread=len(policies)
    )


@pytest.mark.parametrize(
    "content",
    [
        b'{"a": 1}',
        b'{"policies": 1, "report-id": 1}',
        b"<html><body>",
        b"<?xml version='1.0'?><x/>",
        zipped(),
        zipped(b"x"),
    ],
)
def test_other_things_are_none(content: bytes) -> None:
    assert read(content) is None
    assert read_mail(content).code in ("not-a-report", "malformed")
    assert read_mail(mailed(content)).kind is Kind.UNKNOWN


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (gzip.compress(b"<feedback>" + b" " * (MAX_BYTES + 1)), "bomb"),
        (zipped(b"<feedback>" + b" " * (MAX_BYTES + 1)), "bomb"),
        (zipped(*[b"x"] * 30), "bomb"),
        (b"<feedback>" + b"<a>" * 60, "bomb"),
        (BOMB, "doctype"),
        (b"<!DOCTYPE feedback SYSTEM 'http://evil.test/x.dtd'><feedback/>", "doctype"),
        (b"\x1f\x8bnothing", "malformed"),
        (b"PK\x03\x04nothing", "malformed"),
        (zipped(XML)[:-30], "malformed"),
        (b"{" * 100_000, "malformed"),
        (b'{"a":' * 100_000, "malformed"),
        (b"{nonsense", "malformed"),
        (XML[:-30], "malformed"),
    ],
)
def test_bombs_and_broken_ones_cost_one_line(content: bytes, code: str) -> None:
    with pytest.raises(Unpackable) as fault:
        read(content)
    assert fault.value.code == code
    report = read_mail(mailed(content))
    assert (report.kind, report.code) == (Kind.UNKNOWN, code)
    assert report.reason


def test_a_locked_archive_is_broken() -> None:
    locked = bytearray(zipped(XML))
    for mark in (b"PK\x03\x04", b"PK\x01\x02"):
        at = locked.rindex(mark)
        locked[at + (6 if mark == b"PK\x03\x04" else 8)] |= 1
    with pytest.raises(Unpackable, match="locked"):
        read(bytes(locked))


def test_bytes_of_another_encoding_are_replaced() -> None:
    found = read(XML.replace(b"Mail Inc", b"Caf\xe9"))
    assert found == replace(DMARC, reporter="Caf\ufffd")


def test_a_bomb_takes_no_memory() -> None:
    bomb = gzip.compress(b"<feedback>" + b" " * (6 * MAX_BYTES))
    assert len(bomb) < 1_000_000
    tracemalloc.start()
    try:
        with pytest.raises(Unpackable):
            read(bomb)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000


@given(st.binary(max_size=400), st.sampled_from([b"", b"\x1f\x8b", b"PK\x03\x04", b"<feedback>", b"{", b"<?xml"]))
def test_no_bytes_raise_anything_else(raw: bytes, start: bytes) -> None:
    try:
        read(start + raw)
    except Unpackable as fault:
        assert fault.code
