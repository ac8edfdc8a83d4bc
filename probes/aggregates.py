"""DMARC aggregate reports (RFC 7489, RFC 9990) and TLS reports (RFC 8460): recognised, not yet read. Pure.

They come packed, from anybody. Nothing is unpacked beyond MAX_BYTES, no archive within an archive, no XML with a
document type (entities live there), and no tree is built of any: memory stays what MAX_BYTES says.
"""

import io
import json
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal
from xml.parsers import expat

from probes.mail_text import host, printable

MAX_BYTES = 20 * 1024 * 1024
MAX_MEMBERS = 20
_CHUNK = 64 * 1024
_GZIP, _ZIP = b"\x1f\x8b", b"PK\x03\x04"


class Unpackable(ValueError):  # noqa: N818 - a noun
    """An attachment that is not unpacked or not read: `code` is bomb, doctype or malformed."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


@dataclass(frozen=True, slots=True)
class Aggregate:
    """What is told of such a report: whose it is, about which domain, and how many rows or policies it has."""

    kind: Literal["dmarc-aggregate", "tls-rpt"]
    domain: str
    reporter: str
    rows: int


def looks_like_one(content: bytes) -> bool:
    """Whether bytes may be such a report: packed, XML or JSON by their first letters."""
    start = content[:64].lstrip(b"\xef\xbb\xbf \t\r\n")
    return content.startswith((_GZIP, _ZIP)) or start.startswith((b"<?xml", b"<feedback", b"<!DOCTYPE", b"{"))


def read(content: bytes) -> Aggregate | None:
    """The report in an attachment; None when it is something else. Raises Unpackable."""
    plain = _unpacked(content)
    start = plain[:64].lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith(b"{"):
        return _tls(plain)
    return _dmarc(plain) if start.startswith(b"<") else None


def _unpacked(content: bytes) -> bytes:
    if content.startswith(_GZIP):
        return _inflated(content)
    if content.startswith(_ZIP):
        return _first_member(content)
    return content


def _inflated(content: bytes) -> bytes:
    try:
        _measure(_gunzipped(content))
        return b"".join(_gunzipped(content))
    except zlib.error:
        raise Unpackable("malformed", "its gzip data is broken") from None


def _gunzipped(content: bytes) -> Iterator[bytes]:
    inflater = zlib.decompressobj(wbits=31)
    while content and not inflater.eof:
        yield inflater.decompress(content, _CHUNK)
        content = inflater.unconsumed_tail


def _first_member(content: bytes) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            if len(members) > MAX_MEMBERS:
                raise Unpackable("bomb", f"an archive of {len(members)} files")
            if not members:
                return b""
            with archive.open(members[0]) as file:
                _measure(iter(lambda: file.read(_CHUNK), b""))
            return archive.read(members[0])
    # zipfile raises all of these, for broken, encrypted and unknown archives.
    except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, OSError, EOFError, ValueError) as fault:
        if isinstance(fault, Unpackable):
            raise
        raise Unpackable("malformed", "its zip archive is broken, or locked") from None


def _measure(chunks: Iterator[bytes]) -> None:
    """Unpack once for the size alone, so that a bomb never takes the memory that it is refused for."""
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > MAX_BYTES:
            raise Unpackable("bomb", f"more than {MAX_BYTES // 1024 // 1024} MB when unpacked")


def _tls(plain: bytes) -> Aggregate | None:
    try:
        report: Any = json.loads(plain)
    except (ValueError, RecursionError):
        raise Unpackable("malformed", "it starts like JSON and is none") from None
    policies = report.get("policies")
    if not isinstance(policies, list) or "report-id" not in report:
        return None
    domains = [_text(policy, "policy", "policy-domain") for policy in policies]
    return Aggregate(
        "tls-rpt", next((host(name) for name in domains if name), ""), _text(report, "organization-name"), len(policies)
    )


def _text(value: Any, *path: str) -> str:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return printable(value, 255) if isinstance(value, str) else ""


class _Outline:
    """The few texts of a DMARC report that are kept, by the path of their elements."""

    def __init__(self) -> None:
        self.path: list[str] = []
        self.texts: dict[str, str] = {}
        self.rows = 0
        self.root = ""

    def start(self, name: str, _: object) -> None:
        # Namespaces come and go between reporters: only the local name tells.
        local = name.rpartition(":")[2].lower()
        self.root = self.root or local
        self.path.append(local)
        if len(self.path) > 50:
            raise Unpackable("bomb", "XML nested more than 50 deep")
        self.rows += self.path == [self.root, "record"]

    def end(self, _: str) -> None:
        self.path.pop()

    def data(self, text: str) -> None:
        place = "/".join(self.path[1:3])
        if place in ("policy_published/domain", "report_metadata/org_name") and len(self.path) == 3:
            self.texts[place] = (self.texts.get(place, "") + text)[:255]


def _dmarc(plain: bytes) -> Aggregate | None:
    outline = _Outline()
    try:
        _parse(plain, outline)
    except expat.ExpatError:
        outline = _Outline()
        try:
            # Reports in some other encoding than the one they name are common.
            _parse(plain.decode("utf-8", "replace").encode(), outline, "utf-8")
        except expat.ExpatError:
            if outline.root == "feedback":
                raise Unpackable("malformed", "a DMARC report in broken XML") from None
            return None
    if outline.root != "feedback":
        return None
    texts = outline.texts
    domain = host(texts.get("policy_published/domain", ""))
    return Aggregate("dmarc-aggregate", domain, printable(texts.get("report_metadata/org_name", "")), outline.rows)


def _parse(plain: bytes, outline: _Outline, encoding: str | None = None) -> None:
    parser = expat.ParserCreate(encoding)
    parser.StartElementHandler = outline.start
    parser.EndElementHandler = outline.end
    parser.CharacterDataHandler = outline.data
    parser.StartDoctypeDeclHandler = _refuse_doctype
    for at in range(0, len(plain), _CHUNK):
        parser.Parse(plain[at : at + _CHUNK], False)
    parser.Parse(b"", True)


def _refuse_doctype(*_: object) -> None:
    raise Unpackable("doctype", "XML with a document type, which can define entities")
