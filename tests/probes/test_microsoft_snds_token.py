"""The key to SNDS: renewed at every look, stored whole or not at all, and told of before it lapses."""

import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from peers.authority import MicrosoftSignIn
from peers.snds import Fault, Snds, row
from probes.http import Http, HttpFault
from probes.microsoft_snds import Config, observe_days
from probes.microsoft_token import LASTS, Asking, Authority, _store, load, renew, save
from probes.microsoft_token_http import of_exception, of_refusal
from probes.observation import Seen, Unseen, Why

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _no_bundles(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def person(tmp_path: Path) -> Iterator[MicrosoftSignIn]:
    with MicrosoftSignIn(tmp_path) as peer:
        yield peer
    assert not peer.problems


async def renewed(person: MicrosoftSignIn, path: Path, at: datetime = NOW) -> Any:
    return await renew(path, 20, str(person.certificates), at)


async def refused(person: MicrosoftSignIn, path: Path, why: Why) -> str:
    with pytest.raises(HttpFault) as caught:
        await renewed(person, path)
    assert caught.value.why is why, caught.value
    assert person.valid not in caught.value.detail
    assert caught.value.__context__ is None or caught.value.__suppress_context__, (
        "the chain of causes is not shown: it may quote a token"
    )
    return caught.value.detail


async def key_look(person: MicrosoftSignIn, path: Path, **more: Any) -> tuple[Seen | Unseen, Seen | Unseen]:
    """The look as a whole, and the one at the key."""
    with Snds(accepts=lambda token: token in person.access) as snds:
        snds.fill("2026-11-20", row("192.0.2.10", "2026-11-20"))
        known = {"token_file": path, "certificates": str(person.certificates), "ips": {"192.0.2.10": ["acme.com"]}}
        config = Config(**known | {"api_root": snds.url, "timeout_seconds": 5} | more)
        async with Http() as http:
            looks = await observe_days(config, ["acme.com"], http, NOW)
    parts = {look.part: look.answer for look in looks}
    return parts[""], parts["key"]


async def test_every_refresh_token_is_used_once_and_its_successor_stored(person: MicrosoftSignIn) -> None:
    path = person.key(NOW)
    before = load(path)
    for number in range(1, 4):
        found = await renewed(person, path, NOW + timedelta(days=number))
        assert found.unstored == "" and found.access_token in person.access
        assert load(path).refresh_token == person.valid == f"M.refresh-token-{number}"
    after = load(path)
    assert after.signed_in == before.signed_in and after.renewed == NOW + timedelta(days=3)
    assert after.ends == after.renewed + LASTS
    assert path.stat().st_mode & 0o777 == 0o600
    assert [found.name for found in person.folder.iterdir() if found.name.startswith(".")] == []
    assert all(form["grant_type"] == "refresh_token" and "offline_access" in form["scope"] for form in person.forms)


async def test_nothing_prints_a_token(person: MicrosoftSignIn, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    found = await renewed(person, person.key(NOW))
    shown = repr(found) + str(found.sign_in) + caplog.text
    assert not any(secret in shown for secret in (*person.access, *person.issued, "M.refresh-token-0"))


async def test_a_refused_refresh_token_is_denied_and_not_told(person: MicrosoftSignIn) -> None:
    path = person.key(NOW)
    person.revoked = True
    detail = await refused(person, path, Why.DENIED)
    assert "AADSTS700082" in detail and "invalid_grant" in detail and "deliverd auth microsoft" in detail
    assert load(path).refresh_token == person.valid


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ((401, {"error": "invalid_client", "error_description": "AADSTS7000218: x"}), Why.DENIED),
        ((400, {"error": "interaction_required"}), Why.DENIED),
        ((400, {"error": "temporarily_unavailable"}), Why.SERVFAIL),
        ((400, {"error": "invalid_request", "error_description": "AADSTS90023: Origin"}), Why.REFUSED),
        ((400, {"error": "M.refresh-token-0 is not good"}), Why.DENIED),
        ((400, {"error": 7}), Why.UNREADABLE),
        ((404, {"error": "not here"}), Why.REFUSED),
        ((200, {}), Why.UNREADABLE),
        ((200, []), Why.UNREADABLE),
        ((200, {"access_token": 7}), Why.UNREADABLE),
        ((200, {"access_token": "two\nlines"}), Why.UNREADABLE),
        ((200, {"access_token": "good", "id_token": "broken"}), Why.UNREADABLE),
        ((200, {"access_token": "good", "client_info": 7}), Why.UNREADABLE),
        ((200, b"[" * 100_000), Why.UNREADABLE),
        ((200, b'"' + b"x" * 300_000 + b'"'), Why.UNREADABLE),
    ],
)
async def test_answers_without_a_token(person: MicrosoftSignIn, said: Any, why: Why) -> None:
    path = person.key(NOW)
    before = path.read_bytes()
    person.said = said
    await refused(person, path, why)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "discovery", [{"token_endpoint": 7}, {"token_endpoint": "http://localhost/a/b"}, {"authorization_endpoint": None}]
)
async def test_an_authority_that_says_strange_things_of_itself(
    person: MicrosoftSignIn, discovery: dict[str, Any]
) -> None:
    person.discovery = discovery
    try:
        await renewed(person, person.key(NOW))
    except HttpFault as fault:
        assert fault.why is Why.UNREADABLE


