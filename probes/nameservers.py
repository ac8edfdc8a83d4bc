"""Name servers: which there are (`ADDRESS:PORT`, or the system's own), and bytes to and from one of them.

Fault     the server gave no answer; `why` says of what kind. Retry: yes, elsewhere first.
"""

import asyncio
import ipaddress
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar
from urllib.parse import urlsplit

from probes.observation import Why

Server = tuple[str, int]
PORT = 53
T = TypeVar("T")


class Fault(Exception):  # noqa: N818 - a noun of the field, not "...Error"
    """One server's failure to answer, in words that follow its name: `did not answer within 3 s`."""

    def __init__(self, why: Why, words: str) -> None:
        super().__init__(words)
        self.why = why


def endpoint(text: str) -> Server:
    """Address and port of `192.0.2.1:5301`, `192.0.2.1`, `[2001:db8::1]:53` or `2001:db8::1`. Raises ValueError."""
    try:
        host, port = (text, PORT) if is_address(text) else _split(text)
    except ValueError:
        host, port = "", 0
    if not is_address(host) or not port:
        raise ValueError(f"{text!r} is not a name server: expected ADDRESS:PORT, such as 127.0.0.1:5301 or [::1]:53")
    return host, port


def show(server: Server) -> str:
    """The reverse of `endpoint`."""
    host, port = server
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def system_nameservers(resolv_conf: Path) -> tuple[str, ...]:
    """The addresses on the `nameserver` lines of a resolv.conf(5); none when there is no such file."""
    try:
        lines = resolv_conf.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ()
    words = [line.split() for line in lines]
    return tuple(word[1] for word in words if len(word) > 1 and word[0] == "nameserver" and is_address(word[1]))


def is_address(text: str) -> bool:
    """Whether `text` is an IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _split(text: str) -> Server:
    parts = urlsplit(f"//{text}")
    return parts.hostname or "", PORT if parts.port is None else parts.port


async def over_udp(server: Server, wire: bytes, read: Callable[[bytes], T], seconds: float) -> T:
    """Send `wire` and return what `read` makes of the answer. Raises Fault.

    A datagram of which `read` raises Fault is noted and let pass: the true answer may be on its way (RFC 5452 9.1).
    """
    try:
        # A socket of its own for each question: a random port each time, and ICMP errors are told.
        transport, exchange = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: _Exchange(read), remote_addr=server
        )
    except OSError as fault:
        raise _unreachable(fault) from None
    try:
        transport.sendto(wire)
        return await asyncio.wait_for(exchange.answer, seconds)
    except TimeoutError:
        raise exchange.junk or Fault(Why.TIMEOUT, f"did not answer within {seconds:g} s") from None
    except OSError as fault:
        raise _unreachable(fault) from None
    finally:
        transport.close()


async def over_tcp(server: Server, wire: bytes, read: Callable[[bytes], T], seconds: float) -> T:
    """The same over TCP (RFC 7766 8: two bytes of length first), for an answer that did not fit. Raises Fault."""
    try:
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_connection(*server)
            try:
                writer.write(len(wire).to_bytes(2, "big") + wire)
                size = int.from_bytes(await reader.readexactly(2), "big")
                return read(await reader.readexactly(size))
            finally:
                writer.close()
    except TimeoutError:
        raise Fault(Why.TIMEOUT, f"cut its answer short and did not answer over TCP within {seconds:g} s") from None
    except (OSError, EOFError) as fault:
        raise Fault(Why.NETWORK, f"cut its answer short and failed over TCP: {fault}") from None


class _Exchange(asyncio.DatagramProtocol, Generic[T]):
    """Waits on a connected socket for the datagram that answers."""

    def __init__(self, read: Callable[[bytes], T]) -> None:
        self._read = read
        self.answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self.junk: Fault | None = None

    def datagram_received(self, data: bytes, addr: object) -> None:
        if self.answer.done():
            return
        try:
            self.answer.set_result(self._read(data))
        except Fault as fault:
            self.junk = fault

    def error_received(self, exc: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(exc)


def _unreachable(fault: OSError) -> Fault:
    return Fault(Why.NETWORK, f"cannot be reached: {fault.strerror or fault}")
