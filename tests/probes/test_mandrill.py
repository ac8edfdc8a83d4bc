"""Mandrill: its configuration, its signature, its counts and its domains."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import ValidationError as NotAsDescribed
from pydantic import ValidationError

from peers.looks import by_part
from peers.mandrill import KEY, URL, WEBHOOK_KEY, Mandrill, signed
from peers.outages import OF_VENDORS
from peers.vendor_server import HERE, Fault, answer_schema, check
from probes.discovery import Found
from probes.http import Http, HttpFault
from probes.mandrill import Config, discover, observe, receive, verify
from probes.observation import ForgedRequest, MalformedRequest, Observation, Parsed, Unseen, Why, Window

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
STAMP = int(NOW.timestamp()) - 60
EVENT = {
    "event": "spam",
    "_id": "8db5f8f2e4a14aa3",
    "ts": STAMP,
    "msg": {"ts": STAMP - 60, "email": "bob@gmail.com", "sender": "ann@acme.com", "subject": "grüße & mehr"},
}


def config(**settings: Any) -> Config:
    return Config(**({"kind": "mandrill", "api_key": KEY, "webhook_url": URL, "webhook_key": WEBHOOK_KEY} | settings))


@pytest.mark.parametrize(
    "settings",
    [
        {"base_url": "http://mandrillapp.com"},
        {"webhook_url": "deliverd.example/hooks"},
        {"webhook_url": "https://deliverd.example/a b"},
        {"days": 31},
        {"most_senders": 0},
        {"colour": "red"},
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        config(**settings)


def test_no_secret_is_printed() -> None:
    printed = repr(config()) + config().model_dump_json()
    assert KEY not in printed
    assert WEBHOOK_KEY not in printed


async def received(message: tuple[dict[str, str], bytes], **settings: Any) -> Parsed:
    async with Http() as http:
        return await receive(config(**settings), *message, Window(NOW), http)


def test_a_signature_made_elsewhere() -> None:
    # printf 'https://deliverd.example/hooks/mandrillmandrill_events[]' | openssl dgst -sha1 -hmac key -binary | base64
    verify(
        config(webhook_key="key"), {"x-mandrill-signature": "2cB1mIXGuHLyss6np0goLNEXKIQ="}, {"mandrill_events": "[]"}
    )


async def test_receive() -> None:
    (event,) = (await received(signed([EVENT]))).events
    assert (event.domain, event.message_id) == ("acme.com", "8db5f8f2e4a14aa3")


async def test_parameters_are_signed_in_the_order_of_their_names() -> None:
    assert (await received(signed([EVENT], zebra="1", apple="2", empty=""))).events


async def test_the_trial_of_the_address_is_answered() -> None:
    assert await received(signed([], key="test-webhook"), webhook_key=None) == Parsed()
    assert await received(signed([], key="test-webhook")) == Parsed()
    assert await received(signed([])) == Parsed()
    with pytest.raises(ForgedRequest):
        await received(signed([EVENT], key="test-webhook"))
    with pytest.raises(ForgedRequest, match="no webhook_key"):
        await received(signed([EVENT]), webhook_key=None)


@pytest.mark.parametrize(
    "message",
    [
        ({}, signed([EVENT])[1]),
        ({"x-mandrill-signature": ""}, signed([EVENT])[1]),
        ({"x-mandrill-signature": "é"}, signed([EVENT])[1]),
        signed([EVENT], key="another"),
        signed([EVENT], url=URL + "/"),
        (signed([EVENT])[0], signed([EVENT, EVENT])[1]),
        (signed([EVENT])[0], signed([EVENT])[1] + b"&more=1"),
        (signed([EVENT])[0], signed([EVENT])[1] * 2),
        (signed([EVENT])[0], signed([EVENT])[1] + b"&mandrill_events=[]"),
        (signed([EVENT])[0], b"mandrill_events=%ff"),
        (signed([EVENT])[0], b"mandrill_events=\xff"),
        (signed([EVENT])[0], b"a=1&" * 50),
        (signed([EVENT])[0], b""),
        (signed([EVENT])[0], json.dumps([EVENT]).encode()),
    ],
)
async def test_forged(message: tuple[dict[str, str], bytes]) -> None:
    with pytest.raises(ForgedRequest):
        await received(message)


async def test_no_signature_can_be_checked_without_the_address() -> None:
    with pytest.raises(ForgedRequest, match="no webhook_url"):
        await received(signed([EVENT]), webhook_url=None)


async def test_a_good_signature_and_no_events() -> None:
    for events in (None, "", "{"):
        with pytest.raises(MalformedRequest):
            await received(signed(events, note="x"))


@given(st.binary(max_size=100))
async def test_any_body(body: bytes) -> None:
    with pytest.raises(ForgedRequest):
        await received((signed([EVENT])[0], body))


async def look(peer: Mandrill, *domains: str, faults: tuple[Fault, ...] = (), after: int = 0, **settings: Any) -> Any:
    with peer.server() as server:
        server.faults, server.broken_after = list(faults), after
        async with Http() as http:
            return await observe(config(base_url=server.base_url, **settings), domains, http, NOW)


def readings(looks: tuple[Observation, ...]) -> dict[tuple[str, str], Any]:
    assert {(one.source, one.at) for one in looks} <= {("mandrill", NOW)}
    return by_part(looks)


def hour(time: str, sent: int, **more: Any) -> dict[str, Any]:
    return {"time": time, "sent": sent, "hard_bounces": 1, "soft_bounces": 0, "rejects": 9, "complaints": 1} | more


async def test_hours_of_all_senders_make_a_day() -> None:
    peer = Mandrill(
        hours={
            "ann@acme.com": [hour("2026-11-21 23:00:00", 5), hour("2026-11-22 00:00:00", 7)],
            "eve@Acme.com": [hour("2026-11-22 11:00:00", 3), hour("2026-10-01 11:00:00", 1000)],
            "bob@two.example": [],
        }
    )
    found = readings(await look(peer, "acme.com", "two.example", "three.example"))
    day = {"hard_bounced": 1, "soft_bounced": 0, "complained": 1}
    assert found["acme.com", "2026-11-21"] == day | {"sent": 5}
    assert found["acme.com", "2026-11-22"] == {"sent": 10, "hard_bounced": 2, "soft_bounced": 0, "complained": 2}
    assert found["acme.com", ""] == {
        "code": "ok",
        "days": 2,
        "senders": 2,
        "sent": 15,
        "hard_bounced": 3,
        "soft_bounced": 0,
        "complained": 3,
    }
    assert found["two.example", ""] == {"code": "ok", "days": 0, "senders": 1}
    assert found["three.example", ""] == Unseen(Why.NO_DATA, "no address of it has sent yet")
    assert len(found) == 5


async def test_a_sum_that_lacks_a_sender_is_no_sum() -> None:
    hours = {"ann@acme.com": [hour("2026-11-22 00:00:00", 7)], "eve@acme.com": []}
    found = readings(await look(Mandrill(hours=hours, unknown={"eve@acme.com"}), "acme.com"))
    assert set(found) == {("acme.com", "")}
    assert found["acme.com", ""].why is Why.NO_DATA
    assert "Unknown_Sender" in found["acme.com", ""].detail
    many = readings(await look(Mandrill(hours=hours), "acme.com", most_senders=1))
    assert "2 senders" in many["acme.com", ""].detail


@pytest.mark.parametrize(
    "odd",
    [
        hour("soon", 1),
        hour("", 1) | {"time": None},
        hour("0001-01-01 00:00:00+23:59", 1),
        hour("2026-11-22 00:00:00", -1),
        hour("2026-11-22 00:00:00", 1, complaints="many"),
    ],
)
async def test_what_makes_no_sense(odd: dict[str, Any]) -> None:
    found = readings(await look(Mandrill(hours={"ann@acme.com": [odd]}, checked=False), "acme.com"))
    assert found["acme.com", ""].why is Why.UNREADABLE


async def test_a_time_with_a_zone() -> None:
    peer = Mandrill(hours={"ann@acme.com": [hour("2026-11-21T23:30:00-02:00", 1)]}, checked=False)
    assert ("acme.com", "2026-11-22") in readings(await look(peer, "acme.com"))


@pytest.mark.parametrize("after", [0, 1])
@pytest.mark.parametrize(("fault", "why"), OF_VENDORS)
async def test_what_is_not_seen(fault: Fault, why: Why, after: int) -> None:
    peer = Mandrill(hours={"ann@acme.com": [hour("2026-11-22 00:00:00", 7)]})
    found = readings(
        await look(peer, "acme.com", faults=(fault,), after=after, timeout_seconds=0.3 if fault is Fault.HANG else 10)
    )
    assert set(found) == {("acme.com", "")}
    answer = found["acme.com", ""]
    assert isinstance(answer, Unseen)
    assert answer.why is why
    assert KEY not in answer.detail
    assert ("ask again in 7 s" in answer.detail) == (fault is Fault.RATE_LIMITED)


async def test_a_wrong_key_is_denied_although_mandrill_answers_500() -> None:
    found = readings(await look(Mandrill(), "acme.com", api_key="another"))
    assert found["acme.com", ""].why is Why.DENIED


async def found_by(peer: Mandrill, *faults: Fault) -> tuple[Found, ...]:
    with peer.server() as server:
        server.faults = list(faults)
        async with Http() as http:
            return await discover(config(base_url=server.base_url), http, NOW)


def subaccount(identity: str, name: str | None = None) -> dict[str, Any]:
    told: dict[str, Any] = {"id": identity, "status": "active", "reputation": 50, "created_at": "2026-01-01 00:00:00"}
    told |= {"sent_weekly": 0, "sent_monthly": 0, "sent_total": 0}
    return told | ({"name": name} if name else {})


async def test_discover() -> None:
    peer = Mandrill(
        hours={"eve@acme.com": [], "ann@acme.com": [], "x@other.example": [], "x@localhost": []},
        domains=[{"domain": "acme.com", "valid_signing": True}, {"domain": "new.example", "valid_signing": False}],
        subaccounts=[subaccount("cust-1", "Acme.com"), subaccount("new.example"), subaccount("cust-2")],
    )
    assert await found_by(peer) == (
        Found("acme.com", ("ann@acme.com", "eve@acme.com"), ("subaccount:cust-1",), "its mail is signed"),
        Found("new.example", (), ("subaccount:new.example",), "its DKIM record is not validated"),
        Found("other.example", ("x@other.example",), (), "has sent, but is none of the account's sending domains"),
    )


async def test_discover_has_its_faults() -> None:
    with pytest.raises(HttpFault):
        await found_by(Mandrill(), Fault.FORBIDDEN)


@pytest.mark.skipif(not HERE, reason="Mandrill's description is not here, so the stand-in's answers are not checked")
def test_the_stand_in_is_held_to_the_description() -> None:
    with pytest.raises(NotAsDescribed):
        check("mandrill.json", answer_schema("mandrill.json", "post", "/senders/time-series"), [{"sent": "many"}])
