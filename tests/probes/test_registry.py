"""The folder of probes, the literal dict and what a probe must have, held together."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import probes
from deliverd.platforms.registry import PLATFORMS
from probes.config import Strict
from probes.registry import PROBES, load

FOLDER = Path(probes.__path__[0])
DNS = {"spf", "dkim", "dmarc"}
SOURCES = {"google_postmaster", "microsoft_snds"}
"""Mailbox providers who tell when they are asked; nothing is moved at them, and they send no events."""

MAILBOXES = {"feedback_mail"}
"""Read mail by mail, and acknowledged after the commit: what they tell are events, and no observations."""


def observers() -> set[str]:
    """Every file of the folder that defines an `observe` of its own: that is what makes it a probe."""
    return {
        path.stem
        for path in FOLDER.glob("*.py")
        if any(isinstance(part, ast.AsyncFunctionDef) and part.name == "observe" for part in _top(path))
    }


def _top(path: Path) -> list[ast.stmt]:
    return ast.parse(path.read_text(encoding="utf-8")).body


def test_folder_and_dict_are_the_same() -> None:
    assert observers() == set(PROBES) - MAILBOXES
    assert all(module == f"probes.{name}" for name, module in PROBES.items())


@pytest.mark.parametrize("name", PROBES)
def test_a_probe_has_its_parts(name: str) -> None:
    probe = load(name)
    assert issubclass(probe.Config, Strict)
    if name in MAILBOXES:
        assert list(inspect.signature(probe.collect).parameters) == ["config", "ask", "window", "watched"]
        assert list(inspect.signature(probe.acknowledge).parameters) == ["config", "ids", "odd"]
        return
    first, second = list(inspect.signature(probe.observe).parameters)[:2]
    if name in DNS:
        assert (first, second) == ("domain", "config")
        assert callable(probe.parse)
    elif name in SOURCES:
        assert list(inspect.signature(probe.observe).parameters)[:4] == ["config", "domains", "http", "now"]
    else:
        assert (first, second) == ("config", "domains")
        assert inspect.iscoroutinefunction(probe.receive)
        assert list(inspect.signature(probe.receive).parameters)[:5] == ["config", "headers", "body", "window", "http"]
        assert probe.Config.model_fields["kind"].annotation.__args__ == (name,)


def test_every_platform_that_is_touched_is_also_read() -> None:
    assert set(PLATFORMS) == set(PROBES) - DNS - SOURCES - MAILBOXES


def test_an_unknown_name_is_told_what_there_is() -> None:
    with pytest.raises(LookupError, match=r"no probe 'smtp'; there are dkim, .*webhook"):
        load("smtp")


def test_the_registry_itself_loads_no_client() -> None:
    heavy = {"boto3", "httpx", "dns", "googleapiclient", "msal"}
    look = f"import sys, probes.registry; print(*sorted({heavy} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == ""
