"""The DNS door: found, absent and could-not-ask are three answers, whatever servers do."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from peers.dns_fakes import answering, garbage, hang_up, rcode, silent, truncated
from peers.nsd import Nsd, free_port, serving, txt
from probes.nameservers import Fault, _Exchange, endpoint, show, system_nameservers
from probes.observation import Unseen, Why
from probes.resolver import MAX_HOPS, Absent, Config, Found, NotAsked, Resolver, decode, readable

Resolving = Callable[..., Resolver]

ZONES = {
    "acme.test": txt("@", "v=spf1 -all")
    + txt("@", "x" * 250 + "y" * 20)
    + "@ IN MX 20 MX2.acme.test.\n@ IN MX 10 mx1.other.test.\nnull IN MX 0 .\n"
    + "mx1 IN A 192.0.2.1\nmx1 IN A 192.0.2.2\nmx1 IN AAAA 2001:db8::1\n"
    + 'odd IN TXT "caf\\195\\169" "\\255\\000\\027"\n'
    + "big IN TXT "
    + " ".join(f'"{"z" * 250}"' for _ in range(40))
    + "\nalias IN CNAME Key.other.test.\nhere IN CNAME mx1\nhollow IN CNAME mx1.acme.test.\n"
    + "gone IN CNAME gone.other.test.\nlost IN CNAME lost.acme.test.\nempty IN CNAME bare.other.test.\n"
    + "blind IN CNAME key.down.test.\nabroad IN CNAME key.elsewhere.example.\nptr IN PTR Host.acme.test.\n"
    + "a.b.c IN A 192.0.2.9\ncname IN CNAME key.other.test.\n",
    "other.test": txt("key", "k=rsa") + "bare IN A 192.0.2.3\nsub IN NS ns.elsewhere.example.\n",
    "down.test": None,
}


@pytest.fixture(scope="module")
def nsd(tmp_path_factory: pytest.TempPathFactory):
    with serving(tmp_path_factory.mktemp("nsd"), ZONES) as server:
        yield server


@pytest.mark.parametrize(
    ("name", "rdtype", "answer"),
    [
        ("acme.test", "TXT", Found((b"v=spf1 -all", b"x" * 250 + b"y" * 20))),
        ("ACME.test.", "txt", Found((b"v=spf1 -all", b"x" * 250 + b"y" * 20))),
        ("acme.test", "MX", Found(("10 mx1.other.test", "20 mx2.acme.test"))),
        ("null.acme.test", "MX", Found(("0 .",))),
        ("mx1.acme.test", "A", Found(("192.0.2.1", "192.0.2.2"))),
        ("mx1.acme.test", "AAAA", Found(("2001:db8::1",))),
        ("ptr.acme.test", "PTR", Found(("host.acme.test",))),
        ("odd.acme.test", "TXT", Found((b"caf\xc3\xa9\xff\x00\x1b",))),
        ("big.acme.test", "TXT", Found((b"z" * 10_000,))),
        ("here.acme.test", "A", Found(("192.0.2.1", "192.0.2.2"), ("mx1.acme.test",))),
        ("alias.acme.test", "TXT", Found((b"k=rsa",), ("key.other.test",))),
        ("alias.acme.test", "CNAME", Found(("key.other.test",))),
        ("acme.test", "A", Absent(nxdomain=False)),
        ("c.acme.test", "A", Absent(nxdomain=False)),
        ("nobody.acme.test", "A", Absent(nxdomain=True)),
        ("hollow.acme.test", "TXT", Absent(nxdomain=False, via=("mx1.acme.test",))),
        ("gone.acme.test", "TXT", Absent(nxdomain=True, via=("gone.other.test",))),
        ("empty.acme.test", "TXT", Absent(nxdomain=False, via=("bare.other.test",))),
        ("a..test", "A", Absent(nxdomain=True)),
        (f"{'x' * 64}.test", "A", Absent(nxdomain=True)),
        (f"{'x.' * 130}test", "A", Absent(nxdomain=True)),
        ("bad\\", "A", Absent(nxdomain=True)),
    ],
)
async def test_a_real_server_is_understood(
    nsd: Nsd, resolving: Resolving, name: str, rdtype: str, answer: object
) -> None:
    assert await resolving(nsd.nameserver).ask(name, rdtype) == answer


@pytest.mark.parametrize(
    ("name", "why", "words"),
    [
        ("key.down.test", Why.SERVFAIL, "said SERVFAIL"),
        ("blind.acme.test", Why.SERVFAIL, "said SERVFAIL"),
        ("key.elsewhere.example", Why.REFUSED, "said REFUSED"),
        ("abroad.acme.test", Why.REFUSED, "said REFUSED"),
        ("x.sub.other.test", Why.REFUSED, "is lame"),
        ("lost.acme.test", Why.UNREADABLE, "contradicts itself (ChainTooLong)"),
    ],
)
async def test_what_a_server_will_not_tell_is_not_absent(
    nsd: Nsd, resolving: Resolving, name: str, why: Why, words: str
) -> None:
    told = await resolving(nsd.nameserver).ask(name, "TXT")
    assert isinstance(told, NotAsked)
    assert told.why is why
    assert nsd.nameserver in told.detail
    assert words in told.detail
    assert told.unseen() == Unseen(why, told.detail)


@pytest.mark.parametrize(
    ("udp", "tcp", "why", "words"),
    [
        (silent, None, Why.TIMEOUT, "did not answer within 0.5 s"),
        (rcode(2), None, Why.SERVFAIL, "said SERVFAIL"),
        (rcode(5), None, Why.REFUSED, "said REFUSED"),
        (rcode(9), None, Why.REFUSED, "said NOTAUTH"),
        (rcode(1), None, Why.UNREADABLE, "said FORMERR"),
        (garbage, None, Why.UNREADABLE, "sent 42 unreadable bytes"),
        (lambda question: b"\0\0" + rcode(0)(question)[2:], None, Why.UNREADABLE, "answered another question"),
        (lambda question: question, None, Why.UNREADABLE, "answered another question"),
        (truncated, None, Why.NETWORK, "cut its answer short and failed over TCP"),
        (truncated, hang_up, Why.NETWORK, "cut its answer short and failed over TCP"),
        (truncated, silent, Why.TIMEOUT, "did not answer over TCP within 0.5 s"),
        (truncated, garbage, Why.UNREADABLE, "unreadable bytes"),
        (truncated, truncated, Why.UNREADABLE, "cut its answer short over TCP too"),
    ],
)
async def test_misbehaviour_is_named_and_never_absent(resolving: Resolving, udp, tcp, why: Why, words: str) -> None:
    async with answering(udp, tcp) as server:
        told = await resolving(server.nameserver, timeout_seconds=0.5).ask("acme.test", "TXT")
    assert isinstance(told, NotAsked)
    assert told.why is why
    assert words in told.detail
    assert told.detail.startswith(f"acme.test TXT: {server.nameserver} ")


async def test_another_server_is_asked_before_it_is_unseen(nsd: Nsd, resolving: Resolving) -> None:
    async with answering(silent) as mute, answering(rcode(2)) as failing:
        resolver = resolving(mute.nameserver, failing.nameserver, nsd.nameserver, timeout_seconds=0.5)
        assert await resolver.ask("null.acme.test", "MX") == Found(("0 .",))
    assert len(mute.over_udp) == len(failing.over_udp) == 1


async def test_every_server_gets_every_try_and_is_named(resolving: Resolving) -> None:
    async with answering(silent) as mute, answering(rcode(5)) as refusing:
        told = await resolving(mute.nameserver, refusing.nameserver, timeout_seconds=0.5, tries=3).ask("acme.test", "A")
    assert isinstance(told, NotAsked)
    assert told.why is Why.REFUSED
    assert told.detail == (
        f"acme.test A: {mute.nameserver} did not answer within 0.5 s; {refusing.nameserver} said REFUSED"
    )
    assert len(mute.over_udp) == len(refusing.over_udp) == 3


async def test_a_closed_port_and_an_unreachable_address_are_network_faults(resolving: Resolving) -> None:
    closed = f"127.0.0.1:{free_port()}"
    told = await resolving(closed, "255.255.255.255:53").ask("acme.test", "A")
    assert isinstance(told, NotAsked)
    assert told.why is Why.NETWORK
    assert f"{closed} cannot be reached: " in told.detail
    assert "255.255.255.255:53 cannot be reached: " in told.detail


def reply(*answer: str, authority: tuple[str, ...] = (), code: int = 0, flags: int = dns.flags.RA):
    """A server's function: answers with these records, given as `name ttl IN type data`."""

    def tell(question: bytes) -> bytes:
        message = dns.message.make_response(dns.message.from_wire(question))
        message.flags |= flags
        message.set_rcode(dns.rcode.Rcode(code))
        for section, lines in ((message.answer, answer), (message.authority, authority)):
            section.extend(dns.rrset.from_text(*line.split(" ", 4)) for line in lines)
        return message.to_wire()

    return tell


