"""What Amazon SES sends through SNS, as a whole, and its own counts."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.stub import Stubber
from pydantic import ValidationError
from pytest_httpserver import HTTPServer

from peers import sns as peer
from peers.ministack import free_port, ministack
from peers.ses_records import COMPLAINT, NOW
from probes import ses, sns
from probes.http import HttpFault
from probes.observation import (
    ForgedRequest,
    MalformedRequest,
    Observation,
    Parsed,
    Seen,
    Unseen,
    Why,
    Window,
)
from probes.ses_events import parse_events

WINDOW = Window(NOW)


def parse(record: Any) -> Parsed:
    return parse_events(json.dumps(record), WINDOW)


def config(**changed: Any) -> ses.Config:
    return ses.Config.model_validate({"kind": "ses", "region": "eu-west-1", "topics": [peer.TOPIC]} | changed)


def door() -> tuple[peer.Door, str]:
    url = peer.new_certificate_url()
    return peer.Door({url: peer.ok(peer.certificate(NOW))}), url


async def test_a_signed_complaint_is_received() -> None:
    http, url = door()
    body = peer.body(peer.sign(peer.notification(json.dumps(COMPLAINT), NOW, url)))
    parsed = await ses.receive(config(), {"x-amz-sns-message-type": "Notification"}, body, WINDOW, http)
    assert parsed == parse(COMPLAINT)
    assert len(parsed.events) == 1


async def test_a_retry_has_the_ids_of_the_first_try() -> None:
    http, url = door()
    body = peer.body(peer.sign(peer.notification(json.dumps(COMPLAINT), NOW, url)))
    first = await ses.receive(config(), {}, body, WINDOW, http)
    again = await ses.receive(config(), {}, body, Window(NOW + timedelta(minutes=59)), http)
    assert again == first
    assert http.asked == [url]


async def test_a_forged_complaint_is_refused() -> None:
    http, url = door()
    body = peer.body(peer.sign(peer.notification(json.dumps(COMPLAINT), NOW, url), peer.rsa_key(2)))
    with pytest.raises(ForgedRequest):
        await ses.receive(config(), {}, body, WINDOW, http)


async def test_without_topics_nothing_is_received() -> None:
    http, url = door()
    body = peer.body(peer.sign(peer.notification(json.dumps(COMPLAINT), NOW, url)))
    with pytest.raises(ForgedRequest, match="topics"):
        await ses.receive(config(topics=[]), {}, body, WINDOW, http)


async def test_a_subscription_is_confirmed_only_when_it_is_signed() -> None:
    http, url = door()
    envelope = peer.sign(peer.confirmation(NOW, url))
    http.answers[envelope["SubscribeURL"]] = peer.ok(b"<ConfirmSubscriptionResponse/>")
    forged = peer.body(envelope | {"Token": "other"})
    with pytest.raises(ForgedRequest):
        await ses.receive(config(), {}, forged, WINDOW, http)
    assert http.asked == [url]
    assert await ses.receive(config(), {}, peer.body(envelope), WINDOW, http) == Parsed()
    assert http.asked == [url, envelope["SubscribeURL"]]


async def test_a_confirmation_that_fails_for_now_is_to_be_sent_again() -> None:
    http, url = door()
    with pytest.raises(HttpFault):
        await ses.receive(config(), {}, peer.body(peer.sign(peer.confirmation(NOW, url))), WINDOW, http)


async def test_being_unsubscribed_is_said() -> None:
    http, url = door()
    envelope = peer.sign(peer.confirmation(NOW, url, Type="UnsubscribeConfirmation"))
    (reject,) = (await ses.receive(config(), {}, peer.body(envelope), WINDOW, http)).rejects
    assert reject.code == "unsubscribed"
    assert peer.TOPIC in reject.reason
    assert http.asked == [url]


async def test_a_signed_message_that_is_no_record_is_malformed() -> None:
    http, url = door()
    with pytest.raises(MalformedRequest):
        await ses.receive(config(), {}, peer.body(peer.sign(peer.notification("hello", NOW, url))), WINDOW, http)


# ---- configuration


@pytest.mark.parametrize(
    "changed",
    [
        {"kind": "sns"},
        {"region": "Ireland"},
        {"topics": ["ses-acme"]},
        {"topics": ["arn:aws:sqs:eu-west-1:123456789012:ses-acme"]},
        {"access_key_id": "AKIA"},
        {"secret_access_key": "hush"},
        {"endpoint_url": "ftp://127.0.0.1"},
        {"endpoint_url": "http://user:password@127.0.0.1"},
        {"timeout_seconds": 0},
        {"timeout_seconds": "nan"},
        {"topic": []},
    ],
)
def test_a_configuration_that_cannot_work_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as raised:
        config(**changed)
    assert "hush" not in str(raised.value)


def test_keys_do_not_print() -> None:
    given = config(access_key_id="AKIAHUSH", secret_access_key="hush")
    assert "hush" not in repr(given).lower()
    assert "hush" not in given.model_dump_json().lower()


# ---- counts


def local(endpoint: str, **changed: Any) -> ses.Config:
    keys = {"access_key_id": "key", "secret_access_key": "secret"}
    return config(**keys, endpoint_url=endpoint, timeout_seconds=5, **changed)


def answers(observations: tuple[Observation, ...]) -> dict[tuple[str, str], Seen | Unseen]:
    assert {(observation.source, observation.at) for observation in observations} == {("ses", NOW)}
    return {(observation.target, observation.part): observation.answer for observation in observations}


ACCOUNT = {
    "SendingEnabled": True,
    "EnforcementStatus": "HEALTHY",
    "SendQuota": {"Max24HourSend": 50000.0, "MaxSendRate": 14.0, "SentLast24Hours": 12.0},
    "VdmAttributes": {"VdmEnabled": "ENABLED"},
}


def metrics(**values: list[int]) -> dict[str, Any]:
    days = [NOW - timedelta(days=1), NOW - timedelta(days=2)]
    return {"Results": [{"Id": name, "Timestamps": days, "Values": counts} for name, counts in values.items()]}


async def test_ministack_tells_of_the_account_and_has_no_metrics(tmp_path: Path) -> None:
    with ministack(tmp_path) as endpoint:
        seen = answers(await ses.observe(local(endpoint), ["acme.com", "beta.example"], None, NOW))
    assert set(seen) == {(domain, part) for domain in ("acme.com", "beta.example") for part in ("account", "metrics")}
    account = seen["acme.com", "account"]
    assert isinstance(account, Seen)
    assert account.readings["sending_enabled"] is True
    assert account.readings["enforcement_status"] == "HEALTHY"
    assert account.readings["max_per_day"] == 50000.0
    assert seen["acme.com", "account"] == seen["beta.example", "account"]
    for domain in ("acme.com", "beta.example"):
        none = seen[domain, "metrics"]
        assert isinstance(none, Unseen)
        assert none.why is Why.NO_DATA
        assert "Virtual Deliverability Manager" in none.detail


async def test_metrics_are_summed_by_domain() -> None:
    here = local(f"http://127.0.0.1:{free_port()}")
    with Stubber(ses.client(here)) as stub:
        stub.add_response("get_account", ACCOUNT)
        for domain, sends in (("acme.com", [100, 50]), ("beta.example", [7, 0])):
            told = metrics(sends=sends, complaints=[1, 0], hard_bounces=[2, 1])
            stub.add_response("batch_get_metric_data", told, {"Queries": ses._queries(domain, NOW)})
        seen = answers(await ses.observe(here, ["acme.com", "beta.example"], None, NOW))
        stub.assert_no_pending_responses()
    assert seen["acme.com", "metrics"] == Seen(
        {"days": 7, "latest": "2026-02-28", "sends": 150, "complaints": 1, "hard_bounces": 3, "soft_bounces": 0}
    )
    beta = seen["beta.example", "metrics"]
    assert isinstance(beta, Seen)
    assert beta.readings["sends"] == 7


async def test_a_domain_that_ses_does_not_know_spoils_no_other() -> None:
    here = local(f"http://127.0.0.1:{free_port()}")
    with Stubber(ses.client(here)) as stub:
        stub.add_response("get_account", ACCOUNT)
        stub.add_client_error("batch_get_metric_data", "NotFoundException", "no identity", 404)
        stub.add_response("batch_get_metric_data", metrics(sends=[5]))
        seen = answers(await ses.observe(here, ["gone.example", "acme.com"], None, NOW))
    assert isinstance(seen["gone.example", "metrics"], Unseen)
    assert isinstance(seen["acme.com", "metrics"], Seen)


async def test_asking_stops_at_a_fault_that_all_would_meet() -> None:
    here = local(f"http://127.0.0.1:{free_port()}")
    with Stubber(ses.client(here)) as stub:
        stub.add_response("get_account", ACCOUNT)
        stub.add_response("batch_get_metric_data", metrics(sends=[5]))
        stub.add_client_error("batch_get_metric_data", "TooManyRequestsException", "slow down", 429)
        seen = answers(await ses.observe(here, ["a.example", "b.example", "c.example"], None, NOW))
        stub.assert_no_pending_responses()
    assert isinstance(seen["a.example", "metrics"], Seen)
    for domain in ("b.example", "c.example"):
        none = seen[domain, "metrics"]
        assert isinstance(none, Unseen)
        assert none.why is Why.RATE_LIMITED


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({}, Why.NO_DATA),
        ({"Results": None, "Errors": None}, Why.NO_DATA),
        (metrics(complaints=[3]), Why.NO_DATA),
        (metrics(sends=[-1]), Why.UNREADABLE),
        ({"Results": [{"Id": "sends", "Timestamps": [NOW], "Values": ["many"]}]}, Why.UNREADABLE),
        ({"Errors": [{"Id": "sends", "Code": "ACCESS_DENIED"}]}, Why.DENIED),
        (metrics(sends=[5]) | {"Errors": [{"Id": "complaints", "Code": "INTERNAL_FAILURE"}]}, Why.SERVFAIL),
    ],
)
def test_metrics_that_say_nothing_are_unseen(told: dict[str, Any], why: Why) -> None:
    answer = ses.metrics_answer(told)
    assert isinstance(answer, Unseen)
    assert answer.why is why


@pytest.mark.parametrize(
    "told",
    [{}, {"SendingEnabled": "yes"}, ACCOUNT | {"SendQuota": {"MaxSendRate": float("nan")}}],
)
def test_an_account_that_says_nothing_is_unseen(told: dict[str, Any]) -> None:
    answer = ses.account_answer(told)
    assert isinstance(answer, Unseen)
    assert answer.why is Why.UNREADABLE


def test_an_account_without_quota_is_seen() -> None:
    answer = ses.account_answer({"SendingEnabled": False, "SendQuota": None, "VdmAttributes": None})
    assert answer == Seen({"sending_enabled": False, "enforcement_status": "", "metrics_enabled": False})


@pytest.mark.parametrize(
    ("status", "content", "why"),
    [
        (401, '{"message": "The security token is hush"}', Why.DENIED),
        (403, '{"message": "The Canonical String is hush"}', Why.DENIED),
        (403, "<html>hush</html>", Why.DENIED),
        (404, "{}", Why.NO_DATA),
        (400, "{}", Why.REFUSED),
        (429, "{}", Why.RATE_LIMITED),
        (500, "{", Why.SERVFAIL),
        (200, "<html>hush</html>", Why.UNREADABLE),
        (200, "[1]", Why.UNREADABLE),
        (200, "null", Why.UNREADABLE),
        (200, '{"SendingEnabled": true, "SendQuota": {"MaxSendRate": NaN}}', Why.UNREADABLE),
    ],
)
async def test_answers_that_are_no_account_are_unseen(
    httpserver: HTTPServer, status: int, content: str, why: Why
) -> None:
    httpserver.expect_request("/v2/email/account").respond_with_data(content, status, content_type="application/json")
    seen = answers(await ses.observe(local(httpserver.url_for("")), ["acme.com"], None, NOW))
    assert set(seen) == {("acme.com", "account"), ("acme.com", "metrics")}
    account = seen["acme.com", "account"]
    assert isinstance(account, Unseen)
    assert account.why is why
    assert "hush" not in account.detail
    assert isinstance(seen["acme.com", "metrics"], Unseen)


async def test_without_keys_the_chain_of_aws_is_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, httpserver: HTTPServer
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    seen = answers(await ses.observe(config(endpoint_url=httpserver.url_for("")), ["acme.com"], None, NOW))
    assert seen["acme.com", "account"] == Unseen(Why.DENIED, "AWS credentials cannot be had (NoCredentialsError)")
    assert httpserver.log == []


async def test_nobody_there_is_unseen() -> None:
    here = local(f"http://127.0.0.1:{free_port()}")
    seen = answers(await ses.observe(here, ["acme.com"], None, NOW))
    assert {answer.why for answer in seen.values() if isinstance(answer, Unseen)} == {Why.NETWORK}
    assert len(seen) == 2


def test_the_certificates_are_shared_by_default() -> None:
    assert ses.receive.__defaults__ == (sns.CERTIFICATES,)
