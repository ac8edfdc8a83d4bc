"""SendGrid on this machine: counts by day for an account, its subusers and categories; and a signer of webhooks."""

import base64
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from peers.troubles import Troubles
from peers.vendor_server import VendorServer, answer_schema, check, ready, request_schema

KEY = "SG.the-api-key"
_METRICS = (
    *("blocks", "bounce_drops", "bounces", "clicks", "deferred", "delivered", "invalid_emails", "opens", "processed"),
    *("requests", "spam_report_drops", "spam_reports", "unique_clicks", "unique_opens", "unsubscribe_drops"),
    "unsubscribes",
)


_SUBUSERS = "sendgrid-subusers.json"
UNLIMITED = {"type": "unlimited", "reset_frequency": None, "remain": None, "total": None, "used": None}


def credits(total: int, every: str | None = "daily", kind: str = "recurring") -> dict[str, Any]:
    """The credits of a subuser, unused."""
    return {"type": kind, "reset_frequency": every, "remain": total, "total": total, "used": 0}


def words(status: int, message: str) -> Any:
    """An error as SendGrid writes it."""
    return {"errors": [{"field": None, "message": message}]}


def troubles() -> Troubles:
    """How it fails for the contract of platforms."""
    another = [{"username": "another", "disabled": False, "id": 2, "email": "another@example.com"}]
    return Troubles((KEY,), words, another, lambda method, _: method != "GET")


def metrics(**told: int) -> dict[str, int]:
    """All of SendGrid's counts; what is not told is 0."""
    return dict.fromkeys(_METRICS, 0) | told


@dataclass(slots=True)
class SendGrid:
    """What it counted: `account` by day, `subusers` and `categories` by name and day; and its authenticated domains.

    `brakes` are its subusers by name: whether each is `disabled`, and its `credits`.
    """

    account: dict[str, dict[str, Any]] = field(default_factory=dict)
    subusers: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    categories: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    domains: list[dict[str, Any]] = field(default_factory=list)
    brakes: dict[str, dict[str, Any]] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)
    checked: bool = True
    asked: list[dict[str, list[str]]] = field(default_factory=list)

    def server(self) -> VendorServer:
        ready("sendgrid-stats.json", _SUBUSERS)
        return VendorServer(
            {
                ("GET", "/v3/stats"): self._account,
                ("GET", "/v3/subusers/stats"): self._subusers,
                ("GET", "/v3/categories/stats"): self._categories,
                ("GET", "/v3/whitelabel/domains"): self._domains,
                ("GET", "/v3/subusers"): self._list,
                ("PATCH", "/v3/subusers/{name}"): self._switch,
                ("GET", "/v3/subusers/{name}/credits"): self._credits,
                ("PUT", "/v3/subusers/{name}/credits"): self._set_credits,
            },
            KEY,
            troubles=troubles(),
            state=self.brakes,
        )

    async def _account(self, request: Request) -> Response:
        told = [{"date": day, "stats": [{"metrics": one}]} for day, one in self.account.items()]
        return self._tell(request, "sendgrid-stats.json", told)

    async def _subusers(self, request: Request) -> Response:
        return self._tell(request, "sendgrid-subusers.json", self._named(request, "subusers", "subuser", self.subusers))

    async def _categories(self, request: Request) -> Response:
        told = self._named(request, "categories", "category", self.categories)
        return self._tell(request, "sendgrid-stats.json", told)

    def _named(self, request: Request, parameter: str, kind: str, named: dict[str, dict[str, Any]]) -> list[Any]:
        wanted = request.query_params.getlist(parameter)
        assert 1 <= len(wanted) <= 10
        days = sorted({day for name in wanted for day in named.get(name, {})})
        return [
            {
                "date": day,
                "stats": [
                    {"type": kind, "name": name, "metrics": named[name][day]}
                    for name in wanted
                    if day in named.get(name, {})
                ],
            }
            for day in days
        ]

    def _tell(self, request: Request, spec: str, told: list[Any]) -> Response:
        if refusal := self._refusal(request):
            return refusal
        assert request.query_params["aggregated_by"] == "day"
        assert len(request.query_params["start_date"]) == 10
        self.asked.append({name: request.query_params.getlist(name) for name in request.query_params})
        if self.checked:
            check(spec, answer_schema(spec, "get", request.url.path), told)
        return JSONResponse(told)

    async def _domains(self, request: Request) -> Response:
        if refusal := self._refusal(request):
            return refusal
        start, limit = int(request.query_params["offset"]), int(request.query_params["limit"])
        return JSONResponse(self.domains[start : start + limit])

    async def _list(self, request: Request) -> Response:
        if refusal := self._refusal(request):
            return refusal
        told = [
            {"username": name, "disabled": one["disabled"], "id": 7, "email": f"{name}@example.com", **self.more}
            for name, one in self.brakes.items()
            if name.startswith(request.query_params["username"])
        ]
        check(_SUBUSERS, answer_schema(_SUBUSERS, "get", "/v3/subusers"), told)
        return JSONResponse(told)

    async def _switch(self, request: Request) -> Response:
        if refusal := self._refusal(request):
            return refusal
        wanted, path = await request.json(), "/v3/subusers/{subuser_name}"
        check(_SUBUSERS, request_schema(_SUBUSERS, "patch", path), wanted)
        if request.path_params["name"] not in self.brakes:
            return JSONResponse(words(400, "invalid username"), 400)
        self.brakes[request.path_params["name"]]["disabled"] = wanted["disabled"]
        return Response(status_code=204)

    async def _credits(self, request: Request) -> Response:
        if refusal := self._refusal(request):
            return refusal
        if request.path_params["name"] not in self.brakes:
            return JSONResponse(words(400, "No user found"), 400)
        told = self.brakes[request.path_params["name"]]["credits"] | self.more
        if self.checked:
            check(_SUBUSERS, answer_schema(_SUBUSERS, "get", "/v3/subusers/{subuser_name}/credits"), told)
        return JSONResponse(told)

    async def _set_credits(self, request: Request) -> Response:
        if refusal := self._refusal(request):
            return refusal
        wanted, path = await request.json(), "/v3/subusers/{subuser_name}/credits"
        check(_SUBUSERS, request_schema(_SUBUSERS, "put", path), wanted)
        unlimited = wanted["type"] == "unlimited"
        assert unlimited == ("total" not in wanted)
        told = UNLIMITED if unlimited else credits(wanted["total"], wanted["reset_frequency"], wanted["type"])
        self.brakes[request.path_params["name"]]["credits"] = told
        check(_SUBUSERS, answer_schema(_SUBUSERS, "put", path), told)
        return JSONResponse(told)

    def _refusal(self, request: Request) -> Response | None:
        if request.headers.get("authorization") == f"Bearer {KEY}":
            return None
        return JSONResponse({"errors": [{"field": None, "message": "authorization required"}]}, 401)


class Signer:
    """Signs webhooks as SendGrid does, with a key of its own."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        der = self._key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self.public_key = base64.b64encode(der).decode()

    def sign(self, body: bytes, stamp: str) -> dict[str, str]:
        signature = self._key.sign(stamp.encode() + body, ec.ECDSA(hashes.SHA256()))
        return {
            "x-twilio-email-event-webhook-timestamp": stamp,
            "x-twilio-email-event-webhook-signature": base64.b64encode(signature).decode(),
        }
