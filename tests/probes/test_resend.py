"""Resend: who may send events, its counts by domain and day, and what an account has."""

import base64
import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from peers.resend import KEY, SECRET, Resend, sign, spec
from peers.small_api import Outage, skip_without
from probes.daily_numbers import readings
from probes.discovery import Found
from probes.http import Http, HttpFault
from probes.observation import ForgedRequest, MalformedRequest, Observation, Seen, Unseen, Why, Window
from probes.resend import Config, discover, observe, receive, verify
from probes.resend_statistics import ASKED, METRICS, parse_domains, parse_metrics

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
WINDOW = Window(NOW)
OLD = "whsec_" + base64.b64encode(b"what it was before, for long").decode()
STRANGER = "whsec_" + base64.b64encode(b"a secret of somebody else's").decode()
BODY = b'{"type":"email.opened","created_at":"2026-11-22T11:59:00.000Z","data":{}}'


def config(**settings: Any) -> Config:
    return Config(**{"kind": "resend", "api_key": KEY, "signing_secret": SECRET} | settings)


@pytest.mark.parametrize(
    "setting",
    [
        {"signing_secret": "canary"},
        {"signing_secret": "whsec_canary"},
        {"signing_secret": "whsec_" + "A" * 20},
        {"signing_secret": SECRET.removeprefix("whsec_")},
        {"previous_signing_secret": "whsec_!!!!"},
        {"base_url": "http://api.example"},
        {"days": 0},
        {"timeout_seconds": math.inf},
        {"colour": "red"},
    ],
)
def test_settings_that_make_no_sense(setting: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        config(**setting)
    assert "canary" not in str(caught.value)


def test_no_secret_is_printed() -> None:
    made = config(previous_signing_secret=OLD)
    printed = repr(made) + str(made) + made.model_dump_json()
    assert not any(secret.removeprefix("whsec_") in printed for secret in (SECRET, OLD, KEY))


def test_the_signature_that_svix_publishes() -> None:
    """docs.svix.com/receiving/verifying-payloads/how: made by none of the libraries here."""
    headers = {
        "svix-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "svix-timestamp": "1614265330",
        "svix-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    then = datetime.fromtimestamp(1614265330, UTC)
    made = config(signing_secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    assert verify(made, headers, b'{"test": 2432232314}', then) == "msg_p5jXN8AQM9LWM0D4loKWxJek"
    with pytest.raises(ForgedRequest, match="does not match"):
        verify(made, headers, b'{"test": 2432232315}', then)


def test_what_svix_signs_is_believed() -> None:
    assert verify(config(), sign(BODY, NOW), BODY, NOW) == "msg_1"
    both = config(previous_signing_secret=OLD)
    assert verify(both, sign(BODY, NOW, secret=OLD), BODY, NOW) == "msg_1"


def test_one_good_signature_among_several_is_enough() -> None:
    good, other = sign(BODY, NOW), sign(BODY, NOW, secret=STRANGER)
    several = " ".join((other["svix-signature"], "v2,abc", good["svix-signature"]))
    assert verify(config(), good | {"svix-signature": several}, BODY, NOW) == "msg_1"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"svix-id": ""}, "is missing"),
        ({"svix-id": "msg_2"}, "does not match"),
        ({"svix-id": "\ud800"}, "not UTF-8"),
        ({"svix-timestamp": ""}, "is missing"),
        ({"svix-timestamp": "soon"}, "not in seconds"),
        ({"svix-timestamp": "1" * 12}, "not in seconds"),
        ({"svix-timestamp": str(int(NOW.timestamp()) + 1)}, "does not match"),
        ({"svix-signature": ""}, "is missing"),
        ({"svix-signature": "v1,"}, "not 32 bytes long"),
        ({"svix-signature": "v1,\u2603"}, "not base64"),
        ({"svix-signature": "v2,abc"}, "no signature of version v1"),
        (sign(BODY, NOW, secret=STRANGER), "does not match"),
    ],
)
def test_others_are_refused(changed: dict[str, str], words: str) -> None:
    with pytest.raises(ForgedRequest, match=words):
        verify(config(), sign(BODY, NOW) | changed, BODY, NOW)


