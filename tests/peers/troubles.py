"""How a stand-in of a sending service goes wrong on purpose, under the names of the contract of platforms.

The services differ in how they word an error and in what they answer when asked about another lever; the rest is the
same for all of them, whatever server they run in.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

RETRY_AFTER_SECONDS = 7
_STATUSES = {
    "UNAUTHORIZED": 401,
    "FORBIDDEN": 403,
    "NOT_FOUND": 404,
    "CONFLICT": 409,
    "UNPROCESSABLE": 422,
    "RATE_LIMITED": 429,
    "BROKEN": 500,
}
OF_ACTS_ALONE = ("LATE", "LIES")
SLOW = ("SILENT", "LATE")


@dataclass(frozen=True, slots=True)
class Wrong:
    """An answer that is wrong: status, body and headers."""

    status: int
    body: bytes
    headers: dict[str, str]


@dataclass(slots=True)
class Troubles:
    """`words` writes an error as the service does; `another` is what it says of another lever; `acts` tells whether a
    call (method, path) moves something."""

    secrets: tuple[str, ...]
    words: Callable[[int, str], Any]
    another: Any
    acts: Callable[[str, str], bool]
    _name: str = ""
    _left: int | None = None
    _of_acts: bool = False

    def fail(self, name: str, times: int | None = None, *, of_acts: bool = False) -> None:
        """From now on fail so, `times` times (None: until healed); with `of_acts` only where something is moved."""
        self._name, self._left, self._of_acts = name, times, of_acts or name in OF_ACTS_ALONE

    def heal(self) -> None:
        self._name, self._left = "", None

    def next(self, method: str, path: str) -> str:
        """What goes wrong with this call; "" for nothing."""
        if not self._name or (self._of_acts and not self.acts(method, path)):
            return ""
        name = self._name
        if self._left is not None:
            self._left -= 1
            if self._left == 0:
                self.heal()
        return name

    def answer(self, name: str) -> Wrong:
        """The wrong answer of a trouble that is no matter of time."""
        if name in _STATUSES:
            status = _STATUSES[name]
            headers = {"retry-after": str(RETRY_AFTER_SECONDS)} if status == 429 else {}
            return self._json(status, self.words(status, f"no: {name.lower()}"), **headers)
        match name:
            case "HTML":
                page = b"<html><title>Please log in</title></html>"
                return Wrong(200, page, {"content-type": "text/html"})
            case "ERROR_INSIDE":
                return self._json(200, self.words(400, "the queue is busy"))
            case "ANOTHER_DOMAIN":
                return self._json(200, self.another)
            case "NO_STATE":
                return self._json(200, {"fine": True})
            case "REDIRECT":
                return Wrong(302, b"", {"location": "https://login.example/?token=abc"})
            case "HUGE":
                return Wrong(200, b" " * (2 << 20), {"content-type": "application/json"})
            case "TELLS_THE_SECRET":
                return self._json(422, self.words(422, f"not with {' or '.join(self.secrets)}"))
        raise ValueError(f"there is no trouble {name}")

    @staticmethod
    def _json(status: int, told: Any, **headers: str) -> Wrong:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return Wrong(status, json.dumps(told).encode(), {"content-type": "application/json", **named})
