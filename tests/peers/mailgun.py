"""Mailgun on this machine: counts by domain and day, in pages; its domains; and a signer of webhooks."""

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from peers.troubles import Troubles
from peers.vendor_server import VendorServer, answer_schema, check, ready, request_schema

KEY = "key-of-mailgun"
SIGNING_KEY = "the signing key of mailgun"
_SPEC = "mailgun.yaml"
_METRICS = "/v1/analytics/metrics"


_SUBACCOUNT = "/v5/accounts/subaccounts/{subaccount_id}"
BASIC = base64.b64encode(f"api:{KEY}".encode()).decode()


def troubles() -> Troubles:
    """How it fails for the contract of platforms."""
    another = {"subaccount": {"id": "another", "name": "another", "status": "open"}}
    return Troubles(
        (KEY, BASIC), lambda status, message: {"message": message}, another, lambda method, path: method == "POST"
    )


@dataclass(slots=True)
class Mailgun:
    """What it counted: `days` by domain and day. A page holds `page` items, however many are asked for.

    `brakes` gives the status of each subaccount: open, disabled or closed.
    """

    days: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    domains: list[dict[str, Any]] = field(default_factory=list)
    page: int = 1000
    brakes: dict[str, str] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)
    deaf_to_skip: bool = False
    tells_total: bool = True
    checked: bool = True
    asked: list[dict[str, Any]] = field(default_factory=list)

    def server(self) -> VendorServer:
        ready(_SPEC)
        return VendorServer(
            {
                ("POST", _METRICS): self._metrics,
                ("GET", "/v4/domains"): self._domains,
                ("GET", _SUBACCOUNT): self._subaccount,
                ("POST", _SUBACCOUNT + "/disable"): self._disable,
                ("POST", _SUBACCOUNT + "/enable"): self._enable,
            },
            KEY,
            troubles=troubles(),
            state=self.brakes,
        )

    async def _subaccount(self, request: Request) -> Response:
        return self._told(request, "get", _SUBACCOUNT)

    async def _disable(self, request: Request) -> Response:
        return self._told(request, "post", _SUBACCOUNT + "/disable", "disabled")

    async def _enable(self, request: Request) -> Response:
        return self._told(request, "post", _SUBACCOUNT + "/enable", "open")

    def _told(self, request: Request, method: str, path: str, status: str = "") -> Response:
        if refusal := self._refusal(request):
            return refusal
        name = request.path_params["subaccount_id"]
        if name not in self.brakes:
            return JSONResponse({"message": "Not Found"}, 404)
        if status and self.brakes[name] == status:
            return JSONResponse({"message": f"subaccount is already {status}"}, 400)
        self.brakes[name] = status or self.brakes[name]
        at = "Wed, 28 May 2025 20:03:05 GMT"
        told = {"id": name, "name": "acme", "created_at": at, "updated_at": at, "status": self.brakes[name]}
        answer = {"subaccount": told | self.more} | self.more
        if self.checked:
            check(_SPEC, answer_schema(_SPEC, method, path), answer)
        return JSONResponse(answer)

    async def _metrics(self, request: Request) -> Response:
        if refusal := self._refusal(request):
            return refusal
        query = await request.json()
        check(_SPEC, request_schema(_SPEC, "post", _METRICS), query)
        self.asked.append(query)
        wanted = [one["value"] for one in query["filter"]["AND"][0]["values"]]
        items = [_item(domain, day, told) for domain in wanted for day, told in self.days.get(domain, {}).items()]
        paging = query["pagination"]
        start, limit = 0 if self.deaf_to_skip else paging["skip"], min(paging["limit"], self.page)
        answer: dict[str, Any] = {"start": query["start"], "resolution": "day", "items": items[start : start + limit]}
        if self.tells_total:
            answer["pagination"] = {"sort": paging["sort"], "skip": start, "limit": limit, "total": len(items)}
        if self.checked:
            check(_SPEC, answer_schema(_SPEC, "post", _METRICS), answer)
        return JSONResponse(answer)

    async def _domains(self, request: Request) -> Response:
        if refusal := self._refusal(request):
            return refusal
        start, limit = int(request.query_params["skip"]), min(int(request.query_params["limit"]), self.page)
        answer = {"total_count": len(self.domains), "items": self.domains[start : start + limit]}
        check(_SPEC, answer_schema(_SPEC, "get", "/v4/domains"), answer)
        return JSONResponse(answer)

    def _refusal(self, request: Request) -> Response | None:
        if request.headers.get("authorization") == f"Basic {BASIC}":
            return None
        return JSONResponse({"message": "Invalid private key"}, 401)


def _item(domain: str, day: str, told: dict[str, Any]) -> dict[str, Any]:
    at = format_datetime(datetime.fromisoformat(day).replace(tzinfo=UTC))
    named = {"domain": domain, "time": at}
    return {
        "dimensions": [{"dimension": name, "value": it, "display_value": it} for name, it in named.items()],
        "metrics": told,
    }


def signed(event: object, stamp: str, token: str = "t" * 50, key: str = SIGNING_KEY) -> bytes:
    """The body of a webhook request, as Mailgun makes it."""
    signature = hmac.new(key.encode(), f"{stamp}{token}".encode(), hashlib.sha256).hexdigest()
    mark = {"timestamp": stamp, "token": token, "signature": signature}
    return json.dumps({"signature": mark, "event-data": event}).encode()