@pytest.mark.parametrize(("seconds", "words"), [(301, "ahead"), (-301, "ago"), (10**6, "ahead")])
def test_old_and_early_signatures_are_refused(seconds: int, words: str) -> None:
    with pytest.raises(ForgedRequest, match=words):
        verify(config(), sign(BODY, NOW + timedelta(seconds=seconds)), BODY, NOW)


@pytest.mark.parametrize("seconds", [300, -300])
def test_five_minutes_are_tolerated(seconds: int) -> None:
    assert verify(config(), sign(BODY, NOW + timedelta(seconds=seconds)), BODY, NOW)


def test_bodies_that_are_no_text_and_accounts_without_a_secret() -> None:
    with pytest.raises(ForgedRequest, match="not UTF-8"):
        verify(config(), sign(BODY, NOW), b"\xff", NOW)
    with pytest.raises(ForgedRequest, match="no signing_secret"):
        verify(config(signing_secret=None), sign(BODY, NOW), BODY, NOW)


async def test_receive_verifies_first() -> None:
    event = {"email_id": "e1", "from": "Ann <ann@acme.com>", "to": ["bob@gmail.com"]}
    body = json.dumps({"type": "email.sent", "created_at": NOW.isoformat(), "data": event}).encode()
    async with Http() as http:
        parsed = await receive(config(), sign(body, NOW, delivery="msg_7"), body, WINDOW, http)
        again = await receive(config(), sign(body, NOW, delivery="msg_7"), body, WINDOW, http)
        assert [one.id for one in parsed.events] == [one.id for one in again.events] == ["msg_7"]
        with pytest.raises(ForgedRequest):
            await receive(config(), sign(body, NOW, secret=STRANGER), b"not even JSON", WINDOW, http)
        with pytest.raises(MalformedRequest):
            await receive(config(), sign(b"{", NOW), b"{", WINDOW, http)


async def look(api: Resend, *domains: str, **settings: Any) -> tuple[Observation, ...]:
    async with Http() as http:
        return await observe(config(base_url=api.url, **settings), domains, http, NOW)


COUNTS = {"sent": 10, "delivered": 8, "bounced_permanent": 1, "bounced_transient": 1, "bounced_undetermined": 2}


async def test_counts_by_domain_and_day() -> None:
    counts = {
        "acme.com": {"2026-11-21": COUNTS, "2026-11-22": {"sent": 0, "complained": 1, "unsubscribed": 0}},
        "two.example": {"2026-11-01": COUNTS},
    }
    with Resend(domains={"acme.com": "enabled", "two.example": "disabled"}, counts=counts) as api:
        looks = await look(api, "acme.com", "two.example", "unheard-of.example")
    day = {"sent": 10, "delivered": 8, "hard_bounced": 1, "soft_bounced": 3}
    whole = {"code": "ok", "days": 2} | day | {"complained": 1, "unsubscribed": 0}
    assert [(one.source, one.target, one.part, one.answer) for one in looks] == [
        ("resend", "acme.com", "", Seen(whole | {"sending": "enabled", "status": "verified"})),
        ("resend", "acme.com", "2026-11-21", Seen(day)),
        ("resend", "acme.com", "2026-11-22", Seen({"sent": 0, "complained": 1, "unsubscribed": 0})),
        ("resend", "two.example", "", Seen({"code": "ok", "days": 0, "sending": "disabled", "status": "verified"})),
        (
            "resend",
            "unheard-of.example",
            "",
            Unseen(Why.NO_DATA, "the account has no domain unheard-of.example"),
        ),
    ]
    _, asked = api.calls[-1]
    assert (asked["start_date"], asked["end_date"]) == ("2026-11-16", "2026-11-22T12:00:00Z")


