"""Mandrill on this machine: senders with their hours, domains and subaccounts; and a signer of webhooks."""

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from peers.vendor_server import VendorServer, answer_schema, check

KEY = "key-of-mandrill"
WEBHOOK_KEY = "webhook key of mandrill"
URL = "https://deliverd.example/hooks/mandrill"
_SPEC = "mandrill.json"


@dataclass(slots=True)
class Mandrill:
    """What it counted: `hours` by sender."""

    hours: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    domains: list[dict[str, Any]] = field(default_factory=list)
    subaccounts: list[dict[str, Any]] = field(default_factory=list)
    unknown: set[str] = field(default_factory=set)
    checked: bool = True

    def server(self) -> VendorServer:
        return VendorServer(
            {
                ("POST", "/senders/list"): self._senders,
                ("POST", "/senders/time-series"): self._series,
                ("POST", "/senders/domains"): self._domains,
                ("POST", "/subaccounts/list"): self._subaccounts,
            },
            KEY,
        )

    async def _senders(self, request: Request) -> Response:
        return await self._tell(request, [{"address": address, "sent": 1} for address in self.hours])

    async def _domains(self, request: Request) -> Response:
        return await self._tell(request, self.domains)

    async def _subaccounts(self, request: Request) -> Response:
        return await self._tell(request, self.subaccounts)

    async def _series(self, request: Request) -> Response:
        address = (await request.json())["address"]
        if address in self.unknown or address not in self.hours:
            return _error(500, "Unknown_Sender", f'No such sender "{address}"')
        return await self._tell(request, self.hours[address])

    async def _tell(self, request: Request, answer: list[Any]) -> Response:
        if (await request.json())["key"] != KEY:
            return _error(500, "Invalid_Key", "Invalid API key")
        if self.checked:
            check(_SPEC, answer_schema(_SPEC, "post", request.url.path), answer)
        return JSONResponse(answer)


def _error(status: int, name: str, message: str) -> Response:
    return JSONResponse({"status": "error", "code": -1, "name": name, "message": message}, status)


def signed(events: object, key: str = WEBHOOK_KEY, url: str = URL, **others: str) -> tuple[dict[str, str], bytes]:
    """The headers and the body of a webhook request, as Mandrill makes them."""
    written = events if isinstance(events, str) else json.dumps(events, separators=(",", ":"))
    parameters = others if events is None else {"mandrill_events": written, **others}
    text = url + "".join(name + parameters[name] for name in sorted(parameters))
    signature = base64.b64encode(hmac.new(key.encode(), text.encode(), hashlib.sha1).digest()).decode()
    return {"x-mandrill-signature": signature}, urlencode(parameters).encode()
