"""The looks of a probe as a test wants to compare them: readings, or why there are none, by domain and part."""

from collections.abc import Iterable
from typing import Any

from probes.observation import Observation, Seen


def by_part(looks: Iterable[Observation]) -> dict[tuple[str, str], Any]:
    """By domain and part the readings, or the Unseen."""
    return {
        (one.target, one.part): dict(one.answer.readings) if isinstance(one.answer, Seen) else one.answer
        for one in looks
    }
