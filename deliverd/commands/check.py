"""`deliverd check`: SPF, DKIM and DMARC of any domain, asked now and judged."""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from deliverd import clock
from deliverd.commands.codes import Code, UsageFault, worst
from deliverd.commands.config_file import found_path, load_settings
from deliverd.commands.names import spelt
from deliverd.commands.output import BAD, GOOD, QUIET, UNSURE, Output, Styled, visible
from deliverd.core.findings import Check, assess
from deliverd.settings import ConfigError, Settings
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
    settings = _settings(config)
    wanted = {name: _selectors(name, selectors, settings) for name in names}
    now = clock.now()
    found = asyncio.run(_look(wanted, _dns(nameservers, settings), now))
    judged = {name: [(row, assess(row)) for row in rows] for name, rows in found.items()}
    if as_json:
        Output().json(_document(judged, now))
    else:
        _show(Output(), judged)
    return worst(_CODES[one.status] for rows in judged.values() for _, one in rows)


def _settings(config: Path | None) -> Settings | None:
    """The configuration, where there is one. One that merely lies about and is broken is passed over, and said so."""
    path = found_path(config)
    if path is None:
        return None
    try:
        return load_settings(path)
    except ConfigError as fault:
        if config is not None:
            raise
        plural = "fault" if len(fault.faults) == 1 else "faults"
        words = f"{path} is not used: {len(fault.faults)} {plural}; see deliverd config validate"
        print(f"deliverd: {visible(words)}", file=sys.stderr)
        return None


def _selectors(domain: str, given: Sequence[str], settings: Settings | None) -> tuple[str, ...]:
    if given or settings is None or domain not in settings.domains:
        return tuple(given)
    return settings.domains[domain].dkim_selectors


def _dns(given: Sequence[str], settings: Settings | None) -> Dns:
    configured = settings.dns if settings else Dns()
    if not given:
        return configured
    try:
        return Dns.model_validate(configured.model_dump() | {"nameservers": tuple(given)})
    except ValidationError as fault:
        raise UsageFault(f"--nameserver: {fault.errors()[0]['msg'].removeprefix('Value error, ')}") from None


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
