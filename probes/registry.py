"""Every probe there is, by name. A module is imported when it is first asked for: some bring heavy clients."""

from importlib import import_module
from types import ModuleType

PROBES: dict[str, str] = {
    "dkim": "probes.dkim",
    "dmarc": "probes.dmarc",
    "feedback_mail": "probes.feedback_mail",
    "google_postmaster": "probes.google_postmaster",
    "instantly": "probes.instantly",
    "lemlist": "probes.lemlist",
    "mailgun": "probes.mailgun",
    "mandrill": "probes.mandrill",
    "microsoft_snds": "probes.microsoft_snds",
    "postmark": "probes.postmark",
    "resend": "probes.resend",
    "sendgrid": "probes.sendgrid",
    "ses": "probes.ses",
    "smartlead": "probes.smartlead",
    "sparkpost": "probes.sparkpost",
    "spf": "probes.spf",
    "webhook": "probes.webhook",
}

ACCOUNTS = (
    "instantly",
    "lemlist",
    "mailgun",
    "mandrill",
    "postmark",
    "resend",
    "sendgrid",
    "ses",
    "smartlead",
    "sparkpost",
    "webhook",
)
"""The probes of sending platforms: what `kind` of an account may be."""

SOURCES = ("feedback_mail", "google_postmaster", "microsoft_snds")
"""The probes that belong to no sending platform: the tables `[sources.NAME]` that there may be."""


def load(name: str) -> ModuleType:
    """The module of a probe. Raises LookupError, naming the probes there are."""
    if name not in PROBES:
        raise LookupError(f"there is no probe {name!r}; there are {', '.join(sorted(PROBES))}")
    return import_module(PROBES[name])
