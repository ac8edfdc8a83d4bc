"""Postmark has no brake: it says so, and what a person can do."""

import pytest
from platforms.contract import PAUSED, intent

from deliverd.model import Lever
from deliverd.platforms.base import Refused
from deliverd.platforms.postmark import Postmark
from probes.postmark import Config

STREAMS = {"outbound": "acme.com", "cold": "acme.com", "other": "two.example"}


@pytest.mark.parametrize(
    ("domain", "words"), [("acme.com", "as acme.com, through cold and outbound"), ("new.example", "as new.example,")]
)
async def test_a_person_is_told_what_to_do(domain: str, words: str) -> None:
    platform = Postmark("post", Config(kind="postmark", server_token="canary-token", streams=STREAMS))
    with pytest.raises(Refused, match="no brake at Postmark") as caught:
        await platform.levers(domain, ["stream:outbound"])
    assert words in str(caught.value)
    assert "canary" not in str(caught.value) + repr(platform)
    await platform.aclose()


async def test_nothing_is_read_or_moved() -> None:
    platform = Postmark("post", Config(kind="postmark", server_token="canary-token"))
    lever = Lever("post", "stream", "outbound")
    for asking in (platform.read(lever), platform.apply(intent(lever, PAUSED))):
        with pytest.raises(Refused, match="by hand"):
            await asking
    assert not platform.capabilities.states
