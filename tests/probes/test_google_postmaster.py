"""Google Postmaster Tools through Google's own client, against a stand-in that keeps to the discovery document."""

import asyncio
import json
import logging
import threading
import time
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from google.auth import jwt
from pydantic import ValidationError

from peers.nsd import free_port
from peers.postmaster import CLIENT_SECRET, LOOPS, REFRESH_TOKEN, SPAM, Fault, Postmaster, Watch, key, loop, wait_for
from probes.google_postmaster import Config, list_domains, observe, observe_compliance, observe_days
from probes.google_postmaster_client import Pace
from probes.google_postmaster_faults import ApiFault
from probes.observation import Observation, Seen, Unseen, Why

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
YESTERDAY = NOW.date() - timedelta(days=1)
DKIM = key("AUTH_SUCCESS_RATE", 'auth_type = "dkim"')


@pytest.fixture
def google() -> Iterator[Postmaster]:
    with Postmaster() as peer:
        yield peer
    assert not peer.problems


def config(google: Postmaster, **more: Any) -> Config:
    return Config(**{"token": google.token, "api_root": google.url, "timeout_seconds": 5, "compliance": False} | more)


def days(count: int, back: int = 0) -> list[Any]:
    return [YESTERDAY - timedelta(days=back + number) for number in range(count)]


def by_part(looks: tuple[Observation, ...], domain: str = "acme.com") -> dict[str, Seen | Unseen]:
    return {look.part: look.answer for look in looks if look.target == domain}


def seen(answer: Seen | Unseen) -> dict[str, Any]:
    assert isinstance(answer, Seen), answer
    return dict(answer.readings)


async def look(google: Postmaster, *domains: str, watch: Watch | None = None, **more: Any) -> tuple[Observation, ...]:
    watch = watch or Watch()
    pace = Pace(100, watch.sleep, watch.read)
    return await observe(config(google, **more), domains or ("acme.com",), None, NOW, pace)


async def test_each_day_with_numbers_is_a_look(google: Postmaster) -> None:
    google.fill("acme.com", days(3, back=2), {SPAM: 0.004, DKIM: 1.0})
    google.fill("acme.com", days(1, back=5), {SPAM: 0})
    google.fill("acme.com", days(1, back=11), {SPAM: 0.9})
    parts = by_part(await look(google))
    assert {part: dict(seen(answer)) for part, answer in parts.items() if part} == {
        "2026-11-16": {"spam_rate": 0.0},
        "2026-11-17": {"spam_rate": 0.004, "dkim_success_rate": 1.0},
        "2026-11-18": {"spam_rate": 0.004, "dkim_success_rate": 1.0},
        "2026-11-19": {"spam_rate": 0.004, "dkim_success_rate": 1.0},
    }
    missing = tuple(f"2026-11-{day}" for day in (12, 13, 14, 15, 20, 21))
    assert seen(parts[""]) == {"code": "ok", "days": 4, "latest": "2026-11-19", "missing": missing}


async def test_no_numbers_at_all_is_unseen(google: Postmaster) -> None:
    google.numbers["acme.com"] = {}
    answer = by_part(await look(google))[""]
    assert isinstance(answer, Unseen) and answer.why is Why.NO_DATA


async def test_a_revised_day_is_told_as_it_is_now(google: Postmaster) -> None:
    google.fill("acme.com", days(1), {SPAM: 0.001})
    before = by_part(await look(google))["2026-11-21"]
    google.fill("acme.com", days(1), {SPAM: 0.006})
    after = by_part(await look(google))["2026-11-21"]
    assert (seen(before)["spam_rate"], seen(after)["spam_rate"]) == (0.001, 0.006)


