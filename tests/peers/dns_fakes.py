"""Name servers that misbehave on purpose: literal, on loopback, each answering by a function of the bytes it got."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field

from peers.nsd import free_port

Reply = Callable[[bytes], bytes | tuple[bytes, ...] | None]
"""Gives the answer to a question: None for silence, several for several datagrams."""


def silent(_: bytes) -> None:
    """Never answers."""


def rcode(code: int) -> Reply:
    """Answers with a response code and nothing else: 2 SERVFAIL, 5 REFUSED."""
    return lambda question: header(question, 0x8180 | code) + question[12:]


def garbage(question: bytes) -> bytes:
    """Answers with bytes that are no DNS message, under the right id."""
    return question[:2] + b"\x81\x80" + b"\xff" * 38


def hang_up(_: bytes) -> bytes:
    """Over TCP: closes the connection without a word."""
    return b""


def truncated(question: bytes) -> bytes:
    """Says that the answer did not fit and has to be fetched over TCP."""
    return header(question, 0x8380) + question[12:]


def header(question: bytes, flags: int) -> bytes:
    """The header of an empty answer to `question`, with its additional section (EDNS) left as it came."""
    return question[:2] + flags.to_bytes(2, "big") + question[4:12]


@dataclass
class Fake:
    """A running fake: where it is, the questions it got, and that it got one at all."""

    nameserver: str
    over_udp: list[bytes] = field(default_factory=list)
    over_tcp: list[bytes] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, fake: Fake, reply: Reply) -> None:
        self._fake, self._reply = fake, reply

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._fake.over_udp.append(data)
        self._fake.asked.set()
        answer = self._reply(data)
        for datagram in answer if isinstance(answer, tuple) else (answer,):
            if datagram is not None:
                self._transport.sendto(datagram, addr)


@asynccontextmanager
async def answering(udp: Reply, tcp: Callable[[bytes], bytes | None] | None = None) -> AsyncIterator[Fake]:
    """Serve `udp` over UDP; over TCP `tcp`, or refuse connections. Over TCP None keeps silent and b"" hangs up."""
    loop = asyncio.get_running_loop()
    port = free_port()
    fake = Fake(f"127.0.0.1:{port}")

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(EOFError, OSError):
            question = await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
            fake.over_tcp.append(question)
            answer = tcp(question) if tcp else None
            if answer is None:
                await reader.read()
            elif answer:
                writer.write(len(answer).to_bytes(2, "big") + answer)
                await writer.drain()
        writer.close()

    transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(fake, udp), ("127.0.0.1", port))
    server = await asyncio.start_server(converse, "127.0.0.1", port) if tcp else None
    try:
        yield fake
    finally:
        transport.close()
        if server is not None:
            server.close()
            await server.wait_closed()


def by_domain(replies: Mapping[str, Reply], otherwise: Reply) -> Reply:
    """Answers by the domain asked about (or below), in one server."""
    wires = {_wire(name): reply for name, reply in replies.items()}

    def reply(question: bytes) -> bytes | tuple[bytes, ...] | None:
        return next((it for wire, it in wires.items() if wire in question.lower()), otherwise)(question)

    return reply


def _wire(name: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


@contextmanager
def answering_beside(udp: Reply) -> Iterator[Fake]:
    """As `answering`, from a thread of its own: for plain tests, and for fixtures that outlive a test's loop."""
    serving: list[Fake] = []
    ready, over = threading.Event(), threading.Event()

    async def serve() -> None:
        async with answering(udp) as fake:
            serving.append(fake)
            ready.set()
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield serving[0]
    finally:
        over.set()
        thread.join(10)
