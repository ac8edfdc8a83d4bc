"""Bounces: delivery status notifications (RFC 3464, statuses RFC 3463). Pure."""

import re
from dataclasses import dataclass

from probes.mail_text import address, printable
from probes.mime import Headers, Part, headers, lines

MAX_RECIPIENTS = 1000
TYPES = ("message/delivery-status", "message/global-delivery-status")
_STATUS = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.])", re.ASCII)
_REPLY = re.compile(r"(?<![\d.])([245])\d\d(?![\d.])", re.ASCII)
_BLANKS = re.compile(rb"\n[ \t]*\n+")


@dataclass(frozen=True, slots=True)
class Recipient:
    """What became of the mail to one recipient.

    `action` is failed, delayed, delivered, relayed or expanded; `status` the enhanced code (`5.1.1`), "" if unknown.
    `bounce` is `hard` (5.x.x) or `soft` (4.x.x) where delivery was given up, else "".
    """

    address: str
    action: str
    status: str

    @property
    def bounce(self) -> str:
        if self.action != "failed":
            return ""
        return "soft" if self.status.startswith("4") else "hard" if self.status.startswith("5") else ""


def status_part(parts: list[Part], report_type: str) -> Part | None:
    """The part that holds the status fields; with `report_type` delivery-status, also one of another type."""
    for part in parts:
        if part.type in TYPES:
            return part
    if report_type == "delivery-status":
        return next((part for part in parts if re.search(rb"(?im)^final-recipient[ \t]*:", part.content())), None)
    return None


def recipients(part: Part) -> tuple[Recipient, ...]:
    """Each recipient of a status part, at most MAX_RECIPIENTS."""
    blocks = (headers(block) for block in _BLANKS.split(lines(part.content()).strip()))
    found: list[Recipient] = []
    for block in blocks:
        if len(found) < MAX_RECIPIENTS and (block.get("final-recipient") or block.get("action")):
            found.append(_recipient(block))
    return tuple(found)


def _recipient(block: Headers) -> Recipient:
    given = block.get("original-recipient") or block.get("final-recipient")
    action = (block.get("action").split() or [""])[0].lower()
    status = _status(block.get("status")) or _status(block.get("diagnostic-code"))
    if not status:
        reply = _REPLY.search(block.get("diagnostic-code"))
        status = f"{reply[1]}.0.0" if reply else ""
    if not action and status:
        action = "delivered" if status.startswith("2") else "failed"
    return Recipient(address(given.rpartition(";")[2]), printable(action, 20), status)


def _status(text: str) -> str:
    match = _STATUS.search(text[:1000])
    return match[0] if match else ""