async def test_all_metrics_of_ten_days_fit_into_one_page(google: Postmaster) -> None:
    values: dict[str, Any] = dict.fromkeys(_every_rate(), 0.5)
    google.fill("acme.com", days(10), values | {LOOPS: ["c1"], loop("c1"): 0.0139})
    parts = by_part(await look(google))
    assert len(parts) == 11
    readings = seen(parts["2026-11-21"])
    assert readings["reject_rate:low_ip_reputation"] == readings["temp_fail_rate:other"] == 0.5
    assert readings["tls_inbound_rate"] == readings["spf_success_rate"] == readings["delivery_error_rate"] == 0.5
    assert readings["feedback_loop_ids"] == ("c1",)
    assert readings["feedback_loop_spam_rate:c1"] == readings["feedback_loop_spam_rate_max"] == 0.0139
    assert len(google.calls) == 2, "one for the numbers, one for the feedback loops found in them"


def _every_rate() -> Iterator[str]:
    from probes.google_postmaster_parse import EVERYTHING

    return (key(metric.standard, metric.filter) for metric in EVERYTHING if metric.standard != "FEEDBACK_LOOP_ID")


async def test_all_pages_are_read_for_the_newest_days_come_last(google: Postmaster) -> None:
    google.page_size = 3
    google.fill("acme.com", days(10), {SPAM: 0.001, DKIM: 1.0})
    parts = by_part(await look(google))
    assert len(parts) == 11 and "2026-11-21" in parts
    assert len(google.calls) == 7


async def test_a_longer_window_is_read_in_four_metrics(google: Postmaster) -> None:
    google.fill("acme.com", days(365), {SPAM: 0.001, DKIM: 1.0, key("AUTH_SUCCESS_RATE", 'auth_type = "spf"'): 1.0})
    parts = by_part(await look(google, days=365))
    assert len(parts) == 366
    assert seen(parts["2026-11-21"]) == {"spam_rate": 0.001, "dkim_success_rate": 1.0, "spf_success_rate": 1.0}
    assert seen(parts["2025-11-22"]) == {"spam_rate": 0.001, "dkim_success_rate": 1.0}
    assert google.calls == ["/v2/domainStats:batchQuery"]


async def test_pages_without_end_are_given_up(google: Postmaster) -> None:
    google.endless = True
    google.fill("acme.com", days(1), {SPAM: 0.001})
    parts = by_part(await look(google))
    assert list(parts) == [""] and isinstance(parts[""], Unseen) and parts[""].why is Why.UNREADABLE


async def test_numbers_of_a_call_that_broke_off_between_pages_are_not_told(google: Postmaster) -> None:
    google.page_size = 3
    google.fill("acme.com", days(10), {SPAM: 0.001})
    google.fill("acme.org", days(2), {SPAM: 0.001})
    # The second page of acme.com alone, after a first call for both.
    google.fail(Fault.BROKEN, path="domains/acme.com/")
    looks = await look(google, "acme.com", "acme.org")
    parts = by_part(looks)
    assert list(parts) == [""] and isinstance(parts[""], Unseen) and parts[""].why is Why.SERVFAIL
    assert len(by_part(looks, "acme.org")) == 3


@pytest.mark.parametrize("whole", [False, True])
async def test_a_domain_that_may_not_be_seen_darkens_no_other(google: Postmaster, whole: bool) -> None:
    google.denied_whole = whole
    names = [f"d{number}.com" for number in range(150)]
    denied = {"d7.com", "d140.com"}
    for name in set(names) - denied:
        google.fill(name, days(1), {SPAM: 0.001})
    looks = await look(google, *names)
    assert {found.target for found in looks if isinstance(found.answer, Unseen)} == denied
    assert {found.target for found in looks if found.part == "2026-11-21"} == set(names) - denied
    why = by_part(looks, "d7.com")[""]
    assert isinstance(why, Unseen) and why.why is Why.DENIED and "may not see the domain" in why.detail
    # Halves find the one among a hundred; asking one by one would take a hundred calls.
    assert len(google.calls) < 40


async def test_when_every_batch_is_refused_each_domain_is_asked_alone(google: Postmaster) -> None:
    names = [f"d{number}.com" for number in range(20)]
    for name in names:
        google.fill(name, days(1), {SPAM: 0.001})
    google.fail(Fault.FORBIDDEN, path="batchQuery")
    looks = await look(google, *names)
    assert all(isinstance(found.answer, Seen) for found in looks)
    assert len(google.calls) == 3 + 20


