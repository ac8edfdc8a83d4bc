"""Instantly against a stand-in that really answers, and that is held against Instantly's own API description."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from peers.instantly import SPEC, Instantly
from peers.outages import OUTAGES
from peers.outreach import Fault, Spec
from probes import instantly
from probes.daily_numbers import Days
from probes.discovery import Found
from probes.http import Http, HttpFault
from probes.instantly_statistics import Daily, Warmup, add_daily, add_warmup
from probes.observation import ForgedRequest, Observation, Seen, Unseen, Why, Window
from probes.outreach_looks import health, watched

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
TODAY, YESTERDAY = "2026-11-22", "2026-11-21"
TOKEN = "Bearer the-token-of-the-webhook"


@pytest.fixture
def platform() -> Iterator[Instantly]:
    with Instantly() as found:
        yield found
    if Spec.is_there(SPEC):
        described = [call for call in found.calls if call.status < 400 and isinstance(call.answer, dict | list)]
        assert Spec(SPEC).faults(described, found.prefix) == []


def config(platform: Instantly | None = None, **members: Any) -> instantly.Config:
    key = platform.key if platform else "a key"
    where = {"base_url": platform.base_url} if platform else {}
    return instantly.Config(**{"kind": "instantly", "api_key": key, "patience_seconds": 5} | where | members)


def by_part(looks: tuple[Observation, ...], domain: str) -> dict[str, Any]:
    return {
        look.part: dict(look.answer.readings) if isinstance(look.answer, Seen) else look.answer
        for look in looks
        if look.target == domain
    }


async def test_mailboxes_and_days_are_rolled_up_to_the_domain(platform: Instantly, http: Http) -> None:
    platform.add("a@acme.com", "b@mail.acme.com", "c@acme.com")
    platform.add("x@other.com", status=-1, daily_limit=None, stat_warmup_score=None)
    platform.add("y@stranger.com")
    platform.person_pauses("c@acme.com")
    platform.sent("a@acme.com", TODAY, 10, bounced=1, replies=2)
    platform.sent("b@mail.acme.com", TODAY, 5)
    platform.sent("a@acme.com", YESTERDAY, 7)
    platform.sent("a@acme.com", "2026-11-15", 99)
    platform.warmed("a@acme.com", TODAY, sent=10, landed_inbox=8, landed_spam=2, received=10)
    platform.warmed("c@acme.com", YESTERDAY, sent=5, landed_inbox=5, received=5)
    platform.warmed("x@other.com", YESTERDAY, sent=5, landed_inbox=4, received=5)
    platform.warmed("x@other.com", "2026-11-01", sent=5, landed_inbox=4, received=5)
    looks = await instantly.observe(config(platform), ["acme.com", "other.com", "absent.com"], http, NOW)
    assert by_part(looks, "acme.com") == {
        "": {
            "code": "ok",
            "mailboxes": 3,
            "mailboxes_paused": 1,
            "mailboxes_unable": 0,
            "daily_limit": 150,
            "days": 2,
            "warmup_mailboxes": 3,
            "warmup_health": 90.0,
            "warmup_health_lowest": 90.0,
        },
        TODAY: {"sent": 15, "bounced": 1, "replied": 2, "warmup_sent": 10, "warmup_spam": 2},
        YESTERDAY: {"sent": 7, "bounced": 0, "replied": 0, "warmup_sent": 5, "warmup_spam": 0},
    }
    other = by_part(looks, "other.com")
    assert other[""]["mailboxes_unable"] == 1
    assert "daily_limit" not in other[""], "one mailbox does not tell its limit, so there is no sum"
    assert other[""]["warmup_health"] == 80.0
    assert other[YESTERDAY] == {"warmup_sent": 5}, "that nothing landed in spam was not told"
    assert by_part(looks, "absent.com") == {"": Unseen(Why.NO_DATA, "the account has no mailbox of absent.com")}


@pytest.mark.parametrize("tells", [True, False])
async def test_all_pages_are_read_until_one_is_empty(platform: Instantly, http: Http, tells: bool) -> None:
    platform.tells_the_cursor = tells
    platform.add(*(f"m{number}@acme.com" for number in range(230)))
    platform.sent("m229@acme.com", TODAY, 3)
    looks = by_part(await instantly.observe(config(platform), ["acme.com"], http, NOW), "acme.com")
    assert (looks[""]["mailboxes"], looks[TODAY]["sent"]) == (230, 3)
    assert len(platform.asked("/accounts")) == 6
    asked = [[value for name, value in call.query if name == "emails"] for call in platform.asked(".*/daily")]
    assert [len(emails) for emails in asked] == [100, 100, 30]
    assert [len(call.body["emails"]) for call in platform.asked(".*/warmup-analytics")] == [100, 100, 30]
    assert {(call.asked["start_date"], call.asked["end_date"]) for call in platform.asked(".*/daily")} == {
        ("2026-11-16", TODAY)
    }


@pytest.mark.parametrize("path", ["/accounts", "/accounts/analytics/daily", "/accounts/warmup-analytics"])
@pytest.mark.parametrize(("fault", "why", "words"), OUTAGES)
async def test_an_outage_is_unseen(
    platform: Instantly, http: Http, fault: Fault, why: Why, words: str, path: str
) -> None:
    platform.add("a@acme.com", "b@other.com")
    platform.retry_after = "77"
    platform.fail(fault, path)
    made = config(
        platform, timeout_seconds=0.3 if fault is Fault.SILENT else 10, webhook_header="x-token", webhook_token=TOKEN
    )
    looks = await instantly.observe(made, ["acme.com", "other.com"], http, NOW)
    assert [(look.target, look.part) for look in looks] == [("acme.com", ""), ("other.com", "")]
    for look in looks:
        assert isinstance(look.answer, Unseen)
        assert look.answer.why is why
        assert words in look.answer.detail
        assert platform.key not in look.answer.detail
    assert platform.key not in repr(made)


async def test_a_rate_limit_is_waited_for(platform: Instantly, http: Http) -> None:
    platform.add("a@acme.com")
    platform.retry_after = "0"
    platform.fail(Fault.RATE_LIMITED, "/accounts.*", times=3)
    looks = by_part(await instantly.observe(config(platform), ["acme.com"], http, NOW), "acme.com")
    assert looks[""]["code"] == "ok"


async def test_it_is_not_waited_for_without_end(platform: Instantly, http: Http) -> None:
    platform.retry_after = "0"
    platform.fail(Fault.RATE_LIMITED)
    (look,) = await instantly.observe(config(platform, patience_seconds=0.35), ["acme.com"], http, NOW)
    assert look.answer == Unseen(
        Why.RATE_LIMITED, f"{platform.base_url}/accounts: 429: Too Many Requests; ask again in 0 s"
    )
    assert len(platform.calls) == 4


async def test_a_fault_of_some_mailboxes_blinds_only_their_domains(platform: Instantly, http: Http) -> None:
    platform.add(*(f"m{number}@acme.com" for number in range(100)), "b@other.com")
    platform.fail(Fault.UNPROCESSABLE, ".*/daily", times=1)
    looks = await instantly.observe(config(platform), ["acme.com", "other.com"], http, NOW)
    assert isinstance(looks[0].answer, Unseen)
    assert isinstance(looks[1].answer, Seen)


async def test_everybodys_fault_is_not_waited_for_again(platform: Instantly, http: Http) -> None:
    platform.add(*(f"m{number}@acme.com" for number in range(300)), "b@other.com")
    platform.fail(Fault.BROKEN, ".*/daily")
    looks = await instantly.observe(config(platform), ["acme.com", "other.com"], http, NOW)
    assert all(isinstance(look.answer, Unseen) for look in looks)
    assert len(platform.asked(".*/daily")) == 1


async def test_discover(platform: Instantly, http: Http) -> None:
    platform.add("b@acme.com", "a@acme.com", "x@other.com", "nonsense")
    assert await instantly.discover(config(platform), http, NOW) == (
        Found("acme.com", ("a@acme.com", "b@acme.com")),
        Found("other.com", ("x@other.com",)),
    )
    platform.fail(Fault.UNAUTHORIZED)
    with pytest.raises(HttpFault, match="401"):
        await instantly.discover(config(platform), http, NOW)


async def test_a_request_needs_the_header(http: Http) -> None:
    made = config(webhook_header="Authorization", webhook_token=TOKEN)
    body = b'{"event_type": "email_sent", "timestamp": "2026-11-22T11:59:00Z", "email_account": "a@acme.com"}'
    found = await instantly.receive(made, {"authorization": TOKEN}, body, Window(NOW), http)
    assert [event.domain for event in found.events] == ["acme.com"]
    for headers in ({}, {"authorization": ""}, {"authorization": TOKEN[:-1]}, {"authorization": "é"}):
        with pytest.raises(ForgedRequest) as caught:
            await instantly.receive(made, headers, body, Window(NOW), http)
        assert TOKEN not in str(caught.value)
    with pytest.raises(ForgedRequest, match="no secret is configured"):
        await instantly.receive(config(), {"authorization": TOKEN}, body, Window(NOW), http)


@pytest.mark.parametrize(
    "members", [{"days": 0}, {"days": 32}, {"base_url": "http://x.example"}, {"webhook_token": "x"}]
)
def test_a_configuration_that_is_none(members: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        config(**members)


def test_numbers_that_are_none() -> None:
    assert [health(value) for value in (87, "87%", " 87.5 ", 101, -1, "x", None, True)] == [
        87, 87, 87.5, *[None] * 5,
    ]  # fmt: skip
    assert watched("a.b.acme.com", ["acme.com", "b.acme.com"]) == "b.acme.com"
    assert watched("acme.org", ["acme.com"]) == ""


def test_rows_that_make_no_sense_are_passed_over() -> None:
    days: dict[str, Days] = {"a@acme.com": {}}
    since = NOW.date() - timedelta(days=6)
    rows = [Daily("x", "a@acme.com", 1), Daily(TODAY, "b@acme.com", 1), Daily(TODAY, "A@acme.com", "x", None, 2)]
    add_daily(days, rows, since)
    add_warmup(days, Warmup({"b@acme.com": {TODAY: {"sent": 1}}, "a@acme.com": {"x": {"sent": 1}}}), since)
    assert days == {"a@acme.com": {NOW.date(): {"replied": 2}}}


@given(
    st.dictionaries(st.text(max_size=12), st.dictionaries(st.text(max_size=12), st.none() | st.integers() | st.text()))
)
def test_no_warmup_breaks_it(told: dict[str, Any]) -> None:
    days: dict[str, Days] = {email.lower(): {} for email in told}
    add_warmup(days, Warmup({email: {TODAY: numbers} for email, numbers in told.items()}), NOW.date())
