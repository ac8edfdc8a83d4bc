"""The grammar of an SPF record and of its macros (RFC 7208 section 12). Pure: no DNS."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from probes.resolver import readable

MAX_NAME = 253
_SEPARATORS = {
    "all": ("",),
    "include": (":",),
    "exists": (":",),
    "ip4": (":",),
    "ip6": (":",),
    "ptr": ("", ":"),
    "a": ("", ":", "/"),
    "mx": ("", ":", "/"),
}
_TERM = re.compile(r"([+?~-]?)([A-Za-z][A-Za-z0-9_.-]*)(.*)", re.DOTALL)
_PREFIXES = re.compile(r"(?:/([0-9]+))?(?://([0-9]+))?\Z")
_LENGTH = re.compile(r"0|[1-9][0-9]{0,2}")
# RFC 7208 7.2: the letters c, r and t belong in explanations only.
_MACRO = re.compile(r"%(?:([%_-])|\{([slodiphv])([1-9][0-9]*)?(r?)([.+,/_=-]*)\})", re.IGNORECASE)
_LITERAL = re.compile(r"[\x21-\x24\x26-\x7e]+")
_TOP_LABEL = re.compile(r"\.(?=[A-Za-z0-9-]*[A-Za-z-])[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.?\Z")
_SPECIAL = {"%": "%", "_": " ", "-": "%20"}


class SpfSyntaxFault(ValueError):  # noqa: N818 - a noun of the field, not "...Error"
    """A record that RFC 7208 12 does not allow. `position` counts its characters from 1."""

    def __init__(self, position: int, words: str) -> None:
        super().__init__(f"at character {position}: {words}")
        self.position = position


@dataclass(frozen=True, slots=True)
class Term:
    """A mechanism, or a modifier. `value` is its domain-spec or macro-string, "" if it has none.

    `network` is what ip4 and ip6 hold; `prefixes` the lengths of a and mx, for IPv4 and for IPv6.
    """

    name: str
    qualifier: str = "+"
    value: str = ""
    network: ipaddress.IPv4Network | ipaddress.IPv6Network | None = None
    prefixes: tuple[int, int] = (32, 128)


@dataclass(frozen=True, slots=True)
class Record:
    """A record that parses. `mechanisms` end at the first `all`, and `redirect` is "" where an `all` overrides it
    (RFC 7208 5.1, 6.1); `all` is the qualifier of that `all`, "" if there is none.
    """

    mechanisms: tuple[Term, ...]
    redirect: str = ""
    all: str = ""
    modifiers: tuple[Term, ...] = ()


def is_spf(record: str) -> bool:
    """Whether a TXT record is an SPF record, well written or not (RFC 7208 4.5)."""
    return record[:7].lower() in ("v=spf1", "v=spf1 ")


def parse(record: str) -> Record:
    """Parse a record, one character per byte, that `is_spf`. Raises SpfSyntaxFault. Source: RFC 7208 4.6.1 and 12."""
    mechanisms: list[Term] = []
    modifiers: list[Term] = []
    position = 8
    for text in record[7:].split(" "):
        if text:
            term, is_modifier = _parse_term(text, position)
            if is_modifier and term.name in ("redirect", "exp") and term.name in {other.name for other in modifiers}:
                raise SpfSyntaxFault(position, f"a second {term.name}=")
            (modifiers if is_modifier else mechanisms).append(term)
        position += len(text) + 1
    names = [term.name for term in mechanisms]
    if "all" in names:
        end = names.index("all")
        return Record(tuple(mechanisms[:end]), "", mechanisms[end].qualifier, tuple(modifiers))
    redirect = next((term.value for term in modifiers if term.name == "redirect"), "")
    return Record(tuple(mechanisms), redirect, "", tuple(modifiers))


def _parse_term(text: str, position: int) -> tuple[Term, bool]:
    """One term, and whether it is a modifier."""
    match = _TERM.fullmatch(text)
    if match is None:
        raise SpfSyntaxFault(position, f"'{readable(text)}' is neither a mechanism nor a modifier")
    qualifier, name, rest = match[1], match[2].lower(), match[3]
    value, value_at = rest[1:], position + match.start(3) + 1
    if rest[:1] == "=":
        if qualifier:
            raise SpfSyntaxFault(position, f"{qualifier!r} stands before the modifier {name}=")
        (_check_domain_spec if name in ("redirect", "exp") else _check_macro_string)(value, value_at)
        return Term(name, value=value), True
    if name not in _SEPARATORS:
        raise SpfSyntaxFault(position, f"there is no mechanism {name!r}")
    if rest[:1] not in _SEPARATORS[name]:
        raise SpfSyntaxFault(value_at - 1, f"{name} takes {'no' if name == 'all' else 'its'} value after a colon")
    qualifier = qualifier or "+"
    if name in ("ip4", "ip6"):
        return Term(name, qualifier, network=_network(name, value, value_at)), False
    prefixes = (32, 128)
    if name in ("a", "mx"):
        rest, prefixes = _split_prefixes(rest, value_at)
    if rest:
        _check_domain_spec(rest[1:], value_at)
    return Term(name, qualifier, rest[1:], prefixes=prefixes), False


def _split_prefixes(rest: str, value_at: int) -> tuple[str, tuple[int, int]]:
    """`:acme.com/24//64` as `:acme.com` and (24, 64)."""
    match = _PREFIXES.search(rest)
    start = match.start() if match else len(rest)
    at = value_at - 1 + start
    lengths = (_length(match[1], 32, at), _length(match[2], 128, at)) if match else (32, 128)
    if rest[:start][:1] == "/":
        raise SpfSyntaxFault(value_at - 1, "the prefix length is not a number")
    return rest[:start], lengths


def _length(text: str | None, most: int, at: int) -> int:
    if text is None:
        return most
    if not _LENGTH.fullmatch(text) or int(text) > most:
        raise SpfSyntaxFault(at, f"the prefix length {text} is not a number from 0 to {most}")
    return int(text)


def _network(name: str, value: str, at: int) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    text, slash, length = value.partition("/")
    try:
        address = ipaddress.IPv4Address(text) if name == "ip4" else ipaddress.IPv6Address(text)
    except ValueError:
        raise SpfSyntaxFault(at, f"'{readable(text)}' is not an address for {name}") from None
    if "%" in text:
        raise SpfSyntaxFault(at, f"'{readable(text)}' names a network interface")
    bits = _length(length if slash else None, address.max_prefixlen, at + len(text) + 1)
    return ipaddress.ip_network((address, bits), strict=False)


def _check_domain_spec(spec: str, at: int) -> None:
    """RFC 7208 7.1: a macro-string that ends in a macro or in a dot and a top label. Raises SpfSyntaxFault."""
    last = _check_macro_string(spec, at)
    if not last.startswith("%") and not _TOP_LABEL.search(last):
        words = f"'{readable(spec)}' does not end in a top-level domain" if spec else "the domain is missing"
        raise SpfSyntaxFault(at, words)


def _check_macro_string(text: str, at: int) -> str:
    """The last literal or macro of a macro-string (RFC 7208 7.1). Raises SpfSyntaxFault."""
    place, last = 0, ""
    while place < len(text):
        match = _MACRO.match(text, place) or _LITERAL.match(text, place)
        if match is None:
            what = "not a macro" if text[place] == "%" else "not allowed"
            raise SpfSyntaxFault(at + place, f"'{readable(text[place : place + 4])}' is {what}")
        place, last = match.end(), match[0]
    return last


def expand(spec: str, values: Mapping[str, str]) -> str | None:
    """Expand the macros of a checked domain-spec (RFC 7208 7.3); None when it needs a letter that `values` lacks."""
    missing = False

    def put(match: re.Match[str]) -> str:
        nonlocal missing
        if match[1]:
            return _SPECIAL[match[1]]
        value = values.get(match[2].lower())
        missing = missing or value is None
        parts = re.split(f"[{re.escape(match[5] or '.')}]", value or "")
        parts = parts[::-1] if match[4] else parts
        text = ".".join(parts[-int(match[3]) :] if match[3] else parts)
        return quote(text, safe="") if match[2].isupper() else text

    name = _MACRO.sub(put, spec)
    while len(name) > MAX_NAME and "." in name:
        name = name.partition(".")[2]
    return None if missing else name