async def test_all_pages_and_no_more_than_a_hundred_domains_at_once() -> None:
    domains = {f"d{number}.example": "enabled" for number in range(230)}
    counts = {name: {"2026-11-22": {"sent": 1}} for name in domains}
    with Resend(domains=domains, counts=counts) as api:
        looks = await look(api, *domains)
    assert [path for path, _ in api.calls] == ["/domains"] * 3 + ["/emails/metrics"] * 3
    assert sum(one.part == "2026-11-22" for one in looks) == 230


async def test_more_days_are_fewer_domains_at_once() -> None:
    domains = {f"d{number}.example": "enabled" for number in range(100)}
    with Resend(domains=domains) as api:
        await look(api, *domains, days=60)
    assert [path for path, _ in api.calls] == ["/domains"] + ["/emails/metrics"] * 4


async def test_a_fault_half_way_keeps_what_was_seen() -> None:
    domains = {f"d{number}.example": "enabled" for number in range(300)}
    counts = {name: {"2026-11-22": {"sent": 1}} for name in domains}
    with Resend(domains=domains, counts=counts) as api:
        api.fail(Outage.BROKEN, after=4)
        looks = await look(api, *domains)
    assert len(api.calls) == 5
    unseen = [one for one in looks if isinstance(one.answer, Unseen)]
    assert len(unseen) == 200
    assert {one.answer.why for one in unseen if isinstance(one.answer, Unseen)} == {Why.SERVFAIL}
    assert sum(one.part == "2026-11-22" for one in looks) == 100


async def test_lists_without_an_end_and_lists_that_cannot_be_read() -> None:
    with Resend(endless=True) as api:
        (unseen,) = await look(api, "acme.com")
    assert isinstance(unseen.answer, Unseen)
    assert unseen.answer.why is Why.UNREADABLE
    assert len(api.calls) == 100


async def test_discover() -> None:
    with Resend(domains={"two.example": "disabled", "acme.com": "enabled"}, page=1) as api:
        async with Http() as http:
            found = await discover(config(base_url=api.url), http, NOW)
    assert found == (
        Found("acme.com", detail="verified, sending enabled"),
        Found("two.example", detail="verified, sending disabled"),
    )


def test_rows_that_cannot_be_placed_are_passed_over() -> None:
    row = {"period": "2026-11-22", "domain_name": "ACME.com", "sent": 1}
    strange = [None, [], {}, row | {"period": "later"}, row | {"domain_name": None}, row | {"domain_name": "nobody"}]
    assert parse_metrics([*strange, row]) == {"acme.com": {NOW.date(): {"sent": 1}}}


def test_domains_that_cannot_be_read() -> None:
    (named,) = parse_domains([{"id": "1", "name": "acme.com"}, {"id": "2", "name": "(none)"}])
    assert (named.status, named.sending) == ("", "")
    with pytest.raises(HttpFault):
        parse_domains([{"id": 1, "name": "acme.com"}])


def test_every_metric_is_one_of_resends() -> None:
    skip_without(spec(), "resend.json")
    asked = {one["name"]: one for one in spec()["paths"]["/emails/metrics"]["get"]["parameters"]}
    assert set(ASKED.split(",")) <= set(asked["metrics"]["schema"]["items"]["enum"])


@given(
    st.lists(st.dictionaries(st.sampled_from(["period", "domain_name", "sent"]), st.none() | st.text() | st.floats()))
)
def test_whatever_is_answered_is_read(rows: list[Any]) -> None:
    assert isinstance(parse_metrics(rows), dict)
    assert all(isinstance(readings(row, METRICS), dict) for row in rows)


@given(st.lists(st.none() | st.dictionaries(st.sampled_from(["id", "name", "capabilities"]), st.none() | st.text())))
def test_whatever_is_listed_is_read_or_unreadable(items: list[Any]) -> None:
    try:
        parse_domains(items)
    except HttpFault as fault:
        assert fault.why is Why.UNREADABLE
