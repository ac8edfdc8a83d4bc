"""Microsoft Graph and its authority on this machine: one mailbox with real state, that can fail on purpose.

What it answers follows learn.microsoft.com/graph: user-list-messages, message-delta, outlook-get-mime-message,
json-batching, throttling, and entra's v2.0 token endpoint. It is as strict as Graph is known to be: an `$orderby` that
is not in `$filter` first is refused, mails are listed by pages, a delta link lapses.
"""

import json
import re
import secrets
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.utils import formatdate
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from peers.dovecot import certify

TENANT, CLIENT, SECRET, USER = "the-tenant", "the-client", "the-client-secret", "fbl@acme.test"
PAGE = 10
"""Mails on a page when nobody asks for more."""


class Fault(Enum):
    """The ways in which it can fail."""

    HANG = "takes the call and never answers"
    HANGUP = "takes the call and hangs up"
    REFUSED = 400
    UNAUTHORIZED = 401
    FORBIDDEN = 403
    MISSING = 404
    RATE_LIMITED = 429
    BROKEN = 500
    GARBAGE = "200 and bytes that are no JSON"
    HTML = "200 and a page"
    LIST = "200 and JSON that is no object"
    TRUNCATED = "200 and half of the answer"
    REDIRECT = 302
    ELSEWHERE = "200 and a link to another server"


@dataclass
class Message:
    """One mail in the mailbox. `change` is when it was changed last, `gone` whether it was taken away."""

    id: str
    raw: bytes
    received: str
    change: int
    read: bool = False
    flagged: bool = False
    gone: bool = False


@dataclass(frozen=True)
class Call:
    """What was asked: of the authority, or of Graph."""

    method: str
    path: str


