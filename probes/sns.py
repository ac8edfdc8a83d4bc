"""Amazon SNS over HTTPS: who really sent this message. The envelope, its signature, and the confirmation asked for.

ValueError
|- ForgedRequest      do not retry: signature, time stamp, topic or origin does not hold (answer 401)
`- MalformedRequest   do not retry: it is no SNS message (answer 422)
HttpFault             retry: the certificate, or the confirmation, could not be fetched (answer 503: SNS sends again)

AWS signs with one key per region, whoever publishes: the signature alone says "some AWS customer". Hence the list of
topics, and hence no certificate from anywhere but the host of the topic's own region.

Sources, read 2026-11-22: docs.aws.amazon.com/sns/latest/dg/ sns-verify-signature-of-message.html (strings to sign,
versions 1 and 2), sns-message-delivery-retries.html (HTTPS: at most 3,600 s of retries, a hard limit),
sns-message-and-json-formats.html (envelopes).
"""

import base64
import binascii
import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Protocol
from urllib.parse import parse_qs, urlsplit

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256

from probes.http import HttpFault, Response
from probes.observation import ForgedRequest, MalformedRequest, Why, Window

# SNS carries 256 KiB; as a JSON string inside JSON that can grow, but not beyond this.
MAX_BODY_BYTES = 1_048_576

# An hour of retries is the most SNS does; the second hour is for clocks and queues. Older is a replay.
MAX_AGE = timedelta(hours=2)

TOPIC = r"arn:(aws|aws-cn|aws-us-gov):sns:([a-z0-9-]+):[0-9]{12}:[A-Za-z0-9_-]{1,256}"
"""A topic ARN: partition and region are its two groups."""

_HASHES = {"1": SHA1, "2": SHA256}
_NOTIFICATION = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_CONFIRMATION = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
_SIGNED = {
    "Notification": _NOTIFICATION,
    "SubscriptionConfirmation": _CONFIRMATION,
    "UnsubscribeConfirmation": _CONFIRMATION,
}


class Getter(Protocol):
    """The part of the http door that is needed here."""

    async def get(self, url: str) -> Response:
        """GET `url`, following no redirect. Raises HttpFault."""


class Envelope(msgspec.Struct, frozen=True, rename="pascal"):
    """What SNS puts around a message. Names are those of the JSON."""

    type: str
    message_id: str
    topic_arn: str
    message: str
    timestamp: str
    signature: str
    signature_version: str
    signing_cert_url: str = msgspec.field(name="SigningCertURL")
    subject: str | None = None
    token: str | None = None
    subscribe_url: str | None = msgspec.field(name="SubscribeURL", default=None)


class Certificates:
    """The signing certificates fetched so far, by URL: the newest `size` of them. AWS never changes one in place."""

    def __init__(self, size: int = 16) -> None:
        self._size = size
        self._kept: OrderedDict[str, x509.Certificate] = OrderedDict()

    async def get(self, url: str, http: Getter) -> x509.Certificate:
        """The certificate at `url`, fetched once. Raises HttpFault, or ForgedRequest where there is none."""
        if url not in self._kept:
            self._kept[url] = _read_certificate(url, await http.get(url))
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)
        return self._kept[url]


CERTIFICATES = Certificates()


def parse(headers: Mapping[str, str], body: bytes) -> Envelope:
    """The envelope in a request. Raises MalformedRequest, or ForgedRequest for a raw delivery: nothing signs that."""
    if any(name.lower() == "x-amz-sns-rawdelivery" for name in headers):
        raise ForgedRequest("raw message delivery is on, so nothing is signed: turn it off for this SNS subscription")
    if len(body) > MAX_BODY_BYTES:
        raise MalformedRequest(f"the body is {len(body)} bytes, and an SNS message never over {MAX_BODY_BYTES}")
    try:
        envelope = msgspec.json.decode(body, type=Envelope)
    except (ValueError, RecursionError) as fault:
        raise MalformedRequest(f"not an SNS message: {fault}") from None
    if envelope.type not in _SIGNED:
        raise MalformedRequest("not an SNS message: its Type is none of " + ", ".join(_SIGNED))
    return envelope


def string_to_sign(envelope: Envelope) -> bytes:
    """The bytes that SNS signed: name and value on a line each, by name, without what is absent."""
    values = {
        "Message": envelope.message,
        "MessageId": envelope.message_id,
        "Subject": envelope.subject,
        "SubscribeURL": envelope.subscribe_url,
        "Timestamp": envelope.timestamp,
        "Token": envelope.token,
        "TopicArn": envelope.topic_arn,
        "Type": envelope.type,
    }
    lines = (f"{name}\n{values[name]}\n" for name in _SIGNED[envelope.type] if values[name] is not None)
    return "".join(lines).encode()


