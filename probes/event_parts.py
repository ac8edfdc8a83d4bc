"""What the readers of webhook events share: times, domains, ids, and good events kept apart from bad ones. Pure.

Unfit    one event cannot be accepted; it becomes a Reject, and the others of its batch are read all the same.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TypeVar

import msgspec

from probes.observation import MailEvent, MalformedRequest, Parsed, Reject, Window
from probes.provider import provider_of

MAX_EVENTS = 10_000
_LONGEST_REASON = 200
_LONGEST_TEXT = 998
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_DOMAIN = re.compile(rf"(?=.{{1,253}}\Z)(?:{_LABEL}\.)+(?=[a-z0-9-]*[a-z]){_LABEL}\Z")
_SECONDS = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?\Z")
_FEEDBACK_TYPE = re.compile(r"[a-z0-9-]{1,40}\Z")
Shape = TypeVar("Shape")


class Unfit(Exception):  # noqa: N818 - a noun; caught by `collect`
    """One event that cannot be accepted: a machine-readable `code`, and the reason in words."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason[:_LONGEST_REASON]


def items_of(body: bytes, platform: str) -> list[Any]:
    """The events of a body that holds one or a list of them, as plain values.

    Raises:
        MalformedRequest: it is not JSON, neither an object nor a list, or has more than MAX_EVENTS.
    """
    whole = decoded(body, platform)
    return [whole] if isinstance(whole, dict) else _few(whole, platform)


def list_of(body: bytes | str, platform: str) -> list[Any]:
    """The events of a body that holds nothing but a list of them, as plain values.

    Raises:
        MalformedRequest: it is not JSON, not a list, or has more than MAX_EVENTS.
    """
    return _few(decoded(body, platform), platform)


def _few(whole: Any, platform: str) -> list[Any]:
    if not isinstance(whole, list):
        raise MalformedRequest(f"not events of {platform}: the body is not a JSON list of them")
    if len(whole) > MAX_EVENTS:
        raise MalformedRequest(f"{len(whole)} events, at most {MAX_EVENTS} allowed in one request")
    return whole


def decoded(body: bytes | str, platform: str) -> Any:
    """The value of JSON. Raises MalformedRequest: it is none, or nested too deeply."""
    try:
        return msgspec.json.decode(body)
    except (ValueError, RecursionError):
        pass
    # Slower and more lenient: a half surrogate or NaN in one event shall not cost the others of its batch.
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise MalformedRequest(f"not an event of {platform}: the body is not JSON in UTF-8") from None


def collect(items: Iterable[Any], read: Callable[[int, Any], Iterable[MailEvent]]) -> Parsed:
    """What `read` makes of each item and its index; where it raises Unfit, a reject of that index."""
    events: list[MailEvent] = []
    rejects: list[Reject] = []
    for index, item in enumerate(items):
        try:
            events.extend(read(index, item))
        except Unfit as fault:
            rejects.append(Reject(index, fault.code, fault.reason))
    return Parsed(tuple(events), tuple(rejects))


def shaped(item: Any, shape: type[Shape]) -> Shape:
    """`item` as a structure of the shape given. Raises Unfit `malformed`."""
    try:
        return msgspec.convert(item, shape)
    except (ValueError, RecursionError) as fault:
        raise Unfit("malformed", str(fault)) from None


def as_object(item: Any) -> dict[str, Any]:
    """`item`, which has to be an object. Raises Unfit `malformed`."""
    if not isinstance(item, dict):
        raise Unfit("malformed", "an event is not a JSON object")
    return item


def part(item: dict[str, Any], name: str) -> dict[str, Any]:
    """The object under `name`, empty where there is none. Raises Unfit `malformed`: it is something else."""
    value = item.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Unfit("malformed", f"{name} is not an object")
    return value


def moment(name: str, value: Any, window: Window) -> datetime:
    """A believable time in UTC: ISO 8601 with an offset, or seconds since 1970 as text or number.

    Raises:
        Unfit: `malformed`, `future` or `ancient`.
    """
    at = _instant(value)
    if at is None:
        raise Unfit("malformed", f"{name} is not a time with an offset")
    fault = window.fault(at)
    if fault is not None:
        raise Unfit("future" if at > window.now else "ancient", f"{name} {fault}")
    return at


def _instant(value: Any) -> datetime | None:
    try:
        if type(value) in (int, float):
            return datetime.fromtimestamp(value, UTC)
        if not isinstance(value, str):
            return None
        if _SECONDS.match(value):
            return datetime.fromtimestamp(float(value), UTC)
        at = datetime.fromisoformat(value[:40])
        return at.astimezone(UTC) if at.tzinfo is not None else None
    except (ValueError, OverflowError, OSError):
        return None


@lru_cache(maxsize=65_536)
def domain_of(address: str) -> str:
    """The domain of `local@domain`, `Name <local@domain>` or `domain`, as `host_name` has it."""
    return host_name(address_of(address).rpartition("@")[2].strip())


def host_name(name: str) -> str:
    """A host name in lower case without a final dot; "" when it is none.

    Platforms hand out ASCII domains (A-labels, xn--...); anything else is none.
    """
    lower = name.lower().removesuffix(".")
    return lower if _DOMAIN.match(lower) else ""


def address_of(mailbox: str) -> str:
    """`local@domain` of `Name <local@domain>`, lower case: two spellings of one recipient are one."""
    return mailbox.rpartition("<")[2].partition(">")[0].strip().lower()


def provider(address: str) -> str:
    """The mailbox provider of a recipient's address or domain; "" where it has none."""
    return provider_of(domain_of(address))


def sending_domain(*addresses: str | None) -> str:
    """The domain of the first of `addresses` that has one. Raises Unfit `bad-domain`."""
    for address in addresses:
        if address and (domain := domain_of(address)):
            return domain
    raise Unfit("bad-domain", "nothing in it names the domain it was sent from, in ASCII")


def text(name: str, value: Any, *, needed: bool = True, longest: int = _LONGEST_TEXT) -> str:
    """`value`, which goes into databases, logs and mails: bounded, printable. Raises Unfit `malformed`."""
    if value is None or value == "":
        if needed:
            raise Unfit("malformed", f"{name} is missing")
        return ""
    if not isinstance(value, str):
        raise Unfit("malformed", f"{name} is not text")
    if len(value) > longest or not value.isprintable():
        raise Unfit("malformed", f"{name} is longer than {longest} characters, or not printable")
    return value


def text_of(item: dict[str, Any], name: str, longest: int = _LONGEST_TEXT) -> str:
    """The text under `name`, "" where there is none. Raises Unfit `malformed`, as `text` does."""
    return text(name, item.get(name), needed=False, longest=longest)


def feedback_type(told: str | None) -> str:
    """A feedback type (RFC 5965 section 7.3) in lower case; "" where there is none, or something else stands."""
    name = (told or "").strip().lower()
    return name if _FEEDBACK_TYPE.match(name) else ""


def fingerprint(*parts: str) -> str:
    """A stable id from what tells an event from all others. Addresses go in, and cannot be read out of it."""
    joined = "\n".join(parts).encode(errors="surrogatepass")
    return hashlib.sha256(joined).hexdigest()[:32]
