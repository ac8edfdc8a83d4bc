"""`deliverd run`: the daemon, with logs set up and a configuration that can be read again."""

from functools import partial
from pathlib import Path

from deliverd import daemon, logs
from deliverd.commands.config_file import config_path, load_settings
from deliverd.settings import Settings


def run(config: Path | None) -> int:
    """Run until told to stop. Raises ConfigError, StoreError, OSError."""
    path = config_path(config).absolute()
    return daemon.run(_load(path), partial(_load, path))


def _load(path: Path) -> Settings:
    """The configuration; its `[log]` table holds from here on, at the start and after a reload."""
    settings = load_settings(path)
    logs.configure(settings.log.format, settings.log.level)
    return settings
