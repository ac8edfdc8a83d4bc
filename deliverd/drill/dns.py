"""A small authoritative DNS server for the drill, over UDP and TCP on one loopback port (RFC 1035, 4.2; RFC 7766).

It is authoritative for the whole of `test.` and refuses everything else. A scenario changes its records, or has it
fall silent or answer SERVFAIL.
"""

import asyncio
import socket
from collections.abc import Mapping
from contextlib import suppress
from enum import StrEnum
from typing import cast

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

_ORIGIN = dns.name.from_text("test.")
_SOA = "ns.test. hostmaster.test. 1 3600 600 86400 1"
_TTL = 1
_PLAIN_UDP = 512
_TRIES = 20


class Mood(StrEnum):
    """How the server behaves."""

    ANSWERING = "answering"
    SILENT = "silent"
    SERVFAIL = "servfail"


def quoted(text: str) -> str:
    """A TXT value in presentation form, cut into strings of at most 255 bytes (RFC 1035, 3.3.14)."""
    return " ".join(f'"{text[start : start + 255]}"' for start in range(0, len(text), 255))


class NameServer:
    """Answers for the records it is given: `{(name, type): [values in presentation form]}`."""

    def __init__(self, records: Mapping[tuple[str, str], list[str]]) -> None:
        self.mood = Mood.ANSWERING
        self.asked = 0
        self.port = 0
        self._records: dict[tuple[dns.name.Name, dns.rdatatype.RdataType], list[str]] = {}
        self._udp: asyncio.DatagramTransport | None = None
        self._tcp: asyncio.Server | None = None
        self._streams: set[asyncio.StreamWriter] = set()
        for (name, rdtype), values in records.items():
            self.put(name, rdtype, values)

    def put(self, name: str, rdtype: str, values: list[str]) -> None:
        """Set the records of a name and type, in place of those there were."""
        self._records[(dns.name.from_text(name), dns.rdatatype.from_text(rdtype))] = list(values)

    def remove(self, name: str, rdtype: str) -> None:
        """Take the records of a name and type away. Raises KeyError when there are none."""
        del self._records[(dns.name.from_text(name), dns.rdatatype.from_text(rdtype))]

    async def start(self) -> int:
        """Listen on a free port of 127.0.0.1, the same for UDP and TCP; returns it. Raises OSError."""
        for attempt in range(_TRIES):
            try:
                self._tcp = await asyncio.start_server(self._serve_stream, "127.0.0.1", 0)
                self.port = self._tcp.sockets[0].getsockname()[1]
                self._udp, _ = await asyncio.get_running_loop().create_datagram_endpoint(
                    lambda: _Datagrams(self), local_addr=("127.0.0.1", self.port), family=socket.AF_INET
                )
            except OSError:
                await self.stop()
                if attempt == _TRIES - 1:
                    raise
            else:
                return self.port
        raise AssertionError("unreachable")

    async def stop(self) -> None:
        """Stop listening. May be called twice."""
        if self._udp is not None:
            self._udp.close()
        if self._tcp is not None:
            self._tcp.close()
            for stream in self._streams:
                stream.close()
            await self._tcp.wait_closed()
        self._udp = self._tcp = None

    def answer(self, wire: bytes, limit: int | None) -> bytes | None:
        """The answer to a query, None when there is to be none. `limit`: the largest answer of plain UDP, in bytes."""
        self.asked += 1
        if self.mood is Mood.SILENT:
            return None
        try:
            query = dns.message.from_wire(wire)
            response = dns.message.make_response(query)
        except dns.exception.DNSException:
            return None
        self._fill(query, response)
        size = max(limit, query.payload if query.edns >= 0 else 0) if limit else 65535
        try:
            return response.to_wire(max_size=size)
        except dns.exception.TooBig:
            truncated = dns.message.make_response(query)
            truncated.flags |= dns.flags.TC
            return truncated.to_wire()

    def _fill(self, query: dns.message.Message, response: dns.message.Message) -> None:
        if query.opcode() != dns.opcode.QUERY or len(query.question) != 1:
            response.set_rcode(dns.rcode.NOTIMP)
            return
        if self.mood is Mood.SERVFAIL:
            response.set_rcode(dns.rcode.SERVFAIL)
            return
        name, rdtype = query.question[0].name, query.question[0].rdtype
        if not name.is_subdomain(_ORIGIN):
            response.set_rcode(dns.rcode.REFUSED)
            return
        response.flags |= dns.flags.AA
        values = self._records.get((name, rdtype))
        if values:
            response.answer.append(_rrset(name, rdtype, values))
            return
        response.authority.append(_rrset(_ORIGIN, dns.rdatatype.SOA, [_SOA]))
        if not any(known.is_subdomain(name) for known, _ in self._records):
            response.set_rcode(dns.rcode.NXDOMAIN)

    async def _serve_stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._streams.add(writer)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                size = int.from_bytes(await reader.readexactly(2), "big")
                answer = self.answer(await reader.readexactly(size), None)
                if answer is not None:
                    writer.write(len(answer).to_bytes(2, "big") + answer)
                    await writer.drain()
        self._streams.discard(writer)
        writer.close()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: NameServer) -> None:
        self._server = server
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # asyncio's own datagram transports do not inherit from the class that stands for them.
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        answer = self._server.answer(data, _PLAIN_UDP)
        if answer is not None and self._transport is not None:
            self._transport.sendto(answer, addr)


def _rrset(name: dns.name.Name, rdtype: dns.rdatatype.RdataType, values: list[str]) -> dns.rrset.RRset:
    return dns.rrset.from_text_list(name, _TTL, dns.rdataclass.IN, rdtype, values)