@dataclass
class Graph:
    """One mailbox. `most` limits the pages, `put_off` how many marks of a batch are answered with 429 at first."""

    url: str = ""
    authority: str = ""
    certificate: Path = Path()
    mails: dict[str, Message] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    retry_after: str = "0"
    most: int = 1000
    put_off: int = 0
    lapsed: int = 0
    _tokens: set[str] = field(default_factory=set)
    _changes: int = 0
    _faults: dict[str, tuple[Fault, int]] = field(default_factory=dict)
    _ending: threading.Event = field(default_factory=threading.Event)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def deliver(self, *raws: bytes, received: str | None = None) -> list[str]:
        """Put mails into the inbox, a second after each other; their ids."""
        with self._lock:
            made = []
            for raw in raws:
                number = len(self.mails) + 1
                at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(1_790_000_000 + number))
                name = f"AAkALg{number}/+=="
                self.mails[name] = Message(name, raw, received or at, self._next())
                made.append(name)
            return made

    def take_away(self, name: str) -> None:
        with self._lock:
            self.mails[name].gone = True
            self.mails[name].change = self._next()

    def fail(self, place: str, fault: Fault, times: int = 1_000_000) -> None:
        """Fail wherever `place` is in the path: `token`, `messages?`, `delta`, `$value`, `$batch`."""
        self._faults[place] = (fault, times)

    def mend(self) -> None:
        self._faults.clear()

    def forget(self) -> None:
        """Let every delta link given so far lapse, and every token."""
        with self._lock:
            self.lapsed = self._next()

    def marks(self) -> list[tuple[bool, bool]]:
        """Of each mail, whether it is read and flagged."""
        return [(mail.read, mail.flagged) for mail in self.mails.values()]

    def count(self, part: str) -> int:
        return sum(part in call.path for call in self.calls)

    def _next(self) -> int:
        self._changes += 1
        return self._changes

    def _fault(self, path: str) -> Fault | None:
        with self._lock:
            for place, (fault, times) in self._faults.items():
                if place in path and times > 0:
                    self._faults[place] = (fault, times - 1)
                    return fault
        return None

    # ---- the authority ----

    def token(self, form: dict[str, list[str]]) -> tuple[int, Any]:
        given = {name: values[0] for name, values in form.items()}
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(self.url))
        if given.get("grant_type") != "client_credentials" or given.get("scope") != f"{origin}/.default":
            return 400, {"error": "invalid_scope", "error_description": "AADSTS70011: the scope is not valid."}
        if (given.get("client_id"), given.get("client_secret")) != (CLIENT, SECRET):
            said = f"AADSTS7000215: Invalid client secret provided: {given.get('client_secret')}\r\nTrace ID: x"
            return 401, {"error": "invalid_client", "error_description": said}
        made = secrets.token_urlsafe(20)
        self._tokens.add(made)
        return 200, {"token_type": "Bearer", "expires_in": 3599, "access_token": made}

    def about(self, path: str) -> tuple[int, Any]:
        if path.startswith("/common/discovery/instance"):
            return 200, {"metadata": [], "tenant_discovery_endpoint": f"{self.authority}/{TENANT}/v2.0"}
        base = f"{self.authority}/{TENANT}"
        if path != f"/{TENANT}/v2.0/.well-known/openid-configuration":
            return 400, {"error": "invalid_tenant", "error_description": "AADSTS90002: Tenant not found."}
        return 200, {
            "issuer": f"{base}/v2.0",
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "token_endpoint": f"{base}/oauth2/v2.0/token",
        }

    # ---- Graph ----

    def answer(self, method: str, target: str, headers: Any, body: bytes) -> tuple[int, Any]:
        with self._lock:
            if headers.get("authorization", "").removeprefix("Bearer ") not in self._tokens:
                return 401, _error("InvalidAuthenticationToken", "Access token is empty.")
            parts = urlsplit(target)
            path = parts.path.removeprefix("/v1.0")
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            if (method, path) == ("POST", "/$batch"):
                return self._batch(body)
            if 'IdType="ImmutableId"' not in headers.get("prefer", ""):
                return 400, _error("Test", "an id that changes when the mail is moved")
            mailbox = f"/users/{quote(USER, safe='')}"
            if not path.startswith(mailbox):
                return 404, _error("ErrorInvalidUser", "The requested user is invalid.")
            path = path.removeprefix(mailbox)
            if path == "/mailFolders/inbox/messages":
                return self._list(query)
            if path == "/mailFolders/inbox/messages/delta":
                return self._delta(query, headers.get("prefer", ""))
            if path.startswith("/messages/"):
                return self._one(path, query)
            return 404, _error("ErrorItemNotFound", "The specified object was not found in the store.")

    def _one(self, path: str, query: dict[str, str]) -> tuple[int, Any]:
        name = unquote(path.split("/")[2])
        mail = self.mails.get(name)
        if mail is None or mail.gone:
            return 404, _error("ErrorItemNotFound", "The specified object was not found in the store.")
        if path.endswith("/$value"):
            return 200, mail.raw
        assert query == {"$select": "internetMessageHeaders"}
        found = message_from_bytes(mail.raw).items()
        return 200, {"id": name, "internetMessageHeaders": [{"name": n, "value": str(v)} for n, v in found]}

    def _list(self, query: dict[str, str]) -> tuple[int, Any]:
        order, terms = query.get("$orderby", ""), query.get("$filter", "")
        found = [mail for mail in self.mails.values() if not mail.gone]
        if terms:
            match = re.fullmatch(r"receivedDateTime ge ([0-9TZ:.-]+) and isRead eq false", terms)
            if match is None:
                return 400, _error("ErrorInvalidUrlQueryFilter", "The query filter contains one or more invalid nodes.")
            found = [mail for mail in found if mail.received >= match[1] and not mail.read]
        if order not in ("receivedDateTime", "receivedDateTime desc"):
            return 400, _error("InefficientFilter", "The restriction or sort order is too complex.")
        found.sort(key=lambda mail: mail.received, reverse=order.endswith("desc"))
        start, top = int(query.get("$skip", 0)), min(int(query.get("$top", PAGE)), self.most)
        said: dict[str, Any] = {"value": [_item(mail) for mail in found[start : start + top]]}
        if start + top < len(found):
            more = "&".join(f"{name}={quote(value)}" for name, value in {**query, "$skip": str(start + top)}.items())
            said["@odata.nextLink"] = f"{self.url}/users/{quote(USER)}/mailFolders/inbox/messages?{more}"
        return 200, said

    def _delta(self, query: dict[str, str], prefer: str) -> tuple[int, Any]:
        given = query.get("$deltatoken") or query.get("$skiptoken") or ""
        since, _, start = given.partition(".")
        if given and int(since) < self.lapsed:
            return 410, _error("SyncStateNotFound", "The sync state generation is not found")
        first = not given
        match = re.fullmatch(r"receivedDateTime ge ([0-9TZ:.-]+)", query.get("$filter", ""))
        if query.get("$filter") and match is None:
            return 400, _error("ErrorInvalidUrlQuery", "The following parameters are not supported")
        found = [mail for mail in self.mails.values() if first or mail.change > int(since)]
        found = [mail for mail in found if not match or mail.received >= match[1]]
        most = re.search(r"odata\.maxpagesize=(\d+)", prefer)
        top, begin = min(int(most[1]) if most else PAGE, self.most), int(start or 0)
        base = f"{self.url}/users/{quote(USER)}/mailFolders/inbox/messages/delta"
        said: dict[str, Any] = {
            "value": [
                {"id": mail.id, "@removed": {"reason": "deleted"}}
                if mail.gone
                else {"id": mail.id, "isRead": mail.read}
                for mail in found[begin : begin + top]
            ]
        }
        if begin + top < len(found):
            said["@odata.nextLink"] = f"{base}?$skiptoken={since or 0}.{begin + top}"
        else:
            said["@odata.deltaLink"] = f"{base}?$deltatoken={self._changes}"
        return 200, said

    def _batch(self, body: bytes) -> tuple[int, Any]:
        requests = json.loads(body)["requests"]
        if len(requests) > 20:
            return 400, _error("BadRequest", "Number of batch requests is higher than 20.")
        said = [self._mark(request) for request in requests]
        return 200, {"responses": said[::-1]}  # they may come in any order

    def _mark(self, request: dict[str, Any]) -> dict[str, Any]:
        assert request["method"] == "PATCH" and request["headers"]["Content-Type"] == "application/json"
        if self.put_off:
            self.put_off -= 1
            wait = {"Retry-After": self.retry_after}
            said = _error("TooManyRequests", "throttled")
            return {"id": request["id"], "status": 429, "headers": wait, "body": said}
        mail = self.mails.get(unquote(request["url"].rpartition("/")[2]))
        if mail is None or mail.gone:
            return {"id": request["id"], "status": 404, "body": _error("ErrorItemNotFound", "not found")}
        mail.read = request["body"]["isRead"]
        mail.flagged = mail.flagged or request["body"].get("flag") == {"flagStatus": "flagged"}
        mail.change = self._next()
        return {"id": request["id"], "status": 200, "headers": {}, "body": _item(mail)}


