"""The commands: arguments, help and exit codes. What they do is in `deliverd/commands`, loaded only when called.

Imports inside functions are allowed in this file alone: they keep `deliverd --help` fast.
"""

import contextlib
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from deliverd.commands import options as the
from deliverd.commands.options import command

USAGE, BROKEN, BROKEN_PIPE = 64, 70, 141


class Program(TyperGroup):
    """Gives every way of ending its exit code; no expected fault shows a traceback."""

    def make_context(self, *args: Any, **extra: Any) -> Any:
        with _usage():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: Any) -> Any:
        try:
            with _usage():
                super().invoke(ctx)
        except BrokenPipeError:
            _pacify()
            raise typer.Exit(BROKEN_PIPE) from None
        except (typer.Exit, typer.Abort, TyperException):
            raise
        except Exception as fault:
            raise typer.Exit(_explain(fault)) from None


@contextlib.contextmanager
def _usage() -> Iterator[None]:
    """Usage faults end with 64 instead of Typer's 2, which here means that something could not be seen."""
    try:
        yield
    except TyperException as fault:
        fault.exit_code = USAGE
        raise


def _explain(fault: Exception) -> int:
    from deliverd.commands import faults

    code = faults.tell(fault)
    if code is None:
        traceback.print_exception(fault)
        print("deliverd: this is a mistake in deliverd; please report it with the lines above", file=sys.stderr)
    return BROKEN if code is None else code


