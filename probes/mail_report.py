"""What one mail of a feedback mailbox is, and what it says. Pure: bytes to `Report`, and never an exception."""

import hashlib
import re
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from ipaddress import ip_address

from probes import aggregates, arf, dsn
from probes.aggregate_report import Aggregate, Unpackable
from probes.mail_text import address, instant, message_id, printable
from probes.mime import Headers, MimeFault, Part, cut, lines

_ATTACHED = ("application/", "text/xml", "text/json")
_PACKED_NAME = re.compile(r"\.(?:xml|json|gz|gzip|zip)\Z", re.IGNORECASE)
_SPACE = re.compile(rb"[ \t\n]+")
_REDACTED = re.compile(r"redact|hidden|undisclosed|hash|\A@|x{3,}|\*", re.IGNORECASE)
_LOOKED_AT = 20
"""Parts in which a packed report is looked for."""


class Kind(StrEnum):
    """What a mail is."""

    ARF = "arf"
    DSN = "dsn"
    DMARC = "dmarc-aggregate"
    TLS = "tls-rpt"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Report:
    """One mail, read.

    `shape` is rfc5965, jmrp or unsubscribe for a complaint, else "". `type` is one of `arf.TYPES` for a complaint,
    the worst action for a bounce, else "". `code` and `reason` tell what is wrong with it ("" when nothing is).
    `reporter` is the one From address, "" where there is none or several. `redacted`: the complainer was taken out.
    `sent_at` is when the original was sent, by its Date; `reported_at` when the report was made. `original` and
    `fields` are the header of the original and the fields of the report. `identity` is the same for every copy of
    one report, whatever way it came.
    """

    kind: Kind
    shape: str = ""
    type: str = ""
    code: str = ""
    reason: str = ""
    reporter: str = ""
    to: str = ""
    message_id: str = ""
    sent_at: datetime | None = None
    reported_at: datetime | None = None
    arrived_at: datetime | None = None
    subject: str = ""
    source_ip: str = ""
    user_agent: str = ""
    complainers: tuple[str, ...] = ()
    redacted: bool = False
    recipients: tuple[dsn.Recipient, ...] = ()
    aggregate: Aggregate | None = None
    identity: str = ""
    original: Headers = field(default_factory=Headers)
    fields: Headers = field(default_factory=Headers)


def read(raw: bytes) -> Report:
    """The report in a mail, or in a bare DMARC or TLS report file."""
    if aggregates.looks_like_one(raw):
        base = Report(Kind.UNKNOWN, identity=hashlib.sha256(raw).hexdigest())
        return _aggregate_of(raw, base) or replace(base, code="not-a-report", reason="no report that is known here")
    try:
        root = cut(raw)
    except MimeFault as fault:
        return Report(Kind.UNKNOWN, code=fault.code, reason=str(fault))
    if not root.headers:
        return Report(Kind.UNKNOWN, code="malformed", reason="it has no header, so it is no mail")
    return _classified(root)


def _classified(root: Part) -> Report:
    parts = list(root.leaves())
    base = Report(
        Kind.UNKNOWN,
        reporter=_author(root),
        to=address(root.headers.get("to")),
        reported_at=instant(root.headers.get("date")),
        subject=printable(root.headers.get("subject"), 200),
        identity=_identity(root),
    )
    fields = arf.feedback_fields(root, parts)
    report_type = root.parameters.get("report-type", "").lower()
    message = arf.original(parts) if root.parts else Headers()
    if fields is not None or (report_type == "feedback-report" and root.parts and not arf.is_jmrp(root, message)):
        return _complaint("rfc5965", fields or Headers(), message, parts, base)
    status = dsn.status_part(parts, report_type) if root.parts else None
    if status is not None:
        return _bounce(status, message, base)
    if arf.is_jmrp(root, message):
        return _complaint("jmrp", Headers((("feedback-type", "abuse"),)), message, parts, base)
    for part in parts[:_LOOKED_AT]:
        found = _aggregate_of(part.content(), base) if _may_be_packed(part) else None
        if found:
            return found
    if arf.is_unsubscribe(root):
        return _unsubscription(root, base)
    return replace(base, code="not-a-report", reason="no report of a shape that is known here")


