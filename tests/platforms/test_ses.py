"""Pausing and resuming at Amazon SES: for real at a stand-in for AWS, and when AWS does anything else."""

import json
import re
import threading
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import pytest
from botocore.stub import Stubber
from pytest_httpserver import HTTPServer
from werkzeug.wrappers import Request, Response

from deliverd.model import Action, Actual, Intent, Lever, Limit, SendState
from deliverd.platforms.base import (
    Denied,
    Gone,
    Platform,
    PlatformError,
    RateLimited,
    Refused,
    Unavailable,
)
from deliverd.platforms.ses import Ses
from peers.ministack import free_port, ministack
from probes import ses as probe

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
RUNNING, PAUSED = Limit(SendState.RUNNING), Limit(SendState.PAUSED)
SET = Lever("aws", "configuration-set", "acme")
ARN = "arn:aws:ses:eu-west-1:123456789012:tenant/acme/tn-0123456789abcdef"
TENANT = Lever("aws", "tenant", ARN)
JSON = "application/json"


def config(endpoint: str, **changed: Any) -> probe.Config:
    keys = {"access_key_id": "AKIAHUSH", "secret_access_key": "hush", "timeout_seconds": 5}
    return probe.Config.model_validate(
        {"kind": "ses", "region": "eu-west-1", "endpoint_url": endpoint} | keys | changed
    )


def intent(lever: Lever, limit: Limit) -> Intent:
    before = RUNNING if limit.state is not SendState.RUNNING else PAUSED
    return Intent(1, Action(lever, limit, before, RUNNING, "acme.com", 1, "complaints"), 1, NOW)


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with ministack(tmp_path_factory.mktemp("ministack")) as url:
        yield url


@pytest.fixture
def api(endpoint: str) -> Any:
    return probe.client(config(endpoint))


@pytest.fixture
def platform(endpoint: str) -> Platform:
    return Ses("aws", config(endpoint))


# ---- at a real stand-in


async def test_a_configuration_set_is_paused_read_back_and_resumed(platform: Platform, api: Any) -> None:
    api.create_configuration_set(ConfigurationSetName="round-trip")
    (lever,) = await platform.levers("acme.com", ["configuration-set:round-trip"])
    assert (await platform.read(lever)).limit == RUNNING
    for limit, enabled in ((PAUSED, False), (PAUSED, False), (RUNNING, True), (RUNNING, True)):
        await platform.apply(intent(lever, limit))
        assert (await platform.read(lever)).limit == limit
        assert (
            api.get_configuration_set(ConfigurationSetName="round-trip")["SendingOptions"]["SendingEnabled"] is enabled
        )
    await platform.aclose()


async def test_what_somebody_else_paused_reads_as_paused(platform: Platform, api: Any) -> None:
    api.create_configuration_set(ConfigurationSetName="by-hand", SendingOptions={"SendingEnabled": False})
    actual = await platform.read(Lever("aws", "configuration-set", "by-hand"))
    assert actual == Actual(PAUSED, by=None, detail="SendingEnabled=false")


async def test_one_set_paused_leaves_the_others(platform: Platform, api: Any) -> None:
    for name in ("one", "other"):
        api.create_configuration_set(ConfigurationSetName=name)
    await platform.apply(intent(Lever("aws", "configuration-set", "one"), PAUSED))
    assert (await platform.read(Lever("aws", "configuration-set", "other"))).limit == RUNNING


async def test_an_identity_without_default_set_needs_a_declared_lever(platform: Platform, api: Any) -> None:
    api.create_email_identity(EmailIdentity="without-default.example")
    with pytest.raises(Refused, match=r'no default configuration set.*levers = \["configuration-set:NAME"\]'):
        await platform.levers("without-default.example", [])
    with pytest.raises(Refused, match=r"no identity unknown\.example in eu-west-1"):
        await platform.levers("unknown.example", [])


async def test_a_set_that_is_not_there_is_gone(platform: Platform) -> None:
    lever = Lever("aws", "configuration-set", "nowhere")
    with pytest.raises(Gone):
        await platform.read(lever)
    with pytest.raises(Gone):
        await platform.apply(intent(lever, PAUSED))


async def test_the_arn_of_a_tenant_is_asked_for_by_name(platform: Platform, api: Any) -> None:
    arn = api.create_tenant(TenantName="acme")["TenantArn"]
    assert isinstance(platform, Ses)
    assert platform._tenant_arn("acme") == arn
    with pytest.raises(Gone, match="tenant"):
        await platform.read(Lever("aws", "tenant", "nobody"))


# ---- levers and limits that are none


