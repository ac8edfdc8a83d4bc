"""Microsoft's sign-in on this machine, over https as msal demands it: it agrees at once, and can fail on purpose.

It keeps to what the real one asks of a public client (RFC 6749, RFC 7636): one redirect address but for its port, the
verifier of the challenge, no Origin header; and every refresh token is replaced when it is used.
"""

import base64
import hashlib
import json
import re
import secrets
import ssl
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit
from urllib.request import HTTPSHandler, ProxyHandler, build_opener

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from peers.snds import FailingHandler, Fault, QuietServer

CLIENT = "a53a6cc1-a1cd-46f7-a4aa-281cdabec33c"


def certificate(folder: Path) -> Path:
    """A certificate for this machine and its key, in one file; it is its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a sign-in for tests")])
    names = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "authority.pem"
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(secret + made.public_bytes(Encoding.PEM))
    return path


@dataclass
class MicrosoftSignIn:
    """One person, who signs in and agrees. `valid` is the one refresh token that holds; `issued` all there were."""

    folder: Path
    valid: str = "M.refresh-token-0"
    revoked: bool = False
    no_refresh_token: bool = False
    lasts: int | None = None
    declines: bool = False
    fault: Fault | None = None
    fault_on: str = ""
    said: Any = None
    """Answered by the token endpoint instead of a token."""
    discovery: dict[str, Any] = field(default_factory=dict)
    retry_after: str = "7"
    access: set[str] = field(default_factory=set)
    issued: list[str] = field(default_factory=list)
    forms: list[dict[str, str]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def __enter__(self) -> Self:
        self.certificates = certificate(self.folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificates)
        self._server = QuietServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"peer": self}))
        # The handshake is made where the connection is served, so that a slow one holds nobody up.
        self._server.socket = context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False, suppress_ragged_eofs=True
        )
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"https://localhost:{self._server.server_port}/consumers"

    def key(self, now: datetime, *, until: datetime | None = None, **more: str) -> Path:
        """A key as `deliverd auth microsoft` writes it, signed in ten days before `now`."""
        before = now - timedelta(days=10)
        fields = {
            "authority": self.url,
            "client_id": CLIENT,
            "refresh_token": self.valid,
            "signed_in": before.isoformat(),
            "renewed": before.isoformat(),
            "ends": (until or before + timedelta(days=90)).isoformat(),
        }
        path = self.folder / "microsoft-token.json"
        path.write_text(json.dumps(fields | more))
        path.chmod(0o600)
        return path

    def agree(self, address: str) -> tuple[str, dict[str, str]]:
        """What a person's browser does with the address: the form it comes back with, and where that goes."""
        context = ssl.create_default_context(cafile=str(self.certificates))
        page = build_opener(ProxyHandler({}), HTTPSHandler(context=context)).open(address, timeout=10).read().decode()
        form = re.findall(r'<input name="([^"]*)" value="([^"]*)">', page)
        return re.findall(r'action="([^"]*)"', page)[0], dict(form)

    def grant(self, nonce: str) -> dict[str, Any]:
        """Tokens anew; those that were there no longer hold."""
        access, refresh = f"an-access-token-{len(self.issued)}", f"M.refresh-token-{len(self.issued) + 1}"
        self.access = {access}
        good: dict[str, Any] = {"token_type": "Bearer", "expires_in": 3600, "scope": f"{CLIENT}/.default"}
        if not self.no_refresh_token:
            self.valid = refresh
            self.issued.append(refresh)
            good["refresh_token"] = refresh
        if self.lasts is not None:
            good["refresh_token_expires_in"] = self.lasts
        claims = {"aud": CLIENT, "iss": self.url, "sub": "ann", "nonce": nonce}
        return good | {
            "access_token": access,
            "id_token": _jwt(claims),
            "client_info": _part({"uid": "u", "utid": "t"}),
        }


