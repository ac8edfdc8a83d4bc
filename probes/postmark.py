"""Postmark: the mail events it reports, and its counts by message stream and day. docs/postmark.md.

Sources, read 2026-11-22: postmarkapp.com/developer/webhooks/webhooks-overview, /developer/api/stats-api and
/developer/api/messages-api. Postmark signs nothing; a request proves itself by HTTP Basic (user and password in the
webhook's address) or by a header of one's own. It counts by server, stream and tag, never by domain: which streams a
domain sends through is configured.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints

from probes.config import Secret
from probes.daily_numbers import Days, add, first_day, in_chunks, last_days, observations
from probes.discovery import Found
from probes.event_parts import domain_of
from probes.http import Http
from probes.observation import Observation, Parsed, Unseen, Why, Window
from probes.postmark_events import parse_events
from probes.postmark_statistics import METRICS, parse_days, senders
from probes.static_secret import StaticSecret
from probes.vendor_calls import BaseUrl, Calls, rows

SOURCE = "postmark"
TELLS_SENDING = False
"""Its bounces and complaints do not tell when the message was sent; the store finds it by `message_id`."""
# Postmark allows 500, but an answer is read up to a megabyte, and a message may take some kilobytes of it.
_PAGE = 200
_MOST_MESSAGES = 2_000


def _is_a_domain(name: str) -> str:
    if "@" in name or not domain_of(name):
        raise ValueError("expected the domain that this stream sends from, such as acme.com")
    return domain_of(name)


Stream = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
Domain = Annotated[str, AfterValidator(_is_a_domain)]


class Config(StaticSecret):
    """`[platforms.NAME] kind = "postmark"`: one server of Postmark's, by its server token.

    `streams` gives the sending domain of each message stream, by the stream's ID.
    """

    kind: Literal["postmark"]
    server_token: Secret
    streams: dict[Stream, Domain] = Field(default_factory=dict)
    base_url: BaseUrl = "https://api.postmarkapp.com"
    days: int = Field(default=7, ge=1, le=60)
    timeout_seconds: float = Field(default=10, gt=0, le=120, allow_inf_nan=False)


def calls(config: Config, http: Http, now: datetime) -> Calls:
    """The calls of one look."""
    token = config.server_token.get_secret_value()
    headers = {"x-postmark-server-token": token}
    return Calls(http, config.base_url, now, config.timeout_seconds, headers=headers, secrets=(token,))


async def receive(config: Config, headers: Mapping[str, str], body: bytes, window: Window, http: Http) -> Parsed:
    """The events in one request of Postmark.

    Raises:
        ForgedRequest, MalformedRequest: nothing of it can be used, and sending it again is no use.
    """
    config.verify(headers)
    return parse_events(body, window, config.streams)


async def observe(config: Config, domains: Sequence[str], http: Http, now: datetime) -> tuple[Observation, ...]:
    """Counts of each domain by Postmark's day, summed over its message streams."""
    streams: dict[str, list[str]] = {}
    for stream, domain in config.streams.items():
        streams.setdefault(domain, []).append(stream)
    asked = [domain for domain in domains if domain in streams]
    asking = calls(config, http, now)

    async def look(chunk: Sequence[str]) -> Mapping[str, Days]:
        return {domain: await _by_day(asking, config.days, streams[domain]) for domain in chunk}

    answers = await in_chunks(asked, 1, look)
    for domain in domains:
        text = f"no message stream is said to send from {domain}: Postmark counts by stream (`streams`)"
        answers.setdefault(domain, Unseen(Why.NO_DATA, text))
    return observations(SOURCE, domains, now, answers, first_day(now, config.days))


async def discover(config: Config, http: Http, now: datetime) -> tuple[Found, ...]:
    """The domains that the server's newest messages were sent from, each with its streams. Raises HttpFault.

    A server token may not list the account's domains; one that sent nothing of late is not found.
    """
    found: dict[str, set[str]] = {}
    asking, path = calls(config, http, now), "/messages/outbound"
    for offset in range(0, _MOST_MESSAGES, _PAGE):
        whole = await asking.get(path, dict[str, Any], [("count", str(_PAGE)), ("offset", str(offset))])
        messages = rows(whole, "Messages", asking.where(path))
        for domain, streams in senders(messages).items():
            found.setdefault(domain, set()).update(streams)
        if len(messages) < _PAGE:
            break
    return tuple(Found(domain, tuple(sorted(streams))) for domain, streams in sorted(found.items()))


async def _by_day(asking: Calls, days: int, streams: Sequence[str]) -> Days:
    # The day in America is never later than in UTC, so these UTC days hold all of Postmark's that are asked for.
    wanted = last_days(asking.now, days)
    found: Days = {}
    for stream in streams:
        query = [("fromdate", str(wanted[0])), ("todate", str(wanted[-1])), ("messagestream", stream)]
        for question in METRICS:
            path = f"/stats/outbound/{question}"
            whole = await asking.get(path, dict[str, Any], query)
            for day, counts in parse_days(question, rows(whole, "Days", asking.where(path))).items():
                add(found, day, counts)
    return found
