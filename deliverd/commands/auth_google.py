"""`deliverd auth google`: gets the key to Google Postmaster Tools from a person, and says what a key can see.

The way of RFC 8252 for installed applications: the person agrees in a browser, which Google then sends to a port of
this machine with a code; the code, and what only we know of it (PKCE, RFC 7636), buy the refresh token.
"""

import asyncio
import base64
import contextlib
import hashlib
import json
import os
import secrets
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from pydantic import SecretStr, ValidationError

from deliverd import clock
from deliverd.commands.codes import Code, UsageFault
from deliverd.commands.config_file import found_path, load_settings
from deliverd.commands.loopback import Loopback, NoConsent
from deliverd.commands.names import spelt
from deliverd.commands.output import BAD, GOOD, QUIET, UNSURE, Output, Styled
from probes import google_postmaster
from probes.google_postmaster_client import DOMAIN_SCOPE, READ_SCOPE, TOKEN_URI, is_safe
from probes.google_postmaster_faults import ApiFault
from probes.http import Http, HttpFault, check
from probes.observation import Observation, Seen, Unseen, Why

_AUTH_URI = "https://accounts.google.com/o/oauth2/auth"


@dataclass(frozen=True, slots=True)
class _Client:
    """An OAuth client of the kind "Desktop app", as the Google Cloud console hands it out."""

    id: str
    secret: str = field(repr=False)
    auth_uri: str
    token_uri: str


def get_key(file: Path, client_file: Path, list_domains: bool, port: int, wait: float) -> Code:
    """Walk a person through the consent and write the key to `file`. Raises UsageFault for what cannot be used."""
    client = _read_client(client_file)
    if not file.parent.is_dir():
        raise UsageFault(f"{file.parent} is not a directory: the key cannot be written there")
    scopes = [READ_SCOPE, *([DOMAIN_SCOPE] if list_domains else [])]
    out = Output()
    try:
        answer = _exchange(client, *_consent(client, scopes, port, wait, out))
    except NoConsent as fault:
        out.line(Styled("no key", BAD), f": {fault}")
        return Code.UNSEEN
    fields = {"type": "authorized_user", "client_id": client.id, "client_secret": client.secret}
    key = fields | {"refresh_token": answer, "token_uri": client.token_uri, "scopes": scopes}
    write_private(file, json.dumps(key, indent=2) + "\n")
    out.line(Styled("written", GOOD), f": {file}, for its owner alone. Then:")
    out.line(f"  deliverd auth google {file} --check")
    return Code.GOOD


def _read_client(path: Path) -> _Client:
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))["installed"]
        auth_uri, token_uri = fields.get("auth_uri", _AUTH_URI), fields.get("token_uri", TOKEN_URI)
        client = _Client(str(fields["client_id"]), str(fields["client_secret"]), str(auth_uri), str(token_uri))
    except OSError as fault:
        raise UsageFault(f"{path} cannot be read: {fault.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise UsageFault(f'{path} is not the JSON of an OAuth client of the kind "Desktop app"') from None
    if not is_safe(client.auth_uri) or not is_safe(client.token_uri):
        raise UsageFault(f"{path} names addresses that are not https://")
    return client


def _consent(client: _Client, scopes: Sequence[str], port: int, wait: float, out: Output) -> tuple[str, str, str]:
    """Ask the person. Returns the code, what it is sold for, and the address it was sent to. Raises NoConsent."""
    verifier, state = secrets.token_urlsafe(64), secrets.token_urlsafe(32)
    try:
        server = Loopback(port, "Google")
    except OSError as fault:
        raise UsageFault(f"port {port} of this machine cannot be used: {fault.strerror}") from None
    address = f"http://127.0.0.1:{server.server_port}/"
    with server:
        digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=")
        asked = {
            "client_id": client.id,
            "redirect_uri": address,
            "response_type": "code",
            "scope": " ".join(scopes),
            "state": state,
            "code_challenge": digest.decode(),
            "code_challenge_method": "S256",
            # Without these two, whoever agreed before gets no refresh token.
            "access_type": "offline",
            "prompt": "consent",
        }
        out.line("Open this address in a browser on this machine, and agree:")
        out.line(f"  {client.auth_uri}?{urlencode(asked)}")
        out.line(Styled(f"Waiting for it on {address} for {wait:g} s.", QUIET))
        sys.stdout.flush()
        return server.answer(state, wait)["code"], verifier, address


def _exchange(client: _Client, code: str, verifier: str, address: str) -> str:
    """The refresh token that a code buys. Raises NoConsent."""
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "code_verifier": verifier,
        "redirect_uri": address,
        "client_id": client.id,
        "client_secret": client.secret,
    }
    hidden = (client.secret, code, verifier)

    async def post() -> Any:
        headers = {"content-type": "application/x-www-form-urlencoded"}
        async with Http(timeout_seconds=30) as http:
            answer = await http.post(client.token_uri, body=urlencode(form).encode(), headers=headers)
        check(answer, "Google's token service", clock.now(), hidden)
        return json.loads(answer.body)

    try:
        said = asyncio.run(post())
    except HttpFault as fault:
        raise NoConsent(fault.detail) from None
    except (ValueError, RecursionError):
        raise NoConsent("Google's token service answers with something that is not JSON") from None
    token = said.get("refresh_token") if isinstance(said, dict) else None
    if not isinstance(token, str) or not token:
        raise NoConsent("Google gave no refresh token: remove deliverd at myaccount.google.com/permissions, try again")
    return token


