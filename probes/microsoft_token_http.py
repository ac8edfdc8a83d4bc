"""How msal reaches Microsoft, and why it could not, in the vocabulary of seeing.

msal's own HTTP repeats calls, bounds no answer, drops Retry-After and logs answers that are not JSON, in which there
may be a token. This one lets through to it only JSON objects; all else ends the call here.
"""

import contextlib
import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import requests

from probes.http import LONGEST_WORDS, HttpFault, Response, check, redacted
from probes.mail_text import printable
from probes.observation import Why

_MOST_BYTES = 1 << 18
_CODE = re.compile(r"AADSTS\d{1,12}", re.ASCII)
_LATER = ("temporarily_unavailable", "server_error")
_WRONG = ("invalid_request", "invalid_scope", "unsupported_grant_type")


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer in the shape that msal asks for."""

    status_code: int
    text: str
    headers: Mapping[str, str]

    def raise_for_status(self) -> None:
        """Nothing: what msal must not see never becomes an Answer."""


class Refused(requests.RequestException):
    """An answer that is no token service's. Its text is empty; `answer` holds what came."""

    def __init__(self, answer: Response) -> None:
        super().__init__()
        self.answer = answer


class Door:
    """The `http_client` of msal. A call, its answer read to the end, takes `seconds` at most, and is not repeated."""

    def __init__(self, seconds: float, certificates: str | None) -> None:
        self._seconds = seconds
        self._verify: str | bool = certificates or True
        self._session = requests.Session()
        self._session.headers.update({"user-agent": "deliverd", "accept-encoding": "identity"})

    def get(self, url: str, params: Any = None, headers: Any = None, **_: Any) -> Answer:
        """GET, for msal. Raises requests.RequestException."""
        return self._ask("GET", url, params, None, headers)

    def post(self, url: str, params: Any = None, data: Any = None, headers: Any = None, **_: Any) -> Answer:
        """POST, for msal. Raises requests.RequestException."""
        return self._ask("POST", url, params, data, headers)

    def close(self) -> None:
        """End the connections."""
        self._session.close()

    def _ask(self, method: str, url: str, params: Any, data: Any, headers: Any) -> Answer:
        end = time.monotonic() + self._seconds
        # A stand-in on this machine is reached directly, whatever proxy the environment names.
        self._session.trust_env = not _is_loopback(url)
        with self._session.request(
            method,
            url,
            params=params,
            data=data,
            headers=headers,
            timeout=self._seconds,
            # Said here and not of the session, where REQUESTS_CA_BUNDLE would override it.
            verify=self._verify,
            stream=True,
            allow_redirects=False,
        ) as answer:
            body = _body(answer, end)
        return _passed(Response(answer.status_code, answer.headers, body))


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _body(answer: requests.Response, end: float) -> bytes:
    body = bytearray()
    # Byte by byte (they are buffered): a larger piece would be waited for, however slowly it drips.
    for piece in answer.iter_content(1):
        body += piece
        if time.monotonic() > end:
            raise requests.Timeout
        if len(body) > _MOST_BYTES:
            raise requests.exceptions.ContentDecodingError
    return bytes(body)


def _passed(answer: Response) -> Answer:
    """An answer that msal may see. Raises Refused for every other."""
    try:
        text = answer.body.decode("utf-8")
        good = isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        raise Refused(answer) from None
    if not good or answer.status not in (200, 400, 401):
        raise Refused(answer)
    return Answer(answer.status, text, answer.headers)


@contextlib.contextmanager
def telling(where: str, now: datetime, secrets: Sequence[str]) -> Iterator[None]:
    """Whatever msal raises as an HttpFault. It promises no types: a strange answer trips it up anywhere."""
    try:
        yield
    except Exception as fault:
        raise of_exception(fault, where, now, secrets) from None


def of_exception(fault: Exception, where: str, now: datetime, secrets: Sequence[str]) -> HttpFault:
    """The fault behind what msal raises. `where` is the authority."""
    place = redacted(where)
    match fault:
        case Refused():
            return _of_answer(fault.answer, place, now, secrets)
        case requests.Timeout():
            return HttpFault(Why.TIMEOUT, f"{place}: no answer in time")
        case requests.exceptions.ChunkedEncodingError() | requests.exceptions.ContentDecodingError():
            return HttpFault(Why.UNREADABLE, f"{place}: the answer broke off, or is too long")
        case OSError():
            return HttpFault(Why.NETWORK, f"{place}: {_root(fault)}")
    # Of msal's own texts some quote the answer. They are about what the authority says of itself.
    return HttpFault(Why.UNREADABLE, f"{place}: msal cannot make sense of it ({type(fault).__name__})")


def _of_answer(answer: Response, place: str, now: datetime, secrets: Sequence[str]) -> HttpFault:
    try:
        check(answer, place, now, [secret for secret in secrets if secret])
    except HttpFault as fault:
        # 404 is here no answer to a question about numbers: the authority is another.
        why = Why.REFUSED if fault.why is Why.NO_DATA else fault.why
        return HttpFault(why, fault.detail, fault.retry_after)
    return HttpFault(Why.UNREADABLE, f"{place}: the answer is not a JSON object")


def _root(fault: BaseException) -> str:
    """What lies at the bottom of it: `ConnectionRefusedError: Connection refused`. No address, and so no key."""
    while fault.__context__ is not None:
        fault = fault.__context__
    words = fault.strerror if isinstance(fault, OSError) else None
    return f"{type(fault).__name__}: {words}" if words else type(fault).__name__


def of_refusal(said: Mapping[str, Any], secrets: Sequence[str], again: str) -> HttpFault:
    """The fault in an answer without a token: OAuth's `error` (RFC 6749 5.2), with Microsoft's own code beside it."""
    error = said.get("error")
    if not isinstance(error, str) or not error:
        return HttpFault(Why.UNREADABLE, "Microsoft's sign-in answers with neither a token nor an error")
    code = _CODE.search(str(said.get("error_description", "")))
    words = f"{error}, {code[0]}" if code else error
    for secret in filter(None, secrets):
        words = words.replace(secret, "**********")
    words = printable(words, LONGEST_WORDS)
    if error in _LATER:
        return HttpFault(Why.SERVFAIL, f"Microsoft's sign-in could not answer ({words})")
    if error in _WRONG:
        return HttpFault(Why.REFUSED, f"Microsoft's sign-in does not accept what was asked ({words})")
    return HttpFault(Why.DENIED, f"Microsoft does not accept the sign-in ({words}): {again}")
