"""Webhooks that nobody signs: a user and password, or a header."""

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from peers.sparkpost import basic
from probes.observation import ForgedRequest
from probes.static_secret import StaticSecret

PASSWORD = "canary-canary-canary"
TOKEN = "a token that is long enough"
BOTH: dict[str, Any] = {"webhook_user": "deliverd", "webhook_password": PASSWORD}
HEADER: dict[str, Any] = {"webhook_header": "X-Deliverd-Token", "webhook_token": TOKEN}


def test_a_user_and_password() -> None:
    secret = StaticSecret(**BOTH)
    secret.verify(basic("deliverd", PASSWORD))
    secret.verify({"authorization": basic("deliverd", PASSWORD)["authorization"].replace("Basic", "bAsIc")})


def test_letters_beyond_ascii_are_utf_8() -> None:
    StaticSecret(webhook_user="jürgen", webhook_password="größer als sechzehn").verify(
        basic("jürgen", "größer als sechzehn")
    )


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": "Basic"},
        {"authorization": "Basic !!!"},
        {"authorization": f"Bearer {base64.b64encode(b'deliverd:' + PASSWORD.encode()).decode()}"},
        {"authorization": "Basic \u2603"},
        basic("deliverd", PASSWORD + "x"),
        basic("deliverd", PASSWORD[:-1]),
        basic("somebody", PASSWORD),
        basic("", ""),
    ],
)
def test_others_are_refused(headers: dict[str, str]) -> None:
    with pytest.raises(ForgedRequest) as caught:
        StaticSecret(**BOTH).verify(headers)
    assert "canary" not in str(caught.value)


def test_a_header_of_ones_own() -> None:
    secret = StaticSecret(**HEADER)
    secret.verify({"x-deliverd-token": TOKEN})
    for headers in ({}, {"x-deliverd-token": TOKEN + " "}, {"x-deliverd-token": "\ud800"}, {"authorization": TOKEN}):
        with pytest.raises(ForgedRequest, match="X-Deliverd-Token does not hold"):
            secret.verify(headers)


def test_both_are_wanted_where_both_are_given() -> None:
    secret = StaticSecret(**BOTH, **HEADER)
    secret.verify(basic("deliverd", PASSWORD) | {"x-deliverd-token": TOKEN})
    for headers in (basic("deliverd", PASSWORD), {"x-deliverd-token": TOKEN}):
        with pytest.raises(ForgedRequest):
            secret.verify(headers)


def test_without_a_secret_nothing_is_believed() -> None:
    for headers in ({}, basic("", ""), {"x-deliverd-token": ""}):
        with pytest.raises(ForgedRequest, match="no secret is configured"):
            StaticSecret().verify(headers)


@pytest.mark.parametrize(
    "settings",
    [
        {"webhook_user": "deliverd"},
        {"webhook_password": PASSWORD},
        {"webhook_header": "X-Token"},
        {"webhook_token": "canary-canary-canary"},
        BOTH | {"webhook_user": "a:b"},
        BOTH | {"webhook_user": "a\nb"},
        BOTH | {"webhook_user": ""},
        BOTH | {"webhook_password": "canary"},
        HEADER | {"webhook_token": "canary"},
        HEADER | {"webhook_header": "X Token"},
        HEADER | {"webhook_header": ""},
        {"colour": "canary"},
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        StaticSecret(**settings)
    assert "canary" not in str(caught.value)


def test_no_secret_is_printed() -> None:
    made = StaticSecret(**BOTH, **HEADER)
    printed = repr(made) + str(made) + made.model_dump_json()
    assert PASSWORD not in printed
    assert TOKEN not in printed


@given(st.dictionaries(st.sampled_from(["authorization", "x-deliverd-token"]), st.text()))
def test_whatever_is_sent_is_forged(headers: dict[str, str]) -> None:
    with pytest.raises(ForgedRequest):
        StaticSecret(**BOTH, **HEADER).verify(headers)
