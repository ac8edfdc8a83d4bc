"""The brakes of sending services keep the contract of platforms."""

from pathlib import Path

import pytest
from platforms.contract import Case, cases
from platforms.entrants_vendors import ENTRANTS
from structlog.testing import capture_logs

RUNS = [(name, case) for name, entrant in ENTRANTS.items() for case in cases(entrant.traits)]


@pytest.mark.parametrize(("entrant", "case"), [pytest.param(n, c, id=f"{n}-{k}") for n, (k, c) in RUNS])
async def test_contract(entrant: str, case: Case, tmp_path: Path) -> None:
    with ENTRANTS[entrant].open(tmp_path) as harness:
        try:
            with capture_logs() as logged:
                await case(harness)
        finally:
            await harness.platform.aclose()
        assert not [canary for canary in harness.canaries if canary in str(logged)]
