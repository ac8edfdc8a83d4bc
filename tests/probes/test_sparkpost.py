"""SparkPost: who may send events, its counts by domain and day, and what an account has."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from peers.small_api import Outage
from peers.sparkpost import KEY, PREFIX, SparkPost, basic
from probes.discovery import Found
from probes.http import Http
from probes.observation import ForgedRequest, MalformedRequest, Observation, Seen, Unseen, Why, Window
from probes.sparkpost import Config, discover, observe, receive
from probes.sparkpost_statistics import parse_domains, parse_metrics

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
PASSWORD = "a password that is long enough"
COUNTS = {
    "count_sent": 100,
    "count_delivered": 90,
    "count_hard_bounce": 4,
    "count_soft_bounce": 3,
    "count_block_bounce": 2,
    "count_undetermined_bounce": 1,
    "count_admin_bounce": 7,
    "count_spam_complaint": 2,
    "count_unsubscribe": 1,
}
DAY = {
    "sent": 100,
    "delivered": 90,
    "hard_bounced": 4,
    "soft_bounced": 6,
    "complained": 2,
    "unsubscribed": 1,
}


def config(api: SparkPost | None = None, **settings: Any) -> Config:
    plain: dict[str, Any] = {"kind": "sparkpost", "api_key": KEY}
    if api is not None:
        plain["base_url"] = api.url + PREFIX
    return Config(**plain | settings)


@pytest.mark.parametrize("setting", [{"days": 61}, {"timeout_seconds": 0}, {"colour": "red"}, {"webhook_user": "x"}])
def test_settings_that_make_no_sense(setting: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        config(**setting)


async def test_receive_verifies_first() -> None:
    event = {
        "type": "injection",
        "event_id": "1",
        "timestamp": str(int(NOW.timestamp())),
        "friendly_from": "a@acme.com",
    }
    body = json.dumps([{"msys": {"message_event": event}}]).encode()
    made, window = config(webhook_user="deliverd", webhook_password=PASSWORD), Window(NOW)
    async with Http() as http:
        assert len((await receive(made, basic("deliverd", PASSWORD), body, window, http)).events) == 1
        with pytest.raises(ForgedRequest):
            await receive(made, basic("deliverd", "canary"), b"not even JSON", window, http)
        with pytest.raises(MalformedRequest):
            await receive(made, basic("deliverd", PASSWORD), b"{", window, http)
        with pytest.raises(ForgedRequest, match="no secret"):
            await receive(config(), {}, body, window, http)


async def look(api: SparkPost, *domains: str, **settings: Any) -> tuple[Observation, ...]:
    async with Http() as http:
        return await observe(config(api, **settings), domains, http, NOW)


async def test_counts_by_domain_and_day() -> None:
    counts: dict[str, Any] = {
        "acme.com": {"2026-11-16": COUNTS, "2026-11-22": {"count_sent": 0}, "2026-11-01": COUNTS},
        "unasked.example": {"2026-11-22": COUNTS},
    }
    with SparkPost(counts=counts) as api:
        looks = await look(api, "acme.com", "silent.example")
    assert [(one.source, one.target, one.part, one.answer) for one in looks] == [
        ("sparkpost", "acme.com", "", Seen({"code": "ok", "days": 2} | DAY)),
        ("sparkpost", "acme.com", "2026-11-16", Seen(DAY)),
        ("sparkpost", "acme.com", "2026-11-22", Seen({"sent": 0})),
        ("sparkpost", "silent.example", "", Seen({"code": "ok", "days": 0})),
    ]
    assert [asked["from"] for _, asked in api.calls] == [f"2026-11-{day}T00:00" for day in range(16, 23)]


async def test_a_thousand_domains_are_few_calls_with_short_addresses() -> None:
    domains = [f"a-rather-long-name-of-number-{number}.example" for number in range(1000)]
    with SparkPost() as api:
        looks = await look(api, *domains, days=2)
    assert len(looks) == 1000
    assert len(api.calls) == 2 * 25
    assert max(len(asked["sending_domains"]) for _, asked in api.calls) < 3000


async def test_a_fault_half_way_keeps_what_was_seen() -> None:
    domains = [f"d{number}.example" for number in range(60)]
    with SparkPost(counts={name: {"2026-11-22": COUNTS} for name in domains}) as api:
        api.fail(Outage.RATE_LIMITED, after=7)
        looks = await look(api, *domains)
    assert len(api.calls) == 8
    unseen = [one for one in looks if isinstance(one.answer, Unseen)]
    assert [one.target for one in unseen] == domains[40:]
    assert {one.answer.why for one in unseen if isinstance(one.answer, Unseen)} == {Why.RATE_LIMITED}
    assert sum(one.part == "2026-11-22" for one in looks) == 40


async def test_discover() -> None:
    verified = {"ownership_verified": True, "compliance_status": "valid"}
    blocked = {"ownership_verified": False, "compliance_status": "blocked"}
    listed = [
        {"domain": "two.example", "status": verified, "subaccount_id": 123},
        {"domain": "ACME.com", "status": blocked, "shared_with_subaccounts": True},
    ]
    with SparkPost(listed=listed) as api:
        async with Http() as http:
            found = await discover(config(api), http, NOW)
    assert found == (
        Found("acme.com", detail="not verified, blocked by SparkPost, shared with all subaccounts"),
        Found("two.example", levers=("subaccount:123",)),
    )


def test_rows_that_cannot_be_placed_are_passed_over() -> None:
    row = {"sending_domain": "acme.com", "count_sent": 1}
    assert parse_metrics([None, {}, {"sending_domain": 5}, {"sending_domain": "nobody"}, row]) == {
        "acme.com": {"sent": 1}
    }
    rows = [None, {}, {"domain": 5}, {"domain": "nobody"}, {"domain": "acme.com", "subaccount_id": 0}]
    assert parse_domains(rows) == (Found("acme.com"),)


ROWS = st.dictionaries(
    st.sampled_from(["sending_domain", "domain", "status", "count_sent"]), st.none() | st.text() | st.floats()
)


@given(st.lists(st.none() | ROWS))
def test_whatever_is_answered_is_read(rows: list[Any]) -> None:
    assert isinstance(parse_metrics(rows), dict)
    assert isinstance(parse_domains(rows), tuple)
