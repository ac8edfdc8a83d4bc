"""How two configurations differ, in words. A secret is only ever said to have changed."""

from collections.abc import Iterator
from decimal import Decimal
from enum import Enum

from pydantic import BaseModel

from deliverd.settings_faults import Place, describe, dotted

_NOUNS = {
    "owners": "owner",
    "platforms": "platform account",
    "sources": "source",
    "policies": "policy",
    "domains": "domain",
}


def differences(old: BaseModel, new: BaseModel) -> Iterator[str]:
    """Each difference between two trees of tables, a line each."""
    for table in type(old).model_fields:
        before, after = getattr(old, table), getattr(new, table)
        if isinstance(before, dict):
            yield from _named(table, before, after)
        else:
            yield from _inside((table,), before, after)


def _named(table: str, before: dict[str, BaseModel], after: dict[str, BaseModel]) -> Iterator[str]:
    noun = _NOUNS[table]
    for name in sorted(before.keys() | after.keys()):
        if name not in before:
            yield f"{noun} {name} added"
        elif name not in after:
            yield f"{noun} {name} removed"
        elif type(before[name]) is not type(after[name]):
            yield f"{noun} {name} is of another kind"
        else:
            yield from _inside((table, name), before[name], after[name])


def _inside(place: Place, before: BaseModel, after: BaseModel) -> Iterator[str]:
    """The differences between two tables of one kind."""
    for key in type(before).model_fields:
        old, new = getattr(before, key), getattr(after, key)
        if old == new:
            continue
        if isinstance(old, BaseModel) and type(old) is type(new):
            yield from _inside((*place, key), old, new)
        elif isinstance(old, BaseModel | dict) or (words := _words(old)) is None or (other := _words(new)) is None:
            yield f"{dotted((*place, key))} changed"
        else:
            yield f"{dotted((*place, key))}: {words} -> {other}"


def _words(value: object) -> str | None:
    """A value in words; None when it is a secret, or may hold one."""
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, tuple):
        words = [_words(inner) for inner in value]
        return None if None in words else f"[{', '.join(map(str, words))}]"
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float | Decimal):
        return f"{value:.15g}"
    text = describe(value, show=isinstance(value, str))
    return text if text.startswith('"') else None
