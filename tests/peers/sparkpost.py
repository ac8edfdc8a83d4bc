"""SparkPost on this machine, after developers.sparkpost.com/api/metrics, /api/sending-domains and /api/subaccounts.

These are in API Blueprint, which nothing here can check answers against: they follow its samples.
"""

import base64
import json
import re
from dataclasses import dataclass, field
from typing import Any

from peers.small_api import Outage, SmallApi
from peers.troubles import Troubles

KEY = "the-sparkpost-api-key"
PREFIX = "/api/v1"
_KNOWN = {"from", "to", "precision", "metrics", "sending_domains", "limit", "timezone", "delimiter", "order_by"}
_WHEN = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}")


_SUBACCOUNTS = f"{PREFIX}/subaccounts/"


def subaccount(number: int, **told: Any) -> dict[str, Any]:
    """A subaccount as SparkPost tells of it."""
    return {"id": number, "name": "acme", "status": "active", "compliance_status": "active"} | told


def words(message: str) -> dict[str, Any]:
    """An error as SparkPost writes it."""
    return {"errors": [{"message": message}]}


def basic(user: str, password: str) -> dict[str, str]:
    """The header of HTTP Basic."""
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


@dataclass
class SparkPost(SmallApi):
    """`counts[domain][day]` are metrics by SparkPost's names; `listed` is what GET /sending-domains tells.

    `brakes` are its subaccounts by id.
    """

    counts: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    listed: list[Any] = field(default_factory=list)
    more_rows: list[Any] = field(default_factory=list)
    brakes: dict[str, dict[str, Any]] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__()
        self.state = self.brakes
        another = {"results": subaccount(99)}
        self.troubles = Troubles((KEY,), lambda _, message: words(message), another, lambda method, _: method == "PUT")

    def answer(self, path: str, params: dict[str, str], headers: dict[str, str]) -> tuple[int, Any]:
        if headers.get("authorization") != KEY:
            return 401, {"errors": [{"message": f"Unauthorized. {headers['authorization']}"}]}
        if path == f"{PREFIX}/sending-domains":
            return 200, {"results": self.listed}
        if path.startswith(_SUBACCOUNTS):
            one = self.brakes.get(path.removeprefix(_SUBACCOUNTS))
            return (200, {"results": one | self.more}) if one else (404, words("resource not found"))
        assert path == f"{PREFIX}/metrics/deliverability/sending-domain", path
        return 200, {"results": self._rows(params) + self.more_rows}

    def act(self, method: str, path: str, body: Any, headers: dict[str, str]) -> tuple[int, Any]:
        if headers.get("authorization") != KEY:
            return 401, words("Unauthorized.")
        assert method == "PUT"
        assert set(body) == {"status"}
        assert body["status"] in ("active", "suspended")
        one = self.brakes.get(path.removeprefix(_SUBACCOUNTS))
        if one is None:
            return 404, words("resource not found")
        one["status"] = body["status"]
        return 200, {"results": {"message": "Successfully updated subaccount information"}}

    def _rows(self, params: dict[str, str]) -> list[Any]:
        assert set(params) <= _KNOWN, params
        assert _WHEN.fullmatch(params["from"])
        assert _WHEN.fullmatch(params["to"])
        assert params["precision"] == "day"
        assert 1 <= int(params["limit"]) <= 10_000
        wanted = params["metrics"].split(",")
        days = (params["from"][:10], params["to"][:10])
        return [
            {"sending_domain": domain} | {name: number for name, number in counts.items() if name in wanted}
            for domain in params["sending_domains"].split(",")
            for day, counts in self.counts.get(domain, {}).items()
            if days[0] <= day <= days[1]
        ]

    def words(self, outage: Outage) -> bytes:
        told = {"message": "invalid params", "description": f"no: {outage.name.lower()}", "code": "1200"}
        return json.dumps({"errors": [told]}).encode()
