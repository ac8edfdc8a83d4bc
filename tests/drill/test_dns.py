"""The drill's DNS server against real clients: dnspython's resolver, and deliverd's own door."""

import asyncio
from collections.abc import AsyncIterator

import dns.asyncresolver
import dns.message
import dns.rcode
import dns.resolver
import pytest

from deliverd.drill.dns import Mood, NameServer, quoted
from deliverd.drill.records import dkim_name, zone
from probes.observation import Why
from probes.resolver import Absent, Config, Found, NotAsked, Resolver

LONG = "x" * 1400


@pytest.fixture
async def server() -> AsyncIterator[NameServer]:
    running = NameServer(zone(("a.test", "b.test")))
    running.put("long.test.", "TXT", [quoted(LONG)])
    await running.start()
    yield running
    await running.stop()


def stranger(server: NameServer) -> dns.asyncresolver.Resolver:
    """dnspython's own resolver, which asks this server and no other."""
    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers, resolver.port, resolver.lifetime = ["127.0.0.1"], server.port, 2.0
    return resolver


def door(server: NameServer) -> Resolver:
    return Resolver(Config(nameservers=(f"127.0.0.1:{server.port}",), timeout_seconds=0.3, tries=1))


async def test_a_resolver_finds_every_record_of_a_domain(server: NameServer) -> None:
    resolver = stranger(server)
    spf = await resolver.resolve("a.test", "TXT")
    assert [record.to_text() for record in spf] == ['"v=spf1 include:_spf.sender.test -all"']
    key = await resolver.resolve(dkim_name("a.test"), "TXT")
    assert b"".join(key[0].strings).startswith(b"v=DKIM1; k=rsa; p=MIIB")
    assert (await resolver.resolve("_dmarc.a.test", "TXT"))[0].strings[0].startswith(b"v=DMARC1; p=reject")
    assert (await resolver.resolve("a.test", "MX"))[0].to_text() == "10 mx.a.test."
    assert (await resolver.resolve("mx.a.test", "A"))[0].to_text() == "192.0.2.25"


async def test_absent_records_and_absent_names_are_told_apart(server: NameServer) -> None:
    resolver = stranger(server)
    with pytest.raises(dns.resolver.NoAnswer):
        await resolver.resolve("a.test", "AAAA")
    with pytest.raises(dns.resolver.NoAnswer):
        await resolver.resolve("_domainkey.a.test", "TXT")
    with pytest.raises(dns.resolver.NXDOMAIN):
        await resolver.resolve("c.test", "TXT")


async def test_names_outside_test_are_refused(server: NameServer) -> None:
    wire = server.answer(dns.message.make_query("example.com", "A").to_wire(), 512)
    assert wire is not None
    assert dns.message.from_wire(wire).rcode() == dns.rcode.REFUSED


async def test_an_answer_too_long_for_udp_comes_over_tcp(server: NameServer) -> None:
    query = dns.message.make_query("long.test.", "TXT")
    short = server.answer(query.to_wire(), 512)
    assert short is not None
    assert len(short) <= 512
    found = await stranger(server).resolve("long.test", "TXT")
    assert b"".join(found[0].strings).decode() == LONG
    assert server.asked >= 3


async def test_garbage_gets_no_answer_and_stops_nothing(server: NameServer) -> None:
    assert server.answer(b"\x00\x01garbage", 512) is None
    assert server.answer(b"", 512) is None
    assert await stranger(server).resolve("a.test", "TXT")


async def test_deliverds_own_door_reads_it(server: NameServer) -> None:
    answer = await door(server).ask(dkim_name("b.test"), "TXT")
    assert isinstance(answer, Found)
    assert answer.texts[0].startswith("v=DKIM1")


async def test_a_removed_record_is_absent(server: NameServer) -> None:
    server.remove(dkim_name("b.test"), "TXT")
    assert isinstance(await door(server).ask(dkim_name("b.test"), "TXT"), Absent)
    assert isinstance(await door(server).ask(dkim_name("a.test"), "TXT"), Found)
    with pytest.raises(KeyError):
        server.remove(dkim_name("b.test"), "TXT")


@pytest.mark.parametrize(("mood", "why"), [(Mood.SILENT, Why.TIMEOUT), (Mood.SERVFAIL, Why.SERVFAIL)])
async def test_a_moody_server_is_unseen_and_never_absent(server: NameServer, mood: Mood, why: Why) -> None:
    server.mood = mood
    answer = await door(server).ask("a.test", "TXT")
    assert isinstance(answer, NotAsked)
    assert answer.why is why
    server.mood = Mood.ANSWERING
    # Another door: this one keeps a failure for some seconds.
    assert isinstance(await door(server).ask("a.test", "TXT"), Found)


async def test_silence_holds_over_tcp_too(server: NameServer) -> None:
    server.mood = Mood.SILENT
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    wire = dns.message.make_query("a.test", "TXT").to_wire()
    writer.write(len(wire).to_bytes(2, "big") + wire)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(1), 0.3)
    await server.stop()
    assert await asyncio.wait_for(reader.read(1), 2) == b""
    writer.close()
