"""A sender of one's own: its configuration, and what it says of its domains."""

import base64
import json
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from peers.own_sender import SECRET, DomainState, Fault, OwnSender
from probes.http import Http
from probes.observation import (
    ForgedRequest,
    MalformedRequest,
    Seen,
    Unseen,
    Why,
    Window,
)
from probes.webhook import Config, observe, receive

OLD = "whsec_" + base64.b64encode(b"what it was before, for long").decode()
STRANGER = "whsec_" + base64.b64encode(b"a secret of somebody else's").decode()


def config(**settings: Any) -> Config:
    return Config(**{"kind": "webhook", "secret": SECRET, "control_url": "https://sender.example/control"} | settings)


def test_config_defaults() -> None:
    made = config()
    assert (made.timeout_seconds, made.calls_in_flight, made.previous_secret) == (10, 16, None)
    assert made.secrets == (SECRET,)
    assert config(previous_secret=OLD).secrets == (SECRET, OLD)
    assert config(previous_secret=None).secrets == (SECRET,)


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SECRET + "\n")
    assert config(secret={"file": str(tmp_path / "secret")}).secrets == (SECRET,)


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "whsec_",
        "canary",
        "whsec_canary",
        SECRET.removeprefix("whsec_"),
        "whsec_" + "!" * 32,
        "whsec_" + "é" * 32,
        "whsec_" + "A" * 28,
        "whsec_" + "A" * 88,
        "whsec_" + "A" * 33,
        5,
    ],
)
@pytest.mark.parametrize("name", ["secret", "previous_secret"])
def test_what_is_no_secret(name: str, secret: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        config(**{name: secret})
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://sender.example/control?tenant=7",
        "http://127.0.0.1:8080/control",
        "http://127.8.8.8/control",
        "http://[::1]:8080/control",
        "http://localhost/control",
    ],
)
def test_addresses_to_control(url: str) -> None:
    assert config(control_url=url).control_url == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "sender.example",
        "http://sender.example/control",
        "http://10.0.0.1/control",
        "http://localhost.example/",
        "ftp://127.0.0.1/",
        "https://",
        "https:///control",
        "https://[::1/",
        "https://sender.example:port/",
        "https://user:canary@sender.example/",
        "https://sender.example/#canary",
    ],
)
def test_addresses_that_are_not_safe(url: str) -> None:
    with pytest.raises(ValidationError) as caught:
        config(control_url=url)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "setting", [{"timeout_seconds": 0}, {"timeout_seconds": math.nan}, {"calls_in_flight": 0}, {"colour": "red"}]
)
def test_settings_that_make_no_sense(setting: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        config(**setting)


def test_no_secret_is_printed() -> None:
    made = config(previous_secret=OLD)
    printed = repr(made) + str(made) + made.model_dump_json()
    assert SECRET.removeprefix("whsec_") not in printed
    assert OLD.removeprefix("whsec_") not in printed


def recent() -> dict[str, str]:
    """An event of this moment, as a sender would write it."""
    return {"id": "evt_1", "type": "sent", "domain": "acme.com", "at": datetime.now(UTC).isoformat()}


async def test_receive_verifies_first() -> None:
    body = json.dumps({"events": [recent()]})
    now = datetime.now(UTC)
    ours, theirs, window = OwnSender(), OwnSender(secret=STRANGER), Window(now)
    async with Http() as http:
        assert len((await receive(config(), ours.sign(body, now=now), body.encode(), window, http)).events) == 1
        with pytest.raises(ForgedRequest):
            await receive(config(), theirs.sign(body, now=now), b"not even JSON", window, http)
        with pytest.raises(MalformedRequest):
            await receive(config(), ours.sign("{", now=now), b"{", window, http)


async def look(sender: OwnSender, *domains: str, **settings: Any) -> list[Seen | Unseen]:
    """Observe `domains`, once, by the present time: the sender checks signatures by it."""
    now = datetime.now(UTC)
    made = config(**{"control_url": sender.control_url, "secret": sender.secret} | settings)
    async with Http() as http:
        looks = await observe(made, domains, http, now)
    assert [(one.source, one.target, one.at, one.part) for one in looks] == [("webhook", d, now, "") for d in domains]
    return [one.answer for one in looks]


async def test_what_is_seen() -> None:
    domains = {
        "acme.com": DomainState("running"),
        "two.example": DomainState("throttled", 50, "deliverd"),
        "three.example": DomainState("paused", None, ""),
    }
    with OwnSender(domains) as sender:
        seen = await look(sender, *domains)
    assert [dict(one.readings) for one in seen if isinstance(one, Seen)] == [
        {"code": "ok", "state": "running", "author": "the sender"},
        {"code": "ok", "state": "throttled", "author": "deliverd", "daily_limit": 50},
        {"code": "ok", "state": "paused"},
    ]


@pytest.mark.parametrize(
    ("statistics", "readings"),
    [
        ({"sent_today": 7, "queue": 2.5}, {"sent_today": 7, "queue": 2.5}),
        ({"sent_today": -7, "bad name": 1, "x" * 65: 1, "huge": 2**60, "words": "a", "yes": True, "none": None}, {}),
        ({"state": 5, "code": 5}, {}),
        ({f"n{number}": number for number in range(60)}, {f"n{number}": number for number in range(50)}),
        ([1, 2], {}),
        ("many", {}),
        (None, {}),
    ],
)
async def test_statistics(statistics: Any, readings: dict[str, Any]) -> None:
    with OwnSender(extra={"statistics": statistics}) as sender:
        (seen,) = await look(sender, "acme.com")
    assert isinstance(seen, Seen)
    assert dict(seen.readings) == readings | {"state": "running", "code": "ok", "author": "the sender"}


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (Fault.UNAUTHORIZED, Why.DENIED),
        (Fault.FORBIDDEN, Why.DENIED),
        (Fault.NOT_FOUND, Why.NO_DATA),
        (Fault.CONFLICT, Why.REFUSED),
        (Fault.RATE_LIMITED, Why.RATE_LIMITED),
        (Fault.BROKEN, Why.SERVFAIL),
        (Fault.SILENT, Why.TIMEOUT),
        (Fault.HTML, Why.UNREADABLE),
        (Fault.NO_STATE, Why.UNREADABLE),
        (Fault.ANOTHER_DOMAIN, Why.UNREADABLE),
        (Fault.HUGE, Why.UNREADABLE),
        (Fault.ERROR_INSIDE, Why.REFUSED),
        (Fault.REDIRECT, Why.REFUSED),
        (Fault.TELLS_THE_SECRET, Why.REFUSED),
    ],
)
async def test_what_is_not_seen(fault: Fault, why: Why) -> None:
    with OwnSender() as sender:
        sender.fail(fault)
        (unseen,) = await look(sender, "acme.com", timeout_seconds=0.3 if fault is Fault.SILENT else 10)
    assert isinstance(unseen, Unseen)
    assert unseen.why is why
    assert "/control" in unseen.detail
    assert sender.secret.removeprefix("whsec_") not in unseen.detail


async def test_one_domain_that_is_not_known_does_not_hide_the_others() -> None:
    with OwnSender() as sender:
        one, two = await look(sender, "unheard-of.example", "acme.com")
    assert isinstance(one, Unseen)
    assert one.why is Why.NO_DATA
    assert isinstance(two, Seen)


async def test_no_more_calls_in_flight_than_allowed() -> None:
    domains = {f"d{number}.example": DomainState() for number in range(12)}
    with OwnSender(domains, linger_seconds=0.02) as sender:
        await look(sender, *domains, calls_in_flight=3, timeout_seconds=30)
    assert sender.most_in_flight == 3


@pytest.mark.parametrize("limit", [None, 0])
async def test_a_throttle_to_nothing_is_unreadable(limit: int | None) -> None:
    with OwnSender({"acme.com": DomainState("throttled", limit)}) as sender:
        (unseen,) = await look(sender, "acme.com")
    assert isinstance(unseen, Unseen)
    assert unseen.why is Why.UNREADABLE
