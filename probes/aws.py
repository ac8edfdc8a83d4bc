"""The door to Amazon Web Services: one boto3 client, and what went wrong with a call to it, in few words.

Whatever botocore raises becomes a `Fault` (no exception): its `why` says what it means and whether to ask again.

DENIED          no: the credentials do not hold, or may not do this
NO_DATA         no: there is no such thing
REFUSED         slowly: AWS understood and said no
RATE_LIMITED    after `retry_after`
TIMEOUT, NETWORK, SERVFAIL, UNREADABLE    yes: a call that changes something may or may not have taken effect
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config as BotoConfig
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    HTTPClientError,
    NoAuthTokenError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    ReadTimeoutError,
    SSOError,
    TokenRetrievalError,
)
from botocore.exceptions import ConnectionError as BotoConnectionError
from botocore.parsers import ResponseParserError

from probes.observation import Why

# botocore lets the last four slip out of its parser when the answer is JSON of another shape (a list, null).
ERRORS = (ClientError, BotoCoreError, ResponseParserError, AttributeError, KeyError, TypeError, ValueError)
"""Every exception that a call through a boto3 client may raise for something that is not our own doing."""

# The first try and one more: a broken connection costs no round of the engine, and a slow service is not hammered.
ATTEMPTS = 2

_NO_CREDENTIALS = (
    CredentialRetrievalError,
    NoAuthTokenError,
    NoCredentialsError,
    PartialCredentialsError,
    SSOError,
    TokenRetrievalError,
)
_LONGEST_TEXT = 200


@dataclass(frozen=True, slots=True)
class Fault:
    """What went wrong with one call. `text` holds no secret; `retry_after` is in seconds, where AWS gave it."""

    why: Why
    text: str
    retry_after: float | None = None


def connect(
    service: str,
    region: str,
    *,
    keys: tuple[str, str] | None,
    endpoint_url: str | None,
    timeout_seconds: float,
) -> Any:
    """A boto3 client. `keys` are the access key's id and secret; None leaves it to AWS's own chain.

    That chain may ask the network (an instance's role), so call this outside the event loop. Connecting and reading
    each take at most `timeout_seconds`. Raises one of `ERRORS`.
    """
    key_id, secret = keys or (None, None)
    return boto3.session.Session().client(
        service,
        region_name=region,
        endpoint_url=endpoint_url,
        aws_access_key_id=key_id,
        aws_secret_access_key=secret,
        config=BotoConfig(
            connect_timeout=timeout_seconds,
            read_timeout=timeout_seconds,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        ),
    )


def fault(error: Exception) -> Fault:
    """What one of `ERRORS` means."""
    if isinstance(error, ClientError):
        return _answered(error.operation_name, error.response)
    name = type(error).__name__
    if isinstance(error, _NO_CREDENTIALS):
        return Fault(Why.DENIED, f"AWS credentials cannot be had ({name})")
    if isinstance(error, ConnectTimeoutError | ReadTimeoutError):
        return Fault(Why.TIMEOUT, f"AWS did not answer in time ({name})")
    if isinstance(error, BotoConnectionError | HTTPClientError):
        return Fault(Why.NETWORK, f"AWS cannot be reached ({name})")
    if isinstance(error, ParamValidationError):
        return Fault(Why.REFUSED, f"the AWS client refused the request ({name})")
    return Fault(Why.UNREADABLE, f"the answer of AWS cannot be read ({name})")


def _answered(operation: str, response: Mapping[str, Any]) -> Fault:
    """What an error answer means. The words of a 401 or 403 are left out: they can quote the signed request."""
    meta = response.get("ResponseMetadata", {})
    status = meta.get("HTTPStatusCode", 0)
    code = str(response.get("Error", {}).get("Code", ""))[:_LONGEST_TEXT]
    words = str(response.get("Error", {}).get("Message", ""))[:_LONGEST_TEXT]
    said = f"{operation}: {status} {code}"
    if status == 429 or "Throttl" in code or code == "TooManyRequestsException":
        return Fault(Why.RATE_LIMITED, said, _seconds(meta.get("HTTPHeaders", {}).get("retry-after")))
    if status in (401, 403):
        return Fault(Why.DENIED, said)
    if status == 404:
        return Fault(Why.NO_DATA, f"{said}: {words}")
    if 400 <= status < 500:
        return Fault(Why.REFUSED, f"{said}: {words}")
    return Fault(Why.SERVFAIL, said)


def _seconds(text: str | None) -> float | None:
    """Retry-After as whole seconds (RFC 9110, 10.2.3); its date form counts as not given."""
    return float(text) if text is not None and text.isascii() and text.isdigit() else None
