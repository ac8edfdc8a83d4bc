"""How the expected faults are told: in words on stderr, never as a traceback. Loaded only when there is one."""

import sys

from deliverd.commands.codes import Code, UsageFault
from deliverd.commands.output import visible
from deliverd.settings import ConfigError
from deliverd.store.faults import StoreError


def tell(fault: Exception) -> Code | None:
    """Say what went wrong and return the exit code; None for a fault that nobody expected, of which nothing is said."""
    match fault:
        case ConfigError():
            return _say(Code.CONFIG, "the configuration cannot be used", str(fault))
        case UsageFault():
            return _say(Code.USAGE, str(fault))
        case StoreError():
            return _say(Code.UNSEEN, f"the store: {fault}")
        case OSError():
            where = f"{fault.filename}: " if fault.filename else ""
            return _say(Code.UNSEEN, f"{where}{fault.strerror or fault}")
    return None


def _say(code: Code, headline: str, body: str = "") -> Code:
    print(f"deliverd: {visible(headline)}", file=sys.stderr)
    for line in body.splitlines():
        print(f"  {visible(line)}".rstrip(), file=sys.stderr)
    return code
