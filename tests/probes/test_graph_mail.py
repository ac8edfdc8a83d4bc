"""A Microsoft 365 mailbox: read by pages without marking, marked when acknowledged, told of new mail by delta query."""

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from peers.graph import CLIENT, SECRET, TENANT, USER, Fault, Graph, serving
from peers.report_mails import arf, keys, signed
from probes.feedback_mail import Config, acknowledge, collect, wait
from probes.http import MAX_ANSWER_BYTES
from probes.mailbox import HEAD_BYTES, MailboxFault
from probes.observation import Why, Window

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
WINDOW = Window(NOW)


@pytest.fixture
def graph(tmp_path: Path) -> Iterator[Graph]:
    with serving(tmp_path) as peer:
        yield peer


def config(graph: Graph, **changed: Any) -> Config:
    values = {
        "kind": "graph",
        "tenant": TENANT,
        "client_id": CLIENT,
        "client_secret": SECRET,
        "user": USER,
        "authority": graph.authority,
        "base_url": graph.url,
        "certificates": graph.certificate,
        "timeout_seconds": 10,
        "poll_seconds": 0.05,
    }
    return Config(**(values | changed))


async def read(graph: Graph, **changed: Any) -> list[tuple[str, int, bool]]:
    one = config(graph, **changed)
    return [(mail.id, mail.size, mail.whole) async for mail in one.box().mails(one.max_mail_bytes)]


async def test_nothing_is_marked_before_it_is_acknowledged(graph: Graph) -> None:
    graph.deliver(signed(arf()), arf(number=2), signed(arf("not-spam")))
    one = config(graph)
    found = [mail async for mail in collect(one, keys().ask, WINDOW)]
    assert [mail.verdict.code for mail in found] == ["counted", "unauthenticated", "no-complaint"]
    assert graph.marks() == [(False, False)] * 3
    assert found == [mail async for mail in collect(one, keys().ask, WINDOW)]
    await acknowledge(one, [found[0].id], odd=[found[1].id])
    assert graph.marks() == [(True, False), (True, True), (False, False)]
    assert [mail.id async for mail in collect(one, None, WINDOW)] == [found[2].id]


async def test_pages_while_mails_are_marked_and_many_in_one_second(graph: Graph) -> None:
    graph.most = 7
    names = graph.deliver(*[b"A: b\n\n"] * 30)
    same = graph.deliver(*[b"A: b\n\n"] * 30, received="2026-12-01T00:00:00Z")
    names += same + graph.deliver(*[b"A: b\n\n"] * 10, received="2026-12-01T00:00:01Z")
    found: list[str] = []
    one = config(graph)
    async for mail in one.box().mails(1 << 20):
        found.append(mail.id)
        if len(found) % 5 == 0:
            await acknowledge(one, found[-5:-2])
    assert found == names
    left = [mail.id async for mail in one.box().mails(1 << 20)]
    assert len(left) == 70 - 14 * 3


async def test_one_token_for_a_round_and_marks_in_batches(graph: Graph) -> None:
    names = graph.deliver(*[b"A: b\n\n"] * 45)
    await read(graph)
    assert graph.count("oauth2") == 1
    await acknowledge(config(graph), names, odd=names[:1])
    assert (graph.count("$batch"), graph.count("oauth2")) == (3, 2)
    assert graph.marks() == [(True, True)] + [(True, False)] * 44
    await acknowledge(config(graph), [])
    assert graph.count("oauth2") == 2


async def test_marks_that_are_put_off_are_tried_again(graph: Graph) -> None:
    names = graph.deliver(*[b"A: b\n\n"] * 5)
    graph.put_off = 3
    graph.take_away(names[4])
    await acknowledge(config(graph), names)
    assert graph.marks() == [(True, False)] * 4 + [(False, False)]
    graph.put_off, graph.retry_after = 1000, "120"
    with pytest.raises(MailboxFault, match="put off") as fault:
        await acknowledge(config(graph), names[:1])
    assert (fault.value.why, fault.value.retry_after) == (Why.RATE_LIMITED, 120)