def _author(root: Part) -> str:
    """The From address; a mail with two From fields has no author that anything could prove."""
    values = root.headers.all("from")
    return address(values[0]) if len(values) == 1 else ""


def _complaint(shape: str, fields: Headers, message: Headers, parts: list[Part], base: Report) -> Report:
    words = next((part.content(4096) for part in parts if part.type == "text/plain"), b"")
    kind = arf.stated_type(fields, words.decode("latin-1").replace("\n", " "))
    given = fields.all("original-rcpt-to") + fields.all("removal-recipient")
    given += fields.all("redacted-address") + message.all("x-hmxmroriginalrecipient")
    complainers = tuple(dict.fromkeys(filter(None, map(address, given))))[: dsn.MAX_RECIPIENTS]
    arrival = instant(fields.get("arrival-date")) or instant(fields.get("received-date"))
    return replace(
        base,
        kind=Kind.ARF,
        shape=shape,
        type=kind,
        code="" if kind else "malformed",
        reason="" if kind else "a feedback report that does not say of what type it is (Feedback-Type)",
        message_id=message_id(message.get("message-id") or fields.get("message-id")),
        sent_at=instant(message.get("date")),
        arrived_at=arrival,
        source_ip=_ip(fields.get("source-ip") or message.get("x-sender-ip") or base.subject),
        user_agent=printable(fields.get("user-agent"), 100),
        complainers=tuple(one for one in complainers if not _REDACTED.search(one)),
        redacted=bool(given) and all(_REDACTED.search(one) or not address(one) for one in given),
        original=message,
        fields=fields,
    )


def _ip(text: str) -> str:
    """The first IP address in a text: Microsoft's old shape has it in the subject alone."""
    for word in text[:500].replace("[", " ").replace("]", " ").split():
        try:
            return str(ip_address(word))
        except ValueError:
            continue
    return ""


def _bounce(status: Part, message: Headers, base: Report) -> Report:
    found = dsn.recipients(status)
    actions = [one.action for one in found]
    worst = next((name for name in ("failed", "delayed", "delivered", "relayed", "expanded") if name in actions), "")
    return replace(
        base,
        kind=Kind.DSN,
        type=worst,
        code="" if worst else "malformed",
        reason="" if worst else "a bounce that does not say what became of the mail (Action, Status)",
        message_id=message_id(message.get("message-id")),
        sent_at=instant(message.get("date")),
        recipients=found,
        complainers=tuple(one.address for one in found if one.address),
        original=message,
    )


def _unsubscription(root: Part, base: Report) -> Report:
    fields = root.headers
    answered = message_id(fields.get("in-reply-to"))
    return replace(base, kind=Kind.ARF, shape="unsubscribe", type="opt-out", message_id=answered)


def _may_be_packed(part: Part) -> bool:
    if part.type.startswith(("text/plain", "text/html", "image/")) and not _PACKED_NAME.search(_file_name(part)):
        return False
    return part.type.startswith(_ATTACHED) or bool(_PACKED_NAME.search(_file_name(part)))


def _file_name(part: Part) -> str:
    disposition = part.headers.get("content-disposition")[:1000].rstrip('"; ')
    return (part.parameters.get("name", "") or disposition).rstrip('"; ')


def _aggregate_of(content: bytes, base: Report) -> Report | None:
    if not aggregates.looks_like_one(content):
        return None
    try:
        found = aggregates.read(content)
    except Unpackable as fault:
        return replace(base, code=fault.code, reason=str(fault))
    if found is None:
        return None
    return replace(base, kind=Kind(found.kind), aggregate=found)


def _identity(root: Part) -> str:
    """A digest that survives what relays change (line ends, trailing space, fields they add), and nothing else.

    A signed report stays signed when fields are added to it, so the digest is of what the signature covers: were the
    whole mail digested, one complaint could be sent again and again and be counted each time.
    """
    body = _SPACE.sub(b" ", lines(root.body)).strip()
    whose = "\n".join(
        (_author(root), *(root.headers.all("to") + root.headers.all("message-id") if not root.parts else ()))
    )
    return hashlib.sha256(whose.encode("utf-8", "replace") + b"\0" + body).hexdigest()
