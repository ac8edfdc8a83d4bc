"""What the readers of several vendors' statistics share: addresses, answers, counts by day, and looks made of them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from ipaddress import ip_address
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

import msgspec
from pydantic import AfterValidator

from probes.http import HttpFault, Response
from probes.observation import Observation, Reading, Seen, Unseen, Why

Days = dict[date, dict[str, int]]
"""Counts by day, each under the name of its reading: sent, delivered, hard_bounced, complained, ..."""

# Beyond it a number is no longer exact in everybody's JSON.
_LARGEST = 2**53
Shape = TypeVar("Shape")


def _safe(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or not (parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))):
        raise ValueError("expected https://HOST, or http:// on a loopback address")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("expected an address without user, password, query or fragment")
    return url.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


BaseUrl = Annotated[str, AfterValidator(_safe)]
"""Where a vendor's API is, without a final slash: https, or http on a loopback address."""


def decoded(answer: Response, where: str, shape: type[Shape]) -> Shape:
    """The JSON of an answer. Raises HttpFault (UNREADABLE) when it is none, or of another shape."""
    try:
        return msgspec.json.decode(answer.body, type=shape)
    except (ValueError, RecursionError):
        raise unreadable(where, f"{answer.status}, but not the JSON that was expected") from None


def unreadable(where: str, what: str) -> HttpFault:
    """The fault of an answer that makes no sense: `what` is wrong with it, without quoting it."""
    return HttpFault(Why.UNREADABLE, f"{where}: {what}")


def counts(metrics: Mapping[str, Any], names: Mapping[str, str], where: str) -> dict[str, int]:
    """What `metrics` tells, under our `names`; null and absent are left out, for they are not zero.

    Raises:
        HttpFault: UNREADABLE, one of them is no count.
    """
    told: dict[str, int] = {}
    for theirs, ours in names.items():
        value = metrics.get(theirs)
        if value is None:
            continue
        if type(value) is not int or not 0 <= value <= _LARGEST:
            raise unreadable(where, f"{theirs} is not a count")
        told[ours] = value
    return told


def add(days: Days, day: date, more: Mapping[str, int]) -> None:
    """Add counts to those of a day."""
    present = days.setdefault(day, {})
    for name, count in more.items():
        present[name] = present.get(name, 0) + count


def first_day(now: datetime, days: int) -> date:
    """The first of the last `days` days, today included (UTC)."""
    return now.date() - timedelta(days=days - 1)


def looks(
    source: str, domain: str, now: datetime, days: Days, since: date, extra: Mapping[str, Reading] | None = None
) -> tuple[Observation, ...]:
    """One look with part "" (`code`, `days` told of, their sums) and one for each day told of.

    Days before `since` or after tomorrow are left out: a vendor's day may be ahead of UTC, but not by more.
    No day at all is Unseen: that nothing was counted may as well mean that the vendor does not know the domain.
    """
    last = now.date() + timedelta(days=1)
    kept = {day: told for day, told in sorted(days.items()) if told and since <= day <= last}
    if not kept:
        return unseen(source, (domain,), now, Unseen(Why.NO_DATA, f"no mail counted since {since.isoformat()}"))
    sums: Days = {}
    for told in kept.values():
        add(sums, last, told)
    whole = Seen({**sums[last], **(extra or {}), "code": "ok", "days": len(kept)})
    return (
        Observation(source, domain, now, whole),
        *(Observation(source, domain, now, Seen(told), day.isoformat()) for day, told in kept.items()),
    )


def unseen(source: str, domains: Iterable[str], now: datetime, answer: Unseen) -> tuple[Observation, ...]:
    """That nothing could be seen of any of `domains`, and why."""
    return tuple(Observation(source, domain, now, answer) for domain in domains)


def because(fault: HttpFault) -> Unseen:
    """A fault as what was not seen, with the time the vendor wants to be left alone for."""
    wait = "" if fault.retry_after is None else f"; ask again in {fault.retry_after:g} s"
    return Unseen(fault.why, f"{fault.detail}{wait}")


def chunks(things: Sequence[str], size: int) -> list[Sequence[str]]:
    """`things` in order, at most `size` at a time."""
    return [things[start : start + size] for start in range(0, len(things), size)]
