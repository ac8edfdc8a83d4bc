"""Writes docs/platforms.md from what the adapters in deliverd/platforms declare that they can do.

`python docs/platforms.py` writes it; with --check it writes nothing, and ends with 1 when the page is out of date.
"""

import sys
from importlib import import_module
from pathlib import Path

from deliverd.model import SendState
from deliverd.platforms.base import Capabilities
from deliverd.platforms.registry import PLATFORMS

PAGE = Path(__file__).parent / "platforms.md"

HEAD = """\
# What deliverd can do at each platform

Made from what the adapters declare by `python docs/platforms.py`; a test keeps it up to date.

A **lever** is what is moved at a platform: a domain, a subaccount, a mailbox. Its kind is what stands before the colon
in `levers = ["KIND:NAME"]` of a `[domains."NAME"]` table; without that line deliverd asks the platform which levers
move the domain, and nothing but the domain. Where it cannot tell, or where a lever would stop other domains too, it
moves nothing: a person is paged, with the line to add.

Whatever is set is read back: what the platform shows decides, not what it answered. deliverd remembers the limit that
was there before it first held a lever back, and a lift goes back to that. What it cannot do at a platform it says in an
alert (`cannot-throttle`, `no-lever`), with what to do by hand. `deliverd platforms` shows the accounts of a
configuration, and tries their keys.

| platform | lever | throttle | pause | resume |
|---|---|---|---|---|
"""


def capabilities(kind: str) -> Capabilities:
    """What the adapter of a kind declares."""
    module, _, name = PLATFORMS[kind].partition(":")
    declared: Capabilities = getattr(import_module(module), name).capabilities
    return declared


def page() -> str:
    """The whole page."""
    declared = {kind: capabilities(kind) for kind in sorted(PLATFORMS)}
    rows = "".join(_rows(kind, can) for kind, can in declared.items())
    notes = "".join(f"\n- **{kind}**: {_sentence(can.note)}" for kind, can in declared.items() if can.note)
    return HEAD + rows + ("\n## What is special, and what cannot be done\n" + notes + "\n" if notes else "")


def _rows(kind: str, can: Capabilities) -> str:
    """One row; one for each lever where they cannot all be set to the same states."""
    if not can.kinds:
        return _row(kind, "none: a person is paged", can.states)
    alike = len({can.of(lever) for lever in can.kinds}) == 1
    groups = [can.kinds] if alike else [(lever,) for lever in can.kinds]
    return "".join(_row(kind, ", ".join(f"`{lever}`" for lever in group), can.of(group[0])) for group in groups)


def _row(kind: str, levers: str, states: frozenset[SendState]) -> str:
    able = (state in states for state in (SendState.THROTTLED, SendState.PAUSED, SendState.RUNNING))
    return f"| {kind} | {levers} | {' | '.join('yes' if one else 'no' for one in able)} |\n"


def _sentence(note: str) -> str:
    return note[:1].upper() + note[1:] + ("" if note.endswith(".") else ".")


def main() -> int:
    fresh = page()
    if "--check" in sys.argv:
        return 0 if PAGE.exists() and PAGE.read_text(encoding="utf-8") == fresh else 1
    PAGE.write_text(fresh, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
