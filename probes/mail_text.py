"""The small texts of mail headers: addresses, host names, dates, ids. Pure; none of these raises, whatever it is given.

What cannot be read is "" (or None for a date): a report is made by another's software, and one bad field of it must
not cost the others.
"""

import re
from datetime import UTC, datetime
from email.utils import mktime_tz, parsedate_tz
from functools import cache

import idna
from publicsuffixlist import PublicSuffixList

LONGEST_VALUE = 4096
LONGEST_ID = 998

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"(?=.{{1,253}}\Z)(?:{_LABEL}\.)+(?=[a-z0-9-]*[a-z]){_LABEL}\Z")
_ANGLE = re.compile(r"<\s*([^<>\s]*)\s*>")
_BARE = re.compile(r"[^\s<>,;:\"()\[\]]+@[^\s<>,;:\"()\[\]]+")
_ZONES = {"JST": 9, "KST": 9, "MSK": 3, "CET": 1, "CEST": 2, "BST": 1, "EET": 2, "EEST": 3}
"""Zones by name that real reports carry and RFC 5322 4.3 does not know: hours east of UTC."""


def printable(text: str, longest: int = LONGEST_ID) -> str:
    """The text without what a terminal would obey or a database would refuse."""
    return "".join(letter for letter in text[:longest] if letter.isprintable()).strip()


def host(text: str) -> str:
    """A host name in lower case, A-labels, without a final dot."""
    name = text[:LONGEST_VALUE].strip().lower().removesuffix(".")
    if not name.isascii():
        try:
            name = idna.encode(name, uts46=True).decode()
        except (idna.IDNAError, UnicodeError):
            return ""
    return name if _HOST.match(name) else ""


def address(value: str) -> str:
    """The one address of a header field, its domain in lower case.

    A field with two addresses has none: display names and comments are where forgers put a second one.
    """
    bare = without_comments(value[:LONGEST_VALUE], quoted_too=True)
    found = _ANGLE.findall(bare) if "<" in bare else _BARE.findall(bare)
    beside = _ANGLE.sub("", bare) if "<" in bare else ""
    if len(found) != 1 or ("@" in beside and "," in beside):
        return ""
    local, at, domain = found[0].rpartition("@")
    name = host(domain)
    return f"{local}@{name}" if at and local and name else ""


def domain_of(value: str) -> str:
    """The domain of the one address of a header field."""
    return address(value).rpartition("@")[2]


def without_comments(value: str, *, quoted_too: bool = False) -> str:
    """The value less its comments (RFC 5322 3.2.2), in one pass, and less its quoted strings with `quoted_too`.

    A quoted string that stays loses its semicolons: in every field that is read here they would separate nothing.
    """
    kept: list[str] = []
    depth, quoted, escaped = 0, False, False
    for letter in value:
        if escaped:
            escaped = False
        elif letter == "\\" and (quoted or depth):
            escaped = True
        elif depth:
            depth += (letter == "(") - (letter == ")")
        elif letter == '"':
            quoted = not quoted
        elif quoted:
            kept.append("" if quoted_too or letter == ";" else letter)
        elif letter == "(":
            depth = 1
        else:
            kept.append(letter)
    return "".join(kept)


def instant(value: str) -> datetime | None:
    """A date of RFC 5322 3.3 as aware UTC. One without a zone is taken as UTC."""
    text = value[:100]
    try:
        parts = parsedate_tz(text)
        if parts is None:
            return None
        offset = parts[9]
        if offset is None or text.rstrip().endswith(tuple(_ZONES)):
            words = text.replace("(", " ").replace(")", " ").split()
            offset = offset or _ZONES.get(words[-1].upper(), 0) * 3600
        return datetime.fromtimestamp(mktime_tz((*parts[:9], offset)), UTC)
    except (ValueError, TypeError, IndexError, OverflowError, OSError):
        return None


def message_id(value: str) -> str:
    """A message id without its angle brackets and white space."""
    return printable("".join(value[:LONGEST_VALUE].split())).strip("<>")


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()


def organisation(domain: str) -> str:
    """The registrable domain above a host name: what two names must share to be aligned (relaxed, RFC 9989)."""
    return str(_suffixes().privatesuffix(domain) or domain)


def is_registrable(domain: str) -> bool:
    """Whether a name lies below a public suffix that there really is, as no version or campaign does."""
    return _suffixes().privatesuffix(domain, accept_unknown=False) is not None
