"""The daemon's process: started apart from the caller's settings, and never left behind."""

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from deliverd.drill.process import Daemon

SAY = (
    "import os, sys; "
    "print(sorted('='.join(one) for one in os.environ.items() if one[0] != 'LC_CTYPE'), sys.argv[1:], flush=True); "
)
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"


def daemon(directory: Path, code: str) -> Daemon:
    return Daemon(directory / "deliverd.toml", directory / "deliverd.log", (sys.executable, "-c", code))


async def until_it_says(running: Daemon, word: str) -> None:
    async with asyncio.timeout(10):
        while not any(word in line for line in running.last_lines()):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def ended(running: Daemon) -> int:
    async with asyncio.timeout(10):
        while running.exit_code is None:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    return running.exit_code


async def test_what_it_ends_with_and_says_last_is_kept(tmp_path: Path) -> None:
    running = daemon(tmp_path, SAY + "[print(number) for number in range(50)]; sys.exit(78)")
    assert running.exit_code is None
    assert running.last_lines() == []
    await running.start("sqlite:////drill.db")
    assert await ended(running) == 78
    assert running.last_lines() == [str(number) for number in range(35, 50)]
    assert await running.stop() == 78


async def test_it_is_told_to_run_the_drills_configuration_and_nothing_of_a_real_one(tmp_path: Path) -> None:
    real = {"DELIVERD_STORE__URL": "postgresql://", "NOTIFY_SOCKET": "/run/x", "PATH": "/bin", "MY_DELIVERD": "kept"}
    program = (sys.executable, "-c", SAY)
    running = Daemon(tmp_path / "deliverd.toml", tmp_path / "deliverd.log", program, real)
    await running.start("sqlite:////drill.db")
    await ended(running)
    variables = ["DELIVERD_STORE__URL=sqlite:////drill.db", "MY_DELIVERD=kept", "PATH=/bin"]
    assert running.last_lines() == [f"{variables} {['run', '--config', str(tmp_path / 'deliverd.toml')]}"]


async def test_it_ends_politely_when_it_can(tmp_path: Path) -> None:
    running = daemon(tmp_path, "import time; print('up', flush=True); time.sleep(60)")
    await running.start("sqlite:////drill.db")
    await until_it_says(running, "up")
    assert await running.stop() == -signal.SIGTERM
    assert await running.stop() == -signal.SIGTERM


async def test_it_is_not_left_behind_when_stopping_is_given_up(tmp_path: Path) -> None:
    running = daemon(tmp_path, STUBBORN)
    await running.start("sqlite:////drill.db")
    await until_it_says(running, "up")
    stopping = asyncio.create_task(running.stop())
    await asyncio.sleep(0.2)
    assert running.exit_code is None
    stopping.cancel()
    assert await asyncio.wait_for(ended(running), 5) == -signal.SIGKILL
    await asyncio.gather(stopping, return_exceptions=True)


async def test_a_program_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    running = Daemon(tmp_path / "deliverd.toml", tmp_path / "deliverd.log", (str(tmp_path / "none"),))
    with pytest.raises(OSError, match="none"):
        await running.start("sqlite:////drill.db")
    assert await running.stop() is None
