"""Who may speak for an SNS topic: signatures, certificates, topics, time stamps and confirmations."""

import contextlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from peers import sns as peer
from probes import sns
from probes.http import HttpFault, Response
from probes.observation import ForgedRequest, MalformedRequest, Why, Window

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
WINDOW = Window(NOW)


async def verify(envelope: dict[str, Any], door: sns.Getter, **changed: Any) -> sns.Envelope:
    """Parse and verify, at NOW, for the one topic, with certificates of its own unless given others."""
    parsed = sns.parse({}, peer.body(envelope))
    how: dict[str, Any] = {
        "topics": (peer.TOPIC,),
        "window": WINDOW,
        "http": door,
        "certificates": sns.Certificates(),
    } | changed
    await sns.verify(parsed, **how)
    return parsed


def door_of(url: str, pem: bytes | None = None) -> peer.Door:
    return peer.Door({url: peer.ok(pem or peer.certificate(NOW))})


@pytest.fixture
def url() -> str:
    return peer.new_certificate_url()


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("extra", [{}, {"Subject": "Amazon SES"}, {"Message": 'ü "quoted"\n\u2028 lines'}])
async def test_a_signed_notification_is_believed(url: str, version: str, extra: dict[str, str]) -> None:
    envelope = peer.sign(peer.notification("hello", NOW, url, SignatureVersion=version, **extra))
    parsed = await verify(envelope, door_of(url))
    assert parsed.message == envelope["Message"]


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("kind", ["SubscriptionConfirmation", "UnsubscribeConfirmation"])
async def test_a_signed_confirmation_is_believed(url: str, version: str, kind: str) -> None:
    envelope = peer.sign(peer.confirmation(NOW, url, SignatureVersion=version, Type=kind))
    assert (await verify(envelope, door_of(url))).type == kind


@pytest.mark.parametrize("member", ["Message", "MessageId", "Subject", "Timestamp"])
async def test_a_changed_notification_is_forged(url: str, member: str) -> None:
    envelope = peer.sign(peer.notification("hello", NOW, url, Subject="s"))
    envelope[member] = peer.stamp(NOW - timedelta(seconds=1)) if member == "Timestamp" else "other"
    with pytest.raises(ForgedRequest, match="signature does not hold"):
        await verify(envelope, door_of(url))


async def test_a_topic_that_changed_to_another_allowed_one_is_forged(url: str) -> None:
    other = peer.TOPIC + "-other"
    envelope = peer.sign(peer.notification("hello", NOW, url)) | {"TopicArn": other}
    with pytest.raises(ForgedRequest, match="signature does not hold"):
        await verify(envelope, door_of(url), topics=(peer.TOPIC, other))


@pytest.mark.parametrize("member", ["SubscribeURL", "Token", "Message"])
async def test_a_changed_confirmation_is_forged(url: str, member: str) -> None:
    envelope = peer.sign(peer.confirmation(NOW, url)) | {member: "other"}
    with pytest.raises(ForgedRequest, match="signature does not hold"):
        await verify(envelope, door_of(url))


async def test_a_signature_by_another_key_is_forged(url: str) -> None:
    envelope = peer.sign(peer.notification("hello", NOW, url), peer.rsa_key(2))
    with pytest.raises(ForgedRequest, match="signature does not hold"):
        await verify(envelope, door_of(url))


@pytest.mark.parametrize("signature", ["", "FAKE", "not base64!", "ü"])
async def test_what_is_no_signature_is_forged(url: str, signature: str) -> None:
    envelope = peer.notification("hello", NOW, url) | {"Signature": signature}
    with pytest.raises(ForgedRequest, match="signature does not hold"):
        await verify(envelope, door_of(url))


@pytest.mark.parametrize("version", ["0", "3", "", "SHA256"])
async def test_an_unknown_signature_version_is_forged(url: str, version: str) -> None:
    envelope = peer.sign(peer.notification("hello", NOW, url, SignatureVersion=version))
    with pytest.raises(ForgedRequest, match="version 1 or 2"):
        await verify(envelope, door_of(url))


async def test_version_1_does_not_pass_for_version_2(url: str) -> None:
    envelope = peer.sign(peer.notification("hello", NOW, url, SignatureVersion="1")) | {"SignatureVersion": "2"}
    with pytest.raises(ForgedRequest, match="signature does not hold"):
        await verify(envelope, door_of(url))


@pytest.mark.parametrize(
    ("starts", "ends"),
    [(timedelta(days=-30), timedelta(seconds=-1)), (timedelta(seconds=1), timedelta(days=30))],
)
async def test_a_certificate_out_of_its_dates_is_refused(url: str, starts: timedelta, ends: timedelta) -> None:
    pem = peer.certificate(NOW, starts=starts, ends=ends)
    with pytest.raises(ForgedRequest, match="not valid now"):
        await verify(peer.sign(peer.notification("hello", NOW, url)), door_of(url, pem))


