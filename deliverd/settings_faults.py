"""What is wrong with a configuration, in words that lead to the line to mend."""

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

Place = tuple[str | int, ...]

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_NOT_SHOWN = re.compile(r"://|whsec_|PRIVATE KEY|[^ -~]")
_PLAIN_TYPES = (str, int, float, bool, Decimal, NoneType)
_TYPE_NAMES = {str: "a string", bool: "a boolean", int: "a number", float: "a number", list: "a list", dict: "a table"}
_LONGEST_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong: where it stands, what was found (never a secret), what was expected.

    `file` is the TOML file, a secret file, or `environment variable NAME`; `place` is the dotted key, "" for the
    whole file; `hint` the nearest known spelling or "".
    """

    file: str
    place: str
    found: str
    expected: str
    hint: str = ""
    line: int | None = None

    def __str__(self) -> str:
        line = f", line {self.line}" if self.line else ""
        place = f": {self.place}" if self.place else ""
        hint = f"\n  hint: {self.hint}" if self.hint else ""
        return f"{self.file}{line}{place}\n  found {self.found}\n  expected {self.expected}{hint}"


def dotted(place: Place) -> str:
    """A place as one would write it in TOML: `domains."acme.com".owner`, `owners.growth.channels[0]`."""
    text = ""
    for part in place:
        if isinstance(part, int):
            text += f"[{part}]"
            continue
        key = part if _BARE_KEY.fullmatch(part) else json.dumps(part, ensure_ascii=False)
        text += f".{key}" if text else key
    return text


def nearest(word: str, known: Iterable[str]) -> str:
    """`did you mean "..."?` for the known word most like this one, or "" when none is like it."""
    close = difflib.get_close_matches(word.lower(), list(known), n=1, cutoff=0.6)
    return f'did you mean "{close[0]}"?' if close else ""


def listing(words: Iterable[str]) -> str:
    """`a, b, c` in order of the alphabet, or `(none defined)`."""
    return ", ".join(sorted(words)) or "(none defined)"


def describe(value: object, *, show: bool) -> str:
    """A value for an error text: itself when it may be shown and cannot be a secret, else only what kind it is."""
    kind = next((name for known, name in _TYPE_NAMES.items() if type(value) is known), "nothing")
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        return json.dumps(value) if isinstance(value, bool) and show else kind
    text = json.dumps(value)
    if not show or len(text) > _LONGEST_SHOWN or _NOT_SHOWN.search(text):
        return f"{kind} (not shown)"
    return text


def may_show(model: type[BaseModel], loc: Place) -> bool:
    """Whether what stands at `loc` of a table is certainly no secret: a known field of plain types only."""
    kinds: list[Any] = [model]
    for part in loc:
        if isinstance(part, int):
            continue
        tables = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)]
        fields = [table.model_fields[part] for table in tables if part in table.model_fields]
        if not fields:
            return False
        kinds = [kind for found in fields for kind in _leaves(found.annotation)]
    return all(isinstance(kind, type) and issubclass(kind, (*_PLAIN_TYPES, Enum, Path)) for kind in kinds)


def _leaves(annotation: Any) -> Iterator[Any]:
    """The types an annotation is made of; the values of a Literal count by their type."""
    inner = [part for part in get_args(annotation) if part is not ...]
    if get_origin(annotation) is Annotated:
        inner = inner[:1]
    if not inner:
        yield annotation if isinstance(annotation, type) else type(annotation)
    for part in inner:
        yield from _leaves(part)


def fields_at(model: type[BaseModel], loc: Place) -> Mapping[str, object]:
    """The known keys of the table that `loc` leads to."""
    tables: list[type[BaseModel]] = [model]
    for part in loc:
        leaves = [
            leaf
            for table in tables
            for leaf in _leaves(table.model_fields[str(part)].annotation if part in table.model_fields else None)
        ]
        tables = [leaf for leaf in leaves if isinstance(leaf, type) and issubclass(leaf, BaseModel)] or tables
    return tables[0].model_fields


def reading(model: type[BaseModel], error: ErrorDetails) -> tuple[str, str, str]:
    """What pydantic found wrong, as (found, expected, hint), without any value that could be a secret."""
    loc = error["loc"]
    kind = error["type"]
    shown = may_show(model, loc)
    if kind == "extra_forbidden":
        known = fields_at(model, loc[:-1])
        return "a key that is not known", f"one of {listing(known)}", nearest(str(loc[-1]), known)
    if kind == "missing":
        return "nothing", "a value: this key has no default", ""
    expected = error["msg"].removeprefix("Value error, ").removeprefix("Input should be ").removeprefix("expected ")
    value = error["input"]
    if not shown and isinstance(value, str) and value and value in expected:
        expected = "another value (the reason is not shown, because it holds the value)"
    words = re.findall(r"'([^']+)'", expected) if kind in ("enum", "literal_error") else []
    return describe(value, show=shown), expected, nearest(value, words) if isinstance(value, str) else ""
