"""Runs the contract of platforms against every adapter there is."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any

import boto3
import pytest
from platforms import contract, entrants_outreach, entrants_vendors
from platforms.contract import PAUSED, RETRY_AFTER_SECONDS, RUNNING, Case, Entrant, Harness, Traits, Trouble, cases
from structlog.testing import capture_logs

from deliverd.model import Lever, Limit, SendState
from deliverd.platforms.base import Platform
from deliverd.platforms.dry_run import DryRun
from deliverd.platforms.registry import PLATFORMS, open_platform
from peers.ministack import ministack
from peers.own_sender import Fault, OwnSender
from probes import ses, webhook

PATIENCE_SECONDS = 2.0


@dataclass(slots=True)
class OwnSenderHarness:
    """`webhook`, or its dry run, and an own sender on loopback."""

    sender: OwnSender
    platform: Platform
    lever: Lever
    missing: Lever
    canaries: tuple[str, ...]

    def fail(self, trouble: Trouble, times: int | None = None) -> None:
        self.sender.fail(Fault[trouble.name], times)

    def heal(self) -> None:
        self.sender.heal()

    def add_unknown_fields(self) -> None:
        self.sender.extra = {"mood": "fine", "queue": {"length": 3, "oldest": None}}

    def truth(self) -> Limit:
        now = self.sender.domains["acme.com"]
        return Limit(SendState(now.state), now.daily_limit)

    def person_sets(self, limit: Limit) -> None:
        self.sender.person_sets("acme.com", limit.state.value, limit.per_day)


@contextmanager
def own_sender(wrap: Callable[[Platform], Platform], _: Path) -> Iterator[Harness]:
    with OwnSender(retry_after=str(RETRY_AFTER_SECONDS)) as sender:
        config = webhook.Config(
            kind="webhook", secret=sender.secret, control_url=sender.control_url, timeout_seconds=PATIENCE_SECONDS
        )
        secrets = (sender.secret, sender.secret.removeprefix("whsec_"))
        levers = (Lever("mail", "domain", name) for name in ("acme.com", "unheard-of.example"))
        yield OwnSenderHarness(sender, wrap(open_platform("mail", "webhook", config)), *levers, canaries=secrets)


@dataclass(slots=True)
class SesHarness:
    """`ses`, and a configuration set at ministack."""

    client: Any
    platform: Platform
    lever: Lever
    missing: Lever
    canaries: tuple[str, ...]

    def fail(self, trouble: Trouble, times: int | None = None) -> None:
        raise NotImplementedError("ministack does not fail on purpose; test_ses.py has faults of its own")

    def heal(self) -> None:
        raise NotImplementedError

    def add_unknown_fields(self) -> None:
        raise NotImplementedError

    def truth(self) -> Limit:
        found = self.client.get_configuration_set(ConfigurationSetName="acme")
        return RUNNING if found["SendingOptions"]["SendingEnabled"] else PAUSED

    def person_sets(self, limit: Limit) -> None:
        running = limit == RUNNING
        self.client.put_configuration_set_sending_options(ConfigurationSetName="acme", SendingEnabled=running)


@contextmanager
def amazon(folder: Path) -> Iterator[Harness]:
    with ministack(folder) as endpoint:
        keys = {"access_key_id": "canary-key-id", "secret_access_key": "canary-secret-key"}
        config = ses.Config(kind="ses", region="eu-west-1", endpoint_url=endpoint, **keys)
        client = boto3.client(
            "sesv2",
            region_name="eu-west-1",
            endpoint_url=endpoint,
            **{f"aws_{name}": value for name, value in keys.items()},
        )
        client.create_configuration_set(ConfigurationSetName="acme", SendingOptions={"SendingEnabled": True})
        levers = (Lever("aws", "configuration-set", name) for name in ("acme", "unheard-of"))
        yield SesHarness(client, open_platform("aws", "ses", config), *levers, canaries=("canary-secret-key",))


WEBHOOK = Traits(troubles=frozenset(Trouble))
ENTRANTS = {
    "webhook": Entrant(lambda folder: own_sender(lambda platform: platform, folder), WEBHOOK),
    "dry_run": Entrant(lambda folder: own_sender(DryRun, folder), replace(WEBHOOK, acts=False)),
    "ses": Entrant(amazon, Traits(throttles=False, tells_author=False, unknown_fields=False)),
}
ENTRANTS |= entrants_outreach.ENTRANTS | entrants_vendors.ENTRANTS
RUNS = [(name, case) for name, entrant in ENTRANTS.items() for case in cases(entrant.traits)]


@pytest.mark.parametrize(("entrant", "case"), [pytest.param(n, c, id=f"{n}-{k}") for n, (k, c) in RUNS])
async def test_contract(entrant: str, case: Case, tmp_path: Path) -> None:
    with ENTRANTS[entrant].open(tmp_path) as harness:
        try:
            with capture_logs() as logged:
                await case(harness)
        finally:
            await harness.platform.aclose()
        assert not [canary for canary in harness.canaries if canary in str(logged)]


def test_every_platform_takes_part() -> None:
    brakes = {kind for kind, path in PLATFORMS.items() if not path.endswith(":Postmark")}
    assert brakes | {"dry_run"} == set(ENTRANTS)


def test_no_case_is_left_out() -> None:
    written = {name for name, value in vars(contract).items() if iscoroutinefunction(value)} - {"told_of_it"}
    assert written <= {name for _, (name, _case) in RUNS}
    assert {trouble.name for trouble in Trouble} <= {fault.name for fault in Fault}
