"""Google Postmaster Tools on this machine: answers from the discovery document's schemas, and can fail on purpose.

Requests and answers are checked against those schemas with jsonschema, filters against the grammar that the document
gives in words. It runs in a thread of its own; Google's client talks to it over a real socket.
"""

import base64
import hashlib
import json
import re
import secrets
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import Enum
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlencode, urlsplit

from jsonschema import Draft202012Validator

REFRESH_TOKEN = "1//the-refresh-token"
CLIENT_SECRET = "GOCSPX-the-client-secret"
Value = float | list[str]


class Fault(Enum):
    """The ways in which it can fail."""

    HANG = "takes the call and never answers"
    DRIP = "answers a byte now and then, without end"
    UNAUTHORIZED = 401
    SERVICE_DISABLED = "403: the API is switched off in the project"
    SCOPE = "403: the token lacks the scope"
    FORBIDDEN = "403: no permission, for the call as a whole"
    FORBIDDEN_RATE = "403: rateLimitExceeded"
    INVALID = 400
    RATE_LIMITED = 429
    BROKEN = 500
    GARBAGE = "200 and bytes that are no JSON"
    HTML = "200 and a page"
    LIST = "200 and JSON that is no object"
    TRUNCATED = "200 and half of the answer"
    REDIRECT = 302


@cache
def _schemas() -> dict[str, Any]:
    """The discovery document's schemas as JSON Schema, in which nothing unknown may stand."""
    place = files("googleapiclient.discovery_cache") / "documents" / "gmailpostmastertools.v2.json"
    named = json.loads(place.read_text(encoding="utf-8"))["schemas"]
    return {name: _schema(schema) for name, schema in named.items()}


def _schema(found: Any) -> Any:
    if not isinstance(found, dict):
        return found
    if "$ref" in found:
        return {"$ref": f"#/$defs/{found['$ref']}"}
    if found.get("type") == "any":
        return {}
    kept = {key: found[key] for key in ("type", "enum", "items", "additionalProperties") if key in found}
    kept |= {key: _schema(kept[key]) for key in ("items", "additionalProperties") if key in kept}
    if "properties" in found:
        kept["properties"] = {name: _schema(value) for name, value in found["properties"].items()}
        kept["additionalProperties"] = False
    return kept


