"""The options and arguments that commands share, and how their help ends. Light: `--help` needs this and no more."""

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, TypeVar

import typer

_PATH = "The configuration; else ./deliverd.toml, else /etc/deliverd/deliverd.toml."
_CODES = {
    0: "all good",
    1: "something is wrong with a domain",
    2: "could not look",
    64: "the command was not understood",
    78: "the configuration cannot be used",
}
ORDER_CODES = {
    "c0": "done, and confirmed by the platform",
    "c1": "the platform does not do it, or not yet",
    "c2": "recorded and not done yet: no daemon runs, or it took longer than --wait",
}

Command = TypeVar("Command", bound=Callable[..., None])


def command(group: typer.Typer, name: str, *examples: str, **codes: str) -> Callable[[Command], Command]:
    """Register a command whose help ends with examples and exit codes; `c1="..."` words code 1, `c1=""` drops it."""
    words = _CODES | {int(code[1:]): text for code, text in codes.items()}
    lines = [f"  {code:>3}  {text}" for code, text in sorted(words.items()) if text]
    # "\b" keeps Typer from filling the lines of the block that follows into one paragraph.
    ending = "\n".join(["\b\nExample:", *(f"  {example}" for example in examples), "\n\b\nExit codes:", *lines])

    def register(function: Command) -> Command:
        group.command(name, help=f"{function.__doc__}\n\n{ending}")(function)
        return function

    return register


def _given(ctx: typer.Context, value: Path | None) -> Path | None:
    """`--config` after the command, else the one before it or in the environment."""
    return value or ctx.find_root().params.get("config")


def _say_version(wanted: bool) -> None:
    if wanted:
        print(f"deliverd {version('deliverd')}")
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", is_eager=True, callback=_say_version, help="Say which version this is.")
]
RootConfig = Annotated[
    Path | None, typer.Option("--config", "-c", metavar="PATH", help=_PATH, envvar="DELIVERD_CONFIG")
]
Config = Annotated[Path | None, typer.Option("--config", "-c", metavar="PATH", help=_PATH, callback=_given)]
DrillConfig = Annotated[
    Path | None,
    typer.Option("--config", "-c", metavar="PATH", help="Rehearse the policy and mode of this file's first domain."),
]
File = Annotated[Path | None, typer.Argument(metavar="FILE", help=_PATH, show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document, as docs/commands.md shows it.")]

AnyDomains = Annotated[list[str], typer.Argument(metavar="DOMAIN", help="Any domains, configured or not.")]
SomeDomains = Annotated[
    list[str] | None,
    typer.Argument(metavar="DOMAIN", help="Configured domains; else all of them.", show_default=False),
]
OneDomain = Annotated[str, typer.Argument(metavar="DOMAIN", help="A configured domain, such as acme.com.")]
Last = Annotated[int, typer.Option("--last", metavar="N", min=1, max=1000, help="How many decisions, newest first.")]

Selectors = Annotated[
    list[str] | None,
    typer.Option("--selector", "-s", metavar="NAME", help="A DKIM selector, repeatable; else the configured ones."),
]
Nameservers = Annotated[
    list[str] | None,
    typer.Option(
        "--nameserver",
        "-n",
        metavar="ADDRESS:PORT",
        help="Whom to ask, repeatable; else as configured, or the system's.",
    ),
]

Reason = Annotated[str, typer.Option("--reason", "-r", metavar="TEXT", help="Why; explain and alerts show it.")]
By = Annotated[str, typer.Option("--by", metavar="NAME", help="Who orders it; else you, at this machine.")]
Wait = Annotated[
    float, typer.Option("--wait", metavar="SECONDS", min=0, max=3600, help="How long to wait for the platform's word.")
]
For = Annotated[str, typer.Option("--for", metavar="DURATION", help="Such as 90m, 24h or 7d; else without end.")]
Until = Annotated[
    str, typer.Option("--until", metavar="TIME", help="Such as 2026-12-01T08:00Z; UTC unless it says otherwise.")
]
Release = Annotated[bool, typer.Option("--release", help="End the hold in force.")]

NewFile = Annotated[Path, typer.Argument(metavar="PATH", help="Where to write it.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite what is there.")]

Scenarios = Annotated[
    list[str] | None,
    typer.Option("--scenario", metavar="NAME", help="What goes wrong, repeatable; all for everything."),
]
Once = Annotated[bool, typer.Option("--once/--keep", help="End by itself, or stay up until Ctrl-C.")]
Mode = Annotated[
    str, typer.Option("--mode", metavar="MODE", help="observe, propose or enforce, instead of the file's.")
]
Seed = Annotated[int, typer.Option("--seed", metavar="N", help="The same number makes the same drill.")]

Reports = Annotated[list[Path], typer.Argument(metavar="FILE", help="Mails, or DMARC and TLS reports, as files.")]
Trust = Annotated[
    list[str] | None,
    typer.Option(
        "--trust",
        metavar="AUTHSERV_ID",
        help="Believe the topmost Authentication-Results field of this server of yours, repeatable.",
    ),
]
NoDns = Annotated[bool, typer.Option("--no-dns", help="Do not look up DKIM keys: then no signature can be checked.")]

OneAccount = Annotated[str, typer.Argument(metavar="ACCOUNT", help="A platform account: the NAME of [platforms.NAME].")]
NewOwner = Annotated[
    str, typer.Option("--owner", metavar="NAME", help="Whose the domains are, in what is printed; else the only owner.")
]
Recompute = Annotated[
    bool, typer.Option("--recompute", help="Work the complaint detector's newest decision out again.")
]