SOA = "test. 600 IN SOA ns.invalid. host.invalid. 1 2 3 4 60"


@pytest.mark.parametrize(
    ("server", "answer"),
    [
        (reply(), Absent(nxdomain=False)),
        (reply(flags=dns.flags.AA), Absent(nxdomain=False)),
        (reply(authority=(SOA,), flags=0), Absent(nxdomain=False)),
        (reply(authority=(SOA, "test. 60 IN NS ns.invalid.")), Absent(nxdomain=False)),
        (reply(code=3), Absent(nxdomain=True)),
        (reply(flags=0), "is lame"),
        (reply(authority=("test. 60 IN NS ns.invalid.",)), "is lame"),
        (reply("acme.test. 60 IN TXT hello", code=3), "contradicts itself (AnswerForNXDOMAIN)"),
    ],
)
async def test_absence_is_believed_only_from_who_knows(resolving: Resolving, server, answer: Absent | str) -> None:
    async with answering(server) as fake:
        told = await resolving(fake.nameserver).ask("acme.test", "TXT")
    if isinstance(answer, Absent):
        assert told == answer
    else:
        assert isinstance(told, NotAsked)
        assert answer in told.detail


async def test_endless_cnames_end(resolving: Resolving) -> None:
    def onward(question: bytes) -> bytes:
        name = dns.message.from_wire(question).question[0].name
        return reply(f"{name} 60 IN CNAME x.{name}")(question)

    async with answering(onward) as fake:
        told = await resolving(fake.nameserver).ask("acme.test", "TXT")
    assert isinstance(told, NotAsked)
    assert told.why is Why.UNREADABLE
    assert f"more than {MAX_HOPS} CNAMEs: x.acme.test -> x.x.acme.test" in told.detail
    assert len(fake.over_udp) == MAX_HOPS