def _pacify() -> None:
    """Nobody reads any more: let the interpreter's last flush go nowhere instead of complaining."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


# Lines and colours are for terminals: a pipe or a file gets plain help and plain errors.
_MARKUP: Literal["rich"] | None = "rich" if sys.stdout.isatty() and sys.stderr.isatty() else None
app = typer.Typer(cls=Program, rich_markup_mode=_MARKUP, no_args_is_help=True, pretty_exceptions_enable=False)
config_app = typer.Typer(rich_markup_mode=_MARKUP, no_args_is_help=True)
feedback_app = typer.Typer(rich_markup_mode=_MARKUP, no_args_is_help=True)
auth_app = typer.Typer(rich_markup_mode=_MARKUP, no_args_is_help=True)


@app.callback()
def _root(config: the.RootConfig = None, version: the.Version = False) -> None:
    """Watches the domains a company sends mail from, and holds back what a mailbox provider would punish."""


@command(
    app,
    "run",
    "deliverd run --config /etc/deliverd/deliverd.toml",
    c0="stopped, as SIGTERM or Ctrl-C asked",
    c1="",
    c2="the store, or the address to listen on, is not to be had",
)
def run(config: the.Config = None) -> None:
    """Run the daemon: watch, judge, act and tell. SIGTERM stops it, SIGHUP takes up a changed configuration."""
    from deliverd.commands.run import run

    raise typer.Exit(run(config))


@command(
    app,
    "check",
    "deliverd check acme.com --selector s1",
    "deliverd check acme.com acme.org --json",
    c0="SPF, DKIM and DMARC are good",
    c1="something is wrong with one of them (counts before 2)",
    c2="a name server could not be asked",
)
def check(
    domains: the.AnyDomains,
    selector: the.Selectors = None,
    nameserver: the.Nameservers = None,
    json: the.Json = False,
    config: the.Config = None,
) -> None:
    """Look up SPF, DKIM and DMARC now. Says what is wrong and how to mend it; needs no configuration and no store."""
    from deliverd.commands.check import check

    raise typer.Exit(check(domains, selector or [], nameserver or [], json, config))


@command(
    app,
    "status",
    "deliverd status",
    "deliverd status --json | jq '.domains[0]'",
    c0="all domains are healthy, and watched",
    c1="a domain is not healthy, or has an open incident (counts before 2)",
    c2="the daemon does not run, or is blind to something",
)
def status(json: the.Json = False, config: the.Config = None) -> None:
    """Show how every domain stands, worst first. And what is asked of its platform, and whether that does it."""
    from deliverd.commands.status import status

    raise typer.Exit(status(json, config))


@command(
    app,
    "sources",
    "deliverd sources",
    "deliverd sources acme.com --json | jq '.domains[0].coverage'",
    c0="every source is fresh, or was reached and has nothing",
    c1="a source is late, stale, dark, or was never asked",
    c2="the store could not be read",
)
def sources(domains: the.SomeDomains = None, json: the.Json = False, config: the.Config = None) -> None:
    """Show what each source says of each domain. How fresh it is, and how much of the mail somebody would tell of."""
    from deliverd.commands.sources import sources

    raise typer.Exit(sources(domains or [], json, config))


@command(
    app,
    "explain",
    "deliverd explain acme.com --last 3",
    "deliverd explain acme.com --recompute",
    c0="explained; with --recompute: the same, bit for bit",
    c1="--recompute: it does not come out again",
    c2="the store could not be read, or --recompute found no decision of the detector",
)
def explain(
    domain: the.OneDomain,
    last: the.Last = 5,
    recompute: the.Recompute = False,
    json: the.Json = False,
    config: the.Config = None,
) -> None:
    """Show why a domain stands as it does. What was seen, decided, done and told, with every number."""
    from deliverd.commands.explain import explain

    raise typer.Exit(explain(domain, last, json, config, recompute))


@command(
    app,
    "plan",
    "deliverd plan",
    "deliverd plan acme.com --json",
    c0="nothing to do",
    c1="something would be done, or asks for a person (counts before 2)",
    c2="a platform or the store could not be read",
)
def plan(domains: the.SomeDomains = None, json: the.Json = False, config: the.Config = None) -> None:
    """Show what would be done at the platforms now. Reads them, and touches nothing."""
    from deliverd.commands.plan import plan

    raise typer.Exit(plan(domains or [], json, config))


@command(
    app,
    "platforms",
    "deliverd platforms",
    "deliverd platforms sendgrid --json | jq '.platforms[0].domains'",
    c0="every key works, and every domain that deliverd may act for has a brake",
    c1="a key is refused, or a domain has no brake (counts before 2)",
    c2="a platform could not be asked",
)
def platforms(
    accounts: Annotated[
        list[str] | None,
        typer.Argument(metavar="ACCOUNT", help="Configured platform accounts; else all of them.", show_default=False),
    ] = None,
    json: the.Json = False,
    config: the.Config = None,
) -> None:
    """Show what can be done at each platform account. Tries its key and reads its levers, and touches nothing."""
    from deliverd.commands.platforms import platforms

    raise typer.Exit(platforms(accounts or [], json, config))


@command(app, "pause", 'deliverd pause acme.com --reason "list bought by mistake"', **the.ORDER_CODES)
def pause(
    domain: the.OneDomain,
    reason: the.Reason,
    by: the.By = "",
    wait: the.Wait = 15,
    json: the.Json = False,
    config: the.Config = None,
) -> None:
    """Stop all mail of a domain at its platform. In every mode, and until a person resumes it."""
    from deliverd.commands.orders import pause

    raise typer.Exit(pause(domain, reason, by, wait, json, config))


@command(app, "resume", 'deliverd resume acme.com --reason "list cleaned"', **the.ORDER_CODES)
def resume(
    domain: the.OneDomain,
    reason: the.Reason,
    by: the.By = "",
    wait: the.Wait = 15,
    json: the.Json = False,
    config: the.Config = None,
) -> None:
    """Let a held back domain send again. It ramps up from a trickle, judged by mail sent from now on alone."""
    from deliverd.commands.orders import resume

    raise typer.Exit(resume(domain, reason, by, wait, json, config))


@command(app, "approve", "deliverd approve acme.com", **the.ORDER_CODES)
def approve(
    domain: the.OneDomain,
    reason: the.Reason = "approved",
    by: the.By = "",
    wait: the.Wait = 15,
    json: the.Json = False,
    config: the.Config = None,
) -> None:
    """Let deliverd do what it proposes for a domain. In mode propose, where nothing is done without it."""
    from deliverd.commands.orders import approve

    raise typer.Exit(approve(domain, reason, by, wait, json, config))


@command(
    app,
    "hold",
    'deliverd hold acme.com --reason "audit under way" --for 24h',
    'deliverd hold acme.com --reason "audit done" --release',
    c0="recorded",
    c1="",
    c2="the store could not be written",
)
def hold(
    domain: the.OneDomain,
    reason: the.Reason,
    lasting: the.For = "",
    until: the.Until = "",
    release: the.Release = False,
    by: the.By = "",
    json: the.Json = False,
    config: the.Config = None,
) -> None:
    """Keep deliverd from giving back what it holds back. What gets worse is still acted upon."""
    from deliverd.commands.hold import hold

    raise typer.Exit(hold(domain, reason, lasting, until, release, by, json, config))


@command(
    app,
    "discover",
    "deliverd discover outreach",
    "deliverd discover outreach --owner growth --json | jq -r .toml",
    c0="listed, whether or not all of it is configured",
    c1="",
    c2="the platform could not be asked",
)
def discover(
    account: the.OneAccount, owner: the.NewOwner = "", json: the.Json = False, config: the.Config = None
) -> None:
    """List the domains and mailboxes a platform account has. What is not configured yet is printed ready to paste."""
    from deliverd.commands.discover import discover

    raise typer.Exit(discover(account, owner, json, config))


@command(
    app, "init", "deliverd init /etc/deliverd/deliverd.toml", c0="written", c1="", c2="", c64="it is there already"
)
def init(path: the.NewFile = Path("deliverd.toml"), force: the.Force = False) -> None:
    """Write a configuration to start from. It is commented, and only its owner may read it."""
    from deliverd.commands.config import init

    raise typer.Exit(init(path, force))


@command(app, "health", "deliverd health", c0="the daemon is ready", c1="", c2="it is not, or does not answer")
def health(json: the.Json = False, config: the.Config = None) -> None:
    """Ask the daemon on this machine whether it is ready. Made for container health checks."""
    from deliverd.commands.health import health

    raise typer.Exit(health(json, config))


@command(
    app,
    "drill",
    "deliverd drill --once",
    "deliverd drill --config mine.toml --scenario complaint-spike",
    c0="every domain was protected",
    c1="a domain was not protected",
    c2="the drill could not be held",
)
def drill(
    scenario: the.Scenarios = None,
    once: the.Once = True,
    mode: the.Mode = "",
    seed: the.Seed = 1,
    json: the.Json = False,
    config: the.DrillConfig = None,
) -> None:
    """Rehearse what happens when something goes wrong. The whole daemon in a simulated world; touches nothing real."""
    from deliverd.commands.drill import drill

    raise typer.Exit(drill(scenario or [], once, mode, seed, json, config))


@command(config_app, "validate", "deliverd config validate deliverd.toml", c0="it can be used", c1="", c2="")
def validate(file: the.File = None, json: the.Json = False, config: the.Config = None) -> None:
    """Check a configuration, with the environment and the secret files it would be used with. Changes nothing."""
    from deliverd.commands.config import validate

    raise typer.Exit(validate(file or config, json))


app.add_typer(config_app, name="config", help="Look after the configuration.")


@feedback_app.callback()
def _feedback() -> None:
    """Without it, Typer would make a single command of the group."""


@command(
    feedback_app,
    "parse",
    "deliverd feedback parse complaint.eml",
    "deliverd feedback parse Maildir/cur/* --trust mx.acme.com --json",
    c0="every file is a report that can be read, whether or not it counts",
    c1="a file is no report, is broken, or names no domain (counts before 2)",
    c2="a file could not be opened, or a name server not asked",
)
def feedback_parse(
    files: the.Reports,
    trust: the.Trust = None,
    nameserver: the.Nameservers = None,
    no_dns: the.NoDns = False,
    json: the.Json = False,
    config: the.Config = None,
) -> None:
    """Explain complaints, bounces and unsubscribe mails. What each is about, who wrote it, and why it counts or not."""
    from deliverd.commands.feedback import parse

    raise typer.Exit(parse(files, trust or [], nameserver or [], no_dns, json, config))


app.add_typer(feedback_app, name="feedback", help="Look into complaints and bounces.")


@auth_app.callback()
def _auth() -> None:
    """Without it, Typer would make a single command of the group."""


@command(
    auth_app,
    "google",
    "deliverd auth google google-token.json --client client_secret.json",
    "deliverd auth google google-token.json --check --domain acme.com",
    c0="the key is written; with --check: it may see every domain",
    c1="",
    c2="nobody agreed, or Google could not be asked; with --check: it may not see every domain",
)
def auth_google(
    key: Annotated[Path, typer.Argument(metavar="KEY", help="The file of the key.")] = Path("google-token.json"),
    client: Annotated[
        Path | None, typer.Option("--client", metavar="FILE", help="The OAuth client from the Google Cloud console.")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Get no key; say what the one in KEY can see.")] = False,
    domain: Annotated[
        list[str] | None,
        typer.Option("--domain", "-d", metavar="NAME", help="What to look at with --check; else what is configured."),
    ] = None,
    list_domains: Annotated[
        bool, typer.Option("--list-domains", help="A key that may list domains, and, so Google has it, change them.")
    ] = False,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Where the browser comes back to; 0: any free one.")
    ] = 0,
    wait: Annotated[float, typer.Option("--wait", metavar="SECONDS", min=1, max=3600, help="How long.")] = 300,
    api_root: Annotated[str | None, typer.Option("--api-root", hidden=True)] = None,
    config: the.Config = None,
) -> None:
    """Get the key to Google Postmaster Tools. A person agrees in a browser; docs/google-postmaster.md has the steps."""
    from deliverd.commands import auth_google

    if check:
        raise typer.Exit(auth_google.check_key(key, domain or [], config, api_root))
    if client is None:
        raise typer.BadParameter("without --check, the OAuth client is needed: --client FILE")
    raise typer.Exit(auth_google.get_key(key, client, list_domains, port, wait))


@command(
    auth_app,
    "microsoft",
    "deliverd auth microsoft /var/lib/deliverd/microsoft-token.json",
    "deliverd auth microsoft --check",
    c0="the key is written; with --check: it can be used, and every row was read",
    c1="",
    c2="nobody agreed, or Microsoft could not be asked; with --check: it cannot be used",
)
def auth_microsoft(
    key: Annotated[
        Path | None, typer.Argument(metavar="KEY", help="The file of the key; with --check, else the configured one.")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Get no key; say what the one there is can see.")] = False,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Where the browser comes back to; 0: any free one.")
    ] = 0,
    wait: Annotated[float, typer.Option("--wait", metavar="SECONDS", min=1, max=3600, help="How long.")] = 300,
    authority: Annotated[str | None, typer.Option("--authority", hidden=True)] = None,
    certificates: Annotated[str | None, typer.Option("--certificates", hidden=True)] = None,
    api_root: Annotated[str | None, typer.Option("--api-root", hidden=True)] = None,
    config: the.Config = None,
) -> None:
    """Get the key to Microsoft SNDS. A person signs in in a browser; docs/microsoft-snds.md has the steps."""
    from deliverd.commands import auth_microsoft
    from probes.microsoft_token import AUTHORITY, Authority

    if check:
        raise typer.Exit(auth_microsoft.check_key(key, config, certificates, api_root))
    where = Authority(authority or AUTHORITY, certificates=certificates)
    raise typer.Exit(auth_microsoft.get_key(key or Path("microsoft-token.json"), where, port, wait))


app.add_typer(auth_app, name="auth", help="Get the keys to what mailbox providers tell.")


def main() -> None:
    """The console script."""
    for stream in (sys.stdout, sys.stderr):
        # What a terminal cannot show is spelt out instead of ending the command.
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        app(prog_name="deliverd")
    finally:
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            _pacify()


if __name__ == "__main__":
    main()
