"""SNDS over its API and its key link, against a stand-in, with a sign-in that msal itself renews."""

import json
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from peers.authority import MicrosoftSignIn
from peers.nsd import free_port
from peers.snds import LINK_KEY, Fault, Snds, row
from probes.http import Http
from probes.microsoft_snds import Config, observe, observe_days
from probes.observation import Observation, Seen, Unseen, Why

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
IPS = {"192.0.2.10": ["acme.com", "other.com"], "192.0.2.11": ["acme.com"]}


@pytest.fixture(autouse=True)
def _no_bundles(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def person(tmp_path: Path) -> Iterator[MicrosoftSignIn]:
    with MicrosoftSignIn(tmp_path) as peer:
        yield peer
    assert not peer.problems


@pytest.fixture
def snds(person: MicrosoftSignIn) -> Iterator[Snds]:
    with Snds(accepts=lambda token: token in person.access) as peer:
        yield peer


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    async with Http(timeout_seconds=5) as opened:
        yield opened


def config(person: MicrosoftSignIn, snds: Snds, **more: Any) -> Config:
    path = person.folder / "microsoft-token.json"
    known = {"token_file": path if path.exists() else person.key(NOW), "ips": IPS, "timeout_seconds": 5}
    return Config(**known | {"certificates": str(person.certificates), "api_root": snds.url} | more)


def link(snds: Snds, **more: Any) -> Config:
    return Config(**{"link": snds.link, "link_made": NOW.date(), "ips": IPS, "timeout_seconds": 5} | more)


def by_part(looks: tuple[Observation, ...], domain: str = "acme.com") -> dict[str, Seen | Unseen]:
    return {look.part: look.answer for look in looks if look.target == domain}


def seen(answer: Seen | Unseen) -> dict[str, Any]:
    assert isinstance(answer, Seen), answer
    return dict(answer.readings)


def unseen(answer: Seen | Unseen, why: Why) -> str:
    assert isinstance(answer, Unseen) and answer.why is why, answer
    return answer.detail


async def test_each_address_and_day_is_a_look_at_every_domain_that_sends_from_it(
    person: MicrosoftSignIn, snds: Snds, http: Http
) -> None:
    snds.fill("2026-11-19", row("192.0.2.10", "2026-11-19"))
    snds.fill("2026-11-20", row("192.0.2.10", "2026-11-20", "RED", "< 0.1%", 3), row("192.0.2.11", "2026-11-20"))
    snds.fill("2026-11-20", row("198.51.100.9", "2026-11-20"))
    looks = await observe(config(person, snds), ["acme.com", "other.com", "third.com"], http, NOW)
    acme, other = by_part(looks), by_part(looks, "other.com")
    rows = {"2026-11-19/192.0.2.10", "2026-11-20/192.0.2.10", "2026-11-20/192.0.2.11"}
    assert set(acme) == {"", "key"} | rows
    assert set(other) == {"", "key"} | rows - {"2026-11-20/192.0.2.11"}
    shared = seen(acme["2026-11-20/192.0.2.10"])
    assert shared == seen(other["2026-11-20/192.0.2.10"])
    assert (shared["shared"], shared["filter_result"], shared["trap_hits"]) == (2, "red", 3)
    assert (shared["complaint_rate_low"], shared["complaint_rate_high"]) == (0.0, 0.001)
    assert seen(acme["2026-11-20/192.0.2.11"])["shared"] == 1
    assert seen(acme[""]) == {
        "code": "ok",
        "days": 2,
        "latest": "2026-11-20",
        "ips": ("192.0.2.10", "192.0.2.11"),
        "missing": ("2026-11-17", "2026-11-18", "2026-11-21"),
        "unattributed": ("198.51.100.9",),
    }
    assert by_part(looks, "third.com").keys() == {""}
    assert "no address" in unseen(by_part(looks, "third.com")[""], Why.NO_DATA)


async def test_a_day_is_asked_for_by_its_name_and_once_more_with_a_slash(
    person: MicrosoftSignIn, snds: Snds, http: Http
) -> None:
    snds.slash_only = True
    snds.fill("2026-11-21", row("192.0.2.10", "2026-11-21"))
    looks = await observe_days(config(person, snds, days=1), ["acme.com"], http, NOW)
    assert "2026-11-21/192.0.2.10" in by_part(looks)
    assert snds.calls == ["api/report/data/2026-11-21", "api/report/data/2026-11-21/"]


async def test_nothing_at_all_and_quiet_days_are_no_numbers_and_no_zero(
    person: MicrosoftSignIn, snds: Snds, http: Http
) -> None:
    looks = await observe_days(config(person, snds), ["acme.com"], http, NOW)
    assert set(by_part(looks)) == {"", "key"} and "no numbers" in unseen(by_part(looks)[""], Why.NO_DATA)
    snds.fill("2026-11-20")
    looks = await observe_days(config(person, snds), ["acme.com"], http, NOW)
    assert set(by_part(looks)) == {"", "key"} and "no numbers" in unseen(by_part(looks)[""], Why.NO_DATA)


async def test_without_a_watched_domain_nobody_is_asked(person: MicrosoftSignIn, snds: Snds, http: Http) -> None:
    looks = await observe_days(config(person, snds), ["third.com"], http, NOW)
    assert by_part(looks, "third.com").keys() == {""}
    assert not snds.calls and not person.calls


async def test_a_row_that_cannot_be_read_blinds_those_it_may_be_about(
    person: MicrosoftSignIn, snds: Snds, http: Http
) -> None:
    snds.fill("2026-11-20", row("192.0.2.10", "2026-11-20"), row("192.0.2.11", "2026-11-20", rate="0.5"))
    looks = await observe_days(config(person, snds), ["acme.com", "other.com"], http, NOW)
    assert "line 2" in unseen(by_part(looks)[""], Why.UNREADABLE)
    assert "2026-11-20/192.0.2.10" in by_part(looks), "what was read is told all the same"
    assert seen(by_part(looks, "other.com")[""])["code"] == "ok"
    snds.fill("2026-11-20", "cut,off")
    looks = await observe_days(config(person, snds), ["acme.com", "other.com"], http, NOW)
    assert "2 columns" in unseen(by_part(looks, "other.com")[""], Why.UNREADABLE)


async def test_a_fault_in_the_middle_keeps_the_days_that_were_read(
    person: MicrosoftSignIn, snds: Snds, http: Http
) -> None:
    snds.fill("2026-11-18", row("192.0.2.10", "2026-11-18"))
    snds.fault, snds.fault_on = Fault.BROKEN, "2026-11-19"
    parts = by_part(await observe_days(config(person, snds), ["acme.com"], http, NOW))
    unseen(parts[""], Why.SERVFAIL)
    assert "2026-11-18/192.0.2.10" in parts
    assert not any("2026-11-20" in call for call in snds.calls), "the rest is not asked for"


OUTAGES = [
    (Fault.HANG, Why.TIMEOUT, "no answer within"),
    (Fault.DRIP, Why.TIMEOUT, "no answer within"),
    (Fault.MALFORMED, Why.REFUSED, "400"),
    (Fault.UNAUTHORIZED, Why.DENIED, "401"),
    (Fault.FORBIDDEN, Why.DENIED, "403"),
    (Fault.RATE_LIMITED, Why.RATE_LIMITED, "retry after 7 s"),
    (Fault.BROKEN, Why.SERVFAIL, "500"),
    (Fault.GARBAGE, Why.UNREADABLE, "not SNDS data"),
    (Fault.HTML, Why.UNREADABLE, "a web page, perhaps the one to sign in"),
    (Fault.UNTYPED_HTML, Why.UNREADABLE, "a web page, perhaps the one to sign in"),
    (Fault.JSON, Why.UNREADABLE, "1 columns instead of 14"),
    (Fault.TRUNCATED, Why.UNREADABLE, "broke off"),
    (Fault.CUT, Why.UNREADABLE, "3 columns instead of 14"),
    (Fault.REDIRECT, Why.REFUSED, "redirects are not followed"),
]
NAMES = [fault.name for fault, *_ in OUTAGES]


def seconds(fault: Fault) -> float:
    return 0.4 if fault in (Fault.HANG, Fault.DRIP) else 5


def outage(looks: tuple[Observation, ...], why: Why, words: str, *secrets: str) -> None:
    """Every domain is blind, says why, and knows no number and no secret."""
    for domain in ("acme.com", "other.com"):
        parts = by_part(looks, domain)
        assert set(parts) <= {"", "key"}
        detail = unseen(parts[""], why)
        assert words in detail
        assert not any(secret in detail for secret in secrets)


@pytest.mark.parametrize(("fault", "why", "words"), OUTAGES, ids=NAMES)
async def test_an_outage_of_the_api_is_unseen(
    person: MicrosoftSignIn, snds: Snds, http: Http, fault: Fault, why: Why, words: str
) -> None:
    snds.fill("2026-11-20", row("192.0.2.10", "2026-11-20"))
    snds.fault = fault
    begun = time.monotonic()
    # The sign-in takes its time under load: it is another call, which does not fail here.
    account = config(person, snds, timeout_seconds=seconds(fault) if fault is not Fault.HANG else 1)
    looks = await observe_days(account, ["acme.com", "other.com"], http, NOW)
    outage(looks, why, words, *person.access, *person.issued)
    assert seen(by_part(looks)["key"])["code"] == "ok"
    assert time.monotonic() - begun < 8 and len(snds.calls) == 1


@pytest.mark.parametrize(("fault", "why", "words"), OUTAGES, ids=NAMES)
async def test_an_outage_of_the_key_link_is_unseen_and_shows_no_part_of_it(
    snds: Snds, http: Http, fault: Fault, why: Why, words: str
) -> None:
    snds.link_rows = [row("192.0.2.10", "2026-11-20")]
    snds.fault = fault
    looks = await observe_days(link(snds, timeout_seconds=seconds(fault)), ["acme.com", "other.com"], http, NOW)
    outage(looks, why, words, LINK_KEY, "DataKey")


SIGN_IN = {Fault.GARBAGE: "not a JSON", Fault.CUT: "not a JSON", Fault.JSON: "not a JSON"}
SIGN_IN |= {Fault.HTML: "not a JSON", Fault.UNTYPED_HTML: "not a JSON"}
SIGN_IN |= {Fault.HANG: "no answer in time", Fault.DRIP: "no answer in time"}


@pytest.mark.parametrize("place", ["openid-configuration", "token"])
@pytest.mark.parametrize(("fault", "why", "words"), OUTAGES, ids=NAMES)
async def test_an_outage_of_the_sign_in_is_unseen(
    person: MicrosoftSignIn,
    snds: Snds,
    http: Http,
    caplog: pytest.LogCaptureFixture,
    fault: Fault,
    why: Why,
    words: str,
    place: str,
) -> None:
    snds.fill("2026-11-20", row("192.0.2.10", "2026-11-20"))
    account = config(person, snds, timeout_seconds=seconds(fault))
    before = account.token_file.read_bytes() if account.token_file else b""
    person.fault, person.fault_on = fault, place
    looks = await observe_days(account, ["acme.com", "other.com"], http, NOW)
    outage(looks, why, SIGN_IN.get(fault, words), person.valid)
    assert not snds.calls
    assert account.token_file and account.token_file.read_bytes() == before
    assert "refresh-token" not in caplog.text


async def test_nobody_there_is_unseen(person: MicrosoftSignIn, snds: Snds, http: Http) -> None:
    dead = f"http://127.0.0.1:{free_port()}/"
    looks = await observe_days(config(person, snds, api_root=dead), ["acme.com", "other.com"], http, NOW)
    outage(looks, Why.NETWORK, "ConnectError")
    looks = await observe_days(link(snds, link=f"{dead}{LINK_KEY}"), ["acme.com", "other.com"], http, NOW)
    outage(looks, Why.NETWORK, "ConnectError", LINK_KEY)
    person.key(NOW, authority=f"https://localhost:{free_port()}/consumers")
    looks = await observe_days(config(person, snds), ["acme.com", "other.com"], http, NOW)
    outage(looks, Why.NETWORK, "ConnectionRefusedError", person.valid)


async def test_a_link_gives_what_it_gives_and_is_asked_once(snds: Snds, http: Http) -> None:
    snds.link_rows = [row("192.0.2.10", "2026-11-20"), row("192.0.2.11", "2026-11-20", rate="0.3%")]
    parts = by_part(await observe_days(link(snds), ["acme.com"], http, NOW))
    assert set(parts) == {"", "key", "2026-11-20/192.0.2.10", "2026-11-20/192.0.2.11"}
    assert seen(parts["2026-11-20/192.0.2.11"])["complaint_rate_high"] == 0.003
    assert len(snds.calls) == 1 and not any(call.startswith("api") for call in snds.calls)


async def test_404_of_a_link_is_no_data_until_it_has_lapsed(snds: Snds, http: Http) -> None:
    parts = by_part(await observe_days(link(snds), ["acme.com"], http, NOW))
    assert "or has lapsed" in unseen(parts[""], Why.NO_DATA)
    made = (NOW - timedelta(days=29)).date()
    parts = by_part(await observe_days(link(snds, link_made=made), ["acme.com"], http, NOW))
    unseen(parts[""], Why.NO_DATA)
    made = (NOW - timedelta(days=30)).date()
    parts = by_part(await observe_days(link(snds, link_made=made), ["acme.com"], http, NOW))
    assert "lapsed on 2026-11-22" in unseen(parts[""], Why.DENIED)


@pytest.mark.parametrize(
    ("age", "code", "words"),
    [(0, "ok", ""), (22, "ok", ""), (23, "ends-soon", "lapses on 2026-11-29"), (40, "ends-soon", "lapsed on")],
)
async def test_the_end_of_a_link_is_told_before_it_comes(
    snds: Snds, http: Http, age: int, code: str, words: str
) -> None:
    snds.link_rows = []
    made = (NOW - timedelta(days=age)).date()
    key = seen(by_part(await observe_days(link(snds, link_made=made), ["acme.com"], http, NOW))["key"])
    assert (key["code"], key["key"]) == (code, "key link") and words in str(key.get("detail", ""))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "token_file or link"),
        ({"token_file": "a", "link": "https://a.test/"}, "token_file or link"),
        ({"token_file": "a", "link_made": "2026-11-01"}, "link together with link_made"),
        ({"link": "https://a.test/"}, "link together with link_made"),
        ({"link": f"http://a.test/{LINK_KEY}", "link_made": "2026-11-01"}, "expected a link with https://"),
        ({"token_file": "a", "api_root": "http://a.test/"}, "expected https://"),
        ({"token_file": "a", "ips": {}}, "at least 1 item"),
        ({"token_file": "a", "ips": {"192.0.2": ["a.com"]}}, "expected addresses"),
        ({"token_file": "a", "ips": {"192.0.2.1": []}}, "the names of the domains"),
        ({"token_file": "a", "ips": {"192.0.2.1": ["a b"]}}, "the names of the domains"),
        ({"token_file": "a", "ips": {"2001:db8::1": ["a.com"], "2001:DB8:0::1": ["b.com"]}}, "a second time"),
        ({"token_file": "a", "dayz": 3}, "Extra inputs"),
    ],
)
def test_a_configuration_that_cannot_be_used(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words) as fault:
        Config(**{"ips": IPS} | values)
    assert LINK_KEY not in str(fault.value)


def test_names_are_spelt_as_everywhere_and_no_secret_is_shown() -> None:
    account = Config(
        link=f"https://a.test/{LINK_KEY}",
        link_made=NOW.date(),
        ips={"192.0.2.1": ["Acme.COM.", "bücher.de", "acme.com"]},
    )
    assert account.ips == {"192.0.2.1": ("acme.com", "xn--bcher-kva.de")}
    assert LINK_KEY not in repr(account) + account.model_dump_json()
    assert json.loads(account.model_dump_json())["ips"]["192.0.2.1"] == ["acme.com", "xn--bcher-kva.de"]
