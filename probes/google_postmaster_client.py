"""The door to Google Postmaster Tools v2: credentials, pace, and calls that end within a time.

Google's client is blocking and its HTTP is not for several threads: each call runs in a thread, and each thread has an
AuthorizedHttp of its own. Its `num_retries` ignores Retry-After, so calls are repeated here.
"""

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import google_auth_httplib2  # type: ignore[import-untyped]
import httplib2  # type: ignore[import-untyped]
from google.oauth2 import credentials as user
from google.oauth2 import service_account
from googleapiclient.discovery import build
from googleapiclient.errors import HttpError

from probes.google_postmaster_faults import ApiFault, of_exception, unreadable

READ_SCOPE = "https://www.googleapis.com/auth/postmaster.traffic.readonly"
DOMAIN_SCOPE = "https://www.googleapis.com/auth/postmaster.domain"
API_ROOT = "https://gmailpostmastertools.googleapis.com/"
TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
TRIES = 3
_MINUTE = 60.0
_SECRET_FIELDS = ("refresh_token", "client_secret", "private_key")

Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Key:
    """Who calls: Google's credentials, and the texts that must not be shown."""

    credentials: Any
    secrets: tuple[str, ...]


def user_key(text: str) -> Key:
    """A key from the JSON that `deliverd auth google` writes. Raises ValueError, in words that quote nothing of it."""
    fields = _fields(text, ("client_id", "client_secret", "refresh_token"), "an authorized user")
    # Not from_authorized_user_info: it overlooks token_uri.
    made = user.Credentials(  # type: ignore[no-untyped-call]
        None,
        refresh_token=fields["refresh_token"],
        client_id=fields["client_id"],
        client_secret=fields["client_secret"],
        token_uri=fields.get("token_uri", TOKEN_URI),
    )
    return Key(made, _secrets(fields))


def service_key(text: str, subject: str | None) -> Key:
    """A key from a service account's JSON; `subject` is whom it acts for. Raises ValueError, quoting nothing of it."""
    fields = _fields(text, ("client_email", "private_key", "token_uri"), "a service account")
    try:
        made = service_account.Credentials.from_service_account_info(  # type: ignore[no-untyped-call]
            fields, scopes=[READ_SCOPE], subject=subject
        )
    except ValueError:
        raise ValueError("the private key of the service account cannot be read") from None
    return Key(made, _secrets(fields))


def _fields(text: str, needed: Sequence[str], what: str) -> dict[str, str]:
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError(f"expected the JSON of {what}, or {{ file = ... }} of it") from None
    missing = [name for name in needed if not isinstance(fields, dict) or not _is_text(fields.get(name))]
    if missing:
        raise ValueError(f"expected the JSON of {what}; it lacks {', '.join(missing)}")
    if not is_safe(fields.get("token_uri", TOKEN_URI)):
        raise ValueError("expected a token_uri with https://, or http:// on a loopback address")
    return dict(fields)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _secrets(fields: dict[str, str]) -> tuple[str, ...]:
    return tuple(fields[name] for name in _SECRET_FIELDS if name in fields)


def is_loopback(url: Any) -> bool:
    """Whether an address leads nowhere but to this machine."""
    try:
        return isinstance(url, str) and ip_address(urlsplit(url).hostname or "").is_loopback
    except ValueError:
        return False


def is_safe(url: Any) -> bool:
    """Whether a key may be sent to an address: nobody can listen on the way."""
    return is_loopback(url) or (isinstance(url, str) and url.startswith("https://"))


