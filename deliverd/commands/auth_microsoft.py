"""`deliverd auth microsoft`: gets the key to SNDS from a person, and says what a key can see.

The person signs in in a browser, which Microsoft then sends to a port of this machine with a code; the code, and what
only we know of it (PKCE, RFC 7636), buy a refresh token, which the daemon renews from then on.
"""

import asyncio
import contextlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from deliverd import clock
from deliverd.commands.codes import Code, UsageFault
from deliverd.commands.config_file import found_path, load_settings
from deliverd.commands.loopback import Loopback, NoConsent
from deliverd.commands.output import BAD, GOOD, QUIET, UNSURE, Output, Styled, Words
from probes import microsoft_snds
from probes.http import Http, HttpFault
from probes.microsoft_snds import Account, Config, Look
from probes.microsoft_snds_parse import Row
from probes.microsoft_token import Asking, Authority, SignIn, save
from probes.observation import Seen, Why

_HEADS = ("IP", "DOMAINS", "NEWEST DAY", "FILTER", "COMPLAINTS", "TRAPS", "MESSAGES")


def get_key(file: Path, authority: Authority, port: int, wait: float) -> Code:
    """Walk a person through the sign-in and write the key to `file`. Raises UsageFault for what cannot be used."""
    if not file.parent.is_dir():
        raise UsageFault(f"{file.parent} is not a directory: the key cannot be written there")
    out = Output()
    try:
        sign_in = _sign_in(authority, port, wait, out)
    except (NoConsent, HttpFault) as fault:
        out.line(Styled("no key", BAD), f": {fault}")
        return Code.UNSEEN
    try:
        save(file, sign_in)
    except OSError as fault:
        raise UsageFault(f"{file} cannot be written: {fault.strerror}") from None
    out.line(Styled("written", GOOD), f": {file}, for its owner alone. Then:")
    out.line(f"  deliverd auth microsoft {file} --check")
    return Code.GOOD


def _sign_in(authority: Authority, port: int, wait: float, out: Output) -> SignIn:
    """Ask the person. Raises NoConsent and HttpFault."""
    try:
        server = Loopback(port, "Microsoft")
    except OSError as fault:
        raise UsageFault(f"port {port} of this machine cannot be used: {fault.strerror}") from None
    # The one address that this client is registered with; its port is free to choose.
    address = f"http://localhost:{server.server_port}"
    with server, contextlib.closing(Asking(authority, address, clock.now())) as asking:
        out.line("Open this address in a browser on this machine, and sign in with the account that SNDS knows:")
        out.line(f"  {asking.address}")
        out.line(Styled(f"Waiting for it on {address} for {wait:g} s.", QUIET))
        sys.stdout.flush()
        return asking.redeem(server.answer(asking.state, wait), clock.now())


def check_key(file: Path | None, config: Path | None, certificates: str | None, api_root: str | None) -> Code:
    """Say what a key can see: the one in `file`, else the configured one. Raises UsageFault, and ConfigError."""
    configured = _configured(config)
    ips = configured.ips if configured else {}
    account = _account(file, certificates, api_root) if file else configured
    if account is None:
        raise UsageFault("there is no [sources.microsoft_snds] in the configuration: name the file of the key")
    found = asyncio.run(_look(account))
    out = Output()
    _tell_key(found, out)
    rows = _newest(found.read.table.rows)
    if rows:
        out.table(_HEADS, [_line(row, ips) for row in rows])
    for broken in found.read.table.broken:
        out.line(Styled("unreadable", BAD), f": line {broken.line}: {broken.reason}")
    return _verdict(found, out)


async def _look(account: Account) -> Look:
    async with Http() as http:
        return await microsoft_snds.look(account, http, clock.now())


def _configured(config: Path | None) -> Config | None:
    path = found_path(config)
    source = load_settings(path).sources.get(microsoft_snds.SOURCE) if path else None
    return source if isinstance(source, Config) else None


def _account(file: Path, certificates: str | None, api_root: str | None) -> Account:
    try:
        return Account(
            token_file=file, certificates=certificates, **({} if api_root is None else {"api_root": api_root})
        )
    except ValidationError as fault:
        raise UsageFault(fault.errors()[0]["msg"].removeprefix("Value error, ")) from None


def _tell_key(found: Look, out: Output) -> None:
    if not isinstance(found.key, Seen):
        return
    readings = found.key.readings
    good = readings["code"] == "ok"
    words = f": {readings['key']}, good until {readings['ends']}" if good else f": {readings['detail']}"
    out.line(Styled("key", GOOD if good else UNSURE), words)


def _verdict(found: Look, out: Output) -> Code:
    fault, table = found.read.fault, found.read.table
    if fault and fault.why is not Why.NO_DATA:
        out.line(Styled("blind", BAD), f": {fault.detail}")
        return Code.UNSEEN
    if not table.rows and not table.broken:
        words = ": SNDS answers, and has no numbers for these days: too little mail, or no address of this account"
        out.line(Styled("nothing yet", UNSURE), words)
    return Code.UNSEEN if table.broken else Code.GOOD


def _newest(rows: Sequence[Row]) -> list[Row]:
    """The newest row of each address, by address."""
    newest = {row.ip: row for row in sorted(rows, key=lambda row: row.day)}
    return [newest[ip] for ip in sorted(newest)]


def _line(row: Row, ips: Mapping[str, Sequence[str]]) -> tuple[Words, ...]:
    return (row.ip, ", ".join(ips.get(row.ip, ())) or Styled("none configured", UNSURE), row.day, *_figures(row))


def _figures(row: Row) -> Iterator[Words]:
    """What the row tells; what it leaves out is a dash, and not zero."""
    colours = {"green": GOOD, "yellow": UNSURE, "red": BAD}
    colour = str(row.readings.get("filter_result", "-"))
    yield Styled(colour, colours[colour]) if colour in colours else colour
    for name in ("complaint_rate_text", "trap_hits", "message_recipients"):
        yield str(row.readings.get(name, "-"))
