"""DMARC aggregate reports (RFC 7489 appendix C, RFC 9990): XML to sums by source. Pure, and no tree is built."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from xml.parsers import expat

from probes.aggregate_report import Aggregate, Source, Unpackable
from probes.mail_text import host, printable

MAX_ROWS = 50_000
"""More than any reporter's rows of a day about one domain; their sums stay small whatever a stranger packs."""

MAX_ELEMENTS = 1_000_000
_CHUNK = 64 * 1024
_DEEPEST = 50
_NUMBER = re.compile(r"[0-9]{1,9}\Z", re.ASCII)
_EPOCH = re.compile(r"[0-9]{1,11}\Z", re.ASCII)
_POLICIES = ("none", "quarantine", "reject")
_RECORD = "record"
_KEPT = frozenset(
    {
        "policy_published/domain",
        "policy_published/p",
        "report_metadata/org_name",
        "report_metadata/date_range/begin",
        "report_metadata/date_range/end",
        "record/row/source_ip",
        "record/row/count",
        "record/row/policy_evaluated/dkim",
        "record/row/policy_evaluated/spf",
        "record/identifiers/header_from",
    }
)


def read(plain: bytes) -> Aggregate | None:
    """The report in XML; None when it is something else. Raises Unpackable."""
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
    return outline.report() if outline.root == "feedback" else None


@dataclass(slots=True)
class _Sums:
    messages: int = 0
    spf_aligned: int = 0
    dkim_aligned: int = 0
    passed: int = 0


class _Outline:
    """The few texts of a report that are kept, by the path of their elements, and the sums of its rows."""

    def __init__(self) -> None:
        self.path: list[str] = []
        self.place = ""
        self.texts: dict[str, str] = {}
        self.closed: set[str] = set()
        self.elements = 0
        self.rows = 0
        self.unread = 0
        self.root = ""
        self.sums: dict[tuple[str, str], _Sums] = {}

    def start(self, name: str, _: object) -> None:
        # Namespaces come and go between reporters: only the local name tells.
        local = name.rpartition(":")[2].lower()
        self.root = self.root or local
        self._move([*self.path, local])
        if len(self.path) > _DEEPEST:
            raise Unpackable("bomb", f"XML nested more than {_DEEPEST} deep")
        self.elements += 1
        self.rows += self.place == _RECORD
        if self.rows > MAX_ROWS or self.elements > MAX_ELEMENTS:
            raise Unpackable("bomb", f"more than {MAX_ROWS} rows, or {MAX_ELEMENTS} elements")

    def end(self, _: str) -> None:
        # Of an element that is there twice, the first one holds: two numbers must not be read as one.
        if self.place in _KEPT:
            self.closed.add(self.place)
        elif self.place == _RECORD:
            self._add_row()
        self._move(self.path[:-1])

    def data(self, text: str) -> None:
        if self.place in _KEPT and self.place not in self.closed:
            self.texts[self.place] = (self.texts.get(self.place, "") + text)[:255]

    def report(self) -> Aggregate:
        policy = self._text("policy_published/p").lower()
        return Aggregate(
            "dmarc-aggregate",
            host(self._text("policy_published/domain")),
            printable(self._text("report_metadata/org_name")),
            self.rows,
            _instant(self._text("report_metadata/date_range/begin")),
            _instant(self._text("report_metadata/date_range/end")),
            policy if policy in _POLICIES else "",
            tuple(
                Source(name, ip, sums.messages, sums.spf_aligned, sums.dkim_aligned, sums.passed)
                for (name, ip), sums in self.sums.items()
            ),
            unread=self.unread,
        )

    def _move(self, path: list[str]) -> None:
        self.path = path
        self.place = "/".join(path[1:])

    def _text(self, place: str) -> str:
        return self.texts.get(place, "").strip()

    def _add_row(self) -> None:
        ip, count = _ip(self._text("record/row/source_ip")), _NUMBER.match(self._text("record/row/count"))
        # These two are the aligned results, and not what auth_results says of SPF and DKIM as such.
        spf, dkim = (self._text(f"record/row/policy_evaluated/{name}").lower() for name in ("spf", "dkim"))
        if ip and count and (spf or dkim):
            name = host(self._text("record/identifiers/header_from"))
            self._add(self.sums.setdefault((name, ip), _Sums()), int(count[0]), spf == "pass", dkim == "pass")
        else:
            self.unread += 1
        self.texts = {place: text for place, text in self.texts.items() if not place.startswith(_RECORD)}
        self.closed = {place for place in self.closed if not place.startswith(_RECORD)}

    def _add(self, sums: _Sums, count: int, spf: bool, dkim: bool) -> None:
        sums.messages += count
        sums.spf_aligned += count * spf
        sums.dkim_aligned += count * dkim
        sums.passed += count * (spf or dkim)


def _ip(text: str) -> str:
    """An IP address in its one spelling. A zone is refused: it may be any text."""
    try:
        return "" if "%" in text else str(ip_address(text))
    except ValueError:
        return ""


def _instant(text: str) -> datetime | None:
    return datetime.fromtimestamp(int(text), UTC) if _EPOCH.match(text) else None


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
