"""What a command ends with, and the fault of one that cannot be carried out as it was given."""

from collections.abc import Iterable
from enum import IntEnum

from deliverd.settings_faults import nearest


class Code(IntEnum):
    """The exit codes of every command. BROKEN is a mistake in deliverd itself."""

    GOOD = 0
    WRONG = 1
    UNSEEN = 2
    USAGE = 64
    BROKEN = 70
    CONFIG = 78


class UsageFault(Exception):  # noqa: N818 - a noun, as every fault here
    """What was asked cannot be done; the text says why and what to do instead. Not to be retried."""


def worst(codes: Iterable[Code]) -> Code:
    """The code of several findings together: what is known to be wrong counts before what could not be seen."""
    found = set(codes)
    return next((code for code in (Code.WRONG, Code.UNSEEN) if code in found), Code.GOOD)


def unknown_domain(name: str, known: Iterable[str]) -> UsageFault:
    """That a domain is not in the configuration, with the nearest one that is."""
    names = sorted(known)
    hint = nearest(name, names) or (f"configured: {', '.join(names[:10])}" if names else "none is configured")
    return UsageFault(f'"{name}" is not a configured domain; {hint}')
