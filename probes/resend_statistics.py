"""Resend's lists and counts, read from its answers. Pure.

Source: Resend's OpenAPI description (github.com/resend/resend-openapi), GET /domains and GET /emails/metrics, read
2026-11-22. `bounced` is the sum of the three kinds of bounces; what is undetermined counts as soft, as events do.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from probes.daily_numbers import Days, day_of, readings
from probes.event_parts import domain_of
from probes.vendor_calls import unreadable

METRICS = {
    "sent": ("sent",),
    "delivered": ("delivered",),
    "hard_bounced": ("bounced_permanent",),
    "soft_bounced": ("bounced_transient", "bounced_undetermined"),
    "complained": ("complained",),
    "unsubscribed": ("unsubscribed",),
}
ASKED = ",".join(theirs for names in METRICS.values() for theirs in names)


@dataclass(frozen=True, slots=True)
class Domain:
    """A domain of the account: `sending` is `enabled` or `disabled`, "" where Resend does not say."""

    id: str
    name: str
    status: str = ""
    sending: str = ""


class _Capabilities(msgspec.Struct):
    sending: str | None = None


class _Item(msgspec.Struct):
    id: str
    name: str
    status: str | None = None
    capabilities: _Capabilities | None = None


def parse_domains(items: Iterable[Any]) -> list[Domain]:
    """One page of domains. Raises HttpFault (unreadable): a domain that is passed over would look like none."""
    found: list[Domain] = []
    for item in items:
        try:
            one = msgspec.convert(item, _Item)
        except (ValueError, RecursionError) as fault:
            raise unreadable("GET /domains", str(fault)) from None
        sending = one.capabilities.sending if one.capabilities is not None else None
        found.append(Domain(one.id, domain_of(one.name), one.status or "", sending or ""))
    return [domain for domain in found if domain.name]


def parse_metrics(rows: Iterable[Any]) -> dict[str, Days]:
    """The counts by domain, then by UTC day, then by our names. A row without day or domain is passed over."""
    found: dict[str, Days] = {}
    for row in rows:
        day = day_of(row.get("period")) if isinstance(row, dict) else None
        name = row.get("domain_name") if day is not None else None
        domain = domain_of(name) if isinstance(name, str) else ""
        if domain and day is not None:
            found.setdefault(domain, {})[day] = readings(row, METRICS)
    return found
