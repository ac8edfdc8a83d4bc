"""Mailgun: its configuration, its signature, its counts and its domains."""

import json
import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import ValidationError as NotAsDescribed
from pydantic import ValidationError

from peers.looks import by_part
from peers.mailgun import KEY, SIGNING_KEY, Mailgun, signed
from peers.outages import OF_VENDORS
from peers.vendor_server import HERE, Fault, answer_schema, check
from probes.discovery import Found
from probes.http import Http, HttpFault
from probes.mailgun import Config, discover, observe, receive, verify
from probes.observation import ForgedRequest, MalformedRequest, Observation, Parsed, Unseen, Why, Window

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
STAMP = str(int(NOW.timestamp()))
EVENT = {
    "event": "complained",
    "id": "CCXMjJ7nQi2N3BPigGOdgQ",
    "timestamp": NOW.timestamp() - 60.5,
    "domain": {"name": "acme.com"},
    "recipient": "bob@gmail.com",
    "message": {"headers": {"message-id": "1@acme.com"}},
}


def config(**settings: Any) -> Config:
    return Config(**({"kind": "mailgun", "api_key": KEY, "signing_key": SIGNING_KEY} | settings))


@pytest.mark.parametrize(
    "settings",
    [
        {"base_url": "http://api.mailgun.net"},
        {"signature_age_seconds": math.inf},
        {"days": 31},
        {"timeout_seconds": 0},
        {"colour": "red"},
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        config(**settings)


def test_no_secret_is_printed() -> None:
    printed = repr(config()) + config().model_dump_json()
    assert KEY not in printed
    assert SIGNING_KEY not in printed


async def received(body: bytes, **settings: Any) -> Parsed:
    async with Http() as http:
        return await receive(config(**settings), {}, body, Window(NOW), http)


def test_a_signature_made_elsewhere() -> None:
    # printf 1770920772e0b5477167110d68991efc6b9f89f0a11066af27834600e123 | openssl dgst -sha256 -hmac key
    mark = {
        "timestamp": "1770920772",
        "token": "e0b5477167110d68991efc6b9f89f0a11066af27834600e123",
        "signature": "e8f5d8f1bd9ce26cc6e78f1cbde9e93cc2bba777a3d3005819ca8de26128118d",
    }
    now = datetime.fromtimestamp(1_770_920_772, UTC)
    verify(config(signing_key="key"), mark, now)
    verify(config(signing_key="key"), mark | {"timestamp": 1_770_920_772, "signature": mark["signature"].upper()}, now)


async def test_receive() -> None:
    (event,) = (await received(signed(EVENT, STAMP))).events
    assert (event.id, event.domain) == ("CCXMjJ7nQi2N3BPigGOdgQ", "acme.com")
    again = await received(signed(EVENT, str(int(STAMP) - 200), "another token"))
    assert again.events == (event,)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"event=complained&timestamp=1",
        b"{}",
        b'{"signature": "none"}',
        b'{"signature": {"timestamp": true, "token": "t", "signature": "s"}}',
        signed(EVENT, STAMP, key="another key"),
        signed(EVENT, STAMP).replace(b"tttt", b"uuuu", 1),
        signed(EVENT, STAMP, "\ud800".encode(errors="replace").decode(), key="another"),
        signed(EVENT, str(int(STAMP) - 301)),
        signed(EVENT, str(int(STAMP) + 301)),
        signed(EVENT, "now"),
        json.dumps({"signature": {"timestamp": STAMP, "token": "\ud800", "signature": "é\ud800"}}).encode(),
    ],
)
async def test_forged(body: bytes) -> None:
    with pytest.raises(ForgedRequest):
        await received(body)


async def test_nothing_is_believed_without_a_key() -> None:
    with pytest.raises(ForgedRequest, match="no signing_key"):
        await received(signed(EVENT, STAMP), signing_key=None)


async def test_an_older_signature_where_that_is_wanted() -> None:
    assert (await received(signed(EVENT, str(int(STAMP) - 20_000)), signature_age_seconds=30_000)).events


async def test_a_good_signature_and_no_event() -> None:
    body = json.loads(signed(EVENT, STAMP))
    del body["event-data"]
    with pytest.raises(MalformedRequest):
        await received(json.dumps(body).encode())
    assert [reject.code for reject in (await received(signed("none", STAMP))).rejects] == ["malformed"]


@given(st.binary(max_size=100))
async def test_any_body(body: bytes) -> None:
    with pytest.raises(ForgedRequest):
        await received(body)


async def look(peer: Mailgun, *domains: str, faults: tuple[Fault, ...] = (), after: int = 0, **settings: Any) -> Any:
    with peer.server() as server:
        server.faults, server.broken_after = list(faults), after
        async with Http() as http:
            return await observe(config(base_url=server.base_url, **settings), domains, http, NOW)


def readings(looks: tuple[Observation, ...]) -> dict[tuple[str, str], Any]:
    assert {(one.source, one.at) for one in looks} <= {("mailgun", NOW)}
    return by_part(looks)


BUSY = {
    "accepted_outgoing_count": 100,
    "delivered_count": 90,
    "hard_bounces_count": 4,
    "soft_bounces_count": 3,
    "complained_count": 1,
    "unsubscribed_count": 2,
}
COUNTED = {"sent": 100, "delivered": 90, "hard_bounced": 4, "soft_bounced": 3, "complained": 1, "unsubscribed": 2}


