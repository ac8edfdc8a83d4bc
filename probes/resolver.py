"""The one door to DNS. Three answers, kept apart: found, absent, and could not ask.

An answer is *absent* only when a server that answers for the name said so (RFC 2308). Time-outs, SERVFAIL, REFUSED,
lame referrals and unreadable bytes are *not asked*, and only after every server was tried, over TCP where the answer
was cut short (RFC 7766).
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdatatype
from dns.message import QueryMessage
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.ANY.TXT import TXT
from dns.rdtypes.nsbase import NSBase
from pydantic import Field, field_validator

from probes.config import Strict
from probes.nameservers import Fault, Server, endpoint, over_tcp, over_udp, show, system_nameservers
from probes.observation import Unseen, Why

PAYLOAD = 1232
MAX_HOPS = 8
MAX_TTL = 300.0
"""Seconds an answer is kept at most: the cache is there to share a sweep's questions, not to hide a change."""
FAILURE_TTL = 5.0
"""Seconds a failure is kept (RFC 9520 3.2: 1 to 300), so that a silent server is not waited for again and again."""
CACHE_ENTRIES = 50_000
IN_FLIGHT = 256

_WHY = {
    dns.rcode.SERVFAIL: Why.SERVFAIL,
    dns.rcode.REFUSED: Why.REFUSED,
    dns.rcode.NOTAUTH: Why.REFUSED,
}
_TELLING = (Why.SERVFAIL, Why.REFUSED, Why.UNREADABLE, Why.TIMEOUT, Why.NETWORK)


class Config(Strict):
    """`[dns]`: which servers to ask (`ADDRESS:PORT`; none: the system's), seconds to wait for each, rounds over all."""

    nameservers: tuple[str, ...] = ()
    timeout_seconds: float = Field(default=3.0, gt=0, le=60, allow_inf_nan=False)
    tries: int = Field(default=2, ge=1, le=10)

    @field_validator("nameservers")
    @classmethod
    def _are_endpoints(cls, servers: tuple[str, ...]) -> tuple[str, ...]:
        for server in servers:
            endpoint(server)
        return servers


@dataclass(frozen=True, slots=True)
class Found:
    """The records, sorted: TXT as bytes (its strings joined, RFC 7208 3.3), others as text, with names in lower case
    and without the last dot (`10 mx.acme.com`). `via` are the CNAME targets that led there, first to last.
    """

    records: tuple[str | bytes, ...]
    via: tuple[str, ...] = ()

    @property
    def texts(self) -> tuple[str, ...]:
        """The TXT records, one character per byte: what a parser wants. Nothing raises, nothing is lost."""
        return tuple(record.decode("latin-1") for record in self.records if isinstance(record, bytes))

    @property
    def names(self) -> tuple[str, ...]:
        """The records of every other type."""
        return tuple(record for record in self.records if isinstance(record, str))


@dataclass(frozen=True, slots=True)
class Absent:
    """There is no such record; `nxdomain`: nor such a name. With `via`, the last CNAME of the chain leads nowhere."""

    nxdomain: bool
    via: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NotAsked:
    """No server could be asked. `detail` names each server and what came of it."""

    why: Why
    detail: str

    def unseen(self) -> Unseen:
        """The same, as a probe's answer."""
        return Unseen(self.why, self.detail)


Answer = Found | Absent | NotAsked
Ask = Callable[[str, str], Awaitable[Answer]]
"""What a probe needs of a resolver: `Resolver.ask`, or a test's own answers."""


