"""What Microsoft SNDS answers: CSV without a header, a row for each address and day, always 14 columns. Pure.

Sources: rows of the REST API and of the key links as open clients hold them (undersfx/sndslib 0.1.4; Vexa), and the
portal's own words on its columns (substrate.office.com/ip-domain-management-snds/SNDS/FAQ), read 2026-11-22.
Microsoft publishes no format. So a row is read whole or not at all, and what could mean two things is refused.

Unreadable   retry? later: a sign-in page, an error page, or a format that is not known here
"""

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from ipaddress import ip_address

from probes.mail_text import printable
from probes.observation import Reading

COLUMNS = 14
_LONGEST_TEXT = 200
_LONGEST_QUOTED = 40
_TIME = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4}) (\d{1,2}):(\d{2})(?::\d{2})? ([AP]M)", re.ASCII)
_RATE = re.compile(r"(<?)\s*(\d{1,3}(?:\.\d{1,6})?)\s*%", re.ASCII)
_NOTHING = re.compile(r"0{1,3}(?:\.0{1,6})?", re.ASCII)
_COUNT = re.compile(r"\d{1,12}", re.ASCII)
_COLOURS = ("green", "yellow", "red")


class Unreadable(ValueError):  # noqa: N818 - a noun of the field
    """An answer that is not SNDS data at all. The text quotes at most one short field of it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One address on one day. `day` is the ISO day on which the activity began, by Microsoft's clock."""

    ip: str
    day: str
    readings: dict[str, Reading]


