"""The door to HTTP: short calls with a deadline, a bounded answer, and errors that name no secret.

HttpFault    retry? by its `why`: after DENIED and NO_DATA not until somebody has mended it; after RATE_LIMITED when
             `retry_after` seconds are over; after REFUSED slowly; after all others yes, and whether a POST took
             effect is then unknown.
"""

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any, Self
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx
import msgspec

from probes.observation import Why

MAX_ANSWER_BYTES = 1 << 20
LONGEST_WORDS = 200
LONGEST_WAIT_SECONDS = 3600.0
# Under uvicorn's 5 s, so that we close an idle connection before the other side does it under a new request.
IDLE_SECONDS = 4.0
IDLE_CONNECTIONS = 4
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
HEADERS = {"user-agent": "deliverd", "accept": "*/*", "accept-encoding": "identity"}


@dataclass(frozen=True, slots=True)
class Response:
    """What came back. `headers` are looked up without regard to case. A redirect is an answer: none is followed."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpFault(Exception):  # noqa: N818 - a noun of the field
    """No usable answer: `why` in the vocabulary of seeing, `detail` in words, the address without query or user."""

    def __init__(self, why: Why, detail: str, retry_after: float | None = None) -> None:
        super().__init__(detail)
        self.why = why
        self.detail = detail
        self.retry_after = retry_after


def redacted(url: str) -> str:
    """The address less user, password, query and fragment, which may hold keys."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "?", parts.port
    except ValueError:
        return "(an address that cannot be read)"
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme or '?'}://{host}{f':{port}' if port else ''}{parts.path}"


class Http:
    """One pool of connections. `timeout_seconds` bounds a whole call, however slowly the answer drips.

    Loopback addresses are reached directly; others through the proxy the environment names, if it names one.
    """

    def __init__(self, timeout_seconds: float = 10, connections: int = 100) -> None:
        self._seconds = timeout_seconds
        self._limits = httpx.Limits(
            max_connections=connections,
            # The pool asks the kernel about every idle connection at every call: a few are enough.
            max_keepalive_connections=min(connections, IDLE_CONNECTIONS),
            keepalive_expiry=IDLE_SECONDS,
        )
        self._proxies = getproxies()
        self._ways: dict[str | None, httpx.AsyncHTTPTransport] = {}

    async def get(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        timeout_seconds: float | None = None,
    ) -> Response:
        """GET `url`. Raises HttpFault."""
        return await self.request("GET", url, headers=headers, params=params, timeout_seconds=timeout_seconds)

    async def post(
        self, url: str, *, body: bytes, headers: Mapping[str, str] | None = None, timeout_seconds: float | None = None
    ) -> Response:
        """POST `body` to `url`. Raises HttpFault."""
        return await self.request("POST", url, headers=headers, body=body, timeout_seconds=timeout_seconds)

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout_seconds: float | None = None,
    ) -> Response:
        """Any method. `params` are added to the query of `url`. Raises HttpFault, but not for a status: see `check`."""
        seconds = timeout_seconds or self._seconds
        try:
            async with asyncio.timeout(seconds):
                call = _call(method, url, params, headers, body)
                answer = await self._way(call.url).handle_async_request(call)
                try:
                    return await _take(answer, url)
                finally:
                    await answer.aclose()
        except TimeoutError:
            raise HttpFault(Why.TIMEOUT, f"{redacted(url)}: no answer within {seconds:g} s") from None
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            raise HttpFault(Why.NETWORK, f"{redacted(url)}: not an address that can be called") from None
        except (httpx.LocalProtocolError, UnicodeError):  # both would quote the header, which may be a key
            raise HttpFault(Why.NETWORK, f"{redacted(url)}: a header holds what HTTP cannot carry") from None
        except httpx.RemoteProtocolError:
            raise HttpFault(Why.UNREADABLE, f"{redacted(url)}: the answer is not HTTP, or broke off") from None
        except httpx.TransportError as fault:
            raise HttpFault(Why.NETWORK, f"{redacted(url)}: {_words(fault)}") from None

    async def aclose(self) -> None:
        """Close the connections."""
        for way in self._ways.values():
            await way.aclose()

    def _way(self, url: httpx.URL) -> httpx.AsyncHTTPTransport:
        """How an address is reached. httpx's transport alone costs half of what its client does, per call."""
        proxy = self._proxies.get(url.scheme, self._proxies.get("all"))
        if proxy and (url.host in LOOPBACK or proxy_bypass(url.host)):
            proxy = None
        if proxy not in self._ways:
            self._ways[proxy] = httpx.AsyncHTTPTransport(verify=_trusted(), limits=self._limits, proxy=proxy)
        return self._ways[proxy]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()