class Resolver:
    """Asks questions of DNS: joins identical ones in flight, keeps answers for their TTL (at most MAX_TTL), bounded.

    Belongs to one event loop. `aclose` ends what is in flight.
    """

    def __init__(
        self, config: Config, resolv_conf: Path = Path("/etc/resolv.conf"), cache_entries: int = CACHE_ENTRIES
    ) -> None:
        self._config = config
        self._entries = cache_entries
        self._servers = tuple(map(endpoint, config.nameservers or system_nameservers(resolv_conf)))
        self._cache: OrderedDict[tuple[str, str], tuple[float, Answer]] = OrderedDict()
        self._asking: dict[tuple[str, str], asyncio.Task[Answer]] = {}
        self._places = asyncio.Semaphore(IN_FLIGHT)

    async def ask(self, name: str, rdtype: str) -> Answer:
        """Ask for the records of `name` (presentation format, A-labels) of type `rdtype` (`TXT`, `MX`, ...).

        A name that breaks the rules of RFC 1035 2.3.4 cannot exist and is absent without asking. Raises nothing for
        what a server does. Raises ValueError for a type that DNS does not know.
        """
        key = (name.removesuffix(".").lower(), rdtype.upper())
        kept = self._cache.get(key)
        if kept is not None and kept[0] > asyncio.get_running_loop().time():
            self._cache.move_to_end(key)
            return kept[1]
        task = self._asking.get(key)
        if task is None:
            task = self._asking[key] = asyncio.create_task(self._ask_once(key))
            task.add_done_callback(lambda _: self._asking.pop(key))
        # Shielded: one asker that gives up must not take the answer from the others.
        return await asyncio.shield(task)

    async def aclose(self) -> None:
        """Cancel the questions in flight and wait for their end."""
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask_once(self, key: tuple[str, str]) -> Answer:
        rdtype = _rdtype(key[1])
        try:
            name = dns.name.from_text(key[0])
        except (dns.exception.DNSException, UnicodeError):
            return Absent(nxdomain=True)
        async with self._places:
            answer, ttl = await self._follow(name, rdtype)
        self._cache.pop(key, None)  # so that it goes to the young end
        self._cache[key] = (asyncio.get_running_loop().time() + ttl, answer)
        if len(self._cache) > self._entries:
            self._cache.popitem(last=False)
        return answer

    async def _follow(self, name: dns.name.Name, rdtype: dns.rdatatype.RdataType) -> tuple[Answer, float]:
        """Follow CNAMEs a server leaves open, as an authoritative one does where the target is in another zone."""
        via: tuple[str, ...] = ()
        kept = MAX_TTL
        for _ in range(MAX_HOPS):
            reply = await self._ask_servers(name, rdtype)
            kept = min(kept, reply.ttl)
            if isinstance(reply.answer, NotAsked):
                return reply.answer, kept
            via += reply.answer.via
            if reply.onward is None:
                return _led_by(reply.answer, via), kept
            name = reply.onward
        return NotAsked(Why.UNREADABLE, f"more than {MAX_HOPS} CNAMEs: {' -> '.join(via[:MAX_HOPS])}"), FAILURE_TTL

    async def _ask_servers(self, name: dns.name.Name, rdtype: dns.rdatatype.RdataType) -> "_Reply":
        faults: dict[str, Fault] = {}
        for _ in range(self._config.tries):
            for server in self._servers:
                try:
                    return _read(await self._exchange(server, name, rdtype))
                except Fault as fault:
                    faults[show(server)] = fault
        if not faults:
            return _Reply(NotAsked(Why.NETWORK, "no name server is configured, here or on the system"), FAILURE_TTL)
        question = f"{_text(name)} {dns.rdatatype.to_text(rdtype)}"
        detail = "; ".join(f"{server} {fault}" for server, fault in faults.items())
        why = min((fault.why for fault in faults.values()), key=_TELLING.index)
        return _Reply(NotAsked(why, f"{question}: {detail}"), FAILURE_TTL)

    async def _exchange(self, server: Server, name: dns.name.Name, rdtype: dns.rdatatype.RdataType) -> QueryMessage:
        """One question to one server: UDP, then TCP if the answer did not fit. Raises Fault."""
        query = dns.message.make_query(name, rdtype, use_edns=0, payload=PAYLOAD)
        wire, read, seconds = query.to_wire(), partial(decode, query), self._config.timeout_seconds
        message = await over_udp(server, wire, read, seconds)
        if message.flags & dns.flags.TC:
            message = await over_tcp(server, wire, read, seconds)
        if message.flags & dns.flags.TC:
            raise Fault(Why.UNREADABLE, "cut its answer short over TCP too")
        return message


