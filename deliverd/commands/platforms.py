"""`deliverd platforms`: what can be done at each account, and, by looking alone, whether its key and levers work."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from deliverd import clock, logs
from deliverd.commands.codes import Code, UsageFault, worst
from deliverd.commands.config_file import config_path, load_settings
from deliverd.commands.output import BAD, GOOD, QUIET, UNSURE, Output, Styled
from deliverd.commands.status import limit_document
from deliverd.model import Actual, Lever, Mode, SendState
from deliverd.platforms.base import Capabilities, Denied, Gone, Platform, PlatformError, Refused
from deliverd.platforms.registry import open_platform
from deliverd.settings import Settings
from deliverd.settings_faults import nearest
from probes import registry
from probes.config import Strict
from probes.http import Http, HttpFault
from probes.observation import Why

Opener = Callable[[str, str, Strict], Platform]
_AT_ONCE = 8


class Key(StrEnum):
    """How an account's key fared: everything asked was told, some of it, none of it; nobody answered; nothing asked."""

    WORKS = "works"
    LIMITED = "limited"
    REFUSED = "refused"
    UNREACHED = "not reached"
    UNTRIED = "not tried"


class Brake(StrEnum):
    """Whether a domain's mail could be held back: its levers can be read, there is none, or it could not be asked."""

    READY = "ready"
    NONE = "none"
    DENIED = "denied"
    UNSEEN = "unseen"


@dataclass(frozen=True, slots=True)
class Tried:
    """One domain: its levers with what each is at, whether they can be used, and in words why not."""

    domain: str
    mode: Mode
    levers: tuple[tuple[Lever, Actual | None], ...]
    brake: Brake
    says: str = ""

    @property
    def code(self) -> Code:
        """A domain that is only observed needs no brake."""
        if self.brake is Brake.NONE:
            return Code.GOOD if self.mode is Mode.OBSERVE else Code.WRONG
        return {Brake.READY: Code.GOOD, Brake.DENIED: Code.WRONG, Brake.UNSEEN: Code.UNSEEN}[self.brake]


@dataclass(frozen=True, slots=True)
class Account:
    """One account: what its platform can do, how its key fared and what was said to it, and its domains."""

    name: str
    kind: str
    can: Capabilities
    key: Key
    says: str
    domains: tuple[Tried, ...]

    @property
    def code(self) -> Code:
        own = {Key.REFUSED: Code.WRONG, Key.LIMITED: Code.WRONG, Key.UNREACHED: Code.UNSEEN}
        return worst([own.get(self.key, Code.GOOD), *(tried.code for tried in self.domains)])


def platforms(names: Sequence[str], as_json: bool, config: Path | None) -> Code:
    """Show the accounts of these names, or all. Raises ConfigError, UsageFault."""
    settings = load_settings(config_path(config))
    logs.configure("text", "warning")
    wanted = [_known(settings, name) for name in dict.fromkeys(names)] or list(settings.platforms)
    now = clock.now()
    accounts = asyncio.run(examine(settings, wanted, now))
    if as_json:
        Output().json({"at": now, "platforms": [document(account) for account in accounts]})
    else:
        show(Output(), accounts)
    return worst(account.code for account in accounts)


async def examine(
    settings: Settings, names: Sequence[str], now: datetime, opener: Opener = open_platform
) -> list[Account]:
    """Look at accounts, all at once. Nothing is changed at any of them."""
    async with Http() as http:
        return list(await asyncio.gather(*(_account(settings, name, http, now, opener) for name in names)))


async def _account(settings: Settings, name: str, http: Http, now: datetime, opener: Opener) -> Account:
    config = settings.platforms[name]
    platform = opener(name, config.kind, config)
    places = asyncio.Semaphore(_AT_ONCE)

    async def one(domain: str) -> Tried:
        async with places:
            return await _try(platform, domain, settings.domains[domain].mode, settings.domains[domain].levers)

    try:
        listing = await _listing(config.kind, config, http, now)
        mine = [domain for domain, table in settings.domains.items() if table.platform == name]
        domains = tuple(await asyncio.gather(*(one(domain) for domain in mine)))
    finally:
        await platform.aclose()
    return Account(name, config.kind, platform.capabilities, *_fared(listing, domains), domains)


async def _listing(kind: str, config: Strict, http: Http, now: datetime) -> HttpFault | bool:
    """Ask for the account's domains, the one question every key can be tried by: True, the fault, or False: no such."""
    probe = registry.load(kind)
    if not hasattr(probe, "discover"):
        return False
    try:
        await probe.discover(config, http, now)
    except HttpFault as fault:
        return fault
    return True