async def test_a_kept_certificate_is_checked_against_its_dates_each_time(url: str) -> None:
    kept, door = sns.Certificates(), door_of(url)
    await verify(peer.sign(peer.notification("hello", NOW, url)), door, certificates=kept)
    later = NOW + timedelta(days=31)
    with pytest.raises(ForgedRequest, match="not valid now"):
        envelope = peer.sign(peer.notification("hello", later, url))
        await verify(envelope, door, certificates=kept, window=Window(later))
    assert door.asked == [url]


async def test_a_key_that_is_not_rsa_is_refused(url: str) -> None:
    pem = peer.certificate(NOW, ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(ForgedRequest, match="not signed with RSA"):
        await verify(peer.sign(peer.notification("hello", NOW, url)), door_of(url, pem))


@pytest.mark.parametrize(
    "wrong",
    [
        "https://sns.eu-west-1.amazonaws.com.evil.example/SimpleNotificationService-1.pem",
        "https://evil.example/SimpleNotificationService-1.pem",
        "https://sns.eu-west-1.amazonaws.com@evil.example/SimpleNotificationService-1.pem",
        "https://evil.example#@sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem",
        "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-1.pem",
        "https://snsxeu-west-1.amazonaws.com/SimpleNotificationService-1.pem",
        "https://my-bucket.s3.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem",
        "https://sns.eu-west-1.amazonaws.com.cn/SimpleNotificationService-1.pem",
        "http://sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem",
        "https://sns.eu-west-1.amazonaws.com:8443/SimpleNotificationService-1.pem",
        "https://sns.eu-west-1.amazonaws.com/other.pem",
        "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem?x=1",
        "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem\n",
        "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-../../x.pem",
        "http://127.0.0.1:1234/SimpleNotificationService-1.pem",
        "",
    ],
)
async def test_a_certificate_from_elsewhere_is_not_even_asked_for(wrong: str) -> None:
    door = door_of(wrong)
    with pytest.raises(ForgedRequest, match="SigningCertURL"):
        await verify(peer.sign(peer.notification("hello", NOW, wrong)), door)
    assert door.asked == []


async def test_the_certificate_of_china_is_at_its_own_host() -> None:
    topic = "arn:aws-cn:sns:cn-north-1:123456789012:ses-acme"
    url = peer.new_certificate_url("https://sns.cn-north-1.amazonaws.com.cn")
    envelope = peer.sign(peer.notification("hello", NOW, url, TopicArn=topic))
    assert (await verify(envelope, door_of(url), topics=(topic,))).topic_arn == topic


@pytest.mark.parametrize(("endpoint", "good"), [("http://127.0.0.1:9999/", True), ("https://aws.example", False)])
async def test_only_a_loopback_endpoint_adds_its_origin(endpoint: str, good: bool) -> None:
    url = peer.new_certificate_url(endpoint.rstrip("/"))
    envelope, door = peer.sign(peer.notification("hello", NOW, url)), door_of(url)
    if good:
        assert (await verify(envelope, door, endpoint_url=endpoint)).message == "hello"
    else:
        with pytest.raises(ForgedRequest, match="SigningCertURL"):
            await verify(envelope, door, endpoint_url=endpoint)


async def test_a_topic_that_is_not_listed_is_refused_before_anything_is_fetched(url: str) -> None:
    door = door_of(url)
    envelope = peer.sign(peer.notification("hello", NOW, url))
    for topics in ((), ("arn:aws:sns:eu-west-1:123456789012:other",)):
        with pytest.raises(ForgedRequest, match="TopicArn"):
            await verify(envelope, door, topics=topics)
    assert door.asked == []


async def test_a_listed_topic_that_is_no_arn_has_no_host(url: str) -> None:
    envelope = peer.sign(peer.notification("hello", NOW, url, TopicArn="nonsense"))
    with pytest.raises(ForgedRequest, match="SigningCertURL"):
        await verify(envelope, door_of(url), topics=("nonsense",))


@pytest.mark.parametrize("age", [timedelta(0), timedelta(hours=1), timedelta(hours=2), timedelta(minutes=-5)])
async def test_a_message_retried_for_an_hour_is_believed(url: str, age: timedelta) -> None:
    await verify(peer.sign(peer.notification("hello", NOW - age, url)), door_of(url))


@pytest.mark.parametrize("age", [timedelta(hours=2, seconds=1), timedelta(days=23), -timedelta(minutes=5, seconds=1)])
async def test_a_replay_and_a_message_from_the_future_are_refused(url: str, age: timedelta) -> None:
    with pytest.raises(ForgedRequest, match="replay"):
        await verify(peer.sign(peer.notification("hello", NOW - age, url)), door_of(url))


@pytest.mark.parametrize("text", ["", "yesterday", "2026-03-01T12:00:00", "0001-01-01T00:00:00+14:00", "²026-03-01"])
async def test_a_timestamp_that_is_no_time_is_refused(url: str, text: str) -> None:
    with pytest.raises(ForgedRequest, match="not a time"):
        await verify(peer.sign(peer.notification("hello", NOW, url, Timestamp=text)), door_of(url))


async def test_a_certificate_is_fetched_once_and_few_are_kept() -> None:
    urls = [peer.new_certificate_url() for _ in range(3)]
    door = peer.Door({url: peer.ok(peer.certificate(NOW)) for url in urls})
    kept = sns.Certificates(size=2)
    for url in (urls[0], urls[0], urls[1], urls[2], urls[0]):
        await verify(peer.sign(peer.notification("hello", NOW, url)), door, certificates=kept)
    assert door.asked == [urls[0], urls[1], urls[2], urls[0]]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (HttpFault(Why.TIMEOUT, "slow"), Why.TIMEOUT),
        (peer.ok(b"", 503), Why.SERVFAIL),
        (peer.ok(b"", 429), Why.SERVFAIL),
        (peer.ok(b"", 302), Why.SERVFAIL),
        (peer.ok(b"<html>sign in to the hotel's network</html>"), Why.UNREADABLE),
        (peer.ok(b""), Why.UNREADABLE),
    ],
)
async def test_a_certificate_that_cannot_be_had_now_is_no_forgery(
    url: str, answer: Response | HttpFault, why: Why
) -> None:
    kept, door = sns.Certificates(), peer.Door({url: answer})
    envelope = peer.sign(peer.notification("hello", NOW, url))
    with pytest.raises(HttpFault) as raised:
        await verify(envelope, door, certificates=kept)
    assert raised.value.why is why
    door.answers[url] = peer.ok(peer.certificate(NOW))
    await verify(envelope, door, certificates=kept)


