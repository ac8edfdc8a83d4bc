"""Amazon SNS as a receiver sees it: messages signed with a key made here, and a door that serves its certificate."""

import base64
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import uuid4

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

from probes.http import HttpFault, Response
from probes.observation import Why

TOPIC = "arn:aws:sns:eu-west-1:123456789012:ses-acme"
HOST = "https://sns.eu-west-1.amazonaws.com"

# The strings AWS says to sign, written out here a second time on purpose: probes/sns.py has the first.
NOTIFICATION = (
    "Message\n{Message}\nMessageId\n{MessageId}\nTimestamp\n{Timestamp}\nTopicArn\n{TopicArn}\nType\n{Type}\n"
)
WITH_SUBJECT = (
    "Message\n{Message}\nMessageId\n{MessageId}\nSubject\n{Subject}\nTimestamp\n{Timestamp}\n"
    "TopicArn\n{TopicArn}\nType\n{Type}\n"
)
CONFIRMATION = (
    "Message\n{Message}\nMessageId\n{MessageId}\nSubscribeURL\n{SubscribeURL}\nTimestamp\n{Timestamp}\n"
    "Token\n{Token}\nTopicArn\n{TopicArn}\nType\n{Type}\n"
)
ALGORITHMS = {"1": hashes.SHA1, "2": hashes.SHA256}


@cache
def rsa_key(number: int = 0) -> rsa.RSAPrivateKey:
    """One key for all tests (making one is slow); another `number` is another key."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def certificate(
    now: datetime,
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | None = None,
    *,
    starts: timedelta = timedelta(days=-30),
    ends: timedelta = timedelta(days=30),
) -> bytes:
    """A certificate for sns.amazonaws.com, followed by that of its issuer, as PEM."""
    key = key or rsa_key()
    issuer_key = rsa_key(1)
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "An issuer")])
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    chain = b""
    for name, its_key in ((subject, key.public_key()), (issuer, issuer_key.public_key())):
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(issuer)
            .public_key(its_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + starts)
            .not_valid_after(now + ends)
            .sign(issuer_key, hashes.SHA256())
        )
        chain += made.public_bytes(serialization.Encoding.PEM)
    return chain


def new_certificate_url(host: str = HOST) -> str:
    """A URL as AWS names them; each one is new, as certificates are kept by URL."""
    return f"{host}/SimpleNotificationService-{uuid4().hex}.pem"


def notification(message: str, at: datetime, certificate_url: str, **changed: str) -> dict[str, str]:
    """A Notification that is not signed yet."""
    return {
        "Type": "Notification",
        "MessageId": str(uuid4()),
        "TopicArn": TOPIC,
        "Message": message,
        "Timestamp": stamp(at),
        "SignatureVersion": "2",
        "SigningCertURL": certificate_url,
        "UnsubscribeURL": f"{HOST}/?Action=Unsubscribe&SubscriptionArn={TOPIC}:1",
    } | changed


def confirmation(at: datetime, certificate_url: str, **changed: str) -> dict[str, str]:
    """A SubscriptionConfirmation that is not signed yet."""
    return {
        "Type": "SubscriptionConfirmation",
        "MessageId": str(uuid4()),
        "Token": "2336412f37",
        "TopicArn": TOPIC,
        "Message": f"You have chosen to subscribe to the topic {TOPIC}.",
        "SubscribeURL": f"{HOST}/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37",
        "Timestamp": stamp(at),
        "SignatureVersion": "2",
        "SigningCertURL": certificate_url,
    } | changed


def sign(envelope: Mapping[str, str], key: rsa.RSAPrivateKey | None = None) -> dict[str, str]:
    """The envelope with its Signature, by the algorithm that its SignatureVersion stands for."""
    form = NOTIFICATION if envelope["Type"] == "Notification" else CONFIRMATION
    if "Subject" in envelope:
        form = WITH_SUBJECT
    algorithm = ALGORITHMS.get(envelope["SignatureVersion"], hashes.SHA256)
    made = (key or rsa_key()).sign(form.format(**envelope).encode(), padding.PKCS1v15(), algorithm())
    return {**envelope, "Signature": base64.b64encode(made).decode()}


def body(envelope: Mapping[str, Any]) -> bytes:
    """The envelope as it is posted."""
    return json.dumps(envelope, indent=2).encode()


def stamp(at: datetime) -> str:
    """A time as AWS writes it."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03}Z"


class Door:
    """An http door with fixed answers by URL. A URL it does not know cannot be reached. `asked` are all that came."""

    def __init__(self, answers: Mapping[str, Response | HttpFault]) -> None:
        self.answers = dict(answers)
        self.asked: list[str] = []

    async def get(self, url: str) -> Response:
        self.asked.append(url)
        answer = self.answers.get(url, HttpFault(Why.NETWORK, "no such host"))
        if isinstance(answer, HttpFault):
            raise answer
        return answer


def ok(content: bytes, status: int = 200) -> Response:
    """An answer without headers."""
    return Response(status=status, headers={}, body=content)
