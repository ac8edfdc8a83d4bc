"""Complaints: the Abuse Reporting Format (RFC 5965, RFC 6591, RFC 6650), and what providers send instead. Pure.

Three shapes: `rfc5965`, a multipart/report with a part of fields; `jmrp`, the old shape of Microsoft's junk mail
reporting, a multipart with nothing but the message complained about; and `unsubscribe`, a plain mail with which a
mail program (List-Unsubscribe: <mailto:...>) or a person unsubscribes.
"""

import re

from probes.mail_text import address
from probes.mime import Headers, Part, headers, lines

TYPES = ("abuse", "fraud", "virus", "other", "not-spam", "opt-out", "auth-failure")
COMPLAINTS = frozenset({"abuse", "fraud", "virus", "other"})
_ALSO = {
    "spam": "abuse",
    "complaint": "abuse",
    "junk": "abuse",
    "phish": "fraud",
    "phishing": "fraud",
    "malware": "virus",
    "notspam": "not-spam",
    "not-junk": "not-spam",
    "optout": "opt-out",
    "opt-out-list": "opt-out",
    "unsubscribe": "opt-out",
    "authfailure": "auth-failure",
    "authentication-failure": "auth-failure",
    "dkim": "auth-failure",
}
_JMRP_SENDERS = ("staff@hotmail.com", "complaints@email-abuse.amazonses.com")
_IN_WORDS = re.compile(r"this is an?\b[^.]{0,80}?\b(abuse|opt-out|fraud|virus|not-spam|authentication[- ]failure)\b")
_ASKS = re.compile(r"\s*(?:re:\s*|fwd?:\s*)*(?:unsubscribe|opt[- ]?out|remove(?: me)?)\b[^\w]*\Z", re.IGNORECASE)
_ASKED = re.compile(r"(?:unsub|un-sub|opt-?out|list-unsub)", re.IGNORECASE)
_ORIGINAL_TYPES = (
    "message/rfc822",
    "message/global",
    "message/rfc822-headers",
    "message/global-headers",
    "text/rfc822-headers",
    "text/rfc822-header",
    "text/rfc822",
    "message/partial",
)
_START = 16 * 1024
"""Bytes of a part that are looked at to find out what it is."""
_TELLING = ("from", "received", "message-id", "dkim-signature", "return-path")


def feedback_fields(root: Part, parts: list[Part]) -> Headers | None:
    """The fields of a report of RFC 5965; None when there are none."""
    if not root.parts:
        return None
    for part in parts:
        if part.type == "message/feedback-report":
            return headers(lines(part.content()), through_blanks=True)
    for part in parts:
        if part.type not in _ORIGINAL_TYPES and headers(lines(part.content(_START))).get("feedback-type"):
            return headers(lines(part.content()), through_blanks=True)
    return None


def original(parts: list[Part]) -> Headers:
    """The header of the message that a report is about; empty where the reporter took it away."""
    for part in parts:
        if part.type in _ORIGINAL_TYPES:
            found = headers(lines(part.content()))
            if found:
                return found
    for part in reversed(parts[1:]):
        found = headers(lines(part.content(_START)))
        if sum(bool(found.get(name)) for name in _TELLING) >= 2:
            return found
    return Headers()


def is_jmrp(root: Part, message: Headers) -> bool:
    """Whether a multipart without feedback fields is a complaint of Microsoft's old shape."""
    if not root.parts:
        return False
    if message.get("x-hmxmroriginalrecipient"):
        return True
    subject = root.headers.get("subject").lower()
    return address(root.headers.get("from")) in _JMRP_SENDERS and "complaint about message from" in subject


def is_unsubscribe(root: Part) -> bool:
    """Whether a mail asks to be unsubscribed and says nothing else."""
    fields = root.headers
    if fields.get("x-apple-unsubscribe").lower() == "true":
        return True
    if root.parts and root.type == "multipart/report":
        return False
    to = address(fields.get("to")).rpartition("@")[0]
    return bool(_ASKS.match(fields.get("subject")[:200]) or _ASKED.match(to))


def stated_type(fields: Headers, words: str) -> str:
    """One of TYPES; "" when neither the fields nor the report's words tell. An unknown type is other (RFC 5965 7.3)."""
    value = re.split(r"[;,(]", fields.get("feedback-type"))[0].strip(" \t\"'").lower()
    name = re.sub(r"[\s_]+", "-", value)
    if name:
        return name if name in TYPES else _ALSO.get(name, "other")
    match = _IN_WORDS.search(words[:2000].lower())
    return (_ALSO.get(match[1].replace(" ", "-")) or match[1]) if match else ""