@cache
def _trusted() -> ssl.SSLContext:
    """The authorities to trust, read once: it takes 35 ms, and each account has its own `Http`."""
    return httpx.create_ssl_context()


def _call(
    method: str, url: str, params: Mapping[str, str] | None, headers: Mapping[str, str] | None, body: bytes | None
) -> httpx.Request:
    """A request. A user in the address goes into its own header, as HTTP wants it."""
    target = httpx.URL(url)
    if not target.host:
        raise httpx.InvalidURL("the address names no host")
    call = httpx.Request(
        method,
        target.copy_merge_params(params) if params else target,
        headers={**HEADERS, **(headers or {})},
        content=body,
    )
    if target.userinfo and "authorization" not in call.headers:
        next(httpx.BasicAuth(target.username, target.password).auth_flow(call))
    return call


async def _take(answer: httpx.Response, url: str) -> Response:
    """Read the body, no further than it may be long."""
    if answer.headers.get("content-encoding", "identity").lower() not in ("", "identity"):
        raise HttpFault(Why.UNREADABLE, f"{redacted(url)}: the answer is compressed, which was not asked for")
    chunks: list[bytes] = []
    size = 0
    async for chunk in answer.aiter_raw():
        size += len(chunk)
        if size > MAX_ANSWER_BYTES:
            raise HttpFault(Why.UNREADABLE, f"{redacted(url)}: the answer is longer than {MAX_ANSWER_BYTES} bytes")
        chunks.append(chunk)
    return Response(answer.status_code, answer.headers, b"".join(chunks))


def check(answer: Response, where: str, now: datetime, secrets: Sequence[str] = ()) -> None:
    """Nothing when the status is 2xx.

    Raises:
        HttpFault: any other status, with what the answer's JSON says of it; none of `secrets` is in its text.
    """
    if 200 <= answer.status < 300:
        return
    why = _STATUS.get(answer.status) or (Why.SERVFAIL if answer.status >= 500 else Why.REFUSED)
    said = error_text(answer.body, secrets)
    if 300 <= answer.status < 400:
        said = f"it redirects to {redacted(answer.headers.get('location', ''))}, and redirects are not followed"
    detail = f"{where}: {answer.status}{f': {said}' if said else ''}"
    raise HttpFault(why, detail, retry_after(answer.headers.get("retry-after", ""), now))


_STATUS = {
    401: Why.DENIED,
    403: Why.DENIED,
    404: Why.NO_DATA,
    408: Why.TIMEOUT,
    410: Why.NO_DATA,
    429: Why.RATE_LIMITED,
}


def error_text(body: bytes, secrets: Sequence[str] = ()) -> str:
    """What a JSON object says under `error` (text, or an object with a `message`): bounded, printable, no secret."""
    try:
        said = msgspec.json.decode(body, type=_Error).error
    except (ValueError, RecursionError):
        return ""
    if isinstance(said, dict):
        said = said.get("message", "it does not say what")
    if not said:
        return ""
    text = str(said)
    for secret in secrets:
        text = text.replace(secret, "**********")
    return "".join(letter if letter.isprintable() else " " for letter in text[:LONGEST_WORDS])


class _Error(msgspec.Struct):
    error: Any = None


def retry_after(value: str, now: datetime) -> float | None:
    """Seconds to wait, from a Retry-After header (RFC 9110 section 10.2.3: seconds or a date); None if unreadable.

    Never more than an hour: whoever asks for longer is asked again all the same, for there is mail to be stopped.
    """
    text = value.strip()
    try:
        seconds = float(text) if text.isascii() and text.isdigit() else _until(text, now)
    except (TypeError, ValueError, OverflowError):
        return None
    return min(max(seconds, 0.0), LONGEST_WAIT_SECONDS)


def _until(text: str, now: datetime) -> float:
    at = parsedate_to_datetime(text)
    return ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds()


def _words(fault: httpx.TransportError) -> str:
    """What the transport says, bounded. Its words are about sockets and certificates, never about the request."""
    said = str(fault)[:LONGEST_WORDS]
    return f"{type(fault).__name__}: {said}" if said else type(fault).__name__
