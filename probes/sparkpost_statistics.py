"""SparkPost's lists and counts, read from its answers. Pure.

Source: developers.sparkpost.com/api/metrics and /api/sending-domains (the API Blueprint in
github.com/SparkPost/developers.sparkpost.com), read 2026-11-22. Blocks and bounces that SparkPost could not classify
count as soft, as events do; administrative ones (held back by SparkPost itself) are no bounces here.
"""

from collections.abc import Iterable
from typing import Any

from probes.daily_numbers import readings
from probes.discovery import Found
from probes.event_parts import domain_of

METRICS = {
    "sent": ("count_sent",),
    "delivered": ("count_delivered",),
    "hard_bounced": ("count_hard_bounce",),
    "soft_bounced": ("count_soft_bounce", "count_block_bounce", "count_undetermined_bounce"),
    "complained": ("count_spam_complaint",),
    "unsubscribed": ("count_unsubscribe",),
}
ASKED = ",".join(theirs for names in METRICS.values() for theirs in names)


def parse_metrics(rows: Iterable[Any]) -> dict[str, dict[str, int]]:
    """The counts of one time by sending domain, by our names. A row that names no domain is passed over."""
    found: dict[str, dict[str, int]] = {}
    for row in rows:
        name = row.get("sending_domain") if isinstance(row, dict) else None
        domain = domain_of(name) if isinstance(name, str) else ""
        if domain:
            found[domain] = readings(row, METRICS)
    return found


def parse_domains(rows: Iterable[Any]) -> tuple[Found, ...]:
    """The sending domains of an account, by name, with the subaccount that each is moved by."""
    found: list[Found] = []
    for row in rows:
        name = row.get("domain") if isinstance(row, dict) else None
        domain = domain_of(name) if isinstance(name, str) else ""
        if domain:
            number = row.get("subaccount_id")
            subaccount = (f"subaccount:{number}",) if type(number) is int and number > 0 else ()
            found.append(Found(domain, levers=subaccount, detail=_detail(row)))
    return tuple(sorted(found, key=lambda one: one.domain))


def _detail(row: dict[str, Any]) -> str:
    status = row.get("status")
    if not isinstance(status, dict):
        return ""
    words = [] if status.get("ownership_verified") is True else ["not verified"]
    if status.get("compliance_status") == "blocked":
        words.append("blocked by SparkPost")
    if row.get("shared_with_subaccounts") is True:
        words.append("shared with all subaccounts")
    return ", ".join(words)