async def test_a_certificate_that_is_not_trusted(person: MicrosoftSignIn) -> None:
    with pytest.raises(HttpFault, match="SSL") as caught:
        await renew(person.key(NOW), 5, None, NOW)
    assert caught.value.why is Why.NETWORK
    with pytest.raises(HttpFault) as caught:
        await renew(person.key(NOW), 5, str(person.folder / "gone.pem"), NOW)
    assert caught.value.why is Why.NETWORK


@pytest.mark.parametrize("content", [None, b"", b"{}", b"[]", b"\xff", b"7", b"[" * 60_000, b"x" * 70_000])
async def test_what_is_no_key(person: MicrosoftSignIn, content: bytes | None) -> None:
    path = person.folder / "key.json"
    if content is not None:
        path.write_bytes(content)
    assert "run `deliverd auth microsoft` again" in await refused(person, path, Why.DENIED)
    whole, key = await key_look(person, path)
    assert isinstance(whole, Unseen) and isinstance(key, Unseen) and whole.why is key.why is Why.DENIED


@pytest.mark.parametrize("changed", [{"refresh_token": ""}, {"ends": "soon"}, {"authority": ""}])
async def test_a_key_with_a_broken_field(person: MicrosoftSignIn, changed: dict[str, str]) -> None:
    await refused(person, person.key(NOW, **changed), Why.DENIED)


async def test_without_a_new_refresh_token_the_old_one_goes_on_and_its_end_comes_nearer(
    person: MicrosoftSignIn,
) -> None:
    person.no_refresh_token = True
    path = person.key(NOW, until=NOW + timedelta(days=6))
    whole, key = await key_look(person, path)
    assert isinstance(whole, Seen)
    assert isinstance(key, Seen) and key.readings["code"] == "ends-soon"
    assert "lapses on 2026-11-28: run `deliverd auth microsoft` again" in str(key.readings["detail"])
    assert load(path).refresh_token == person.valid


async def test_a_lifetime_that_microsoft_tells_is_believed(person: MicrosoftSignIn) -> None:
    path = person.key(NOW)
    person.lasts = 86_399
    _, key = await key_look(person, path)
    assert isinstance(key, Seen) and (key.readings["code"], key.readings["ends"]) == ("ends-soon", "2026-11-23")
    person.lasts = 10**12
    _, key = await key_look(person, path)
    assert isinstance(key, Seen) and key.readings["code"] == "ok"


