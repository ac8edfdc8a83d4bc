"""The folder of platforms, the literal dict and the classes it names, held together."""

from pathlib import Path

import pytest
from platforms.contract import PAUSED, intent

from deliverd import platforms
from deliverd.model import Lever
from deliverd.platforms.base import Refused
from deliverd.platforms.notify_only import NotifyOnly
from deliverd.platforms.registry import PLATFORMS, open_platform
from peers.own_sender import SECRET
from probes import postmark, webhook

NOT_A_PLATFORM = {"__init__", "base", "batch", "dry_run", "http", "mailboxes", "notify_only", "pace", "registry"}
NOT_A_PLATFORM |= {"vendor"}


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
    with pytest.raises(LookupError, match=r"no platform kind 'pigeon'; there are instantly, .*webhook"):
        open_platform("mail", "pigeon", config)


async def test_a_platform_without_a_brake_says_so_and_what_to_do() -> None:
    platform = NotifyOnly("post", postmark.Config(kind="postmark", server_token="x" * 16, streams={"out": "acme.com"}))
    lever = Lever("post", "stream", "out")
    for asking in (platform.levers("acme.com", ()), platform.read(lever), platform.apply(intent(lever, PAUSED))):
        with pytest.raises(Refused, match=r"no brake at postmark \(post\): stop or limit its mail there by hand"):
            await asking
    await platform.aclose()
