"""SparkPost (Bird): the mail events it reports, and its counts by sending domain and day. docs/sparkpost.md.

Sources, read 2026-11-22: developers.sparkpost.com/api/webhooks, /api/metrics, /api/sending-domains. SparkPost signs
nothing; a request proves itself by HTTP Basic (`auth_type` "basic") or by a header of one's own (`custom_headers`).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from probes.config import Secret
from probes.daily_numbers import Days, first_day, in_chunks, last_days, observations
from probes.discovery import Found
from probes.http import Http
from probes.observation import Observation, Parsed, Window
from probes.sparkpost_events import parse_events
from probes.sparkpost_statistics import ASKED, parse_domains, parse_metrics
from probes.static_secret import StaticSecret
from probes.vendor_calls import BaseUrl, Calls, rows

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


def calls(config: Config, http: Http, now: datetime) -> Calls:
    """The calls of one look."""
    key = config.api_key.get_secret_value()
    headers = {"authorization": key}
    return Calls(http, config.base_url, now, config.timeout_seconds, headers=headers, secrets=(key,))


async def receive(config: Config, headers: Mapping[str, str], body: bytes, window: Window, http: Http) -> Parsed:
    """The events in one batch of SparkPost.

    Raises:
        ForgedRequest, MalformedRequest: nothing of it can be used, and sending it again is no use.
    """
    config.verify(headers)
    return parse_events(body, window)


async def observe(config: Config, domains: Sequence[str], http: Http, now: datetime) -> tuple[Observation, ...]:
    """Counts of each domain by UTC day. A domain that SparkPost never mentions has none, and is not missing."""
    asking = calls(config, http, now)

    async def look(chunk: Sequence[str]) -> Mapping[str, Days]:
        return await _by_day(asking, config.days, chunk)

    answers = await in_chunks(domains, _AT_ONCE, look)
    return observations(SOURCE, domains, now, answers, first_day(now, config.days))


async def discover(config: Config, http: Http, now: datetime) -> tuple[Found, ...]:
    """The sending domains of the account, which SparkPost lists in one answer. Raises HttpFault."""
    return parse_domains(await _results(calls(config, http, now), "/sending-domains"))


async def _by_day(asking: Calls, days: int, domains: Sequence[str]) -> Mapping[str, Days]:
    """One question a day: a series of days is told for all domains together only."""
    found: dict[str, Days] = {domain: {} for domain in domains}
    for day in last_days(asking.now, days):
        query = [
            ("from", f"{day}T00:00"),
            ("to", f"{day}T23:59"),
            ("precision", "day"),
            ("metrics", ASKED),
            ("sending_domains", ",".join(domains)),
            ("limit", "10000"),
        ]
        told = parse_metrics(await _results(asking, "/metrics/deliverability/sending-domain", query))
        for domain in domains:
            if domain in told:
                found[domain][day] = told[domain]
    return found


async def _results(asking: Calls, path: str, query: Sequence[tuple[str, str]] = ()) -> list[Any]:
    return rows(await asking.get(path, dict[str, Any], query), "results", asking.where(path))
