"""The signatures between deliverd and a sender of one's own, against the reference library."""

import base64
import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook

from peers.own_sender import SECRET
from probes.observation import (
    ForgedRequest,
)
from probes.webhook import Config, sign, verify

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
OLD = "whsec_" + base64.b64encode(b"what it was before, for long").decode()
STRANGER = "whsec_" + base64.b64encode(b"a secret of somebody else's").decode()


def config(**settings: Any) -> Config:
    return Config(**{"kind": "webhook", "secret": SECRET, "control_url": "https://sender.example/control"} | settings)


def signed(body: bytes, secret: str = SECRET, at: datetime = NOW, name: str = "msg_1") -> dict[str, str]:
    """Headers as the reference library makes them."""
    stamp = str(math.floor(at.timestamp()))
    signature = Webhook(secret).sign(name, at, body.decode())
    return {"webhook-id": name, "webhook-timestamp": stamp, "webhook-signature": signature}


def test_a_known_signature() -> None:
    # The example of the specification's reference implementations.
    made = config(secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    verify(made, headers, b'{"test": 2432232314}', datetime.fromtimestamp(1614265330, UTC))


@given(st.text(max_size=50), st.integers(min_value=-300, max_value=300))
def test_what_the_reference_signs_is_verified(body: str, off: int) -> None:
    raw = body.encode()
    verify(config(), signed(raw, at=NOW + timedelta(seconds=off)), raw, NOW)


def test_what_we_sign_the_reference_verifies() -> None:
    now = datetime.now(UTC)
    headers = sign(config(previous_secret=OLD), "msg_7", now, "grüße".encode())
    for secret in (SECRET, OLD):
        Webhook(secret).verify("grüße", headers, json_parse=False)
    verify(config(), headers, "grüße".encode(), now)


def test_while_the_secret_changes_both_are_taken() -> None:
    made = config(previous_secret=OLD)
    verify(made, signed(b"{}"), b"{}", NOW)
    verify(made, signed(b"{}", OLD), b"{}", NOW)
    with pytest.raises(ForgedRequest, match="does not match"):
        verify(config(), signed(b"{}", OLD), b"{}", NOW)


def test_one_good_signature_among_others_is_enough() -> None:
    headers = signed(b"{}")
    good = headers["webhook-signature"]
    others = f"v1a,abc v1,{'A' * 43}= {good} v2,xyz nonsense"
    verify(config(), headers | {"webhook-signature": others}, b"{}", NOW)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"webhook-id": None}, "missing"),
        ({"webhook-timestamp": None}, "missing"),
        ({"webhook-signature": None}, "missing"),
        ({"webhook-id": ""}, "missing"),
        ({"webhook-id": "msg_2"}, "does not match"),
        ({"webhook-id": "\ud800"}, "UTF-8"),
        ({"webhook-timestamp": "soon"}, "seconds since 1970"),
        ({"webhook-timestamp": "-5"}, "seconds since 1970"),
        ({"webhook-timestamp": "1e9"}, "seconds since 1970"),
        ({"webhook-timestamp": "٣"}, "seconds since 1970"),
        ({"webhook-timestamp": "9" * 5000}, "seconds since 1970"),
        ({"webhook-timestamp": "0"}, "s ago, at most 300"),
        ({"webhook-timestamp": "99999999999"}, "s ahead, at most 300"),
        ({"webhook-timestamp": str(int(NOW.timestamp()) - 1)}, "does not match"),
        ({"webhook-signature": "v1"}, "no signature of version v1"),
        ({"webhook-signature": "v2,abcd"}, "no signature of version v1"),
        ({"webhook-signature": "v1,!!!"}, "not base64"),
        ({"webhook-signature": "v1,AAA"}, "not base64"),
        ({"webhook-signature": "v1,é"}, "not base64"),
        ({"webhook-signature": "v1,\ud800"}, "not base64"),
        ({"webhook-signature": "v1,AAAA"}, "not 32 bytes long"),
        ({"webhook-signature": "v1,"}, "not 32 bytes long"),
        ({"webhook-signature": "v1," + "A" * 43 + "="}, "does not match"),
    ],
)
def test_forged(change: Mapping[str, str | None], reason: str) -> None:
    headers = {name: value for name, value in (signed(b"{}") | change).items() if value is not None}
    with pytest.raises(ForgedRequest, match=reason) as caught:
        verify(config(), headers, b"{}", NOW)
    assert SECRET.removeprefix("whsec_") not in str(caught.value)


@pytest.mark.parametrize("place", range(3, 47))
def test_every_letter_of_a_signature_counts(place: int) -> None:
    headers = signed(b"{}")
    right = headers["webhook-signature"]
    wrong = f"{right[:place]}{'B' if right[place] == 'A' else 'A'}{right[place + 1 :]}"
    with pytest.raises(ForgedRequest):
        verify(config(), headers | {"webhook-signature": wrong}, b"{}", NOW)


@pytest.mark.parametrize("off", [-301, 301])
def test_five_minutes_and_no_more(off: int) -> None:
    at = NOW + timedelta(seconds=off)
    with pytest.raises(ForgedRequest, match="at most 300 allowed"):
        verify(config(), signed(b"{}", at=at), b"{}", NOW)


def test_a_body_that_was_changed() -> None:
    with pytest.raises(ForgedRequest, match="does not match"):
        verify(config(), signed(b'{"count": 1}'), b'{"count": 9}', NOW)


def test_a_body_that_is_not_utf8() -> None:
    with pytest.raises(ForgedRequest, match="UTF-8"):
        verify(config(), signed(b""), b"\xff", NOW)


@given(
    st.dictionaries(st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature"]), st.text()),
    st.binary(),
)
def test_nothing_but_forged_comes_of_anything(change: dict[str, str], body: bytes) -> None:
    with pytest.raises(ForgedRequest):
        verify(config(), signed(b"{}", STRANGER) | change, body, NOW)
