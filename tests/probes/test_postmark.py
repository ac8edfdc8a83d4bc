"""Postmark: who may send events, its counts by stream and day, and what a server has."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from peers.postmark import TOKEN, Postmark
from peers.small_api import Outage
from peers.sparkpost import basic
from probes.discovery import Found
from probes.http import Http
from probes.observation import EventKind, ForgedRequest, MalformedRequest, Observation, Seen, Unseen, Why, Window
from probes.postmark import Config, discover, observe, receive
from probes.postmark_statistics import METRICS, parse_days, senders

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
PASSWORD = "a password that is long enough"
STREAMS = {"outbound": "acme.com", "broadcast": "ACME.com", "cold": "two.example"}


def config(api: Postmark | None = None, **settings: Any) -> Config:
    plain: dict[str, Any] = {"kind": "postmark", "server_token": TOKEN, "streams": STREAMS}
    if api is not None:
        plain["base_url"] = api.url
    return Config(**plain | settings)


@pytest.mark.parametrize(
    "setting",
    [
        {"streams": {"outbound": "ann@acme.com"}},
        {"streams": {"outbound": "acme"}},
        {"streams": {"Out Bound": "acme.com"}},
        {"days": 0},
        {"webhook_token": PASSWORD},
        {"base_url": "https://api.example/?token=x"},
        {"colour": "red"},
    ],
)
def test_settings_that_make_no_sense(setting: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        config(**setting)


def test_streams_name_domains() -> None:
    assert config().streams == {"outbound": "acme.com", "broadcast": "acme.com", "cold": "two.example"}
    assert Config(kind="postmark", server_token=TOKEN).streams == {}


async def test_receive_verifies_first_and_knows_the_streams() -> None:
    told = {
        "RecordType": "Delivery",
        "MessageID": "m1",
        "MessageStream": "cold",
        "Recipient": "john@gmail.com",
        "DeliveredAt": NOW.isoformat(),
    }
    body, window = json.dumps(told).encode(), Window(NOW)
    made = config(webhook_header="X-Deliverd", webhook_token=PASSWORD)
    async with Http() as http:
        events = (await receive(made, {"x-deliverd": PASSWORD}, body, window, http)).events
        assert [(one.kind, one.domain) for one in events] == [
            (EventKind.SENT, "two.example"),
            (EventKind.DELIVERED, "two.example"),
        ]
        for headers in ({"x-deliverd": "canary"}, {}, basic("deliverd", PASSWORD)):
            with pytest.raises(ForgedRequest):
                await receive(made, headers, b"not even JSON", window, http)
        with pytest.raises(MalformedRequest):
            await receive(made, {"x-deliverd": PASSWORD}, b"{", window, http)


async def look(api: Postmark, *domains: str, **settings: Any) -> tuple[Observation, ...]:
    async with Http() as http:
        return await observe(config(api, **settings), domains, http, NOW)


COUNTS: dict[str, Any] = {
    "outbound": {
        "sends": [{"Date": "2026-11-21", "Sent": 10}, {"Date": "2026-11-22", "Sent": 0}],
        "bounces": [{"Date": "2026-11-21", "HardBounce": 2, "SoftBounce": 1, "SMTPApiError": 4, "Transient": 3}],
        "spam": [{"Date": "2026-11-22", "SpamComplaint": 1}],
    },
    "broadcast": {
        "sends": [{"Date": "2026-11-21", "Sent": 5}, {"Date": "2026-11-01", "Sent": 99}],
        "bounces": [{"Date": "2026-11-21", "HardBounce": 1}],
    },
    "cold": {},
}


async def test_counts_by_domain_and_day_over_all_streams() -> None:
    with Postmark(counts=COUNTS) as api:
        looks = await look(api, "acme.com", "two.example", "three.example")
    first = {"sent": 15, "hard_bounced": 3, "soft_bounced": 4}
    no_stream = "no message stream is said to send from three.example: Postmark counts by stream (`streams`)"
    assert [(one.source, one.target, one.part, one.answer) for one in looks] == [
        ("postmark", "acme.com", "", Seen({"code": "ok", "days": 2} | first | {"complained": 1})),
        ("postmark", "acme.com", "2026-11-21", Seen(first)),
        ("postmark", "acme.com", "2026-11-22", Seen({"sent": 0, "complained": 1})),
        ("postmark", "two.example", "", Seen({"code": "ok", "days": 0})),
        ("postmark", "three.example", "", Unseen(Why.NO_DATA, no_stream)),
    ]
    assert len(api.calls) == 9
    assert all((asked["fromdate"], asked["todate"]) == ("2026-11-16", "2026-11-22") for _, asked in api.calls)


async def test_a_stream_that_is_not_there_hides_only_its_domain() -> None:
    with Postmark(counts={"outbound": {}, "broadcast": {}}) as api:
        good, bad = await look(api, "acme.com", "two.example")
    assert isinstance(good.answer, Seen)
    assert isinstance(bad.answer, Unseen)
    assert bad.answer.why is Why.REFUSED
    assert "stream for the provided ID was not found" in bad.answer.detail


async def test_a_fault_half_way_leaves_the_domain_unseen() -> None:
    with Postmark(counts=COUNTS) as api:
        api.fail(Outage.RATE_LIMITED, after=4)
        looks = await look(api, "acme.com", "two.example")
    assert len(api.calls) == 5
    assert [one.part for one in looks] == ["", ""]
    assert {one.answer.why for one in looks if isinstance(one.answer, Unseen)} == {Why.RATE_LIMITED}


def message(sender: str, stream: str = "") -> dict[str, Any]:
    told: dict[str, Any] = {"MessageID": "m", "From": sender, "Status": "Sent"}
    return told | {"MessageStream": stream} if stream else told


@pytest.mark.parametrize(("count", "calls"), [(3, 1), (500, 3), (1200, 7), (5000, 10)])
async def test_discover_reads_the_newest_messages(count: int, calls: int) -> None:
    sent = [message('"Ann" <ann@acme.com>', "outbound"), message("bob@two.example"), message("eve@acme.com", "cold")]
    with Postmark(messages=[sent[number % 3] for number in range(count)]) as api:
        async with Http() as http:
            found = await discover(config(api), http, NOW)
    assert found == (Found("acme.com", ("cold", "outbound")), Found("two.example"))
    assert len(api.calls) == calls


def test_rows_that_cannot_be_placed_are_passed_over() -> None:
    rows = [None, {}, {"Date": 5}, {"Date": "later", "Sent": 1}, {"Date": "2026-11-22", "Sent": 1}]
    assert parse_days("sends", rows) == {NOW.date(): {"sent": 1}}
    told = [None, {}, {"From": 5}, {"From": "nobody"}, {"From": "ann@acme.com", "MessageStream": 5}]
    assert senders(told) == {"acme.com": set()}


@given(
    st.sampled_from(sorted(METRICS)),
    st.lists(st.none() | st.dictionaries(st.sampled_from(["Date", "Sent"]), st.text())),
)
def test_whatever_is_answered_is_read(question: str, rows: list[Any]) -> None:
    assert isinstance(parse_days(question, rows), dict)
    assert isinstance(senders(rows), dict)
