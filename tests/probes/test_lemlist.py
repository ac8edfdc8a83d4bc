"""lemlist against a stand-in that really answers, and that is held against lemlist's own API description."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from peers.lemlist import SPEC, Lemlist
from peers.looks import by_part
from peers.outages import OUTAGES
from peers.outreach import Call, Fault, Spec
from probes import lemlist
from probes.discovery import Found
from probes.http import Http, HttpFault
from probes.lemlist_statistics import Cell, Lemwarm, numbers, rolled_up
from probes.observation import ForgedRequest, Unseen, Why, Window
from probes.outreach_memory import Memory

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
TODAY, YESTERDAY = "2026-11-22", "2026-11-21"
SECRET = "the secret of the webhook"


@pytest.fixture
def platform() -> Iterator[Lemlist]:
    with Lemlist() as found:
        yield found
    if Spec.is_there(SPEC):
        described = [call for call in found.calls if call.status < 400 and isinstance(call.answer, dict | list)]
        assert Spec(SPEC).faults(described) == []


def config(platform: Lemlist | None = None, **members: Any) -> lemlist.Config:
    key = platform.key if platform else "a key"
    where = {"base_url": platform.base_url} if platform else {}
    return lemlist.Config(**{"kind": "lemlist", "api_key": key, "patience_seconds": 5} | where | members)


async def look(
    platform: Lemlist, http: Http, *domains: str, now: datetime = NOW, memory: Memory | None = None, **members: Any
) -> dict[tuple[str, str], Any]:
    memory = Memory() if memory is None else memory
    looks = await lemlist.observe(config(platform, **members), domains or ("acme.com",), http, now, memory)
    return by_part(looks)


async def test_campaigns_and_mailboxes_are_rolled_up_to_the_domain(platform: Lemlist, http: Http) -> None:
    platform.add_user("ann", "a@acme.com", "x@other.com")
    platform.add_user("bob", "b@acme.com", status="ERROR")
    platform.add_campaign("one", ("ann", "a@acme.com"), ("bob", "b@acme.com"))
    platform.add_campaign("two", ("ann", "a@acme.com"), status="ended")
    platform.add_campaign("draft", ("ann", "a@acme.com"), status="draft")
    platform.add_campaign("chat", ("ann", "a@acme.com"), channels="linkedinSend")
    platform.scores["usm_a@acme.com"] = 70
    platform.sent("one", "a@acme.com", TODAY, messagesSent=10, delivered=9, messagesBounced=1, replied=2)
    platform.sent("one", "b@acme.com", TODAY, messagesSent=5, nbLeadsUnsubscribed=1, meetingBooked=1)
    platform.sent("two", "a@acme.com", YESTERDAY, messagesSent=3, nbLeadsInterested=1)
    found = await look(platform, http, "acme.com", "other.com", "absent.com")
    assert found["acme.com", ""] == {
        "code": "ok",
        "mailboxes": 2,
        "mailboxes_unable": 1,
        "daily_limit": 60,
        "days": 7,
        "days_told": True,
        "warmup_mailboxes": 1,
        "warmup_health": 70.0,
        "warmup_health_lowest": 70.0,
    }
    zero = dict.fromkeys(("delivered", "bounced", "replied", "unsubscribed", "positive_replies", "meetings"), 0)
    assert found["acme.com", TODAY] == zero | {
        "sent": 15,
        "delivered": 9,
        "bounced": 1,
        "replied": 2,
        "unsubscribed": 1,
        "meetings": 1,
    }
    assert found["acme.com", YESTERDAY] == zero | {"sent": 3, "positive_replies": 1}
    assert found["absent.com", ""] == Unseen(Why.NO_DATA, "the account has no mailbox of absent.com")
    assert not platform.asked(".*(cam_draft|cam_chat).*")


async def test_a_few_questions_at_a_time_newest_days_first(platform: Lemlist, http: Http) -> None:
    platform.add_user("ann", "a@acme.com", "b@acme.com")
    platform.add_campaign("one", ("ann", "a@acme.com"))
    memory = Memory()
    told: list[list[str]] = []
    for minutes in (0, 5, 11, 16):
        found = await look(
            platform, http, now=NOW + timedelta(minutes=minutes), memory=memory, days=3, statistics_calls=3
        )
        told.append([part for _, part in found if part])
        assert found["acme.com", ""]["days_told"] is (minutes > 0)
    assert told[:2] == [[TODAY], ["2026-11-20", YESTERDAY, TODAY]]
    assert len(told[2]) == len(told[3]) == 3
    stats = [call.asked["startDate"][:10] for call in platform.asked(".*/stats")]
    assert stats[:6] == [TODAY, TODAY, YESTERDAY, YESTERDAY, "2026-11-20", "2026-11-20"]
    assert len(platform.asked(".*/lemwarm/.*")) == 2
    assert stats[6:] == [TODAY, TODAY], "only what may have changed is asked again"


async def test_a_campaign_that_is_gone_blinds_nobody(platform: Lemlist, http: Http) -> None:
    platform.add_user("ann", "a@acme.com")
    platform.add_campaign("one", ("ann", "a@acme.com"))
    platform.add_campaign("two", ("ann", "a@acme.com"))
    platform.sent("one", "a@acme.com", TODAY, messagesSent=3)
    platform.fail(Fault.NOT_FOUND, ".*cam_two.*")
    found = await look(platform, http)
    assert found["acme.com", TODAY]["sent"] == 3
    platform.fail(Fault.NOT_FOUND, ".*cam_one.*")
    found = await look(platform, http)
    assert ("acme.com", TODAY) not in found
    platform.fail(Fault.NOT_FOUND, "/users/.*")
    assert isinstance((await look(platform, http))["acme.com", ""], Unseen)


@pytest.mark.parametrize(
    "path", ["/team", "/team/senders", "/users/usr_ann", "/v2/campaigns/cam_one/stats", "/lemwarm/.*/settings"]
)
@pytest.mark.parametrize(("fault", "why", "words"), OUTAGES)
async def test_an_outage_is_unseen_and_tells_no_key(
    platform: Lemlist, http: Http, fault: Fault, why: Why, words: str, path: str
) -> None:
    platform.add_user("ann", "a@acme.com")
    platform.add_campaign("one", ("ann", "a@acme.com"))
    platform.retry_after = "77"
    platform.fail(fault, path)
    found = await look(platform, http, timeout_seconds=0.3 if fault is Fault.SILENT else 10)
    assert list(found) == [("acme.com", "")]
    answer = found["acme.com", ""]
    assert answer.why is why
    assert words in answer.detail
    for secret in (platform.key, "letters", lemlist.calls(config(platform), http, NOW).secrets[1]):
        assert secret not in answer.detail
    assert platform.key not in repr(config(platform))


async def test_what_was_learned_before_an_outage_is_not_asked_again(platform: Lemlist, http: Http) -> None:
    platform.add_user("ann", "a@acme.com")
    platform.add_campaign("one", ("ann", "a@acme.com"))
    memory = Memory()
    platform.fail(Fault.BROKEN, "/lemwarm/.*", times=1)
    assert isinstance((await look(platform, http, memory=memory))["acme.com", ""], Unseen)
    before = len(platform.asked(".*/stats"))
    assert (await look(platform, http, memory=memory))["acme.com", ""]["days_told"] is True
    assert len(platform.asked(".*/stats")) == before == 7


async def test_discover(platform: Lemlist, http: Http) -> None:
    platform.add_user("ann", "b@acme.com", "a@acme.com")
    platform.add_user("bob", "x@other.com", "a@acme.com")
    assert await lemlist.discover(config(platform), http, NOW) == (
        Found("acme.com", ("a@acme.com", "b@acme.com")),
        Found("other.com", ("x@other.com",)),
    )
    platform.fail(Fault.FORBIDDEN)
    with pytest.raises(HttpFault, match="403"):
        await lemlist.discover(config(platform), http, NOW)


def body(**members: Any) -> bytes:
    at = f"{TODAY}T11:00:00Z"
    whole = {"_id": "act_1", "type": "emailsSent", "createdAt": at, "secret": SECRET, "sendUserId": "usr_ann"}
    return json.dumps(whole | members).encode()


async def test_a_request_needs_the_secret(http: Http) -> None:
    made = config(webhook_secret=SECRET)
    found = await lemlist.receive(made, {}, body(sendUserEmail="a@acme.com"), Window(NOW), http)
    assert [event.domain for event in found.events] == ["acme.com"]
    with pytest.raises(ForgedRequest):
        await lemlist.receive(made, {}, body(secret="another"), Window(NOW), http)
    with pytest.raises(ForgedRequest, match="no webhook_secret"):
        await lemlist.receive(config(), {}, body(), Window(NOW), http)


@pytest.mark.parametrize(
    ("members", "domain"),
    [
        ({"sendUserId": "usr_bob"}, "other.com"),
        ({"sendUserMailboxId": "usm_c@third.com"}, "third.com"),
        ({"campaignId": "cam_one"}, "acme.com"),
        ({}, ""),
        ({"campaignId": "cam_two"}, ""),
        ({"campaignId": "cam_gone"}, ""),
        ({"sendUserId": "usr_gone"}, ""),
    ],
)
async def test_a_sender_without_an_address_is_looked_up_once(
    platform: Lemlist, http: Http, members: dict[str, str], domain: str
) -> None:
    platform.add_user("ann", "a@acme.com", "c@third.com")
    platform.add_user("bob", "x@other.com")
    platform.add_campaign("one", ("ann", "a@acme.com"), ("bob", "x@other.com"))
    platform.add_campaign("two", ("ann", "a@acme.com"), ("ann", "c@third.com"))
    made, memory = config(platform, webhook_secret=SECRET), Memory()
    found = await lemlist.receive(made, {}, body(**members), Window(NOW), http, memory)
    assert [event.domain for event in found.events] == ([domain] if domain else [])
    assert [reject.code for reject in found.rejects] == ([] if domain else ["no-sender"])
    calls = len(platform.calls)
    assert await lemlist.receive(made, {}, body(**members), Window(NOW), http, memory) == found
    assert len(platform.calls) == calls


async def test_who_cannot_be_asked_is_asked_again(platform: Lemlist, http: Http) -> None:
    platform.fail(Fault.BROKEN)
    with pytest.raises(HttpFault):
        await lemlist.receive(config(platform, webhook_secret=SECRET), {}, body(), Window(NOW), http, Memory())


@pytest.mark.parametrize("members", [{"webhook_secret": "short"}, {"days": 0}, {"key": "x"}])
def test_a_configuration_that_is_none(members: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        config(**members)


def test_what_is_left_out_is_not_zero() -> None:
    assert numbers({"messagesSent": 3, "replied": None, "delivered": "x"}) == {"sent": 3}
    assert Lemwarm().health is None
    one, two = (Cell("cam_1", "usr_1", email, NOW.date()) for email in ("a@acme.com", "b@acme.com"))
    assert rolled_up({one: {"sent": 1, "replied": 1}, two: {"sent": 2}}) == {NOW.date(): {"sent": 3}}
    assert rolled_up({one: {"sent": 1}, two: None}) == rolled_up({one: {}}) == {}


@pytest.mark.skipif(not Spec.is_there(SPEC), reason="lemlist's API description is not on this machine")
def test_drift_from_the_description_would_be_noticed() -> None:
    calls = [
        Call("GET", "/team", (), None, 200, {"userIds": "all"}),
        Call("GET", "/team", (("colour", "red"),), None, 200, {}),
        Call("GET", "/teams", (), None, 200, {}),
        Call("GET", "/activities", (), None, 200, []),
        Call("POST", "/hooks", (), {"type": "emailsSent"}, 200, {}),
        Call("GET", "/team", (), None, 299, {}),
    ]
    assert [len(Spec(SPEC).faults([call])) for call in calls] == [1] * len(calls)
