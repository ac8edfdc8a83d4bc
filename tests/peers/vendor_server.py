"""A vendor's API on this machine, in a thread of its own: what the stand-ins share, and how they fail on purpose."""

import asyncio
import copy
import json
import socket
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import Enum
from functools import cache, partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import uvicorn
import yaml
from jsonschema import Draft202012Validator
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from peers.troubles import SLOW, Troubles

SPECS = Path(__file__).parents[3] / "shared" / "specs"
HERE = SPECS.is_dir()
"""Whether the vendors' descriptions are here to check against."""


class Fault(Enum):
    """The ways in which it can fail."""

    UNAUTHORIZED = 401
    FORBIDDEN = 403
    RATE_LIMITED = 429
    BROKEN = 500
    BROKEN_PAGE = 502
    HANG = "takes the call and never answers"
    HTML = "answers 200 with a page"
    TRUNCATED = "answers 200 with half of the answer"
    ANOTHER_SHAPE = "answers 200 with JSON that says nothing"
    REDIRECT = "sends the caller elsewhere"
    TELLS_THE_SECRET = "refuses, and quotes the secret while at it"


@dataclass(slots=True)
class VendorServer:
    """A context manager. `answers` are the calls it knows, as (method, path); a path may have {parts}.

    `troubles` make calls fail by the names of the contract of platforms; `state` is what its calls change.
    """

    answers: dict[tuple[str, str], Callable[[Request], Awaitable[Response]]]
    secret: str
    faults: list[Fault] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    broken_after: int = 0
    troubles: Troubles | None = None
    state: dict[str, Any] = field(default_factory=dict)
    port: int = 0
    _server: uvicorn.Server | None = None
    _thread: threading.Thread | None = None

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listening.bind(("127.0.0.1", 0))
        self.port = listening.getsockname()[1]
        routes = [
            Route(path, partial(self._answer, it), methods=[method]) for (method, path), it in self.answers.items()
        ]
        self._server = uvicorn.Server(uvicorn.Config(Starlette(routes=routes), log_level="critical", lifespan="off"))
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

    async def _answer(self, known: Callable[[Request], Awaitable[Response]], request: Request) -> Response:
        self.calls.append(f"{request.method} {request.url.path}")
        if self.faults and len(self.calls) > self.broken_after:
            return await self._failing(self.faults[0])
        trouble = self.troubles.next(request.method, request.url.path) if self.troubles else ""
        return await self._troubled(trouble, known, request) if trouble else await known(request)

    async def _troubled(
        self, trouble: str, known: Callable[[Request], Awaitable[Response]], request: Request
    ) -> Response:
        assert self.troubles is not None
        if trouble == "LIES":
            before = copy.deepcopy(self.state)
            answer = await known(request)
            self.state.clear()
            self.state.update(before)
            return answer
        if trouble == "LATE":
            await known(request)
        if trouble in SLOW:
            await asyncio.sleep(60)
        wrong = self.troubles.answer(trouble)
        return Response(wrong.body, wrong.status, wrong.headers)

    async def _failing(self, fault: Fault) -> Response:
        match fault:
            case Fault.HANG:
                await asyncio.sleep(60)
            case Fault.HTML:
                return HTMLResponse("<html><title>Please log in</title></html>")
            case Fault.BROKEN_PAGE:
                return HTMLResponse("<html><title>Bad gateway</title></html>", 502)
            case Fault.TRUNCATED:
                return Response('[{"date": "2026-11-', media_type="application/json")
            case Fault.ANOTHER_SHAPE:
                return JSONResponse({"items": 5, "fine": True})
            case Fault.REDIRECT:
                return RedirectResponse("https://login.example/?token=abc")
            case Fault.TELLS_THE_SECRET:
                return JSONResponse({"error": f"not with {self.secret}", "message": f"not with {self.secret}"}, 400)
        headers = {"retry-after": "7"} if fault is Fault.RATE_LIMITED else None
        return JSONResponse({"error": "no"}, int(fault.value), headers)


@cache
def spec(name: str) -> dict[str, Any]:
    """A vendor's description, as data."""
    text = (SPECS / name).read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text) if name.endswith(".json") else yaml.load(text, yaml.CSafeLoader)
    return loaded


def check(name: str, schema: dict[str, Any], document: Any) -> None:
    """Nothing when `document` is as `schema`, part of the description `name`, has it, or that is not here."""
    if HERE:
        Draft202012Validator({**with_nulls(schema), "components": _components(name)}).validate(document)


def ready(*names: str) -> None:
    """Read descriptions now: the first reading takes longer than a caller waits."""
    for name in names if HERE else ():
        _components(name)


@cache
def _components(name: str) -> dict[str, Any]:
    return dict(with_nulls(spec(name)["components"]))


def with_nulls(schema: Any) -> Any:
    """A schema of OpenAPI 3.0 as JSON Schema has it: what is `nullable` may be null."""
    if isinstance(schema, list):
        return [with_nulls(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {name: with_nulls(one) for name, one in schema.items() if name != "nullable"}
    return {"anyOf": [{"type": "null"}, plain]} if schema.get("nullable") else plain


def answer_schema(name: str, method: str, path: str) -> dict[str, Any]:
    """The schema of the 200 of an operation; empty when the description is not here."""
    if not HERE:
        return {}
    found = spec(name)["paths"][path][method]["responses"]["200"]["content"]["application/json"]["schema"]
    return dict(found)


def request_schema(name: str, method: str, path: str) -> dict[str, Any]:
    """The schema of the JSON body of an operation; empty when the description is not here."""
    if not HERE:
        return {}
    return dict(spec(name)["paths"][path][method]["requestBody"]["content"]["application/json"]["schema"])
