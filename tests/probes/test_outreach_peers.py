"""The stand-ins remember what is done to them, and say so in the words of the vendors' API descriptions."""

import json
from typing import Any

import pytest

from peers import instantly, lemlist, smartlead
from peers.outreach import Outreach, Spec
from probes.http import Http


async def call(platform: Outreach, method: str, path: str, body: Any = None, **query: str) -> Any:
    headers = {"authorization": f"Bearer {platform.key}"}
    if isinstance(platform, lemlist.Lemlist):
        headers = {"authorization": f"Basic {lemlist.basic(platform.key)}"}
    if isinstance(platform, smartlead.Smartlead):
        query |= {"api_key": platform.key}
    raw = None if body is None else json.dumps(body).encode()
    async with Http() as http:
        answer = await http.request(method, platform.base_url + path, headers=headers, params=query, body=raw)
    assert answer.status == 200, answer
    return json.loads(answer.body)


def fits(platform: Outreach, name: str, prefix: str) -> None:
    if not Spec.is_there(name):
        pytest.skip(f"{name} is not on this machine, so the stand-in is not held against it")
    calls = [one for one in platform.calls if one.path != lemlist.NEWER_THAN_THE_SPEC]
    assert Spec(name).faults(calls, prefix) == []


async def test_instantly() -> None:
    with instantly.Instantly() as platform:
        platform.add("a@acme.com", "b@acme.com")
        platform.gone.add("b@acme.com")
        paused = await call(platform, "POST", "/accounts/pause", {"emails": ["a@acme.com", "b@acme.com"]})
        assert paused == {"paused_emails": ["a@acme.com"], "failed_emails": ["b@acme.com"]}
        assert (await call(platform, "GET", "/accounts/a%40acme.com"))["status"] == instantly.PAUSED
        assert (await call(platform, "PATCH", "/accounts/a%40acme.com", {"daily_limit": 5}))["daily_limit"] == 5
        assert (await call(platform, "POST", "/accounts/a%40acme.com/resume"))["status"] == instantly.ACTIVE
        fits(platform, instantly.SPEC, platform.prefix)


async def test_smartlead() -> None:
    with smartlead.Smartlead() as platform:
        platform.add("a@acme.com")
        await call(platform, "PUT", "/email-accounts/suspend/1000")
        await call(platform, "POST", "/email-accounts/1000", {"max_email_per_day": 5})
        shown = await call(platform, "GET", "/email-accounts/1000")
        assert (shown["is_suspended"], shown["max_email_per_day"]) == (True, 5)
        await call(platform, "DELETE", "/email-accounts/unsuspend/1000")
        assert (await call(platform, "GET", "/email-accounts/1000"))["is_suspended"] is False
        fits(platform, smartlead.SPEC, "/v1")


async def test_lemlist() -> None:
    with lemlist.Lemlist() as platform:
        platform.add_user("ann", "a@acme.com")
        platform.add_campaign("one", ("ann", "a@acme.com"))
        wanted = {
            "emailAccounts": [{"id": "usm_a@acme.com", "dailyEmailLimit": 5}, {"id": "usm_x", "dailyEmailLimit": 1}]
        }
        limited = await call(platform, "PATCH", "/user/sending-settings", wanted)
        assert [one["success"] for one in limited["emailAccounts"]] == [True, False]
        told = await call(platform, "GET", "/user/sending-settings", scope="team")
        assert told["emailAccounts"][0]["dailyEmailLimit"] == 5
        assert (await call(platform, "POST", "/campaigns/cam_one/pause"))["state"] == "paused"
        assert (await call(platform, "GET", "/campaigns/cam_one"))["status"] == "paused"
        await call(platform, "POST", "/campaigns/cam_one/start")
        fits(platform, lemlist.SPEC, "")
