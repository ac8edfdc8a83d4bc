"""Why Google did not answer, from what its client raises and its answers say."""

import http.client
import json
import socket
import ssl
from datetime import UTC, datetime
from typing import Any

import httplib2
import pytest
from google.auth import exceptions as refusals
from googleapiclient.errors import HttpError
from hypothesis import given
from hypothesis import strategies as st

from probes.google_postmaster_faults import ApiFault, of_answer, of_exception, of_status
from probes.observation import Why

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def http_error(status: int, body: bytes = b"") -> HttpError:
    return HttpError(httplib2.Response({"status": status, "retry-after": "9"}), body)


@pytest.mark.parametrize(
    ("fault", "why", "again"),
    [
        (refusals.TransportError("s3cret"), Why.NETWORK, True),
        (refusals.RefreshError("server_error", retryable=True), Why.SERVFAIL, True),
        (refusals.RefreshError("invalid_grant: s3cret"), Why.DENIED, False),
        (refusals.GoogleAuthError(), Why.DENIED, False),
        (TimeoutError(), Why.TIMEOUT, True),
        (http.client.IncompleteRead(b"s3cret"), Why.UNREADABLE, True),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "s3cret"), Why.UNREADABLE, True),
        (RecursionError(), Why.UNREADABLE, True),
        (ssl.SSLError("certificate"), Why.NETWORK, True),
        (socket.gaierror("no such host"), Why.NETWORK, True),
        (httplib2.ServerNotFoundError("s3cret"), Why.NETWORK, True),
        (http_error(503), Why.SERVFAIL, True),
        (http_error(401, b"\xff"), Why.DENIED, False),
    ],
)
def test_everything_google_s_client_raises_has_its_reason(fault: Exception, why: Why, again: bool) -> None:
    found = of_exception(fault, "http://127.0.0.1/", NOW, ["s3cret"])
    assert (found.why, found.again, found.everybody) == (why, again, True)
    assert "s3cret" not in found.unseen().detail


def test_a_mistake_of_our_own_is_not_taken_for_google_s() -> None:
    with pytest.raises(ZeroDivisionError):
        of_exception(ZeroDivisionError(), "", NOW)


def forbidden(**reason: Any) -> bytes:
    return json.dumps({"error": {"code": 403, "message": "no", **reason}}).encode()


@pytest.mark.parametrize(
    ("body", "everybody", "words"),
    [
        (forbidden(details=[{"reason": "SERVICE_DISABLED"}]), True, "enable it there"),
        (forbidden(errors=[{"reason": "accessNotConfigured"}]), True, "enable it there"),
        (forbidden(details=[{"reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT"}]), True, "deliverd auth google"),
        (forbidden(), False, "may not see the domain"),
        (forbidden(details=[{"reason": 7}, "text"], errors="text"), False, "may not see the domain"),
        (b'["error"]', False, "may not see the domain"),
        (b'{"error": "text"}', False, "may not see the domain"),
        (b"<html>", False, "may not see the domain"),
        (b"[" * 100_000, False, "may not see the domain"),
    ],
)
def test_the_causes_of_403_are_told_apart(body: bytes, everybody: bool, words: str) -> None:
    found = of_answer(403, {}, body, NOW)
    assert (found.why, found.everybody, found.again) == (Why.DENIED, everybody, False)
    assert words in found.detail


@pytest.mark.parametrize(
    ("headers", "delay", "seconds"),
    [
        ({"retry-after": "30"}, "5s", 30),
        ({"retry-after": "Sun, 22 Nov 2026 12:01:00 GMT"}, "", 60),
        ({}, "5.5s", 5.5),
        ({"retry-after": "soon"}, "999999999s", 3600),
        ({}, "soon", None),
    ],
)
def test_when_to_come_back(headers: dict[str, str], delay: str, seconds: float | None) -> None:
    body = json.dumps({"error": {"details": [{"@type": "x"}, {"retryDelay": delay}]}}).encode()
    found = of_answer(429, headers, body, NOW)
    assert (found.why, found.retry_after) == (Why.RATE_LIMITED, seconds)
    assert ("retry after" in found.unseen().detail) is (seconds is not None)


def test_what_google_says_is_shown_bounded_and_without_secrets() -> None:
    body = json.dumps({"error": {"message": "\x1b[2J s3cret " + "x" * 10_000}}).encode()
    detail = of_answer(500, {}, body, NOW, ["s3cret"]).detail
    assert "s3cret" not in detail and detail.isprintable() and len(detail) < 300


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(JSON | st.fixed_dictionaries({"code": JSON | st.integers(0, 20)}, optional={"details": JSON, "message": JSON}))
def test_any_status_is_a_fault(status: Any) -> None:
    assert isinstance(of_status(status, NOW), ApiFault)


@given(st.integers(300, 599), st.binary(max_size=40) | JSON.map(lambda it: json.dumps({"error": it}).encode()))
def test_any_answer_is_a_fault(status: int, body: bytes) -> None:
    assert of_answer(status, {"retry-after": body.decode("latin-1")}, body, NOW).unseen().detail