@cache
def _validator(name: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": _schemas()})


def check(name: str, document: Any) -> None:
    """Raises jsonschema's ValidationError unless `document` is what the discovery document calls `name`."""
    _validator(name).validate(document)


_TERM = re.compile(r'([a-z_]+) = "([^"\\]*)"')
_ERROR_REASONS = {
    "reject": [
        "bad_attachment",
        "bad_or_missing_ptr_record",
        "ip_in_rbls",
        "low_domain_reputation",
        "low_ip_reputation",
        "spammy_content",
        "stamp_policy_error",
        "other",
    ],
    "temp_fail": ["anomalous_traffic_pattern", "other"],
}


def _filter_holds(metric: str, text: str) -> bool:
    """Whether a filter is one that the discovery document describes for a metric."""
    terms = [_TERM.fullmatch(term) for term in text.split(" AND ")] if text else []
    if not all(terms):
        return False
    given = {term[1]: term[2] for term in terms if term}
    match metric:
        case "SPAM_RATE":
            return not given
        case "AUTH_SUCCESS_RATE":
            return set(given) == {"auth_type"} and given["auth_type"] in ("spf", "dkim", "dmarc")
        case "TLS_ENCRYPTION_RATE" | "TLS_ENCRYPTION_MESSAGE_COUNT":
            return set(given) == {"traffic_direction"} and given["traffic_direction"] in ("inbound", "outbound")
        case "FEEDBACK_LOOP_ID":
            return set(given) <= {"aggregation_key_type"}
        case "FEEDBACK_LOOP_SPAM_RATE":
            return "feedback_loop_id" in given and set(given) <= {"feedback_loop_id", "aggregation_key_type"}
        case "DELIVERY_ERROR_RATE" | "DELIVERY_ERROR_COUNT":
            if not given or set(given) == {"error_type"}:
                return not given or given["error_type"] in _ERROR_REASONS
            reasons = _ERROR_REASONS.get(given.get("error_type", ""), [])
            return set(given) == {"error_type", "error_reason"} and given["error_reason"] in reasons
    return False


def key(metric: str, wanted: str = "") -> str:
    """How a value is kept: the metric and its filter."""
    return f"{metric} {wanted}".strip()


SPAM = key("SPAM_RATE")
LOOPS = key("FEEDBACK_LOOP_ID")


def loop(name: str) -> str:
    return key("FEEDBACK_LOOP_SPAM_RATE", f'feedback_loop_id = "{name}"')


@dataclass(slots=True)
class Postmaster:
    """A context manager. `numbers` are domain -> ISO day -> `key(...)` -> value; who is not in it may not be seen."""

    numbers: dict[str, dict[str, dict[str, Value]]] = field(default_factory=dict)
    compliance: dict[str, dict[str, Any]] = field(default_factory=dict)
    denied_whole: bool = False
    """What batchQuery does with a domain that may not be seen: refuse the whole call, or that one query."""
    item_errors: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Domain -> what its queries of a batch get, one after the other, before they work."""
    listed: dict[str, Any] | None = None
    """Answer this, unchecked, when asked for domains."""
    listing: bool = False
    """Whether the token has the scope that lists domains."""
    retry_after: str = "7"
    page_size: int = 200
    """The most entries of a page, however many were asked for."""
    endless: bool = False
    """Every page names another one, always the same."""
    check_answers: bool = True
    revoked: bool = False
    no_refresh_token: bool = False
    answer: dict[str, Any] | None = None
    """Answer this, unchecked, to every query."""
    results: list[Any] | None = None
    """Answer these, unchecked, to a batch."""
    calls: list[str] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    tokens: list[dict[str, str]] = field(default_factory=list)
    """The forms with which access tokens were asked for."""
    problems: list[str] = field(default_factory=list)
    """What was wrong with requests, or with its own answers."""
    threads: set[int] = field(default_factory=set)
    _codes: dict[str, str] = field(default_factory=dict)
    _fault: tuple[Fault, int, str] | None = None
    _server: ThreadingHTTPServer | None = None
    _release: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        peer = self

        class Handler(_Handler):
            google = peer

        class Server(ThreadingHTTPServer):
            request_queue_size = 256
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                """A caller that hangs up is no news here."""

        self._server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server
        self._release.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        assert self._server
        return f"http://127.0.0.1:{self._server.server_port}/"

    @property
    def token(self) -> str:
        """The JSON of an authorized user, whose tokens come from here."""
        fields = {"client_id": "me", "client_secret": CLIENT_SECRET, "refresh_token": REFRESH_TOKEN}
        return json.dumps({"type": "authorized_user", "token_uri": f"{self.url}token", **fields})

    @property
    def client_file(self) -> str:
        """The JSON of an OAuth client, as the Google Cloud console hands it out for a desktop application."""
        uris = {"auth_uri": f"{self.url}auth", "token_uri": f"{self.url}token"}
        return json.dumps({"installed": {"client_id": "me", "client_secret": CLIENT_SECRET, **uris}})

    def fail(self, fault: Fault, times: int = 1_000_000, path: str = "/v2/") -> None:
        """From now on fail so, `times` times, where the path holds `path`; then work again."""
        self._fault = fault, times, path

    def fault_for(self, path: str) -> Fault | None:
        if self._fault is None or self._fault[2] not in path or self._fault[1] < 1:
            return None
        self._fault = self._fault[0], self._fault[1] - 1, self._fault[2]
        return self._fault[0]

    def fill(self, domain: str, days: Iterable[date], values: dict[str, Value]) -> None:
        """Give a domain the same values on each day."""
        kept = self.numbers.setdefault(domain, {})
        for day in days:
            kept[day.isoformat()] = dict(values)

    def batch(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if len(body.get("requests", [])) > 100:
            return _error(400, "INVALID_ARGUMENT", "at most 100 requests")
        if self.results is not None:
            return 200, {"results": self.results}
        results = [self._item(one) for one in body.get("requests", [])]
        if self.denied_whole and any(result.get("error", {}).get("code") == 7 for result in results):
            return _error(403, "PERMISSION_DENIED", "The caller does not have permission")
        return 200, {"results": results} if results else {}

    def _item(self, body: dict[str, Any]) -> dict[str, Any]:
        domain = body["parent"].removeprefix("domains/")
        if self.item_errors.get(domain):
            return {"error": self.item_errors[domain].pop(0)}
        status, said = self.query(domain, body)
        codes = {400: 3, 403: 7}
        return {"response": said} if status == 200 else {"error": {"code": codes[status], "message": "no"}}

    def query(self, domain: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if domain not in self.numbers:
            return _error(403, "PERMISSION_DENIED", "The caller does not have permission")
        if self.answer is not None:
            return 200, self.answer
        asked = [
            (one["name"], one["baseMetric"]["standardMetric"], one.get("filter", ""))
            for one in body["metricDefinitions"]
        ]
        wrong = [one for one in asked if not _filter_holds(one[1], one[2])]
        if wrong or not 0 <= body.get("pageSize", 10) <= 200:
            self.problems.append(f"invalid: {wrong}")
            return _error(400, "INVALID_ARGUMENT", "Invalid filter")
        entries = list(self._entries(domain, body, asked))
        size = min(body.get("pageSize", 10) or 10, self.page_size)
        start = int(base64.b64decode(body.get("pageToken", "MA==")))
        page: dict[str, Any] = {"domainStats": entries[start : start + size]} if entries else {}
        if start + size < len(entries):
            page["nextPageToken"] = base64.b64encode(str(start + size).encode()).decode()
        if self.endless:
            page["nextPageToken"] = "MA=="
        return 200, page

    def _entries(
        self, domain: str, body: dict[str, Any], asked: list[tuple[str, str, str]]
    ) -> Iterator[dict[str, Any]]:
        """Oldest first, and nothing for a day that has no numbers."""
        for between in body["timeQuery"]["dateRanges"]["dateRanges"]:
            day, end = (date(**between[side]) for side in ("start", "end"))
            while day <= end:
                values = self.numbers[domain].get(day.isoformat(), {})
                for name, metric, wanted in asked:
                    if key(metric, wanted) in values:
                        yield _stat(domain, name, day, values[key(metric, wanted)])
                day += timedelta(days=1)


def _stat(domain: str, name: str, day: date, value: Value) -> dict[str, Any]:
    held: dict[str, Any] = {"stringList": {"values": value}} if isinstance(value, list) else {"floatValue": value}
    opaque = hashlib.sha256(f"{name}{day}".encode()).hexdigest()[:16]
    return {
        "name": f"domains/{domain}/domainStats/{opaque}",
        "metric": name,
        "date": {"year": day.year, "month": day.month, "day": day.day},
        "value": held,
    }


def _error(status: int, name: str, message: str, **info: str) -> tuple[int, dict[str, Any]]:
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", **info}] if info else []
    return status, {"error": {"code": status, "message": message, "status": name, "details": details}}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    google: Postmaster

    def do_GET(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def log_message(self, *_: object) -> None:
        """Tests are quiet."""

    def _handle(self) -> None:
        google, path = self.google, urlsplit(self.path).path
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        google.threads.add(threading.get_ident())
        fault = google.fault_for(path)
        if path == "/token" and fault is None:
            return self._send(*self._token({name: values[0] for name, values in parse_qs(body.decode()).items()}))
        if path == "/auth":
            return self._consent()
        if path.startswith("/v2/"):
            google.calls.append(path)
        if fault is not None:
            return self._fail(fault)
        if self.headers.get("authorization") != "Bearer an-access-token":
            return self._send(*_error(401, "UNAUTHENTICATED", "Request had invalid authentication credentials"))
        return self._answer(path, json.loads(body) if body else {})

    def _answer(self, path: str, body: dict[str, Any]) -> None:
        google = self.google
        if path == "/v2/domainStats:batchQuery":
            self._checked("BatchQueryDomainStatsRequest", body)
            shape, (status, said) = "BatchQueryDomainStatsResponse", google.batch(body)
        elif found := re.fullmatch(r"/v2/domains/([^/]+)/domainStats:query", path):
            self._checked("QueryDomainStatsRequest", body)
            shape, (status, said) = "QueryDomainStatsResponse", google.query(found[1], body)
        elif found := re.fullmatch(r"/v2/domains/([^/]+)/complianceStatus", path):
            shape = "DomainComplianceStatus"
            known = google.compliance.get(found[1])
            status, said = (
                (200, known)
                if known is not None
                else _error(403, "PERMISSION_DENIED", "The caller does not have permission")
            )
        elif path == "/v2/domains" and google.listed is not None:
            shape, (status, said) = "", (200, google.listed)
        elif path == "/v2/domains" and google.listing:
            shape, (status, said) = "ListDomainsResponse", self._domains()
        else:
            reason = "ACCESS_TOKEN_SCOPE_INSUFFICIENT"
            shape, (status, said) = "", _error(403, "PERMISSION_DENIED", "insufficient scopes", reason=reason)
        raw = (google.answer, google.results, google.listed)
        if status == 200 and google.check_answers and all(one is None for one in raw):
            self._checked(shape, said)
        self._send(status, said)

    def _domains(self) -> tuple[int, dict[str, Any]]:
        """Two a page, so that there are pages."""
        asked = parse_qs(urlsplit(self.path).query)
        start = int(asked.get("pageToken", ["0"])[0])
        names = sorted(self.google.numbers)
        page = [
            {"name": f"domains/{name}", "permission": "OWNER", "verificationState": "VERIFIED"}
            for name in names[start : start + 2]
        ]
        more = {"nextPageToken": str(start + 2)} if start + 2 < len(names) else {}
        return 200, {"domains": page, **more}

    def _checked(self, shape: str, document: Any) -> None:
        self.google.bodies.append(document)
        try:
            check(shape, document)
        except Exception as fault:
            self.google.problems.append(f"{shape}: {str(fault)[:300]}")

    def _token(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        google = self.google
        google.tokens.append(form)
        good: dict[str, Any] = {"access_token": "an-access-token", "expires_in": 3599, "token_type": "Bearer"}
        if google.revoked:
            return 400, {"error": "invalid_grant", "error_description": f"Token {REFRESH_TOKEN} has been revoked."}
        if form.get("grant_type") == "authorization_code":
            challenge = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest())
            if google._codes.pop(form["code"], None) != challenge.decode().rstrip("="):
                return 400, {"error": "invalid_grant", "error_description": "Bad code or verifier"}
            good |= {} if google.no_refresh_token else {"refresh_token": REFRESH_TOKEN}
        elif form.get("grant_type") == "refresh_token" and form.get("refresh_token") != REFRESH_TOKEN:
            return 400, {"error": "invalid_grant", "error_description": "Bad Request"}
        return 200, good

    def _consent(self) -> None:
        """The person says yes: sends the browser back with a code."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        assert asked["response_type"] == "code" and asked["code_challenge_method"] == "S256"
        assert asked["access_type"] == "offline" and asked["prompt"] == "consent"
        code = secrets.token_urlsafe(8)
        self.google._codes[code] = asked["code_challenge"]
        back = f"{asked['redirect_uri']}?{urlencode({'state': asked['state'], 'code': code, 'scope': asked['scope']})}"
        self._raw(302, b"", location=back)

    def _fail(self, fault: Fault) -> None:
        kind = {"reason": "SERVICE_DISABLED", "domain": "googleapis.com"}
        match fault:
            case Fault.HANG:
                self.google._release.wait(30)
                self.close_connection = True
            case Fault.DRIP:
                self._drip()
            case Fault.UNAUTHORIZED:
                self._send(*_error(401, "UNAUTHENTICATED", "Request had invalid authentication credentials"))
            case Fault.SERVICE_DISABLED:
                self._send(*_error(403, "PERMISSION_DENIED", "API has not been used in project 7 before", **kind))
            case Fault.SCOPE:
                kind["reason"] = "ACCESS_TOKEN_SCOPE_INSUFFICIENT"
                self._send(*_error(403, "PERMISSION_DENIED", "insufficient authentication scopes", **kind))
            case Fault.FORBIDDEN:
                self._send(*_error(403, "PERMISSION_DENIED", "The caller does not have permission"))
            case Fault.FORBIDDEN_RATE:
                said = {"code": 403, "message": "Rate Limit Exceeded", "errors": [{"reason": "rateLimitExceeded"}]}
                self._send(403, {"error": said})
            case Fault.INVALID:
                self._send(*_error(400, "INVALID_ARGUMENT", "Request contains an invalid argument"))
            case Fault.RATE_LIMITED:
                self._send(
                    *_error(429, "RESOURCE_EXHAUSTED", "Quota exceeded"), **{"retry-after": self.google.retry_after}
                )
            case Fault.BROKEN:
                self._send(*_error(500, "INTERNAL", "Internal error encountered"))
            case Fault.GARBAGE:
                self._raw(200, b"\x00\xff\xfe garbage")
            case Fault.HTML:
                self._raw(200, b"<!doctype html><title>Sign in to the network</title>", kind="text/html")
            case Fault.LIST:
                self._raw(200, b"[]")
            case Fault.TRUNCATED:
                self._raw(200, b'{"results": [', length=5000)
            case Fault.REDIRECT:
                self._raw(302, b"", location="http://127.0.0.1:1/elsewhere")

    def _drip(self) -> None:
        self.send_response(200)
        self.send_header("content-length", "1000000")
        self.end_headers()
        while not self.google._release.wait(0.05):
            self.wfile.write(b" ")
        self.close_connection = True

    def _send(self, status: int, document: dict[str, Any], **headers: str) -> None:
        self._raw(status, json.dumps(document).encode(), **headers)

    def _raw(
        self, status: int, body: bytes, *, kind: str = "application/json", length: int | None = None, **headers: str
    ) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body) if length is None else length))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = length is not None


@dataclass(slots=True)
class Watch:
    """A clock that only sleeping moves."""

    now: float = 1000.0
    slept: list[float] = field(default_factory=list)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def read(self) -> float:
        return self.now


def wait_for(condition: Any, seconds: float = 10.0) -> None:
    """Until `condition()` holds. Raises AssertionError when it does not in time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
