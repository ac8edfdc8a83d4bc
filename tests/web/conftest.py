"""One daemon for all that is thrown at its door: whatever comes, it goes on, takes good mail in, and moves nothing."""

from collections.abc import Iterator

import pytest

from peers.aws_host import AwsHost, aws_host
from peers.daemon import Daemon, running
from peers.door import Door
from peers.mail_events import event
from peers.mailbox import mailbox
from peers.own_sender import DomainState, OwnSender
from peers.sns import TOPIC

SES = """
[platforms.aws]
kind = "ses"
region = "eu-west-1"
topics = ["{topic}"]
endpoint_url = "{url}"
access_key_id = "AKIACANARY"
secret_access_key = "canary"

[domains."ses.test"]
owner = "team"
platform = "aws"
mode = "enforce"
levers = ["configuration-set:acme"]
"""


@pytest.fixture(scope="session")
def aws() -> Iterator[AwsHost]:
    with aws_host() as host:
        host.answer = (200, b'{"SendingOptions": {"SendingEnabled": true}}')
        yield host


@pytest.fixture(scope="session")
def door(tmp_path_factory: pytest.TempPathFactory, aws: AwsHost) -> Iterator[Door]:
    more = SES.format(topic=TOPIC, url=aws.url)
    folder = tmp_path_factory.mktemp("door")
    with mailbox() as box, OwnSender() as sender:
        daemon = Daemon(folder, sender, [box.channel], more=more, request_seconds=2)
        with running(daemon):
            yield Door(daemon)


@pytest.fixture(autouse=True)
def unharmed(door: Door) -> Iterator[None]:
    yield
    assert door.ready()
    answer = door.report(event("delivered"))
    assert (answer.status, answer.json) == (200, {"accepted": 1, "duplicates": 0, "rejected": []})
    assert door.daemon.sender.domains == {"acme.com": DomainState()}
    assert all(call.method == "GET" for call in door.daemon.sender.calls)


@pytest.fixture(autouse=True, scope="module")
def turning(door: Door) -> Iterator[None]:
    yield
    door.turns()