async def test_declared_levers_are_taken_as_they_stand() -> None:
    platform = Ses("aws", config("http://127.0.0.1:1"))
    assert await platform.levers("acme.com", ["configuration-set:acme", f"tenant:{ARN}", "tenant:acme"]) == (
        SET,
        TENANT,
        Lever("aws", "tenant", "acme"),
    )


@pytest.mark.parametrize("text", ["acme", "domain:acme", "configuration-set:", "tenant", ""])
async def test_a_lever_that_ses_does_not_have_is_refused(text: str) -> None:
    platform = Ses("aws", config("http://127.0.0.1:1"))
    with pytest.raises(Refused, match="configuration-set:NAME"):
        await platform.levers("acme.com", [text])


async def test_a_foreign_lever_is_neither_read_nor_moved() -> None:
    platform, lever = Ses("aws", config("http://127.0.0.1:1")), Lever("aws", "mailbox", "a@acme.com")
    with pytest.raises(Refused):
        await platform.read(lever)
    with pytest.raises(Refused):
        await platform.apply(intent(lever, PAUSED))


async def test_there_is_no_throttle() -> None:
    platform = Ses("aws", config("http://127.0.0.1:1"))
    assert platform.capabilities.states == {SendState.RUNNING, SendState.PAUSED}
    with pytest.raises(Refused, match="no sending limit"):
        await platform.apply(intent(SET, Limit(SendState.THROTTLED, 50)))


# ---- tenants: a small SES of our own that keeps what it is told; botocore's model checks both sides


class Tenants:
    """The reputation entities of SES. `aws` is what AWS itself has set; `slow` answers late, after the fact."""

    def __init__(self) -> None:
        self.customer: dict[str, str] = {ARN: "ENABLED"}
        self.aws: dict[str, str] = {ARN: "ENABLED"}
        self.slow = threading.Event()
        self.over = threading.Event()

    def answer(self, request: Request) -> Response:
        arn = unquote(request.path.split("/RESOURCE/")[1].removesuffix("/customer-managed-status"))
        if arn not in self.customer:
            return told(404, {"message": "no entity"}, {"x-amzn-errortype": "NotFoundException"})
        if request.method == "PUT":
            self.customer[arn] = json.loads(request.get_data())["SendingStatus"]
            if self.slow.is_set():
                self.over.wait(5)
            return told(200, {})
        both = (self.customer[arn], self.aws[arn])
        entity = {
            "ReputationEntityReference": arn,
            "ReputationEntityType": "RESOURCE",
            "CustomerManagedStatus": {"Status": both[0]},
            "AwsSesManagedStatus": {"Status": both[1]},
            "SendingStatusAggregate": "DISABLED" if "DISABLED" in both else both[0],
        }
        return told(200, {"ReputationEntity": entity})


def told(status: int, content: Any, headers: dict[str, str] | None = None) -> Response:
    return Response(json.dumps(content), status, headers, content_type=JSON)


@pytest.fixture(scope="module")
def one_server() -> Iterator[HTTPServer]:
    """One that answers several at once: what is asked while an earlier answer hangs must not wait for it."""
    with HTTPServer(host="127.0.0.1", port=0, threaded=True) as running:
        yield running


@pytest.fixture
def server(one_server: HTTPServer) -> Iterator[HTTPServer]:
    """The same one for all tests, since making a boto3 client for a new address takes long. It forgets in between."""
    yield one_server
    one_server.clear()


@pytest.fixture
def tenants(server: HTTPServer) -> Iterator[Tenants]:
    kept = Tenants()
    server.expect_request("/v2/email/tenants/get").respond_with_json(
        {"Tenant": {"TenantName": "acme", "TenantArn": ARN, "SendingStatus": "ENABLED"}}
    )
    server.expect_request(re.compile(r"^/v2/email/reputation/entities/RESOURCE/")).respond_with_handler(kept.answer)
    yield kept
    kept.over.set()


@pytest.mark.parametrize("lever", [TENANT, Lever("aws", "tenant", "acme")], ids=["by ARN", "by name"])
async def test_a_tenant_is_paused_read_back_and_resumed(server: HTTPServer, tenants: Tenants, lever: Lever) -> None:
    platform = Ses("aws", config(server.url_for("")))
    assert await platform.read(lever) == Actual(RUNNING, detail="customer=ENABLED aws=ENABLED aggregate=ENABLED")
    for limit, status in ((PAUSED, "DISABLED"), (PAUSED, "DISABLED"), (RUNNING, "ENABLED"), (RUNNING, "ENABLED")):
        await platform.apply(intent(lever, limit))
        assert tenants.customer == {ARN: status}
        assert (await platform.read(lever)).limit == limit


