"""`deliverd auth microsoft`: the whole way through a browser and back, and what a key can see."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, build_opener

import pytest

from deliverd.commands.auth_microsoft import check_key, get_key
from deliverd.commands.codes import Code, UsageFault
from peers.authority import MicrosoftSignIn, without_bundles
from peers.commands import Ran, environment
from peers.snds import LINK_KEY, Fault, Snds, row
from probes.microsoft_token import Authority, load

browser = build_opener(ProxyHandler({}))
COMMAND = """
import sys
from pathlib import Path
from deliverd.commands.auth_microsoft import get_key
from probes.microsoft_token import Authority
key, url, certificates, wait = sys.argv[1:]
sys.exit(get_key(Path(key), Authority(url, seconds=10, certificates=certificates), 0, float(wait)))
"""
DAY = (datetime.now(UTC) - timedelta(days=2)).date().isoformat()


@pytest.fixture(autouse=True)
def _no_bundles(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "DELIVERD_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def person(tmp_path: Path) -> Iterator[MicrosoftSignIn]:
    with MicrosoftSignIn(tmp_path) as peer:
        yield peer
    assert not peer.problems


@pytest.fixture
def snds(person: MicrosoftSignIn) -> Iterator[Snds]:
    with Snds(accepts=lambda token: token in person.access) as peer:
        yield peer


@contextmanager
def signing_in(person: MicrosoftSignIn, wait: float = 60) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The command in a process of its own, and the address that it asks a person to open."""
    command = [sys.executable, "-c", COMMAND, "key.json", person.url, str(person.certificates), str(wait)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    env = without_bundles(environment().items())
    with subprocess.Popen(command, text=True, cwd=person.folder, env=env, **pipes) as process:  # type: ignore[call-overload]
        try:
            assert process.stdout
            process.stdout.readline()
            yield process.stdout.readline().strip(), process
        finally:
            process.kill()


def come_back(where: str, form: dict[str, str]) -> str:
    return browser.open(where.replace("localhost", "127.0.0.1"), urlencode(form).encode(), timeout=10).read().decode()


def ended(process: subprocess.Popen[str]) -> Ran:
    out, err = process.communicate(timeout=60)
    return Ran(process.returncode, out, err)


def test_a_person_signs_in_and_the_key_is_written(person: MicrosoftSignIn) -> None:
    with signing_in(person) as (address, process):
        page = come_back(*person.agree(address))
        ran = ended(process)
    assert (ran.code, ran.err) == (0, "")
    assert "heard from Microsoft" in page
    written = person.folder / "key.json"
    assert written.stat().st_mode & 0o777 == 0o600
    assert load(written).refresh_token == person.valid == person.issued[0]
    assert not {*person.issued, *person.access} & set(ran.out.split())
    assert [form["grant_type"] for form in person.forms] == ["authorization_code"]


def test_whoever_does_not_know_the_state_changes_nothing(person: MicrosoftSignIn) -> None:
    with signing_in(person) as (address, process):
        where, form = person.agree(address)
        for stray in ({"code": "forged", "state": "guessed"}, {"code": "forged"}, {"state": form["state"] + "x"}):
            with pytest.raises(HTTPError, match="404"):
                come_back(where, stray)
        with pytest.raises(HTTPError, match="404"):
            come_back(f"{where}/favicon.ico", form)
        with pytest.raises(HTTPError, match="404"):
            come_back(where, form | {"more": "x" * 70_000})
        come_back(where, form)
        assert ended(process).code == 0


def test_a_person_who_declines_leaves_the_old_key_alone(person: MicrosoftSignIn) -> None:
    (person.folder / "key.json").write_text("old")
    person.declines = True
    with signing_in(person) as (address, process):
        come_back(*person.agree(address))
        ran = ended(process)
    assert ran.code == 2 and "no key: Microsoft says access_denied" in ran.out
    assert (person.folder / "key.json").read_text() == "old"


def test_a_query_does_as_well_and_a_code_of_another_is_refused(person: MicrosoftSignIn) -> None:
    with signing_in(person) as (address, process):
        where, form = person.agree(address)
        query = urlencode(form | {"code": "another"})
        browser.open(f"{where.replace('localhost', '127.0.0.1')}/?{query}", timeout=10).read()
        ran = ended(process)
    assert ran.code == 2 and "invalid_grant, AADSTS501481" in ran.out
    assert not (person.folder / "key.json").exists()


def test_nobody_comes(person: MicrosoftSignIn) -> None:
    with signing_in(person, wait=1) as (_, process):
        ran = ended(process)
    assert ran.code == 2 and "nobody agreed within 1 s" in ran.out


def test_what_cannot_be_used_is_said(person: MicrosoftSignIn, snds: Snds, capsys: pytest.CaptureFixture[str]) -> None:
    authority = Authority(person.url, seconds=10, certificates=str(person.certificates))
    with pytest.raises(UsageFault, match="is not a directory"):
        get_key(person.folder / "no" / "key.json", authority, 0, 1)
    taken = int(snds.url.split(":")[2].split("/")[0])
    with pytest.raises(UsageFault, match="Address already in use"):
        get_key(person.folder / "key.json", authority, taken, 1)
    person.fault = Fault.BROKEN
    assert get_key(person.folder / "key.json", authority, 0, 1) is Code.UNSEEN
    assert "no key: https://localhost" in capsys.readouterr().out


def checked(person: MicrosoftSignIn, snds: Snds, config: Path | None = None) -> Code:
    path = person.folder / "microsoft-token.json"
    key = path if path.exists() else person.key(datetime.now(UTC))
    return check_key(key, config, str(person.certificates), snds.url)


def test_check_shows_every_address(person: MicrosoftSignIn, snds: Snds, capsys: pytest.CaptureFixture[str]) -> None:
    snds.fill(DAY, row("192.0.2.10", DAY, "RED", "< 0.1%", 3), row("192.0.2.11", DAY, rate=""))
    assert checked(person, snds) is Code.GOOD
    out = capsys.readouterr().out
    assert "key: sign-in, good until" in out
    assert re.search(rf"^192\.0\.2\.10 +none configured +{DAY} +red +< 0\.1% +3 +422", out, re.MULTILINE)
    assert re.search(rf"^192\.0\.2\.11 +none configured +{DAY} +green +- +- +422", out, re.MULTILINE)


def test_check_without_numbers_and_without_leave(
    person: MicrosoftSignIn, snds: Snds, capsys: pytest.CaptureFixture[str]
) -> None:
    assert checked(person, snds) is Code.GOOD
    assert "nothing yet: SNDS answers" in capsys.readouterr().out
    snds.fill(DAY, row("192.0.2.10", DAY), row("192.0.2.11", DAY, rate="0.5"))
    assert checked(person, snds) is Code.UNSEEN
    assert "unreadable: line 2" in capsys.readouterr().out
    person.revoked = True
    assert checked(person, snds) is Code.UNSEEN
    out = capsys.readouterr().out
    assert "blind: Microsoft does not accept the sign-in" in out and person.valid not in out


def test_check_without_anything_to_look_with(person: MicrosoftSignIn) -> None:
    with pytest.raises(UsageFault, match="name the file of the key"):
        check_key(None, None, None, None)
    with pytest.raises(UsageFault, match="expected https://"):
        check_key(person.folder / "key.json", None, None, f"http://snds.test/{LINK_KEY}")
