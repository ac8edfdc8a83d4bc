"""Times that people type. Pure."""

import re
from datetime import UTC, datetime, timedelta

from deliverd.commands.codes import UsageFault

LONGEST = timedelta(days=366)

_PIECE = re.compile(r"(\d{1,6})([smhdw])", re.ASCII)
_WHOLE = re.compile(r"(?:\d{1,6}[smhdw])+", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def duration(text: str) -> timedelta:
    """`90m`, `24h`, `7d`, `1d12h`; more than nothing and at most LONGEST. Raises UsageFault."""
    if not _WHOLE.fullmatch(text):
        raise UsageFault(f'"{text}" is not a duration; write it as 90m, 24h, 7d or 1d12h')
    length = sum((timedelta(**{_UNITS[unit]: int(number)}) for number, unit in _PIECE.findall(text)), timedelta())
    if not timedelta() < length <= LONGEST:
        raise UsageFault(f'"{text}" is not a sensible duration: more than nothing, and at most {LONGEST.days} days')
    return length


def instant(text: str, now: datetime) -> datetime:
    """`2026-12-01T08:00Z`, ISO 8601, UTC unless it says otherwise; after `now`, at most LONGEST. Raises UsageFault."""
    try:
        at = datetime.fromisoformat(text.strip())
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageFault(f'"{text}" is not a time; write it as 2026-12-01T08:00Z') from None
    if not now < at <= now + LONGEST:
        raise UsageFault(f"{at.isoformat()} is not within the next {LONGEST.days} days (now {now:%Y-%m-%dT%H:%MZ})")
    return at