def _item(mail: Message) -> dict[str, Any]:
    return {"@odata.etag": "W/x", "id": mail.id, "receivedDateTime": mail.received, "isRead": mail.read}


def _error(code: str, message: str) -> Any:
    return {"error": {"code": code, "message": message, "innerError": {"request-id": "x"}}}


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who hangs up is meant to."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer in one piece: in two, each would take 40 ms
    graph: Graph
    of_authority = False

    def do_GET(self) -> None:
        self._do()

    def do_POST(self) -> None:
        self._do()

    def log_message(self, *_: Any) -> None:
        pass

    def _do(self) -> None:
        graph = self.graph
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        graph.calls.append(Call(self.command, self.path))
        fault = graph._fault(self.path)
        if fault is not None and self._fail(fault):
            return
        if self.of_authority:
            form = self.command == "POST" and self.path == f"/{TENANT}/oauth2/v2.0/token"
            status, said = graph.token(parse_qs(body.decode())) if form else graph.about(self.path)
        else:
            status, said = graph.answer(self.command, self.path, self.headers, body)
        self._send(status, said if isinstance(said, bytes) else json.dumps(said).encode())

    def _fail(self, fault: Fault) -> bool:
        match fault:
            case Fault.HANG:
                self.graph._ending.wait(60)
                self.close_connection = True
            case Fault.HANGUP:
                self.close_connection = True
            case Fault.GARBAGE:
                self._send(200, b"\xff\xfe{]")
            case Fault.HTML:
                self._send(200, b"<!DOCTYPE html><title>Sign in</title>")
            case Fault.LIST:
                self._send(200, b"[1, 2]")
            case Fault.ELSEWHERE:
                link = "https://evil.test/v1.0/next"
                self._send(200, json.dumps({"value": [], "@odata.nextLink": link, "access_token": 3}).encode())
            case Fault.TRUNCATED:
                self.send_response(200)
                self.send_header("content-length", "1000")
                self.end_headers()
                self.wfile.write(b'{"value": [')
                self.close_connection = True
            case _:
                said = {"error": "x", "error_description": "no"} if self.of_authority else _error("x", "no")
                self._send(int(str(fault.value)), json.dumps(said).encode())
        return True

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        if status in (429, 503):
            self.send_header("retry-after", self.graph.retry_after)
        if status == 302:
            self.send_header("location", "https://evil.test/?key=x")
        self.end_headers()
        self.wfile.write(body)

    def date_time_string(self, timestamp: float | None = None) -> str:
        return formatdate(timestamp, usegmt=True)


@contextmanager
def serving(folder: Path) -> Iterator[Graph]:
    """Graph in clear and its authority over TLS, each in threads of its own."""
    graph = Graph()
    certify(folder)
    api = _Server(("127.0.0.1", 0), type("Api", (_Handler,), {"graph": graph}))
    entra = _Server(("127.0.0.1", 0), type("Entra", (_Handler,), {"graph": graph, "of_authority": True}))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    entra.socket = context.wrap_socket(entra.socket, server_side=True)
    graph.url = f"http://127.0.0.1:{api.server_address[1]}/v1.0"
    graph.authority = f"https://127.0.0.1:{entra.server_address[1]}"
    graph.certificate = folder / "server.pem"
    servers = (api, entra)
    for server in servers:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield graph
    finally:
        graph._ending.set()
        for server in servers:
            server.shutdown()
            server.server_close()
