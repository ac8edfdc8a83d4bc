"""lemlist on this machine: remembers mailboxes, limits and campaigns, and can fail on purpose.

Checked against specs/lemlist.json, but for /user/sending-settings, which is newer than that: see `peers.outreach`.
"""

import base64
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request

from peers.outreach import Outreach

SPEC = "lemlist.json"
NEWER_THAN_THE_SPEC = "/user/sending-settings"


def basic(key: str) -> str:
    """HTTP Basic with the key as the password of nobody."""
    return base64.b64encode(f":{key}".encode()).decode()


@dataclass(slots=True)
class Lemlist(Outreach):
    """`users` and `campaigns` by id as the API shows them; `stats` by campaign, address, day; `scores` by mailbox.

    A mailbox whose id is in `unable` cannot be limited.
    """

    prefix: str = "/api"
    users: dict[str, dict[str, Any]] = field(default_factory=dict)
    campaigns: dict[str, dict[str, Any]] = field(default_factory=dict)
    stats: dict[tuple[str, str, str], dict[str, int]] = field(default_factory=dict)
    scores: dict[str, int] = field(default_factory=dict)
    unable: set[str] = field(default_factory=set)

    def remembered(self) -> dict[str, dict[str, Any]]:
        return self.campaigns

    def elsewhere(self, answer: str) -> str:
        return answer.replace("cam_", "cam_another_").replace("acme.com", "another.example")

    def add_user(self, name: str, *emails: str, **members: Any) -> None:
        """A user `usr_NAME` with the mailboxes `usm_ADDRESS`."""
        boxes = [
            {"_id": f"usm_{email}", "email": email, "provider": "google", "status": "CONNECTED"}
            | {"lemlist": {"emailLimit": 30}, "lemwarm": {"active": True}}
            | members
            for email in emails
        ]
        self.users[f"usr_{name}"] = {"_id": f"usr_{name}", "email": emails[0], "role": "member", "mailboxes": boxes}

    def add_campaign(
        self, name: str, *senders: tuple[str, str], status: str = "running", channels: str = "email"
    ) -> None:
        """A campaign `cam_NAME`, sent by users with addresses."""
        self.campaigns[f"cam_{name}"] = {
            "_id": f"cam_{name}",
            "name": name,
            "status": status,
            "channels": channels.split(),
            "senders": [
                {"id": f"usr_{user}", "email": email, "sendUserMailboxId": f"usm_{email}"} for user, email in senders
            ],
        }

    def sent(self, campaign: str, email: str, day: str, **numbers: int) -> None:
        self.stats[f"cam_{campaign}", email, day] = numbers

    def authorized(self, request: Request) -> bool:
        return request.headers.get("authorization") == f"Basic {basic(self.key)}"

    async def answer(
        self, method: str, path: str, query: dict[str, str], many: list[tuple[str, str]], body: Any
    ) -> Any:
        match (method, *path.strip("/").split("/")):
            case ("GET", "team"):
                return {"_id": "tea_1", "name": "acme", "userIds": list(self.users)}
            case ("GET", "team", "senders"):
                return self._senders()
            case ("GET", "users", name) if name in self.users:
                return self.users[name]
            case ("GET", "campaigns", name) if name in self.campaigns:
                return self._shown(name)
            case ("POST", "campaigns", name, "pause" | "start" as order) if name in self.campaigns:
                self.campaigns[name]["status"] = "paused" if order == "pause" else "running"
                return {"_id": name, "state": self.campaigns[name]["status"]}
            case ("GET", "v2", "campaigns", name, "stats") if name in self.campaigns:
                return self._stats(name, query)
            case ("GET", "lemwarm", name, "settings") if name in self.scores:
                return {"active": True, "dailyLimit": 20, "deliverability": {"score": self.scores[name]}}
            case ("GET", "user", "sending-settings"):
                return {"emailAccounts": [self._settings(box) for box in self._boxes().values()]}
            case ("PATCH", "user", "sending-settings"):
                return {"emailAccounts": [self._limited(one) for one in body["emailAccounts"]]}
        return self.refusal(404, "Not found")

    def _senders(self) -> list[dict[str, Any]]:
        told: dict[str, list[dict[str, Any]]] = {}
        for one in self.campaigns.values():
            shown = {name: one[name] for name in ("_id", "name", "status")} | {"sendingChannels": one["channels"]}
            for sender in one["senders"]:
                told.setdefault(sender["id"], []).append(shown)
        return [{"userId": user, "campaigns": campaigns} for user, campaigns in told.items()]

    def _shown(self, name: str) -> dict[str, Any]:
        return {member: value for member, value in self.campaigns[name].items() if member != "channels"}

    def _stats(self, name: str, query: dict[str, str]) -> dict[str, Any]:
        assert query["channels"] == '["email"]', "other channels than mail would be counted too"
        day = query["startDate"][:10]
        assert query["endDate"] == f"{day}T23:59:59.999Z", "this stand-in knows single days only"
        user, _, email = query["sendUser"].partition("|")
        assert any(one["id"] == user for one in self.campaigns[name]["senders"])
        zero = dict.fromkeys(
            ("nbLeadsUnsubscribed", "nbLeadsInterested", "messagesSent", "messagesBounced", "delivered", "replied"), 0
        )
        return zero | {"meetingBooked": 0, "steps": []} | self.stats.get((name, email, day), {})

    def _boxes(self) -> dict[str, dict[str, Any]]:
        return {box["_id"]: box for user in self.users.values() for box in user["mailboxes"]}

    def _settings(self, box: dict[str, Any]) -> dict[str, Any]:
        return {"id": box["_id"], "email": box["email"], "dailyEmailLimit": box["lemlist"]["emailLimit"]}

    def _limited(self, wanted: dict[str, Any]) -> dict[str, Any]:
        box = self._boxes().get(wanted["id"])
        if box is None:
            return {"id": wanted["id"], "success": False, "error": "not found"}
        if wanted["id"] in self.unable:
            return {"id": wanted["id"], "success": False, "error": "not connected"}
        box["lemlist"]["emailLimit"] = wanted["dailyEmailLimit"]
        return {**self._settings(box), "success": True}