@pytest.mark.parametrize(
    ("customer", "aws", "limit", "by"),
    [
        ("ENABLED", "ENABLED", RUNNING, None),
        ("REINSTATED", "ENABLED", RUNNING, None),
        ("DISABLED", "ENABLED", PAUSED, None),
        ("DISABLED", "REINSTATED", PAUSED, None),
        ("ENABLED", "DISABLED", PAUSED, "platform"),
        ("REINSTATED", "DISABLED", PAUSED, "platform"),
        ("DISABLED", "DISABLED", PAUSED, "platform"),
    ],
)
async def test_who_paused_a_tenant(
    server: HTTPServer, tenants: Tenants, customer: str, aws: str, limit: Limit, by: str | None
) -> None:
    tenants.customer[ARN], tenants.aws[ARN] = customer, aws
    actual = await Ses("aws", config(server.url_for(""))).read(TENANT)
    assert (actual.limit, actual.by) == (limit, by)


async def test_resuming_does_not_lift_what_aws_imposed(server: HTTPServer, tenants: Tenants) -> None:
    tenants.customer[ARN], tenants.aws[ARN] = "DISABLED", "DISABLED"
    platform = Ses("aws", config(server.url_for("")))
    await platform.apply(intent(TENANT, RUNNING))
    assert await platform.read(TENANT) == Actual(PAUSED, "platform", "customer=ENABLED aws=DISABLED aggregate=DISABLED")


async def test_a_tenant_that_is_not_there_is_gone(server: HTTPServer, tenants: Tenants) -> None:
    with pytest.raises(Gone, match="no entity"):
        await Ses("aws", config(server.url_for(""))).read(Lever("aws", "tenant", ARN + "0"))


async def test_a_pause_whose_answer_never_came_shows_when_read_back(server: HTTPServer, tenants: Tenants) -> None:
    tenants.slow.set()
    hasty = Ses("aws", config(server.url_for(""), timeout_seconds=0.3))
    with pytest.raises(Unavailable, match="in time"):
        await hasty.apply(intent(TENANT, PAUSED))
    assert (await Ses("aws", config(server.url_for(""))).read(TENANT)).limit == PAUSED


async def test_tenant_calls_are_those_of_the_model_of_aws() -> None:
    here = config(f"http://127.0.0.1:{free_port()}")
    with Stubber(probe.client(here)) as stub:
        whose = {"ReputationEntityType": "RESOURCE", "ReputationEntityReference": ARN}
        stub.add_response("get_tenant", {"Tenant": {"TenantName": "acme", "TenantArn": ARN}}, {"TenantName": "acme"})
        stub.add_response("update_reputation_entity_customer_managed_status", {}, whose | {"SendingStatus": "DISABLED"})
        status = {"Status": "DISABLED", "Cause": "customer", "LastUpdatedTimestamp": NOW}
        stub.add_response("get_reputation_entity", {"ReputationEntity": {"CustomerManagedStatus": status}}, whose)
        platform = Ses("aws", here)
        await platform.apply(intent(Lever("aws", "tenant", "acme"), PAUSED))
        assert (await platform.read(TENANT)).limit == PAUSED
        stub.assert_no_pending_responses()


@pytest.mark.parametrize("tenant", [{}, {"Tenant": {}}, {"Tenant": {"TenantArn": 5}}, {"Tenant": {"TenantArn": ""}}])
async def test_a_tenant_without_arn_cannot_be_read(server: HTTPServer, tenant: dict[str, Any]) -> None:
    server.expect_request("/v2/email/tenants/get").respond_with_json(tenant)
    with pytest.raises(Unavailable, match="ARN"):
        await Ses("aws", config(server.url_for(""))).read(Lever("aws", "tenant", "acme"))


# ---- AWS does anything else

ANSWERS: list[tuple[int, str, dict[str, str], type[PlatformError]]] = [
    (400, '{"message": "no"}', {"x-amzn-errortype": "BadRequestException"}, Refused),
    (401, '{"message": "hush"}', {"x-amzn-errortype": "UnrecognizedClientException"}, Denied),
    (403, '{"message": "The Canonical String was hush"}', {"x-amzn-errortype": "AccessDeniedException"}, Denied),
    (403, "<html>hush</html>", {}, Denied),
    (404, '{"message": "none"}', {"x-amzn-errortype": "NotFoundException"}, Gone),
    (409, '{"message": "busy"}', {"x-amzn-errortype": "ConflictException"}, Refused),
    (429, '{"message": "slow"}', {"x-amzn-errortype": "TooManyRequestsException", "retry-after": "7"}, RateLimited),
    (429, "[]", {}, Unavailable),
    (500, "{", {}, Unavailable),
    (503, "", {}, Unavailable),
    (302, "", {"location": "http://127.0.0.1:1/"}, Unavailable),
]


