"""What is Resend's own, beyond the contract: ids behind names, pages, and domains that only send."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from platforms.contract import PAUSED, RUNNING, intent

from deliverd.model import Lever
from deliverd.platforms.base import Gone, Refused, Unavailable
from deliverd.platforms.resend import Resend
from peers.resend import KEY
from peers.resend import Resend as Peer
from probes.resend import Config

LEVER = Lever("rs", "domain", "acme.com")


@asynccontextmanager
async def opened(peer: Peer, **settings: Any) -> AsyncIterator[Resend]:
    with peer:
        platform = Resend("rs", Config(kind="resend", api_key=KEY, base_url=peer.url, **settings))
        try:
            yield platform
        finally:
            await platform.aclose()


async def test_a_domain_that_only_sends_is_refused_with_what_to_set() -> None:
    peer = Peer(receiving=set())
    async with opened(peer) as platform:
        with pytest.raises(Refused, match=r"receive_while_paused = true in \[platforms.rs\]"):
            await platform.apply(intent(LEVER, PAUSED))
        assert (await platform.read(LEVER)).detail == "sending=enabled receiving=disabled"


async def test_a_domain_that_only_sends_is_paused_where_that_is_allowed() -> None:
    peer = Peer(receiving=set())
    async with opened(peer, receive_while_paused=True) as platform:
        await platform.apply(intent(LEVER, PAUSED))
        assert (await platform.read(LEVER)).limit == PAUSED
        assert peer.receiving == {"acme.com"}
        await platform.apply(intent(LEVER, RUNNING))
        assert (await platform.read(LEVER)).limit == RUNNING


async def test_receiving_is_left_alone_otherwise() -> None:
    peer = Peer()
    async with opened(peer, receive_while_paused=True) as platform:
        await platform.apply(intent(LEVER, PAUSED))
    assert peer.receiving == {"acme.com"}


async def test_a_refusal_for_another_reason_is_told_as_it_is() -> None:
    peer = Peer()
    async with opened(peer) as platform:
        assert peer.troubles is not None
        peer.troubles.fail("CONFLICT", of_acts=True)
        with pytest.raises(Refused) as caught:
            await platform.apply(intent(LEVER, PAUSED))
    assert "receive_while_paused" not in str(caught.value)


async def test_levers_are_the_domains_of_the_account_on_every_page() -> None:
    names = {f"d{number}.example": "enabled" for number in range(5)} | {"acme.com": "disabled"}
    async with opened(Peer(domains=names, page=2)) as platform:
        assert await platform.levers("acme.com", ()) == (LEVER,)
        assert (await platform.read(LEVER)).limit == PAUSED
        assert await platform.levers("d4.example", ()) == (Lever("rs", "domain", "d4.example"),)
        with pytest.raises(Refused, match=r'no domain other.example. Add levers = \["domain:NAME"\]'):
            await platform.levers("other.example", ())


async def test_a_domain_below_is_named() -> None:
    async with opened(Peer(domains={"send.acme.com": "enabled"})) as platform:
        with pytest.raises(Refused, match=r'no domain acme.com, but send.acme.com. Add levers = \["domain:send.acme'):
            await platform.levers("acme.com", ())


async def test_an_answer_to_an_act_that_is_about_another_domain() -> None:
    peer = Peer()
    async with opened(peer) as platform:
        assert peer.troubles is not None
        peer.troubles.fail("ANOTHER_DOMAIN", of_acts=True)
        with pytest.raises(Unavailable, match="about another domain"):
            await platform.apply(intent(LEVER, PAUSED))


async def test_a_domain_that_was_made_anew_is_found_again() -> None:
    peer = Peer()
    async with opened(peer) as platform:
        await platform.read(LEVER)
        peer.remade["acme.com"] = "made anew"
        await platform.apply(intent(LEVER, PAUSED))
        assert peer.domains == {"acme.com": "disabled"}
        del peer.domains["acme.com"]
        with pytest.raises(Gone):
            await platform.read(LEVER)


@pytest.mark.parametrize("trouble", ["ANOTHER_DOMAIN", "NO_STATE", "HTML"])
async def test_an_answer_about_the_domain_itself_that_cannot_be_used(trouble: str) -> None:
    peer = Peer()
    async with opened(peer) as platform:
        await platform.read(LEVER)
        assert peer.troubles is not None
        peer.troubles.fail(trouble)
        with pytest.raises(Unavailable):
            await platform.read(LEVER)
        with pytest.raises(Unavailable):
            await platform.apply(intent(LEVER, PAUSED))


async def test_a_state_of_another_kind_is_unreadable() -> None:
    peer = Peer()
    async with opened(peer) as platform:
        peer.more = {"capabilities": {"sending": "perhaps"}}
        with pytest.raises(Unavailable, match="does not document"):
            await platform.read(LEVER)


async def test_a_list_without_end_is_given_up() -> None:
    async with opened(Peer(endless=True, page=1)) as platform:
        with pytest.raises(Unavailable, match="no end to them"):
            await platform.levers("two.example", ())
