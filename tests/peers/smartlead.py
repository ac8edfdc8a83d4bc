"""Smartlead on this machine: remembers mailboxes, their limits and suspensions, and can fail on purpose.

Checked against specs/smartlead-transcribed-subset.yaml: see `peers.outreach`.
"""

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from peers.outreach import Outreach

SPEC = "smartlead-transcribed-subset.yaml"
SIGNING_SECRET = "the signing secret of Smartlead"
PASSWORD = "the-password-of-the-mailbox"


def signed(body: bytes, secret: str = SIGNING_SECRET) -> dict[str, str]:
    """The headers of a webhook request."""
    signature = hmac.digest(secret.encode(), body, hashlib.sha256).hex()
    return {"x-smartlead-signature": f"sha256={signature}", "x-request-id": "req_1", "x-webhook-level": "user"}


@dataclass(slots=True)
class Smartlead(Outreach):
    """`accounts` by id as the API shows them; `daily` by id and day; `warmup` by id.

    `as_documented`: mailboxes are shown as the documentation's pages have it, and not as the specification does.
    `wraps_answers`: orders are answered so. `refuses_orders`: with a 200 that says no.
    """

    prefix: str = "/api/v1"
    accounts: dict[int, dict[str, Any]] = field(default_factory=dict)
    daily: dict[tuple[int, str], dict[str, Any]] = field(default_factory=dict)
    warmup: dict[int, dict[str, Any]] = field(default_factory=dict)
    most_a_page: int = 100
    ignores_the_offset: bool = False
    as_documented: bool = False
    wraps_answers: bool = False
    refuses_orders: bool = False

    def remembered(self) -> dict[int, dict[str, Any]]:
        return self.accounts

    def elsewhere(self, answer: str) -> str:
        return answer.replace("1000", "2000").replace("acme.com", "another.example")

    def add(self, *emails: str, **members: Any) -> None:
        for email in emails:
            number = 1000 + len(self.accounts)
            self.accounts[number] = {
                "id": number,
                "from_email": email,
                "from_name": "Ann Example",
                "password": PASSWORD,
                "max_email_per_day": 40,
                "is_suspended": False,
                "connection_status": "CONNECTED",
                "warmup_enabled": True,
            } | members

    def id_of(self, email: str) -> int:
        return next(number for number, one in self.accounts.items() if one["from_email"] == email)

    def sent(self, email: str, day: str, **numbers: Any) -> None:
        self.daily[self.id_of(email), day] = numbers

    def person_suspends(self, email: str) -> None:
        """Somebody uses Smartlead's own console."""
        self.accounts[self.id_of(email)]["is_suspended"] = True

    def authorized(self, request: Request) -> bool:
        return request.query_params.get("api_key") == self.key

    def refusal(self, status: int, words: str) -> Response:
        return JSONResponse({"message": words} if status == 401 else {"error": words}, status)

    async def answer(
        self, method: str, path: str, query: dict[str, str], many: list[tuple[str, str]], body: Any
    ) -> Any:
        match (method, *path.strip("/").split("/")):
            case ("GET", "email-accounts"):
                return self._page(query)
            case ("GET", "email-accounts", number) if self._known(number):
                return self._shown(self.accounts[int(number)])
            case ("POST" | "PUT" | "DELETE", *_, number) if self._known(number) and self.refuses_orders:
                return {"success": False, "message": "no"} if self.wraps_answers else {"ok": False}
            case ("POST", "email-accounts", number) if self._known(number):
                self.accounts[int(number)] |= body
                return self._done(number)
            case ("GET", "email-accounts", number, "warmup-stats") if int(number) in self.warmup:
                return self.warmup[int(number)]
            case ("PUT", "email-accounts", "suspend", number) if self._known(number):
                self.accounts[int(number)]["is_suspended"] = True
                return self._done(number)
            case ("DELETE", "email-accounts", "unsuspend", number) if self._known(number):
                self.accounts[int(number)]["is_suspended"] = False
                return self._done(number)
            case ("GET", "analytics", "mailbox", "overall-stats"):
                return self._analytics(query)
        return self.refusal(404, "Resource not found")

    def _done(self, number: str) -> dict[str, Any]:
        if not self.wraps_answers:
            return {"ok": True}
        suspended = self.accounts[int(number)]["is_suspended"]
        return {"success": True, "data": {"accountId": int(number), "isSuspended": suspended}}

    def _known(self, number: str) -> bool:
        return number.isdigit() and int(number) in self.accounts

    def _page(self, query: dict[str, str]) -> list[dict[str, Any]]:
        start = 0 if self.ignores_the_offset else int(query.get("offset", "0"))
        most = min(int(query.get("limit", "100")), self.most_a_page)
        return [self._shown(one) for one in list(self.accounts.values())[start : start + most]]

    def _shown(self, account: dict[str, Any]) -> dict[str, Any]:
        if not self.as_documented:
            return account
        kept = {name: account[name] for name in ("id", "from_email", "from_name", "password")}
        details = {"status": "ACTIVE", "total_spam_count": 1, "warmup_reputation": "97%"}
        limit = account["max_email_per_day"]
        return {**kept, "message_per_day": limit, "is_smtp_success": True, "warmup_details": details}

    def _analytics(self, query: dict[str, str]) -> Any:
        if query["start_date"] != query["end_date"]:
            return self.refusal(422, "this stand-in knows single days only")
        asked = map(int, query["email_account_ids"].split(","))
        there = [number for number in asked if (number, query["start_date"]) in self.daily]
        rows = [
            {"email_account_id": number, "email": self.accounts[number]["from_email"]}
            | self.daily[number, query["start_date"]]
            for number in there
        ]
        return {"success": True, "data": rows} if self.as_documented else rows
