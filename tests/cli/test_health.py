"""`deliverd health` against real servers that say all kinds of things."""

import json
import socket
import threading
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Response

from peers.commands import House, call, run
from peers.nsd import free_port


def config(tmp_path: Path, listen: str) -> str:
    path = tmp_path / "deliverd.toml"
    path.write_text(f'[web]\nlisten = "{listen}"\n')
    return str(path)


def answers(server: HTTPServer, body: str, status: int) -> None:
    server.expect_request("/readyz").respond_with_response(Response(body, status))


def test_ready_is_0(tmp_path: Path, httpserver: HTTPServer) -> None:
    answers(httpserver, '{"status": "ready", "why": ""}', 200)
    ran = run("health", "-c", config(tmp_path, f"127.0.0.1:{httpserver.port}"), http_proxy="http://127.0.0.1:1")
    assert (ran.code, ran.out) == (0, f"ready: 127.0.0.1:{httpserver.port}\n")


def test_a_daemon_that_listens_everywhere_is_asked_here(tmp_path: Path, httpserver: HTTPServer) -> None:
    answers(httpserver, '{"status": "ready"}', 200)
    ran = call("health", "--json", "-c", config(tmp_path, f"0.0.0.0:{httpserver.port}"))
    assert ran.json == {"ready": True, "why": "", "address": f"127.0.0.1:{httpserver.port}"}


@pytest.mark.parametrize(
    ("body", "status", "why"),
    [
        ('{"status": "unready", "why": "starting"}', 503, "starting"),
        ('{"status": "unready", "why": "\\u001b[31m"}', 503, "\\x1b[31m"),
        ('{"status": "ready"}', 503, "HTTP 503"),
        ('{"status": "unready"}', 200, "HTTP 200"),
        ("<html>hello</html>", 200, "what answers there is not deliverd (HTTP 200)"),
        ("[" * 50_000, 200, "what answers there is not deliverd (HTTP 200)"),
        ("[]", 404, "what answers there is not deliverd (HTTP 404)"),
    ],
)
def test_anything_else_is_2_and_why(tmp_path: Path, httpserver: HTTPServer, body: str, status: int, why: str) -> None:
    answers(httpserver, body, status)
    ran = call("health", "-c", config(tmp_path, f"127.0.0.1:{httpserver.port}"))
    assert (ran.code, ran.out) == (2, f"not ready: 127.0.0.1:{httpserver.port}: {why}\n")


def test_nobody_there_is_2(house: House) -> None:
    ran = house.call("health", "--json")
    assert (ran.code, ran.json["ready"], ran.json["why"]) == (2, False, "Connection refused")


@pytest.mark.parametrize(
    ("words", "why"), [(b"220 mail ESMTP\r\n", "does not speak HTTP"), (None, "no answer within 3 s")]
)
def test_something_else_there_is_2(tmp_path: Path, words: bytes | None, why: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        ended = threading.Event()

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                if words:
                    connection.sendall(words)
                else:
                    ended.wait(30)

        thread = threading.Thread(target=serve)
        thread.start()
        ran = call("health", "-c", config(tmp_path, f"127.0.0.1:{listening.getsockname()[1]}"))
        ended.set()
        thread.join()
    assert ran.code == 2
    assert why in ran.out


def test_ipv6_addresses_keep_their_brackets(tmp_path: Path) -> None:
    port = free_port()
    ran = call("health", "--json", "-c", config(tmp_path, f"[::]:{port}"))
    assert json.loads(ran.out)["address"] == f"[::1]:{port}"
