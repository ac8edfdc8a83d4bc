"""Google Postmaster Tools v2: what Gmail says of a domain, day by day, and of how it keeps Gmail's rules.

docs/google-postmaster.md says how to get a key. Days are labels of Google's, in a time zone that it does not name. A
day without numbers is not there, whatever the reason: too little mail, mail not signed, or numbers not made yet.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from pydantic import Field, field_validator, model_validator

from probes.config import Secret, Strict
from probes.google_postmaster_client import Client, Key, Pace, is_loopback, service_key, user_key
from probes.google_postmaster_faults import ApiFault, unreadable
from probes.google_postmaster_parse import (
    ESSENTIAL,
    EVERYTHING,
    Days,
    Unreadable,
    loop_ids,
    loop_metrics,
    merge,
    next_page,
    parse_compliance,
    parse_domains,
)
from probes.google_postmaster_queries import PAGE, Asker, Query, spread
from probes.observation import Observation, Reading, Seen, Unseen, Why

SOURCE = "google_postmaster"
COMPLIANCE = "compliance"
DETAILED_DAYS = 10
_MOST_DOMAIN_PAGES = 100
MOST_LOOPS = 100
"""Feedback loops whose spam rate is read, for each domain: the newest ones."""
_NO_NUMBERS = "Google gives no numbers for these days: too little mail, mail without DKIM, or none made yet"


class Config(Strict):
    """[sources.google_postmaster]: whose numbers are read, and how fast.

    `token` is the JSON that `deliverd auth google` writes; `service_account` a service account's, which acts for
    `subject` where that is given. `days` are read again at every look, for Google revises them; all metrics for the
    newest ten, four for those before. `patience_seconds` is how long a call may wait because Google asks for it;
    `api_root` a stand-in for Google on this machine.
    """

    token: Secret | None = None
    service_account: Secret | None = None
    subject: str | None = None
    days: int = Field(default=DETAILED_DAYS, ge=1, le=400)
    feedback_loops: bool = True
    compliance: bool = True
    timeout_seconds: float = Field(default=30, gt=0, le=300, allow_inf_nan=False)
    patience_seconds: float = Field(default=60, ge=0, le=3600, allow_inf_nan=False)
    calls_per_minute: int = Field(default=100, ge=1, le=6000)
    calls_in_flight: int = Field(default=4, ge=1, le=32)
    api_root: str | None = None

    @field_validator("api_root")
    @classmethod
    def _on_this_machine(cls, url: str | None) -> str | None:
        if url is not None and not (is_loopback(url) and url.startswith(("http://", "https://"))):
            raise ValueError("expected http:// on a loopback address, or nothing for Google's own")
        return url

    @model_validator(mode="after")
    def _one_key(self) -> "Config":
        if (self.token is None) == (self.service_account is None):
            raise ValueError("expected token or service_account, and not both")
        if self.subject is not None and self.service_account is None:
            raise ValueError("subject goes with service_account")
        self.key()
        return self

    def key(self) -> Key:
        """The key to call with. Raises ValueError, in words that quote nothing of it."""
        if self.token is not None:
            return user_key(self.token.get_secret_value())
        assert self.service_account is not None
        return service_key(self.service_account.get_secret_value(), self.subject)


@lru_cache(maxsize=8)
def _pace(config: Config) -> Pace:
    """The pace of an account, which one look hands on to the next."""
    return Pace(config.calls_per_minute)


def client(config: Config, now: datetime, pace: Pace | None = None) -> Client:
    """The door to Google for one look, to be closed after it. `pace` replaces the account's own."""
    times = config.timeout_seconds, config.patience_seconds
    return Client(config.key(), config.api_root, *times, pace or _pace(config), now)


async def observe(
    config: Config, domains: Sequence[str], http: object, now: datetime, pace: Pace | None = None
) -> tuple[Observation, ...]:
    """Everything Google tells of each domain: see `observe_days` and, where it is wanted, `observe_compliance`.

    `http` is not used: Google's client has its own way out. Never raises for a remote fault.
    """
    days = await observe_days(config, domains, http, now, pace)
    return (*days, *(await observe_compliance(config, domains, http, now, pace) if config.compliance else ()))


