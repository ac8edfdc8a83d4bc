"""Configuration: `load()` reads it whole, or says in one ConfigError all that is wrong with it.

Precedence, highest first: environment variables, secret files, the TOML file, the defaults here. Times are in seconds
unless the name says hours; every number is finite, every secret a SecretStr.

ConfigError      retry? not before a person has mended the file; a running daemon keeps the configuration it has
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field, PlainValidator, SecretStr, SerializeAsAny, field_validator

from deliverd.model import Mode
from deliverd.policy import Policy
from deliverd.settings_changes import differences
from deliverd.settings_check import checked_tables
from deliverd.settings_faults import Fault
from deliverd.settings_names import LONGEST_NAME, NAME
from deliverd.settings_policies import load_default_policies
from deliverd.settings_sources import read
from probes.config import Secret, Strict
from probes.resolver import Config as Dns

_LISTEN = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+)):([0-9]{1,5})")
_CHANNEL = re.compile(r"[A-Za-z0-9.+-]{1,32}://\S")
_LEVER = r"^[a-z][a-z-]*:\S+$"
_SELECTOR = r"^[A-Za-z0-9]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9]([A-Za-z0-9_-]{0,62}))*$"

Name = Annotated[str, Field(pattern=NAME, max_length=LONGEST_NAME)]
Seconds = Annotated[float, Field(gt=0, le=31_536_000, allow_inf_nan=False)]


class Store(Strict):
    """[store]: where the history lives."""

    url: Secret = SecretStr("sqlite:////var/lib/deliverd/deliverd.db")

    @field_validator("url")
    @classmethod
    def _known_database(cls, url: SecretStr) -> SecretStr:
        if not url.get_secret_value().startswith(("sqlite:///", "postgresql+psycopg://")):
            raise ValueError("a URL that begins with sqlite:/// or postgresql+psycopg://")
        return url


class Web(Strict):
    """[web]: where platforms deliver events and people look. `listen` is HOST:PORT; port 0 lets the kernel choose."""

    listen: str = "127.0.0.1:8425"
    max_body_bytes: int = Field(default=1_048_576, ge=1_024, le=104_857_600)
    request_seconds: float = Field(default=20.0, gt=0, le=600, allow_inf_nan=False)

    @field_validator("listen")
    @classmethod
    def _host_and_port(cls, listen: str) -> str:
        at = _LISTEN.fullmatch(listen)
        if not at or int(at[3]) > 65_535:
            raise ValueError("HOST:PORT, such as 127.0.0.1:8425 or [::1]:8425")
        return listen

    @property
    def address(self) -> tuple[str, int]:
        """Host, without the brackets of an IPv6 one, and port."""
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]"), int(port)


class Schedule(Strict):
    """[schedule]: how often each arrow runs, in seconds."""

    dns_seconds: Seconds = 900.0
    platform_seconds: Seconds = 300.0
    source_seconds: Seconds = 21_600.0
    judge_seconds: Seconds = 60.0
    reconcile_seconds: Seconds = 300.0
    sweep_seconds: Seconds = 1.0


class Alerts(Strict):
    """[alerts]: when an open incident is told again, and how long an alert waits to tell what came of the action."""

    repeat_hours: float = Field(default=24.0, gt=0, le=8_760, allow_inf_nan=False)
    wait_for_result_seconds: float = Field(default=10.0, ge=0, le=3_600, allow_inf_nan=False)


class Log(Strict):
    """[log]: `auto` is text on a terminal and JSON elsewhere."""

    format: Literal["auto", "json", "text"] = "auto"
    level: Literal["debug", "info", "warning", "error"] = "info"


class Owner(Strict):
    """[owners.NAME]: who is told, as Apprise URLs. These hold passwords, so each is a secret."""

    channels: tuple[Secret, ...] = Field(min_length=1)

    @field_validator("channels")
    @classmethod
    def _urls(cls, channels: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for index, channel in enumerate(channels):
            if not _CHANNEL.match(channel.get_secret_value()):
                raise ValueError(f"an Apprise URL such as mailto://... in each place; number {index + 1} is none")
        return channels


class Domain(Strict):
    """[domains."NAME"]: whose it is, where it is sent from, what deliverd may do, and by which policy.

    `levers` are `KIND:ID` at the platform; left empty, the platform's own list is taken.
    """

    owner: Name
    platform: Name
    mode: Mode = Mode.OBSERVE
    policy: Name = "default"
    levers: tuple[Annotated[str, Field(pattern=_LEVER)], ...] = ()
    dkim_selectors: tuple[Annotated[str, Field(pattern=_SELECTOR, max_length=240)], ...] = ()


class Account(Strict):
    """[platforms.NAME]: what the Configs of all kinds (probes/KIND.py) have in common.

    They do not inherit from it, because probes know nothing of deliverd. `kind` is the name in the registries.
    """

    kind: str


def _is_account(config: object) -> object:
    if not isinstance(config, Strict) or "kind" not in type(config).model_fields:
        raise ValueError("the Config of a platform account")
    return config


def _is_source(config: object) -> object:
    if not isinstance(config, Strict):
        raise ValueError("the Config of a source")
    return config


class Settings(Strict):
    """The whole configuration, checked."""

    store: Store = Store()
    web: Web = Web()
    dns: Dns = Dns()
    schedule: Schedule = Schedule()
    alerts: Alerts = Alerts()
    log: Log = Log()
    owners: dict[str, Owner] = Field(default_factory=dict)
    platforms: dict[str, Annotated[SerializeAsAny[Account], PlainValidator(_is_account)]] = Field(default_factory=dict)
    sources: dict[str, Annotated[SerializeAsAny[Strict], PlainValidator(_is_source)]] = Field(default_factory=dict)
    policies: dict[str, Policy] = Field(default_factory=load_default_policies)
    domains: dict[str, Domain] = Field(default_factory=dict)

    def domain_of(self, name: str) -> str | None:
        """The configured domain that a name belongs to: itself, else the nearest parent; None when there is none."""
        labels = name.strip().rstrip(".").lower().split(".")
        parents = (".".join(labels[start:]) for start in range(len(labels)))
        return next((parent for parent in parents if parent in self.domains), None)


_MODELS: dict[str, type[BaseModel]] = {
    "store": Store,
    "web": Web,
    "dns": Dns,
    "schedule": Schedule,
    "alerts": Alerts,
    "log": Log,
    "owners": Owner,
    "policies": Policy,
    "domains": Domain,
}


class ConfigError(Exception):
    """A configuration that cannot be used. Its text is every fault, one a paragraph, and holds no secret."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n\n".join(str(fault) for fault in self.faults))


def load(path: Path, environ: Mapping[str, str], secrets_dirs: Sequence[Path] = ()) -> Settings:
    """Read the TOML file, over it the files in `secrets_dirs` (the last wins), over them `DELIVERD_TABLE__KEY`.

    Raises:
        ConfigError: something is wrong; it holds every fault found. No other error is raised.
    """
    sources = read(path, environ, secrets_dirs, frozenset(Settings.model_fields))
    tables = checked_tables(sources, _MODELS) if sources.readable else {}
    if sources.faults:
        in_reading_order = sorted(dict.fromkeys(sources.faults), key=lambda fault: (fault.file, fault.line or 0))
        raise ConfigError(in_reading_order)
    return Settings.model_validate(tables)


def changes(old: Settings, new: Settings) -> tuple[str, ...]:
    """What a reload changes, a line each: `domain acme.com added`, `schedule.dns_seconds: 900 -> 300`. () for nothing.

    A secret is only ever said to have changed.
    """
    return tuple(differences(old, new))


def starter_text() -> str:
    """The commented file that `deliverd init` writes."""
    return (files("deliverd") / "templates" / "starter.toml").read_text(encoding="utf-8")
