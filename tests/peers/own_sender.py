"""A sender of one's own, as docs/own-sender.md wants it: keeps a state per domain, and can fail on purpose.

It runs a real HTTP server on loopback in a thread of its own, so asynchronous and plain tests, and daemons in other
processes, can all use it. Signatures are made and checked by the reference library alone, never by our code.
"""

import asyncio
import base64
import json
import socket
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import Enum
from types import TracebackType
from typing import Any, Self
from urllib.error import HTTPError
from urllib.request import Request as Outgoing
from urllib.request import urlopen

import uvicorn
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

SECRET = "whsec_" + base64.b64encode(b"the secret of an own sender").decode()


class Fault(Enum):
    """The ways in which it can fail."""

    UNAUTHORIZED = 401
    FORBIDDEN = 403
    NOT_FOUND = 404
    CONFLICT = 409
    UNPROCESSABLE = 422
    RATE_LIMITED = 429
    BROKEN = 500
    SILENT = "takes the call, does nothing and never answers"
    LATE = "does what it is told, but the answer never comes"
    NO_CONTENT = "does what it is told and answers 204"
    HTML = "answers 200 with a page"
    ERROR_INSIDE = "answers 200 with an error inside"
    LIES = "says yes and does nothing"
    ANOTHER_DOMAIN = "answers about another domain"
    NO_STATE = "answers 200 with JSON that says nothing"
    REDIRECT = "sends the caller elsewhere"
    HUGE = "answers without end"
    TELLS_THE_SECRET = "refuses, and quotes the secret while at it"


@dataclass(frozen=True, slots=True)
class DomainState:
    state: str = "running"
    daily_limit: int | None = None
    author: str = "the sender"


@dataclass(frozen=True, slots=True)
class Call:
    """One well-signed call it got."""

    method: str
    domain: str
    body: dict[str, Any] | None
    id: str


