"""The folder of platforms, the literal dict and the classes it names, held together."""

from pathlib import Path

import pytest

from deliverd import platforms
from deliverd.platforms.registry import PLATFORMS, open_platform
from peers.own_sender import SECRET
from probes import webhook

NOT_A_PLATFORM = {"__init__", "base", "dry_run", "http", "registry"}


def test_folder_and_dict_are_the_same() -> None:
    files = {path.stem for path in Path(platforms.__path__[0]).glob("*.py")} - NOT_A_PLATFORM
    assert files == set(PLATFORMS)
    assert all(path.startswith(f"deliverd.platforms.{kind}:") for kind, path in PLATFORMS.items())


async def test_opens_the_adapter_of_a_kind() -> None:
    config = webhook.Config(kind="webhook", secret=SECRET, control_url="https://sender.example/control")
    platform = open_platform("mail", "webhook", config)
    assert type(platform).__name__ == "Webhook"
    assert platform.account == "mail"
    await platform.aclose()


def test_an_unknown_kind_is_told_what_there_is() -> None:
    config = webhook.Config(kind="webhook", secret=SECRET, control_url="https://sender.example/control")
    with pytest.raises(LookupError, match="no platform kind 'pigeon'; there are ses, webhook"):
        open_platform("mail", "pigeon", config)
