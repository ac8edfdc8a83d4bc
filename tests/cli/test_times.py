"""Times that people type."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverd.commands.codes import UsageFault
from deliverd.commands.times import LONGEST, duration, instant

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("90m", timedelta(minutes=90)),
        ("24h", timedelta(hours=24)),
        ("1d12h", timedelta(hours=36)),
        ("2w", timedelta(weeks=2)),
        ("1s", timedelta(seconds=1)),
        ("366d", LONGEST),
    ],
)
def test_durations(text: str, length: timedelta) -> None:
    assert duration(text) == length


@pytest.mark.parametrize(
    "text", ["", "0h", "24", "h", "-1h", "1.5h", "24 h", "367d", "999999w999999w", "٣h", "1y", "1H"]
)
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(UsageFault):
        duration(text)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-12-01T08:00Z", datetime(2026, 12, 1, 8, tzinfo=UTC)),
        ("2026-12-01T08:00", datetime(2026, 12, 1, 8, tzinfo=UTC)),
        ("2026-12-01", datetime(2026, 12, 1, tzinfo=UTC)),
        (" 2026-12-01 08:00:30+02:00 ", datetime(2026, 12, 1, 6, 0, 30, tzinfo=UTC)),
    ],
)
def test_instants(text: str, at: datetime) -> None:
    assert instant(text, NOW) == at
    assert instant(text, NOW).tzinfo is UTC


@pytest.mark.parametrize(
    "text", ["", "tomorrow", "2026-11-22T12:00Z", "2026-11-21", "2027-11-24", "9999-12-31T23:59-23:59"]
)
def test_what_is_no_instant_to_come(text: str) -> None:
    with pytest.raises(UsageFault):
        instant(text, NOW)


@given(st.text())
def test_any_text_is_a_time_or_a_usage_fault(text: str) -> None:
    for parse in (duration, lambda typed: instant(typed, NOW)):
        try:
            parse(text)
        except UsageFault:
            continue


@given(st.integers(1, 23), st.integers(1, 59))
def test_pieces_add_up(hours: int, minutes: int) -> None:
    assert duration(f"{hours}h{minutes}m") == timedelta(hours=hours, minutes=minutes)
