"""What commands need that ask the world by themselves: a configuration if there is one, and name servers."""

import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from deliverd.commands.codes import UsageFault
from deliverd.commands.config_file import found_path, load_settings
from deliverd.commands.output import visible
from deliverd.settings import ConfigError, Settings
from probes.resolver import Config as Dns


def settings_if_any(config: Path | None) -> Settings | None:
    """The configuration, where there is one. One that merely lies about and is broken is passed over, and said so."""
    path = found_path(config)
    if path is None:
        return None
    try:
        return load_settings(path)
    except ConfigError as fault:
        if config is not None:
            raise
        plural = "fault" if len(fault.faults) == 1 else "faults"
        words = f"{path} is not used: {len(fault.faults)} {plural}; see deliverd config validate"
        print(f"deliverd: {visible(words)}", file=sys.stderr)
        return None


def name_servers(given: Sequence[str], settings: Settings | None) -> Dns:
    """The name servers to ask: `given`, else the configured ones, else the system's. Raises UsageFault."""
    configured = settings.dns if settings else Dns()
    if not given:
        return configured
    try:
        return Dns.model_validate(configured.model_dump() | {"nameservers": tuple(given)})
    except ValidationError as fault:
        raise UsageFault(f"--nameserver: {fault.errors()[0]['msg'].removeprefix('Value error, ')}") from None
