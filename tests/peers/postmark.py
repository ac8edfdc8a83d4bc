"""Postmark's server API on this machine, answers checked against its description where that is there.

The description is older than message streams: `messagestream` and `MessageStream` are from the documentation
(postmarkapp.com/developer/api/stats-api, /developer/api/messages-api).
"""

import json
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from peers.small_api import Outage, SmallApi, stored_spec

TOKEN = "the-postmark-server-token"


@cache
def spec() -> Any:
    stored = stored_spec("postmark-server.yaml")
    if stored is None:
        return None
    try:
        from yaml import safe_load
    except ModuleNotFoundError:
        return None
    return safe_load(stored)


@dataclass
class Postmark(SmallApi):
    """`counts[stream][question]` are the Days of the answer; `messages` what was sent, newest first."""

    counts: dict[str, dict[str, list[Any]]] = field(default_factory=dict)
    messages: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def answer(self, path: str, params: dict[str, str], headers: dict[str, str]) -> tuple[int, Any]:
        if headers.get("x-postmark-server-token") != TOKEN:
            return 401, {"ErrorCode": 10, "Message": f"Bad token {headers.get('x-postmark-server-token')}."}
        self._is_asked_well(path, params)
        if path == "/messages/outbound":
            start = int(params["offset"])
            told: Any = {"TotalCount": len(self.messages)}
            told["Messages"] = self.messages[start : start + int(params["count"])]
        else:
            question = path.removeprefix("/stats/outbound/")
            if params["messagestream"] not in self.counts:
                return 422, {"ErrorCode": 1226, "Message": "The message stream for the provided ID was not found."}
            days = self.counts[params["messagestream"]].get(question, [])
            told = {
                "Days": [day for day in days if params["fromdate"] <= str(day.get("Date", "9")) <= params["todate"]]
            }
        self._check(path, told)
        return 200, told

    @staticmethod
    def _is_asked_well(path: str, params: dict[str, str]) -> None:
        if spec() is None:
            return
        asked = spec()["paths"][path]["get"]["parameters"]
        known = {one["name"]: one for one in asked if one["in"] == "query"}
        assert set(params) - {"messagestream"} <= set(known), params
        assert all(name in params for name, one in known.items() if one.get("required")), params
        assert all(params[name].isdigit() for name, one in known.items() if name in params and one["type"] == "integer")

    @staticmethod
    def _check(path: str, told: Any) -> None:
        if spec() is not None:
            rule = spec()["paths"][path]["get"]["responses"][200]["schema"]
            Draft202012Validator(rule | {"definitions": spec()["definitions"]}).validate(told)

    def words(self, outage: Outage) -> bytes:
        return json.dumps({"ErrorCode": 1, "Message": f"no: {outage.name.lower()}"}).encode()