@dataclass(frozen=True, slots=True)
class Broken:
    """A row that cannot be used: its line, counted from 1, the address if that much can be read, and what is wrong."""

    line: int
    ip: str
    reason: str


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of one or several answers. No rows is a quiet day, and not a fault."""

    rows: tuple[Row, ...] = ()
    broken: tuple[Broken, ...] = ()


def parse(body: bytes, content_type: str, today: date) -> Table:
    """The rows of one answer. A day after tomorrow (seen from `today`, UTC) is refused.

    Readings: `activity_start`, `activity_end` (ISO, Microsoft's clock), `rcpt_commands`, `data_commands`,
    `message_recipients`, `trap_hits` (counts), `filter_result` (green, yellow, red), `complaint_rate_low` and
    `complaint_rate_high` (ratios), `complaint_rate_text` (as written), and `trap_start`, `trap_end`, `sample_helo`,
    `sample_mail_from`, `comments`. A column that is empty has no reading: it is not zero.

    Raises:
        Unreadable: a page instead of data (SNDS answers with its sign-in page and status 200), or no row that holds.
    """
    if content_type.partition(";")[0].strip().lower() in ("text/html", "application/xhtml+xml"):
        raise Unreadable("it is a web page, perhaps the one to sign in")
    data = body.removeprefix(b"\xef\xbb\xbf").lstrip()
    if data.startswith(b"<"):
        raise Unreadable("it is a web page, perhaps the one to sign in")
    rows, broken = [], []
    for number, line in enumerate(data.splitlines(), start=1):
        found = _row(number, line, today) if line.strip() else None
        if isinstance(found, Row):
            rows.append(found)
        elif found:
            broken.append(found)
    if broken and not rows:
        raise Unreadable(f"line {broken[0].line}: {broken[0].reason}")
    return Table(tuple(rows), tuple(broken))


def merge(tables: Iterable[Table]) -> Table:
    """The rows of several answers, each once. Two rows on one address and day that differ are both broken."""
    rows: dict[tuple[str, str], Row] = {}
    broken: dict[tuple[str, str], Broken] = {}
    others: list[Broken] = []
    for table in tables:
        others += table.broken
        for row in table.rows:
            if rows.setdefault((row.day, row.ip), row) != row:
                broken[row.day, row.ip] = Broken(0, row.ip, f"two rows for {row.day} that differ")
    good = tuple(rows[key] for key in sorted(rows) if key not in broken)
    return Table(good, (*others, *broken.values()))


def _row(number: int, line: bytes, today: date) -> Row | Broken:
    ip = ""
    try:
        # Line by line: read as a whole, one stray quote would swallow the rows after it. strict: it would not be said.
        fields = next(csv.reader([line.decode("utf-8")], strict=True))
        if len(fields) != COLUMNS:
            raise _Odd(f"{len(fields)} columns instead of {COLUMNS}")
        ip = _address(fields[0])
        readings = dict(_readings([field.strip() for field in fields]))
        day = str(readings["activity_start"])[:10]
        if date.fromisoformat(day) > today + timedelta(days=1):
            raise _Odd(f"activity on {day}, which is still to come")
        return Row(ip, day, readings)
    except UnicodeDecodeError:
        return Broken(number, ip, "it is not text")
    except csv.Error:
        return Broken(number, ip, "it is not CSV")
    except _Odd as fault:
        return Broken(number, ip, str(fault))


class _Odd(ValueError):  # noqa: N818
    """What is wrong with a row."""


def _readings(fields: list[str]) -> Iterator[tuple[str, Reading]]:
    start, end = _times("activity", fields[1], fields[2])
    yield "activity_start", start
    yield "activity_end", end
    for name, at in (("rcpt_commands", 3), ("data_commands", 4), ("message_recipients", 5), ("trap_hits", 10)):
        if fields[at]:
            yield name, _count(name, fields[at])
    if fields[6]:
        yield "filter_result", _colour(fields[6])
    yield from _rate(fields[7])
    if fields[8] or fields[9]:
        yield from zip(("trap_start", "trap_end"), _times("trap period", fields[8], fields[9]), strict=True)
    for name, at in (("sample_helo", 11), ("sample_mail_from", 12), ("comments", 13)):
        if text := printable(fields[at], _LONGEST_TEXT):
            yield name, text


def _address(text: str) -> str:
    try:
        return str(ip_address(text.strip()))
    except ValueError:
        raise _Odd(f"{_quoted(text)} is not an address") from None


def _times(what: str, start: str, end: str) -> tuple[str, str]:
    first, last = _time(start), _time(end)
    if last < first:
        raise _Odd(f"the {what} ends before it begins")
    return first.isoformat(timespec="minutes"), last.isoformat(timespec="minutes")


def _time(text: str) -> datetime:
    """`9/1/2026 8:00 AM`. Naive: which zone it is, Microsoft does not say here."""
    found = _TIME.fullmatch(text)
    if not found:
        raise _Odd(f"{_quoted(text)} is not a time")
    month, day, year, hour, minute = (int(part) for part in found.groups()[:5])
    if not 1 <= hour <= 12:
        raise _Odd(f"{_quoted(text)} is not a time")
    try:
        return datetime(year, month, day, hour % 12 + (12 if found[6] == "PM" else 0), minute)  # noqa: DTZ001
    except ValueError:
        raise _Odd(f"{_quoted(text)} is not a time") from None


def _count(name: str, text: str) -> int:
    if not _COUNT.fullmatch(text):
        raise _Odd(f"{_quoted(text)} is not a count ({name})")
    return int(text)


def _colour(text: str) -> str:
    if text.lower() not in _COLOURS:
        raise _Odd(f"{_quoted(text)} is not a filter result")
    return text.lower()


def _rate(text: str) -> Iterator[tuple[str, Reading]]:
    """`< 0.1%` is all of [0, 0.001): neither 0 nor 0.001. `0.4%` is 0.004. Nothing, or None, is no rate.

    A bare 0.5 is refused: of those who read such a thing, some take it for percent and some for a ratio.
    """
    if text in ("", "None"):
        return
    found = _RATE.fullmatch(text)
    if not found and not _NOTHING.fullmatch(text):
        raise _Odd(f"{_quoted(text)} is not a complaint rate")
    high = float(Decimal(found[2]).scaleb(-2)) if found else 0.0
    below = bool(found and found[1])
    if high > 1 or (below and high == 0):
        raise _Odd(f"{_quoted(text)} is not a complaint rate")
    yield "complaint_rate_low", 0.0 if below else high
    yield "complaint_rate_high", high
    yield "complaint_rate_text", text


def _quoted(text: str) -> str:
    return f'"{printable(text, _LONGEST_QUOTED)}"'
