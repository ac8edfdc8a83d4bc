"""Resend on this machine: its domains and counts, answers checked against its OpenAPI description where that is there.

Events are signed by Svix's own library.
"""

import base64
import json
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator
from svix.webhooks import Webhook

from peers.small_api import SmallApi, stored_spec
from peers.troubles import Troubles

KEY = "re_the-api-key"
SECRET = "whsec_" + base64.b64encode(b"what only Resend and we know....").decode()


@cache
def spec() -> Any:
    stored = stored_spec("resend.json")
    return None if stored is None else json.loads(stored)


def check(schema: str, document: Any) -> None:
    """Raises jsonschema's ValidationError unless `document` is what the description calls `schema`."""
    if spec() is not None:
        rule = {"$ref": f"#/components/schemas/{schema}", "components": spec()["components"]}
        Draft202012Validator(rule).validate(document)


def sign(body: bytes, now: datetime, *, secret: str = SECRET, delivery: str = "msg_1") -> dict[str, str]:
    """The headers of a delivery of Resend's."""
    return {
        "svix-id": delivery,
        "svix-timestamp": str(int(now.timestamp())),
        "svix-signature": Webhook(secret).sign(delivery, now, body.decode()),
    }


def words(status: int, message: str) -> dict[str, Any]:
    """An error as Resend writes it."""
    return {"statusCode": status, "name": "validation_error", "message": message}


@dataclass
class Resend(SmallApi):
    """`domains` by name: whether it may send; `counts[domain][day]` are metrics by Resend's names.

    `receiving` names the domains that receive: sending alone of the others cannot be disabled. `remade` gives a domain
    another id, as one has that was removed and made anew.
    """

    domains: dict[str, str] = field(default_factory=lambda: {"acme.com": "enabled"})
    counts: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)
    more_rows: list[Any] = field(default_factory=list)
    page: int = 100
    endless: bool = False
    receiving: set[str] = field(default_factory=lambda: {"acme.com"})
    remade: dict[str, str] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__()
        self.state = self.domains
        another = {"object": "domain", "id": self.id_of("two.example"), "name": "two.example"}
        another["capabilities"] = {"sending": "enabled", "receiving": "disabled"}
        self.troubles = Troubles((KEY,), words, another, lambda method, _: method == "PATCH")

    def answer(self, path: str, params: dict[str, str], headers: dict[str, str]) -> tuple[int, Any]:
        if headers.get("authorization") != f"Bearer {KEY}":
            return 401, {"statusCode": 401, "name": "invalid_api_key", "message": f"no key {headers['authorization']}"}
        if path == "/domains":
            return 200, self._list(params)
        if path.startswith("/domains/"):
            return self._domain(path.removeprefix("/domains/"))
        assert path == "/emails/metrics", path
        return 200, self._metrics(params)

    def act(self, method: str, path: str, body: Any, headers: dict[str, str]) -> tuple[int, Any]:
        if headers.get("authorization") != f"Bearer {KEY}":
            return 401, {"statusCode": 401, "name": "invalid_api_key", "message": f"no key {headers['authorization']}"}
        assert method == "PATCH"
        self._fits("patch", "requestBody", body)
        name = self._name(path.removeprefix("/domains/"))
        if name is None:
            return 404, words(404, "Domain not found")
        wanted = {"sending": self.domains[name], "receiving": self._receiving(name), **body["capabilities"]}
        if "enabled" not in wanted.values():
            return 422, words(422, "At least one capability must be enabled")
        self.domains[name] = wanted["sending"]
        if wanted["receiving"] == "enabled":
            self.receiving.add(name)
        told = {"object": "domain", "id": self.id_of(name)}
        self._fits("patch", "responses", told)
        return 200, told

    def _domain(self, identity: str) -> tuple[int, Any]:
        name = self._name(identity)
        if name is None:
            return 404, words(404, "Domain not found")
        told = {"object": "domain", "id": identity, "name": name, "status": "verified", "region": "eu-west-1"}
        told["capabilities"] = {"sending": self.domains[name], "receiving": self._receiving(name)}
        self._fits("get", "responses", told)
        return 200, told | self.more

    def _name(self, identity: str) -> str | None:
        return next((name for name in self.domains if self.id_of(name) == identity), None)

    def _receiving(self, name: str) -> str:
        return "enabled" if name in self.receiving else "disabled"

    @staticmethod
    def _fits(method: str, part: str, document: Any) -> None:
        if spec() is None:
            return
        found = spec()["paths"]["/domains/{domain_id}"][method][part]
        content = found["200"] if part == "responses" else found
        rule = content["content"]["application/json"]["schema"] | {"components": spec()["components"]}
        Draft202012Validator(rule).validate(document)

    def _list(self, params: dict[str, str]) -> Any:
        ids = {self.id_of(name): name for name in self.domains}
        start = 0 if "after" not in params else list(ids).index(params["after"]) + 1
        size = min(self.page, int(params["limit"]))
        shown = list(ids.items())[start : start + size]
        told = {
            "object": "list",
            "has_more": self.endless or start + size < len(ids),
            "data": [
                {"id": one, "name": name, "status": "verified", "capabilities": {"sending": self.domains[name]}}
                for one, name in shown
            ],
        }
        if self.endless:
            told["data"] = [{"id": self.id_of("acme.com"), "name": "acme.com"}]
        check("ListDomainsResponse", told)
        return told

    def _metrics(self, params: dict[str, str]) -> Any:
        self._is_asked_well(params)
        wanted = params["domain_id"].split(",")
        assert len(wanted) <= 100, "at most 100 domain ids"
        names = {self.id_of(name): name for name in self.domains}
        rows = [
            {"period": f"{day}T00:00:00.000Z", "domain_id": one, "domain_name": names[one], **counts}
            for one in wanted
            for day, counts in self.counts.get(names[one], {}).items()
            if params["start_date"] <= day
        ]
        told = {
            "object": "metrics",
            "dimensions": params["dimensions"].split(","),
            "granularity": "daily",
            "totals": {},
            "data": rows,
        }
        check("GetEmailsMetricsResponse", told)
        return told | {"data": rows + self.more_rows}

    def _is_asked_well(self, params: dict[str, str]) -> None:
        if spec() is None:
            return
        known = {one["name"]: one["schema"] for one in spec()["paths"]["/emails/metrics"]["get"]["parameters"]}
        for name, value in params.items():
            schema = known[name]
            given: Any = value.split(",") if schema["type"] == "array" else value
            assert Draft202012Validator(schema).is_valid(given), f"{name}={value}"

    def id_of(self, name: str) -> str:
        digits = self.remade.get(name, name).encode().hex().ljust(32, "0")[:32]
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
