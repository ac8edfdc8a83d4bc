"""Confirming a subscription, and SNS as moto and ministack play it."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from queue import Queue
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import boto3
import pytest
from moto.server import ThreadedMotoServer
from pytest_httpserver import HTTPServer
from werkzeug.wrappers import Request as HookRequest
from werkzeug.wrappers import Response as HookResponse

from peers import sns as peer
from peers.ministack import ministack
from probes import sns
from probes.http import Http, HttpFault, Response
from probes.observation import ForgedRequest, MalformedRequest, Why, Window

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


async def confirm(answer: Response | HttpFault | None = None, **changed: str) -> peer.Door:
    envelope = peer.confirmation(NOW, peer.new_certificate_url(), Signature="", **changed)
    url = envelope.get("SubscribeURL", "")
    door = peer.Door({url: answer or peer.ok(b"<ConfirmSubscriptionResponse/>")})
    await sns.confirm(sns.parse({}, peer.body(envelope)), http=door)
    return door


async def test_a_subscription_is_confirmed_by_asking_its_url() -> None:
    door = await confirm()
    assert door.asked == [f"{peer.HOST}/?Action=ConfirmSubscription&TopicArn={peer.TOPIC}&Token=2336412f37"]


@pytest.mark.parametrize(
    "wrong",
    [
        "https://evil.example/?Action=ConfirmSubscription&TopicArn=" + peer.TOPIC,
        peer.HOST + ".evil.example/?Action=ConfirmSubscription&TopicArn=" + peer.TOPIC,
        peer.HOST.replace("https", "http") + "/?Action=ConfirmSubscription&TopicArn=" + peer.TOPIC,
        peer.HOST + "/?Action=ConfirmSubscription&TopicArn=" + peer.TOPIC + "\r\nHost: evil.example",
        peer.HOST + "/?Action=Publish&TopicArn=" + peer.TOPIC,
        peer.HOST + "/?Action=ConfirmSubscription&TopicArn=" + peer.TOPIC + "-other",
        peer.HOST + "/",
        "",
    ],
)
async def test_a_subscribe_url_that_asks_for_something_else_is_forged(wrong: str) -> None:
    with pytest.raises(ForgedRequest, match="SubscribeURL"):
        await confirm(SubscribeURL=wrong)


async def test_a_confirmation_without_url_is_forged() -> None:
    envelope = peer.notification("hello", NOW, peer.new_certificate_url(), Signature="")
    with pytest.raises(ForgedRequest, match="SubscribeURL"):
        await sns.confirm(sns.parse({}, peer.body(envelope)), http=peer.Door({}))


async def test_a_token_that_is_no_longer_good_is_told() -> None:
    with pytest.raises(MalformedRequest, match="400"):
        await confirm(peer.ok(b"<ErrorResponse/>", 400))


@pytest.mark.parametrize(
    "answer", [peer.ok(b"", 500), peer.ok(b"", 429), peer.ok(b"", 302), HttpFault(Why.NETWORK, "down")]
)
async def test_a_confirmation_that_did_not_get_through_can_be_tried_again(answer: Response | HttpFault) -> None:
    with pytest.raises(HttpFault):
        await confirm(answer)


class MotoDoor:
    """Fetches from a moto server what AWS would serve. moto routes by the region it finds in a SigV4 header."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint

    async def get(self, url: str) -> Response:
        parts = urlsplit(url)
        assert parts.hostname == "sns.us-east-1.amazonaws.com"
        scope = "AWS4-HMAC-SHA256 Credential=key/20260301/us-east-1/sns/aws4_request, SignedHeaders=host, Signature=0"
        request = Request(self.endpoint + parts.path, headers={"Authorization": scope})
        return await asyncio.to_thread(_fetch, request)


def _keep(request: HookRequest, bodies: "Queue[bytes]") -> HookResponse:
    bodies.put(request.get_data())
    return HookResponse()


def _fetch(request: Request) -> Response:
    try:
        with urlopen(request, timeout=10) as answer:
            return peer.ok(answer.read(), answer.status)
    except HTTPError as fault:
        return peer.ok(fault.read(), fault.code)


@pytest.fixture(scope="module")
def moto_endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        yield "http://{}:{}".format(*server.get_host_and_port())
    finally:
        server.stop()


def aws_sns(endpoint: str) -> Any:
    keys = {"aws_access_key_id": "key", "aws_secret_access_key": "secret"}
    return boto3.session.Session().client("sns", region_name="us-east-1", endpoint_url=endpoint, **keys)


async def test_what_moto_signs_is_believed_until_it_is_changed(moto_endpoint: str, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/hook").respond_with_data("")
    api = aws_sns(moto_endpoint)
    topic = api.create_topic(Name="ses-acme")["TopicArn"]
    api.subscribe(TopicArn=topic, Protocol="http", Endpoint=httpserver.url_for("/hook"))
    await asyncio.to_thread(api.publish, TopicArn=topic, Message='{"eventType": "Open"} ü')
    body = httpserver.log[-1][0].get_data()
    envelope = sns.parse({}, body)
    signed_at = sns.instant(envelope.timestamp)
    assert signed_at is not None
    # moto's certificate begins at the second it is made, its Timestamp may round to just before.
    window = Window(signed_at + timedelta(seconds=2))
    how: dict[str, Any] = {"topics": (topic,), "window": window, "http": MotoDoor(moto_endpoint)}
    await sns.verify(envelope, **how)
    assert envelope.message == '{"eventType": "Open"} ü'
    with pytest.raises(ForgedRequest, match="signature does not hold"):
        await sns.verify(sns.parse({}, body.replace(b"Open", b"Send")), **how)


async def test_a_subscription_at_ministack_is_confirmed_for_real(tmp_path: Path, httpserver: HTTPServer) -> None:
    bodies = Queue[bytes]()
    httpserver.expect_request("/hook").respond_with_handler(lambda request: _keep(request, bodies))
    with ministack(tmp_path) as endpoint:
        api = aws_sns(endpoint)
        topic = api.create_topic(Name="ses-acme")["TopicArn"]
        api.subscribe(TopicArn=topic, Protocol="http", Endpoint=httpserver.url_for("/hook"))
        envelope = sns.parse({}, await asyncio.to_thread(bodies.get, timeout=20))
        subscription = api.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"][0]["SubscriptionArn"]

        def pending() -> str:
            return str(
                api.get_subscription_attributes(SubscriptionArn=subscription)["Attributes"]["PendingConfirmation"]
            )

        assert pending() == "true"
        async with Http() as door:
            with pytest.raises(ForgedRequest):
                await sns.confirm(envelope, http=door)
            await sns.confirm(envelope, http=door, endpoint_url=endpoint)
            assert pending() == "false"
            with pytest.raises(MalformedRequest):
                await sns.confirm(envelope, http=door, endpoint_url=endpoint)