async def test_a_domain_known_to_be_refused_is_not_asked_about_again(google: Postmaster) -> None:
    google.denied_whole = True
    await look(google, "acme.com", days=365)
    assert len(google.calls) <= 4


@pytest.mark.parametrize("code", [14, 8, 13, 4])
async def test_an_error_of_one_query_is_asked_again(google: Postmaster, code: int) -> None:
    for name in ("acme.com", "acme.org"):
        google.fill(name, days(1), {SPAM: 0.001})
    delay = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "5.5s"}
    google.item_errors["acme.com"] = [{"code": code, "message": "later", "details": [delay]}]
    watch = Watch()
    looks = await look(google, "acme.com", "acme.org", watch=watch)
    assert all(isinstance(found.answer, Seen) for found in looks)
    assert watch.slept == [5.5]


@pytest.mark.parametrize(
    ("code", "why"),
    [(3, Why.REFUSED), (5, Why.DENIED), (7, Why.DENIED), (16, Why.DENIED), (8, Why.RATE_LIMITED), (14, Why.SERVFAIL)],
)
async def test_an_error_of_one_query_that_stays_is_that_domain_s(google: Postmaster, code: int, why: Why) -> None:
    for name in ("acme.com", "acme.org", "acme.net"):
        google.fill(name, days(1), {SPAM: 0.001})
    google.item_errors["acme.com"] = [{"code": code, "message": "no"}] * 3
    # Company, so that what is left over is still a batch.
    google.item_errors["acme.org"] = [{"code": 14, "message": "later"}] * 2
    looks = await look(google, "acme.com", "acme.org", "acme.net")
    answer = by_part(looks)[""]
    assert isinstance(answer, Unseen) and answer.why is why
    assert all(isinstance(found.answer, Seen) for found in looks if found.target != "acme.com")


@pytest.mark.parametrize("error", [{}, {"code": "7"}, {"code": 99, "message": "new"}])
async def test_an_error_that_says_nothing_known_is_unseen(google: Postmaster, error: dict[str, Any]) -> None:
    google.check_answers = False
    for name in ("acme.com", "acme.org"):
        google.fill(name, days(1), {SPAM: 0.001})
        google.item_errors[name] = [error] * 3
    looks = await look(google, "acme.com", "acme.org")
    assert {found.answer.why for found in looks if isinstance(found.answer, Unseen)} <= {Why.UNREADABLE, Why.REFUSED}
    assert not any(isinstance(found.answer, Seen) for found in looks)


@pytest.mark.parametrize("results", [[], [{}], [{}, {}], ["text", {"response": []}], [{"response": {}}] * 3])
async def test_a_batch_that_does_not_answer_each_query_is_unseen(google: Postmaster, results: list[Any]) -> None:
    google.numbers = {"acme.com": {}, "acme.org": {}}
    google.results = results
    google.answer = {"domainStats": "garbage"}
    looks = await look(google, "acme.com", "acme.org")
    assert [found.answer.why for found in looks if isinstance(found.answer, Unseen)] == [Why.UNREADABLE] * 2


async def test_an_unreadable_page_of_a_domain_alone_is_unseen(google: Postmaster) -> None:
    google.numbers = {"acme.com": {}}
    google.answer = {"domainStats": [{"metric": "spam_rate", "value": {"floatValue": 7}}]}
    answer = by_part(await look(google))[""]
    assert isinstance(answer, Unseen) and answer.why is Why.UNREADABLE