async def test_a_sign_in_that_cannot_be_renewed_still_tells_its_end(person: MicrosoftSignIn) -> None:
    path = person.key(NOW, until=NOW + timedelta(days=2))
    person.fault = Fault.BROKEN
    whole, key = await key_look(person, path)
    assert isinstance(whole, Unseen) and whole.why is Why.SERVFAIL
    assert isinstance(key, Seen) and key.readings["code"] == "ends-soon"


async def test_a_key_that_cannot_be_written_again_is_told_and_the_numbers_are_read(person: MicrosoftSignIn) -> None:
    # The file's name is as long as a name may be: there is no room for the one it is written under first.
    path = person.key(NOW).rename(person.folder / ("k" * 250))
    whole, key = await key_look(person, path)
    assert isinstance(whole, Seen)
    assert isinstance(key, Seen) and key.readings["code"] == "unstored"
    assert "File name too long" in str(key.readings["detail"])
    assert load(path).refresh_token == "M.refresh-token-0"


async def test_a_sign_in_made_meanwhile_is_not_written_over(person: MicrosoftSignIn) -> None:
    path = person.key(NOW)
    other = load(path)
    asking = Asking(Authority(person.url, certificates=str(person.certificates)), "http://localhost:1", NOW)
    save(path, asking.redeem(person.agree(asking.address)[1], NOW))
    asking.close()
    mine = load(path)
    assert mine.signed_in == NOW and mine != other
    # A look that read the old file before that leaves the new one alone.
    assert _store(path, other, replace(other, renewed=NOW)) == ""
    assert load(path) == mine


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
async def test_what_root_writes_belongs_to_whoever_owns_the_directory(person: MicrosoftSignIn) -> None:
    path = person.key(NOW)
    os.chown(person.folder, 12_345, 12_346)
    save(path, load(path))
    assert (path.stat().st_uid, path.stat().st_gid, path.stat().st_mode & 0o777) == (12_345, 12_346, 0o600)


async def test_a_sign_in_without_a_refresh_token_is_no_key(person: MicrosoftSignIn) -> None:
    person.no_refresh_token = True
    asking = Asking(Authority(person.url, certificates=str(person.certificates)), "http://localhost:1", NOW)
    with pytest.raises(HttpFault, match="no refresh token"):
        asking.redeem(person.agree(asking.address)[1], NOW)
    asking.close()


async def test_headers_that_never_end_are_given_up(person: MicrosoftSignIn) -> None:
    person.fault = Fault.DRIP_HEADERS
    with pytest.raises(HttpFault) as caught:
        await renew(person.key(NOW), 0.2, str(person.certificates), NOW)
    assert caught.value.why is Why.TIMEOUT


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (requests.ReadTimeout("s3cret"), Why.TIMEOUT),
        (requests.exceptions.ChunkedEncodingError("s3cret"), Why.UNREADABLE),
        (requests.exceptions.InvalidURL("s3cret"), Why.NETWORK),
        (OSError("s3cret"), Why.NETWORK),
        (KeyError("s3cret"), Why.UNREADABLE),
        (RuntimeError("s3cret"), Why.UNREADABLE),
    ],
)
def test_everything_msal_raises_has_its_reason(fault: Exception, why: Why) -> None:
    found = of_exception(fault, "https://ann:s3cret@a.test/consumers?key=s3cret", NOW, ["s3cret"])
    assert found.why is why and "s3cret" not in found.detail


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.fixed_dictionaries({}, optional={"error": JSON, "error_description": JSON, "access_token": JSON}))
def test_any_refusal_is_a_fault(said: dict[str, Any]) -> None:
    found = of_refusal(said, ["s3cret", ""], "again")
    assert found.detail.isprintable() and len(found.detail) < 400


@given(JSON | st.fixed_dictionaries(dict.fromkeys(("authority", "client_id", "refresh_token", "ends"), JSON)))
def test_any_json_is_a_key_or_none(document: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "key.json")
        path.write_text(json.dumps(document))
        with pytest.raises(HttpFault):
            load(path)