@pytest.mark.parametrize(
    ("server", "questions"),
    [
        (reply("acme.test. 60 IN TXT hello"), 1),
        (reply("acme.test. 0 IN TXT hello"), 3),
        (reply(authority=(SOA,), code=3), 1),
        (reply(authority=(SOA.replace(" 4 60", " 4 0"),), code=3), 3),
        (reply(authority=(SOA.replace(" 600 ", " 0 "),)), 3),
        (reply("acme.test. 0 IN CNAME b.test.", "b.test. 60 IN TXT hello"), 3),
        (rcode(2), 1),
    ],
)
async def test_answers_are_kept_for_their_ttl(resolving: Resolving, server, questions: int) -> None:
    async with answering(server) as fake:
        resolver = resolving(fake.nameserver)
        answers = [await resolver.ask(name, "TXT") for name in ("acme.test", "ACME.test", "acme.test.")]
    assert len(fake.over_udp) == questions
    assert answers[0] == answers[1] == answers[2]


async def test_identical_questions_in_flight_are_joined() -> None:
    async with answering(reply("acme.test. 0 IN TXT hello")) as fake:
        resolver = Resolver(Config(nameservers=(fake.nameserver,)))
        answers = await asyncio.gather(*(resolver.ask("acme.test", "TXT") for _ in range(50)))
        assert len(fake.over_udp) == 1
        await resolver.ask("acme.test", "A")
        assert len(fake.over_udp) == 2
    assert set(answers) == {Found((b"hello",))}


async def test_who_gives_up_does_not_take_the_answer_from_others() -> None:
    async with answering(silent) as slow, answering(reply("acme.test. 60 IN TXT hello")) as quick:
        resolver = Resolver(Config(nameservers=(slow.nameserver, quick.nameserver), timeout_seconds=1))
        first = asyncio.create_task(resolver.ask("acme.test", "TXT"))
        second = asyncio.create_task(resolver.ask("acme.test", "TXT"))
        await slow.asked.wait()
        first.cancel()
        assert await second == Found((b"hello",))
    assert first.cancelled()
    assert len(quick.over_udp) == 1


async def test_closing_ends_what_is_in_flight() -> None:
    async with answering(silent) as mute:
        resolver = Resolver(Config(nameservers=(mute.nameserver,), timeout_seconds=60))
        asking = asyncio.create_task(resolver.ask("acme.test", "TXT"))
        await mute.asked.wait()
        await resolver.aclose()
        with pytest.raises(asyncio.CancelledError):
            await asking


async def test_the_cache_is_bounded_and_drops_what_was_used_longest_ago() -> None:
    async with answering(rcode(3)) as fake:
        resolver = Resolver(Config(nameservers=(fake.nameserver,)), cache_entries=2)
        for name in ("a.test", "b.test", "a.test", "c.test", "a.test"):
            await resolver.ask(name, "A")
        assert len(fake.over_udp) == 3
        await resolver.ask("b.test", "A")
        assert len(fake.over_udp) == 4


