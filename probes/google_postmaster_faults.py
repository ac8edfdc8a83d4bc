"""Why Google did not answer, in the vocabulary of seeing. Pure.

ApiFault         retry? when `again`; after `retry_after` seconds where Google said so. `everybody`: it is not the fault
                 of what was asked, so asking for the next domain is no use now.

Sources: google.rpc.Status and ErrorInfo (https://cloud.google.com/apis/design/errors), which the discovery document of
Postmaster Tools v2 refers to.
"""

import http.client
import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import httplib2  # type: ignore[import-untyped]
from google.auth import exceptions as refusals
from googleapiclient.errors import HttpError

from probes.http import LONGEST_WAIT_SECONDS, LONGEST_WORDS, error_text, retry_after
from probes.observation import Unseen, Why

_DISABLED = "the Postmaster Tools API is switched off in the Google Cloud project of these credentials: enable it there"
_SCOPE = "the token was not given the right to read this: run `deliverd auth google` again"
_NO_PERMISSION = (
    "this Google account may not see the domain: add and verify it at postmaster.google.com, or have its owner add you"
)
_UNAUTHENTICATED = "Google does not accept the token: run `deliverd auth google` again"
_INVALID = "Google does not accept what was asked"
_UNKNOWN_DOMAIN = "this Google account has not registered the domain at postmaster.google.com"
_TOO_FAST = "Google asks to slow down"
_BROKEN = "Google could not answer"
_SECONDS = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)s")


class ApiFault(Exception):  # noqa: N818 - a noun of the field
    """No usable answer: `why` in the vocabulary of seeing, `detail` in words and without secrets."""

    def __init__(
        self, why: Why, detail: str, *, everybody: bool = False, again: bool = False, retry_after: float | None = None
    ) -> None:
        super().__init__(detail)
        self.why = why
        self.detail = detail
        self.everybody = everybody
        self.again = again
        self.retry_after = retry_after

    def unseen(self) -> Unseen:
        """As an answer. Says when Google wants to be asked again, where it said so."""
        wait = "" if self.retry_after is None else f"; retry after {self.retry_after:g} s"
        return Unseen(self.why, f"{self.detail}{wait}")


def of_answer(
    status: int, headers: Mapping[str, str], body: bytes, now: datetime, secrets: Sequence[str] = ()
) -> ApiFault:
    """The fault in an HTTP answer that is not 2xx."""
    error = _error(body)
    said = error_text(body, secrets) or f"HTTP {status}"
    wait = retry_after(headers.get("retry-after", ""), now)
    wait = _retry_info(error) if wait is None else wait
    if status == 403:
        return _forbidden(_reasons(error), said, wait)
    if status == 401:
        return ApiFault(Why.DENIED, f"{_UNAUTHENTICATED} ({said})", everybody=True)
    if status == 404:
        return ApiFault(Why.DENIED, f"{_UNKNOWN_DOMAIN} ({said})")
    if status == 400:
        return ApiFault(Why.REFUSED, f"{_INVALID} ({said})")
    if status == 429:
        return ApiFault(Why.RATE_LIMITED, f"{_TOO_FAST} ({said})", everybody=True, again=True, retry_after=wait)
    if status >= 500:
        return ApiFault(Why.SERVFAIL, f"{_BROKEN} ({said})", everybody=True, again=True, retry_after=wait)
    return ApiFault(Why.REFUSED, f"{_INVALID} ({said})", everybody=True)


def _forbidden(reasons: frozenset[str], said: str, wait: float | None) -> ApiFault:
    """403 has three causes that are a person's to mend, each in another place, and a fourth that mends itself."""
    if reasons & {"rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED"}:
        return ApiFault(Why.RATE_LIMITED, f"{_TOO_FAST} ({said})", everybody=True, again=True, retry_after=wait)
    if reasons & {"SERVICE_DISABLED", "accessNotConfigured"}:
        return ApiFault(Why.DENIED, f"{_DISABLED} (SERVICE_DISABLED: {said})", everybody=True)
    if reasons & {"ACCESS_TOKEN_SCOPE_INSUFFICIENT", "insufficientPermissions"}:
        return ApiFault(Why.DENIED, f"{_SCOPE} (ACCESS_TOKEN_SCOPE_INSUFFICIENT: {said})", everybody=True)
    return ApiFault(Why.DENIED, f"{_NO_PERMISSION} (PERMISSION_DENIED: {said})")


