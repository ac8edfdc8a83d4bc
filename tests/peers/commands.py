"""The commands through their real entry point: in this process (quick) or in one of their own (all of it is real)."""

import json
import logging
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from typer.testing import CliRunner

from deliverd.cli import app
from deliverd.store.writer import Store
from peers.own_sender import OwnSender

CONFIG = """\
[store]
url = "sqlite:///{database}"
[web]
listen = "127.0.0.1:{port}"
[dns]
nameservers = ["127.0.0.1:{dead}"]
timeout_seconds = 1
tries = 1
[schedule]
sweep_seconds = 0.1
[owners.growth]
channels = ["json://127.0.0.1:{dead}/"]
[platforms.mail]
kind = "webhook"
secret = "{secret}"
control_url = "{control_url}"
[domains."acme.test"]
owner = "growth"
platform = "mail"
mode = "enforce"
dkim_selectors = ["s1"]
[domains."bulk.test"]
owner = "growth"
platform = "mail"
mode = "propose"
[domains."quiet.test"]
owner = "growth"
platform = "mail"
"""
DOMAINS = ("acme.test", "bulk.test", "quiet.test")


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def environment(**more: str) -> dict[str, str]:
    """This process's environment without what would speak for deliverd."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DELIVERD_", "SUDO_"))}
    return kept | {"USER": "ann", "COLUMNS": "100"} | more


def run(*args: str, cwd: Path | None = None, **more: str) -> Ran:
    """`deliverd ARGS` in a process of its own, without a terminal."""
    done = subprocess.run(
        [sys.executable, "-m", "deliverd", *args],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=cwd,
        env=environment(**more),
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def call(*args: str, **more: str) -> Ran:
    """`deliverd ARGS` in this process."""
    logging_before = logging.getLogger().handlers[:], logging.getLogger().level
    try:
        result = CliRunner().invoke(app, list(args), env=environment(DELIVERD_CONFIG="", **more), prog_name="deliverd")
    finally:
        # A command sends logs to the stderr of its own process, which here is a buffer that is gone by now.
        logging.getLogger().handlers[:], logging.getLogger().level = logging_before
        structlog.reset_defaults()
    return Ran(result.exit_code, result.stdout, result.stderr)


@dataclass(slots=True)
class House:
    """A configuration for three domains at a sender of one's own, and a store with the schema."""

    config: Path
    port: int
    sender: OwnSender
    store: Store

    def call(self, *args: str) -> Ran:
        return call("--config", str(self.config), *args)

    def run(self, *args: str) -> Ran:
        return run("--config", str(self.config), *args)
