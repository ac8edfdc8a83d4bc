"""SendGrid's counts by day, and its list of domains, read into our words. Pure.

Sources, read 2026-11-22: SendGrid's OpenAPI files for stats and subusers; its API reference for
GET /v3/whitelabel/domains. `bounces` are the hard ones, `blocks` are refusals that do not suppress the address;
`requests` counts also what SendGrid dropped, so what was sent is `processed`.
"""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

import msgspec

from probes.daily_numbers import Days, add, counts
from probes.discovery import Found
from probes.event_parts import host_name
from probes.vendor_calls import unreadable

_NAMES = {
    "sent": ("processed",),
    "delivered": ("delivered",),
    "hard_bounced": ("bounces",),
    "soft_bounced": ("blocks",),
    "complained": ("spam_reports",),
    "unsubscribed": ("unsubscribes",),
}


class Statistic(msgspec.Struct, frozen=True):
    """The counts of one subuser or category (`name`), or of the account, on one day."""

    metrics: dict[str, Any] = {}
    name: str = ""


class Day(msgspec.Struct, frozen=True):
    """One day of statistics."""

    date: str
    stats: tuple[Statistic, ...] = ()


class _Subuser(msgspec.Struct, frozen=True):
    username: str = ""


class AuthenticatedDomain(msgspec.Struct, frozen=True):
    """One domain of GET /v3/whitelabel/domains."""

    domain: str
    username: str = ""
    valid: bool = False
    subusers: tuple[_Subuser, ...] = ()


def one_account(told: Iterable[Day], where: str) -> Days:
    """The counts of the account by day. Raises HttpFault: UNREADABLE."""
    days: Days = {}
    for day, statistic in _each(told, where):
        add(days, day, counts(statistic.metrics, _NAMES, where))
    return days


def several(told: Iterable[Day], where: str) -> dict[str, Days]:
    """The counts of each name by day. Raises HttpFault: UNREADABLE."""
    names: dict[str, Days] = {}
    for day, statistic in _each(told, where):
        names.setdefault(statistic.name, {})[day] = counts(statistic.metrics, _NAMES, where)
    return names


def _each(told: Iterable[Day], where: str) -> Iterable[tuple[date, Statistic]]:
    for one in told:
        try:
            day = date.fromisoformat(one.date)
        except ValueError:
            raise unreadable(where, "a date is not of the form YYYY-MM-DD") from None
        yield from ((day, statistic) for statistic in one.stats)


def found(domains: Sequence[AuthenticatedDomain]) -> tuple[Found, ...]:
    """The domains by name; one that is there several times, for several subusers, is one with several levers."""
    merged: dict[str, list[AuthenticatedDomain]] = {}
    for one in domains:
        if name := host_name(one.domain):
            merged.setdefault(name, []).append(one)
    return tuple(_found(name, entries) for name, entries in sorted(merged.items()))


def _found(name: str, entries: Sequence[AuthenticatedDomain]) -> Found:
    names = sorted({subuser.username for one in entries for subuser in one.subusers if subuser.username})
    valid = any(one.valid for one in entries)
    detail = "authenticated" if valid else "its DNS records are not validated"
    return Found(name, tuple(names), tuple(f"subuser:{subuser}" for subuser in names), detail)
