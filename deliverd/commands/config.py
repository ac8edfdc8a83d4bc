"""`deliverd config validate` and `deliverd init`: checking a configuration, and writing one to start from."""

import os
from pathlib import Path
from typing import Any

from deliverd.commands.codes import Code, UsageFault
from deliverd.commands.config_file import config_path, load_settings
from deliverd.commands.output import GOOD, Output, Styled
from deliverd.settings import ConfigError, Settings, starter_text

_COUNTED = {"domains": "domain", "owners": "owner", "platforms": "platform account", "policies": "policy"}
_OWNER_ONLY = 0o600


def validate(given: Path | None, as_json: bool) -> Code:
    """Say that it can be used, and how much there is. Raises ConfigError when it cannot; JSON shows that instead."""
    if not as_json:
        path = config_path(given)
        Output().line(Styled("OK", GOOD), f": {_counted(load_settings(path))} in {path}")
        return Code.GOOD
    try:
        path = config_path(given)
        settings = load_settings(path)
    except ConfigError as fault:
        Output().json({"ok": False, "faults": fault.faults})
        return Code.CONFIG
    counts: dict[str, Any] = {table: len(getattr(settings, table)) for table in _COUNTED}
    Output().json({"ok": True, "file": str(path), **counts})
    return Code.GOOD


def _counted(settings: Settings) -> str:
    numbers = {noun: len(getattr(settings, table)) for table, noun in _COUNTED.items()}
    return ", ".join(f"{number:,} {noun if number == 1 else _plural(noun)}" for noun, number in numbers.items())


def _plural(noun: str) -> str:
    return f"{noun.removesuffix('y')}ies" if noun.endswith("y") else f"{noun}s"


def init(path: Path, force: bool) -> Code:
    """Write the starter; it will hold secrets, so only its owner may read it. Raises UsageFault when it is there."""
    try:
        if force:
            path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
    except FileExistsError:
        raise UsageFault(f"{path} is there already; --force overwrites it") from None
    except OSError as fault:
        raise UsageFault(f"{path} cannot be written: {fault.strerror}") from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(starter_text())
    out = Output()
    out.line(f"Written: {path}. Fill in the places marked FILL IN, then run:")
    out.line(f"  deliverd config validate {path}")
    return Code.GOOD