async def observe_days(
    config: Config, domains: Sequence[str], http: object, now: datetime, pace: Pace | None = None
) -> tuple[Observation, ...]:
    """The look at each domain (part ""), and each of its days that has numbers (part: the ISO day).

    The look is Unseen where something could not be read; days that were read in full are told all the same. A day is
    Seen with `spam_rate`, `..._success_rate`, `tls_..._rate`, `delivery_error_rate`, `reject_rate`, `temp_fail_rate`
    (and `:reason` after these two), `feedback_loop_ids`, `feedback_loop_spam_rate:ID` and the worst of them,
    `feedback_loop_spam_rate_max`. What Google leaves out is left out.
    """
    names = tuple(dict.fromkeys(domains))
    # Yesterday at the latest: no day that is still to begin anywhere west of here.
    end = now.date() - timedelta(days=1)
    recent = end - timedelta(days=min(config.days, DETAILED_DAYS) - 1)
    first = end - timedelta(days=config.days - 1)
    queries = {
        name: [
            *spread(name, EVERYTHING, recent, end),
            *spread(name, ESSENTIAL, first, recent - timedelta(days=1)),
        ]
        for name in names
    }
    with client(config, now, pace) as opened:
        asker = Asker(opened, config.calls_in_flight, now)
        await asker.ask([query for several in queries.values() for query in several])
        loops = {name: list(_loop_queries(queries[name][0])) if config.feedback_loops else [] for name in names}
        await asker.ask([query for several in loops.values() for query in several])
    wanted = [(recent + timedelta(days=number)).isoformat() for number in range((end - recent).days + 1)]
    return tuple(look for name in names for look in _looks(name, queries[name], loops[name], wanted, now))


def _loop_queries(recent: Query) -> Iterator[Query]:
    """For the spam rates of the feedback loops that `recent` found, over its days."""
    metrics = loop_metrics(loop_ids(recent.days)[:MOST_LOOPS])
    return spread(recent.domain, metrics, recent.start, recent.end) if metrics else iter(())


def _looks(
    name: str, queries: Sequence[Query], loops: Sequence[Query], wanted: Sequence[str], now: datetime
) -> list[Observation]:
    days: Days = {}
    for query in (*queries, *loops):
        merge(days, query.days)
    fault = next((query.fault for query in queries if query.fault), None)
    blind = next((query.fault for query in loops if query.fault), None)
    summary = fault.unseen() if fault else _summary(days, wanted, blind)
    looks = [Observation(SOURCE, name, now, summary)]
    return looks + [Observation(SOURCE, name, now, Seen(days[day]), part=day) for day in sorted(days)]


def _summary(days: Days, wanted: Sequence[str], blind: ApiFault | None) -> Seen | Unseen:
    if not days:
        return Unseen(Why.NO_DATA, _NO_NUMBERS)
    missing = tuple(day for day in wanted if day not in days)
    readings: dict[str, Reading] = {"code": "ok", "days": len(days), "latest": max(days), "missing": missing}
    return Seen(readings | ({"feedback_loops_unseen": blind.unseen().detail} if blind else {}))


@dataclass(frozen=True, slots=True)
class Registered:
    """A domain of a Google account, as it is registered at Postmaster Tools."""

    name: str
    permission: str
    verified: bool


async def list_domains(config: Config, now: datetime, pace: Pace | None = None) -> tuple[Registered, ...]:
    """The domains of the account, by name. Needs more than the right to read numbers: DOMAIN_SCOPE.

    Raises:
        ApiFault: they cannot be listed; `why` is DENIED where the token was not given that right.
    """
    found: dict[str, Registered] = {}
    with client(config, now, pace) as opened:
        token = ""
        for _ in range(_MOST_DOMAIN_PAGES):
            answer = await opened.call(opened.service.domains().list(pageSize=PAGE, pageToken=token or None))
            try:
                found |= {row[0]: Registered(*row) for row in parse_domains(answer)}
                token = next_page(answer)
            except Unreadable as fault:
                raise unreadable(str(fault)) from None
            if not token:
                return tuple(found[name] for name in sorted(found))
    raise unreadable("its pages do not come to an end")


async def observe_compliance(
    config: Config, domains: Sequence[str], http: object, now: datetime, pace: Pace | None = None
) -> tuple[Observation, ...]:
    """How each domain keeps Gmail's rules (part "compliance"): see `parse_compliance`. One call a domain: no batch."""
    turns = asyncio.Semaphore(config.calls_in_flight)
    with client(config, now, pace) as opened:

        async def look(name: str) -> Observation:
            async with turns:
                return Observation(SOURCE, name, now, await _compliance(opened, name), part=COMPLIANCE)

        return tuple(await asyncio.gather(*map(look, dict.fromkeys(domains))))


async def _compliance(opened: Client, domain: str) -> Seen | Unseen:
    request = opened.service.domains().getComplianceStatus(name=f"domains/{domain}/complianceStatus")
    try:
        return parse_compliance(await opened.call(request))
    except Unreadable as fault:
        return unreadable(str(fault)).unseen()
    except ApiFault as fault:
        return fault.unseen()
