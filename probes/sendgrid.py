"""Twilio SendGrid: what it tells of each message (Event Webhook), and its own counts by day. docs/sendgrid.md.

Sources, read 2026-11-22: SendGrid's OpenAPI files (stats, subusers, webhooks), and its Event Webhook helper for Python
for what is signed: ECDSA with SHA-256 over the time stamp followed by the raw body.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from functools import lru_cache
from typing import Annotated, Literal

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key
from pydantic import AfterValidator, Field, StringConstraints

from probes.config import Secret, Strict
from probes.daily_numbers import Days, first_day, in_chunks, observations
from probes.discovery import Found
from probes.event_parts import host_name
from probes.http import Http
from probes.observation import ForgedRequest, Observation, Parsed, Unseen, Why, Window
from probes.sendgrid_events import RESERVED, Naming, parse_events
from probes.sendgrid_statistics import AuthenticatedDomain, Day, found, one_account, several
from probes.signature_time import fresh
from probes.vendor_calls import BaseUrl, Calls, unreadable

SOURCE = "sendgrid"
TELLS_SENDING = False
"""Its bounces and complaints do not tell when the message was sent; the store finds it by `message_id`."""
# "You may include this parameter up to 10 times" (subusers); "up to 10 different categories".
_AT_ONCE = 10
_ENOUGH = "500"
_PAGE = 100
_MOST_PAGES = 50


def _argument(name: str) -> str:
    if name.lower() in RESERVED:
        raise ValueError("it is the name of a field of SendGrid's own")
    return name


def _host(name: str) -> str:
    if not host_name(name):
        raise ValueError("expected a domain, in ASCII")
    return host_name(name)


Domain = Annotated[str, AfterValidator(_host)]


@lru_cache(maxsize=64)
def _loaded(public_key: str) -> EllipticCurvePublicKey:
    """Raises ValueError: no base64, or no public key of ECDSA on P-256."""
    try:
        key = load_der_public_key(base64.b64decode(public_key, validate=True))
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        raise ValueError("expected the verification key that SendGrid shows: base64 of a P-256 public key")
    return key


def _public_key(text: str) -> str:
    _loaded(text)
    return text


class Config(Strict):
    """`[platforms.NAME] kind = "sendgrid"`.

    `public_key` is the verification key of the signed Event Webhook; without it nothing is received. `domain` is for
    an account, or a subuser with its own key, that sends for one domain alone. `subusers` names the subuser of each
    domain, for its statistics. `category_prefix` says that mail is categorised as PREFIX + domain.
    """

    kind: Literal["sendgrid"]
    api_key: Secret
    public_key: Annotated[str, AfterValidator(_public_key)] | None = None
    domain: Domain | None = None
    subusers: dict[Domain, Annotated[str, StringConstraints(min_length=1, max_length=64)]] = Field(default_factory=dict)
    domain_argument: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,64}$"), AfterValidator(_argument)] = (
        "sending_domain"
    )
    category_prefix: Annotated[str, StringConstraints(max_length=100)] = ""
    signature_age_seconds: float = Field(default=300, ge=1, le=86_400, allow_inf_nan=False)
    days: int = Field(default=7, ge=1, le=30)
    base_url: BaseUrl = "https://api.sendgrid.com"
    timeout_seconds: float = Field(default=10, gt=0, le=120, allow_inf_nan=False)


def calls(config: Config, http: Http, now: datetime) -> Calls:
    """The calls of one look."""
    key = config.api_key.get_secret_value()
    headers = {"authorization": f"Bearer {key}"}
    return Calls(http, config.base_url, now, config.timeout_seconds, headers=headers, secrets=(key,))


def verify(config: Config, headers: Mapping[str, str], body: bytes, now: datetime) -> None:
    """Nothing when the signature is SendGrid's and not too old. `headers` are looked up in lower case.

    Raises:
        ForgedRequest: a header is missing, the time is too far off, or the signature does not hold.
    """
    if config.public_key is None:
        raise ForgedRequest("no public_key is configured, so that nothing can be believed")
    stamp, given = (headers.get(f"x-twilio-email-event-webhook-{part}") for part in ("timestamp", "signature"))
    if not stamp or not given:
        raise ForgedRequest("the signature is missing: turn on the Signed Event Webhook at SendGrid")
    fresh(stamp, now, config.signature_age_seconds)
    try:
        _loaded(config.public_key).verify(
            base64.b64decode(given, validate=True), stamp.encode() + body, ECDSA(SHA256())
        )
    except (binascii.Error, ValueError):
        raise ForgedRequest("the signature is not base64") from None
    except InvalidSignature:
        raise ForgedRequest("the signature does not match: another key, or the body was changed on its way") from None


async def receive(config: Config, headers: Mapping[str, str], body: bytes, window: Window, http: Http) -> Parsed:
    """The events in one request of SendGrid.

    Raises:
        ForgedRequest, MalformedRequest: nothing of it can be used.
    """
    verify(config, headers, body, window.now)
    naming = Naming(config.domain or "", config.domain_argument, config.category_prefix)
    return parse_events(body, window, naming)


async def observe(config: Config, domains: Sequence[str], http: Http, now: datetime) -> tuple[Observation, ...]:
    """For each domain the counts of its subuser, of the account (`domain`) or of its category, by day.

    SendGrid counts by none of its domains: which of the three stands for a domain is what the configuration says.
    """
    by_subuser = {domain: config.subusers[domain] for domain in domains if domain in config.subusers}
    rest = [domain for domain in domains if domain not in by_subuser]
    own = [domain for domain in rest if domain == config.domain]
    by_category = {it: f"{config.category_prefix}{it}" for it in rest if it not in own and config.category_prefix}
    asking, since = calls(config, http, now), first_day(now, config.days)
    answers = {
        **await _account(asking, own, since),
        **await _several(asking, "/v3/subusers/stats", "subusers", by_subuser, since),
        **await _several(asking, "/v3/categories/stats", "categories", by_category, since),
    }
    text = "neither `subusers` nor `domain` nor `category_prefix` says whose statistics are those of this domain"
    for domain in rest:
        answers.setdefault(domain, Unseen(Why.NO_DATA, text))
    return observations(SOURCE, domains, now, answers, since)


async def _account(asking: Calls, own: Sequence[str], since: date) -> dict[str, Days | Unseen]:
    """The statistics of the account, for the one domain it sends for, if it is asked about."""
    path = "/v3/stats"

    async def look(domains: Sequence[str]) -> Mapping[str, Days]:
        days = one_account(await asking.get(path, list[Day], _by_day(since)), asking.where(path))
        return dict.fromkeys(domains, days)

    return await in_chunks(own, 1, look)


async def _several(
    asking: Calls, path: str, parameter: str, names: Mapping[str, str], since: date
) -> dict[str, Days | Unseen]:
    """The statistics of subusers or categories, by the domain each stands for.

    There are no pages to drain: ten names in thirty days are 300 rows, fewer than _ENOUGH.
    """

    async def look(domains: Sequence[str]) -> Mapping[str, Days]:
        wanted = [(parameter, name) for name in sorted({names[domain] for domain in domains})]
        told = several(await asking.get(path, list[Day], [*wanted, *_by_day(since)]), asking.where(path))
        return {domain: told.get(names[domain], {}) for domain in domains}

    return await in_chunks(sorted(names), _AT_ONCE, look)


def _by_day(since: date) -> list[tuple[str, str]]:
    return [("start_date", since.isoformat()), ("aggregated_by", "day"), ("limit", _ENOUGH)]


async def discover(config: Config, http: Http, now: datetime) -> tuple[Found, ...]:
    """The authenticated domains of the account, each with its subusers.

    Raises:
        HttpFault: SendGrid could not be asked, or has more than 5,000 of them.
    """
    asking = calls(config, http, now)
    path, all_of_them = "/v3/whitelabel/domains", list[AuthenticatedDomain]()
    for page in range(_MOST_PAGES):
        query = [("limit", str(_PAGE)), ("offset", str(page * _PAGE))]
        some = await asking.get(path, list[AuthenticatedDomain], query)
        all_of_them += some
        if len(some) < _PAGE:
            return found(all_of_them)
    raise unreadable(asking.where(path), f"more than {_MOST_PAGES * _PAGE} domains")