async def test_a_certificate_that_aws_does_not_have_is_a_forgery(url: str) -> None:
    with pytest.raises(ForgedRequest, match="leads nowhere"):
        await verify(peer.sign(peer.notification("hello", NOW, url)), peer.Door({url: peer.ok(b"", 404)}))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"null",
        b"[1]",
        b"<html>",
        b"\xff\xfe",
        b'{"Type": NaN}',
        b'{"Type": "Notification"}',
        json.dumps(peer.notification("lone \ud800 surrogate", NOW, "u", Signature="")).encode(),
        json.dumps(peer.notification("m", NOW, "u") | {"Signature": 5}).encode(),
        json.dumps(peer.notification("m", NOW, "u", Signature="") | {"Message": {"nested": 1}}).encode(),
        json.dumps(peer.notification("m", NOW, "u", Signature="", Type="Other")).encode(),
        b"[" * 100_000,
        b" " * (10 * 1024 * 1024),
    ],
    ids=range(14),
)
def test_what_is_no_envelope_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedRequest):
        sns.parse({}, body)


def test_raw_delivery_is_refused_with_the_remedy() -> None:
    with pytest.raises(ForgedRequest, match="raw message delivery"):
        sns.parse({"X-Amz-Sns-Rawdelivery": "true"}, b'{"eventType": "Send"}')


NAMES = ["Type", "MessageId", "TopicArn", "Message", "Timestamp", "Signature", "SignatureVersion", "SigningCertURL"]
JSON = st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda it: st.lists(it, max_size=2))


@settings(deadline=None)
@given(st.binary() | st.dictionaries(st.sampled_from(NAMES), JSON).map(lambda it: json.dumps(it).encode()))
def test_any_body_is_an_envelope_or_malformed(body: bytes) -> None:
    with contextlib.suppress(MalformedRequest):
        sns.string_to_sign(sns.parse({}, body))


@settings(deadline=None)
@given(
    st.fixed_dictionaries(
        dict.fromkeys(NAMES, st.text()) | {"Type": st.sampled_from(["Notification", "SubscriptionConfirmation"])},
        optional={"Subject": st.text(), "Token": st.text(), "SubscribeURL": st.text()},
    )
)
async def test_any_envelope_is_refused_as_forged_and_nothing_else(envelope: dict[str, str]) -> None:
    parsed = sns.parse({}, json.dumps(envelope).encode())
    door = peer.Door({})
    with pytest.raises(ForgedRequest):
        await sns.verify(parsed, topics=(peer.TOPIC, parsed.topic_arn), window=WINDOW, http=door)
    with pytest.raises(ForgedRequest):
        await sns.confirm(parsed, http=door)
    assert door.asked == []


@pytest.mark.parametrize(
    ("url", "answer"),
    [
        ("http://localhost:1", True),
        ("http://127.9.9.9", True),
        ("http://[::1]:80", True),
        ("http://128.0.0.1", False),
        ("http://localhost.evil.example", False),
        ("http://127.0.0.1.evil.example", False),
        ("", False),
    ],
)
def test_loopback_is_this_machine_and_no_other(url: str, answer: bool) -> None:
    assert sns.is_loopback(url) is answer