@dataclass(frozen=True, slots=True)
class _Reply:
    """What one server said, for how many seconds it holds, and the name to ask next where a CNAME was left open."""

    answer: Answer
    ttl: float
    onward: dns.name.Name | None = None


def decode(query: QueryMessage, wire: bytes) -> QueryMessage:
    """The answer to `query` that `wire` holds. Raises Fault when it is none."""
    try:
        message = dns.message.from_wire(wire, raise_on_truncation=True)
    except dns.message.Truncated as cut:
        message = cut.message()  # type: ignore[no-untyped-call]
    except (dns.exception.DNSException, ValueError) as fault:
        raise Fault(Why.UNREADABLE, f"sent {len(wire)} unreadable bytes ({type(fault).__name__})") from None
    if not isinstance(message, QueryMessage) or not query.is_response(message):
        raise Fault(Why.UNREADABLE, "answered another question")
    return message


def _read(message: QueryMessage) -> _Reply:
    """What a decoded answer says. Raises Fault when it says nothing about the name."""
    rcode = message.rcode()
    if rcode not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        raise Fault(_WHY.get(rcode, Why.UNREADABLE), f"said {dns.rcode.to_text(rcode)}")
    try:
        chain = message.resolve_chaining()
    except dns.exception.DNSException as fault:
        raise Fault(Why.UNREADABLE, f"sent an answer that contradicts itself ({type(fault).__name__})") from None
    via = tuple(_text(cname[0].target) for cname in chain.cnames)
    if chain.answer is not None:
        return _Reply(Found(tuple(sorted(map(_record, chain.answer))), via), chain.minimum_ttl)
    nxdomain = rcode == dns.rcode.NXDOMAIN
    if nxdomain or _authority(message, dns.rdatatype.SOA):
        return _Reply(Absent(nxdomain, via), chain.minimum_ttl)
    if via:
        return _Reply(Absent(nxdomain=False, via=via), chain.minimum_ttl, onward=chain.canonical_name)
    if _authority(message, dns.rdatatype.NS) or not message.flags & (dns.flags.AA | dns.flags.RA):
        # RFC 2308 2.2: NS without SOA is a referral, not "no data".
        raise Fault(Why.REFUSED, "is lame: it refers elsewhere instead of answering")
    return _Reply(Absent(nxdomain=False), chain.minimum_ttl)


def _authority(message: QueryMessage, rdtype: dns.rdatatype.RdataType) -> bool:
    return any(rrset.rdtype == rdtype for rrset in message.authority)


def _record(rdata: dns.rdata.Rdata) -> str | bytes:
    if isinstance(rdata, TXT):
        return b"".join(rdata.strings)
    if isinstance(rdata, MX):
        return f"{rdata.preference} {_text(rdata.exchange)}"
    if isinstance(rdata, NSBase):  # CNAME, NS, PTR
        return _text(rdata.target)
    return rdata.to_text()


def _led_by(answer: Found | Absent, via: tuple[str, ...]) -> Found | Absent:
    return Found(answer.records, via) if isinstance(answer, Found) else Absent(answer.nxdomain, via)


def _text(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower()


def _rdtype(text: str) -> dns.rdatatype.RdataType:
    try:
        return dns.rdatatype.from_text(text)
    except (dns.exception.DNSException, ValueError):
        raise ValueError(f"{text!r} is not a DNS record type") from None


def readable(record: str) -> str:
    """A record's text (one character per byte) for people: UTF-8 where it is, and nothing a terminal would obey."""
    text = record.encode("latin-1").decode("utf-8", "backslashreplace")
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)
