"""`deliverd drill`: hands over to the drill, once what was asked for is known to exist."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from deliverd.commands.codes import UsageFault
from deliverd.drill.run import ALL, DrillOptions, run_drill
from deliverd.drill.scenarios import SCENARIOS
from deliverd.model import Mode
from deliverd.settings_faults import nearest


def drill(scenarios: Sequence[str], once: bool, mode: str, seed: int, as_json: bool, config: Path | None) -> int:
    """Hold the drill. Raises UsageFault."""
    known = [*SCENARIOS, ALL]
    for name in scenarios:
        if name not in known:
            raise _unknown("--scenario", name, known)
    if mode and mode not in list(Mode):
        raise _unknown("--mode", mode, list(Mode))
    if as_json and not once:
        raise UsageFault("--json prints one document when the drill has ended, and with --keep it does not end")
    options = DrillOptions(keep=not once, config=config, mode=Mode(mode) if mode else None, as_json=as_json, seed=seed)
    return run_drill(options if not scenarios else replace(options, scenarios=tuple(scenarios)))


def _unknown(option: str, found: str, known: Sequence[str]) -> UsageFault:
    hint = nearest(found, known)
    return UsageFault(f'{option}: there is no "{found}"; there are {", ".join(known)}{"; " + hint if hint else ""}')
