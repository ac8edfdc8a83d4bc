"""What Microsoft Graph answers about mails, read. Pure: bytes to values, and ValueError for what cannot be read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from probes.http import error_text


@dataclass(frozen=True, slots=True)
class Item:
    """One mail of a list: `received` as Graph writes it. `removed`: it left the folder, or what is followed."""

    id: str
    received: str
    read: bool
    removed: bool


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list, and the link to the next one, or, at the end of a delta query, to what changes later."""

    items: tuple[Item, ...]
    next: str = ""
    delta: str = ""


class _Message(msgspec.Struct):
    id: str
    received: str = msgspec.field(name="receivedDateTime", default="")
    read: bool = msgspec.field(name="isRead", default=False)
    removed: Any = msgspec.field(name="@removed", default=None)


class _Page(msgspec.Struct):
    value: list[_Message]
    next: str = msgspec.field(name="@odata.nextLink", default="")
    delta: str = msgspec.field(name="@odata.deltaLink", default="")


class _Header(msgspec.Struct):
    name: str = ""
    value: str = ""


class _Headers(msgspec.Struct):
    headers: list[_Header] = msgspec.field(name="internetMessageHeaders", default_factory=list)


class _Answer(msgspec.Struct):
    id: str
    status: int
    headers: dict[str, str] | None = None
    body: Any = None


class _Batch(msgspec.Struct):
    responses: list[_Answer]


_read_page = msgspec.json.Decoder(_Page).decode
_read_headers = msgspec.json.Decoder(_Headers).decode
_read_batch = msgspec.json.Decoder(_Batch).decode


def page(body: bytes) -> Page:
    """A page of mails, of a list or of a delta query. Raises ValueError."""
    try:
        found = _read_page(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as fault:
        raise ValueError(_what(body, fault)) from None
    items = tuple(Item(one.id, one.received, one.read, one.removed is not None) for one in found.value)
    return Page(items, found.next, found.delta)


def headers(body: bytes) -> bytes:
    """The header of a mail by `internetMessageHeaders`: as the mail had it but for its folding. Raises ValueError."""
    try:
        found = _read_headers(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as fault:
        raise ValueError(_what(body, fault)) from None
    lines = (f"{one.name}: {' '.join(one.value.split())}\r\n" for one in found.headers if _is_name(one.name))
    return "".join(lines).encode("utf-8", "replace") + b"\r\n"


def batch(body: bytes) -> list[tuple[int, int, Mapping[str, str], bytes]]:
    """Of each answer in a $batch: the number of its request, status, headers in lower case, body. Raises ValueError."""
    try:
        found = _read_batch(body).responses
        return [(int(one.id), one.status, _lower(one.headers), msgspec.json.encode(one.body)) for one in found]
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as fault:
        raise ValueError(_what(body, fault)) from None
    except ValueError:
        raise ValueError("a batch with an id that was not given") from None


def words(body: bytes) -> str:
    """What an error says of itself, "" when it says nothing."""
    return error_text(body)


def _lower(found: Mapping[str, str] | None) -> dict[str, str]:
    return {name.lower(): value for name, value in (found or {}).items()}


def _is_name(name: str) -> bool:
    return name.isascii() and name.isprintable() and bool(name) and ":" not in name and " " not in name


def _what(body: bytes, fault: Exception) -> str:
    """What came instead, in words that quote nothing of it."""
    if body.lstrip()[:1] == b"<":
        return "with a page and not with JSON"
    return f"what cannot be read as mails ({type(fault).__name__})"