def _part(document: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")


def _jwt(claims: Any) -> str:
    return f"{_part({'alg': 'none'})}.{_part(claims)}.c2ln"


def _first(query: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(query).items()}


class _Handler(FailingHandler):
    peer: MicrosoftSignIn

    def do_GET(self) -> None:  # noqa: N802 - what http.server calls
        self._handle("")

    def do_POST(self) -> None:  # noqa: N802
        self._handle(self.rfile.read(int(self.headers.get("content-length", 0))).decode())

    def _handle(self, body: str) -> None:
        peer, parts = self.peer, urlsplit(self.path)
        peer.calls.append(parts.path)
        if peer.fault and peer.fault_on in parts.path:
            return self.fail(peer.fault)
        if parts.path == "/consumers/v2.0/.well-known/openid-configuration":
            return self._json(200, self._configuration())
        if parts.path == "/consumers/oauth2/v2.0/authorize":
            return self._authorize(_first(parts.query))
        if parts.path == "/consumers/oauth2/v2.0/token":
            return self._token(_first(body))
        return self._json(404, {"error": "invalid_request"})

    def _configuration(self) -> dict[str, Any]:
        root = f"{self.peer.url}/oauth2/v2.0"
        good = {"issuer": f"{self.peer.url}/v2.0", "authorization_endpoint": f"{root}/authorize"}
        return good | {"token_endpoint": f"{root}/token"} | self.peer.discovery

    def _authorize(self, asked: dict[str, str]) -> None:
        self._must(asked.get("client_id") == CLIENT, "the client")
        self._must(asked.get("response_type") == "code", "the response type")
        self._must(asked.get("code_challenge_method") == "S256", "PKCE")
        scopes = {f"{CLIENT}/.default", "offline_access", "openid", "profile"}
        self._must(set(asked.get("scope", "").split()) == scopes, "the scopes")
        address = urlsplit(asked.get("redirect_uri", ""))
        self._must((address.scheme, address.hostname, address.path) == ("http", "localhost", ""), "the redirect")
        code = secrets.token_urlsafe(8)
        self.peer.codes[code] = asked
        self._must(asked.get("response_mode") == "form_post", "the response mode")
        fields = (
            {"code": code, "state": asked["state"]}
            if not self.peer.declines
            else {
                "error": "access_denied",
                "state": asked["state"],
            }
        )
        inputs = "".join(f'<input name="{name}" value="{value}">' for name, value in fields.items())
        page = f'<form method="POST" action="{asked["redirect_uri"]}">{inputs}</form>'
        self.send(200, page.encode(), kind="text/html")

    def _token(self, form: dict[str, str]) -> None:
        peer = self.peer
        peer.forms.append(form)
        self._must("origin" not in self.headers, "the Origin header (AADSTS90023)")
        self._must(form.get("client_id") == CLIENT and "client_secret" not in form, "the public client")
        if peer.said is not None:
            return self._json(*peer.said)
        asked = peer.codes.pop(form.get("code", ""), {})
        wrong = self._wrong(form, asked)
        if wrong or peer.revoked:
            words = wrong or f"AADSTS700082: The refresh token {form.get('refresh_token')} has expired.\r\nTrace ID: x"
            return self._json(400, {"error": "invalid_grant", "error_description": words, "error_codes": [700082]})
        return self._json(200, peer.grant(asked.get("nonce", "")))

    def _wrong(self, form: dict[str, str], asked: dict[str, str]) -> str:
        if form.get("grant_type") == "refresh_token":
            return "" if form.get("refresh_token") == self.peer.valid else "AADSTS70000: not the newest refresh token"
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        same = asked.get("redirect_uri") == form.get("redirect_uri")
        return "" if asked.get("code_challenge") == challenge and same else "AADSTS501481: not the verifier"

    def _must(self, holds: bool, what: str) -> None:
        if not holds:
            self.peer.problems.append(f"{what} is not as Microsoft wants it: {self.path}")

    def _json(self, status: int, document: Any) -> None:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.send(status, body, kind="application/json")


def without_bundles(environ: Iterable[tuple[str, str]]) -> dict[str, str]:
    """An environment in which requests trusts what it is told to trust, and nothing else."""
    return {name: value for name, value in environ if name not in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")}
