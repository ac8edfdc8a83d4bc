"""SendGrid: its configuration, its signature, its counts and its domains."""

import base64
import json
import math
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import ValidationError as NotAsDescribed
from pydantic import ValidationError
from sendgrid.helpers.eventwebhook import EventWebhook

from peers.looks import by_part
from peers.outages import OF_VENDORS
from peers.sendgrid import KEY, SendGrid, Signer, metrics
from peers.vendor_server import HERE, Fault, answer_schema, check
from probes.discovery import Found
from probes.http import Http, HttpFault
from probes.observation import ForgedRequest, MalformedRequest, Observation, Unseen, Why, Window
from probes.sendgrid import Config, discover, observe, receive, verify

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
STAMP = str(int(NOW.timestamp()))
SIGNER = Signer()
EVENT = {
    "email": "bob@gmail.com",
    "timestamp": int(STAMP) - 60,
    "event": "spamreport",
    "sg_event_id": "c3BhbXJlcG9ydA",
    "sg_message_id": "14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0",
}
BODY = json.dumps([EVENT]).encode()


def config(**settings: Any) -> Config:
    given = {"kind": "sendgrid", "api_key": KEY, "public_key": SIGNER.public_key, "domain": "acme.com"}
    return Config(**(given | settings))


def another_curve() -> str:
    key = ec.generate_private_key(ec.SECP384R1()).public_key()
    encoded = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(encoded).decode()


@pytest.mark.parametrize(
    "settings",
    [
        {"public_key": ""},
        {"public_key": "é"},
        {"public_key": "AAAA"},
        {"public_key": another_curve()},
        {"domain": "no domain"},
        {"subusers": {"no domain": "x"}},
        {"subusers": {"acme.com": ""}},
        {"domain_argument": "Email"},
        {"domain_argument": "a b"},
        {"signature_age_seconds": math.nan},
        {"base_url": "http://api.sendgrid.com"},
        {"days": 0},
        {"colour": "red"},
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        config(**settings)


def test_the_argument_that_names_the_domain() -> None:
    assert config(domain_argument="brand").domain_argument == "brand"


def test_no_secret_is_printed() -> None:
    assert KEY not in repr(config()) + str(config()) + config().model_dump_json()


@given(st.text(max_size=50))
def test_what_sendgrids_own_helper_verifies_is_verified(text: str) -> None:
    headers = SIGNER.sign(text.encode(), STAMP)
    signature = headers["x-twilio-email-event-webhook-signature"]
    assert EventWebhook(SIGNER.public_key).verify_signature(text, signature, STAMP)
    verify(config(), headers, text.encode(), NOW)


def test_what_sendgrids_own_helper_refuses_is_refused() -> None:
    signature = SIGNER.sign(b"[]", STAMP)["x-twilio-email-event-webhook-signature"]
    assert not EventWebhook(SIGNER.public_key).verify_signature("[ ]", signature, STAMP)
    with pytest.raises(ForgedRequest, match="does not match"):
        verify(config(), SIGNER.sign(b"[]", STAMP), b"[ ]", NOW)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-twilio-email-event-webhook-timestamp": STAMP},
        {"x-twilio-email-event-webhook-signature": "AAAA"},
        SIGNER.sign(BODY, STAMP) | {"x-twilio-email-event-webhook-signature": "AAAA"},
        SIGNER.sign(BODY, STAMP) | {"x-twilio-email-event-webhook-signature": "!"},
        SIGNER.sign(BODY, STAMP) | {"x-twilio-email-event-webhook-signature": "é"},
        SIGNER.sign(BODY, STAMP) | {"x-twilio-email-event-webhook-timestamp": str(int(STAMP) + 1)},
        Signer().sign(BODY, STAMP),
        SIGNER.sign(BODY, str(int(STAMP) - 301)),
        SIGNER.sign(BODY, str(int(STAMP) + 301)),
        SIGNER.sign(BODY, "now"),
    ],
)
def test_forged(headers: dict[str, str]) -> None:
    with pytest.raises(ForgedRequest):
        verify(config(), headers, BODY, NOW)


def test_nothing_is_believed_without_a_key() -> None:
    with pytest.raises(ForgedRequest, match="no public_key"):
        verify(config(public_key=None), SIGNER.sign(BODY, STAMP), BODY, NOW)


def test_an_older_signature_where_that_is_wanted() -> None:
    verify(config(signature_age_seconds=3600), SIGNER.sign(BODY, str(int(STAMP) - 3000)), BODY, NOW)


async def test_receive_verifies_first() -> None:
    async with Http() as http:
        (event,) = (await receive(config(), SIGNER.sign(BODY, STAMP), BODY, Window(NOW), http)).events
        assert (event.id, event.domain) == ("c3BhbXJlcG9ydA", "acme.com")
        (reject,) = (await receive(config(domain=None), SIGNER.sign(BODY, STAMP), BODY, Window(NOW), http)).rejects
        assert reject.code == "bad-domain"
        with pytest.raises(ForgedRequest):
            await receive(config(), {}, b"not even JSON", Window(NOW), http)
        with pytest.raises(MalformedRequest):
            await receive(config(), SIGNER.sign(b"{", STAMP), b"{", Window(NOW), http)


async def look(peer: SendGrid, *domains: str, faults: tuple[Fault, ...] = (), after: int = 0, **settings: Any) -> Any:
    with peer.server() as server:
        server.faults, server.broken_after = list(faults), after
        async with Http() as http:
            return await observe(config(base_url=server.base_url, **settings), domains, http, NOW)


def readings(looks: tuple[Observation, ...]) -> dict[tuple[str, str], Any]:
    assert {(one.source, one.at) for one in looks} <= {("sendgrid", NOW)}
    return by_part(looks)


