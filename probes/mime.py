"""Mail as bytes, cut into header fields and parts. Pure and bounded, and lenient where real reports are sloppy.

The standard library's parser is not used for mail of strangers: it builds every part there is, however many and
however deep. Here a multipart is cut at its boundary, at most MAX_PARTS and MAX_DEPTH of it, and what lies inside a
`message/...` part is never cut: it was written by somebody else than the report around it.

MimeFault   `code`: too-deep, too-many-parts. Not to be retried.
"""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

MAX_DEPTH = 6
MAX_PARTS = 100
MAX_HEAD_BYTES = 256 * 1024
MAX_FIELDS = 1000
_LONGEST_TYPE = 2048

_FIELD = re.compile(r"([\x21-\x39\x3b-\x7e]{1,100})[ \t]*:(.*)", re.DOTALL)
_PARAMETER = re.compile(r";\s*([\w*-]{1,40})\s*=\s*(?:\"((?:[^\"\\]|\\.)*)\"|([^;\s]*))", re.ASCII)
_FIRST_DELIMITER = re.compile(rb"^--([^\s-].{0,200}|-.{1,200})$", re.MULTILINE)


class MimeFault(ValueError):  # noqa: N818 - a noun of the field
    """A mail that is not cut further: `code` for machines, the text for people."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


@dataclass(frozen=True, slots=True)
class Headers:
    """Header fields in their order, names in lower case, values unfolded."""

    fields: tuple[tuple[str, str], ...] = ()

    def all(self, name: str) -> list[str]:
        """Every value of a field, topmost first."""
        return [value for key, value in self.fields if key == name]

    def get(self, name: str) -> str:
        """The topmost value of a field, "" where there is none."""
        return next((value for key, value in self.fields if key == name), "")

    def __bool__(self) -> bool:
        return bool(self.fields)


@dataclass(frozen=True, slots=True)
class Part:
    """One entity: its `type` in lower case, its body as transferred, and the parts of a multipart."""

    headers: Headers
    type: str
    parameters: Mapping[str, str]
    body: bytes
    parts: tuple["Part", ...] = field(default=())

    def content(self, first: int | None = None) -> bytes:
        """The body (or what its `first` bytes hold), its transfer encoding undone as far as it can be."""
        encoding = self.headers.get("content-transfer-encoding").strip().lower()
        body = self.body[:first]
        if encoding == "base64":
            return _base64(body)
        return binascii.a2b_qp(body) if encoding == "quoted-printable" else body

    def leaves(self) -> Iterator["Part"]:
        """The parts that are no multiparts, in order."""
        if not self.parts:
            yield self
        for part in self.parts:
            yield from part.leaves()


def cut(raw: bytes) -> Part:
    """The mail in its parts. Raises MimeFault."""
    return _part(lines(raw), 0, [MAX_PARTS])


def lines(raw: bytes) -> bytes:
    """With LF alone as the end of a line, whichever of CRLF, LF or CR it was."""
    if b"\n" not in raw:
        return raw.replace(b"\r", b"\n")
    return raw.replace(b"\r\n", b"\n")


def headers(head: bytes, *, through_blanks: bool = False) -> Headers:
    """The fields of a block of header lines; what is no field is passed over.

    With `through_blanks`, blank lines do not end them: some reports scatter them through their fields.
    """
    text = _text(head[:MAX_HEAD_BYTES]).lstrip("\n")
    if not through_blanks:
        text = text.partition("\n\n")[0]
    unfolded = re.sub(r"\n(?=[ \t]+\S)", "", text)
    found: list[tuple[str, str]] = []
    for line in unfolded.split("\n")[: MAX_FIELDS * 2]:
        match = _FIELD.fullmatch(line)
        if match and len(found) < MAX_FIELDS:
            found.append((match[1].lower(), match[2].strip()))
    return Headers(tuple(found))


def delimiter(body: bytes) -> bytes:
    """The boundary that the first delimiter line of a multipart's body names; b"" where there is none."""
    match = _FIRST_DELIMITER.search(body[:MAX_HEAD_BYTES])
    return match[1].rstrip() if match else b""


def halves(raw: bytes) -> tuple[bytes, bytes]:
    """Head and body of a mail or part, at the first empty line."""
    if raw.startswith(b"\n"):
        return b"", raw[1:]
    head, _, body = raw.partition(b"\n\n")
    return head, body


def _part(raw: bytes, depth: int, budget: list[int]) -> Part:
    if depth > MAX_DEPTH:
        raise MimeFault("too-deep", f"parts nested more than {MAX_DEPTH} deep")
    budget[0] -= 1
    if budget[0] < 0:
        raise MimeFault("too-many-parts", f"more than {MAX_PARTS} parts")
    head, body = halves(raw)
    fields = headers(head)
    kind, parameters = _type(fields.get("content-type"))
    parts: tuple[Part, ...] = ()
    if kind.startswith("multipart/"):
        pieces = _pieces(body, parameters.get("boundary", ""), budget[0])
        parts = tuple(_part(piece, depth + 1, budget) for piece in pieces)
    return Part(fields, kind, parameters, body, parts)


def _pieces(body: bytes, boundary: str, most: int) -> list[bytes]:
    """What lies between the delimiter lines, at most one piece more than `most`; the last needs no end."""
    for name in filter(None, (boundary.encode("utf-8", "replace"), delimiter(body))):
        found: list[bytes] = []
        start = -1
        for match in re.finditer(rb"^--" + re.escape(name) + rb"(--)?[ \t]*(?:\n|\Z)", body, re.MULTILINE):
            if start >= 0:
                found.append(body[start : max(start, match.start() - 1)])
            start = -1 if match[1] else match.end()
            if match[1] or len(found) > most:
                break
        if start >= 0:
            found.append(body[start:])
        if found:
            return found
    return []


def _type(value: str) -> tuple[str, dict[str, str]]:
    value = value[:_LONGEST_TYPE]
    parameters: dict[str, str] = {}
    for name, quoted, bare in _PARAMETER.findall(value):
        parameters.setdefault(name.lower(), re.sub(r"\\(.)", r"\1", quoted) if quoted else bare)
    return value.partition(";")[0].strip().lower() or "text/plain", parameters


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _base64(body: bytes) -> bytes:
    """What can be decoded: stray letters and a cut-off end are common."""
    letters = re.sub(rb"[^A-Za-z0-9+/]", b"", body)
    return base64.b64decode(letters[: len(letters) // 4 * 4] + _rest(letters))


def _rest(letters: bytes) -> bytes:
    over = letters[len(letters) // 4 * 4 :]
    return over + b"=" * (4 - len(over)) if len(over) > 1 else b""
