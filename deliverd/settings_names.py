"""How things are named in deliverd.toml, and how a domain's name is spelt."""

import re

import idna

NAME = r"^[a-z0-9]+(?:[_-][a-z0-9]+)*$"
"""How owners, accounts and policies are named: no `__`, so that a variable can name them, and fit for a web address."""
LONGEST_NAME = 64

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


def is_name(name: str) -> bool:
    """Whether owners, accounts and policies may be called this."""
    return len(name) <= LONGEST_NAME and re.fullmatch(NAME, name) is not None


def a_label(name: str) -> str:
    """The name of a domain as DNS and mail events spell it; an internationalised name becomes its A-labels (RFC 5891).

    Raises:
        ValueError: it is no such name; the text says what is wrong, or how to spell it.
    """
    if not name.isascii():
        try:
            name = idna.encode(name, uts46=True).decode("ascii")
        except UnicodeError:
            raise ValueError("not a name that can be a domain (RFC 5891)") from None
    fixed = name.strip().rstrip(".").lower()
    labels = fixed.split(".")
    if len(labels) < 2 or len(fixed) > 253 or labels[-1].isdigit() or not all(map(_LABEL.fullmatch, labels)):
        raise ValueError("not a host name: labels of a-z, 0-9 and inner hyphens, at least two, joined by dots")
    if fixed != name:
        raise ValueError(f'write it "{fixed}"')
    return fixed
