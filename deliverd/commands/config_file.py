"""Which configuration a command uses, read with the environment and the secret files of this process."""

import os
from pathlib import Path

from deliverd.settings import ConfigError, Settings, load
from deliverd.settings_faults import Fault
from deliverd.settings_sources import secrets_dirs

DEFAULTS = (Path("deliverd.toml"), Path("/etc/deliverd/deliverd.toml"))


def found_path(given: Path | None) -> Path | None:
    """The file that was given, else the first of DEFAULTS that is there; None when there is none."""
    return given or next((path for path in DEFAULTS if path.exists()), None)


def config_path(given: Path | None) -> Path:
    """As `found_path`. Raises ConfigError when there is none."""
    path = found_path(given)
    if path is None:
        places = " or ".join(map(str, DEFAULTS))
        expected = "one of them, or --config PATH; `deliverd init` writes one to start from"
        raise ConfigError([Fault(places, "", "no such file", expected)])
    return path


def load_settings(path: Path) -> Settings:
    """Read the file, over it the secret files and the environment of this process. Raises ConfigError."""
    return load(path, os.environ, secrets_dirs(os.environ))