async def test_a_type_that_dns_does_not_know_is_a_mistake_of_ours(resolving: Resolving) -> None:
    resolver = resolving("127.0.0.1")
    for rdtype in ("SPAM", "TYPE99999999"):
        with pytest.raises(ValueError, match="is not a DNS record type"):
            await resolver.ask("acme.test", rdtype)


async def test_without_any_server_nothing_is_absent(tmp_path: Path) -> None:
    told = await Resolver(Config(), resolv_conf=tmp_path / "missing").ask("acme.test", "A")
    assert told == NotAsked(Why.NETWORK, "no name server is configured, here or on the system")


def test_the_systems_servers_are_read(tmp_path: Path) -> None:
    file = tmp_path / "resolv.conf"
    file.write_text(
        "# home\nnameserver 192.0.2.7\nnameserver\nsearch acme.test\nnameserver 2001:db8::7 ; x\nnameserver ns\n"
    )
    assert system_nameservers(file) == ("192.0.2.7", "2001:db8::7")


@pytest.mark.parametrize(
    ("text", "server", "shown"),
    [
        ("192.0.2.1:5301", ("192.0.2.1", 5301), "192.0.2.1:5301"),
        ("192.0.2.1", ("192.0.2.1", 53), "192.0.2.1:53"),
        ("192.0.2.1:", ("192.0.2.1", 53), "192.0.2.1:53"),
        ("[2001:db8::1]:5301", ("2001:db8::1", 5301), "[2001:db8::1]:5301"),
        ("[2001:db8::1]", ("2001:db8::1", 53), "[2001:db8::1]:53"),
        ("2001:db8::1", ("2001:db8::1", 53), "[2001:db8::1]:53"),
    ],
)
def test_name_servers_are_read_and_shown(text: str, server: tuple[str, int], shown: str) -> None:
    assert endpoint(text) == server
    assert show(server) == shown
    assert endpoint(shown) == server


@pytest.mark.parametrize("text", ["", "ns.acme.test:53", "192.0.2.1:0", "192.0.2.1:x", "[::1", "1.2.3.4:99999"])
def test_a_bad_name_server_is_refused_in_the_configuration(text: str) -> None:
    with pytest.raises(ValidationError, match="expected ADDRESS:PORT"):
        Config(nameservers=(text,))


@pytest.mark.parametrize(
    "values", [{"timeout_seconds": 0}, {"timeout_seconds": float("nan")}, {"tries": 0}, {"tires": 2}]
)
def test_a_bad_setting_is_refused(values: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Config(**values)


def test_records_are_shown_without_harm() -> None:
    assert readable("caf\xc3\xa9 \x1b[31m\xff\x00") == "café \\x1b[31m\\xff\\x00"
    assert Found((b"caf\xc3\xa9",)).texts == ("caf\xc3\xa9",)
    assert Found((b"bytes", "name")).names == ("name",)


QUESTION = dns.message.make_query("acme.test", "TXT", use_edns=0)
ANSWER = reply('acme.test. 60 IN TXT "v=spf1 -all"', authority=(SOA,))(QUESTION.to_wire())


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_a_fault(data: bytes) -> None:
    with pytest.raises(Fault):
        decode(QUESTION, data)


@given(st.lists(st.tuples(st.integers(0, len(ANSWER) - 1), st.integers(0, 255)), min_size=1, max_size=8), st.booleans())
def test_no_damaged_answer_raises_anything_but_a_fault(damage: list[tuple[int, int]], cut: bool) -> None:
    wire = bytearray(ANSWER)
    for place, value in damage:
        wire[place] = value
    try:
        message = decode(QUESTION, bytes(wire[: damage[0][0]] if cut else wire))
    except Fault as fault:
        assert fault.why is Why.UNREADABLE
    else:
        assert QUESTION.is_response(message)


async def test_the_first_answer_stands_and_later_ones_change_nothing() -> None:
    exchange = _Exchange(bytes)
    exchange.datagram_received(b"first", None)
    exchange.datagram_received(b"second", None)
    exchange.error_received(OSError("late"))
    assert await exchange.answer == b"first"


async def test_forged_datagrams_do_not_hide_the_true_one(resolving: Resolving) -> None:
    true = reply("acme.test. 60 IN TXT hello")

    def forged_first(question: bytes) -> tuple[bytes, ...]:
        return garbage(question), b"\0\0" + true(question)[2:], true(question)

    async with answering(forged_first) as fake:
        assert await resolving(fake.nameserver).ask("acme.test", "TXT") == Found((b"hello",))