async def verify(
    envelope: Envelope,
    *,
    topics: tuple[str, ...],
    window: Window,
    http: Getter,
    endpoint_url: str | None = None,
    certificates: Certificates = CERTIFICATES,
) -> None:
    """Make sure that the envelope comes from one of `topics`, is young, and was signed by AWS.

    The certificate may come from `https://sns.REGION.amazonaws.com` (`.com.cn` in China) of the topic's region and from
    nowhere else; a loopback `endpoint_url` adds its own origin, so that a local stand-in for AWS can be used.
    `window.now` is the present. Raises ForgedRequest or HttpFault.
    """
    if envelope.topic_arn not in topics:
        raise ForgedRequest("its TopicArn is not among the `topics` of this account")
    _require_young(envelope.timestamp, window)
    for origin in _origins(envelope.topic_arn, endpoint_url):
        if re.fullmatch(re.escape(origin) + r"/SimpleNotificationService-[0-9A-Za-z]+\.pem", envelope.signing_cert_url):
            break
    else:
        raise ForgedRequest("its SigningCertURL is not a certificate of SNS in the topic's region")
    certificate = await certificates.get(envelope.signing_cert_url, http)
    _check_signature(envelope, certificate, window.now)


async def confirm(envelope: Envelope, *, http: Getter, endpoint_url: str | None = None) -> None:
    """Accept a subscription, as its *verified* SubscriptionConfirmation asks, by a GET of its SubscribeURL.

    The URL is held to the same origins as the certificate. Raises ForgedRequest, MalformedRequest (the token is no
    longer good: let SNS send a new confirmation) or HttpFault.
    """
    url = envelope.subscribe_url or ""
    origin = next((it for it in _origins(envelope.topic_arn, endpoint_url) if url.startswith(f"{it}/?")), None)
    if origin is None or not re.fullmatch(r"[!-~]+", url):
        raise ForgedRequest("its SubscribeURL is not at SNS in the topic's region")
    asked = parse_qs(url.removeprefix(f"{origin}/?"))
    if asked.get("Action") != ["ConfirmSubscription"] or asked.get("TopicArn") != [envelope.topic_arn]:
        raise ForgedRequest("its SubscribeURL does not confirm a subscription to its topic")
    answer = await http.get(url)
    if 400 <= answer.status < 500 and answer.status != 429:
        raise MalformedRequest(f"SNS did not take the confirmation ({answer.status}): have it send a new one")
    if answer.status != 200:
        raise HttpFault(Why.SERVFAIL, f"SNS answered {answer.status} to the confirmation")


def instant(text: str) -> datetime | None:
    """A time as AWS writes it (ISO 8601 with an offset, which a space may precede), in UTC; None if it is none."""
    try:
        at = datetime.fromisoformat(text[:40].replace(" +", "+").replace(" -", "-"))
        return at.astimezone(UTC) if at.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def is_loopback(url: str) -> bool:
    """Whether `url` names this machine: `localhost` or a loopback address."""
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _origins(topic: str, endpoint_url: str | None) -> Iterator[str]:
    """Where the SNS of a topic lives, as scheme://host."""
    arn = re.fullmatch(TOPIC, topic)
    if arn is not None:
        yield f"https://sns.{arn[2]}.amazonaws.com" + (".cn" if arn[1] == "aws-cn" else "")
    if endpoint_url is not None and is_loopback(endpoint_url):
        yield endpoint_url.rstrip("/")


def _require_young(text: str, window: Window) -> None:
    """Raise ForgedRequest unless `text` is a time between `MAX_AGE` ago and now (or the window's bit of future)."""
    at = instant(text)
    if at is None:
        raise ForgedRequest("its Timestamp is not a time")
    if not window.now - MAX_AGE <= at <= window.now + window.future:
        raise ForgedRequest(
            f"its Timestamp is {at.isoformat()} (now {window.now.isoformat()}): SNS retries for an hour at most, "
            "so this is a replay, or a clock is wrong"
        )


def _read_certificate(url: str, answer: Response) -> x509.Certificate:
    """The first certificate of a PEM file: the leaf, where a chain follows."""
    if 400 <= answer.status < 500 and answer.status != 429:
        raise ForgedRequest(f"its SigningCertURL leads nowhere ({answer.status})")
    if answer.status != 200:
        raise HttpFault(Why.SERVFAIL, f"{url} answered {answer.status}")
    try:
        certificate = x509.load_pem_x509_certificates(answer.body)[0]
        certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise HttpFault(Why.UNREADABLE, f"{url} holds no certificate") from None
    return certificate


def _check_signature(envelope: Envelope, certificate: x509.Certificate, now: datetime) -> None:
    """Raise ForgedRequest unless the certificate is valid now and its key made the signature."""
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise ForgedRequest("the certificate that signed it is not valid now")
    key = certificate.public_key()
    algorithm = _HASHES.get(envelope.signature_version)
    if not isinstance(key, RSAPublicKey) or algorithm is None:
        raise ForgedRequest("it is not signed with RSA in version 1 or 2")
    try:
        signature = base64.b64decode(envelope.signature, validate=True)
        key.verify(signature, string_to_sign(envelope), PKCS1v15(), algorithm())
    except (InvalidSignature, binascii.Error, ValueError):
        raise ForgedRequest("its signature does not hold") from None
