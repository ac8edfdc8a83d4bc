"""Instantly on this machine: remembers mailboxes, their limits, pauses, mail and warm-up, and can fail on purpose.

Checked against specs/instantly-v2.json: see `peers.outreach`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from peers.outreach import Outreach

SPEC = "instantly-v2.json"
ACTIVE, PAUSED = 1, 2
_WRITABLE = ("daily_limit", "sending_gap", "enable_slow_ramp", "warmup")


@dataclass(slots=True)
class Instantly(Outreach):
    """`accounts` by address as the API shows them; `daily` and `warmup` by address and day.

    A mailbox in `gone` cannot be paused. `bulk_takes_no_strangers`: one unknown address spoils the whole bulk call.
    """

    prefix: str = "/api/v2"
    accounts: dict[str, dict[str, Any]] = field(default_factory=dict)
    daily: dict[tuple[str, str], dict[str, int]] = field(default_factory=dict)
    warmup: dict[tuple[str, str], dict[str, int]] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    tells_the_cursor: bool = True
    search_finds_nothing: bool = False
    bulk_takes_no_strangers: bool = False

    def remembered(self) -> dict[str, dict[str, Any]]:
        return self.accounts

    def add(self, *emails: str, **members: Any) -> None:
        for email in emails:
            number = len(self.accounts)
            created = f"2026-01-01T{number // 3600:02d}:{number // 60 % 60:02d}:{number % 60:02d}Z"
            self.accounts[email] = {
                "email": email,
                "timestamp_created": created,
                "timestamp_updated": created,
                "first_name": "Ann",
                "last_name": "Example",
                "organization": "019ffad2-5d00-702c-b737-76437f425f66",
                "warmup_status": 1,
                "provider_code": 2,
                "setup_pending": False,
                "is_managed_account": False,
                "status": ACTIVE,
                "daily_limit": 50,
                "stat_warmup_score": 90,
            } | members

    def sent(self, email: str, day: str, sent: int, bounced: int = 0, replies: int = 0) -> None:
        self.daily[email, day] = {"sent": sent, "bounced": bounced, "replies": replies}

    def warmed(self, email: str, day: str, **numbers: int) -> None:
        self.warmup[email, day] = numbers

    def person_pauses(self, *emails: str) -> None:
        """Somebody uses Instantly's own console."""
        for email in emails:
            self.accounts[email]["status"] = PAUSED

    def authorized(self, request: Request) -> bool:
        return request.headers.get("authorization") == f"Bearer {self.key}"

    def refusal(self, status: int, words: str) -> Response:
        name = {401: "Unauthorized", 402: "Payment Required", 404: "Not Found", 429: "Too Many Requests"}
        return JSONResponse({"statusCode": status, "error": name.get(status, words), "message": words}, status)

    async def answer(
        self, method: str, path: str, query: dict[str, str], many: list[tuple[str, str]], body: Any
    ) -> Any:
        match (method, *path.strip("/").split("/")):
            case ("GET", "accounts"):
                return self._page(query)
            case ("GET", "accounts", "analytics", "daily"):
                return self._analytics(query, [value for name, value in many if name == "emails"])
            case ("POST", "accounts", "warmup-analytics"):
                return self._warmup(body["emails"])
            case ("POST", "accounts", "pause"):
                return self._pause(body["emails"])
            case ("GET", "accounts", email) if self._known(email):
                return self.accounts[unquote(email)]
            case ("PATCH", "accounts", email) if self._known(email):
                self.accounts[unquote(email)] |= {name: body[name] for name in _WRITABLE if name in body}
                return self.accounts[unquote(email)]
            case ("POST", "accounts", email, "pause" | "resume" as order) if self._known(email):
                self.accounts[unquote(email)]["status"] = PAUSED if order == "pause" else ACTIVE
                return self.accounts[unquote(email)]
        return self.refusal(404, "Resource not found")

    def _known(self, email: str) -> bool:
        return unquote(email) in self.accounts

    def _page(self, query: dict[str, str]) -> dict[str, Any]:
        search = "nothing at all" if self.search_finds_nothing and "search" in query else query.get("search", "")
        wanted = [one for one in self.accounts.values() if search in one["email"]]
        marks = [f"{one['timestamp_created']}&{one['email']}" for one in wanted]
        after = query.get("starting_after")
        start = marks.index(after) + 1 if after else 0
        items = wanted[start : start + int(query.get("limit", "10"))]
        if not items or not self.tells_the_cursor:
            return {"items": items}
        # Told on the last page that holds something, too: only an empty one is the end.
        return {"items": items, "next_starting_after": marks[start + len(items) - 1]}

    def _analytics(self, query: dict[str, str], emails: list[str]) -> Any:
        if not emails or "start_date" not in query or "end_date" not in query:
            return self.refusal(413, "Too much at once")
        asked = [(one, day) for one, day in self.daily if one in emails]
        return [
            _row(one, day, self.daily[one, day])
            for one, day in asked
            if query["start_date"] <= day <= query["end_date"]
        ]

    def _warmup(self, emails: Iterable[str]) -> dict[str, Any]:
        data: dict[str, dict[str, Any]] = {}
        for (one, day), numbers in self.warmup.items():
            if one in emails:
                data.setdefault(one, {})[day] = numbers
        whole = {one: {"health_score": 80, "health_score_label": "80%"} for one in data}
        return {"email_date_data": data, "aggregate_data": whole}

    def _pause(self, emails: list[str]) -> Any:
        if not 1 <= len(emails) <= 100:
            return self.refusal(400, "1 to 100 emails")
        if self.bulk_takes_no_strangers and not self.accounts.keys() >= set(emails):
            return self.refusal(400, "one of them is not an account")
        able = [email for email in dict.fromkeys(emails) if email in self.accounts and email not in self.gone]
        # "Failed" are those, too, whose status was not changed because they were paused before.
        paused = [email for email in able if self.accounts[email]["status"] != PAUSED]
        for email in paused:
            self.accounts[email]["status"] = PAUSED
        return {
            "paused_emails": paused,
            "failed_emails": [email for email in dict.fromkeys(emails) if email not in paused],
        }


def _row(email: str, day: str, numbers: dict[str, int]) -> dict[str, Any]:
    zero = dict.fromkeys(
        ("contacted", "new_leads_contacted", "opened", "unique_opened", "unique_replies", "replies_automatic"), 0
    )
    return {
        "date": day,
        "email_account": email,
        **zero,
        "unique_replies_automatic": 0,
        "clicks": 0,
        "unique_clicks": 0,
    } | numbers
