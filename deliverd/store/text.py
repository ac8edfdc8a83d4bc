"""Text and JSON that every database takes: no NUL, no half of a surrogate pair, no NaN, bounded where it must be."""

import json
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any


def clean(value: str) -> str:
    """`value` with what PostgreSQL or UTF-8 cannot hold replaced by U+FFFD."""
    return value.replace("\x00", "\ufffd").encode("utf-8", "surrogatepass").decode("utf-8", "replace")


def bounded(value: str, limit: int) -> str:
    """`value`, clean and of at most `limit` characters; what was cut off shows as an ellipsis."""
    value = clean(value)
    return value if len(value) <= limit else value[: limit - 1] + "\u2026"


def dumps(value: Any) -> str:
    """JSON of evidence, facts and readings: tuples and sets as lists, times as ISO 8601, clean text.

    Raises:
        ValueError: NaN or infinity.
        TypeError: something that JSON cannot say.
    """
    return json.dumps(_plain(value), allow_nan=False, ensure_ascii=False, separators=(",", ":"))


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return _plain(value.value)
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Mapping):
        return {clean(str(name)): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted(_plain(item) for item in value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    return value
