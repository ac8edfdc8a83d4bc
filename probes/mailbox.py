"""What every mailbox of reports can do, wherever it is. Nothing in one is ever deleted.

MailboxFault   the mailbox cannot be read, or not be written to. Retry? By its `why`: after DENIED not until somebody
               has mended it; after RATE_LIMITED when `retry_after` seconds are over; after all others yes.
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Protocol

from probes.observation import Why

HEAD_BYTES = 256 * 1024
"""What is read of a mail that is larger than allowed: enough for its header and its first parts."""


class MailboxFault(Exception):  # noqa: N818 - a noun of the field
    """The mailbox could not be used: `why` in the vocabulary of seeing, `detail` in words, without secrets."""

    def __init__(self, why: Why, detail: str, retry_after: float | None = None) -> None:
        super().__init__(detail)
        self.why = why
        self.detail = detail
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail in its mailbox: `id` is what it is acknowledged by, `size` its length there, in bytes.

    `raw` is shorter than `size` when the mail was too large to be read whole.
    """

    id: str
    raw: bytes
    size: int

    @property
    def whole(self) -> bool:
        return len(self.raw) >= self.size


class Box(Protocol):
    """A mailbox."""

    def mails(self, most_bytes: int) -> AsyncGenerator[Mail, None]:
        """The mails not yet acknowledged, one in memory at a time. Raises MailboxFault."""

    async def acknowledge(self, ids: Sequence[str], odd: Sequence[str] = ()) -> None:
        """Mark mails as done, and `odd` ones also for a person to look at. Raises MailboxFault."""

    async def wait(self, after: str, seconds: float) -> str:
        """Wait until a mail comes in, at most `seconds`. Give the last answer as `after`, "" at first: then, and when
        something came in meanwhile, it returns at once. Look into the mailbox after each call. Raises MailboxFault.
        """
