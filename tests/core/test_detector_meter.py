"""The meter's arithmetic, where floats alone would miscount."""

import pytest

from deliverd.core import detector_meter

DOUBLING = ((0.5, 0.25),)


@pytest.mark.parametrize(
    ("total", "threshold", "missing"),
    [
        pytest.param(24, 1.0, 0, id="exactly there"),
        pytest.param(23, 1.0, 1, id="a hair under"),
        pytest.param(12, 1.0, 1, id="one doubling"),
        pytest.param(11, 1.0, 2, id="a hair more than one"),
        pytest.param(1, 1.0, 5, id="1, 2, 4, 8, 16, 32"),
        pytest.param(3, 1024.0, 13, id="24 x 1024 is 3 x 2**13"),
        pytest.param(10**9, 1.0, 0, id="far over it"),
    ],
)
def test_doublings(total: int, threshold: float, missing: int) -> None:
    assert detector_meter.missing([total], [0], DOUBLING, threshold) == missing


@pytest.mark.parametrize("offset", range(12))
def test_no_number_is_too_large_to_be_exact(offset: int) -> None:
    """5 * 2**-n hours want n + 3 doublings to be a day or more."""
    power = 10**17 + 7 * offset
    assert detector_meter.missing([5], [-power], DOUBLING, 1.0) == power + 3
    assert detector_meter.missing([5], [power], DOUBLING, 1.0) == 0


def test_the_mixture_counts_and_not_its_largest_part() -> None:
    """Two alternatives of 24 hours each are a day on the average; one of 48 alone is, too."""
    both = ((0.5, 0.25), (0.4, 0.1))
    assert detector_meter.missing([24, 24], [0, 0], both, 1.0) == 0
    assert detector_meter.missing([8, 8], [0, 0], both, 1.0) == 1
    assert detector_meter.missing([7, 8], [0, 0], both, 1.0) == 2


@pytest.mark.parametrize(
    ("complaints", "needed", "fires", "words"),
    [
        (0, 1, False, "0 of about 1 complaints needed at this volume"),
        (3, 5, False, "3 of about 5 complaints needed at this volume"),
        (1, 1, True, "1 complaint, enough at this volume"),
        (1234, 1234, True, "1,234 complaints, enough at this volume"),
    ],
)
def test_words(complaints: int, needed: int, fires: bool, words: str) -> None:
    assert detector_meter.text(complaints, needed, fires) == words
