"""What the brakes of sending services share: calls that end in JSON or in a PlatformError, and whose lever is whose."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec

from deliverd.model import Lever
from deliverd.platforms.base import Refused, Unavailable
from deliverd.platforms.http import platform_error
from probes.discovery import Found
from probes.http import Http, HttpFault, Response, check, error_text, redacted
from probes.observation import Why
from probes.vendor_calls import vendor_words

Clock = Callable[[], datetime]
Meaning = Callable[[Response], Why | None]
"""What a no means at one service, where that is not what HTTP says; else None."""

LISTED_FOR = timedelta(seconds=60)
"""For how long a list of an account's domains holds: every held back domain asks for it at every judgement."""

Shape = TypeVar("Shape")
_encode = msgspec.json.Encoder().encode


def as_http_says(answer: Response) -> Why | None:
    """Nothing of its own."""
    return None


class Api:
    """The API of one account. `headers` and `secrets` go into no text; `key` goes into every body, where one wants it.

    `clock` only dates the waiting that a service asks for.
    """

    def __init__(
        self,
        base_url: str,
        timeout_seconds: float,
        clock: Clock,
        *,
        headers: Mapping[str, str],
        secrets: Sequence[str],
        key: Mapping[str, str] | None = None,
        meaning: Meaning = as_http_says,
    ) -> None:
        self.http = Http(timeout_seconds)
        self._base = base_url
        self._clock = clock
        self._headers = {"accept": "application/json", **headers}
        self._secrets = tuple(secrets)
        self._key = dict(key or {})
        self._meaning = meaning

    async def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> Any:
        """What the answer's JSON holds; None for an empty one. Raises a PlatformError for anything but a yes."""
        url = self._base + path
        headers, content = self._headers, None
        if body is not None:
            headers, content = {**headers, "content-type": "application/json"}, _encode({**self._key, **body})
        try:
            answer = await self.http.request(method, url, headers=headers, params=params, body=content)
            return self._read(answer, f"{method} {redacted(url)}")
        except HttpFault as fault:
            raise platform_error(fault) from None

    async def aclose(self) -> None:
        """Close the connections."""
        await self.http.aclose()

    def _read(self, answer: Response, where: str) -> Any:
        said = _encode({"error": vendor_words(answer.body)})
        try:
            check(Response(answer.status, answer.headers, said), where, self._clock(), self._secrets)
        except HttpFault as fault:
            raise HttpFault(self._meaning(answer) or fault.why, fault.detail, fault.retry_after) from None
        if not answer.body.strip():
            return None
        try:
            whole = msgspec.json.decode(answer.body)
        except (ValueError, RecursionError):
            raise HttpFault(Why.UNREADABLE, f"{where}: {answer.status}, but no JSON") from None
        if _is_a_no(whole):
            text = error_text(said, self._secrets) or "an error, without words"
            raise HttpFault(self._meaning(answer) or Why.REFUSED, f"{where}: {answer.status}, and in it: {text}")
        return whole


def _is_a_no(whole: Any) -> bool:
    """Whether an answer of 200 is an error all the same. A message and nothing else is no answer to anything here."""
    if not isinstance(whole, dict):
        return False
    status = whole.get("statusCode")
    told = whole.get("errors") or whole.get("error") or whole.get("status") == "error"
    return bool(told) or (type(status) is int and status >= 400) or set(whole) == {"message"}


def shaped(whole: Any, shape: type[Shape], what: str) -> Shape:
    """`whole` as a type. Raises Unavailable where it is not: read back decides."""
    try:
        return msgspec.convert(whole, shape)
    except (ValueError, RecursionError):
        raise Unavailable(f"{what}: the answer does not hold what it should") from None


def segment(name: str) -> str:
    """A name as one segment of a path."""
    return quote(name, safe="")


def declared_levers(account: str, kind: str, texts: Sequence[str]) -> tuple[Lever, ...]:
    """The levers that the configuration names. Raises Refused for one of another kind, or of no name."""
    levers = tuple(Lever(account, *_parts(text)) for text in texts)
    for lever in levers:
        checked(lever, kind)
    return levers


def _parts(text: str) -> tuple[str, str]:
    kind, _, name = text.partition(":")
    return kind, name


def checked(lever: Lever, kind: str) -> str:
    """The name of a lever. Raises Refused when it is of another kind, or its name would change the address called."""
    if lever.kind != kind or not lever.id.strip("."):
        raise Refused(f"{lever} is no lever of {lever.account}: they are called {kind}:NAME there")
    return lever.id


def undeclared(domain: str, why: str, lever: str) -> Refused:
    """That a domain's lever cannot be found, with the line to add to the configuration."""
    return Refused(f'{why}. Add levers = ["{lever}"] to [domains."{domain}"]')


class Catalogue:
    """The domains of an account and the levers that move them, asked for once a minute however many want to know."""

    def __init__(self, kind: str, ask: Callable[[], Awaitable[tuple[Found, ...]]], clock: Clock) -> None:
        self._kind = kind
        self._ask = ask
        self._clock = clock
        self._turn = asyncio.Lock()
        self._listed: tuple[datetime, tuple[Found, ...]] | None = None

    async def levers(self, account: str, domain: str) -> tuple[Lever, ...]:
        """The levers that move a domain and nothing else.

        Raises:
            Refused: there is none, or it moves other domains too: then a person has to name it.
            PlatformError: the account could not be asked.
        """
        found = await self.found()
        mine = [one for one in found if one.domain == domain]
        names = [lever for one in mine for lever in one.levers]
        if not names:
            raise undeclared(domain, self._nothing(account, domain, found, bool(mine)), f"{self._kind}:NAME")
        others = sorted({one.domain for one in found if one.domain != domain and set(one.levers) & set(names)})
        if others:
            why = f"{' and '.join(names)} at {account} also sends for {_some(others)}, which would be stopped as well"
            raise undeclared(domain, f"{why}. Give {domain} one of its own, or name it all the same", names[0])
        return declared_levers(account, self._kind, names)

    async def found(self) -> tuple[Found, ...]:
        """What the account has. Raises a PlatformError; an answer is kept for a minute, a fault is not."""
        async with self._turn:
            now = self._clock()
            if self._listed is None or not now - LISTED_FOR < self._listed[0] <= now:
                try:
                    self._listed = now, await self._ask()
                except HttpFault as fault:
                    raise platform_error(fault) from None
            return self._listed[1]

    def _nothing(self, account: str, domain: str, found: Sequence[Found], known: bool) -> str:
        if known:
            return (
                f"{account} sends for {domain} from no {self._kind} of its own, and nothing less can be stopped there"
            )
        below = sorted(one.domain for one in found if one.domain.endswith(f".{domain}"))
        return f"{account} has no domain {domain}" + (f", but {_some(below)}" if below else "")


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
