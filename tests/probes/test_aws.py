"""What each failure of a call to AWS means."""

from typing import Any

import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    ReadTimeoutError,
)
from botocore.parsers import ResponseParserError

from probes import aws
from probes.observation import Why

URL = "https://user:hush@email.eu-west-1.amazonaws.com"


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (NoCredentialsError(), Why.DENIED),
        (PartialCredentialsError(provider="hush", cred_var="hush"), Why.DENIED),
        (ConnectTimeoutError(endpoint_url=URL), Why.TIMEOUT),
        (ReadTimeoutError(endpoint_url=URL), Why.TIMEOUT),
        (EndpointConnectionError(endpoint_url=URL), Why.NETWORK),
        (ConnectionClosedError(endpoint_url=URL), Why.NETWORK),
        (HTTPClientError(error="hush"), Why.NETWORK),
        (ParamValidationError(report="hush"), Why.REFUSED),
        (ResponseParserError("hush"), Why.UNREADABLE),
        (BotoCoreError(), Why.UNREADABLE),
        (AttributeError("hush"), Why.UNREADABLE),
    ],
)
def test_failures_without_an_answer(error: Exception, why: Why) -> None:
    assert isinstance(error, aws.ERRORS)
    fault = aws.fault(error)
    assert fault.why is why
    assert type(error).__name__ in fault.text
    assert "hush" not in fault.text


def answered(status: int, code: str = "", headers: dict[str, str] | None = None, words: str = "words") -> ClientError:
    response: Any = {
        "Error": {"Code": code, "Message": words},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": headers or {}},
    }
    return ClientError(response, "GetAccount")


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (answered(400, "BadRequestException"), Why.REFUSED),
        (answered(409, "ConflictException"), Why.REFUSED),
        (answered(401, "UnrecognizedClientException"), Why.DENIED),
        (answered(403, "AccessDeniedException"), Why.DENIED),
        (answered(404, "NotFoundException"), Why.NO_DATA),
        (answered(400, "ThrottlingException"), Why.RATE_LIMITED),
        (answered(400, "TooManyRequestsException"), Why.RATE_LIMITED),
        (answered(429), Why.RATE_LIMITED),
        (answered(302), Why.SERVFAIL),
        (answered(500, "InternalFailure"), Why.SERVFAIL),
        (answered(503), Why.SERVFAIL),
        (ClientError({}, "GetAccount"), Why.SERVFAIL),
    ],
)
def test_failures_that_aws_answers(error: ClientError, why: Why) -> None:
    assert isinstance(error, aws.ERRORS)
    fault = aws.fault(error)
    assert fault.why is why
    assert fault.text.startswith("GetAccount: ")


@pytest.mark.parametrize("status", [401, 403])
def test_the_words_of_a_denial_are_left_out(status: int) -> None:
    assert "hush" not in aws.fault(answered(status, words="x-amz-security-token:hush")).text


def test_long_words_are_cut() -> None:
    assert len(aws.fault(answered(400, "c" * 9999, words="w" * 9999)).text) < 500


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [({}, None), ({"retry-after": "7"}, 7.0), ({"retry-after": "-1"}, None), ({"retry-after": "²"}, None)],
)
def test_when_to_come_back(headers: dict[str, str], seconds: float | None) -> None:
    assert aws.fault(answered(429, headers=headers)).retry_after == seconds