BUSY = metrics(
    requests=110, processed=100, delivered=90, bounces=4, blocks=3, spam_reports=1, unsubscribes=2, bounce_drops=10
)
COUNTED = {"sent": 100, "delivered": 90, "hard_bounced": 4, "soft_bounced": 3, "complained": 1, "unsubscribed": 2}


async def test_the_account_of_one_domain() -> None:
    peer = SendGrid(account={"2026-11-21": BUSY, "2026-11-22": metrics(), "2026-10-01": BUSY})
    found = readings(await look(peer, "acme.com"))
    assert found == {
        ("acme.com", ""): {"code": "ok", "days": 2} | COUNTED,
        ("acme.com", "2026-11-21"): COUNTED,
        ("acme.com", "2026-11-22"): dict.fromkeys(COUNTED, 0),
    }
    assert peer.asked == [{"start_date": ["2026-11-16"], "aggregated_by": ["day"], "limit": ["500"]}]


async def test_subusers_ten_at_a_time() -> None:
    names = {f"d{number:02}.example": f"user{number:02}" for number in range(12)}
    days = {"2026-11-22": metrics(processed=1)}
    peer = SendGrid(subusers={name: days for name in names.values() if name != "user11"})
    found = readings(await look(peer, *names, subusers=names))
    assert [len(asked["subusers"]) for asked in peer.asked] == [10, 2]
    assert found["d00.example", "2026-11-22"]["sent"] == 1
    assert found["d11.example", ""] == {"code": "ok", "days": 0}


async def test_categories() -> None:
    peer = SendGrid(categories={"from:two.example": {"2026-11-22": BUSY}}, account={"2026-11-22": BUSY})
    found = readings(await look(peer, "two.example", "acme.com", category_prefix="from:"))
    assert found["two.example", "2026-11-22"] == found["acme.com", "2026-11-22"] == COUNTED


async def test_whose_statistics_is_not_known() -> None:
    found = readings(await look(SendGrid(), "two.example"))
    assert found["two.example", ""].why is Why.NO_DATA
    assert "neither" in found["two.example", ""].detail


@pytest.mark.parametrize(("fault", "why"), OF_VENDORS)
async def test_what_is_not_seen(fault: Fault, why: Why) -> None:
    names = {"two.example": "user", "three.example": "user3"}
    domains = ("acme.com", *names)
    found = readings(
        await look(
            SendGrid(), *domains, faults=(fault,), subusers=names, timeout_seconds=0.3 if fault is Fault.HANG else 10
        )
    )
    assert set(found) == {(domain, "") for domain in domains}
    for answer in found.values():
        assert answer.why is why
        assert KEY not in answer.detail
        assert ("ask again in 7 s" in answer.detail) == (fault is Fault.RATE_LIMITED)


async def test_nobody_there() -> None:
    async with Http() as http:
        (one,) = await observe(config(base_url="http://127.0.0.1:1"), ["acme.com"], http, NOW)
    assert isinstance(one.answer, Unseen)
    assert one.answer.why is Why.NETWORK


async def test_a_fault_halfway_keeps_what_was_seen() -> None:
    names = {f"d{number:02}.example": f"user{number:02}" for number in range(12)}
    peer = SendGrid(subusers={name: {"2026-11-22": metrics()} for name in names.values()})
    found = readings(await look(peer, *names, faults=(Fault.BROKEN,), after=1, subusers=names))
    assert sum(isinstance(answer, Unseen) for answer in found.values()) == 2


@pytest.mark.parametrize(("day", "told"), [("yesterday", {}), ("2026-11-22", {"processed": -1})])
async def test_what_makes_no_sense(day: str, told: dict[str, Any]) -> None:
    peer = SendGrid(account={day: metrics() | told}, checked=False)
    found = readings(await look(peer, "acme.com"))
    assert found["acme.com", ""].why is Why.UNREADABLE


async def test_a_wrong_key() -> None:
    found = readings(await look(SendGrid(), "acme.com", api_key="SG.another"))
    assert found["acme.com", ""].why is Why.DENIED


async def found_by(peer: SendGrid, *faults: Fault) -> tuple[Found, ...]:
    with peer.server() as server:
        server.faults = list(faults)
        async with Http() as http:
            return await discover(config(base_url=server.base_url), http, NOW)


async def test_discover() -> None:
    many = [{"id": number, "domain": f"d{number:03}.example", "valid": True} for number in range(150)]
    two = {"domain": "acme.com", "subdomain": "em1", "username": "owner", "valid": False}
    peer = SendGrid(
        domains=[
            *many,
            two | {"subusers": [{"user_id": 8, "username": "two"}]},
            two | {"subusers": [{"user_id": 7, "username": "one"}], "valid": True},
            two | {"domain": "new.example"},
            two | {"domain": "no domain"},
        ]
    )
    found = await found_by(peer)
    assert len(found) == 152
    assert found[0] == Found("acme.com", ("one", "two"), ("subuser:one", "subuser:two"), "authenticated")
    assert found[-1] == Found("new.example", (), (), "its DNS records are not validated")


async def test_discover_has_its_bound_and_its_faults() -> None:
    with pytest.raises(HttpFault, match="more than 5000"):
        await found_by(SendGrid(domains=[{"domain": "acme.com"}] * 5001))
    with pytest.raises(HttpFault):
        await found_by(SendGrid(), Fault.FORBIDDEN)


@pytest.mark.skipif(not HERE, reason="SendGrid's description is not here, so the stand-in's answers are not checked")
def test_the_stand_in_is_held_to_the_description() -> None:
    with pytest.raises(NotAsDescribed):
        check("sendgrid-stats.json", answer_schema("sendgrid-stats.json", "get", "/v3/stats"), [{"stats": []}])
