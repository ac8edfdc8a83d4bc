"""Mandrill's counts by sender and hour, and its lists of senders, domains and subaccounts, in our words. Pure.

Source, read 2026-11-22: Mailchimp Transactional's OpenAPI file (/senders/list, /senders/time-series, /senders/domains,
/subaccounts/list). The hours do not tell unsubscribes.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from typing import Any

import msgspec

from probes.daily_numbers import Days, add, counts
from probes.discovery import Found
from probes.event_parts import domain_of, host_name
from probes.http import HttpFault, Response, error_text
from probes.observation import Why
from probes.vendor_calls import unreadable

_NAMES = {
    "sent": ("sent",),
    "hard_bounced": ("hard_bounces",),
    "soft_bounced": ("soft_bounces",),
    "complained": ("complaints",),
}
_WHY = {
    "Invalid_Key": Why.DENIED,
    "Unknown_Sender": Why.NO_DATA,
}


class Sender(msgspec.Struct, frozen=True):
    """One sending address of the account."""

    address: str


class SenderDomain(msgspec.Struct, frozen=True):
    """One sending domain of the account."""

    domain: str
    valid_signing: bool = False


class Subaccount(msgspec.Struct, frozen=True):
    """One subaccount: `id` is the customer's own name of it."""

    id: str
    name: str | None = None


class _Error(msgspec.Struct, frozen=True):
    name: str = ""
    message: str = ""


def fault(answer: Response, where: str, secrets: Sequence[str]) -> HttpFault | None:
    """The fault that Mandrill names in its answer, whatever the status: it answers 500 also to a wrong key."""
    if answer.status < 400:
        return None
    try:
        told = msgspec.json.decode(answer.body, type=_Error)
    except (ValueError, RecursionError):
        return None
    why = _WHY.get(told.name)
    if why is None:
        return None
    said = error_text(msgspec.json.encode({"error": told.message}), secrets)
    return HttpFault(why, f"{where}: {answer.status}: {told.name}: {said}")


def senders_by_domain(senders: Iterable[Sender]) -> dict[str, tuple[str, ...]]:
    """The addresses of each domain, sorted. Addresses without a domain in ASCII are left out."""
    named: dict[str, set[str]] = {}
    for sender in senders:
        if domain := domain_of(sender.address):
            named.setdefault(domain, set()).add(sender.address)
    return {domain: tuple(sorted(addresses)) for domain, addresses in named.items()}


def by_day(series: Iterable[Sequence[dict[str, Any]]], where: str) -> Days:
    """The hours of several senders, added up by day (UTC).

    Raises:
        HttpFault: UNREADABLE, an hour without a time, or something that is no count.
    """
    days: Days = {}
    for hours in series:
        for hour in hours:
            add(days, _day(hour.get("time"), where), counts(hour, _NAMES, where))
    return days


def _day(text: object, where: str) -> date:
    """The day of a time such as `2013-01-01 15:00:00`, which is in UTC."""
    try:
        at = datetime.fromisoformat(text) if isinstance(text, str) else None
        at = at.astimezone(UTC) if at is not None and at.tzinfo else at
    except (ValueError, OverflowError):
        at = None
    if at is None:
        raise unreadable(where, "an hour has no time")
    return at.date()


def found(
    domains: Iterable[SenderDomain], senders: Iterable[Sender], subaccounts: Iterable[Subaccount]
) -> tuple[Found, ...]:
    """The domains by name, with their senders, and the subaccount that has the domain's own name, if one has."""
    addresses = senders_by_domain(senders)
    valid = {name: one.valid_signing for one in domains if (name := host_name(one.domain))}
    levers: dict[str, list[str]] = {}
    for one in subaccounts:
        for name in {host_name(one.id), host_name(one.name or "")} - {""}:
            levers.setdefault(name, []).append(f"subaccount:{one.id}")
    return tuple(
        Found(name, addresses.get(name, ()), tuple(levers.get(name, ())), _detail(valid.get(name)))
        for name in sorted({*valid, *addresses})
    )


def _detail(valid: bool | None) -> str:
    if valid is None:
        return "has sent, but is none of the account's sending domains"
    return "its mail is signed" if valid else "its DKIM record is not validated"
