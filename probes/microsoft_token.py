"""The door to Microsoft's sign-in: a person's token through msal, renewed, and stored again each time.

SNDS knows no application of its own: it is read in the name of a person, with the public client and the addresses that
its portal uses (open clients that work, read 2026-11-22). Microsoft replaces a refresh token at every use and lets the
old one live; unused it lapses after 90 days (https://learn.microsoft.com/en-us/entra/identity-platform/refresh-tokens,
read 2026-11-22). msal blocks, and asks the authority as soon as it is made: all of it runs in a thread.

HttpFault   from everything here; its `why` says whether to retry, and its text holds no token
"""

import asyncio
import contextlib
import json
import os
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import msal

from probes.http import HttpFault
from probes.microsoft_token_http import Door, of_refusal, telling
from probes.observation import Why

AUTHORITY = "https://login.microsoftonline.com/consumers"
CLIENT_ID = "a53a6cc1-a1cd-46f7-a4aa-281cdabec33c"
LASTS = timedelta(days=90)
AGAIN = "run `deliverd auth microsoft` again"
_MOST_BYTES = 1 << 16
_LONGEST_LIFE = 10 * 365 * 86_400

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Authority:
    """Who gives tokens, to which client, and how long one call may take. `certificates`: a CA file of one's own."""

    url: str = AUTHORITY
    client_id: str = CLIENT_ID
    seconds: float = 30.0
    certificates: str | None = None


@dataclass(frozen=True, slots=True)
class SignIn:
    """A person's leave, as it is stored: times aware UTC. It `ends` then, unless it is renewed before."""

    authority: str
    client_id: str
    refresh_token: str = field(repr=False)
    signed_in: datetime
    renewed: datetime
    ends: datetime


@dataclass(frozen=True, slots=True)
class Renewed:
    """An access token, and the sign-in it came from. `unstored`: why the new one is not written; "" when it is."""

    access_token: str = field(repr=False)
    sign_in: SignIn
    unstored: str = ""


def load(path: Path) -> SignIn:
    """The stored sign-in. Raises HttpFault (DENIED), in words that quote nothing of it."""
    try:
        with path.open("rb") as file:
            fields = json.loads(file.read(_MOST_BYTES))
        texts = [fields[name] for name in ("authority", "client_id", "refresh_token")]
        times = [datetime.fromisoformat(fields[name]).astimezone(UTC) for name in ("signed_in", "renewed", "ends")]
        if not all(isinstance(text, str) and text for text in texts):
            raise ValueError
    except OSError as fault:
        raise HttpFault(Why.DENIED, f"{path} cannot be read: {fault.strerror}; {AGAIN}") from None
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError):
        raise HttpFault(Why.DENIED, f"{path} is not what `deliverd auth microsoft` writes; {AGAIN}") from None
    return SignIn(*texts, *times)


def save(path: Path, sign_in: SignIn) -> None:
    """Write it whole or not at all, for its owner alone. Raises OSError.

    Written by root, it belongs to whoever owns the directory: the daemon must be able to write it again.
    """
    times = {name: getattr(sign_in, name).isoformat() for name in ("signed_in", "renewed", "ends")}
    names = {name: getattr(sign_in, name) for name in ("authority", "client_id", "refresh_token")}
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # which makes it with mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(names | times, file, indent=2)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
            if os.geteuid() == 0:
                owner = path.parent.stat()
                os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise


async def renew(path: Path, seconds: float, certificates: str | None, now: datetime) -> Renewed:
    """A fresh access token from the stored sign-in, whose new refresh token is stored first. Raises HttpFault."""
    try:
        # The door bounds each of two calls; what still drips then is left to its thread.
        async with asyncio.timeout(3 * seconds):
            return await _apart(partial(_renew, path, seconds, certificates, now))
    except TimeoutError:
        raise HttpFault(Why.TIMEOUT, f"Microsoft's sign-in: no answer within {3 * seconds:g} s") from None


