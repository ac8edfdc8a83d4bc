"""Writes docs/commands.md from the commands' own help and the JSON examples in docs/json.

`python docs/commands.py` writes it; with --check it writes nothing, and ends with 1 when the page is out of date.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import typer.main
from typer.testing import CliRunner

from deliverd.cli import app

HERE = Path(__file__).parent
PAGE = HERE / "commands.md"

HEAD = """\
# Commands

Made from the commands' own help by `python docs/commands.py`; a test keeps it up to date.

Every command ends with one of these codes, and its help says which of them it uses:

| code | meaning |
|---|---|
| 0 | all good |
| 1 | something is wrong with a domain (counts before 2) |
| 2 | could not look: a server, a platform, the store or the daemon is not to be had |
| 64 | the command was not understood, or names what there is not |
| 70 | a mistake in deliverd itself; the traceback that comes with it is worth reporting |
| 78 | the configuration cannot be used |
| 130 | Ctrl-C |

Answers go to standard output, everything else to standard error. On a terminal there are tables and colours (not
with `NO_COLOR`); elsewhere the text is plain, a row is a line, and nothing is cut off. Times are UTC.

With `--json` there is one JSON document, as in the examples below: keys are never taken away or given another meaning,
but new ones may come. Times are ISO 8601 with `Z`, rates are ratios (0.0017 is 0.17 %), what is not there is `null`.
What stands under `readings`, `evidence` and `facts` depends on what was seen.

`--config` may stand before or after the command; `DELIVERD_CONFIG` does the same.
"""


def page() -> str:
    """The whole page."""
    return HEAD + "".join(_section(name) for name in ["", *_names()])


def _names() -> Iterator[str]:
    group = typer.main.get_command(app)
    for name, command in vars(group)["commands"].items():
        inner = vars(command).get("commands")
        yield from (f"{name} {under}" for under in inner) if inner else [name]


def _section(name: str) -> str:
    arguments = [*name.split(), "--help"]
    shown = CliRunner().invoke(app, arguments, env={"COLUMNS": "100", "TERMINAL_WIDTH": "100"}, prog_name="deliverd")
    text = f"\n## deliverd {name}".rstrip() + f"\n\n```\n{shown.stdout.strip()}\n```\n"
    example = HERE / "json" / f"{name.replace(' ', '-')}.json"
    if example.exists():
        text += f"\n`--json` prints:\n\n```json\n{example.read_text(encoding='utf-8').strip()}\n```\n"
    return text


def main() -> int:
    fresh = page()
    if "--check" in sys.argv:
        return 0 if PAGE.exists() and PAGE.read_text(encoding="utf-8") == fresh else 1
    PAGE.write_text(fresh, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
