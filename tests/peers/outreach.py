"""What the stand-ins for cold-outreach platforms share: a real server on loopback, faults on purpose, and their specs.

Each answer and each request body is kept, so that a test can hold them against the vendor's API description in
/work/shared/specs (where that is there) and the stand-in cannot drift from the vendor.
"""

import asyncio
import copy
import json
import re
import socket
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import uvicorn
import yaml
from jsonschema import Draft202012Validator
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

SPECS = Path("/work/shared/specs")


class Fault(Enum):
    """The ways in which a platform can fail."""

    UNAUTHORIZED = 401
    UNPAID = 402
    FORBIDDEN = 403
    NOT_FOUND = 404
    CONFLICT = 409
    UNPROCESSABLE = 422
    RATE_LIMITED = 429
    BROKEN = 500
    SILENT = "takes the call, does nothing and never answers"
    LATE = "does what it is told, but the answer never comes"
    HTML = "answers 200 with a page"
    GARBAGE = "answers 200 with what is no JSON"
    TRUNCATED = "answers 200 with half of the answer"
    OTHER_JSON = "answers 200 with JSON that says nothing"
    REDIRECT = "sends the caller elsewhere"
    TELLS_THE_SECRET = "refuses, and quotes the key and the address while at it"
    ERROR_INSIDE = "answers 200 with an error inside"
    LIES = "says yes and does nothing"
    ANOTHER_DOMAIN = "answers about something else"
    NO_STATE = "answers 200 with an object that says nothing"
    HUGE = "answers without end"