# google.rpc.Code -> the HTTP status that says the same.
_CODES = {3: 400, 4: 504, 5: 404, 7: 403, 8: 429, 10: 503, 13: 500, 14: 503, 16: 401}


def of_status(status: Any, now: datetime, secrets: Sequence[str] = ()) -> ApiFault:
    """The fault in a google.rpc.Status, which stands for one query of a batch."""
    if not isinstance(status, dict) or type(status.get("code")) is not int:
        return unreadable("an error without a code")
    http_status = _CODES.get(status["code"], 409)
    return of_answer(http_status, {}, json.dumps({"error": status}).encode(), now, secrets)


def of_exception(fault: Exception, where: str, now: datetime, secrets: Sequence[str] = ()) -> ApiFault:
    """The fault behind what Google's client raises. `where` is the address that was called."""
    match fault:
        case HttpError():
            headers = {name: str(value) for name, value in fault.resp.items()}
            return of_answer(int(fault.resp.status), headers, fault.content, now, secrets)
        case refusals.TransportError():
            return ApiFault(Why.NETWORK, f"{where}: the token could not be fetched", everybody=True, again=True)
        case refusals.RefreshError() if fault.retryable:
            return ApiFault(Why.SERVFAIL, f"{_BROKEN}: the token could not be renewed", everybody=True, again=True)
        case refusals.GoogleAuthError():
            said = _hidden(str(fault.args[0]) if fault.args else "", secrets)
            return ApiFault(Why.DENIED, f"{_UNAUTHENTICATED} ({said})", everybody=True)
        case TimeoutError():
            return ApiFault(Why.TIMEOUT, f"{where}: no answer in time", everybody=True, again=True)
        case http.client.HTTPException() | ValueError() | RecursionError():
            return unreadable("it is not JSON, or broke off", everybody=True)
        case OSError() | httplib2.HttpLib2Error():
            said = _hidden(str(fault), secrets)
            return ApiFault(Why.NETWORK, f"{where}: {type(fault).__name__}: {said}", everybody=True, again=True)
    raise fault


def unreadable(said: str, *, everybody: bool = False) -> ApiFault:
    """That an answer came which is none."""
    return ApiFault(Why.UNREADABLE, f"Google's answer cannot be read: {said}", everybody=everybody, again=True)


def _error(body: bytes) -> dict[str, Any]:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    error = said.get("error") if isinstance(said, dict) else None
    return error if isinstance(error, dict) else {}


def _details(error: dict[str, Any]) -> list[dict[str, Any]]:
    found = [error.get("details"), error.get("errors")]
    return [item for items in found if isinstance(items, list) for item in items if isinstance(item, dict)]


def _reasons(error: dict[str, Any]) -> frozenset[str]:
    """Every machine-readable reason: ErrorInfo's in `details`, the older form's in `errors`."""
    reasons = (detail.get("reason") for detail in _details(error))
    return frozenset(reason for reason in reasons if isinstance(reason, str))


def _retry_info(error: dict[str, Any]) -> float | None:
    """Seconds of a google.rpc.RetryInfo, where there is one."""
    for detail in _details(error):
        wait = _SECONDS.fullmatch(str(detail.get("retryDelay", "")))
        if wait:
            return min(float(wait[1]), LONGEST_WAIT_SECONDS)
    return None


def _hidden(text: str, secrets: Sequence[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, "**********")
    return "".join(letter if letter.isprintable() else " " for letter in text[:LONGEST_WORDS])
