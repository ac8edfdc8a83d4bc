"""What the statistics of sending platforms share: asking for JSON, counts by day, and the observations of them."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from ipaddress import ip_address
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
from pydantic import AfterValidator

from probes.http import Http, HttpFault, Response, check, redacted
from probes.observation import Observation, Reading, Seen, Unseen, Why

Days = Mapping[str, Mapping[str, int]]
"""What a platform counted of one domain: by day (`YYYY-MM-DD`), then by name. What it did not tell is not there."""

_LARGEST = 2**53
# The question itself was wrong, or its answer: another domain may still be answered well.
_OF_ONE_QUESTION = (Why.NO_DATA, Why.REFUSED, Why.UNREADABLE)


def _is_safe(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError("expected an address that can be read") from None
    if not host or not (parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))):
        raise ValueError("expected https://HOST/..., or http:// on a loopback address")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("expected an address without user, query or fragment")
    return url.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


BaseUrl = Annotated[str, AfterValidator(_is_safe)]
"""Where an API is: https, or http on this machine. Without the final slash."""


async def ask(
    http: Http,
    url: str,
    now: datetime,
    *,
    headers: Mapping[str, str],
    params: Mapping[str, str] | None = None,
    timeout_seconds: float,
    secrets: Sequence[str],
) -> dict[str, Any]:
    """The JSON object that a GET brings. Raises HttpFault, in whose text none of `secrets` stands."""
    answer = await http.get(url, headers=headers, params=params, timeout_seconds=timeout_seconds)
    where = redacted(url)
    if not 200 <= answer.status < 300:
        said = msgspec.json.encode({"error": vendor_words(answer.body)})
        check(Response(answer.status, answer.headers, said), where, now, secrets)
    try:
        whole = msgspec.json.decode(answer.body)
    except (ValueError, RecursionError):
        whole = None
    if not isinstance(whole, dict):
        raise HttpFault(Why.UNREADABLE, f"{where}: {answer.status}, but no JSON object")
    return whole


def vendor_words(body: bytes) -> str:
    """What an error's JSON says: `message`, `Message`, `error`, or the first of `errors`; "" where nothing does."""
    try:
        whole = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return ""
    errors = whole.get("errors") if isinstance(whole, dict) else None
    if isinstance(errors, list) and errors:
        whole = errors[0]
    if not isinstance(whole, dict):
        return ""
    told = (whole.get(name) for name in ("message", "Message", "error", "description"))
    return "; ".join(words for words in told if isinstance(words, str) and words)


def rows(whole: Mapping[str, Any], name: str, where: str) -> list[Any]:
    """The list that stands under `name`. Raises HttpFault (unreadable) where none does."""
    found = whole.get(name)
    if not isinstance(found, list):
        raise HttpFault(Why.UNREADABLE, f"{where}: the answer holds no list of {name}")
    return found


def count(value: Any) -> int | None:
    """A whole number that is not negative, also when written as 5.0; None for anything else."""
    if type(value) is float and value.is_integer():
        value = int(value)
    return value if type(value) is int and 0 <= value <= _LARGEST else None


def total(row: Mapping[str, Any], names: Iterable[str]) -> int | None:
    """The sum of the counts that `row` has among `names`; None when it has none of them."""
    found = [number for name in names if (number := count(row.get(name))) is not None]
    return sum(found) if found else None


def readings(row: Mapping[str, Any], names: Mapping[str, Iterable[str]]) -> dict[str, int]:
    """The counts of one row by our names, each the sum of the platform's; one that it does not tell is left out."""
    return {ours: number for ours, theirs in names.items() if (number := total(row, theirs)) is not None}


def last_days(now: datetime, days: int) -> list[date]:
    """The UTC days up to and with today, oldest first."""
    today = now.astimezone(UTC).date()
    return [today - timedelta(days=back) for back in reversed(range(days))]


def day_of(value: Any) -> str | None:
    """The day that an ISO 8601 text begins with, as `YYYY-MM-DD`; None where it begins with none."""
    try:
        return date.fromisoformat(value[:10]).isoformat() if isinstance(value, str) else None
    except ValueError:
        return None


async def in_chunks(
    domains: Sequence[str], size: int, look: Callable[[Sequence[str]], Awaitable[Mapping[str, Days]]]
) -> dict[str, Days | Unseen]:
    """What `look` sees of each domain, asked for `size` of them at a time.

    A fault is that of the domains it was asked for; when the platform as a whole does not answer, the rest are not
    asked for: a thousand would each wait for the same time-out.
    """
    answers: dict[str, Days | Unseen] = {}
    for start in range(0, len(domains), size):
        chunk = domains[start : start + size]
        try:
            found = await look(chunk)
        except HttpFault as fault:
            alone = fault.why in _OF_ONE_QUESTION
            answers |= dict.fromkeys(chunk if alone else domains[start:], unseen(fault))
            if not alone:
                break
        else:
            answers |= {domain: found.get(domain, {}) for domain in chunk}
    return answers


def unseen(fault: HttpFault) -> Unseen:
    """A fault as an answer, with the seconds to wait that the platform asked for."""
    wait = "" if fault.retry_after is None else f" (ask again in {fault.retry_after:.0f} s)"
    return Unseen(fault.why, fault.detail + wait)


def observations(
    source: str,
    domains: Sequence[str],
    now: datetime,
    answers: Mapping[str, Days | Unseen],
    **more: Mapping[str, Reading],
) -> tuple[Observation, ...]:
    """One look at each domain as a whole, with its counts summed up, and one for each day that was told of.

    `more` are further readings of the whole, by domain: `more[name][domain]`.
    """
    found: list[Observation] = []
    for domain in domains:
        answer = answers[domain]
        if isinstance(answer, Unseen):
            found.append(Observation(source, domain, now, answer))
            continue
        told = {day: counts for day, counts in sorted(answer.items()) if counts}
        sums: dict[str, int] = {}
        for counts in told.values():
            for name, number in counts.items():
                sums[name] = sums.get(name, 0) + number
        whole: dict[str, Reading] = {"code": "ok", "days": len(told), **sums}
        whole |= {name: values[domain] for name, values in more.items() if domain in values}
        found.append(Observation(source, domain, now, Seen(whole)))
        found.extend(Observation(source, domain, now, Seen(counts), part=day) for day, counts in told.items())
    return tuple(found)
