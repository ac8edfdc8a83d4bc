"""What the readers of several vendors' webhook events share: entries, times, domains, one bad event at a time. Pure.

Unfit    one event cannot be accepted; it becomes a Reject, and the others of its batch are read all the same.
"""

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec

from probes.observation import ForgedRequest, MailEvent, MalformedRequest, Parsed, Reject, Window
from probes.provider import provider_of

MAX_EVENTS = 10_000
FUTURE_SECONDS = 300
_LONGEST_REASON = 200
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"(?=.{{1,253}}\Z)(?:{_LABEL}\.)+(?=[a-z0-9-]*[a-z]){_LABEL}\Z")
_SECONDS = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,9})?\Z")


class Unfit(Exception):  # noqa: N818 - turned into a Reject by `gather`
    """One event that cannot be accepted: a machine-readable `code` and the `reason` in words."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason[:_LONGEST_REASON]


def fresh(stamp: str, now: datetime, oldest_seconds: float) -> None:
    """Nothing when `stamp`, seconds since 1970, is at most so old, and at most 5 minutes ahead.

    Raises:
        ForgedRequest: it is no such number, or too far off.
    """
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 11):
        raise ForgedRequest("the time stamp of the signature is not in seconds since 1970")
    age = now.timestamp() - int(stamp)
    if age > oldest_seconds:
        raise ForgedRequest(f"the signature is {age:.0f} s old, at most {oldest_seconds:g} allowed")
    if age < -FUTURE_SECONDS:
        raise ForgedRequest(f"the signature is {-age:.0f} s ahead, at most {FUTURE_SECONDS} allowed: check the clock")


def entries(body: bytes | str) -> list[Any]:
    """The entries of a JSON list. Raises MalformedRequest: it is none, or has more than MAX_EVENTS."""
    whole = decode(body)
    if not isinstance(whole, list):
        raise MalformedRequest("the events are not a JSON list")
    if len(whole) > MAX_EVENTS:
        raise MalformedRequest(f"{len(whole)} events, at most {MAX_EVENTS} allowed in one request")
    return whole


def decode(body: bytes | str) -> Any:
    """The value of JSON. Raises MalformedRequest: it is none, or nested too deeply."""
    try:
        return msgspec.json.decode(body)
    except (ValueError, RecursionError):
        pass
    try:
        # Takes NaN, 1e400 and half surrogates too, so that they cost the one event that holds them and not its batch.
        return json.loads(body)
    except (ValueError, RecursionError):
        raise MalformedRequest("the events are not JSON in UTF-8") from None


def gather(items: Sequence[Any], read: Callable[[dict[str, Any]], MailEvent | None]) -> Parsed:
    """Each of `items` as `read` has it. None is no event for us; Unfit becomes a Reject with the place in `items`."""
    events: list[MailEvent] = []
    rejects: list[Reject] = []
    for index, item in enumerate(items):
        try:
            if not isinstance(item, dict):
                raise Unfit("malformed", "an event is not a JSON object")
            event = read(item)
        except Unfit as fault:
            rejects.append(Reject(index, fault.code, fault.reason))
        else:
            if event is not None:
                events.append(event)
    return Parsed(tuple(events), tuple(rejects))


def text(item: dict[str, Any], name: str, longest: int = 998) -> str:
    """The text under `name`, "" where there is none. Raises Unfit: it is no text, too long or not printable."""
    value = item.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Unfit("malformed", f"{name} is not text")
    if len(value) > longest or not value.isprintable():
        raise Unfit("malformed", f"{name} is longer than {longest} characters, or not printable")
    return value


def part(item: dict[str, Any], name: str) -> dict[str, Any]:
    """The object under `name`, empty where there is none. Raises Unfit: it is something else."""
    value = item.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Unfit("malformed", f"{name} is not an object")
    return value


def instant(name: str, value: object, window: Window) -> datetime:
    """A time in seconds since 1970, as a number or as text. Raises Unfit: malformed, future or ancient."""
    if isinstance(value, str) and _SECONDS.match(value):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unfit("malformed", f"{name} is not a time in seconds since 1970")
    try:
        at = datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        raise Unfit("malformed", f"{name} is outside the calendar") from None
    fault = window.fault(at)
    if fault is not None:
        raise Unfit("future" if at > window.now else "ancient", f"{name} {fault}")
    return at


def digest(*parts: str) -> str:
    """A short, stable name for `parts`, from which they cannot be read."""
    return hashlib.sha256("\n".join(parts).encode(errors="replace")).hexdigest()[:32]


def provider(address: str) -> str:
    """The mailbox provider of a recipient's address; "" where it has no domain."""
    return provider_of(address_domain(address))


def address_domain(address: str) -> str:
    """The domain of `local@domain`, `Name <local@domain>` or `domain`, as `host_name` has it."""
    inner = address.rpartition("<")[2].partition(">")[0]
    return host_name(inner.rpartition("@")[2].strip())


@lru_cache(maxsize=65_536)
def host_name(name: str) -> str:
    """A host name in lower case without a final dot; "" when it is none, or not in ASCII (xn--...)."""
    lower = name.lower().removesuffix(".")
    return lower if _DOMAIN.match(lower) else ""
