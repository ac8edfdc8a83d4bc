"""Postmark's lists and counts, read from its answers. Pure.

Source: postmarkapp.com/developer/api/stats-api and /messages-api, read 2026-11-22. "All stats use EST timezone": a day
of Postmark's is not a UTC day. Its answers name only the days, and of each day only the counts, that there are.
"""

from collections.abc import Iterable
from typing import Any

from probes.daily_numbers import Days, day_of, readings
from probes.event_parts import domain_of

# By question, that is the last part of /stats/outbound/...: our names, and Postmark's.
METRICS: dict[str, dict[str, tuple[str, ...]]] = {
    "sends": {"sent": ("Sent",)},
    "bounces": {"hard_bounced": ("HardBounce",), "soft_bounced": ("SoftBounce", "Transient")},
    "spam": {"complained": ("SpamComplaint",)},
}


def parse_days(question: str, rows: Iterable[Any]) -> Days:
    """The counts in the answer to one question about one stream, by Postmark's day."""
    found: Days = {}
    for row in rows:
        day = day_of(row.get("Date")) if isinstance(row, dict) else None
        if day is not None:
            found[day] = readings(row, METRICS[question])
    return found


def senders(messages: Iterable[Any]) -> dict[str, set[str]]:
    """The message streams that each From domain of `messages` was sent through."""
    found: dict[str, set[str]] = {}
    for message in messages:
        sender = message.get("From") if isinstance(message, dict) else None
        domain = domain_of(sender) if isinstance(sender, str) else ""
        if domain:
            stream = message.get("MessageStream")
            found.setdefault(domain, set()).update({stream} if isinstance(stream, str) and stream else ())
    return found