async def _apart(work: Callable[[], T]) -> T:
    """The result of blocking work, done in a thread that nobody waits for at the end of the process.

    Those of asyncio.to_thread are waited for, and this one may hang on an answer that drips.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def tell(told: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(lambda: None if done.done() else told())

    def run() -> None:
        try:
            result = work()
        except Exception as fault:
            tell(partial(done.set_exception, fault))
        else:
            tell(partial(done.set_result, result))

    threading.Thread(target=run, name="microsoft-sign-in", daemon=True).start()
    return await done


def _renew(path: Path, seconds: float, certificates: str | None, now: datetime) -> Renewed:
    old = load(path)
    authority = Authority(old.authority, old.client_id, seconds, certificates)
    hidden = (old.refresh_token,)
    with contextlib.closing(Door(seconds, certificates)) as door, telling(old.authority, now, hidden):
        app = _app(authority, door)
        said = app.acquire_token_by_refresh_token(old.refresh_token, [f"{old.client_id}/.default"])
    access = _access(said, hidden)
    new = replace(old, **_rotated(said, now))
    return Renewed(access, new, _store(path, old, new))


def _store(path: Path, old: SignIn, new: SignIn) -> str:
    """Write the renewed sign-in, unless a person has signed in anew meanwhile. Why that failed; "" when it did not."""
    try:
        if load(path) == old:
            save(path, new)
    except (OSError, HttpFault) as fault:
        return fault.detail if isinstance(fault, HttpFault) else str(fault.strerror)
    return ""


class Asking:
    """One sign-in under way: the `address` that a person opens, and what comes back bought for a token.

    Raises HttpFault: the authority cannot be asked.
    """

    def __init__(self, authority: Authority, redirect_uri: str, now: datetime) -> None:
        self._authority = authority
        self._door = Door(authority.seconds, authority.certificates)
        with telling(authority.url, now, ()):
            self._app = _app(authority, self._door)
            scopes = [f"{authority.client_id}/.default"]
            # A form keeps the code out of the browser's history; msal's own receiver takes nothing else.
            how = {"redirect_uri": redirect_uri, "prompt": "select_account", "response_mode": "form_post"}
            self._flow = self._app.initiate_auth_code_flow(scopes, **how)
        self.address: str = self._flow["auth_uri"]
        self.state: str = self._flow["state"]

    def redeem(self, answer: Mapping[str, str], now: datetime) -> SignIn:
        """The sign-in that `answer`, which the browser came back with, buys. Raises HttpFault."""
        hidden = (answer.get("code", ""), self._flow["code_verifier"])
        with telling(self._authority.url, now, hidden):
            said = self._app.acquire_token_by_auth_code_flow(self._flow, dict(answer))
        _access(said, hidden)
        rotated = _rotated(said, now)
        if "refresh_token" not in rotated:
            raise HttpFault(Why.DENIED, "Microsoft gave no refresh token, and the other one lasts for hours only")
        return SignIn(self._authority.url, self._authority.client_id, signed_in=now, **rotated)

    def close(self) -> None:
        """End its connections."""
        self._door.close()


def _app(authority: Authority, door: Door) -> Any:
    # Instance discovery would ask login.microsoftonline.com about the authority that the configuration names.
    return msal.PublicClientApplication(
        authority.client_id, authority=authority.url, http_client=door, instance_discovery=False
    )


def _access(said: Any, hidden: tuple[str, ...]) -> str:
    token = said.get("access_token")
    if isinstance(token, str) and token and token.isascii() and token.isprintable():
        return token
    raise of_refusal(said, hidden, AGAIN)


def _rotated(said: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """What of a sign-in an answer makes new. Without a new refresh token the old one goes on, and ends when it did."""
    token, seconds = said.get("refresh_token"), said.get("refresh_token_expires_in")
    if not isinstance(token, str) or not token:
        return {}
    known = isinstance(seconds, int) and 0 < seconds < _LONGEST_LIFE
    return {
        "refresh_token": token,
        "renewed": now,
        "ends": now + (timedelta(seconds=seconds) if known and seconds else LASTS),
    }
