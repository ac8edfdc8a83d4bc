"""Where settings come from: a TOML file, over it the secret files, over them the environment variables.

pydantic-settings reads and merges; this file adds what it does not tell: which source each value came from, so that
a fault can name it, and that nothing wrongly named is passed over in silence.
"""

import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, time
from pathlib import Path
from typing import Any

from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, TomlConfigSettingsSource

from deliverd.settings_faults import Fault, Place, dotted, listing, nearest

PREFIX = "DELIVERD_"
DELIMITER = "__"
DOCKER_SECRETS = Path("/run/secrets")
_LARGEST_SECRET_BYTES = 65_536
_DEEPEST = 12
_LARGEST_NUMBER = 2**63
_HEADER = re.compile(r"\s*\[([^\[].*?)\]\s*(?:#.*)?")
_AT = re.compile(r" \(at line (\d+), column (\d+)\)$")


class _Tree(BaseSettings, extra="allow"):
    """Any tree: pydantic-settings merges the sources into it, and the tables are checked one by one afterwards."""


class _AtRest(InitSettingsSource):
    """Values that are there already; pydantic-settings only merges them."""


@dataclass(slots=True)
class Sources:
    """The merged tree, and where each value came from."""

    file: str
    values: dict[str, Any] = field(default_factory=dict)
    texts: dict[Place, str] = field(default_factory=dict)
    """Which places came as text, from a variable or a secret file, and its name: text may stand for a number."""
    lines: dict[Place, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    readable: bool = True
    """False: the TOML file could not be read at all, and nothing can be said of what stands in it."""
    _reported: set[Place] = field(default_factory=set)

    def fault(self, place: Place, found: str, expected: str, hint: str = "") -> None:
        """Write down what is wrong at a place, in the source that it came from; the first word on a place holds."""
        if place in self._reported:
            return
        self._reported.add(place)
        name = self._named_by(place)
        file, line = (name, None) if name else (self.file, self._line(place))
        self.faults.append(Fault(file, dotted(place), found, expected, hint, line))

    def _named_by(self, place: Place) -> str | None:
        for end in range(len(place), 0, -1):
            if place[:end] in self.texts:
                return self.texts[place[:end]]
        if place[:-1] in self.lines:
            return None
        inside = [name for path, name in self.texts.items() if path[: len(place) - 1] == place[:-1] and len(place) > 2]
        return inside[0] if inside else None

    def _line(self, place: Place) -> int | None:
        for end in range(len(place), 0, -1):
            if place[:end] in self.lines:
                return self.lines[place[:end]]
        return None


def secrets_dirs(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """The directories of secret files that are there: Docker's, then systemd's (which wins)."""
    systemd = environ.get("CREDENTIALS_DIRECTORY", "")
    places = [DOCKER_SECRETS, *([Path(systemd)] if systemd else [])]
    return tuple(place for place in places if place.is_dir())


def read(path: Path, environ: Mapping[str, str], directories: Sequence[Path], tables: frozenset[str]) -> Sources:
    """Read and merge all sources. What is wrong with one of them is in `faults` of what is returned; nothing raises."""
    sources = Sources(str(path))
    toml = _toml(path, sources)
    secrets: dict[str, Any] = {}
    for directory in directories:
        _secret_files(directory, tables, secrets, sources)
    variables: dict[str, Any] = {}
    _variables(environ, tables, variables, sources)
    sources.values = _plain(_merged(variables, secrets, toml), sources)
    return sources


def _merged(*trees: dict[str, Any]) -> dict[str, Any]:
    """Merge the trees table by table; the first named wins."""

    class Tree(_Tree):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return tuple(_AtRest(settings_cls, init_kwargs=tree) for tree in trees)

    return dict(Tree().model_extra or {})


def _toml(path: Path, sources: Sources) -> dict[str, Any]:
    """The TOML file as a tree; {} when it cannot be read, and why is written down."""
    if not path.is_file():
        found = "a directory" if path.is_dir() else "something that is no file" if path.exists() else "no such file"
        return _unread(sources, found, "a TOML file; `deliverd init` writes one to start from")
    try:
        text = path.read_bytes().decode("utf-8")
        tree = TomlConfigSettingsSource(_Tree, path).toml_data
    except OSError as fault:
        return _unread(sources, f"a file that cannot be read: {fault.strerror}", "a file that this user may read")
    except UnicodeDecodeError as fault:
        return _unread(sources, f"a byte that is not UTF-8, at offset {fault.start}", "UTF-8 text")
    except RecursionError:
        return _unread(sources, "lists or tables nested too deeply", f"at most {_DEEPEST} levels")
    except ValueError as fault:
        at = _AT.search(str(fault))
        found = f"a TOML syntax error: {_AT.sub('', str(fault))}" + (f" (column {at[2]})" if at else "")
        return _unread(sources, found, "TOML, see https://toml.io", int(at[1]) if at else None)
    sources.lines = _lines(text)
    return tree


def _unread(sources: Sources, found: str, expected: str, line: int | None = None) -> dict[str, Any]:
    sources.faults.append(Fault(sources.file, "", found, expected, line=line))
    sources.readable = False
    return {}


def _lines(text: str) -> dict[Place, int]:
    """Best effort at the line each key stands on, for tables and keys written in the usual way."""
    lines: dict[Place, int] = {}
    table: Place = ()
    for number, line in enumerate(text.split("\n"), start=1):
        header = _HEADER.fullmatch(line)
        key = _keys(header[1] if header else line.partition("=")[0])
        if header:
            table = key
        if key:
            lines.setdefault(key if header else table + key, number)
    return lines


def _keys(written: str) -> Place:
    """`domains."acme.com"` as its parts; () when it is not a key."""
    try:
        tree: Any = tomllib.loads(f"{written.strip()} = 0")
    except (ValueError, RecursionError):
        return ()
    keys: list[str] = []
    while isinstance(tree, dict) and len(tree) == 1:
        keys.extend(tree)
        tree = tree[keys[-1]]
    return tuple(keys)


def _variables(environ: Mapping[str, str], tables: frozenset[str], tree: dict[str, Any], sources: Sources) -> None:
    """`DELIVERD_TABLE__KEY=text`. Without `__` it is none of ours: Kubernetes sets DELIVERD_PORT and the like."""
    for name, text in sorted(environ.items()):
        if not name.upper().startswith(PREFIX) or DELIMITER not in name[len(PREFIX) :]:
            continue
        place = tuple(name[len(PREFIX) :].lower().split(DELIMITER))
        label = f"environment variable {name}"
        if place[0] not in tables:
            hint = nearest(place[0], tables)
            found = "a table that is not known"
            sources.faults.append(Fault(label, dotted(place), found, f"one of {listing(tables)}", hint))
        else:
            _plant(tree, place, text, label, sources)


def _secret_files(directory: Path, tables: frozenset[str], tree: dict[str, Any], sources: Sources) -> None:
    """`table__key` holding text. Files of other names belong to others and are left unread."""
    try:
        paths = sorted(directory.iterdir())
    except OSError as fault:
        found = f"a directory of secrets that cannot be read: {fault.strerror}"
        sources.faults.append(Fault(str(directory), "", found, "a directory that this user may read"))
        return
    for path in paths:
        place = tuple(path.name.lower().split(DELIMITER))
        if len(place) < 2 or place[0] not in tables:
            continue
        text = _secret_text(path)
        if isinstance(text, Fault):
            sources.faults.append(text)
        else:
            _plant(tree, place, text, str(path), sources)


def _secret_text(path: Path) -> str | Fault:
    """What a secret file holds, less the line end."""
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST_SECRET_BYTES + 1)
        if len(data) > _LARGEST_SECRET_BYTES:
            return Fault(str(path), "", "a file too large for a secret", f"at most {_LARGEST_SECRET_BYTES} bytes")
        return data.decode("utf-8").rstrip("\r\n")
    except OSError as fault:
        return Fault(str(path), "", f"a secret that cannot be read: {fault.strerror}", "a file that this user may read")
    except UnicodeDecodeError:
        return Fault(str(path), "", "a byte that is not UTF-8", "UTF-8 text")


def _plant(tree: dict[str, Any], place: tuple[str, ...], text: str, label: str, sources: Sources) -> None:
    """Put text at its place. Two names of which one lies inside the other cannot both be meant."""
    for part in place[:-1]:
        tree = tree.setdefault(part, {})
        if not isinstance(tree, dict):
            break
    if not all(place) or not isinstance(tree, dict) or isinstance(tree.get(place[-1]), dict):
        found = "a name with an empty part" if not all(place) else "a key and, under other names, keys inside it"
        sources.faults.append(Fault(label, dotted(place), found, "names such as TABLE__KEY, each a key of its own"))
        return
    try:
        text.encode("utf-8")
    except UnicodeError:
        sources.faults.append(Fault(label, dotted(place), "bytes that are not UTF-8", "UTF-8 text"))
        return
    tree[place[-1]] = text
    sources.texts[place] = label


def _plain(tree: dict[str, Any], sources: Sources) -> dict[str, Any]:
    """The tree with dates as text. Numbers that are not finite and nesting past all tables are written down."""
    return {key: _plain_value(value, (key,), sources) for key, value in tree.items()}


def _plain_value(value: Any, place: Place, sources: Sources) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        sources.fault(place, str(value), "a finite number")
        return None
    if isinstance(value, int) and not -_LARGEST_NUMBER <= value < _LARGEST_NUMBER:
        sources.fault(place, "a number beyond 64 bits", "a smaller number")
        return None
    if isinstance(value, date | time):
        return value.isoformat()
    if not isinstance(value, dict | list):
        return value
    if len(place) > _DEEPEST:
        sources.fault(place[:1], "lists or tables nested too deeply", f"at most {_DEEPEST} levels")
        return None
    if isinstance(value, dict):
        return {key: _plain_value(inner, (*place, key), sources) for key, inner in value.items()}
    return [_plain_value(inner, (*place, index), sources) for index, inner in enumerate(value)]
