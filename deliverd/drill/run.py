"""`deliverd drill`: which scenarios, one after the other, shown how, and with which exit code."""

import asyncio
import json
import signal
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console

from deliverd.drill.config import Rehearsal, RehearsalError, rehearsal
from deliverd.drill.play import CouldNotRun, Played, Stage
from deliverd.drill.scenarios import COMPLAINT_SPIKE, SCENARIOS, Scenario
from deliverd.drill.screen import Screen
from deliverd.model import Mode

PROTECTED, NOT_PROTECTED, COULD_NOT_RUN, INTERRUPTED = 0, 1, 2, 130
ALL = "all"


@dataclass(frozen=True, slots=True)
class DrillOptions:
    """What is to be drilled, and how it is shown.

    `scenarios` are names, or `all`. `keep` leaves the last world and its daemon up until Ctrl-C. `config` is a file
    whose policies (and the first domain's policy and mode) are rehearsed instead of the shipped ones; `mode` goes over
    that file's. `as_json` prints nothing but one JSON document at the end. `seed` makes runs alike.
    """

    scenarios: tuple[str, ...] = (COMPLAINT_SPIKE.name,)
    keep: bool = False
    config: Path | None = None
    mode: Mode | None = None
    as_json: bool = False
    seed: int = 1


def run_drill(options: DrillOptions) -> int:
    """Play the scenarios and return the exit code: 0 protected, 1 not protected, 2 could not run, 130 interrupted.

    Raises:
        KeyError: a scenario that there is not; the names are those of `SCENARIOS`, and `all`.
    """
    chosen = _chosen(options.scenarios)
    try:
        what = rehearsal(options.config, options.mode) if options.config else Rehearsal(options.mode or Mode.ENFORCE)
    except RehearsalError as fault:
        Console(stderr=True).print(str(fault), markup=False, highlight=False)
        return COULD_NOT_RUN
    return asyncio.run(_until_stopped(chosen, options, what))


def _chosen(names: tuple[str, ...]) -> list[Scenario]:
    return list(SCENARIOS.values()) if ALL in names else [SCENARIOS[name] for name in names]


async def _until_stopped(chosen: list[Scenario], options: DrillOptions, what: Rehearsal) -> int:
    """Run all; the first Ctrl-C (or SIGTERM, or hang-up) ends it in order, with everything stopped."""
    task = asyncio.current_task()
    if task is not None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    errors = Console(stderr=True)
    try:
        return await _all(chosen, options, what)
    except CouldNotRun as fault:
        errors.print(f"the drill could not run: {fault}", markup=False, highlight=False, soft_wrap=True)
        return COULD_NOT_RUN
    except asyncio.CancelledError:
        errors.print("stopped", markup=False)
        return INTERRUPTED


async def _all(chosen: list[Scenario], options: DrillOptions, what: Rehearsal) -> int:
    console = Console()
    screen = Screen(console, quiet=options.as_json)
    results = []
    for scenario in chosen:
        keep = options.keep and scenario is chosen[-1]
        results.append(await _one(scenario, options, what, screen, keep))
    if options.as_json:
        documents: list[dict[str, Any]] = [one.summary.as_dict(one.began, one.lines) for one in results]
        print(json.dumps(documents, indent=2))
    protected = all(one.summary.protected for one in results)
    if len(results) > 1:
        screen.say(f"\n{sum(one.summary.protected for one in results)} of {len(results)} scenarios protected.", "bold")
    return PROTECTED if protected else NOT_PROTECTED


async def _one(scenario: Scenario, options: DrillOptions, what: Rehearsal, screen: Screen, keep: bool) -> Played:
    with TemporaryDirectory(prefix="deliverd-drill-", ignore_cleanup_errors=True) as directory:
        async with AsyncExitStack() as stack:
            stage = Stage(scenario, what, Path(directory), options.seed, screen)
            played = await stage.play(stack)
            screen.finish(played.summary)
            if keep:
                await _stay(stage, screen)
        return played


async def _stay(stage: Stage, screen: Screen) -> None:
    """Keep everything up for a person to look around, until Ctrl-C; the drill's own exit code stands."""
    path, addresses = stage.config, stage.addresses
    if addresses is None:
        return
    for line in (
        "",
        f"Everything stays up until Ctrl-C: deliverd at http://{addresses.listen}/, the platform at "
        f"{addresses.control_url}, the history in {addresses.database}. Try, in another terminal:",
        "",
        f"  deliverd status --config {path}",
        f"  deliverd explain {stage.scenario.victim} --config {path}",
        f'  deliverd resume {stage.scenario.victim} --reason "it was a drill" --config {path}',
    ):
        screen.say(line)
    try:
        await stage.watch()
    except asyncio.CancelledError:
        screen.say("stopping")