async def _try(platform: Platform, domain: str, mode: Mode, declared: Sequence[str]) -> Tried:
    try:
        levers = await platform.levers(domain, declared)
    except PlatformError as fault:
        return Tried(domain, mode, (), _brake(fault), str(fault))
    if not levers:
        return Tried(domain, mode, (), Brake.NONE, "it has no lever there")
    read: list[tuple[Lever, Actual | None]] = []
    faults: list[PlatformError] = []
    for lever in levers:
        try:
            read.append((lever, await platform.read(lever)))
        except PlatformError as fault:
            read.append((lever, None))
            faults.append(fault)
    worse = max(faults, key=lambda fault: list(Brake).index(_brake(fault)), default=None)
    return Tried(domain, mode, tuple(read), _brake(worse), str(worse or ""))


def _brake(fault: PlatformError | None) -> Brake:
    if fault is None:
        return Brake.READY
    if isinstance(fault, Denied):
        return Brake.DENIED
    return Brake.NONE if isinstance(fault, Refused | Gone) else Brake.UNSEEN


def _fared(listing: HttpFault | bool, domains: Sequence[Tried]) -> tuple[Key, str]:
    """What all the answers together say of the key, and the words of the one that says no."""
    listed = listing is True
    fault = listing if isinstance(listing, HttpFault) else None
    no = [fault.detail] if fault and fault.why is Why.DENIED else []
    no += [tried.says for tried in domains if tried.brake is Brake.DENIED]
    yes = listed or any(actual for tried in domains for _, actual in tried.levers)
    if no:
        return (Key.LIMITED if yes else Key.REFUSED), no[0]
    if yes:
        return Key.WORKS, fault.detail if fault else ""
    dark = [fault.detail] if fault else [tried.says for tried in domains if tried.brake is Brake.UNSEEN]
    return (Key.UNREACHED, dark[0]) if dark else (Key.UNTRIED, "")


def _known(settings: Settings, name: str) -> str:
    if name not in settings.platforms:
        known = sorted(settings.platforms)
        hint = nearest(name, known) or f"configured: {', '.join(known) or 'none'}"
        raise UsageFault(f'"{name}" is not a configured platform account; {hint}')
    return name


def document(account: Account) -> dict[str, Any]:
    """An account as `--json` says it."""
    return {
        "account": account.name,
        "kind": account.kind,
        "key": account.key,
        "says": account.says,
        "can": [_VERBS[state] for state in _VERBS if state in account.can.states],
        "levers": account.can.kinds,
        "note": account.can.note,
        "domains": [_domain(tried) for tried in account.domains],
    }


def _domain(tried: Tried) -> dict[str, Any]:
    return {
        "domain": tried.domain,
        "mode": tried.mode,
        "brake": tried.brake,
        "says": tried.says,
        "levers": [
            {
                "lever": f"{lever.kind}:{lever.id}",
                "limit": limit_document(actual.limit if actual else None),
                "by": actual.by if actual else None,
                "detail": actual.detail if actual else "",
            }
            for lever, actual in tried.levers
        ],
    }


_VERBS = {SendState.THROTTLED: "throttle", SendState.PAUSED: "pause", SendState.RUNNING: "resume"}
_STYLES = {Key.WORKS: GOOD, Key.REFUSED: BAD, Key.LIMITED: BAD}


def show(out: Output, accounts: Sequence[Account]) -> None:
    """Write the table, then what is wrong and what cannot be done."""
    if not accounts:
        out.line("No platform account is configured.")
        return
    out.table(("ACCOUNT", "KIND", "KEY", "CAN", "LEVERS", "DOMAINS WITH A BRAKE"), [_cells(one) for one in accounts])
    for account in accounts:
        wrong = [f"{tried.domain}: {tried.says}" for tried in account.domains if tried.says]
        own = [account.says] if account.says and not any(account.says in text for text in wrong) else []
        lines = [*own, *wrong]
        if not lines and not account.can.note:
            continue
        out.line()
        out.line(Styled(account.name, "bold"))
        for text in lines:
            out.line("  ", Styled(text, UNSURE))
        if account.can.note:
            out.line("  ", Styled(account.can.note, QUIET))


def _cells(account: Account) -> tuple[str | Styled, ...]:
    ready = sum(tried.brake is Brake.READY for tried in account.domains)
    return (
        account.name,
        account.kind,
        Styled(account.key, _STYLES.get(account.key, UNSURE)),
        ", ".join(_VERBS[state] for state in _VERBS if state in account.can.states) or "only be read",
        ", ".join(account.can.kinds) or "-",
        f"{ready:,} of {len(account.domains):,}",
    )
