"""`deliverd discover`: the domains and mailboxes that a platform account really has, as configuration to be pasted."""

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any

from deliverd import clock
from deliverd.commands.codes import Code, UsageFault
from deliverd.commands.config_file import config_path, load_settings
from deliverd.commands.names import spelt
from deliverd.commands.output import BAD, GOOD, QUIET, UNSURE, Output, Styled, visible
from deliverd.settings import Settings
from deliverd.settings_faults import nearest
from probes import registry
from probes.config import Strict
from probes.discovery import Found
from probes.http import Http, HttpFault

_SHOWN = 5  # senders of a domain; --json has all


@dataclass(frozen=True, slots=True)
class Row:
    """A domain of the account. `configured` is the configured domain it is watched as, "" for none.

    `account` is where that one is said to be sent from; `name` is the domain as DNS spells it, "" when it is no name.
    """

    found: Found
    name: str
    configured: str
    account: str


def discover(account: str, owner: str, as_json: bool, config: Path | None) -> Code:
    """Ask the account and show it. Raises UsageFault, ConfigError."""
    settings = load_settings(config_path(config))
    probe = _probe(settings, account)
    chosen = _owner(settings, owner)
    now = clock.now()
    try:
        found = asyncio.run(_ask(probe, settings.platforms[account], now))
    except HttpFault as fault:
        print(f"deliverd: {visible(f'{account}: {fault.detail}')}", file=sys.stderr)
        return Code.UNSEEN
    show(Output(), settings, account, chosen, found, now, as_json=as_json)
    return Code.GOOD


def show(
    out: Output, settings: Settings, account: str, owner: str, found: Sequence[Found], now: datetime, *, as_json: bool
) -> None:
    """Write what was found: a table and the tables to paste, or one document."""
    rows = [_row(settings, one) for one in found]
    text = toml(rows, settings, account, owner)
    if as_json:
        domains = [document(row, account) for row in rows]
        kind = settings.platforms[account].kind
        out.json({"at": now, "account": account, "kind": kind, "domains": domains, "toml": text})
        return
    if not rows:
        out.line(f"{account} has no domain to send from.")
        return
    out.table(("DOMAIN", "SENDERS", "CONFIGURED"), [_cells(row, account) for row in rows])
    out.line()
    if not text:
        out.line("All of them are configured.")
        return
    out.line(Styled("# To watch the others too, paste this into the configuration:", QUIET))
    for line in text.splitlines():
        out.line(line)


def document(row: Row, account: str) -> dict[str, Any]:
    """A domain as `--json` says it."""
    return {
        "domain": row.found.domain,
        "configured": row.configured == row.name and bool(row.name) and row.account == account,
        "counted_with": row.configured or None,
        "at_account": row.account or None,
        "senders": row.found.senders,
        "levers": row.found.levers,
        "detail": row.found.detail,
    }


def toml(rows: Sequence[Row], settings: Settings, account: str, owner: str) -> str:
    """The tables for the domains that are not configured, one after the other; "" when there is none to add."""
    hint = "" if owner else f"   # one of: {', '.join(sorted(settings.owners)) or 'none is configured yet'}"
    tables = [_table(row, account, owner, hint) for row in rows if row.name and not row.configured]
    return "\n".join(tables)


def _table(row: Row, account: str, owner: str, hint: str) -> str:
    lines = [
        f"[domains.{_quoted(row.name)}]",
        f"owner = {_quoted(owner)}{hint}",
        f"platform = {_quoted(account)}",
        'mode = "observe"',
    ]
    if row.found.levers:
        lines.append(f"levers = [{', '.join(map(_quoted, row.found.levers))}]")
    if row.found.senders:
        lines.insert(0, f"# {visible(_senders(row.found.senders))}")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """A basic string of TOML: JSON's is one too, once its escapes of half surrogates cannot occur."""
    return json.dumps("".join(letter if letter.isprintable() else "?" for letter in text))


def _probe(settings: Settings, account: str) -> ModuleType:
    """What reads the account. Raises UsageFault when there is no such account, or it cannot list its domains."""
    if account not in settings.platforms:
        known = sorted(settings.platforms)
        hint = nearest(account, known) or f"configured: {', '.join(known) or 'none'}"
        raise UsageFault(f'"{account}" is not a configured platform account; {hint}')
    kind = settings.platforms[account].kind
    probe = registry.load(kind)
    if not hasattr(probe, "discover"):
        raise UsageFault(f'"{account}" is of kind "{kind}", which cannot list its domains: name them in the file')
    return probe


def _owner(settings: Settings, owner: str) -> str:
    """The owner given, else the only one there is; "" when there are several. Raises UsageFault for an unknown one."""
    if owner and owner not in settings.owners:
        raise UsageFault(
            f'--owner "{owner}" is not configured; there are {", ".join(sorted(settings.owners)) or "none"}'
        )
    return owner or (next(iter(settings.owners)) if len(settings.owners) == 1 else "")


async def _ask(probe: ModuleType, config: Strict, now: datetime) -> tuple[Found, ...]:
    async with Http() as http:
        found: tuple[Found, ...] = await probe.discover(config, http, now)
    return found


def _row(settings: Settings, found: Found) -> Row:
    try:
        name = spelt(found.domain)
    except UsageFault:
        return Row(found, "", "", "")
    configured = settings.domain_of(name) or ""
    return Row(found, name, configured, settings.domains[configured].platform if configured else "")


def _cells(row: Row, account: str) -> tuple[str, str, Styled]:
    return row.found.domain, _senders(row.found.senders), _configured(row, account)


def _senders(senders: Sequence[str]) -> str:
    if not senders:
        return "-"
    more = f" and {len(senders) - _SHOWN:,} more" if len(senders) > _SHOWN else ""
    return f"{len(senders):,}: {', '.join(senders[:_SHOWN])}{more}"


def _configured(row: Row, account: str) -> Styled:
    if not row.name:
        return Styled("not a domain's name", BAD)
    if not row.configured:
        return Styled("no", UNSURE)
    if row.account != account:
        return Styled(f"as sent from {row.account}", BAD)
    return Styled("yes" if row.configured == row.name else f"counted with {row.configured}", GOOD)
