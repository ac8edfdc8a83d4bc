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

from peers.troubles import Troubles
from peers.vendor_server import HERE, VendorServer, answer_schema, check, ready, request_schema, spec

KEY = "key-of-mandrill"
WEBHOOK_KEY = "webhook key of mandrill"
URL = "https://deliverd.example/hooks/mandrill"
_SPEC = "mandrill.json"


_NAMES = {401: "Invalid_Key", 404: "Unknown_Subaccount", 422: "ValidationError", 500: "GeneralError"}
_READS = ("/info", "/list")
_HOURLY_BY_ITSELF = 250


def words(status: int, message: str) -> dict[str, Any]:
    """An error as Mandrill writes it."""
    return {"status": "error", "code": -1, "name": _NAMES.get(status, "SomeError"), "message": message}


def subaccount(identity: str, **told: Any) -> dict[str, Any]:
    """A subaccount, with the manual quota (`custom_quota`), status and notes that are told."""
    plain = {"id": identity, "name": "acme", "status": "active", "reputation": 50, "created_at": "2026-08-29 18:48:02"}
    sent = {"sent_weekly": 1, "sent_monthly": 1, "sent_total": 1}
    return {**plain, **sent, "notes": "", **told}


def troubles() -> Troubles:
    """How it fails for the contract of platforms."""
    another = subaccount("another", sent_hourly=0, hourly_quota=250)
    return Troubles((KEY,), words, another, lambda method, path: not path.endswith(_READS))


@dataclass(slots=True)
class Mandrill:
    """What it counted: `hours` by sender. `brakes` are the subaccounts that can be moved, by id.

    `old_statuses` answers 500 to whatever is wrong, as Mandrill long did.
    """

    hours: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    domains: list[dict[str, Any]] = field(default_factory=list)
    subaccounts: list[dict[str, Any]] = field(default_factory=list)
    unknown: set[str] = field(default_factory=set)
    brakes: dict[str, dict[str, Any]] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)
    old_statuses: bool = False
    checked: bool = True

    def server(self) -> VendorServer:
        ready(_SPEC)
        return VendorServer(
            {
                ("POST", "/senders/list"): self._senders,
                ("POST", "/senders/time-series"): self._series,
                ("POST", "/senders/domains"): self._domains,
                ("POST", "/subaccounts/list"): self._subaccounts,
                **{("POST", f"/subaccounts/{verb}"): self._move for verb in ("info", "pause", "resume", "update")},
            },
            KEY,
            troubles=troubles(),
            state=self.brakes,
        )

    async def _move(self, request: Request) -> Response:
        asked, path = await request.json(), request.url.path
        self._is_asked_well(path, asked)
        if asked.pop("key") != KEY:
            return self._no(401, "Invalid API key")
        name, verb = asked.pop("id"), path.rpartition("/")[2]
        if name not in self.brakes:
            return self._no(404, f"No subaccount exists with the id {name}")
        told = self.brakes[name]
        if verb in ("pause", "resume"):
            told["status"] = "paused" if verb == "pause" else "active"
        elif verb == "update":
            quota = asked.pop("custom_quota", None)
            told |= {"custom_quota": quota, **asked}
            if quota is None:
                del told["custom_quota"]
        shown = {key: value for key, value in told.items() if key != "notes"} | self.more
        if verb == "info":
            shown |= {"notes": told["notes"], "hourly_quota": told.get("custom_quota", _HOURLY_BY_ITSELF)}
            window = (
                "sent",
                "hard_bounces",
                "soft_bounces",
                "rejects",
                "complaints",
                "unsubs",
                "opens",
                "unique_opens",
            )
            shown |= {"sent_hourly": 0, "last_30_days": dict.fromkeys((*window, "clicks", "unique_clicks"), 0)}
        if self.checked:
            check(_SPEC, answer_schema(_SPEC, "post", path), shown)
        return JSONResponse(shown)

    def _no(self, status: int, message: str) -> Response:
        return JSONResponse(words(status, message), 500 if self.old_statuses else status)

    @staticmethod
    def _is_asked_well(path: str, asked: dict[str, Any]) -> None:
        """The description forbids with each half of a body what the other half asks for: only the second is checked."""
        if not HERE:
            return
        rule = request_schema(_SPEC, "post", path)
        while "$ref" in rule:
            rule = spec(_SPEC)["components"]["schemas"][rule["$ref"].rpartition("/")[2]]
        check(_SPEC, rule["allOf"][1], {name: value for name, value in asked.items() if name != "key"})

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
