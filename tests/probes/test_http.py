"""The HTTP door against a real, misbehaving server."""

import asyncio
import gzip
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.http import MAX_ANSWER_BYTES, Http, HttpFault, Response, check, error_text, redacted, retry_after
from probes.observation import Why

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(script: bytes | Serve) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server that answers each connection with `script`. Gives its address and the requests it got."""
    got: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            got.append(await reader.readuntil(b"\r\n\r\n"))
            if isinstance(script, bytes):
                writer.write(script)
                await writer.drain()
            else:
                await script(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/path", got
    finally:
        server.close()


def answer(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    head = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", "connection: close", *headers]
    return "\r\n".join([*head, "", ""]).encode() + body


async def fault_of(call: Awaitable[object]) -> HttpFault:
    with pytest.raises(HttpFault) as caught:
        await call
    return caught.value


async def test_get() -> None:
    async with serving(answer(b"hello", "X-Colour: red")) as (url, got), Http() as http:
        found = await http.get(f"{url}?a=1", headers={"x-one": "1"}, params={"b": "2"})
    assert (found.status, found.body, found.headers["x-colour"]) == (200, b"hello", "red")
    assert got[0].startswith(b"GET /path?a=1&b=2 HTTP/1.1")
    assert b"x-one: 1" in got[0]
    assert b"accept-encoding: identity" in got[0]


async def test_post() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(await reader.readexactly(5), status="201 Created"))

    async with serving(echo) as (url, got), Http() as http:
        found = await http.post(url, body=b"12345", headers={"content-type": "text/plain"})
    assert (found.status, found.body) == (201, b"12345")
    assert got[0].startswith(b"POST /path HTTP/1.1")


async def test_a_redirect_is_not_followed() -> None:
    async with serving(answer(b"", "location: http://127.0.0.1:1/", status="302 Found")) as (url, got), Http() as http:
        found = await http.get(url)
    assert found.status == 302
    assert len(got) == 1


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def dripping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
    while not writer.is_closing():
        writer.write(b".")
        await writer.drain()
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("script", [silent, dripping])
async def test_the_deadline_holds_for_the_whole_call(script: Serve) -> None:
    async with serving(script) as (url, _), Http(0.2) as http:
        fault = await fault_of(http.get(url))
    assert fault.why is Why.TIMEOUT
    assert "no answer within 0.2 s" in fault.detail


async def test_a_call_may_have_its_own_deadline() -> None:
    async with serving(silent) as (url, _), Http(60) as http:
        assert "within 0.1 s" in (await fault_of(http.get(url, timeout_seconds=0.1))).detail
        assert "within 0.1 s" in (await fault_of(http.post(url, body=b"", timeout_seconds=0.1))).detail


@pytest.mark.parametrize(
    ("script", "why"),
    [
        (b"", Why.UNREADABLE),
        (b"SMTP ready\r\n\r\n", Why.UNREADABLE),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc", Why.UNREADABLE),
        (answer(b"x" * (MAX_ANSWER_BYTES + 1)), Why.UNREADABLE),
        (answer(gzip.compress(b"0" * 100), "content-encoding: gzip"), Why.UNREADABLE),
    ],
)
async def test_what_is_no_answer(script: bytes, why: Why) -> None:
    async with serving(script) as (url, _), Http() as http:
        assert (await fault_of(http.get(url))).why is why


async def test_the_longest_answer_that_is_taken() -> None:
    async with serving(answer(b"x" * MAX_ANSWER_BYTES)) as (url, _), Http() as http:
        assert len((await http.get(url)).body) == MAX_ANSWER_BYTES


async def test_nobody_listens() -> None:
    async with serving(b"") as (url, _):
        pass
    async with Http() as http:
        fault = await fault_of(http.get(url))
    assert fault.why is Why.NETWORK
    assert "127.0.0.1" in fault.detail


@pytest.mark.parametrize(
    "url", ["", "nonsense", "ftp://host/", "http://", "http://[::1", "http://a:b:c/", "http://h:99999/"]
)
async def test_what_is_no_address(url: str) -> None:
    async with Http() as http:
        assert (await fault_of(http.get(url))).why is Why.NETWORK


@pytest.mark.parametrize("value", ["canary\r\nx: y", "canary-ü-\u20ac", "canary\x00"])
async def test_a_header_that_cannot_be_sent_is_not_quoted(value: str) -> None:
    async with serving(answer(b"")) as (url, _), Http() as http:
        fault = await fault_of(http.get(url, headers={"authorization": value}))
    assert "canary" not in "".join(traceback.format_exception(fault)) + repr(fault)


async def test_a_key_in_the_address_is_not_quoted() -> None:
    async with Http(0.2) as http:
        for url in ("http://user:canary@127.0.0.1:1/x?key=canary#canary", "nonsense?canary", "http://[canary"):
            fault = await fault_of(http.get(url, params={"token": "canary"}))
            assert "canary" not in "".join(traceback.format_exception(fault)) + repr(fault)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://u:p@api.example:8443/v1?key=1#x", "https://api.example:8443/v1"),
        ("https://API.example/v1", "https://api.example/v1"),
        ("http://[::1]:80/", "http://[::1]:80/"),
        ("/path?q", "?://?/path"),
        ("http://[", "(an address that cannot be read)"),
        ("http://h:port/", "(an address that cannot be read)"),
    ],
)
def test_redacted(url: str, shown: str) -> None:
    assert redacted(url) == shown


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (302, Why.REFUSED),
        (400, Why.REFUSED),
        (401, Why.DENIED),
        (403, Why.DENIED),
        (404, Why.NO_DATA),
        (408, Why.TIMEOUT),
        (409, Why.REFUSED),
        (410, Why.NO_DATA),
        (422, Why.REFUSED),
        (429, Why.RATE_LIMITED),
        (500, Why.SERVFAIL),
        (503, Why.SERVFAIL),
    ],
)
def test_what_a_status_means(status: int, why: Why) -> None:
    with pytest.raises(HttpFault) as caught:
        check(Response(status, {"location": "https://x.example/?canary"}, b'{"error": "because"}'), "here", NOW)
    assert caught.value.why is why
    assert caught.value.detail.startswith(f"here: {status}: ")
    assert ("because" in caught.value.detail) is (status != 302)
    assert "canary" not in caught.value.detail


def test_a_good_status_says_nothing() -> None:
    for status in (200, 204):
        check(Response(status, {}, b'{"error": "not looked at"}'), "here", NOW)


def test_a_status_without_words() -> None:
    with pytest.raises(HttpFault, match=r"^here: 500$"):
        check(Response(500, {}, b"<html>"), "here", NOW)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"error": "no"}', "no"),
        (b'{"error": {"message": "no", "code": 3}}', "no"),
        (b'{"error": {"code": 3}}', "it does not say what"),
        (b'{"error": true}', "True"),
        (b'{"error": "a\\u0000\\nb"}', "a  b"),
        (b'{"error": "wanted hush, hush"}', "wanted **********, **********"),
        (b'{"error": ""}', ""),
        (b'{"error": null}', ""),
        (b'{"error": false}', ""),
        (b"{}", ""),
        (b"[]", ""),
        (b"", ""),
        (b'{"error": "\xff"}', ""),
        (b'{"error": ' + b"[" * 100_000, ""),
    ],
)
def test_error_text(body: bytes, text: str) -> None:
    assert error_text(body, ["hush"]) == text


def test_error_text_is_bounded_and_no_half_secret_is_left() -> None:
    long = b'{"error": "' + b"x" * 195 + b'hushhush"}'
    assert error_text(long, ["hushhush"]) == "x" * 195 + "*" * 5


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        ("86400", 3600.0),
        ("9" * 400, 3600.0),
        ("Sun, 22 Nov 2026 12:00:30 GMT", 30.0),
        ("Sun, 22 Nov 2026 12:00:30 -0000", 30.0),
        ("Sun, 22 Nov 2026 11:00:00 GMT", 0.0),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("1.5", None),
        ("٣", None),
        ("nan", None),
        ("Sun, 22 Nov 99999 12:00:30 GMT", None),
    ],
)
def test_retry_after(header: str, seconds: float | None) -> None:
    assert retry_after(header, NOW) == seconds


@given(st.text(), st.binary())
def test_nothing_unexpected_comes_of_anything(text: str, body: bytes) -> None:
    assert isinstance(redacted(text), str)
    wait = retry_after(text, NOW)
    assert wait is None or 0 <= wait <= 3600
    assert len(error_text(body)) <= 200


async def test_a_proxy_of_the_environment_is_used_for_all_but_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0])
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("no_proxy", "direct.invalid")
    async with server, Http() as http:
        await http.get("http://sender.invalid/a")
        await http.get(f"http://127.0.0.1:{port}/b")
        with pytest.raises(HttpFault):
            await http.get("http://direct.invalid/c")
    assert asked == [b"GET http://sender.invalid/a HTTP/1.1", b"GET /b HTTP/1.1"]


async def test_a_user_in_the_address_is_told_in_the_header_alone() -> None:
    heads: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, Http() as http:
        await http.get(f"http://me:secret@127.0.0.1:{port}/a")
        await http.get(f"http://me:secret@127.0.0.1:{port}/a", headers={"authorization": "Bearer x"})
    assert b"Authorization: Basic bWU6c2VjcmV0\r\n" in heads[0]
    assert b"me:secret" not in heads[0]
    assert b"Bearer x" in heads[1]
