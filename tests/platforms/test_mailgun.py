"""What is Mailgun's own, beyond the contract: a second pause is a 400, and subaccounts found by domain."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from platforms.contract import PAUSED, RUNNING, intent

from deliverd.model import Lever
from deliverd.platforms.base import Refused, Unavailable
from deliverd.platforms.mailgun import Mailgun
from peers.mailgun import KEY
from peers.mailgun import Mailgun as Peer
from probes.mailgun import Config

LEVER = Lever("mg", "subaccount", "5f1")


@asynccontextmanager
async def opened(peer: Peer) -> AsyncIterator[Mailgun]:
    with peer.server() as server:
        platform = Mailgun("mg", Config(kind="mailgun", api_key=KEY, base_url=server.base_url))
        try:
            yield platform
        finally:
            await platform.aclose()


async def test_what_is_done_already_is_no_refusal() -> None:
    peer = Peer(brakes={"5f1": "disabled"})
    async with opened(peer) as platform:
        await platform.apply(intent(LEVER, PAUSED))
        await platform.apply(intent(LEVER, RUNNING))
        await platform.apply(intent(LEVER, RUNNING))
    assert peer.brakes == {"5f1": "open"}


async def test_a_closed_subaccount_lets_nothing_through() -> None:
    async with opened(Peer(brakes={"5f1": "closed"})) as platform:
        actual = await platform.read(LEVER)
    assert (actual.limit, actual.detail) == (PAUSED, "closed")


async def test_a_status_of_another_kind_is_unreadable() -> None:
    async with opened(Peer(brakes={"5f1": "asleep"}, checked=False)) as platform:
        with pytest.raises(Unavailable, match="none that Mailgun documents"):
            await platform.read(LEVER)


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


async def test_the_subaccount_of_a_domain_is_found() -> None:
    listed = [
        domain("acme.com", subaccount_id="5f1"),
        domain("plain.example"),
        domain("one.example", subaccount_id="5f2"),
        domain("two.example", subaccount_id="5f2"),
    ]
    async with opened(Peer(domains=listed, brakes={"5f1": "open"})) as platform:
        assert await platform.levers("acme.com", ()) == (LEVER,)
        with pytest.raises(Refused, match=r'no subaccount of its own.*levers = \["subaccount:NAME"\]'):
            await platform.levers("plain.example", ())
        with pytest.raises(Refused, match=r"also sends for two.example"):
            await platform.levers("one.example", ())
        with pytest.raises(Refused, match=r"has no domain other.example"):
            await platform.levers("other.example", ())