async def test_counts_by_day() -> None:
    some = {"accepted_outgoing_count": 0, "complained_count": None}
    peer = Mailgun(days={"acme.com": {"2026-11-21": BUSY, "2026-11-22": some}})
    found = readings(await look(peer, "acme.com", "two.example"))
    assert found == {
        ("acme.com", ""): {"code": "ok", "days": 2} | COUNTED,
        ("acme.com", "2026-11-21"): COUNTED,
        ("acme.com", "2026-11-22"): {"sent": 0},
        ("two.example", ""): {"code": "ok", "days": 0},
    }
    (asked,) = peer.asked
    assert asked["start"] == "Mon, 16 Nov 2026 00:00:00 +0000"
    assert asked["dimensions"] == ["domain", "time"]


@pytest.mark.parametrize("tells_total", [True, False])
async def test_all_pages_are_read(tells_total: bool) -> None:
    days = {f"2026-11-{day}": {"accepted_outgoing_count": day} for day in range(16, 23)}
    peer = Mailgun(days={"acme.com": days, "two.example": days}, page=3, tells_total=tells_total)
    found = readings(await look(peer, "acme.com", "two.example"))
    assert found["two.example", "2026-11-22"] == {"sent": 22}
    assert found["two.example", ""]["days"] == 7
    assert len(peer.asked) == 5 + (not tells_total)


@pytest.mark.parametrize("tells_total", [True, False])
async def test_pages_that_come_again_are_no_answer(tells_total: bool) -> None:
    days = {f"2026-11-{day}": {"accepted_outgoing_count": day} for day in range(16, 23)}
    peer = Mailgun(days={"acme.com": days}, page=3, deaf_to_skip=True, tells_total=tells_total)
    found = readings(await look(peer, "acme.com"))
    assert set(found) == {("acme.com", "")}
    assert found["acme.com", ""].why is Why.UNREADABLE


async def test_many_domains() -> None:
    names = [f"d{number:03}.example" for number in range(120)]
    peer = Mailgun(days={name: {"2026-11-22": BUSY} for name in names})
    found = readings(await look(peer, *names))
    assert len(peer.asked) == 3
    assert len(found) == 240
    halfway = readings(await look(peer, *names, faults=(Fault.BROKEN,), after=1))
    assert sum(isinstance(answer, Unseen) for answer in halfway.values()) == 70


@pytest.mark.parametrize(("fault", "why"), OF_VENDORS)
async def test_what_is_not_seen(fault: Fault, why: Why) -> None:
    found = readings(
        await look(
            Mailgun(), "acme.com", "two.example", faults=(fault,), timeout_seconds=0.3 if fault is Fault.HANG else 10
        )
    )
    assert set(found) == {("acme.com", ""), ("two.example", "")}
    for answer in found.values():
        assert answer.why is why
        assert KEY not in answer.detail
        assert ("ask again in 7 s" in answer.detail) == (fault is Fault.RATE_LIMITED)


@pytest.mark.parametrize(
    "days",
    [
        {"acme.com": {"2026-11-22": {"complained_count": -1}}},
        {"acme.com": {"2026-11-22": {"complained_count": 1.5}}},
    ],
)
async def test_what_is_no_count(days: dict[str, Any]) -> None:
    found = readings(await look(Mailgun(days=days, checked=False), "acme.com"))
    assert found["acme.com", ""].why is Why.UNREADABLE


async def test_a_wrong_key() -> None:
    found = readings(await look(Mailgun(), "acme.com", api_key="another"))
    assert found["acme.com", ""].why is Why.DENIED


async def found_by(peer: Mailgun, *faults: Fault) -> tuple[Found, ...]:
    with peer.server() as server:
        server.faults = list(faults)
        async with Http() as http:
            return await discover(config(base_url=server.base_url), http, NOW)


def domain(name: str, **more: Any) -> dict[str, Any]:
    """With all that Mailgun tells of a domain, a password among it."""
    told: dict[str, Any] = {"id": "1", "name": name, "state": "active", "type": "custom", "smtp_password": "canary"}
    told |= {
        "created_at": "Thu, 13 Oct 2011 18:02:00 GMT",
        "smtp_login": f"postmaster@{name}",
        "spam_action": "disabled",
    }
    told |= {"web_prefix": "email", "web_scheme": "http", "message_ttl": 86400}
    told |= dict.fromkeys(
        ("is_disabled", "require_tls", "skip_verification", "wildcard", "encrypt_incoming_message"), False
    )
    return told | {"use_automatic_sender_security": True} | more


async def test_discover() -> None:
    domains = [
        domain("two.example", subaccount_id="6fr783930fhhriu673"),
        domain("acme.com"),
        domain("old.example", is_disabled=True),
        domain("no domain"),
    ]
    found = await found_by(Mailgun(domains=domains, page=2))
    assert found == (
        Found("acme.com", (), (), "active"),
        Found("old.example", (), (), "disabled"),
        Found("two.example", (), ("subaccount:6fr783930fhhriu673",), "active"),
    )
    assert "canary" not in repr(found)
    assert await found_by(Mailgun()) == ()


async def test_discover_has_its_bound_and_its_faults() -> None:
    with pytest.raises(HttpFault, match="more than 10000"):
        await found_by(Mailgun(domains=[domain("acme.com")] * 60, page=1))
    with pytest.raises(HttpFault):
        await found_by(Mailgun(), Fault.FORBIDDEN)


@pytest.mark.skipif(not HERE, reason="Mailgun's description is not here, so the stand-in's answers are not checked")
def test_the_stand_in_is_held_to_the_description() -> None:
    with pytest.raises(NotAsDescribed):
        check("mailgun.yaml", answer_schema("mailgun.yaml", "post", "/v1/analytics/metrics"), {"pagination": {}})
