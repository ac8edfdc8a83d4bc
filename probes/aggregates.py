"""DMARC aggregate reports (RFC 7489, RFC 9990) and TLS reports (RFC 8460), however they are packed. Pure.

They come packed, from anybody. Nothing is unpacked beyond MAX_BYTES, no archive within an archive, no XML with a
document type (entities live there), and no tree is built of any: memory stays what MAX_BYTES says.
"""

import io
import zipfile
import zlib
from collections.abc import Iterator

from probes import dmarc_aggregate, tls_report
from probes.aggregate_report import Aggregate, Unpackable

MAX_BYTES = 20 * 1024 * 1024
MAX_MEMBERS = 20
_CHUNK = 64 * 1024
_GZIP, _ZIP = b"\x1f\x8b", b"PK\x03\x04"


def looks_like_one(content: bytes) -> bool:
    """Whether bytes may be such a report: packed, XML or JSON by their first letters."""
    start = content[:64].lstrip(b"\xef\xbb\xbf \t\r\n")
    return content.startswith((_GZIP, _ZIP)) or start.startswith((b"<?xml", b"<feedback", b"<!DOCTYPE", b"{"))


def read(content: bytes) -> Aggregate | None:
    """The report in an attachment; None when it is something else. Raises Unpackable."""
    plain = _unpacked(content)
    start = plain[:64].lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith(b"{"):
        return tls_report.read(plain)
    return dmarc_aggregate.read(plain) if start.startswith(b"<") else None


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
