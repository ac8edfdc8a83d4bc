"""Calls to a sending platform's JSON API: with patience where it asks for some, and no key in any error."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import ip_address
from typing import Annotated, Any, TypeVar
from urllib.parse import urlencode, urlsplit

import msgspec
from pydantic import AfterValidator

from probes.http import Http, HttpFault, Response, check, redacted
from probes.observation import Unseen, Why

MOST_PAGES = 1000
"""No list is followed further than this: an account whose pages never end is not believed."""

# What is waited for where a platform says "too many" and not how long.
_PAUSE_SECONDS = 2.0
# So that a platform which says "0 seconds" again and again is not asked without end.
_SHORTEST_SECONDS = 0.1
Shape = TypeVar("Shape")


def safe_address(url: str) -> str:
    """`url`, to which secrets may go: https, or http on a loopback address. Raises ValueError."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or not (parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))):
        raise ValueError("expected https://HOST/..., or http:// on a loopback address")
    if parts.username is not None or parts.fragment:
        raise ValueError("expected an address without user, password or fragment")
    return url


def _base(url: str) -> str:
    if urlsplit(safe_address(url)).query:
        raise ValueError("expected an address without a query")
    return url.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


BaseUrl = Annotated[str, AfterValidator(_base)]
"""Where a platform's API is, without a final slash: https, or http on a loopback address."""


@dataclass(slots=True)
class Calls:
    """The calls of one look at one account.

    `query` is added to every call and shown in no error; nor is one of `secrets`. `patience_seconds` is how long all
    calls together may wait because the platform asks for it (429). `named_fault` is for a platform that says in the
    body, whatever the status, what is wrong: it is given the answer, its address and the secrets.
    """

    http: Http
    base_url: str
    now: datetime
    timeout_seconds: float
    patience_seconds: float = 0.0
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: Sequence[tuple[str, str]] = field(default=(), repr=False)
    secrets: Sequence[str] = field(default=(), repr=False)
    named_fault: Callable[[Response, str, Sequence[str]], HttpFault | None] | None = None

    async def get(self, path: str, shape: type[Shape], query: Sequence[tuple[str, str]] = ()) -> Shape:
        """GET a JSON answer of the shape given. Raises HttpFault."""
        return await self._ask("GET", path, shape, query, None)

    async def post(self, path: str, shape: type[Shape], body: Any) -> Shape:
        """POST `body` as JSON for an answer of the shape given; for questions only. Raises HttpFault."""
        return await self._ask("POST", path, shape, (), msgspec.json.encode(body))

    def where(self, path: str) -> str:
        """The address of `path`, as it may be shown."""
        return redacted(f"{self.base_url}{path}")

    async def _ask(
        self, method: str, path: str, shape: type[Shape], query: Sequence[tuple[str, str]], body: bytes | None
    ) -> Shape:
        asked = urlencode([*query, *self.query])
        url = f"{self.base_url}{path}{f'?{asked}' if asked else ''}"
        where = redacted(url)
        headers = {"accept": "application/json", **self.headers}
        if body is not None:
            headers["content-type"] = "application/json"
        while True:
            answer = await self.http.request(
                method, url, headers=headers, body=body, timeout_seconds=self.timeout_seconds
            )
            try:
                self._check(answer, where)
            except HttpFault as fault:
                await asyncio.sleep(self._pause(fault))
            else:
                return decoded(answer, where, shape)

    def _check(self, answer: Response, where: str) -> None:
        if 200 <= answer.status < 300:
            return
        named = self.named_fault(answer, where, self.secrets) if self.named_fault else None
        if named is not None:
            raise named
        said = msgspec.json.encode({"error": vendor_words(answer.body)})
        check(Response(answer.status, answer.headers, said), where, self.now, self.secrets)

    def _pause(self, fault: HttpFault) -> float:
        """How long to wait before asking again. Raises the fault where waiting is no use, or too long."""
        seconds = max(_PAUSE_SECONDS if fault.retry_after is None else fault.retry_after, _SHORTEST_SECONDS)
        if fault.why is not Why.RATE_LIMITED or seconds > self.patience_seconds:
            raise fault
        self.patience_seconds -= seconds
        return seconds


def vendor_words(body: bytes) -> str:
    """What an error's JSON says: under `error`, else as `message`, `Message` or `description`; "" where nothing does.

    Where there are several `errors`, the first of them speaks.
    """
    try:
        whole = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return ""
    errors = whole.get("errors") if isinstance(whole, dict) else None
    if isinstance(errors, list) and errors:
        whole = errors[0]
    if not isinstance(whole, dict):
        return ""
    error = whole.get("error")
    if isinstance(error, dict):
        error = error.get("message")
    if isinstance(error, str) and error:
        return error
    told = (whole.get(name) for name in ("message", "Message", "description"))
    return "; ".join(words for words in told if isinstance(words, str) and words)


def decoded(answer: Response, where: str, shape: type[Shape]) -> Shape:
    """The JSON of an answer. Raises HttpFault (UNREADABLE) when it is none, or of another shape."""
    try:
        return msgspec.json.decode(answer.body, type=shape)
    except (ValueError, RecursionError):
        raise unreadable(where, f"{answer.status}, but not the JSON that was expected") from None


def rows(whole: Mapping[str, Any], name: str, where: str) -> list[Any]:
    """The list that stands under `name`. Raises HttpFault (UNREADABLE) where none does."""
    found = whole.get(name)
    if not isinstance(found, list):
        raise unreadable(where, f"the answer holds no list of {name}")
    return found


def unreadable(where: str, what: str) -> HttpFault:
    """The fault of an answer that makes no sense: `what` is wrong with it, without quoting it."""
    return HttpFault(Why.UNREADABLE, f"{where}: {what}")


def endless(where: str, most: int = MOST_PAGES) -> HttpFault:
    """The fault of a list that does not end."""
    return unreadable(where, f"the list does not end within {most} pages")


def because(fault: HttpFault) -> Unseen:
    """A fault as what was not seen, with the time the platform wants to be left alone for."""
    wait = "" if fault.retry_after is None else f"; ask again in {fault.retry_after:g} s"
    return Unseen(fault.why, f"{fault.detail}{wait}")
