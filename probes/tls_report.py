"""TLS reports (RFC 8460 4): JSON to numbers of sessions by domain. Pure."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from probes.aggregate_report import Aggregate, Sessions, Unpackable
from probes.mail_text import host, printable

MAX_POLICIES = 10_000
_MOST = 10**9


def read(plain: bytes) -> Aggregate | None:
    """The report in JSON; None when it is something else. Raises Unpackable."""
    try:
        report: Any = json.loads(plain)
    except (ValueError, RecursionError):
        raise Unpackable("malformed", "it starts like JSON and is none") from None
    policies = report.get("policies")
    if not isinstance(policies, list) or "report-id" not in report:
        return None
    if len(policies) > MAX_POLICIES:
        raise Unpackable("bomb", f"more than {MAX_POLICIES} policies")
    sessions = list(_sessions(policies))
    domains = (host(_text(policy, "policy", "policy-domain")) for policy in policies)
    return Aggregate(
        "tls-rpt",
        next(filter(None, domains), ""),
        _text(report, "organization-name"),
        len(policies),
        _instant(_text(report, "date-range", "start-datetime")),
        _instant(_text(report, "date-range", "end-datetime")),
        sessions=tuple(sessions),
        unread=len(policies) - len(sessions),
    )


def _sessions(policies: list[Any]) -> Iterator[Sessions]:
    """One for each policy whose domain and numbers can be read."""
    for policy in policies:
        name = host(_text(policy, "policy", "policy-domain"))
        ok = _number(policy, "summary", "total-successful-session-count")
        failed = _number(policy, "summary", "total-failure-session-count")
        if name and ok is not None and failed is not None:
            yield Sessions(name, ok, failed, tuple(_failures(policy).items()))


def _failures(policy: dict[str, Any]) -> Counter[str]:
    details = policy.get("failure-details")
    found: Counter[str] = Counter()
    for detail in details if isinstance(details, list) else ():
        kind, count = _text(detail, "result-type")[:64], _number(detail, "failed-session-count")
        if kind and count:
            found[kind] += count
    return found


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _text(value: Any, *path: str) -> str:
    found = _at(value, path)
    return printable(found, 255) if isinstance(found, str) else ""


def _number(value: Any, *path: str) -> int | None:
    found = _at(value, path)
    whole = isinstance(found, int) and not isinstance(found, bool)
    return found if whole and 0 <= found <= _MOST else None


def _instant(text: str) -> datetime | None:
    """A time of RFC 3339 in UTC; one without an offset is taken as UTC."""
    try:
        at = datetime.fromisoformat(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