@dataclass(slots=True)
class OwnSender:
    """A context manager. `domains` are the ones it sends for; all others it answers with 404."""

    domains: dict[str, DomainState] = field(default_factory=lambda: {"acme.com": DomainState()})
    secret: str = SECRET
    retry_after: str = "7"
    extra: dict[str, Any] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    forged: list[str] = field(default_factory=list)
    in_flight: int = 0
    most_in_flight: int = 0
    linger_seconds: float = 0.0
    port: int = 0
    _faults: dict[str, tuple[Fault, int | None]] = field(default_factory=dict)
    _server: uvicorn.Server | None = None
    _thread: threading.Thread | None = None

    @property
    def control_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/control"

    def fail(self, fault: Fault, times: int | None = None, methods: Iterable[str] = ("GET", "POST")) -> None:
        """From now on fail so, `times` times per method (None: until told otherwise), then work again."""
        self._faults |= dict.fromkeys(methods, (fault, times))

    def heal(self) -> None:
        self._faults.clear()

    def person_sets(self, domain: str, state: str, daily_limit: int | None = None, author: str = "ann") -> None:
        """Somebody uses the sender's own console."""
        self.domains[domain] = DomainState(state, daily_limit, author)

    def sign(self, body: str, name: str = "msg_1", now: datetime | None = None) -> dict[str, str]:
        """The headers of a request of the sender's."""
        now = now or datetime.now(UTC)
        signature = Webhook(self.secret).sign(name, now, body)
        stamp = str(int(now.timestamp()))
        return {"webhook-id": name, "webhook-timestamp": stamp, "webhook-signature": signature}

    def report(self, url: str, events: list[dict[str, Any]], name: str = "msg_1") -> tuple[int, dict[str, Any]]:
        """Report events to `url`. Returns status and answer."""
        body = json.dumps({"events": events})
        headers = self.sign(body, name) | {"content-type": "application/json"}
        try:
            with urlopen(Outgoing(url, body.encode(), headers), timeout=10) as answer:
                return answer.status, json.load(answer)
        except HTTPError as refusal:
            return refusal.code, json.loads(refusal.read() or b"{}")

    def __enter__(self) -> Self:
        # With protocol 0 asyncio leaves Nagle's algorithm on, and every answer takes 40 ms.
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", self.port))
        self.port = listening.getsockname()[1]
        app = Starlette(routes=[Route("/control", self._control, methods=["GET", "POST"])])
        self._server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off"))
        self._thread = threading.Thread(target=self._server.run, args=([listening],), daemon=True)
        self._thread.start()
        while not self._server.started:
            time.sleep(0.002)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None and self._thread is not None
        self._server.force_exit = self._server.should_exit = True
        self._thread.join(10)

    async def _control(self, request: Request) -> Response:
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            if self.linger_seconds:
                await asyncio.sleep(self.linger_seconds)
            return await self._answer(request)
        finally:
            self.in_flight -= 1

    async def _answer(self, request: Request) -> Response:
        body = await request.body()
        try:
            Webhook(self.secret).verify(body, dict(request.headers), json_parse=False)
        except WebhookVerificationError as forged:
            self.forged.append(str(forged))
            return JSONResponse({"error": f"forged: {forged}"}, 401)
        order = json.loads(body) if request.method == "POST" else None
        domain = order["domain"] if order else request.query_params["domain"]
        self.calls.append(Call(request.method, domain, order, request.headers["webhook-id"]))
        fault = self._next_fault(request.method)
        if fault is not None:
            return await self._failing(fault, domain, order)
        return self._obey(domain, order)

    def _next_fault(self, method: str) -> Fault | None:
        fault, left = self._faults.get(method, (None, None))
        if fault is not None and left is not None:
            if left == 1:
                del self._faults[method]
            else:
                self._faults[method] = (fault, left - 1)
        return fault

    def _obey(self, domain: str, order: dict[str, Any] | None) -> Response:
        if domain not in self.domains:
            return JSONResponse({"error": "no such domain"}, 404)
        if order is not None:
            self.domains[domain] = DomainState(order["state"], order["daily_limit"], order["author"])
        return JSONResponse(self._tell(domain, self.domains[domain]))

    def _tell(self, domain: str, state: DomainState) -> dict[str, Any]:
        told = {"domain": domain, "state": state.state, "daily_limit": state.daily_limit, "author": state.author}
        return told | self.extra

    async def _failing(self, fault: Fault, domain: str, order: dict[str, Any] | None) -> Response:
        if isinstance(fault.value, int):
            headers = {"retry-after": self.retry_after} if fault is Fault.RATE_LIMITED else None
            return JSONResponse({"error": f"no: {fault.name.lower()}"}, fault.value, headers)
        match fault:
            case Fault.SILENT | Fault.LATE:
                if fault is Fault.LATE:
                    self._obey(domain, order)
                await asyncio.sleep(60)
            case Fault.NO_CONTENT:
                self._obey(domain, order)
                return Response(status_code=204)
            case Fault.HTML:
                return HTMLResponse("<html><title>Please log in</title></html>")
            case Fault.ERROR_INSIDE:
                return JSONResponse({"error": "the queue is busy"})
            case Fault.TELLS_THE_SECRET:
                return JSONResponse(
                    {"error": f"<b>wanted</b> {self.secret}, {self.secret.removeprefix('whsec_')}"}, 422
                )
            case Fault.LIES:
                wanted = DomainState(order["state"], order["daily_limit"], "deliverd") if order else DomainState()
                return JSONResponse(self._tell(domain, wanted))
            case Fault.ANOTHER_DOMAIN:
                return JSONResponse(self._tell("another.example", replace(self.domains[domain])))
            case Fault.REDIRECT:
                return RedirectResponse("https://login.example/?token=abc")
            case Fault.HUGE:
                return Response(b" " * (2 << 20), media_type="application/json")
        return JSONResponse({"fine": True})