OUTAGES = [
    (Fault.HANG, Why.TIMEOUT, "no answer in time"),
    (Fault.DRIP, Why.TIMEOUT, "no answer in time"),
    (Fault.UNAUTHORIZED, Why.DENIED, "does not accept the token"),
    (Fault.SERVICE_DISABLED, Why.DENIED, "switched off in the Google Cloud project"),
    (Fault.SCOPE, Why.DENIED, "not given the right to read"),
    (Fault.FORBIDDEN, Why.DENIED, "may not see the domain"),
    (Fault.FORBIDDEN_RATE, Why.RATE_LIMITED, "slow down"),
    (Fault.INVALID, Why.REFUSED, "does not accept what was asked"),
    (Fault.RATE_LIMITED, Why.RATE_LIMITED, "retry after 7 s"),
    (Fault.BROKEN, Why.SERVFAIL, "could not answer"),
    (Fault.GARBAGE, Why.UNREADABLE, "not JSON"),
    (Fault.HTML, Why.UNREADABLE, "not a JSON object"),
    (Fault.LIST, Why.UNREADABLE, "not a JSON object"),
    (Fault.TRUNCATED, Why.UNREADABLE, "not JSON, or broke off"),
    (Fault.REDIRECT, Why.REFUSED, "does not accept"),
]


@pytest.mark.parametrize(("fault", "why", "words"), OUTAGES, ids=[fault.name for fault, *_ in OUTAGES])
async def test_an_outage_is_unseen(google: Postmaster, fault: Fault, why: Why, words: str) -> None:
    names = ("acme.com", "acme.org")
    for name in names:
        google.fill(name, days(1), {SPAM: 0.001})
        google.compliance[name] = {"complianceData": {"rowData": [{"requirement": "SPF"}]}}
    google.fail(fault)
    seconds = 0.3 if fault in (Fault.HANG, Fault.DRIP) else 5
    begun = time.monotonic()
    looks = await look(google, *names, timeout_seconds=seconds, compliance=True)
    assert {(found.target, found.part) for found in looks} == {
        (name, part) for name in names for part in ("", "compliance")
    }
    for found in looks:
        assert isinstance(found.answer, Unseen), found
        assert found.answer.why is why and words in found.answer.detail, found.answer
        assert not {REFRESH_TOKEN, CLIENT_SECRET, "an-access-token"} & set(found.answer.detail.split())
    assert time.monotonic() - begun < 8


async def test_nobody_there_is_unseen(google: Postmaster) -> None:
    looks = await look(google, api_root=f"http://127.0.0.1:{free_port()}")
    answer = by_part(looks)[""]
    assert isinstance(answer, Unseen) and answer.why is Why.NETWORK and "ConnectionRefused" in answer.detail


async def test_a_refused_refresh_token_is_unseen_and_not_told(google: Postmaster) -> None:
    google.revoked = True
    answer = by_part(await look(google))[""]
    assert isinstance(answer, Unseen) and answer.why is Why.DENIED
    assert "invalid_grant" in answer.detail and REFRESH_TOKEN not in answer.detail
    assert google.calls == []


async def test_a_token_service_that_is_not_there_is_unseen(google: Postmaster) -> None:
    token = json.loads(google.token) | {"token_uri": f"http://127.0.0.1:{free_port()}/token"}
    answer = by_part(await look(google, token=json.dumps(token)))[""]
    assert isinstance(answer, Unseen) and answer.why is Why.NETWORK


async def test_an_outage_costs_few_calls_however_many_domains_there_are(google: Postmaster) -> None:
    google.fail(Fault.BROKEN)
    await look(google, *(f"d{number}.com" for number in range(1000)), compliance=True)
    assert len(google.calls) <= 3 * 4 * 2


async def test_retry_after_is_waited_for(google: Postmaster) -> None:
    google.fill("acme.com", days(1), {SPAM: 0.001})
    google.fail(Fault.RATE_LIMITED, times=2)
    watch = Watch()
    assert "2026-11-21" in by_part(await look(google, watch=watch))
    assert watch.slept == [7, 7]


async def test_a_retry_after_past_all_patience_is_told_instead(google: Postmaster) -> None:
    google.retry_after = "120"
    google.fail(Fault.RATE_LIMITED, times=1)
    watch = Watch()
    answer = by_part(await look(google, watch=watch))[""]
    assert isinstance(answer, Unseen) and answer.detail.endswith("retry after 120 s")
    assert (watch.slept, len(google.calls)) == ([], 1)


