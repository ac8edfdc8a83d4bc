"""What the drill's own world did, in order: the side of the story that deliverd's store cannot tell."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from deliverd import clock


class What(StrEnum):
    """What happened in the world outside deliverd."""

    TROUBLE = "trouble"
    BAD_SENT = "bad-sent"
    COMPLAINT = "complaint"
    ORDERED = "ordered"
    REFUSED = "refused"
    UNANSWERED = "unanswered"
    EXHAUSTED = "exhausted"
    ALERT = "alert"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Happening:
    """One line of the diary: at which instant (aware UTC), what, of which domain ("" for none), and in words."""

    at: datetime
    what: What
    domain: str
    text: str


@dataclass(slots=True)
class Diary:
    """The happenings, oldest first. `now` is handed in so that a test can tell the time."""

    now: Callable[[], datetime] = clock.now
    happenings: list[Happening] = field(default_factory=list)

    def write(self, what: What, domain: str, text: str) -> Happening:
        """Write down that something happened now."""
        happening = Happening(self.now(), what, domain, text)
        self.happenings.append(happening)
        return happening

    def first(self, what: What, domain: str | None = None) -> Happening | None:
        """The first happening of a kind (of one domain, when it is named)."""
        return next((one for one in self.happenings if one.what is what and domain in (None, one.domain)), None)
