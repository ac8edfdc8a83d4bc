"""What Google Postmaster Tools v2 is asked, and what its answers say. Pure.

Source: the API's discovery document, revision 20260623 (bundled with google-api-python-client 2.202, read 2026-11-22).
What it leaves open was seen by others on the live API (2026-08): rates come as `floatValue` from 0 to 1, a day without
numbers has no entry at all, and pages hold entries, oldest first.

Unreadable   retry? once: an answer that cannot be read is broken on its way, or the API has changed
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from probes.observation import Reading, Seen, Unseen, Why

LOOP_IDS = "feedback_loop_ids"
LOOP_RATE = "feedback_loop_spam_rate:"
WORST_LOOP_RATE = "feedback_loop_spam_rate_max"

_REJECTS = (
    "bad_attachment",
    "bad_or_missing_ptr_record",
    "ip_in_rbls",
    "low_domain_reputation",
    "low_ip_reputation",
    "spammy_content",
    "stamp_policy_error",
    "other",
)
_TEMPORARY = ("anomalous_traffic_pattern", "other")
_MOST_IDS = 1_000
_LONGEST_ID = 200
# What a float32 may be past 1 when it means 1.
_ROUNDING = 1e-6
_STATES = {"COMPLIANT": "compliant", "NEEDS_WORK": "needs-work"}
_ENUM = re.compile(r"[A-Z][A-Z0-9_]{0,63}")


class Unreadable(ValueError):  # noqa: N818 - a noun of the field
    """An answer, or a part of one, that is not what the discovery document says. The text quotes none of it."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric to ask for. `name` is the reading's name, and the one Google gives back with each value."""

    name: str
    standard: str
    filter: str = ""

    def definition(self) -> dict[str, Any]:
        """As a MetricDefinition of the API."""
        asked: dict[str, Any] = {"name": self.name, "baseMetric": {"standardMetric": self.standard}}
        return asked | ({"filter": self.filter} if self.filter else {})


def _errors(kind: str, name: str, reasons: Sequence[str]) -> tuple[Metric, ...]:
    whole = f'error_type = "{kind}"'
    parts = (Metric(f"{name}:{why}", "DELIVERY_ERROR_RATE", f'{whole} AND error_reason = "{why}"') for why in reasons)
    return (Metric(name, "DELIVERY_ERROR_RATE", whole), *parts)


ESSENTIAL = (
    Metric("spam_rate", "SPAM_RATE"),
    Metric("dkim_success_rate", "AUTH_SUCCESS_RATE", 'auth_type = "dkim"'),
    Metric("dmarc_success_rate", "AUTH_SUCCESS_RATE", 'auth_type = "dmarc"'),
    Metric("delivery_error_rate", "DELIVERY_ERROR_RATE"),
)
"""What is asked for days further back: four metrics, so that 50 days fit into one page."""

EVERYTHING = (
    *ESSENTIAL,
    Metric("spf_success_rate", "AUTH_SUCCESS_RATE", 'auth_type = "spf"'),
    Metric("tls_inbound_rate", "TLS_ENCRYPTION_RATE", 'traffic_direction = "inbound"'),
    Metric("tls_outbound_rate", "TLS_ENCRYPTION_RATE", 'traffic_direction = "outbound"'),
    *_errors("reject", "reject_rate", _REJECTS),
    *_errors("temp_fail", "temp_fail_rate", _TEMPORARY),
    Metric(LOOP_IDS, "FEEDBACK_LOOP_ID"),
)
"""What is asked for the newest days: 20 metrics, so that 10 days fit into one page of 200 entries."""


def loop_metrics(ids: Sequence[str]) -> tuple[Metric, ...]:
    """The spam rate of each feedback loop. An id that cannot stand in a filter's quotes is left out."""
    return tuple(
        Metric(f"{LOOP_RATE}{name}", "FEEDBACK_LOOP_SPAM_RATE", f'feedback_loop_id = "{name}"')
        for name in ids
        if not set(name) & set('"\\') and name.isprintable()
    )


Days = dict[str, dict[str, Reading]]
"""ISO day -> readings by name. A day that Google says nothing about is not in it."""


def parse(answer: Any, asked: Sequence[Metric]) -> Days:
    """The readings of one page of a QueryDomainStatsResponse to a query for `asked` metrics.

    Rates are ratios from 0 to 1, never rounded; `feedback_loop_ids` is a tuple of text. An entry without a value, and a
    metric that was not asked for, is passed over: it is not zero.

    Raises:
        Unreadable: the answer is not of the API's shape, or a rate is none. Nothing of it is to be used.
    """
    names = {metric.name for metric in asked}
    days: Days = {}
    for stat in _items(answer, "domainStats"):
        name = stat.get("metric")
        if not isinstance(name, str):
            raise Unreadable("an entry does not say of which metric it is")
        value = _of_shape(stat.get("value", {}), dict, "a value")
        if name not in names or not value:
            continue
        days.setdefault(_day(stat.get("date")), {})[name] = _ids(value) if name == LOOP_IDS else _rate(value)
    return days


def next_page(answer: Mapping[str, Any]) -> str:
    """The token of the page after this one, "" when it is the last. Raises Unreadable."""
    return str(_of_shape(answer.get("nextPageToken", ""), str, "nextPageToken"))


