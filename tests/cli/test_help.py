"""The help of every command, and what it costs to show it."""

import ast
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import typer.main

from deliverd.cli import app
from peers.commands import call, environment, run

COMMANDS = [
    *("run", "check", "status", "sources", "discover", "explain", "plan", "platforms"),
    *("pause", "resume", "approve", "hold", "init", "health", "drill"),
    "config validate",
    "auth google",
    "auth microsoft",
    "feedback parse",
]
HEAVY = ("sqlalchemy", "boto3", "botocore", "apprise", "dns", "googleapiclient", "msal", "httpx", "pydantic_settings")
ROOT = Path(__file__).parents[2]


def test_every_command_is_tested_here() -> None:
    group = typer.main.get_command(app)
    commands = group.commands  # type: ignore[attr-defined]
    names = {f"{name} {under}".strip() for name, one in commands.items() for under in vars(one).get("commands") or [""]}
    assert names == set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example_and_the_exit_codes(command: str) -> None:
    ran = call(*command.split(), "--help")
    assert ran.code == 0
    assert re.search(rf"^  Example:\n    deliverd {command}", ran.out, re.MULTILINE)
    codes = re.findall(r"^ +(\d+)  \S", ran.out.split("Exit codes:")[1].split("\n\n")[0], re.MULTILINE)
    assert codes == sorted(codes, key=int)
    assert {"0", "64", "78"} <= set(codes) <= {"0", "1", "2", "64", "78"}
    assert "\x1b" not in ran.out and "─" not in ran.out


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_loads_no_heavy_client(command: str) -> None:
    code = (
        "import sys\n"
        f"sys.argv = ['deliverd', *{command.split()!r}, '--help']\n"
        "from deliverd.cli import main\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n    assert not end.code, end.code\n"
        f"print('LOADED', [name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=environment(), check=True
    )
    assert done.stdout.endswith("LOADED []\n")


def test_no_command_but_cli_imports_inside_a_function() -> None:
    for path in (ROOT / "deliverd" / "commands").glob("*.py"):
        tree = ast.parse(path.read_text())
        inner = [
            node
            for function in ast.walk(tree)
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
            for node in ast.walk(function)
            if isinstance(node, ast.Import | ast.ImportFrom)
        ]
        assert inner == [], path.name


def test_version() -> None:
    assert run("--version").out == f"deliverd {version('deliverd')}\n"


def test_without_a_command_it_shows_what_there_is_and_ends_with_64() -> None:
    ran = run()
    assert ran.code == 64
    assert all(f"  {name} " in ran.err for name in ("run", "check", "status", "config"))
