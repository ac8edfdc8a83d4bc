"""Amazon SES: what it says happened to each message (through Amazon SNS), and its own counts.

Sources, read 2026-11-22: the API reference of SES v2 (GetAccount, BatchGetMetricData, in botocore's model of it).
What SES sends is read by `probes.ses_events`, who may send it is decided by `probes.sns`.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator

from probes import aws, sns
from probes.config import Secret, Strict
from probes.observation import Observation, Parsed, Reading, Reject, Seen, Unseen, Why, Window
from probes.ses_events import parse_events

SOURCE = "ses"
METRICS_DAYS = 7

# "You can execute this operation no more than 16 times per second" (BatchGetMetricData).
_METRICS_PAUSE_SECONDS = 1 / 16
_METRICS = {
    "sends": "SEND",
    "complaints": "COMPLAINT",
    "hard_bounces": "PERMANENT_BOUNCE",
    "soft_bounces": "TRANSIENT_BOUNCE",
}


class Config(Strict):
    """`[platforms.NAME] kind = "ses"`.

    `topics` are the SNS topics whose messages are believed; none means that nothing is received. Without keys, AWS's
    own chain is used (environment, profile, instance role). `endpoint_url` replaces AWS; where it is a loopback
    address, certificates and confirmations of SNS may come from there too, so that a local stand-in for AWS can be
    used. `timeout_seconds` holds for connecting and for reading, each.
    """

    kind: Literal["ses"]
    region: Annotated[str, StringConstraints(pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]$")]
    topics: tuple[Annotated[str, StringConstraints(pattern=f"^{sns.TOPIC}$")], ...] = ()
    access_key_id: Secret | None = None
    secret_access_key: Secret | None = None
    endpoint_url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s/@]+/?$")] | None = None
    timeout_seconds: float = Field(default=10, gt=0, le=60, allow_inf_nan=False)

    @model_validator(mode="after")
    def _both_keys(self) -> "Config":
        if (self.access_key_id is None) != (self.secret_access_key is None):
            raise ValueError("access_key_id and secret_access_key go together: give both or neither")
        return self


@lru_cache(maxsize=8)
def client(config: Config) -> Any:
    """The boto3 `sesv2` client of an account, which threads may share. Raises one of `aws.ERRORS`."""
    keys = None
    if config.access_key_id is not None and config.secret_access_key is not None:
        keys = (config.access_key_id.get_secret_value(), config.secret_access_key.get_secret_value())
    return aws.connect(
        "sesv2",
        config.region,
        keys=keys,
        endpoint_url=config.endpoint_url,
        timeout_seconds=config.timeout_seconds,
    )


async def receive(
    config: Config,
    headers: Mapping[str, str],
    body: bytes,
    window: Window,
    http: sns.Getter,
    certificates: sns.Certificates = sns.CERTIFICATES,
) -> Parsed:
    """The events in one request of SNS; none where it asked for a confirmation, which is then given.

    Raises:
        ForgedRequest, MalformedRequest: see `probes.sns` and `probes.ses_events`; do not have it sent again.
        HttpFault: AWS could not be asked for the certificate or the confirmation; answer 503, and SNS sends again.
    """
    envelope = sns.parse(headers, body)
    await sns.verify(
        envelope,
        topics=config.topics,
        window=window,
        http=http,
        endpoint_url=config.endpoint_url,
        certificates=certificates,
    )
    if envelope.type == "SubscriptionConfirmation":
        await sns.confirm(envelope, http=http, endpoint_url=config.endpoint_url)
        return Parsed()
    if envelope.type == "UnsubscribeConfirmation":
        text = f"{envelope.topic_arn} was unsubscribed from here: it will tell nothing more"
        return Parsed(rejects=(Reject(0, "unsubscribed", text),))
    return parse_events(envelope.message, window)


async def observe(config: Config, domains: Sequence[str], http: object, now: datetime) -> tuple[Observation, ...]:
    """Two looks at each domain: `account` (may the account send at all) and `metrics` (counts of the last days).

    Metrics need Virtual Deliverability Manager; they leave out mail to more than one recipient. `http` is not used:
    boto3 has its own way out, and runs in a thread.
    """
    return await asyncio.to_thread(_look, config, domains, now)


def account_answer(account: Mapping[str, Any]) -> Seen | Unseen:
    """What GetAccount says: `sending_enabled`, `enforcement_status`, and the quota in messages (a second; a day)."""
    if not isinstance(account.get("SendingEnabled"), bool):
        return Unseen(Why.UNREADABLE, "GetAccount does not say whether sending is enabled")
    quota = account.get("SendQuota") or {}
    readings: dict[str, Reading] = {
        "sending_enabled": account["SendingEnabled"],
        "enforcement_status": str(account.get("EnforcementStatus", "")),
        "metrics_enabled": _has_metrics(account),
    }
    for name, member in (
        ("max_per_second", "MaxSendRate"),
        ("max_per_day", "Max24HourSend"),
        ("sent_last_day", "SentLast24Hours"),
    ):
        if isinstance(quota.get(member), int | float):
            readings[name] = float(quota[member])
    try:
        return Seen(readings)
    except ValueError as fault:
        return Unseen(Why.UNREADABLE, str(fault))


def metrics_answer(metrics: Mapping[str, Any]) -> Seen | Unseen:
    """What BatchGetMetricData says of one domain: each count over `days`, and `latest`, the newest day with sends."""
    for error in metrics.get("Errors") or ():
        why = Why.DENIED if error.get("Code") == "ACCESS_DENIED" else Why.SERVFAIL
        return Unseen(why, f"BatchGetMetricData: {error.get('Code')} for {error.get('Id')}")
    results = {result.get("Id"): result for result in metrics.get("Results") or ()}
    days = (results.get("sends") or {}).get("Timestamps") or ()
    if not days:
        return Unseen(Why.NO_DATA, f"no mail counted in {METRICS_DAYS} days")
    readings: dict[str, Reading] = {"days": METRICS_DAYS, "latest": max(days).date().isoformat()}
    for name in _METRICS:
        values = (results.get(name) or {}).get("Values") or ()
        if not all(isinstance(value, int) and value >= 0 for value in values):
            return Unseen(Why.UNREADABLE, f"BatchGetMetricData: {name} is not made of counts")
        readings[name] = sum(values)
    return Seen(readings)


def _has_metrics(account: Mapping[str, Any]) -> bool:
    return bool((account.get("VdmAttributes") or {}).get("VdmEnabled") == "ENABLED")


def _look(config: Config, domains: Sequence[str], now: datetime) -> tuple[Observation, ...]:
    metrics: Mapping[str, Seen | Unseen]
    try:
        account = client(config).get_account()
        answer, metrics = account_answer(account), _all_metrics(config, domains, now, account)
    except aws.ERRORS as error:
        answer = _unseen(error)
        metrics = dict.fromkeys(domains, answer)
    return tuple(
        observation
        for domain in domains
        for observation in (
            Observation(SOURCE, domain, now, answer, part="account"),
            Observation(SOURCE, domain, now, metrics[domain], part="metrics"),
        )
    )


def _all_metrics(
    config: Config, domains: Sequence[str], now: datetime, account: Mapping[str, Any]
) -> dict[str, Seen | Unseen]:
    """Metrics by domain, asked one domain at a time: an identity that SES does not know fails its whole batch."""
    if not _has_metrics(account):
        text = f"Virtual Deliverability Manager is off in {config.region}, so SES counts nothing by domain"
        return dict.fromkeys(domains, Unseen(Why.NO_DATA, text))
    answers: dict[str, Seen | Unseen] = {}
    for index, domain in enumerate(domains):
        time.sleep(_METRICS_PAUSE_SECONDS if index else 0)
        try:
            answers[domain] = metrics_answer(client(config).batch_get_metric_data(Queries=_queries(domain, now)))
        except aws.ERRORS as error:
            answers[domain] = unseen = _unseen(error)
            if unseen.why not in (Why.NO_DATA, Why.REFUSED):
                # Not this domain's fault: the next thousand would each wait for the same time-out.
                return dict.fromkeys(domains, unseen) | answers
    return answers


def _queries(domain: str, now: datetime) -> list[dict[str, Any]]:
    start = datetime(now.year, now.month, now.day, tzinfo=UTC) - timedelta(days=METRICS_DAYS)
    return [
        {
            "Id": name,
            "Namespace": "VDM",
            "Metric": metric,
            "Dimensions": {"EMAIL_IDENTITY": domain},
            "StartDate": start,
            "EndDate": now,
        }
        for name, metric in _METRICS.items()
    ]


def _unseen(error: Exception) -> Unseen:
    fault = aws.fault(error)
    return Unseen(fault.why, fault.text)
