"""Runs both sides of docs/own-sender.md, as they stand there, against the real code."""

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from platforms.contract import PAUSED, RUNNING, THROTTLED, intent

from deliverd.model import Actual, Lever
from deliverd.platforms.base import Denied, Gone
from deliverd.platforms.webhook import Webhook
from peers.own_sender import SECRET
from probes.observation import EventKind, ForgedRequest, Parsed, Window
from probes.webhook import Config, parse_events, verify

DOC = (Path(__file__).parents[2] / "docs" / "own-sender.md").read_text(encoding="utf-8")
PYTHON = dict(re.findall(r"```python\n# (\w+\.py): [^\n]*\n(.*?)```", DOC, re.DOTALL))
LEVER = Lever("mail", "domain", "acme.com")


def config(url: str, **settings: object) -> Config:
    return Config.model_validate({"kind": "webhook", "secret": SECRET, "control_url": url} | settings)


@contextmanager
def the_sender(folder: Path) -> Iterator[str]:
    """control.py of the document, under uvicorn; gives its control address."""
    (folder / "control.py").write_text(PYTHON["control.py"], encoding="utf-8")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "control:app", "--port", str(port), "--log-level", "critical"]
    with subprocess.Popen(command, cwd=folder, env=os.environ | {"DELIVERD_SECRET": SECRET}) as process:
        try:
            for _ in range(600):
                with socket.socket() as call:
                    if call.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.05)
            yield f"http://127.0.0.1:{port}/control"
        finally:
            process.terminate()


async def test_control_obeys(tmp_path: Path) -> None:
    with the_sender(tmp_path) as url:
        platform = Webhook("mail", config(url))
        assert await platform.read(LEVER) == Actual(RUNNING, "us")
        for number, limit in enumerate((PAUSED, THROTTLED, RUNNING), start=1):
            await platform.apply(intent(LEVER, limit, number))
            assert await platform.read(LEVER) == Actual(limit, "deliverd")
        with pytest.raises(Gone):
            await platform.read(Lever("mail", "domain", "unheard-of.example"))
        await platform.aclose()
        stranger = Webhook("mail", config(url, secret="whsec_" + "A" * 32))
        with pytest.raises(Denied):
            await stranger.apply(intent(LEVER, PAUSED))
        await stranger.aclose()


class Receiver(BaseHTTPRequestHandler):
    """The receiving end of a report, made of our own verify and parse."""

    got: Parsed | ForgedRequest

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        now = datetime.now(UTC)
        try:
            verify(config("https://sender.example/control"), self.headers, body, now)
            Receiver.got = parse_events(body, Window(now))
        except ForgedRequest as fault:
            Receiver.got = fault
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"accepted": 1, "duplicates": 0, "rejected": []}).encode())

    def log_message(self, format: str, *args: object) -> None:
        """Quietly."""


def test_report_reports(tmp_path: Path) -> None:
    script = tmp_path / "report.py"
    script.write_text(PYTHON["report.py"], encoding="utf-8")
    with HTTPServer(("127.0.0.1", 0), Receiver) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        hook = f"http://127.0.0.1:{server.server_port}/hooks/mail"
        environment = os.environ | {"DELIVERD_SECRET": SECRET, "DELIVERD_HOOK": hook}
        ran = subprocess.run([sys.executable, str(script)], env=environment, capture_output=True, text=True, check=True)
        thread.join()
    assert "'accepted': 1" in ran.stdout
    assert isinstance(Receiver.got, Parsed)
    (event,) = Receiver.got.events
    assert (event.kind, event.domain, event.provider) == (EventKind.SENT, "acme.com", "google")


def test_the_configuration_is_valid(tmp_path: Path) -> None:
    (table,) = re.findall(r"```toml\n(.*?)```", DOC, re.DOTALL)
    (tmp_path / "secret").write_text(SECRET)
    table = re.sub(r"^# (?=\w+ = )", "", table, flags=re.MULTILINE).replace('"..."', '"/run/secrets/deliverd-mail"')
    read = tomllib.loads(table.replace("/run/secrets/deliverd-mail", str(tmp_path / "secret")))["platforms"]["mail"]
    assert set(read) == set(Config.model_fields)
    assert Config.model_validate(read).timeout_seconds == Config.model_fields["timeout_seconds"].default


def test_the_secret_that_the_document_makes_is_one() -> None:
    (command,) = re.findall(r"```sh\npython3 -c '(.*?)'\n```", DOC, re.DOTALL)
    made = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True).stdout.strip()
    assert config("https://sender.example/control", secret=made).secrets == (made,)


def test_both_sides_take_about_twenty_lines() -> None:
    assert set(PYTHON) == {"report.py", "control.py"}
    for code in PYTHON.values():
        assert len([line for line in code.splitlines() if line.strip()]) <= 25


@pytest.mark.parametrize("name", ["malformed", "unknown-type", "bad-domain", "future", "ancient", "negative-count"])
def test_codes_are_named(name: str) -> None:
    assert f"`{name}`" in DOC
