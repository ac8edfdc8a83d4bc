"""`deliverd auth google`: the whole way through a browser and back, and what a key can see."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlsplit
from urllib.request import ProxyHandler, build_opener

import pytest

from peers.commands import Ran, call, environment
from peers.nsd import free_port
from peers.postmaster import CLIENT_SECRET, REFRESH_TOKEN, SPAM, Fault, Postmaster

READ = "https://www.googleapis.com/auth/postmaster.traffic.readonly"
browser = build_opener(ProxyHandler({}))


@pytest.fixture
def google() -> Iterator[Postmaster]:
    with Postmaster() as peer:
        yield peer
    assert not peer.problems


@pytest.fixture
def client(google: Postmaster, tmp_path: Path) -> Path:
    path = tmp_path / "client_secret.json"
    path.write_text(google.client_file)
    return path


@contextmanager
def consenting(client: Path, *more: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """`deliverd auth google` in a process of its own, and the address that it asks a person to open."""
    command = [sys.executable, "-m", "deliverd", "auth", "google", "key.json", "--client", str(client), *more]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, cwd=client.parent, env=environment(), **pipes) as process:  # type: ignore[call-overload]
        try:
            assert process.stdout
            process.stdout.readline()
            yield process.stdout.readline().strip(), process
        finally:
            process.kill()


def ended(process: subprocess.Popen[str]) -> Ran:
    out, err = process.communicate(timeout=30)
    return Ran(process.returncode, out, err)


def test_a_person_agrees_and_the_key_is_written(google: Postmaster, client: Path) -> None:
    with consenting(client) as (address, process):
        page = browser.open(address, timeout=10).read().decode()
        ran = ended(process)
    assert (ran.code, ran.err) == (0, "")
    assert "You can close this page" in page
    written = client.parent / "key.json"
    assert written.stat().st_mode & 0o777 == 0o600
    key = json.loads(written.read_text())
    assert (key["type"], key["refresh_token"], key["scopes"]) == ("authorized_user", REFRESH_TOKEN, [READ])
    assert not {REFRESH_TOKEN, CLIENT_SECRET} & set(ran.out.split())
    assert [path.name for path in client.parent.iterdir() if path.name.startswith(".")] == []


def test_the_key_that_was_written_can_be_used(google: Postmaster, client: Path) -> None:
    google.fill("acme.com", [datetime.now(UTC).date() - timedelta(days=3)], {SPAM: 0.001})
    with consenting(client) as (address, process):
        browser.open(address, timeout=10).read()
        ended(process)
    key = str(client.parent / "key.json")
    ran = call("auth", "google", key, "--check", "--domain", "ACME.com", "--api-root", google.url)
    assert ran.code == 0
    assert re.search(r"^acme\.com +- +yes +1 day with numbers, the newest 20", ran.out, re.MULTILINE)


def test_whoever_does_not_know_the_state_changes_nothing(google: Postmaster, client: Path) -> None:
    with consenting(client, "--list-domains") as (address, process):
        asked = parse_qs(urlsplit(address).query)
        assert "postmaster.domain" in asked["scope"][0]
        back = asked["redirect_uri"][0]
        for stray in (f"{back}?code=forged&state=guessed", f"{back}?code=forged", f"{back}favicon.ico"):
            with pytest.raises(HTTPError, match="404"):
                browser.open(stray, timeout=10)
        browser.open(address, timeout=10).read()
        assert ended(process).code == 0
    assert [form["grant_type"] for form in google.tokens] == ["authorization_code"]


def test_a_person_who_declines_leaves_the_old_key_alone(client: Path) -> None:
    (client.parent / "key.json").write_text("old")
    with consenting(client) as (address, process):
        asked = parse_qs(urlsplit(address).query)
        browser.open(f"{asked['redirect_uri'][0]}?error=access_denied&state={asked['state'][0]}", timeout=10).read()
        ran = ended(process)
    assert ran.code == 2 and "no key: Google says access_denied" in ran.out
    assert (client.parent / "key.json").read_text() == "old"


def test_nobody_comes(client: Path) -> None:
    with consenting(client, "--wait", "1") as (_, process):
        ran = ended(process)
    assert ran.code == 2 and "nobody agreed within 1 s" in ran.out


@pytest.mark.parametrize(
    ("fault", "words"),
    [(Fault.HTML, "not JSON"), (Fault.BROKEN, "500"), (Fault.LIST, "no refresh token"), (None, "no refresh token")],
)
def test_a_token_service_that_gives_no_key(google: Postmaster, client: Path, fault: Fault | None, words: str) -> None:
    google.no_refresh_token = fault is None
    if fault:
        google.fail(fault, path="/token")
    with consenting(client) as (address, process):
        browser.open(address, timeout=10).read()
        ran = ended(process)
    assert ran.code == 2 and words in ran.out
    assert not (client.parent / "key.json").exists()
    assert CLIENT_SECRET not in ran.out + ran.err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not the JSON of an OAuth client"),
        ('{"web": {}}', "not the JSON of an OAuth client"),
        ('{"installed": []}', "not the JSON of an OAuth client"),
        ('{"installed": {"client_id": "a", "client_secret": "b", "auth_uri": "http://a.test"}}', "not https://"),
    ],
)
def test_a_client_that_cannot_be_used(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "client.json"
    path.write_text(text)
    ran = call("auth", "google", str(tmp_path / "key.json"), "--client", str(path))
    assert ran.code == 64 and words in ran.err


def test_what_is_missing_is_said(google: Postmaster, client: Path, tmp_path: Path) -> None:
    assert "--client FILE" in call("auth", "google").err
    gone = call("auth", "google", "--client", str(tmp_path / "gone.json"))
    assert gone.code == 64 and "No such file" in gone.err
    nowhere = call("auth", "google", str(tmp_path / "no" / "key.json"), "--client", str(client))
    assert nowhere.code == 64 and "is not a directory" in nowhere.err


def test_a_port_that_is_taken_is_said(google: Postmaster, client: Path) -> None:
    taken = google.url.rstrip("/").rpartition(":")[2]
    ran = call("auth", "google", str(client.parent / "key.json"), "--client", str(client), "--port", taken)
    assert ran.code == 64 and "Address already in use" in ran.err


@pytest.fixture
def key(google: Postmaster, tmp_path: Path) -> str:
    path = tmp_path / "key.json"
    path.write_text(google.token)
    return str(path)


def test_check_shows_every_domain_and_why_not(google: Postmaster, key: str) -> None:
    google.listing = True
    google.fill("acme.com", [datetime.now(UTC).date() - timedelta(days=back) for back in (3, 4)], {SPAM: 0.001})
    google.numbers["quiet.com"] = {}
    ran = call("auth", "google", key, "--check", "-d", "other.com", "--api-root", google.url)
    assert ran.code == 2
    assert re.search(r"^acme\.com +owner +yes +2 days with numbers", ran.out, re.MULTILINE)
    assert re.search(r"^quiet\.com +owner +nothing yet +Google gives no numbers", ran.out, re.MULTILINE)
    assert re.search(r"^other\.com +- +no +this Google account may not see the domain", ran.out, re.MULTILINE)
    assert call("auth", "google", key, "--check", "--api-root", google.url).code == 0


def test_check_without_anything_to_look_at(google: Postmaster, key: str, tmp_path: Path) -> None:
    ran = call("auth", "google", key, "--check", "--api-root", google.url)
    assert ran.code == 64 and "name those to look at" in ran.err
    google.revoked = True
    ran = call("auth", "google", key, "--check", "--api-root", google.url)
    assert ran.code == 2 and "blind: Google does not accept the token" in ran.out
    assert REFRESH_TOKEN not in ran.out


@pytest.mark.parametrize(("content", "words"), [(None, "No such file"), (b"{}", "lacks"), (b"\xff", "UTF-8")])
def test_check_of_what_is_no_key(tmp_path: Path, content: bytes | None, words: str) -> None:
    path = tmp_path / "key.json"
    if content is not None:
        path.write_bytes(content)
    ran = call("auth", "google", str(path), "--check", "--api-root", f"http://127.0.0.1:{free_port()}")
    assert ran.code == 64 and words in ran.err
