"""How old the signature of a webhook may be."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.observation import ForgedRequest
from probes.signature_time import fresh

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SECONDS = int(NOW.timestamp())


@pytest.mark.parametrize("off", [-300, 0, 300])
def test_a_fresh_stamp(off: int) -> None:
    assert fresh(str(SECONDS + off), NOW) == SECONDS + off


@pytest.mark.parametrize(
    ("stamp", "words"),
    [
        *((stamp, "not in seconds") for stamp in ("", "now", "-5", "1.5", "１２", "1" * 12)),
        (str(SECONDS - 301), "301 s ago"),
        (str(SECONDS + 301), "301 s ahead"),
    ],
)
def test_a_stamp_that_is_not_fresh(stamp: str, words: str) -> None:
    with pytest.raises(ForgedRequest, match=words):
        fresh(stamp, NOW)


def test_an_older_stamp_where_that_is_allowed() -> None:
    assert fresh(str(SECONDS - 3000), NOW, 3600)
    with pytest.raises(ForgedRequest):
        fresh(str(SECONDS + 3000), NOW, 3600)


@given(st.text(max_size=15))
def test_any_stamp(stamp: str) -> None:
    with pytest.raises(ForgedRequest):
        fresh(stamp, NOW)
