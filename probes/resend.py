"""Resend: the mail events it reports, and its counts by domain and day. docs/resend.md.

Sources, read 2026-11-22: Resend's OpenAPI description (github.com/resend/resend-openapi) and, for the signature, Svix
(docs.svix.com/receiving/verifying-payloads/how-manual), whose scheme is that of Standard Webhooks under other names.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Literal

from pydantic import Field, SecretStr, field_validator

from probes import standard_webhooks
from probes.config import Secret, Strict
from probes.daily_numbers import Days, first_day, in_chunks, observations, unseen
from probes.discovery import Found
from probes.http import Http, HttpFault
from probes.observation import ForgedRequest, Observation, Parsed, Unseen, Why, Window
from probes.resend_events import parse_events
from probes.resend_statistics import ASKED, Domain, parse_domains, parse_metrics
from probes.vendor_calls import BaseUrl, Calls, because, rows, unreadable

SOURCE = "resend"
_SHORTEST_KEY = 16
# "List of sending domain IDs to restrict the response to, up to 100" (GET /emails/metrics).
_AT_ONCE = 100
# Rows, that is domains times days, of about 350 bytes: an answer is read up to a megabyte.
_MOST_ROWS = 2_000
_PAGE = 100
_MOST_PAGES = 100


class Config(Strict):
    """`[platforms.NAME] kind = "resend"`.

    `api_key` needs full access: a key that may only send is told 401 when it asks. `signing_secret` is shown with the
    webhook; without it nothing is received. `previous_signing_secret` is believed too while it is being changed.
    Resend wants a domain to send or to receive: `receive_while_paused` lets deliverd make one that does not receive do
    so when it is paused. It goes on receiving after that; nothing comes before an MX record points to Resend.
    """

    kind: Literal["resend"]
    api_key: Secret
    signing_secret: Secret | None = None
    previous_signing_secret: Secret | None = None
    receive_while_paused: bool = False
    base_url: BaseUrl = "https://api.resend.com"
    days: int = Field(default=7, ge=1, le=60)
    timeout_seconds: float = Field(default=10, gt=0, le=120, allow_inf_nan=False)

    @field_validator("signing_secret", "previous_signing_secret")
    @classmethod
    def _is_a_key(cls, secret: SecretStr | None) -> SecretStr | None:
        return standard_webhooks.key(secret, _SHORTEST_KEY)

    @property
    def secrets(self) -> tuple[str, ...]:
        """The signing secrets in force, the present one first."""
        return standard_webhooks.in_force(self.signing_secret, self.previous_signing_secret)


def verify(config: Config, headers: Mapping[str, str], body: bytes, now: datetime) -> str:
    """The `svix-id` of a request of which one signature is Resend's. `headers` are in lower case, or found in any.

    Raises:
        ForgedRequest: a header is missing, the time is more than 5 minutes off, or no signature holds.
    """
    if not config.secrets:
        raise ForgedRequest("no signing_secret is configured for this account, so nothing sent to it is believed")
    return standard_webhooks.verify("svix", config.secrets, headers, body, now)


def calls(config: Config, http: Http, now: datetime) -> Calls:
    """The calls of one look."""
    key = config.api_key.get_secret_value()
    headers = {"authorization": f"Bearer {key}"}
    return Calls(http, config.base_url, now, config.timeout_seconds, headers=headers, secrets=(key,))


async def receive(config: Config, headers: Mapping[str, str], body: bytes, window: Window, http: Http) -> Parsed:
    """The events in one request of Resend.

    Raises:
        ForgedRequest, MalformedRequest: nothing of it can be used, and sending it again is no use.
    """
    return parse_events(body, window, verify(config, headers, body, window.now))


async def observe(config: Config, domains: Sequence[str], http: Http, now: datetime) -> tuple[Observation, ...]:
    """Counts of each domain by UTC day, and of the whole whether Resend lets it send (`sending`, `status`)."""
    asking, since = calls(config, http, now), first_day(now, config.days)
    try:
        known = {domain.name: domain for domain in await _all_domains(asking)}
    except HttpFault as fault:
        return unseen(SOURCE, domains, now, because(fault))
    asked = [domain for domain in domains if domain in known]

    async def look(chunk: Sequence[str]) -> Mapping[str, Days]:
        return await _metrics(asking, [known[domain].id for domain in chunk], since)

    answers = await in_chunks(asked, min(_AT_ONCE, _MOST_ROWS // config.days), look)
    for domain in domains:
        answers.setdefault(domain, Unseen(Why.NO_DATA, f"the account has no domain {domain}"))
    return observations(
        SOURCE,
        domains,
        now,
        answers,
        since,
        sending={name: domain.sending for name, domain in known.items() if domain.sending},
        status={name: domain.status for name, domain in known.items() if domain.status},
    )


async def discover(config: Config, http: Http, now: datetime) -> tuple[Found, ...]:
    """The domains of the account, by name; each is moved by itself. Raises HttpFault."""
    found = await _all_domains(calls(config, http, now))
    return tuple(
        Found(
            domain.name, detail=", ".join(filter(None, (domain.status, domain.sending and f"sending {domain.sending}")))
        )
        for domain in sorted(found, key=lambda domain: domain.name)
    )


async def _all_domains(asking: Calls) -> list[Domain]:
    """Every page of the account's domains. A domain left out would look like one that is not there."""
    found: list[Domain] = []
    path, query = "/domains", [("limit", str(_PAGE))]
    for _ in range(_MOST_PAGES):
        whole = await asking.get(path, dict[str, Any], query)
        items = rows(whole, "data", asking.where(path))
        found += parse_domains(items)
        if whole.get("has_more") is not True or not items:
            return found
        query = [("limit", str(_PAGE)), ("after", str(items[-1]["id"]))]
    raise unreadable(asking.where(path), f"more than {_MOST_PAGES * _PAGE} domains, or no end to them")


async def _metrics(asking: Calls, ids: Sequence[str], since: date) -> Mapping[str, Days]:
    """The counts of up to 100 domains. There are no pages: an answer holds every day of every domain asked for."""
    path = "/emails/metrics"
    query = [
        ("start_date", since.isoformat()),
        ("end_date", asking.now.isoformat(timespec="seconds").replace("+00:00", "Z")),
        ("timezone", "UTC"),
        ("granularity", "daily"),
        ("dimensions", "domain,period"),
        ("metrics", ASKED),
        ("domain_id", ",".join(ids)),
    ]
    return parse_metrics(rows(await asking.get(path, dict[str, Any], query), "data", asking.where(path)))