def merge(days: Days, more: Days) -> None:
    """Put more readings of the same domain into `days`; the worst feedback loop of each day gets a reading."""
    for day, readings in more.items():
        merged = days.setdefault(day, {})
        merged.update(readings)
        rates = [rate for name, rate in merged.items() if name.startswith(LOOP_RATE) and isinstance(rate, float)]
        if rates:
            merged[WORST_LOOP_RATE] = max(rates)


def loop_ids(days: Days) -> tuple[str, ...]:
    """The feedback loop ids of all days, those of the newest day first."""
    found: dict[str, None] = {}
    for day in sorted(days, reverse=True):
        ids = days[day].get(LOOP_IDS)
        found.update(dict.fromkeys(ids if isinstance(ids, tuple) else ()))
    return tuple(found)


def parse_compliance(answer: Any) -> Seen | Unseen:
    """What a DomainComplianceStatus says, requirement by requirement.

    Readings: `registrable_domain`, `registrable_spf` and so on for the registrable domain, `subdomain_...` for the
    domain itself where that is another one; each `compliant`, `needs-work` or `unknown`. `..._reason` where Google
    gives one; `needs_work` lists what does.

    Raises:
        Unreadable: the answer is not of the API's shape.
    """
    readings: dict[str, Reading] = {}
    answer = _of_shape(answer, dict, "the compliance status")
    for member, prefix in (("complianceData", "registrable"), ("subdomainComplianceData", "subdomain")):
        data = _of_shape(answer.get(member, {}), dict, member)
        readings |= {f"{prefix}_{name}": value for name, value in _requirements(data).items()}
    needs = tuple(sorted(name for name, value in readings.items() if value == "needs-work"))
    if not any(value in ("compliant", "needs-work", "unknown") for value in readings.values()):
        return Unseen(Why.NO_DATA, "Google says nothing about compliance with its requirements")
    return Seen(readings | {"needs_work": needs})


def parse_domains(answer: Any) -> tuple[tuple[str, str, bool], ...]:
    """Name, permission and whether it is verified, of each domain in a ListDomainsResponse. Raises Unreadable."""
    found = []
    for item in _items(answer, "domains"):
        name = _of_shape(item.get("name"), str, "a name").removeprefix("domains/")
        permission = _enum(item.get("permission", "PERMISSION_UNSPECIFIED"), "a permission")
        found.append((name, permission, item.get("verificationState") == "VERIFIED"))
    return tuple(found)


_VERDICTS = (
    ("oneClickUnsubscribeVerdict", "status", "one_click_unsubscribe"),
    ("honorUnsubscribeVerdict", "status", "honor_unsubscribe"),
    ("deliverabilityStatusVerdict", "state", "deliverability"),
)


def _requirements(data: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for member, status, name in _VERDICTS:
        verdict = _of_shape(data.get(member, {}), dict, member)
        if verdict:
            found[name] = _state(verdict.get(status, {}))
            reason = _enum(verdict.get("reason", "REASON_UNSPECIFIED"), "a reason")
            found |= {} if reason == "reason_unspecified" else {f"{name}_reason": reason}
    for row in _items(data, "rowData"):
        found[_enum(row.get("requirement"), "a requirement")] = _state(row.get("status", {}))
    about = _of_shape(data.get("domainId", ""), str, "domainId")
    return found | ({"domain": about[:253]} if found and about else {})


def _state(status: Any) -> str:
    state = _enum(_of_shape(status, dict, "a status").get("status", "STATE_UNSPECIFIED"), "a status")
    return _STATES.get(state.upper(), "unknown")


def _enum(value: Any, what: str) -> str:
    """A name in the API's capitals, in lower case. Names that are not known yet are let through."""
    if not isinstance(value, str) or not _ENUM.fullmatch(value):
        raise Unreadable(f"{what} is not a name in capitals")
    return value.lower()


def _items(answer: Any, member: str) -> list[dict[str, Any]]:
    items = _of_shape(_of_shape(answer, dict, "the answer").get(member, []), list, member)
    return [_of_shape(item, dict, f"a part of {member}") for item in items]


def _of_shape(value: Any, shape: type, what: str) -> Any:
    if not isinstance(value, shape):
        raise Unreadable(f"{what} is {type(value).__name__}, expected {shape.__name__}")
    return value


def _day(value: Any) -> str:
    parts = _of_shape(value, dict, "a date")
    numbers = [parts.get(name, 0) for name in ("year", "month", "day")]
    if any(type(number) is not int for number in numbers):
        raise Unreadable("a date is not made of whole numbers")
    try:
        return date(*numbers).isoformat()
    except (ValueError, OverflowError):
        raise Unreadable("a date is not a day of the calendar") from None


def _rate(value: dict[str, Any]) -> float:
    number = next((value[kind] for kind in ("floatValue", "doubleValue") if kind in value), None)
    if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
        raise Unreadable("a rate is not a number")
    if not 0 <= number <= 1 + _ROUNDING:
        raise Unreadable("a rate is not between 0 and 1")
    return min(float(number), 1.0)


def _ids(value: dict[str, Any]) -> tuple[str, ...]:
    ids = _of_shape(_of_shape(value.get("stringList"), dict, "stringList").get("values", []), list, "values")
    if len(ids) > _MOST_IDS or not all(isinstance(name, str) and 0 < len(name) <= _LONGEST_ID for name in ids):
        raise Unreadable("the feedback loop ids are not a list of short texts")
    return tuple(dict.fromkeys(ids))