async def test_a_mail_that_goes_while_the_others_are_read(graph: Graph) -> None:
    names = graph.deliver(arf(), arf(number=2))
    found = []
    async for mail in config(graph).box().mails(1 << 20):
        found.append(mail.id)
        graph.take_away(names[1])
    assert found == names[:1]


async def test_large_mails_come_in_part(graph: Graph) -> None:
    medium, large = signed(arf() + b"x" * 500_000), signed(arf() + b"x" * 3_000_000)
    graph.deliver(medium, large)
    first, second = await read(graph, max_mail_bytes=65536)
    assert first[1:] == (len(medium), False)
    assert second[1:] == (MAX_ANSWER_BYTES + 1, False)
    found = [one async for one in collect(config(graph), keys().ask, WINDOW)]
    assert [(one.verdict.code, one.odd) for one in found] == [("counted", False), ("too-large", True)]
    heads = [len(mail.raw) async for mail in config(graph).box().mails(65536)]
    assert heads[0] == HEAD_BYTES and heads[1] < HEAD_BYTES


async def test_a_delta_query_tells_of_new_mail(graph: Graph) -> None:
    graph.deliver(*[b"A: b\n\n"] * 500)
    one = config(graph)
    token = await wait(one, "", 60)
    assert graph.count("delta") == 1  # from the newest mail on, and not through all that lie there
    assert token and "deltatoken" in token
    token = await wait(one, token, 0.01)
    waiting = asyncio.create_task(wait(one, token, 60))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    names = graph.deliver(b"A: b\n\n")
    told = await asyncio.wait_for(waiting, 30)
    assert told != token
    await acknowledge(one, names)
    begun = time.monotonic()
    await wait(one, told, 0.2)  # one's own marks are no news
    assert time.monotonic() - begun >= 0.2


async def test_a_link_that_lapsed_is_begun_anew_and_tells_to_look(graph: Graph) -> None:
    one = config(graph)
    token = await wait(one, "", 60)
    graph.deliver(b"A: b\n\n")
    graph.forget()
    fresh = await asyncio.wait_for(wait(one, token, 60), 30)
    assert fresh != token
    assert await asyncio.wait_for(wait(one, "https://evil.test/x", 60), 30) == fresh


async def test_waiting_can_be_called_off(graph: Graph) -> None:
    token = await wait(config(graph), "", 60)
    graph.fail("delta", Fault.HANG)
    waiting = asyncio.create_task(wait(config(graph), token, 600))
    await asyncio.sleep(0.3)
    begun = time.monotonic()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert time.monotonic() - begun < 2


OUTAGES = [
    (Fault.HANG, Why.TIMEOUT),
    (Fault.HANGUP, Why.UNREADABLE),
    (Fault.REFUSED, Why.REFUSED),
    (Fault.UNAUTHORIZED, Why.DENIED),
    (Fault.FORBIDDEN, Why.DENIED),
    (Fault.MISSING, Why.DENIED),
    (Fault.RATE_LIMITED, Why.RATE_LIMITED),
    (Fault.BROKEN, Why.SERVFAIL),
    (Fault.GARBAGE, Why.UNREADABLE),
    (Fault.HTML, Why.UNREADABLE),
    (Fault.LIST, Why.UNREADABLE),
    (Fault.TRUNCATED, Why.UNREADABLE),
    (Fault.REDIRECT, Why.REFUSED),
    (Fault.ELSEWHERE, Why.UNREADABLE),
]


@pytest.mark.parametrize(("outage", "why"), OUTAGES)
@pytest.mark.parametrize("place", ["messages?", "delta"])
async def test_outages_of_graph(graph: Graph, place: str, outage: Fault, why: Why) -> None:
    graph.deliver(arf())
    graph.retry_after = "90"
    token = await wait(config(graph), "", 60) if place == "delta" else ""
    graph.fail(place, outage)
    with pytest.raises(MailboxFault) as fault:
        one = config(graph, timeout_seconds=0.5)
        await (wait(one, token, 60) if token else read(graph, timeout_seconds=0.5))
    assert fault.value.why is why, fault.value.detail
    assert fault.value.retry_after == (90 if why is Why.RATE_LIMITED else None)
    assert SECRET not in repr(fault.value) and "evil.test/?" not in repr(fault.value)
    assert graph.marks() == [(False, False)]


