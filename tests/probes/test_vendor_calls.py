"""Calls to a sending platform's JSON API: what is asked, what is waited for, and what an error may say."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from peers.vendor_server import VendorServer
from probes import http
from probes.config import Strict
from probes.http import Http, HttpFault
from probes.observation import Unseen, Why
from probes.vendor_calls import BaseUrl, Calls, because, decoded, endless, rows, vendor_words

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
KEY = "canary/key+1"


class Table(Strict):
    url: BaseUrl


@pytest.mark.parametrize(
    ("given_url", "kept"),
    [
        ("https://api.example/v1/", "https://api.example/v1"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://[::1]:8080/", "http://[::1]:8080"),
        ("http://localhost/api", "http://localhost/api"),
    ],
)
def test_addresses(given_url: str, kept: str) -> None:
    assert Table(url=given_url).url == kept


@pytest.mark.parametrize(
    "url",
    [
        *("", "api.example", "http://api.example", "http://10.0.0.1", "ftp://127.0.0.1", "https://"),
        *("https://[::1", "https://api.example:port", "https://a:b/"),
        *("https://user:canary@api.example", "https://api.example/?canary", "https://api.example/#canary"),
    ],
)
def test_addresses_that_are_not_safe(url: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Table(url=url)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"message": "no"}, "no"),
        ({"ErrorCode": 10, "Message": "Bad token."}, "Bad token."),
        ({"errors": [{"message": "no", "description": "why", "code": "1200"}]}, "no; why"),
        ({"error": "no", "message": "no, again"}, "no"),
        ({"error": {"message": "no"}}, "no"),
        ({"error": {}, "message": "no"}, "no"),
        ({"error": True, "message": "no"}, "no"),
        ({"errors": []}, ""),
        ({"errors": ["no"]}, ""),
        ({"message": 5}, ""),
        ([], ""),
        ("no", ""),
    ],
)
def test_what_platforms_say_of_an_error(body: Any, words: str) -> None:
    assert vendor_words(json.dumps(body).encode()) == words


@given(st.binary(max_size=60))
def test_what_is_no_json_says_nothing(body: bytes) -> None:
    assert vendor_words(b"<html>" + body) == ""


def test_decoded() -> None:
    assert decoded(http.Response(200, {}, b"[1]"), "here", list[int]) == [1]
    for body in (b"", b"<html>", b'["a"]', b"[" * 100_000):
        with pytest.raises(HttpFault) as caught:
            decoded(http.Response(200, {}, body), "here", list[int])
        assert caught.value.why is Why.UNREADABLE


def test_rows() -> None:
    assert rows({"items": [1]}, "items", "here") == [1]
    wholes: tuple[dict[str, Any], ...] = ({}, {"items": None}, {"items": {}})
    for whole in wholes:
        with pytest.raises(HttpFault, match="here: the answer holds no list of items"):
            rows(whole, "items", "here")


def test_faults() -> None:
    assert because(HttpFault(Why.DENIED, "no")) == Unseen(Why.DENIED, "no")
    assert because(HttpFault(Why.RATE_LIMITED, "no", 7.0)) == Unseen(Why.RATE_LIMITED, "no; ask again in 7 s")
    assert endless("here").detail == "here: the list does not end within 1000 pages"


class Platform:
    """Answers with one status after the other, and keeps what it was asked."""

    def __init__(self, *answers: tuple[int, Any], retry_after: str | None = None) -> None:
        self.answers = list(answers)
        self.retry_after = retry_after
        self.asked: list[tuple[str, list[tuple[str, str]], bytes, dict[str, str]]] = []

    async def answer(self, request: Request) -> Response:
        asked = request.query_params.multi_items()
        self.asked.append((request.method, asked, await request.body(), dict(request.headers)))
        status, told = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        headers = {"retry-after": self.retry_after} if status == 429 and self.retry_after is not None else None
        return JSONResponse(told, status, headers)

    def server(self) -> VendorServer:
        return VendorServer({(method, "/things"): self.answer for method in ("GET", "POST")}, KEY)


async def ask(platform: Platform, **members: Any) -> Any:
    with platform.server() as server:
        async with Http() as pool:
            calls = Calls(pool, server.base_url, NOW, 10, secrets=(KEY,), **members)
            return await calls.get("/things", list[int], [("a", "1"), ("a", "2,3")])


async def test_what_is_asked() -> None:
    platform = Platform((200, [1]))
    assert await ask(platform, headers={"x-key": "k"}, query=[("api_key", KEY)]) == [1]
    ((method, asked, body, headers),) = platform.asked
    assert (method, asked, body) == ("GET", [("a", "1"), ("a", "2,3"), ("api_key", KEY)], b"")
    assert (headers["x-key"], headers["accept"]) == ("k", "application/json")
    assert "content-type" not in headers


async def test_what_is_posted() -> None:
    platform = Platform((200, {"a": 1}))
    with platform.server() as server:
        async with Http() as pool:
            calls = Calls(pool, server.base_url, NOW, 10)
            assert await calls.post("/things", dict[str, int], {"ids": [1]}) == {"a": 1}
            assert calls.where("/things?key=1") == f"{server.base_url}/things"
    ((method, asked, body, headers),) = platform.asked
    assert (method, asked, json.loads(body), headers["content-type"]) == ("POST", [], {"ids": [1]}, "application/json")


async def test_an_error_tells_the_platforms_words_and_no_key() -> None:
    for told in ({"message": f"no, {KEY}"}, {"error": f"no, {KEY}"}, {"errors": [{"message": f"no, {KEY}"}]}):
        with pytest.raises(HttpFault) as caught:
            await ask(Platform((400, told)), query=[("api_key", KEY)])
        assert caught.value.why is Why.REFUSED
        assert caught.value.detail.endswith("/things: 400: no, **********")


async def test_without_patience_nothing_is_waited_for() -> None:
    platform = Platform((429, {}), (200, [1]), retry_after="0")
    with pytest.raises(HttpFault) as caught:
        await ask(platform)
    assert (caught.value.why, caught.value.retry_after) == (Why.RATE_LIMITED, 0)
    assert len(platform.asked) == 1


async def test_patience_is_for_all_calls_together() -> None:
    platform = Platform((429, {}), (429, {}), (200, [1]), retry_after="0")
    assert await ask(platform, patience_seconds=0.25) == [1]
    platform = Platform((429, {}), retry_after="0")
    with pytest.raises(HttpFault):
        await ask(platform, patience_seconds=0.25)
    assert len(platform.asked) == 3


async def test_too_long_a_wait_and_one_that_is_not_told() -> None:
    for retry_after in ("60", None):
        platform = Platform((429, {}), retry_after=retry_after)
        with pytest.raises(HttpFault):
            await ask(platform, patience_seconds=1)
        assert len(platform.asked) == 1


async def test_only_a_rate_limit_is_waited_for() -> None:
    platform = Platform((503, {}), (200, [1]))
    with pytest.raises(HttpFault):
        await ask(platform, patience_seconds=60)
    assert len(platform.asked) == 1


async def test_a_fault_that_the_body_names() -> None:
    def named(answer: http.Response, where: str, secrets: Sequence[str]) -> HttpFault | None:
        assert list(secrets) == [KEY]
        return HttpFault(Why.DENIED, f"{where}: no such key") if b"Invalid_Key" in answer.body else None

    for told, why in (({"name": "Invalid_Key"}, Why.DENIED), ({"name": "Other"}, Why.SERVFAIL)):
        with pytest.raises(HttpFault) as caught:
            await ask(Platform((500, told)), named_fault=named)
        assert caught.value.why is why
    assert await ask(Platform((200, [1])), named_fault=named) == [1]