async def test_no_more_calls_a_minute_than_allowed() -> None:
    watch = Watch()
    pace = Pace(3, watch.sleep, watch.read)
    left = []
    for _ in range(7):
        await pace.turn()
        left.append(watch.now - 1000)
        watch.now += 1
    assert left == [0, 1, 2, 60, 61, 62, 120]


async def test_the_pace_is_kept_from_one_look_to_the_next(google: Postmaster) -> None:
    google.fill("acme.com", days(1), {SPAM: 0.001})
    slow = config(google, calls_per_minute=1)
    await observe(slow, ["acme.com"], None, NOW)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await observe(slow, ["acme.com"], None, NOW)
    assert len(google.calls) == 1


async def test_a_broken_compliance_status_is_that_domain_s(google: Postmaster) -> None:
    google.check_answers = False
    good: dict[str, Any] = {"complianceData": {"rowData": [{"requirement": "SPF", "status": {"status": "COMPLIANT"}}]}}
    google.compliance = {"acme.com": {"complianceData": []}, "acme.org": good, "acme.net": {}}  # type: ignore[dict-item]
    names = ("acme.com", "acme.org", "acme.net", "acme.io")
    looks = await observe_compliance(config(google), names, None, NOW, Pace(100))
    answers = {found.target: found.answer for found in looks}
    assert seen(answers["acme.org"]) == {"registrable_spf": "compliant", "needs_work": ()}
    whys = [answer.why for answer in answers.values() if isinstance(answer, Unseen)]
    assert whys == [Why.UNREADABLE, Why.NO_DATA, Why.DENIED]


async def test_feedback_loops_that_could_not_be_read_leave_the_rest_standing(google: Postmaster) -> None:
    google.fill("acme.com", days(1), {SPAM: 0.001, LOOPS: ["c1"]})
    google.fail(Fault.INVALID, path="domains/acme.com/")
    google.fill("acme.org", days(1), {SPAM: 0.001})
    parts = by_part(await look(google, "acme.com", "acme.org"))
    assert seen(parts["2026-11-21"]) == {"spam_rate": 0.001, "feedback_loop_ids": ("c1",)}
    assert "does not accept" in seen(parts[""])["feedback_loops_unseen"]
    google.calls.clear()
    assert "feedback_loops_unseen" not in seen(
        by_part(await look(google, "acme.com", "acme.org", feedback_loops=False))[""]
    )
    assert len(google.calls) == 1


async def test_domains_are_listed_page_by_page(google: Postmaster) -> None:
    google.listing = True
    google.numbers = {f"d{number}.com": {} for number in range(5)}
    found = await list_domains(config(google), NOW, Pace(100))
    assert [(one.name, one.permission, one.verified) for one in found] == [
        (f"d{n}.com", "owner", True) for n in range(5)
    ]
    google.listing = False
    with pytest.raises(ApiFault, match="ACCESS_TOKEN_SCOPE_INSUFFICIENT"):
        await list_domains(config(google), NOW, Pace(100))


@pytest.mark.parametrize("listed", [{"domains": [{}]}, {"nextPageToken": 7}, {"nextPageToken": "again"}])
async def test_a_list_of_domains_that_is_none_is_not_used(google: Postmaster, listed: dict[str, Any]) -> None:
    google.listed = listed
    with pytest.raises(ApiFault, match="cannot be read"):
        await list_domains(config(google), NOW, Pace(1000))


async def test_each_thread_has_a_connection_of_its_own_and_the_token_is_fetched_once(google: Postmaster) -> None:
    names = [f"d{number}.com" for number in range(30)]
    google.compliance = {name: {"complianceData": {"rowData": [{"requirement": "SPF"}]}} for name in names}
    looks = await observe_compliance(config(google, calls_in_flight=8), names, None, NOW, Pace(100))
    assert all(isinstance(found.answer, Seen) for found in looks)
    assert 1 < len(google.threads) <= 12, "a connection for each thread, and not one for each of 30 calls"
    assert [form["grant_type"] for form in google.tokens] == ["refresh_token"]


