"""A small configuration that holds, to be spoilt one place at a time."""

from collections.abc import Callable
from pathlib import Path

import pytest

from deliverd.settings import ConfigError, Settings, load

SECRET = "whsec_Y2FuYXJ5LWNhbmFyeS1jYW5hcnktY2FuYXJ5"

SMALL = f"""
[owners.growth]
channels = ["mailto://user:password@mail.example.com"]

[platforms.mail]
kind = "webhook"
secret = "{SECRET}"
control_url = "https://sender.example.com/deliverd"

[domains."acme.com"]
owner = "growth"
platform = "mail"
"""

Load = Callable[..., Settings]
Fail = Callable[..., ConfigError]


@pytest.fixture
def small() -> str:
    return SMALL


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "deliverd.toml"


@pytest.fixture
def loaded(file: Path) -> Load:
    """Load this text, these variables, these directories of secrets."""

    def load_text(text: str = SMALL, environ: dict[str, str] | None = None, dirs: tuple[Path, ...] = ()) -> Settings:
        file.write_text(text, encoding="utf-8")
        return load(file, environ or {}, dirs)

    return load_text


@pytest.fixture
def failing(loaded: Load) -> Fail:
    """Load what cannot be loaded, and return the error."""

    def fail(*args: object, **kwargs: object) -> ConfigError:
        with pytest.raises(ConfigError) as caught:
            loaded(*args, **kwargs)
        return caught.value

    return fail
