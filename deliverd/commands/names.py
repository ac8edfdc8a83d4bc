"""Names that people type: of domains, and their own."""

import os

from deliverd.commands.codes import UsageFault, unknown_domain
from deliverd.settings import Settings
from deliverd.settings_names import a_label


def spelt(name: str) -> str:
    """A domain's name as DNS spells it, from however a person did. Raises UsageFault when it is none."""
    try:
        return a_label(name.strip().rstrip(".").lower())
    except ValueError as fault:
        raise UsageFault(f'"{name}": {fault}') from None


def configured(settings: Settings, name: str) -> str:
    """The configured domain of this name. Raises UsageFault with the nearest one there is."""
    fixed = spelt(name)
    if fixed not in settings.domains:
        raise unknown_domain(name, settings.domains)
    return fixed


def author(by: str) -> str:
    """Who orders: the name given, else the person at this machine. Raises UsageFault for a name of deliverd's own."""
    name = by.strip()
    if name.lower() in ("policy", "deliverd"):
        raise UsageFault(f"--by \"{name}\" would make a person's order look like deliverd's own; give a person's name")
    user = os.environ.get("SUDO_USER") or os.environ.get("USER") or os.environ.get("LOGNAME") or f"uid {os.getuid()}"
    return name or f"{user}@{os.uname().nodename}"


def reason(text: str) -> str:
    """The reason as given. Raises UsageFault when it is blank: an order that nobody can explain is of no use."""
    if not text.strip():
        raise UsageFault("--reason is blank; say why, in words that still mean something in a month")
    return text.strip()
