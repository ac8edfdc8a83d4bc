"""Whatever the sources hold, they load or are refused with a ConfigError: nothing else is ever raised."""

import json
import math
from datetime import date, datetime, time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from deliverd.settings import ConfigError, Settings, load
from probes import registry

EXAMPLE = (Path(__file__).parents[2] / "config" / "deliverd.example.toml").read_text()

NO_HURRY = settings(deadline=None)
"""The clients that the example asks for take a second to load, once."""

NAMES_IN_USE = ["mail", "growth", "acme.com", "default", *registry.SOURCES]
KEYS_IN_USE = [
    "kind",
    "secret",
    "url",
    "file",
    "owner",
    "platform",
    "policy",
    "base",
    "pause",
    "source",
    "channels",
    "token",
    "ramp",
]
KNOWN = st.sampled_from([*Settings.model_fields, *NAMES_IN_USE, *KEYS_IN_USE])
KEYS = KNOWN | st.text(max_size=8)
WORDS = st.sampled_from(["webhook", "ses", "spf", "default", "growth", "mail", "json://a", "whsec_AAAA", "/dev/null"])
SCALARS = st.one_of(
    WORDS, st.text(), st.integers(), st.floats(), st.booleans(), st.dates(), st.datetimes(), st.times(), st.none()
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)
TREES = st.dictionaries(KEYS, VALUES | st.dictionaries(KEYS, VALUES, max_size=3), max_size=5)


def toml(value: Any) -> str:
    """One value in TOML; None, which TOML has not, as a broken one."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml(key)} = {toml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def loads_or_refuses(
    data: bytes, environ: dict[str, str] | None = None, secrets: dict[str, bytes] | None = None
) -> None:
    with TemporaryDirectory() as folder:
        file = Path(folder, "deliverd.toml")
        file.write_bytes(data)
        directory = Path(folder, "secrets")
        directory.mkdir()
        for name, text in (secrets or {}).items():
            (directory / name).write_bytes(text)
        try:
            loaded = load(file, environ or {}, (directory,))
        except ConfigError as error:
            assert error.faults
            assert str(error) == "\n\n".join(map(str, error.faults))
        else:
            assert isinstance(loaded, Settings)


@given(TREES)
@example({"store": {"url": {"file": "\0"}}})
@example({"owners": {"a": 3}, "platforms": 3, "policies": [], "domains": {"acme.com": {"owner": "a", "platform": "b"}}})
@example({"policies": {"default": {"pause": 3, "watch": {"source": []}}, "a": {"base": "a"}}})
def test_any_tree(tree):
    text = "".join(f"{toml(key)} = {toml(value)}\n" for key, value in tree.items())
    loads_or_refuses(text.encode("utf-8", "surrogatepass"))


@given(st.binary() | st.text().map(str.encode))
def test_any_bytes(data):
    loads_or_refuses(data)


@given(
    st.integers(0, EXAMPLE.count("\n") - 1), st.sampled_from(["", "x = 1", "[web]", "[[web]]", "= 3", '"""', "\x00"])
)
@settings(NO_HURRY, max_examples=60)
def test_the_example_with_any_line_spoilt(number, line):
    lines = EXAMPLE.splitlines()
    lines[number] = line
    loads_or_refuses("\n".join(lines).encode())


PARTS = KNOWN.map(str.upper) | st.text(st.characters(exclude_characters="\0="), max_size=6)
NAMES = st.lists(PARTS, min_size=1, max_size=5).map("__".join)
TEXTS = st.one_of(st.text(), VALUES.map(toml), st.text(st.characters(codec=None), max_size=4))


@given(st.dictionaries(NAMES.map("DELIVERD_{}".format), TEXTS, max_size=5))
@example({"DELIVERD_LOG__LEVEL__FILE": "x", "deliverd_log__level": "y"})
@NO_HURRY
def test_any_variables(environ):
    loads_or_refuses(EXAMPLE.encode(), environ)


FILES = NAMES.map(str.lower).filter(lambda name: "/" not in name and name.isascii() and name not in {"", ".", ".."})


@given(st.dictionaries(FILES, st.binary(), max_size=4))
@NO_HURRY
def test_any_secret_files(files):
    loads_or_refuses(EXAMPLE.encode(), secrets=files)
