"""Twilio SendGrid: what it tells of each message (Event Webhook), and its own counts by day. docs/sendgrid.md.

Sources, read 2026-11-22: SendGrid's OpenAPI files (stats, subusers, webhooks), and its Event Webhook helper for Python
for what is signed: ECDSA with SHA-256 over the time stamp followed by the raw body.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Literal, TypeVar
from urllib.parse import urlencode

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key
from pydantic import AfterValidator, Field, StringConstraints

from probes.config import Secret, Strict
from probes.discovery import Found
from probes.http import Http, HttpFault, check, redacted
from probes.observation import ForgedRequest, Observation, Parsed, Unseen, Why, Window
from probes.sendgrid_events import RESERVED, Naming, parse_events
from probes.sendgrid_statistics import AuthenticatedDomain, Day, found, one_account, several
from probes.vendor_events import fresh, host_name
from probes.vendor_statistics import BaseUrl, because, chunks, decoded, first_day, looks, unseen

SOURCE = "sendgrid"
# "You may include this parameter up to 10 times" (subusers); "up to 10 different categories".
_AT_ONCE = 10
_ENOUGH = "500"
_PAGE = 100
_MOST_PAGES = 50
Shape = TypeVar("Shape")


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
    unknown = [domain for domain in rest if domain not in own and domain not in by_category]
    text = "neither `subusers` nor `domain` nor `category_prefix` says whose statistics are those of this domain"
    return (
        *await _account(config, own, http, now),
        *await _several(config, "/v3/subusers/stats", "subusers", by_subuser, http, now),
        *await _several(config, "/v3/categories/stats", "categories", by_category, http, now),
        *unseen(SOURCE, unknown, now, Unseen(Why.NO_DATA, text)),
    )


async def _account(config: Config, own: Sequence[str], http: Http, now: datetime) -> tuple[Observation, ...]:
    if not own:
        return ()
    since, path = first_day(now, config.days), "/v3/stats"
    query = [("start_date", since.isoformat()), ("aggregated_by", "day"), ("limit", _ENOUGH)]
    try:
        days = one_account(await _get(config, path, query, http, now, list[Day]), f"{config.base_url}{path}")
    except HttpFault as fault:
        return unseen(SOURCE, own, now, because(fault))
    return tuple(look for domain in own for look in looks(SOURCE, domain, now, days, since))


async def _several(
    config: Config, path: str, parameter: str, names: Mapping[str, str], http: Http, now: datetime
) -> tuple[Observation, ...]:
    """The statistics of subusers or categories, by the domain each stands for.

    There are no pages to drain: ten names in thirty days are 300 rows, fewer than _ENOUGH.
    """
    since = first_day(now, config.days)
    seen: list[Observation] = []
    for some in chunks(sorted(names), _AT_ONCE):
        wanted = [(parameter, name) for name in sorted({names[domain] for domain in some})]
        query = [*wanted, ("start_date", since.isoformat()), ("aggregated_by", "day"), ("limit", _ENOUGH)]
        try:
            told = several(await _get(config, path, query, http, now, list[Day]), f"{config.base_url}{path}")
        except HttpFault as fault:
            missing = [domain for domain in sorted(names) if domain not in {look.target for look in seen}]
            return (*seen, *unseen(SOURCE, missing, now, because(fault)))
        for domain in some:
            seen += looks(SOURCE, domain, now, told.get(names[domain], {}), since)
    return tuple(seen)


async def _get(
    config: Config, path: str, query: Sequence[tuple[str, str]], http: Http, now: datetime, shape: type[Shape]
) -> Shape:
    url, key = f"{config.base_url}{path}", config.api_key.get_secret_value()
    answer = await http.get(
        f"{url}?{urlencode(query)}",
        headers={"authorization": f"Bearer {key}"},
        timeout_seconds=config.timeout_seconds,
    )
    check(answer, redacted(url), now, [key])
    return decoded(answer, redacted(url), shape)


async def discover(config: Config, http: Http, now: datetime) -> tuple[Found, ...]:
    """The authenticated domains of the account, each with its subusers.

    Raises:
        HttpFault: SendGrid could not be asked, or has more than 5,000 of them.
    """
    path, all_of_them = "/v3/whitelabel/domains", list[AuthenticatedDomain]()
    for page in range(_MOST_PAGES):
        query = [("limit", str(_PAGE)), ("offset", str(page * _PAGE))]
        some = await _get(config, path, query, http, now, list[AuthenticatedDomain])
        all_of_them += some
        if len(some) < _PAGE:
            return found(all_of_them)
    raise HttpFault(Why.UNREADABLE, f"{config.base_url}{path}: more than {_MOST_PAGES * _PAGE} domains")