def write_private(path: Path, text: str) -> None:
    """Write a file whole or not at all, for its owner alone. Raises OSError."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise


def check_key(file: Path, domains: Sequence[str], config: Path | None, api_root: str | None) -> Code:
    """Say what the key in `file` can see. Raises UsageFault, and ConfigError for a configuration that was asked for."""
    account = _account(file, api_root)
    wanted = [spelt(name) for name in domains] or _configured(config)
    try:
        registered = asyncio.run(google_postmaster.list_domains(account, clock.now()))
    except ApiFault as fault:
        registered = ()
        if not wanted and fault.why is Why.DENIED and "SCOPE" in fault.detail:
            raise UsageFault("the key may not list domains: name those to look at, --domain NAME") from None
        if fault.everybody and "SCOPE" not in fault.detail:
            Output().line(Styled("blind", BAD), f": {fault.unseen().detail}")
            return Code.UNSEEN
    rights = {one.name: one.permission if one.verified else "not verified" for one in registered}
    names = list(dict.fromkeys([*wanted, *rights]))
    looks = asyncio.run(google_postmaster.observe_days(account, names, None, clock.now()))
    sums = {look.target: look for look in looks if not look.part}
    rows = [(name, rights.get(name, "-"), *_finding(sums[name])) for name in names]
    Output().table(("DOMAIN", "RIGHTS", "SEEN", "FINDING"), rows)
    return Code.GOOD if names and all(_may_see(look) for look in sums.values()) else Code.UNSEEN


def _account(file: Path, api_root: str | None) -> google_postmaster.Config:
    try:
        text = file.read_text(encoding="utf-8")
        return google_postmaster.Config(token=SecretStr(text), api_root=api_root)
    except OSError as fault:
        raise UsageFault(f"{file} cannot be read: {fault.strerror}") from None
    except ValidationError as fault:
        words = fault.errors()[0]["msg"].removeprefix("Value error, ")
        raise UsageFault(f"{file} is not a key: {words}") from None
    except UnicodeDecodeError:
        raise UsageFault(f"{file} is not a key: it is not UTF-8 text") from None


def _configured(config: Path | None) -> list[str]:
    path = found_path(config)
    return list(load_settings(path).domains) if path else []


def _may_see(look: Observation) -> bool:
    """Whether there is leave to look: a domain that sends Gmail too little has no numbers, and is fine."""
    return isinstance(look.answer, Seen) or look.answer.why is Why.NO_DATA


def _finding(look: Observation) -> tuple[Styled, str]:
    match look.answer:
        case Unseen(Why.NO_DATA, detail):
            return Styled("nothing yet", UNSURE), detail
        case Unseen(_, detail):
            return Styled("no", BAD), detail
        case Seen(readings):
            days = "1 day" if readings["days"] == 1 else f"{readings['days']} days"
            return Styled("yes", GOOD), f"{days} with numbers, the newest {readings['latest']}"
