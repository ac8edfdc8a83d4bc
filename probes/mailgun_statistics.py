"""Mailgun's counts by domain and day, and its list of domains: what to ask for, and the answers in our words. Pure.

Source, read 2026-11-22: Mailgun's OpenAPI file, POST /v1/analytics/metrics and GET /v4/domains. That file describes
the `pagination` of the answer only; the request takes the same object.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time
from email.utils import format_datetime, parsedate_to_datetime
from itertools import chain
from typing import Any

import msgspec

from probes.daily_numbers import Days, counts
from probes.discovery import Found
from probes.event_parts import host_name
from probes.vendor_calls import unreadable

_PAGE = 500
_NAMES = {
    "sent": ("accepted_outgoing_count",),
    "delivered": ("delivered_count",),
    "hard_bounced": ("hard_bounces_count",),
    "soft_bounced": ("soft_bounces_count",),
    "complained": ("complained_count",),
    "unsubscribed": ("unsubscribed_count",),
}


class _Dimension(msgspec.Struct, frozen=True):
    dimension: str
    value: str


class Item(msgspec.Struct, frozen=True):
    """The counts of one domain on one day."""

    dimensions: tuple[_Dimension, ...] = ()
    metrics: dict[str, Any] = {}


class _Pagination(msgspec.Struct, frozen=True):
    total: int | None = None


class Answer(msgspec.Struct, frozen=True):
    """One page of metrics."""

    items: tuple[Item, ...]
    pagination: _Pagination = _Pagination()


class Domain(msgspec.Struct, frozen=True):
    """One domain of GET /v4/domains. What else is there, such as a password, is not read."""

    name: str
    state: str = ""
    subaccount_id: str = ""
    is_disabled: bool = False


class Domains(msgspec.Struct, frozen=True):
    """One page of domains."""

    items: tuple[Domain, ...]
    total_count: int = 0


def query(domains: Sequence[str], since: date, now: datetime, skip: int) -> dict[str, Any]:
    """The body that asks for the counts of `domains` from `since` to `now`, leaving out the first `skip` items."""
    start = datetime.combine(since, time(), UTC)
    return {
        "start": format_datetime(start),
        "end": format_datetime(now),
        "resolution": "day",
        "dimensions": ["domain", "time"],
        "metrics": list(chain(*_NAMES.values())),
        "filter": {
            "AND": [
                {
                    "attribute": "domain",
                    "comparator": "=",
                    "values": [{"label": domain, "value": domain} for domain in domains],
                }
            ]
        },
        "include_subaccounts": True,
        "include_aggregates": False,
        "pagination": {"sort": "domain:asc", "skip": skip, "limit": _PAGE},
    }


def by_domain(items: Iterable[Item], where: str) -> dict[str, Days]:
    """The counts of each domain by day. A domain and day that come twice are read once.

    Raises:
        HttpFault: UNREADABLE, an item names no domain or no day, or tells something that is no count.
    """
    told: dict[str, Days] = {}
    for item in items:
        names = {one.dimension: one.value for one in item.dimensions}
        domain = host_name(names.get("domain", ""))
        if not domain:
            raise unreadable(where, "an item names no domain")
        told.setdefault(domain, {})[_day(names.get("time", ""), where)] = counts(item.metrics, _NAMES, where)
    return told


def _day(text: str, where: str) -> date:
    """The day of a time in RFC 2822 form, such as `Wed, 01 Nov 2023 00:00:00 +0000`."""
    try:
        at = parsedate_to_datetime(text)
        return at.astimezone(UTC).date() if at.tzinfo else at.date()
    except (ValueError, TypeError, OverflowError):
        raise unreadable(where, "an item names no day") from None


def found(domains: Iterable[Domain]) -> tuple[Found, ...]:
    """The domains by name, with the subaccount each belongs to."""
    named = ((host_name(one.name), one) for one in domains)
    return tuple(
        Found(
            name,
            (),
            (f"subaccount:{one.subaccount_id}",) if one.subaccount_id else (),
            "disabled" if one.is_disabled else one.state,
        )
        for name, one in sorted(named, key=lambda pair: pair[0])
        if name
    )
