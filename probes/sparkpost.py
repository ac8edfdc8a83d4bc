"""SparkPost (Bird): the mail events it reports, and its counts by sending domain and day. docs/sparkpost.md.

Sources, read 2026-11-22: developers.sparkpost.com/api/webhooks, /api/metrics, /api/sending-domains. SparkPost signs
nothing; a request proves itself by HTTP Basic (`auth_type` "basic") or by a header of one's own (`custom_headers`).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from probes import daily_numbers
from probes.config import Secret
from probes.daily_numbers import BaseUrl, Days
from probes.discovery import Found
from probes.http import Http
from probes.observation import Observation, Parsed, Window
from probes.sparkpost_events import parse_events
from probes.sparkpost_statistics import ASKED, parse_domains, parse_metrics
from probes.static_secret import StaticSecret

SOURCE = "sparkpost"
# SparkPost's documentation allows 4,096 characters of address for its events; metrics say nothing of it.
_AT_ONCE = 40


class Config(StaticSecret):
    """`[platforms.NAME] kind = "sparkpost"`. The EU's `base_url` is https://api.eu.sparkpost.com/api/v1.

    `api_key` needs the grants *Metrics: Read-only* and *Sending Domains: Read-only*.
    """

    kind: Literal["sparkpost"]
    api_key: Secret
    base_url: BaseUrl = "https://api.sparkpost.com/api/v1"
    days: int = Field(default=7, ge=1, le=60)
    timeout_seconds: float = Field(default=10, gt=0, le=120, allow_inf_nan=False)


async def receive(config: Config, headers: Mapping[str, str], body: bytes, window: Window, http: Http) -> Parsed:
    """The events in one batch of SparkPost.

    Raises:
        ForgedRequest, MalformedRequest: nothing of it can be used, and sending it again is no use.
    """
    config.verify(headers)
    return parse_events(body, window)


async def observe(config: Config, domains: Sequence[str], http: Http, now: datetime) -> tuple[Observation, ...]:
    """Counts of each domain by UTC day. A domain that SparkPost never mentions has none, and is not missing."""

    async def look(chunk: Sequence[str]) -> Mapping[str, Days]:
        return await _by_day(config, chunk, http, now)

    answers = await daily_numbers.in_chunks(domains, _AT_ONCE, look)
    return daily_numbers.observations(SOURCE, domains, now, answers)


async def discover(config: Config, http: Http, now: datetime) -> tuple[Found, ...]:
    """The sending domains of the account, which SparkPost lists in one answer. Raises HttpFault."""
    whole = await _ask(config, "/sending-domains", {}, http, now)
    return parse_domains(daily_numbers.rows(whole, "results", "GET /sending-domains"))


async def _by_day(config: Config, domains: Sequence[str], http: Http, now: datetime) -> Mapping[str, Days]:
    """One question a day: a series of days is told for all domains together only."""
    found: dict[str, dict[str, dict[str, int]]] = {domain: {} for domain in domains}
    for day in daily_numbers.last_days(now, config.days):
        params = {
            "from": f"{day}T00:00",
            "to": f"{day}T23:59",
            "precision": "day",
            "metrics": ASKED,
            "sending_domains": ",".join(domains),
            "limit": "10000",
        }
        whole = await _ask(config, "/metrics/deliverability/sending-domain", params, http, now)
        told = parse_metrics(daily_numbers.rows(whole, "results", "GET /metrics/deliverability/sending-domain"))
        for domain in domains:
            if domain in told:
                found[domain][day.isoformat()] = told[domain]
    return found


async def _ask(config: Config, path: str, params: Mapping[str, str], http: Http, now: datetime) -> dict[str, Any]:
    key = config.api_key.get_secret_value()
    return await daily_numbers.ask(
        http,
        config.base_url + path,
        now,
        headers={"authorization": key, "accept": "application/json"},
        params=params,
        timeout_seconds=config.timeout_seconds,
        secrets=(key,),
    )
