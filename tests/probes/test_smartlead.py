"""Smartlead against a stand-in that really answers, and that is held against Smartlead's own API description."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from peers.looks import by_part
from peers.outages import OUTAGES
from peers.outreach import Fault, Spec
from peers.smartlead import PASSWORD, SIGNING_SECRET, SPEC, Smartlead, signed
from probes import smartlead
from probes.discovery import Found
from probes.http import Http, HttpFault
from probes.observation import ForgedRequest, MalformedRequest, Unseen, Why, Window
from probes.outreach_memory import Memory
from probes.smartlead_statistics import Account, WarmupStats, mailbox, warmed_days, with_health

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
TODAY, YESTERDAY = "2026-11-22", "2026-11-21"
OLD_KEY = "the key of an old webhook"
# The description is a transcription: it leaves out how lists are turned over.
LEFT_OUT = ("unknown parameter offset", "unknown parameter limit")


@pytest.fixture
def platform() -> Iterator[Smartlead]:
    with Smartlead() as found:
        yield found
    if Spec.is_there(SPEC) and not found.as_documented:
        described = [call for call in found.calls if call.status < 400 and isinstance(call.answer, dict | list)]
        faults = Spec(SPEC).faults(described, found.prefix.removesuffix("/api/v1") + "/v1")
        assert [fault for fault in faults if not fault.endswith(LEFT_OUT)] == []


def config(platform: Smartlead | None = None, **members: Any) -> smartlead.Config:
    key = platform.key if platform else "a key"
    where = {"base_url": platform.base_url} if platform else {}
    return smartlead.Config(**{"kind": "smartlead", "api_key": key, "patience_seconds": 5} | where | members)


async def look(
    platform: Smartlead, http: Http, *domains: str, now: datetime = NOW, memory: Memory | None = None, **members: Any
) -> dict[tuple[str, str], Any]:
    memory = Memory() if memory is None else memory
    looks = await smartlead.observe(config(platform, **members), domains or ("acme.com",), http, now, memory)
    return by_part(looks)


async def test_mailboxes_and_days_are_rolled_up_to_the_domain(platform: Smartlead, http: Http) -> None:
    platform.add("a@acme.com", "b@acme.com", "x@other.com", "y@stranger.com")
    platform.accounts[1002]["connection_status"] = "ERROR"
    platform.person_suspends("b@acme.com")
    platform.sent("a@acme.com", TODAY, sent=10, opened=1, clicked=0, replied=2)
    platform.sent("b@acme.com", TODAY, sent=5, replied=0)
    platform.sent("a@acme.com", YESTERDAY, sent=7)
    days = [{"date": TODAY, "sent": 4, "spam": 1}, {"date": "2026-11-01", "sent": 9, "spam": 9}]
    platform.warmup = {
        1000: {"warmup_reputation": 98, "daily_stats": days},
        1001: {"reputation_score": "90%", "daily_stats": days[:1]},
    }
    found = await look(platform, http, "acme.com", "other.com", "absent.com")
    assert found["acme.com", ""] == {
        "code": "ok",
        "mailboxes": 2,
        "mailboxes_paused": 1,
        "mailboxes_unable": 0,
        "daily_limit": 80,
        "days": 2,
        "warmup_mailboxes": 2,
        "warmup_health": 94.0,
        "warmup_health_lowest": 90.0,
        "warmup_told": True,
    }
    assert found["acme.com", TODAY] == {"sent": 15, "replied": 2, "warmup_sent": 8, "warmup_spam": 2}
    assert found["acme.com", YESTERDAY] == {"sent": 7}
    assert found["other.com", ""]["mailboxes_unable"] == 1
    assert ("other.com", TODAY) not in found
    assert found["absent.com", ""] == Unseen(Why.NO_DATA, "the account has no mailbox of absent.com")
    assert PASSWORD not in repr(found)


async def test_the_documented_names_are_read_too(platform: Smartlead, http: Http) -> None:
    platform.as_documented = True
    platform.add("a@acme.com")
    platform.sent("a@acme.com", TODAY, sent="10", replied="2", bounced="1")
    stats = [{"date": TODAY, "sent_count": "4", "spam_count": "0"}, {"date": "x"}, {"date": YESTERDAY}]
    platform.warmup[1000] = {"id": 1000, "sent_count": 4, "stats_by_date": stats}
    found = await look(platform, http)
    assert found["acme.com", TODAY] == {"sent": 10, "replied": 2, "bounced": 1, "warmup_sent": 4, "warmup_spam": 0}
    whole = found["acme.com", ""]
    assert (whole["daily_limit"], whole["warmup_health"], whole["mailboxes_unable"]) == (40, 97.0, 0)
    assert "mailboxes_paused" not in whole, "whether a mailbox is suspended was not told"


@pytest.mark.parametrize("ignores", [True, False])
async def test_all_pages_are_read(platform: Smartlead, http: Http, ignores: bool) -> None:
    platform.most_a_page = 1000 if ignores else 7
    platform.ignores_the_offset = ignores
    platform.add(*(f"m{number}@acme.com" for number in range(30)))
    found = await look(platform, http, warmup_calls=0)
    assert found["acme.com", ""]["mailboxes"] == 30
    assert found["acme.com", ""]["warmup_told"] is False
    assert len(platform.asked("/email-accounts/")) == (2 if ignores else 6)


async def test_what_is_over_is_asked_again_once_an_hour_and_warmup_a_few_at_a_time(
    platform: Smartlead, http: Http
) -> None:
    platform.add(*(f"m{number}@acme.com" for number in range(5)))
    platform.sent("m0@acme.com", YESTERDAY, sent=1)
    platform.warmup = {1000 + number: {"daily_stats": [{"date": TODAY, "sent": 1}]} for number in range(4)}
    memory = Memory()
    asked = []
    for minutes in (0, 5, 10, 15, 65):
        before = len(platform.calls)
        found = await look(platform, http, now=NOW + timedelta(minutes=minutes), memory=memory, warmup_calls=2)
        new = platform.calls[before:]
        asked.append([sum(part in call.path for call in new) for part in ("overall-stats", "warmup-stats")])
        assert found["acme.com", YESTERDAY]["sent"] == 1
        assert found["acme.com", ""]["warmup_told"] is (minutes >= 10)
        assert ("warmup_sent" in found.get(("acme.com", TODAY), {})) is (minutes >= 10), "a part is no sum"
    assert asked == [[7, 2], [1, 2], [1, 1], [1, 0], [7, 0]]


@pytest.mark.parametrize(
    "path", ["/email-accounts/", "/analytics/mailbox/overall-stats", "/email-accounts/1000/warmup-stats"]
)
@pytest.mark.parametrize(("fault", "why", "words"), OUTAGES)
async def test_an_outage_is_unseen_and_tells_no_key(
    platform: Smartlead,
    http: Http,
    caplog: pytest.LogCaptureFixture,
    fault: Fault,
    why: Why,
    words: str,
    path: str,
) -> None:
    caplog.set_level("DEBUG")
    platform.add("a@acme.com")
    platform.retry_after = "77"
    platform.fail(fault, path)
    found = await look(platform, http, timeout_seconds=0.3 if fault is Fault.SILENT else 10)
    assert list(found) == [("acme.com", "")]
    answer = found["acme.com", ""]
    assert answer.why is why
    assert words in answer.detail
    for secret in (platform.key, "letters", PASSWORD):
        assert secret not in answer.detail
    # httpcore traces headers, among them where a redirect leads; deliverd.logs keeps it silent at every level.
    written = [record.getMessage() for record in caplog.records if not record.name.startswith("httpcore")]
    assert "letters" not in "".join(written)


async def test_a_fault_raised_tells_no_key_in_its_chain(platform: Smartlead, http: Http) -> None:
    platform.fail(Fault.TELLS_THE_SECRET)
    with pytest.raises(HttpFault) as caught:
        await smartlead.discover(config(platform), http, NOW)
    chain: BaseException | None = caught.value
    while chain is not None:
        assert "letters" not in f"{chain!r}{chain}"
        chain = chain.__cause__ or chain.__context__
    assert platform.key not in repr(config(platform))
    assert platform.key not in repr(smartlead.calls(config(platform), http, NOW))


async def test_discover(platform: Smartlead, http: Http) -> None:
    platform.add("b@acme.com", "a@acme.com", "x@other.com")
    assert await smartlead.discover(config(platform), http, NOW) == (
        Found("acme.com", ("a@acme.com", "b@acme.com")),
        Found("other.com", ("x@other.com",)),
    )


BODY = json.dumps(
    {"event_type": "EMAIL_SENT", "from_email": "a@acme.com", "event_timestamp": f"{TODAY}T11:00:00Z"}
).encode()
BY_ID = json.dumps({"event": "EMAIL_SENT", "email_account_id": 1000, "timestamp": f"{TODAY}T11:00:00Z"}).encode()


async def test_a_request_has_to_be_signed(http: Http) -> None:
    made = config(signing_secret=SIGNING_SECRET, secret_key=OLD_KEY)
    found = await smartlead.receive(made, signed(BODY), BODY, Window(NOW), http)
    assert [event.domain for event in found.events] == ["acme.com"]
    old = json.dumps({**json.loads(BODY), "secret_key": OLD_KEY}).encode()
    assert (await smartlead.receive(made, {}, old, Window(NOW), http)).events


@pytest.mark.parametrize(
    ("members", "headers", "body", "words"),
    [
        ({}, {}, BODY, "missing"),
        ({}, signed(BODY), BODY, "no signing_secret"),
        ({"signing_secret": SIGNING_SECRET}, {}, BODY, "missing"),
        ({"signing_secret": SIGNING_SECRET}, signed(BODY), BODY + b" ", "does not match"),
        ({"signing_secret": SIGNING_SECRET}, signed(BODY, "another secret of 16"), BODY, "does not match"),
        ({"signing_secret": SIGNING_SECRET}, {"x-smartlead-signature": "sha256=é"}, BODY, "does not match"),
        ({"secret_key": OLD_KEY}, {}, BODY, "not signed"),
        ({"secret_key": OLD_KEY}, {}, b'{"secret_key": "another"}', "not signed"),
        (
            {"signing_secret": SIGNING_SECRET, "secret_key": OLD_KEY},
            {"x-smartlead-signature": "sha256=00"},
            json.dumps({"secret_key": OLD_KEY}).encode(),
            "does not match",
        ),
    ],
)
async def test_forged(http: Http, members: dict[str, str], headers: dict[str, str], body: bytes, words: str) -> None:
    with pytest.raises(ForgedRequest, match=words) as caught:
        await smartlead.receive(config(**members), headers, body, Window(NOW), http)
    assert SIGNING_SECRET not in str(caught.value)
    assert OLD_KEY not in str(caught.value)


async def test_a_signed_body_that_is_none(http: Http) -> None:
    with pytest.raises(MalformedRequest):
        await smartlead.receive(config(signing_secret=SIGNING_SECRET), signed(b"<x>"), b"<x>", Window(NOW), http)


async def test_a_mailbox_told_by_its_id_is_looked_up_once(platform: Smartlead, http: Http) -> None:
    platform.add("a@acme.com")
    made, memory = config(platform, signing_secret=SIGNING_SECRET), Memory()
    for _ in range(3):
        found = await smartlead.receive(made, signed(BY_ID), BY_ID, Window(NOW), http, memory)
        assert [event.domain for event in found.events] == ["acme.com"]
    assert len(platform.calls) == 1
    stranger = BY_ID.replace(b"1000", b"4711")
    found = await smartlead.receive(made, signed(stranger), stranger, Window(NOW), http, memory)
    assert [reject.code for reject in found.rejects] == ["no-sender"]
    platform.fail(Fault.BROKEN)
    other = BY_ID.replace(b"1000", b"1001")
    with pytest.raises(HttpFault):
        await smartlead.receive(made, signed(other), other, Window(NOW), http, memory)


@pytest.mark.parametrize("members", [{"signing_secret": "short"}, {"days": 0}, {"key": "x"}])
def test_a_configuration_that_is_none(members: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        config(**members)
    assert "short'" not in str(caught.value)


def test_what_a_mailbox_leaves_out_is_unknown() -> None:
    bare = mailbox(Account(1, "A@acme.com"))
    assert (bare.email, bare.paused, bare.unable, bare.daily_limit, bare.warmup_health) == ("a@acme.com", *[None] * 4)
    assert with_health(bare, WarmupStats()) is bare
    assert warmed_days(WarmupStats()) == {}


def test_the_memory_forgets_the_oldest() -> None:
    memory = Memory(2)
    for number in range(3):
        memory.keep(number, number, NOW + timedelta(minutes=number))
    assert [memory.has(number, NOW, timedelta(days=1)) for number in range(3)] == [False, True, True]
    age = timedelta(minutes=1)
    late = NOW + timedelta(hours=1)
    assert memory.due([(2, age), (1, age), (0, age), (7, age)], late, 9) == [0, 7, 1, 2]
    assert memory.due([(2, age), (1, age)], late, 1) == [1]
