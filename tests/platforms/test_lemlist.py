"""lemlist's brake: the contract for its campaigns, limits of its mailboxes, and campaigns that other domains share."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from platforms.contract import PAUSED, RETRY_AFTER_SECONDS, RUNNING, THROTTLED, Case, intent
from platforms.entrants_outreach import ENTRANTS, contract_of, run

from deliverd.clock import now
from deliverd.model import Lever, Limit, SendState
from deliverd.platforms.base import Denied, Gone, PlatformError, RateLimited, Refused, Unavailable
from deliverd.platforms.lemlist import CAMPAIGN, Lemlist
from deliverd.platforms.mailboxes import MAILBOX
from peers import lemlist as peer
from peers.outreach import Fault, Spec
from probes.lemlist import Config

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
THIRTY = Limit(SendState.THROTTLED, 30)


@pytest.mark.parametrize("case", contract_of("lemlist"))
async def test_contract_of_campaigns(case: Case, tmp_path: Path) -> None:
    await run(ENTRANTS["lemlist"], case, tmp_path)


@pytest.fixture
def platform() -> Iterator[peer.Lemlist]:
    with peer.Lemlist(retry_after=str(RETRY_AFTER_SECONDS)) as found:
        found.add_user("ann", "a@acme.com", "b@acme.com")
        found.add_user("bob", "x@other.com")
        yield found
    if Spec.is_there(peer.SPEC):
        known = [call for call in found.calls if call.status == 200 and call.path != peer.NEWER_THAN_THE_SPEC]
        described = [call for call in known if isinstance(call.answer, dict | list)]
        assert Spec(peer.SPEC).faults(described) == []


@asynccontextmanager
async def adapter(
    platform: peer.Lemlist, clock: Callable[[], datetime] = now, **members: Any
) -> AsyncIterator[Lemlist]:
    config = Config(**{"kind": "lemlist", "api_key": platform.key, "base_url": platform.base_url} | members)
    found = Lemlist("outreach", config, clock)
    try:
        yield found
    finally:
        await found.aclose()


def box(email: str = "a@acme.com") -> Lever:
    return Lever("outreach", MAILBOX, f"usm_{email}")


def campaign(name: str) -> Lever:
    return Lever("outreach", CAMPAIGN, f"cam_{name}")


# ---- mailboxes


async def test_limits_that_come_together_are_one_call_and_their_read_backs_another(platform: peer.Lemlist) -> None:
    emails = [f"m{number}@acme.com" for number in range(60)]
    platform.add_user("eve", *emails)
    async with adapter(platform) as at:
        await asyncio.gather(*(at.apply(intent(box(email), THROTTLED)) for email in emails))
        back = await asyncio.gather(*(at.read(box(email)) for email in emails))
        assert (await at.read(box())).limit == THIRTY
    assert {actual.limit for actual in back} == {THROTTLED}
    assert [call.method for call in platform.calls] == ["PATCH", "GET", "GET"]
    assert {call.asked.get("scope") for call in platform.calls if call.method == "GET"} == {"team"}


async def test_a_limit_is_put_back(platform: peer.Lemlist) -> None:
    async with adapter(platform) as at:
        for limit in (THROTTLED, THROTTLED, THIRTY):
            await at.apply(intent(box(), limit))
            assert (await at.read(box())).limit == limit


async def test_one_mailbox_that_is_not_there_fails_alone(platform: peer.Lemlist) -> None:
    async with adapter(platform) as at:
        orders = (at.apply(intent(one, THROTTLED)) for one in (box(), box("gone@acme.com"), box("b@acme.com")))
        told = await asyncio.gather(*orders, return_exceptions=True)
        assert [type(one) for one in told] == [type(None), Gone, type(None)]
        with pytest.raises(Gone):
            await at.read(box("gone@acme.com"))


async def test_one_that_lemlist_does_not_limit_is_refused(platform: peer.Lemlist) -> None:
    platform.unable.add("usm_a@acme.com")
    async with adapter(platform) as at:
        with pytest.raises(Refused, match=r"did not limit a@acme\.com to 100"):
            await at.apply(intent(box(), THROTTLED))


@pytest.mark.parametrize("limit", [PAUSED, RUNNING])
async def test_a_mailbox_can_only_be_limited(platform: peer.Lemlist, limit: Limit) -> None:
    async with adapter(platform) as at:
        with pytest.raises(Refused, match="limited and not paused"):
            await at.apply(intent(box(), limit))
    assert platform.calls == []


@pytest.mark.parametrize("told", [0, None, "many", -1, 2.5])
async def test_a_limit_that_says_nothing_sure_is_unreadable(platform: peer.Lemlist, told: Any) -> None:
    platform.users["usr_ann"]["mailboxes"][0]["lemlist"]["emailLimit"] = told
    async with adapter(platform) as at:
        with pytest.raises(Unavailable, match="not told for sure"):
            await at.read(box())


FAULTS: list[tuple[Fault, type[PlatformError]]] = [
    (Fault.UNAUTHORIZED, Denied),
    (Fault.FORBIDDEN, Denied),
    (Fault.NOT_FOUND, Gone),
    (Fault.CONFLICT, Refused),
    (Fault.UNPROCESSABLE, Refused),
    (Fault.RATE_LIMITED, RateLimited),
    (Fault.BROKEN, Unavailable),
    (Fault.SILENT, Unavailable),
    (Fault.LATE, Unavailable),
    (Fault.HTML, Unavailable),
    (Fault.TRUNCATED, Unavailable),
    (Fault.ERROR_INSIDE, Refused),
    (Fault.REDIRECT, Refused),
    (Fault.HUGE, Unavailable),
    (Fault.TELLS_THE_SECRET, Refused),
]


@pytest.mark.parametrize(("fault", "kind"), FAULTS)
async def test_each_fault_of_a_mailboxs_calls(platform: peer.Lemlist, fault: Fault, kind: type[PlatformError]) -> None:
    platform.fail(fault)
    async with adapter(platform, timeout_seconds=0.4) as at:
        for call in (at.read(box()), at.apply(intent(box(), THROTTLED))):
            with pytest.raises(PlatformError) as caught:
                await call
            assert type(caught.value) is kind
            assert platform.key not in str(caught.value)
            assert peer.basic(platform.key) not in str(caught.value)
        platform.heal()
        assert (await at.read(box())).limit == (THROTTLED if fault in (Fault.LATE, Fault.TRUNCATED) else THIRTY)
    platform.calls.clear()


# ---- levers


async def test_mailboxes_and_the_campaigns_they_send(platform: peer.Lemlist) -> None:
    platform.add_campaign("ours", ("ann", "a@acme.com"), ("ann", "b@acme.com"))
    platform.add_campaign("shared", ("ann", "a@acme.com"), ("bob", "x@other.com"))
    platform.add_campaign("resting", ("ann", "a@acme.com"), status="paused")
    platform.add_campaign("theirs", ("bob", "x@other.com"))
    platform.add_campaign("calls", ("ann", "a@acme.com"), channels="linkedinSend")
    for status in ("draft", "ended", "archived"):
        platform.add_campaign(status, ("ann", "a@acme.com"), status=status)
    async with adapter(platform) as at:
        found = await at.levers("acme.com", ())
        assert found[:2] == (box(), box("b@acme.com"))
        assert set(found[2:]) == {campaign("ours"), campaign("shared"), campaign("resting")}
        with pytest.raises(Refused, match=r"no mailbox and no campaign of absent\.com"):
            await at.levers("absent.com", ())
    assert len(platform.asked("/campaigns/.*")) == 4


async def test_who_sends_a_campaign_is_not_asked_at_every_look(platform: peer.Lemlist) -> None:
    clock = [NOW]
    platform.add_campaign("one", ("ann", "a@acme.com"))
    async with adapter(platform, lambda: clock[0]) as at:
        for _ in range(3):
            assert campaign("one") in await at.levers("acme.com", ())
        assert len(platform.asked("/campaigns/.*")) == 1
        platform.add_campaign("two", ("ann", "b@acme.com"))
        clock[0] += timedelta(seconds=61)
        assert campaign("two") in await at.levers("acme.com", ())
        assert len(platform.asked("/campaigns/.*")) == 2
        clock[0] += timedelta(minutes=11)
        platform.campaigns["cam_one"]["senders"] = [{"id": "usr_bob", "email": "x@other.com"}]
        assert campaign("one") not in await at.levers("acme.com", ())


async def test_a_campaign_that_is_gone_meanwhile_is_no_lever_but_one_that_cannot_be_read_is_an_error(
    platform: peer.Lemlist,
) -> None:
    platform.add_campaign("one", ("ann", "a@acme.com"))
    async with adapter(platform) as at:
        platform.fail(Fault.BROKEN, "/campaigns/.*", times=1)
        with pytest.raises(Unavailable):
            await at.levers("acme.com", ())
        platform.fail(Fault.NOT_FOUND, "/campaigns/.*", times=1)
        assert await at.levers("acme.com", ()) == (box(), box("b@acme.com"))


async def test_without_the_newer_call_there_are_still_campaigns(platform: peer.Lemlist) -> None:
    platform.add_campaign("one", ("ann", "a@acme.com"))
    platform.fail(Fault.NOT_FOUND, peer.NEWER_THAN_THE_SPEC)
    async with adapter(platform) as at:
        assert await at.levers("acme.com", ()) == (campaign("one"),)


async def test_a_foreign_lever_is_neither_read_nor_moved(platform: peer.Lemlist) -> None:
    lever = Lever("outreach", "domain", "acme.com")
    async with adapter(platform) as at:
        for call in (at.read(lever), at.apply(intent(lever, PAUSED))):
            with pytest.raises(Refused, match="mailbox:ID or campaign:ID"):
                await call
    assert platform.calls == []


# ---- campaigns


async def test_a_shared_campaign_is_left_alone_and_said_to_need_a_person(platform: peer.Lemlist) -> None:
    platform.add_campaign("shared", ("ann", "a@acme.com"), ("bob", "x@other.com"))
    async with adapter(platform) as at:
        with pytest.raises(Refused, match=r"cam_shared .* by x@other\.com: it is left alone, and needs a person"):
            await at.apply(intent(campaign("shared"), PAUSED))
        assert (await at.read(campaign("shared"))).limit == RUNNING
    assert platform.asked(".*/pause") == []


@pytest.mark.parametrize(("order", "limit"), [("pause", PAUSED), ("start", RUNNING)])
async def test_an_answer_about_another_campaign_is_no_yes(platform: peer.Lemlist, order: str, limit: Limit) -> None:
    platform.add_campaign("one", ("ann", "a@acme.com"))
    platform.fail(Fault.ANOTHER_DOMAIN, f".*/{order}")
    async with adapter(platform) as at:
        with pytest.raises(Unavailable, match="not about campaign cam_one"):
            await at.apply(intent(campaign("one"), limit))


@pytest.mark.parametrize(
    ("senders", "words"),
    [
        ([], "nobody that is told"),
        ([{"id": "usr_ann"}], r"\?"),
        ([{"id": "usr_ann", "email": None}], r"\?"),
        ([{"id": str(n), "email": f"{n}@other.com"} for n in range(9)], "2@other.com and others"),
    ],
)
async def test_a_campaign_whose_senders_are_not_known_is_left_alone(
    platform: peer.Lemlist, senders: list[dict[str, Any]], words: str
) -> None:
    platform.add_campaign("odd", ("ann", "a@acme.com"))
    platform.campaigns["cam_odd"]["senders"] = senders
    async with adapter(platform) as at:
        with pytest.raises(Refused, match=words):
            await at.apply(intent(campaign("odd"), PAUSED))
    platform.calls.clear()


async def test_senders_below_the_domain_are_its_own_unless_watched_by_themselves(platform: peer.Lemlist) -> None:
    platform.add_user("eve", "e@mail.acme.com")
    platform.add_campaign("both", ("ann", "a@acme.com"), ("eve", "e@mail.acme.com"))
    async with adapter(platform) as at:
        await at.apply(intent(campaign("both"), PAUSED))
        assert platform.campaigns["cam_both"]["status"] == "paused"
        await at.apply(intent(campaign("both"), RUNNING))
        await at.levers("mail.acme.com", ())
        with pytest.raises(Refused, match=r"e@mail\.acme\.com"):
            await at.apply(intent(campaign("both"), PAUSED))


@pytest.mark.parametrize(
    ("status", "limit", "by"),
    [
        ("running", RUNNING, None),
        ("errors", RUNNING, None),
        ("paused", PAUSED, None),
        ("ended", PAUSED, "platform"),
        ("draft", PAUSED, "a person"),
        ("archived", PAUSED, "a person"),
    ],
)
async def test_what_a_campaign_is_at(platform: peer.Lemlist, status: str, limit: Limit, by: str | None) -> None:
    platform.add_campaign("one", ("ann", "a@acme.com"), status=status)
    async with adapter(platform) as at:
        actual = await at.read(campaign("one"))
    assert (actual.limit, actual.by, actual.detail) == (limit, by, f"status {status}")


@pytest.mark.parametrize("status", ["", "asleep"])
async def test_a_status_that_nobody_knows_is_unreadable(platform: peer.Lemlist, status: str) -> None:
    platform.add_campaign("one", ("ann", "a@acme.com"), status=status)
    async with adapter(platform) as at:
        with pytest.raises(Unavailable, match="cam_one"):
            await at.read(campaign("one"))
    platform.calls.clear()