class Pace:
    """At most `calls_per_minute` calls in any 60 s, and none while Google asks for a pause. Not for several threads."""

    def __init__(
        self, calls_per_minute: int, sleep: Sleep = asyncio.sleep, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = calls_per_minute
        self._sleep = sleep
        self._clock = clock
        self._begun: deque[float] = deque()
        self._not_before = 0.0

    async def turn(self) -> None:
        """Come back when the next call may leave; it is then counted."""
        while (wait := self._wait()) > 0:
            await self._sleep(wait)
        self._begun.append(self._clock())

    def hold(self, seconds: float) -> None:
        """Let no call leave for so long."""
        self._not_before = max(self._not_before, self._clock() + seconds)

    def _wait(self) -> float:
        now = self._clock()
        while self._begun and now - self._begun[0] >= _MINUTE:
            self._begun.popleft()
        full = self._begun[0] + _MINUTE - now if len(self._begun) >= self._most else 0.0
        return max(full, self._not_before - now)


def _refuse() -> None:
    raise ConnectionAbortedError("the look is over")


class Client:
    """Calls for one look. A context manager; after a fault that is everybody's, every further call raises it at once.

    Args:
        api_root: where the API is; None for Google's.
        timeout_seconds: for one call, its answer read to the end.
        patience_seconds: how long one call may wait, all in all, before it is repeated.
    """

    def __init__(
        self, key: Key, api_root: str | None, timeout_seconds: float, patience_seconds: float, pace: Pace, now: datetime
    ) -> None:
        self._key = key
        self._root = api_root or API_ROOT
        self._seconds = timeout_seconds
        self.patience = patience_seconds
        self._pace = pace
        self._now = now
        self._mine = threading.local()
        self._opened: list[Any] = []
        self._fault: ApiFault | None = None
        self._renewing = asyncio.Lock()
        self.service = build(
            "gmailpostmastertools",
            "v2",
            http=self._new_http(),
            static_discovery=True,
            cache_discovery=False,
            client_options={"api_endpoint": self._root},
        )

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *exc: object) -> None:
        """End what is still going on: a thread cannot be stopped, but its connection can."""
        for http in self._opened:
            for connection in list(http.connections.values()):
                # httplib2 would connect again when the connection ends under it.
                connection.connect = _refuse
                with contextlib.suppress(OSError, AttributeError):
                    connection.sock.shutdown(socket.SHUT_RDWR)
            http.close()

    async def call(self, request: Any) -> dict[str, Any]:
        """The answer to a request of `service`, repeated where that may help.

        Raises:
            ApiFault: there is none.
        """
        waited, attempt = 0.0, 0
        while True:
            attempt += 1
            if self._fault:
                raise self._fault
            await self._pace.turn()
            try:
                return await self._once(request)
            except ApiFault as fault:
                wait = float(2 ** (attempt - 1)) if fault.retry_after is None else fault.retry_after
                waited += wait
                if not fault.again or attempt == TRIES or waited > self.patience:
                    self._fault = fault if fault.everybody else self._fault
                    raise
                self._pace.hold(wait)

    def hold(self, seconds: float) -> None:
        """Let no call leave for so long: Google asked for it inside an answer."""
        self._pace.hold(seconds)

    async def _once(self, request: Any) -> dict[str, Any]:
        try:
            async with asyncio.timeout(self._seconds):
                await self._renew()
                answer = await asyncio.to_thread(self._execute, request)
        except Exception as fault:
            raise of_exception(fault, self._root, self._now, self._key.secrets) from None
        if not isinstance(answer, dict):
            raise unreadable("it is not a JSON object", everybody=True)
        return answer

    async def _renew(self) -> None:
        """Fetch the access token once, where otherwise each thread would."""
        async with self._renewing:
            if not self._key.credentials.valid:
                await asyncio.to_thread(self._refresh)

    def _refresh(self) -> None:
        self._key.credentials.refresh(google_auth_httplib2.Request(self._http().http))

    def _execute(self, request: Any) -> Any:
        http = self._http()
        try:
            return request.execute(http=http, num_retries=0)
        except HttpError:
            raise
        except Exception:
            # Its connection may have half an answer in it, and would spoil the next call.
            http.close()
            raise

    def _http(self) -> Any:
        """The AuthorizedHttp of this thread."""
        if not hasattr(self._mine, "http"):
            self._mine.http = self._new_http()
        return self._mine.http

    def _new_http(self) -> Any:
        proxy = None if is_loopback(self._root) else httplib2.proxy_info_from_environment
        http = httplib2.Http(timeout=self._seconds, proxy_info=proxy)
        http.follow_redirects = False
        authorized = google_auth_httplib2.AuthorizedHttp(self._key.credentials, http=http)
        self._opened.append(authorized)
        return authorized
