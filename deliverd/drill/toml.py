"""Writes values as TOML 1.0: just what the drill's configuration needs of it."""

import json
import re
from collections.abc import Mapping
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def dumps(tree: Mapping[str, Any]) -> str:
    """A TOML document of nested tables of strings, numbers, booleans and lists.

    Raises:
        TypeError: a value of another kind, such as a date.
    """
    return "\n".join(_table((), tree)) + "\n"


def _table(path: tuple[str, ...], table: Mapping[str, Any]) -> list[str]:
    plain = {name: value for name, value in table.items() if not isinstance(value, Mapping)}
    # A table that holds nothing but tables needs no head of its own.
    lines = [f"\n[{'.'.join(map(_key, path))}]"] if path and (plain or not table) else []
    lines += [f"{_key(name)} = {_value(value)}" for name, value in plain.items()]
    for name, value in table.items():
        if isinstance(value, Mapping):
            lines += _table((*path, name), value)
    return lines


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _string(name)


def _value(value: Any) -> str:
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    raise TypeError(f"{type(value).__name__} cannot be written as TOML here")


def _string(text: str) -> str:
    # JSON escapes are TOML's, but for DEL, which TOML alone forbids.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
