"""How commands speak: tables and colour on a terminal, plain aligned text anywhere else, JSON when asked for.

Whatever comes from outside (DNS records, a platform's words, a person's reasons) is shown without the characters that
a terminal would obey.
"""

import dataclasses
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, NamedTuple, TextIO

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text


class Styled(NamedTuple):
    """Text with a rich style, which only a terminal shows."""

    text: str
    style: str


Words = str | Styled

STANDING_STYLES = {
    "healthy": "green",
    "watch": "yellow",
    "throttled": "magenta",
    "recovering": "cyan",
    "paused": "bold red",
}
GOOD, BAD, UNSURE, QUIET = "green", "bold red", "yellow", "dim"


class Output:
    """Writes to one stream. `fancy` is whether it is a terminal that shows colour and lines."""

    def __init__(self, stream: TextIO | None = None, fancy: bool | None = None) -> None:
        self._stream = stream or sys.stdout
        self._fancy = self._stream.isatty() if fancy is None else fancy
        self._console = Console(file=self._stream, highlight=False, markup=False, emoji=False, soft_wrap=True)

    def line(self, *words: Words) -> None:
        """One line of text. Nothing is wrapped or cut off."""
        if self._fancy:
            self._console.print(_text(words))
        else:
            self._stream.write(f"{_text(words).plain}\n")

    def table(self, heads: Sequence[str], rows: Sequence[Sequence[Words]]) -> None:
        """Rows under heads. On a terminal long cells wrap; elsewhere a row is one line, its columns aligned."""
        cells = [[_text([word]) for word in row] for row in rows]
        if not self._fancy:
            self._plain([list(heads), *([cell.plain for cell in row] for row in cells)])
            return
        table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
        for head in heads:
            table.add_column(Text(head), overflow="fold")
        for row in cells:
            table.add_row(*row)
        Console(file=self._stream, highlight=False, markup=False, emoji=False).print(table)

    def json(self, value: object) -> None:
        """One JSON document, keys in a fixed order, times in ISO 8601 UTC."""
        self._stream.write(json.dumps(plain(value), indent=2, ensure_ascii=True, allow_nan=False) + "\n")

    def _plain(self, rows: Sequence[Sequence[str]]) -> None:
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            line = "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
            self._stream.write(line.rstrip() + "\n")


def visible(text: str) -> str:
    """`text` on one line and without control characters: what was there shows as `\\x1b`, a line end as a space."""
    spaced = " ".join(text.split("\n"))
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in spaced)


def stamp(at: datetime) -> str:
    """An instant for people, to the second: `2026-11-22 12:00:05 UTC`."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def standing_of(standing: str) -> Styled:
    """A standing in its colour."""
    return Styled(standing, STANDING_STYLES.get(standing, ""))


def plain(value: Any) -> Any:
    """A value as JSON can say it: dataclasses as objects, times in ISO 8601, enumerations by value, secrets never."""
    if isinstance(value, Enum):
        return plain(value.value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise TypeError(f"{type(value).__name__} has no place in JSON output")


def _text(words: Sequence[Words]) -> Text:
    text = Text()
    for word in words:
        if isinstance(word, Styled):
            text.append(visible(word.text), word.style)
        else:
            text.append(visible(word))
    return text
