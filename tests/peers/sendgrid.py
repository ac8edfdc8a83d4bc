"""SendGrid on this machine: counts by day for an account, its subusers and categories; and a signer of webhooks."""

import base64
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from peers.vendor_server import VendorServer, answer_schema, check

KEY = "SG.the-api-key"
_METRICS = (
    *("blocks", "bounce_drops", "bounces", "clicks", "deferred", "delivered", "invalid_emails", "opens", "processed"),
    *("requests", "spam_report_drops", "spam_reports", "unique_clicks", "unique_opens", "unsubscribe_drops"),
    "unsubscribes",
)


def metrics(**told: int) -> dict[str, int]:
    """All of SendGrid's counts; what is not told is 0."""
    return dict.fromkeys(_METRICS, 0) | told


@dataclass(slots=True)
class SendGrid:
    """What it counted: `account` by day, `subusers` and `categories` by name and day; and its authenticated domains."""

    account: dict[str, dict[str, Any]] = field(default_factory=dict)
    subusers: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    categories: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    domains: list[dict[str, Any]] = field(default_factory=list)
    checked: bool = True
    asked: list[dict[str, list[str]]] = field(default_factory=list)

    def server(self) -> VendorServer:
        return VendorServer(
            {
                ("GET", "/v3/stats"): self._account,
                ("GET", "/v3/subusers/stats"): self._subusers,
                ("GET", "/v3/categories/stats"): self._categories,
                ("GET", "/v3/whitelabel/domains"): self._domains,
            },
            KEY,
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