@dataclass(frozen=True, slots=True)
class Call:
    """One call: what was asked, and what was answered."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    body: Any
    status: int
    answer: Any

    @property
    def asked(self) -> dict[str, str]:
        return dict(self.query)


@dataclass(slots=True)
class Outreach:
    """A context manager; a platform overrides `answer` and `authorized`."""

    key: str = "key-of-the-account/with+odd=letters"
    prefix: str = ""
    retry_after: str | None = "1"
    calls: list[Call] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)
    port: int = 0
    _faults: list[tuple[Fault, str, int | None]] = field(default_factory=list)
    _server: uvicorn.Server | None = None
    _thread: threading.Thread | None = None

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.prefix}"

    def fail(self, fault: Fault, path: str = ".*", times: int | None = None) -> None:
        """From now on fail so where the path matches, `times` times (None: until healed)."""
        self._faults.append((fault, path, times))

    def heal(self) -> None:
        self._faults.clear()

    def asked(self, path: str) -> list[Call]:
        """The calls whose path matches."""
        return [call for call in self.calls if re.fullmatch(path, call.path)]

    async def answer(
        self, method: str, path: str, query: dict[str, str], many: list[tuple[str, str]], body: Any
    ) -> Any:
        """What is answered: JSON, or a Response."""
        raise NotImplementedError

    def authorized(self, request: Request) -> bool:
        raise NotImplementedError

    def __enter__(self) -> Self:
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", self.port))
        self.port = listening.getsockname()[1]
        app = Starlette()
        app.add_route("/{path:path}", self._serve, methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
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

    async def _serve(self, request: Request) -> Response:
        raw = await request.body()
        body = json.loads(raw) if raw else None
        path = request.url.path.removeprefix(self.prefix)
        many = list(request.query_params.multi_items())
        fault = self._next_fault(path)
        before = copy.deepcopy(self.remembered()) if fault is Fault.LIES else None
        if fault in (None, Fault.LATE, Fault.TRUNCATED, Fault.LIES, Fault.ANOTHER_DOMAIN):
            found = await self._obeyed(request, path, many, body)
        else:
            found = await self._failing(fault, request)
        answer = found if isinstance(found, Response) else JSONResponse(self._more(found))
        if before is not None:
            self.remembered().update(before)
        if fault is Fault.ANOTHER_DOMAIN:
            answer = Response(self.elsewhere(bytes(answer.body).decode()), media_type="application/json")
        plain = json.loads(bytes(answer.body)) if answer.media_type == "application/json" else None
        self.calls.append(Call(request.method, path, tuple(many), body, answer.status_code, plain))
        if fault is Fault.LATE:
            await asyncio.sleep(60)
        if fault is Fault.TRUNCATED:
            return Response(bytes(answer.body)[: len(answer.body) // 2], media_type="application/json")
        return answer

    async def _obeyed(self, request: Request, path: str, many: list[tuple[str, str]], body: Any) -> Any:
        if not self.authorized(request):
            return self.refusal(401, "Unauthorized")
        return await self.answer(request.method, path, dict(many), many, body)

    def remembered(self) -> dict[Any, Any]:
        """What an order changes."""
        return {}

    def elsewhere(self, answer: str) -> str:
        """An answer, about something else than what was asked about."""
        return answer.replace("acme.com", "another.example")

    def _more(self, answer: Any) -> Any:
        """An answer with `extra` in each object of it."""
        if isinstance(answer, dict) and self.extra:
            return {name: self._more(value) for name, value in answer.items()} | self.extra
        return [self._more(one) for one in answer] if isinstance(answer, list) else answer

    def refusal(self, status: int, words: str) -> Response:
        """How this platform words a refusal."""
        return JSONResponse({"error": words}, status)

    def _next_fault(self, path: str) -> Fault | None:
        for index, (fault, pattern, left) in enumerate(self._faults):
            if re.fullmatch(pattern, path):
                if left == 1:
                    del self._faults[index]
                elif left is not None:
                    self._faults[index] = (fault, pattern, left - 1)
                return fault
        return None

    async def _failing(self, fault: Fault | None, request: Request) -> Response:
        assert fault is not None
        if isinstance(fault.value, int):
            answer = self.refusal(fault.value, fault.name.lower())
            if fault is Fault.RATE_LIMITED and self.retry_after is not None:
                answer.headers["retry-after"] = self.retry_after
            return answer
        match fault:
            case Fault.SILENT:
                await asyncio.sleep(60)
            case Fault.HTML:
                return HTMLResponse("<html><title>Please log in</title></html>")
            case Fault.GARBAGE:
                return Response(b'{"items": [nonsense', media_type="text/plain")
            case Fault.REDIRECT:
                return RedirectResponse(f"https://login.example/?from={request.url}")
            case Fault.ERROR_INSIDE:
                return JSONResponse({"error": "the queue is busy"})
            case Fault.NO_STATE:
                return JSONResponse({"fine": True})
            case Fault.HUGE:
                return Response(b" " * (2 << 20), media_type="text/plain")
            case Fault.TELLS_THE_SECRET:
                told = f"refused {request.url} with {request.headers.get('authorization')} for {self.key}"
                return self.refusal(422, told)
        return JSONResponse("nothing" if fault is Fault.OTHER_JSON else None)


class Spec:
    """An API description, as far as it is needed: which answers and bodies it allows."""

    def __init__(self, name: str) -> None:
        text = (SPECS / name).read_text(encoding="utf-8")
        self._whole: dict[str, Any] = yaml.safe_load(text) if name.endswith(".yaml") else json.loads(text)

    @staticmethod
    def is_there(name: str) -> bool:
        return (SPECS / name).is_file()

    def faults(self, calls: Iterable[Call], prefix: str = "") -> list[str]:
        """What the description does not allow of `calls`: unknown paths and parameters, bodies, answers."""
        return [fault for call in calls for fault in self._of(call, prefix)]

    def _of(self, call: Call, prefix: str) -> list[str]:
        where = f"{call.method} {call.path} -> {call.status}"
        found = self._operation(call.method.lower(), prefix + call.path)
        if found is None:
            return [f"{where}: no such operation"]
        item, operation = found
        named = {
            one["name"]: one
            for one in map(self._deref, [*item.get("parameters", []), *operation.get("parameters", [])])
        }
        faults = [f"{where}: unknown parameter {name}" for name, _ in call.query if name not in named]
        required = {name for name, one in named.items() if one["in"] == "query" and one.get("required")}
        faults += [f"{where}: {name} is missing" for name in required - {name for name, _ in call.query}]
        if call.body is not None:
            faults += self._misfits(where, call.body, self._deref(operation.get("requestBody", {})))
        answer = operation["responses"].get(str(call.status))
        if answer is None:
            return [*faults, f"{where}: no such answer"]
        return [*faults, *self._misfits(where, call.answer, self._deref(answer))]

    def _operation(self, method: str, path: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
        def pattern(template: str) -> str:
            return re.sub(r"\\{[^}]*\\}", "[^/]+", re.escape(template))

        fitting = [name for name in self._whole["paths"] if re.fullmatch(pattern(name), path)]
        for name in sorted(fitting, key=lambda template: template.count("{")):
            item = self._whole["paths"][name]
            if method in item:
                return item, item[method]
        return None

    def _misfits(self, where: str, value: Any, described: dict[str, Any]) -> list[str]:
        schema = described.get("content", {}).get("application/json", {}).get("schema")
        if schema is None:
            return []
        validator = Draft202012Validator({"components": self._whole.get("components", {}), **schema})
        return [f"{where}: {fault.json_path}: {fault.message[:200]}" for fault in validator.iter_errors(value)]

    def _deref(self, part: dict[str, Any]) -> dict[str, Any]:
        place = part.get("$ref")
        if place is None:
            return part
        found: Any = self._whole
        for name in place.removeprefix("#/").split("/"):
            found = found[name]
        return found
