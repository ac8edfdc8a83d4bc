"""Every probe there is, by name. A module is imported when it is first asked for: some bring heavy clients."""

from importlib import import_module
from types import ModuleType

PROBES: dict[str, str] = {
    "dkim": "probes.dkim",
    "dmarc": "probes.dmarc",
    "feedback_mail": "probes.feedback_mail",
    "google_postmaster": "probes.google_postmaster",
    "ses": "probes.ses",
    "spf": "probes.spf",
    "webhook": "probes.webhook",
}

ACCOUNTS = ("ses", "webhook")
"""The probes of sending platforms: what `kind` of an account may be."""

SOURCES = ("google_postmaster",)
"""The probes that belong to no sending platform: the tables `[sources.NAME]` that there may be."""


def load(name: str) -> ModuleType:
    """The module of a probe. Raises LookupError, naming the probes there are."""
    if name not in PROBES:
        raise LookupError(f"there is no probe {name!r}; there are {', '.join(sorted(PROBES))}")
    return import_module(PROBES[name])
