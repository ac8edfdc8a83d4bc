"""Bodies without end, and callers who take their time: refused while they are still at it, and nobody else waits."""

import json
import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from deliverd.settings import Web
from peers.daemon import Daemon
from peers.door import Door, Watch, signed
from peers.mail_events import event
from peers.own_sender import SECRET

LIMIT = Web().max_body_bytes
TEN_MEGABYTES = 10 * 1024 * 1024
HEAD = "POST /hooks/mail HTTP/1.1\nhost: x\n"
REFUSED = 'deliverd_requests_refused_total{account="mail",code="%s"}'


def hear(sock: socket.socket) -> tuple[int, str]:
    """The status that comes back, and all that follows until the end."""
    heard = b""
    while not re.search(rb"\r\n\r\n.+\}", heard, re.DOTALL):
        part = sock.recv(65536)
        if not part:
            break
        heard += part
    return int(heard.split(b" ", 2)[1]), heard.decode()


def test_a_large_body_is_refused_by_its_head_alone(door: Door) -> None:
    watch = Watch(door)
    with door.begin(f"{HEAD}content-length: {TEN_MEGABYTES}\n\n") as sock:
        status, text = hear(sock)
    assert status == 413
    assert "the body is 10,485,760 bytes; at most 1,048,576 are taken (web.max_body_bytes)" in text
    assert watch.counted(REFUSED % "too-large") == 1
    assert [line["status"] for line in watch.said("request refused")] == [413]


def test_a_large_body_without_a_length_is_refused_at_the_limit(door: Door) -> None:
    watch = Watch(door)
    chunk = b"%x\r\n%s\r\n" % (LIMIT + 1, b"x" * (LIMIT + 1))
    with door.begin(f"{HEAD}transfer-encoding: chunked\n\n", chunk) as sock:
        status, text = hear(sock)
    assert status == 413
    assert "over 1,048,576 bytes" in text
    assert watch.counted(REFUSED % "too-large") == 1


def test_lengths_that_are_none(door: Door) -> None:
    for length in ("-1", "ten", "9" * 30, "1, 2"):
        with door.begin(f"{HEAD}content-length: {length}\n\n") as sock:
            assert hear(sock)[0] in (400, 413)


def test_a_body_at_the_limit_is_read(door: Door) -> None:
    good = json.dumps({"events": [event("sent")]}).encode()
    assert door.send(good.ljust(LIMIT)).json["accepted"] == 1
    answer = door.post(pieces(good.ljust(LIMIT)), signed(good.ljust(LIMIT), SECRET))
    assert answer.json["duplicates"] == 1


def pieces(whole: bytes) -> Iterator[bytes]:
    return (whole[start : start + 65536] for start in range(0, len(whole), 65536))


def test_large_bodies_take_no_memory(door: Door) -> None:
    """Twenty bodies at once, 200 MB in all, each sent to its end or until the daemon hangs up."""
    before = peak_memory(door.daemon)
    with ExitStack() as stack:
        socks = [stack.enter_context(door.begin(f"{HEAD}transfer-encoding: chunked\n\n")) for _ in range(20)]
        for _ in range(TEN_MEGABYTES // LIMIT):
            for sock in socks:
                push(sock, b"%x\r\n%s\r\n" % (LIMIT, b"x" * LIMIT))
        assert door.ready()
    assert peak_memory(door.daemon) - before < 64 * 1024 * 1024


def push(sock: socket.socket, data: bytes) -> None:
    try:
        sock.sendall(data)
    except (BrokenPipeError, ConnectionResetError):
        return


def peak_memory(daemon: Daemon) -> int:
    assert daemon.process is not None
    status = Path(f"/proc/{daemon.process.pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) * 1024


def test_slow_callers_hold_up_nobody_and_are_cut_off(door: Door) -> None:
    watch = Watch(door)
    with ExitStack() as stack:
        bodies = [stack.enter_context(door.begin(f"{HEAD}content-length: 1000\n\n", b"{")) for _ in range(50)]
        heads = [stack.enter_context(door.begin("POST /hooks/mail HTTP/1.1\nhost: ")) for _ in range(50)]
        silent = [stack.enter_context(door.begin("")) for _ in range(50)]
        for _ in range(10):
            assert door.report(event("delivered")).status == 200
        told = [hear(sock) for sock in bodies]
        assert {status for status, _ in told} == {408}
        assert "the body did not arrive whole within 2 s (web.request_seconds)" in told[0][1]
        assert {sock.recv(100) for sock in (*heads, *silent)} == {b""}
    assert watch.counted(REFUSED % "too-slow") == 50


def test_a_caller_who_hangs_up_half_way(door: Door) -> None:
    watch = Watch(door)
    with door.begin(f"{HEAD}content-length: 1000\n\n", b"{"):
        pass
    door.daemon.until(lambda: watch.counted(REFUSED % "disconnected"), "it is counted")
    assert [line["code"] for line in watch.said("request refused")] == ["disconnected"]


def test_two_requests_on_one_connection(door: Door) -> None:
    """The second comes while the first, refused for its size, is still being sent."""
    with door.begin(f"{HEAD}content-length: {LIMIT + 1}\n\n") as sock:
        assert hear(sock)[0] == 413
        push(sock, b"x" * (LIMIT + 1) + b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        assert hear(sock)[0] == 200
