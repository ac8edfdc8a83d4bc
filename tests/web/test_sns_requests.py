"""What is posted to the hook of an Amazon SES account and is not from its topics, or not to be read."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from peers.aws_host import AwsHost
from peers.door import Answer, Door, Watch
from peers.ses_records import COMPLAINT, MESSAGE_ID, changed
from peers.sns import body, confirmation, notification, rsa_key, sign, stamp

PERSON = "canary.person@gmail.com"


def record(**of_mail: Any) -> str:
    """A complaint of now about mail of an hour ago."""
    now = datetime.now(UTC)
    mail = {"timestamp": stamp(now - timedelta(hours=1)), "commonHeaders": {"from": ["sales@ses.test"]}} | of_mail
    who = {"timestamp": stamp(now), "complainedRecipients": [{"emailAddress": PERSON}]}
    return json.dumps(changed(COMPLAINT, mail=mail, complaint=who))


def envelope(aws: AwsHost, message: str | None = None, **changes: str) -> dict[str, str]:
    now = datetime.now(UTC)
    return notification(record() if message is None else message, now, aws.certificate_url(), **changes)


def post(door: Door, made: dict[str, Any], **headers: str) -> Answer:
    return door.post(body(made), headers, "/hooks/aws")


@dataclass(frozen=True)
class Case:
    """What is sent, and the status, code and words that come back."""

    what: str
    make: Callable[[AwsHost], dict[str, Any]]
    status: int
    code: str
    words: str


def forged(what: str, words: str, make: Callable[[AwsHost], dict[str, Any]]) -> Case:
    return Case(what, make, 401, "forged", words)


def malformed(what: str, words: str, make: Callable[[AwsHost], dict[str, Any]]) -> Case:
    return Case(what, make, 422, "malformed", words)


def elsewhere(url: str) -> Case:
    words = "not a certificate of SNS in the topic's region"
    return forged(f"certificate at {url}", words, lambda aws: sign(envelope(aws, SigningCertURL=url)))


OTHER_TOPIC = "arn:aws:sns:eu-west-1:666666666666:stranger"
OLD = timedelta(hours=3)
PEM = "/SimpleNotificationService-abc.pem"
CASES = (
    forged("another topic", "TopicArn is not among", lambda aws: sign(envelope(aws, TopicArn=OTHER_TOPIC))),
    forged("another key", "signature does not hold", lambda aws: sign(envelope(aws), rsa_key(2))),
    forged("changed", "signature does not hold", lambda aws: sign(envelope(aws)) | {"Message": record(tags={})}),
    forged("no base64", "signature does not hold", lambda aws: envelope(aws) | {"Signature": "$$$"}),
    forged("version 3", "version 1 or 2", lambda aws: sign(envelope(aws, SignatureVersion="3"))),
    forged(
        "replayed for long", "is a replay", lambda aws: sign(envelope(aws, Timestamp=stamp(datetime.now(UTC) - OLD)))
    ),
    forged("ahead", "a clock is wrong", lambda aws: sign(envelope(aws, Timestamp=stamp(datetime.now(UTC) + OLD)))),
    forged("no time", "Timestamp is not a time", lambda aws: sign(envelope(aws, Timestamp="now"))),
    elsewhere(f"https://sns.eu-west-1.amazonaws.com.evil.test{PEM}"),
    elsewhere(f"https://sns.us-east-1.amazonaws.com{PEM}"),
    elsewhere(f"http://sns.eu-west-1.amazonaws.com{PEM}"),
    elsewhere(f"https://user@evil.test/sns.eu-west-1.amazonaws.com{PEM}"),
    elsewhere("file:///etc/passwd"),
    forged("no certificate", "leads nowhere (404)", lambda aws: sign(with_certificate(aws, 404, b""))),
    forged(
        "confirms elsewhere",
        "SubscribeURL is not at SNS",
        lambda aws: sign(
            confirmation(datetime.now(UTC), aws.certificate_url(), SubscribeURL="https://evil.test/?Action=x")
        ),
    ),
    malformed("no envelope", "not an SNS message", lambda aws: {"events": []}),
    malformed("another type", "its Type is none of", lambda aws: envelope(aws, Type="Note") | {"Signature": ""}),
    malformed("no record", "not a record of SES", lambda aws: sign(envelope(aws, "<html>"))),
    malformed("a record cut off", "not a record of SES", lambda aws: sign(envelope(aws, record()[:-30]))),
    malformed("no mail", "it has no `mail`", lambda aws: sign(envelope(aws, '{"eventType": "Complaint"}'))),
    malformed("a bad id", "messageId", lambda aws: sign(envelope(aws, record(messageId="a\nb")))),
    Case(
        "no certificate just now",
        lambda aws: sign(with_certificate(aws, 500, b"")),
        503,
        "unverifiable",
        "answered 500",
    ),
    Case(
        "garbage for a certificate",
        lambda aws: sign(with_certificate(aws, 200, b"<html>")),
        503,
        "unverifiable",
        "holds no certificate",
    ),
)


def with_certificate(aws: AwsHost, status: int, content: bytes) -> dict[str, str]:
    return envelope(aws, SigningCertURL=aws.certificate_url(status, content))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_refused_whole(door: Door, aws: AwsHost, case: Case) -> None:
    watch = Watch(door)
    answer = post(door, case.make(aws))
    assert (answer.status, answer.json["error"]) == (case.status, case.code)
    assert case.words in answer.json["reason"]
    assert ("retry-after" in answer.headers) == (case.status == 503)
    assert watch.counted(f'deliverd_requests_refused_total{{account="aws",code="{case.code}"}}') == 1
    (line,) = watch.said("request refused")
    assert line["why"] == answer.json["reason"]
    assert watch.counted('deliverd_events_accepted_total{account="aws"}') == 0


def test_raw_delivery_is_refused_with_the_way_to_mend_it(door: Door, aws: AwsHost) -> None:
    answer = post(door, json.loads(record()), **{"x-amz-sns-rawdelivery": "true"})
    assert answer.status == 401
    assert "turn it off for this SNS subscription" in answer.json["reason"]


def test_not_json(door: Door) -> None:
    assert door.post(b"\xff\xfe", {}, "/hooks/aws").status == 422
    assert door.post(b"[" * 100_000, {}, "/hooks/aws").status == 422


@pytest.mark.parametrize(
    ("of_mail", "code"),
    [
        ({"timestamp": "1999-01-01T00:00:00.000Z"}, "time"),
        ({"timestamp": "2999-01-01T00:00:00.000Z"}, "time"),
        ({"commonHeaders": {"from": ["a@stranger.test"]}}, "unknown-domain"),
        ({"commonHeaders": {"from": []}, "source": "", "tags": {}}, "domain"),
    ],
    ids=["ancient", "future", "unknown domain", "no domain"],
)
def test_refused_alone(door: Door, aws: AwsHost, of_mail: dict[str, Any], code: str) -> None:
    watch = Watch(door)
    answer = post(door, sign(envelope(aws, record(**of_mail))))
    assert answer.status == 422
    assert [(row["index"], row["code"]) for row in answer.json["rejected"]] == [(0, code)]
    assert watch.counted(f'deliverd_events_rejected_total{{account="aws",code="{code}"}}') == 1
    assert PERSON not in json.dumps([answer.json, *watch.said("event rejected")])


def test_a_good_one_is_taken_once_however_often_it_comes_and_names_nobody(door: Door, aws: AwsHost) -> None:
    made = sign(envelope(aws, record(messageId=f"{MESSAGE_ID}-once")))
    answers = [post(door, made).json for _ in range(2)]
    assert [(answer["accepted"], answer["duplicates"]) for answer in answers] == [(1, 0), (0, 1)]
    kept = [*door.daemon.folder.glob("deliverd.db*"), door.daemon.log_path]
    assert not [path.name for path in kept if PERSON.encode() in path.read_bytes()]