@pytest.mark.parametrize(("status", "content", "headers", "kind"), ANSWERS)
async def test_each_failure_is_one_of_the_tree_and_says_no_secret(
    server: HTTPServer, status: int, content: str, headers: dict[str, str], kind: type[PlatformError]
) -> None:
    server.expect_request(re.compile(".*")).respond_with_data(content, status, headers, content_type=JSON)
    platform = Ses("aws", config(server.url_for("")))
    for call in (platform.read(SET), platform.apply(intent(TENANT, PAUSED))):
        with pytest.raises(PlatformError) as raised:
            await call
        assert type(raised.value) is kind
        assert "hush" not in "".join(traceback.format_exception(raised.value)).lower()
        if isinstance(raised.value, RateLimited):
            assert raised.value.retry_after == 7


@pytest.mark.parametrize("lever", [SET, TENANT], ids=["configuration set", "tenant"])
@pytest.mark.parametrize(
    "content",
    [
        "<html>sign in</html>",
        "",
        "{}",
        "null",
        "[1]",
        "NaN",
        '{"error": "internal"}',
        '{"ConfigurationSetName": "other", "SendingOptions": {"SendingEnabled": true}}',
        '{"ConfigurationSetName": "acme", "SendingOptions": {}}',
        '{"ConfigurationSetName": "acme", "SendingOptions": 3}',
        '{"ReputationEntity": {}}',
        '{"ReputationEntity": {"CustomerManagedStatus": {}}}',
        '{"ReputationEntity": [1]}',
    ],
)
async def test_a_200_that_does_not_say_is_never_read_as_running(server: HTTPServer, lever: Lever, content: str) -> None:
    server.expect_request(re.compile(".*")).respond_with_data(content, content_type=JSON)
    with pytest.raises(Unavailable):
        await Ses("aws", config(server.url_for(""))).read(lever)


async def test_a_set_that_aws_says_nothing_special_of_is_running(server: HTTPServer) -> None:
    server.expect_request(re.compile(".*")).respond_with_json({"ConfigurationSetName": "acme"})
    assert (await Ses("aws", config(server.url_for(""))).read(SET)).limit == RUNNING


async def test_a_200_that_holds_an_error_is_found_out_by_reading_back(server: HTTPServer) -> None:
    server.expect_request(re.compile(".*"), method="PUT").respond_with_json({"error": "not now"})
    server.expect_request(re.compile(".*"), method="GET").respond_with_json(
        {"ConfigurationSetName": "acme", "SendingOptions": {"SendingEnabled": True}}
    )
    platform = Ses("aws", config(server.url_for("")))
    await platform.apply(intent(SET, PAUSED))
    assert (await platform.read(SET)).limit == RUNNING


async def test_a_broken_call_is_tried_once_more_and_no_oftener(server: HTTPServer) -> None:
    server.expect_ordered_request(re.compile(".*")).respond_with_data("", 500)
    server.expect_ordered_request(re.compile(".*")).respond_with_json({})
    await Ses("aws", config(server.url_for(""))).apply(intent(SET, PAUSED))
    assert len(server.log) == 2


async def test_nobody_there_is_unavailable() -> None:
    platform = Ses("aws", config(f"http://127.0.0.1:{free_port()}"))
    with pytest.raises(Unavailable, match="reached"):
        await platform.read(SET)
    with pytest.raises(Unavailable, match="reached"):
        await platform.levers("acme.com", [])


async def test_without_declared_levers_it_is_the_default_set_of_the_identity() -> None:
    here = config(f"http://127.0.0.1:{free_port()}")
    with Stubber(probe.client(here)) as stub:
        told = {"IdentityType": "DOMAIN", "ConfigurationSetName": "acme"}
        stub.add_response("get_email_identity", told, {"EmailIdentity": "acme.com"})
        assert await Ses("aws", here).levers("acme.com", []) == (SET,)


@pytest.mark.parametrize("name", ["", 5])
async def test_a_default_set_without_name_is_none(server: HTTPServer, name: object) -> None:
    server.expect_request("/v2/email/identities/acme.com").respond_with_json({"ConfigurationSetName": name})
    with pytest.raises(Refused, match="levers ="):
        await Ses("aws", config(server.url_for(""))).levers("acme.com", [])