async def test_nothing_is_left_open_or_warned_about(google: Postmaster, caplog: pytest.LogCaptureFixture) -> None:
    google.fill("acme.com", days(1), {SPAM: 0.001})
    with warnings.catch_warnings(), caplog.at_level(logging.INFO):
        warnings.simplefilter("error")
        await look(google)
    assert [record.message for record in caplog.records if "cache" in record.message] == []


async def test_a_cancelled_look_ends_at_once(google: Postmaster) -> None:
    google.fail(Fault.HANG)
    task = asyncio.create_task(look(google, timeout_seconds=60))
    await asyncio.to_thread(wait_for, lambda: google.calls)
    task.cancel()
    begun = time.monotonic()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - begun < 2
    assert threading.active_count() < 50


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def service_account(google: Postmaster, rsa_key: rsa.RSAPrivateKey) -> str:
    pem = rsa_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    account = {"type": "service_account", "client_email": "deliverd@project.test", "private_key": pem}
    return json.dumps(account | {"token_uri": f"{google.url}token"})


async def test_a_service_account_acts_for_its_subject(google: Postmaster, rsa_key: rsa.RSAPrivateKey) -> None:
    google.fill("acme.com", days(1), {SPAM: 0.001})
    account = service_account(google, rsa_key)
    looks = await look(google, token=None, service_account=account, subject="ann@acme.com")
    assert "2026-11-21" in by_part(looks)
    public = rsa_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    claims = jwt.decode(
        google.tokens[0]["assertion"], certs=public, verify=True, audience="https://oauth2.googleapis.com/token"
    )
    assert claims["sub"] == "ann@acme.com"
    assert claims["scope"] == "https://www.googleapis.com/auth/postmaster.traffic.readonly"


USER = {"client_id": "me", "client_secret": "s3cret-c", "refresh_token": "s3cret-r"}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "token or service_account"),
        ({"token": json.dumps(USER), "service_account": "{}"}, "not both"),
        ({"token": json.dumps(USER), "subject": "ann@acme.com"}, "subject goes with"),
        ({"token": "s3cret"}, "JSON of an authorized user"),
        ({"token": "[" * 100_000}, "JSON of an authorized user"),
        ({"token": '["s3cret"]'}, "lacks client_id, client_secret, refresh_token"),
        ({"token": json.dumps(USER | {"refresh_token": ""})}, "lacks refresh_token"),
        ({"token": json.dumps(USER | {"token_uri": "http://evil.test/token"})}, "token_uri with https://"),
        ({"token": json.dumps(USER | {"token_uri": 7})}, "token_uri with https://"),
        ({"service_account": json.dumps(USER)}, "lacks client_email, private_key, token_uri"),
        (
            {"service_account": '{"client_email": "a", "private_key": "s3cret", "token_uri": "https://a.test/"}'},
            "private key of the service account",
        ),
        ({"token": json.dumps(USER), "api_root": "https://gmailpostmastertools.googleapis.com"}, "loopback"),
        ({"token": json.dumps(USER), "api_root": "ftp://127.0.0.1"}, "loopback"),
        ({"token": json.dumps(USER), "api_root": "http://[::1"}, "loopback"),
        ({"token": json.dumps(USER), "days": 401}, "400"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused_without_its_secrets(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Config(**given)
    assert words in str(caught.value)
    assert "s3cret" not in str(caught.value) and "s3cret" not in repr(caught.value.errors(include_input=False))


def test_secrets_do_not_print() -> None:
    assert "s3cret" not in repr(Config(token=json.dumps(USER)))  # type: ignore[arg-type]


async def test_days_are_told_for_a_domain_once_however_often_it_is_named(google: Postmaster) -> None:
    google.fill("acme.com", days(1), {SPAM: 0.001})
    looks = await observe_days(config(google), ["acme.com", "acme.com"], None, NOW, Pace(100))
    assert len(looks) == 2
