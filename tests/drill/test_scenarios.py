"""Each scenario for real: `deliverd drill --once`, with the whole daemon in it. Each takes 15 to 30 seconds."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from deliverd.drill.scenarios import SCENARIOS

DEMO = "complaint-spike"
COMMAND = [sys.executable, "-m", "deliverd.cli", "drill"]


def drill(*options: str, seconds: float = 120, **extra: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **extra}
    return subprocess.run(
        [*COMMAND, *options], capture_output=True, text=True, timeout=seconds, check=False, env=environment
    )


def told(done: subprocess.CompletedProcess[str]) -> str:
    return f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"


OBSERVE = """
[policies.default.authentication]
then = "paused"

[domains."acme.com"]
mode = "observe"
"""


Drills = dict[str, Future[subprocess.CompletedProcess[str]]]


@pytest.fixture(scope="module")
def drills(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drills]:
    """All drills, two at a time: they mostly wait."""
    mine = tmp_path_factory.mktemp("drill") / "mine.toml"
    mine.write_text(OBSERVE, encoding="utf-8")
    with ThreadPoolExecutor(2) as pool:
        yield {
            # Settings in the environment are those of a real deployment: a drill must not run into them.
            "demo": pool.submit(drill, "--once", DELIVERD_STORE__URL="postgresql+psycopg://nobody@127.0.0.1:1/none"),
            **{name: pool.submit(drill, "--once", "--json", "--scenario", name) for name in SCENARIOS if name != DEMO},
            "observe": pool.submit(drill, "--once", "--json", "--scenario", "dkim-removed", "--config", str(mine)),
        }


@pytest.mark.parametrize("name", [name for name in SCENARIOS if name != DEMO])
def test_the_domain_is_protected(drills: Drills, name: str) -> None:
    done = drills[name].result()
    assert done.returncode == 0, told(done)
    (document,) = json.loads(done.stdout)
    assert document["protected"] is True
    assert document["scenario"] == name
    assert {line["kind"] for line in document["timeline"]} == {"world", "seen", "decided", "done", "told"}


def test_the_demo_prints_its_timeline_and_what_it_took(drills: Drills) -> None:
    done = drills["demo"].result()
    assert done.returncode == 0, told(done)
    assert "\x1b" not in done.stdout
    assert f"fire drill: {DEMO}" in done.stdout
    for word in ("WORLD", "SEEN", "DECIDED", "DONE", "TOLD", "confirmed pause  ", "still left", "was PROTECTED."):
        assert word in done.stdout, told(done)


def test_a_domain_that_is_only_observed_is_not_protected(drills: Drills) -> None:
    done = drills["observe"].result()
    assert done.returncode == 1, told(done)
    (document,) = json.loads(done.stdout)
    assert any("observe" in check["text"] for check in document["checks"] if not check["ok"])
    assert not any(line["kind"] == "done" for line in document["timeline"])


def test_a_policy_that_cannot_be_used_is_no_verdict(tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text("[policies.default.pause]\ncomplaints = 1\n", encoding="utf-8")
    done = drill("--once", "--config", str(mine))
    assert done.returncode == 2, told(done)
    assert "complaints" in done.stderr


def running(parent: int) -> list[int]:
    """The processes below another one."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        stat = entry / "stat"
        try:
            fields = stat.read_text().rpartition(") ")[2].split() if entry.name.isdigit() else []
        except OSError:
            continue
        if fields and int(fields[1]) == parent:
            found += [int(entry.name), *running(int(entry.name))]
    return found


def until(holds: Any, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.05)
    return False


def test_interrupted_it_leaves_nothing_behind(tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(COMMAND, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment) as process:
        assert until(lambda: running(process.pid), 30)
        children = running(process.pid)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=30)
    assert process.returncode == 130, output.decode()
    assert not any(Path(f"/proc/{child}").exists() for child in children)
    assert list(tmp_path.iterdir()) == []
