"""Every way in which Postmark, SparkPost and Resend may fail to answer: the answer is Unseen, with the right reason."""

from collections.abc import Callable
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import pytest

from peers import postmark as postmark_peer
from peers import resend as resend_peer
from peers import sparkpost as sparkpost_peer
from peers.postmark import Postmark
from peers.resend import Resend
from peers.small_api import Outage, SmallApi
from peers.sparkpost import SparkPost
from probes import postmark, resend, sparkpost
from probes.http import Http, HttpFault
from probes.observation import Observation, Unseen, Why

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
DOMAINS = ("acme.com", "two.example")
KEYS = (resend_peer.KEY, sparkpost_peer.KEY, postmark_peer.TOKEN)
Make = Callable[..., tuple[ModuleType, Any]]


def of_resend(url: str, **settings: Any) -> tuple[ModuleType, Any]:
    return resend, resend.Config(**{"kind": "resend", "api_key": resend_peer.KEY, "base_url": url} | settings)


def of_sparkpost(url: str, **settings: Any) -> tuple[ModuleType, Any]:
    plain = {"kind": "sparkpost", "api_key": sparkpost_peer.KEY, "base_url": url + sparkpost_peer.PREFIX}
    return sparkpost, sparkpost.Config(**plain | settings)


def of_postmark(url: str, **settings: Any) -> tuple[ModuleType, Any]:
    streams = {"outbound": "acme.com", "cold": "two.example"}
    plain = {"kind": "postmark", "server_token": postmark_peer.TOKEN, "base_url": url, "streams": streams}
    return postmark, postmark.Config(**plain | settings)


PLATFORMS: dict[str, tuple[Callable[[], SmallApi], Make]] = {
    "resend": (lambda: Resend(domains=dict.fromkeys(DOMAINS, "enabled")), of_resend),
    "sparkpost": (SparkPost, of_sparkpost),
    "postmark": (lambda: Postmark(counts={"outbound": {}, "cold": {}}), of_postmark),
}
REASONS = {
    Outage.HANG: Why.TIMEOUT,
    Outage.UNAUTHORIZED: Why.DENIED,
    Outage.FORBIDDEN: Why.DENIED,
    Outage.NOT_FOUND: Why.NO_DATA,
    Outage.INVALID: Why.REFUSED,
    Outage.RATE_LIMITED: Why.RATE_LIMITED,
    Outage.BROKEN: Why.SERVFAIL,
    Outage.GARBAGE: Why.UNREADABLE,
    Outage.HTML: Why.UNREADABLE,
    Outage.LIST: Why.UNREADABLE,
    Outage.OTHER: Why.UNREADABLE,
    Outage.TRUNCATED: Why.UNREADABLE,
    Outage.REDIRECT: Why.REFUSED,
}
SAYS = (Outage.UNAUTHORIZED, Outage.FORBIDDEN, Outage.NOT_FOUND, Outage.INVALID, Outage.RATE_LIMITED, Outage.BROKEN)


def unseen_of(looks: tuple[Observation, ...]) -> list[Unseen]:
    assert [(one.target, one.part) for one in looks] == [(domain, "") for domain in DOMAINS]
    answers = [one.answer for one in looks]
    assert all(isinstance(answer, Unseen) for answer in answers)
    return [answer for answer in answers if isinstance(answer, Unseen)]


@pytest.mark.parametrize("name", PLATFORMS)
@pytest.mark.parametrize("outage", Outage)
async def test_outages(name: str, outage: Outage) -> None:
    serving, make = PLATFORMS[name]
    with serving() as api:
        api.fail(outage)
        probe, config = make(api.url, timeout_seconds=0.2 if outage is Outage.HANG else 10)
        async with Http() as http:
            answers = unseen_of(await probe.observe(config, DOMAINS, http, NOW))
            with pytest.raises(HttpFault) as caught:
                await probe.discover(config, http, NOW)
    assert {answer.why for answer in answers} == {caught.value.why} == {REASONS[outage]}
    for told in (*(answer.detail for answer in answers), str(caught.value)):
        assert not any(key in told for key in KEYS)
        assert "token=abc" not in told
        assert outage not in SAYS or f"no: {outage.name.lower()}" in told
    if outage is Outage.RATE_LIMITED:
        assert caught.value.retry_after == 17
        assert all("ask again in 17 s" in answer.detail for answer in answers)


@pytest.mark.parametrize("name", PLATFORMS)
async def test_nobody_listens(name: str) -> None:
    serving, make = PLATFORMS[name]
    with serving() as api:
        url = api.url
    probe, config = make(url)
    async with Http() as http:
        answers = unseen_of(await probe.observe(config, DOMAINS, http, NOW))
    assert {answer.why for answer in answers} == {Why.NETWORK}


@pytest.mark.parametrize("name", PLATFORMS)
async def test_a_wrong_key_is_denied_and_not_told(name: str) -> None:
    serving, make = PLATFORMS[name]
    with serving() as api:
        secret = "canary-canary"
        setting = "server_token" if name == "postmark" else "api_key"
        probe, config = make(api.url, **{setting: secret})
        async with Http() as http:
            answers = unseen_of(await probe.observe(config, DOMAINS, http, NOW))
    assert {answer.why for answer in answers} == {Why.DENIED}
    assert all("**********" in answer.detail and secret not in answer.detail for answer in answers)


@pytest.mark.parametrize("name", PLATFORMS)
def test_no_key_is_printed(name: str) -> None:
    _, config = PLATFORMS[name][1]("https://api.example")
    printed = repr(config) + str(config) + config.model_dump_json()
    assert not any(key in printed for key in KEYS)
