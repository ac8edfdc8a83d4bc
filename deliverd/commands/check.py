"""`deliverd check`: SPF, DKIM and DMARC of any domain, asked now and judged."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from deliverd import clock
from deliverd.commands.codes import Code, worst
from deliverd.commands.lookup import name_servers, settings_if_any
from deliverd.commands.names import spelt
from deliverd.commands.output import BAD, GOOD, QUIET, UNSURE, Output, Styled
from deliverd.core.findings import Check, assess
from deliverd.settings import Settings
from probes import dkim, dmarc, spf
from probes.observation import Observation, Seen
from probes.resolver import Config as Dns
from probes.resolver import Resolver

_STYLES = {"pass": GOOD, "warn": UNSURE, "fail": BAD, "unknown": UNSURE}
_CODES = {"pass": Code.GOOD, "warn": Code.GOOD, "fail": Code.WRONG, "unknown": Code.UNSEEN}

Judged = Sequence[tuple[Observation, Check]]


def check(
    domains: Sequence[str], selectors: Sequence[str], nameservers: Sequence[str], as_json: bool, config: Path | None
) -> Code:
    """Ask and show. Raises UsageFault, and ConfigError for a configuration that was asked for and cannot be used."""
    names = list(dict.fromkeys(map(spelt, domains)))
    settings = settings_if_any(config)
    wanted = {name: _selectors(name, selectors, settings) for name in names}
    now = clock.now()
    found = asyncio.run(_look(wanted, name_servers(nameservers, settings), now))
    judged = {name: [(row, assess(row)) for row in rows] for name, rows in found.items()}
    if as_json:
        Output().json(_document(judged, now))
    else:
        _show(Output(), judged)
    return worst(_CODES[one.status] for rows in judged.values() for _, one in rows)


def _selectors(domain: str, given: Sequence[str], settings: Settings | None) -> tuple[str, ...]:
    if given or settings is None or domain not in settings.domains:
        return tuple(given)
    return settings.domains[domain].dkim_selectors


async def _look(wanted: Mapping[str, tuple[str, ...]], dns: Dns, now: datetime) -> dict[str, list[Observation]]:
    resolver = Resolver(dns)
    try:
        rows = await asyncio.gather(*(_look_at(name, names, resolver, now) for name, names in wanted.items()))
    finally:
        await resolver.aclose()
    return dict(zip(wanted, rows, strict=True))


async def _look_at(domain: str, selectors: tuple[str, ...], resolver: Resolver, now: datetime) -> list[Observation]:
    looks = await asyncio.gather(
        spf.observe(domain, spf.Config(), resolver, now),
        dkim.observe(domain, dkim.Config(selectors=selectors), resolver, now),
        dmarc.observe(domain, dmarc.Config(), resolver, now),
    )
    return [one for look in looks for one in look]


def _show(out: Output, judged: Mapping[str, Judged]) -> None:
    heads = ("DOMAIN", "WHAT", "STATUS", "FINDING")
    out.table(heads, [_row(name, one) for name, rows in judged.items() for _, one in rows])
    due = [(name, one) for name, rows in judged.items() for _, one in rows if one.why or one.fix or _hint(one)]
    for name, one in due:
        out.line()
        out.line(Styled(f"{name} {_what(one)}", _STYLES[one.status]))
        for label, text in (("why", one.why), ("fix", one.fix or _hint(one))):
            if text:
                out.line("  ", Styled(f"{label}  ", QUIET), text)


def _row(name: str, one: Check) -> tuple[str, str, Styled, str]:
    return name, _what(one), Styled(one.status, _STYLES[one.status]), one.summary


def _what(one: Check) -> str:
    return " ".join(filter(None, (one.source.upper(), one.part)))


def _hint(one: Check) -> str:
    if one.source == "dkim" and not one.part:
        return "Nobody can list a domain's selectors: name one with --selector, or set dkim_selectors in deliverd.toml"
    return ""


def _document(judged: Mapping[str, Judged], now: datetime) -> dict[str, Any]:
    domains = [{"domain": name, "checks": [_check(*pair) for pair in rows]} for name, rows in judged.items()]
    return {"at": now, "domains": domains}


def _check(observation: Observation, one: Check) -> dict[str, Any]:
    readings = observation.answer.readings if isinstance(observation.answer, Seen) else {}
    names = ("source", "part", "answer", "status", "code", "summary", "why", "fix")
    return {name: getattr(one, name) for name in names} | {"readings": readings}
