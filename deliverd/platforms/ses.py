"""Amazon SES: pauses and resumes a domain's configuration set or tenant. There is no throttle to set.

Sources, read 2026-11-22: the API reference of SES v2, in botocore's model of it: PutConfigurationSetSendingOptions,
UpdateReputationEntityCustomerManagedStatus ("If Amazon SES has disabled the entity, it will not be allowed to send
regardless of the customer-managed status setting"), GetReputationEntity, GetTenant, GetEmailIdentity.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from deliverd.model import Actual, Intent, Lever, Limit, SendState
from deliverd.platforms.base import (
    Capabilities,
    Denied,
    Gone,
    PlatformError,
    RateLimited,
    Refused,
    Unavailable,
)
from probes import aws
from probes.observation import Why
from probes.ses import Config, client

CONFIGURATION_SET = "configuration-set"
TENANT = "tenant"
PLATFORM = "platform"
"""`Actual.by` where AWS itself holds the mail back."""

_RUNNING, _PAUSED = Limit(SendState.RUNNING), Limit(SendState.PAUSED)


class Ses:
    """One AWS account in one region. Levers are `configuration-set:NAME` and `tenant:NAME` or `tenant:ARN`."""

    capabilities = Capabilities(
        states=frozenset({SendState.RUNNING, SendState.PAUSED}),
        kinds=(CONFIGURATION_SET, TENANT),
        note="SES has no sending limit by domain: it can pause and resume, not throttle.",
    )

    def __init__(self, account: str, config: Config) -> None:
        self.account = account
        self._config = config

    async def levers(self, domain: str, declared: Sequence[str]) -> tuple[Lever, ...]:
        """The declared levers, else the default configuration set of the domain's identity at SES."""
        if declared:
            return tuple(self._lever(text) for text in declared)
        return (Lever(self.account, CONFIGURATION_SET, await asyncio.to_thread(self._default_set, domain)),)

    async def read(self, lever: Lever) -> Actual:
        """What the lever is at. A tenant that AWS has disabled is paused `by` the platform."""
        self._check(lever)
        if lever.kind == CONFIGURATION_SET:
            return await asyncio.to_thread(self._read_set, lever.id)
        return await asyncio.to_thread(self._read_tenant, lever.id)

    async def apply(self, intent: Intent) -> None:
        """Pause or resume. A tenant is resumed as ENABLED, never REINSTATED: to overrule findings is up to people."""
        lever, state = intent.action.lever, intent.action.limit.state
        self._check(lever)
        if state not in self.capabilities.states:
            raise Refused(f"SES cannot set {lever} to {state}: {self.capabilities.note}")
        write = self._write_set if lever.kind == CONFIGURATION_SET else self._write_tenant
        await asyncio.to_thread(write, lever.id, state is SendState.RUNNING)

    async def aclose(self) -> None:
        """Nothing is kept open here: the boto3 client belongs to all who use this account."""

    def _lever(self, text: str) -> Lever:
        kind, _, name = text.partition(":")
        lever = Lever(self.account, kind, name)
        self._check(lever)
        return lever

    def _check(self, lever: Lever) -> None:
        if lever.kind not in self.capabilities.kinds or not lever.id:
            raise Refused(f"{lever} is no lever of SES: use {CONFIGURATION_SET}:NAME or {TENANT}:NAME-OR-ARN")

    def _default_set(self, domain: str) -> str:
        advice = f'set levers = ["{CONFIGURATION_SET}:NAME"] for {domain}, or give its identity at SES a default set'
        try:
            identity = self._call("get_email_identity", EmailIdentity=domain)
        except Gone:
            raise Refused(f"SES has no identity {domain} in {self._config.region}: {advice}") from None
        name = identity.get("ConfigurationSetName")
        if not isinstance(name, str) or not name:
            raise Refused(f"the identity {domain} has no default configuration set at SES: {advice}")
        return name

    def _read_set(self, name: str) -> Actual:
        answer = self._call("get_configuration_set", ConfigurationSetName=name)
        # botocore makes an empty answer of anything that is not JSON, and what is absent counts as enabled:
        # without this check an HTML page in a 200 would read as "running".
        if answer.get("ConfigurationSetName") != name:
            raise Unavailable(f"GetConfigurationSet: the answer is not about {name}")
        enabled = answer.get("SendingOptions", {"SendingEnabled": True}).get("SendingEnabled")
        if not isinstance(enabled, bool):
            raise Unavailable(f"GetConfigurationSet: the answer does not say whether {name} may send")
        return Actual(_RUNNING if enabled else _PAUSED, detail=f"SendingEnabled={str(enabled).lower()}")

    def _write_set(self, name: str, running: bool) -> None:
        self._call("put_configuration_set_sending_options", ConfigurationSetName=name, SendingEnabled=running)

    def _read_tenant(self, tenant: str) -> Actual:
        found = self._call(
            "get_reputation_entity",
            ReputationEntityType="RESOURCE",
            ReputationEntityReference=self._tenant_arn(tenant),
        ).get("ReputationEntity", {})
        ours = found.get("CustomerManagedStatus", {}).get("Status")
        theirs = found.get("AwsSesManagedStatus", {}).get("Status")
        total = found.get("SendingStatusAggregate")
        if ours is None and theirs is None and total is None:
            raise Unavailable(f"GetReputationEntity: the answer does not say whether {tenant} may send")
        detail = f"customer={ours} aws={theirs} aggregate={total}"
        if "DISABLED" not in (ours, theirs, total):
            return Actual(_RUNNING, detail=detail)
        by_aws = theirs == "DISABLED" or ours != "DISABLED"
        return Actual(_PAUSED, by=PLATFORM if by_aws else None, detail=detail)

    def _write_tenant(self, tenant: str, running: bool) -> None:
        self._call(
            "update_reputation_entity_customer_managed_status",
            ReputationEntityType="RESOURCE",
            ReputationEntityReference=self._tenant_arn(tenant),
            SendingStatus="ENABLED" if running else "DISABLED",
        )

    def _tenant_arn(self, tenant: str) -> str:
        """The ARN, which holds an id of AWS's making; asked for each time, as a tenant made anew has another."""
        if tenant.startswith("arn:"):
            return tenant
        arn = self._call("get_tenant", TenantName=tenant).get("Tenant", {}).get("TenantArn")
        if not isinstance(arn, str) or not arn.startswith("arn:"):
            raise Unavailable(f"GetTenant: the answer does not say what the ARN of {tenant} is")
        return arn

    def _call(self, operation: str, **arguments: Any) -> Mapping[str, Any]:
        """Call SES, in the calling thread. Raises a PlatformError, without a cause: it could quote a signed request."""
        try:
            call: Callable[..., Mapping[str, Any]] = getattr(client(self._config), operation)
            return call(**arguments)
        except aws.ERRORS as error:
            raise _platform_error(aws.fault(error)) from None


def _platform_error(fault: aws.Fault) -> PlatformError:
    if fault.why is Why.RATE_LIMITED:
        return RateLimited(fault.text, fault.retry_after)
    kinds: dict[Why, type[PlatformError]] = {Why.DENIED: Denied, Why.NO_DATA: Gone, Why.REFUSED: Refused}
    return kinds.get(fault.why, Unavailable)(fault.text)