@pytest.mark.parametrize(
    ("outage", "why"),
    [(Fault.RATE_LIMITED, Why.RATE_LIMITED), (Fault.FORBIDDEN, Why.DENIED), (Fault.HTML, Why.UNREADABLE)],
)
async def test_outages_while_marking(graph: Graph, outage: Fault, why: Why) -> None:
    names = graph.deliver(arf())
    graph.retry_after = "90"
    graph.fail("$batch", outage)
    with pytest.raises(MailboxFault) as fault:
        await acknowledge(config(graph), names)
    assert fault.value.why is why


@pytest.mark.parametrize(
    ("outage", "why"),
    [
        (Fault.HANG, Why.TIMEOUT),
        (Fault.HANGUP, Why.NETWORK),
        (Fault.UNAUTHORIZED, Why.DENIED),
        (Fault.FORBIDDEN, Why.DENIED),
        (Fault.MISSING, Why.DENIED),
        (Fault.RATE_LIMITED, Why.RATE_LIMITED),
        (Fault.BROKEN, Why.SERVFAIL),
        (Fault.GARBAGE, Why.UNREADABLE),
        (Fault.HTML, Why.UNREADABLE),
        (Fault.LIST, Why.UNREADABLE),
        (Fault.TRUNCATED, Why.NETWORK),
        (Fault.ELSEWHERE, Why.UNREADABLE),
    ],
)
@pytest.mark.parametrize("place", ["openid-configuration", "token"])
async def test_outages_of_the_authority(graph: Graph, place: str, outage: Fault, why: Why) -> None:
    graph.retry_after = "90"
    graph.fail(place, outage)
    with pytest.raises(MailboxFault) as fault:
        await read(graph, timeout_seconds=0.5)
    assert fault.value.why is why, fault.value.detail
    assert fault.value.retry_after == (90 if why is Why.RATE_LIMITED else None)
    assert SECRET not in repr(fault.value)
    graph.mend()
    assert await read(graph) == []


@pytest.mark.parametrize(
    ("changed", "why", "words"),
    [
        ({"client_secret": "wrong-one"}, Why.DENIED, r"AADSTS7000215: Invalid client secret provided: \*+"),
        ({"tenant": "another"}, Why.DENIED, "another: 400 answer"),
        ({"user": "nobody@acme.test"}, Why.DENIED, "no such mailbox or folder .*The requested user is invalid"),
        ({"folder": "Nowhere"}, Why.DENIED, "no such mailbox or folder"),
        ({"certificates": None}, Why.NETWORK, "SSLError"),
        ({"base_url": "http://127.0.0.1:9/v1.0"}, Why.DENIED, "AADSTS70011"),
    ],
)
async def test_what_is_not_let_in(graph: Graph, changed: Any, why: Why, words: str) -> None:
    with pytest.raises(MailboxFault, match=words) as fault:
        await read(graph, **changed)
    assert fault.value.why is why, fault.value.detail
    assert "wrong-one" not in repr(fault.value)


async def test_a_refused_connection(graph: Graph) -> None:
    with pytest.raises(MailboxFault) as fault:
        await read(graph, authority="https://127.0.0.1:9")
    assert fault.value.why is Why.NETWORK


async def test_a_short_pause_that_graph_asks_for_is_kept(graph: Graph) -> None:
    graph.deliver(b"A: b\n\n")
    graph.fail("messages?", Fault.RATE_LIMITED, times=2)
    assert len(await read(graph)) == 1
    graph.fail("$value", Fault.BROKEN, times=1)
    assert len(await read(graph)) == 1


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"client_secret": None}, "needs client_secret"),
        ({"tenant": None, "user": None}, "needs tenant, user"),
        ({"authority": "http://127.0.0.1/x"}, "authority must begin with https"),
        ({"base_url": "http://graph.test/v1.0"}, "base_url must begin with https"),
    ],
)
def test_configurations_that_cannot_be_used(graph: Graph, changed: Any, words: str) -> None:
    with pytest.raises(ValidationError, match=words) as fault:
        config(graph, **changed)
    assert SECRET not in str(fault.value)
    assert SECRET not in repr(config(graph))
