"""What an observation means to its owner: pass, warn or fail, why it matters to whom, and what to publish instead.

Sources of what the mailbox providers ask: Gmail's sender guidelines and their FAQ (as of 2026-07-02), Yahoo's Sender
Hub, Outlook.com's requirements for high-volume senders (April 2025, error 5.7.515).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from probes.observation import Observation, Reading, Seen

Status = Literal["pass", "warn", "fail", "unknown"]

GOOD_RSA_BITS = 2048
"""RFC 8301 3.2: signers should use RSA keys of at least this many bits."""


@dataclass(frozen=True, slots=True)
class Check:
    """One observation, judged. `answer` is seen, unseen, or absent (seen not to be there); `fix` is "" if none is due.

    `summary` and `fix` may quote DNS records and server messages, which are readable text but a stranger's.
    """

    source: str
    part: str
    answer: Literal["seen", "unseen", "absent"]
    status: Status
    code: str
    summary: str
    why: str = ""
    fix: str = ""


@dataclass(frozen=True, slots=True)
class _Rule:
    status: Status
    summary: str
    fix: str = ""


_BULK = "Gmail, Yahoo and Outlook ask it of everybody who sends them 5,000 messages a day"
_WHY = {
    "spf": f"{_BULK}: mail without a valid SPF record is refused, by Gmail with 5.7.27 and by Outlook with 5.7.515.",
    "dkim": f"{_BULK}, and mail whose key cannot be used counts as unsigned: Gmail refuses it with 5.7.30, Outlook "
    "with 5.7.515.",
    "dmarc": f"{_BULK}, p=none at the least: mail without it is refused, by Gmail with 5.7.40 and by Outlook with "
    "5.7.515.",
}

_KEY_FIX = "Publish at {key_name} the TXT record that the sending platform shows for this selector"
_DMARC_FIX = 'Publish: _dmarc.{domain}. TXT "{dmarc_record}"'

_RULES: Mapping[tuple[str, str], _Rule] = {
    ("spf", "ok"): _Rule("pass", "SPF of {domain} holds, with {lookups} of 10 lookups."),
    ("spf", "no-record"): _Rule(
        "fail",
        "{domain} has no SPF record: {detail}.",
        'Publish: {domain}. TXT "v=spf1 include:SPF-NAME-OF-YOUR-PLATFORM ~all"',
    ),
    ("spf", "multiple-records"): _Rule(
        "fail",
        "{domain} has {detail}, and receivers use none of them.",
        'Replace them by one: {domain}. TXT "{merged}"',
    ),
    ("spf", "syntax"): _Rule(
        "fail", "The SPF record of {domain} does not parse {detail}.", "Mend it at character {position}: {record}"
    ),
    ("spf", "loop"): _Rule(
        "fail", "The SPF tree of {domain} runs in a circle: {detail}.", "Take that term out of: {record}"
    ),
    ("spf", "bad-include"): _Rule(
        "fail",
        "The SPF record of {domain} refers to one that does not hold: {detail}.",
        "Take that term out, or ask whoever runs that name to mend it: {record}",
    ),
    ("spf", "too-many-lookups"): _Rule(
        "fail",
        "SPF of {domain} needs too many lookups: {detail}.",
        "Take out the includes of platforms no longer used, or move one to a subdomain of its own: {record}",
    ),
    ("spf", "too-many-voids"): _Rule(
        "fail",
        "SPF of {domain} names hosts that are not there: {detail}.",
        "Take out the terms whose names no longer exist: {record}",
    ),
    ("spf", "ptr"): _Rule(
        "warn",
        "SPF of {domain} uses ptr, which is slow, unreliable and should not be used (RFC 7208 5.5).",
        'Publish: {domain}. TXT "{without_ptr}"',
    ),
    ("spf", "open"): _Rule(
        "warn", "SPF of {domain} ends in +all: everybody may send in its name.", 'Publish: {domain}. TXT "{closed}"'
    ),
    ("dkim", "ok"): _Rule("pass", "DKIM key {part} of {domain} holds: {key_type}, {key_bits} bits."),
    ("dkim", "short"): _Rule(
        "warn",
        "DKIM key {part} of {domain} has {key_bits} bits: valid, but 2048 are what a signer should use (RFC 8301 3.2).",
        "Have the sending platform make a 2048-bit key, and publish it at {key_name}",
    ),
    ("dkim", "testing"): _Rule(
        "warn",
        "DKIM key {part} of {domain} says t=y: receivers may treat its mail as unsigned (RFC 6376 3.6.1).",
        "Publish the record at {key_name} without t=y",
    ),
    ("dkim", "weak-key"): _Rule(
        "fail",
        "DKIM key {part} of {domain} has {key_bits} bits; verifiers take none under 1024.",
        "Have the sending platform make a 2048-bit key, and publish it at {key_name}",
    ),
    ("dkim", "broken-key"): _Rule("fail", "DKIM key {part} of {domain} cannot be used: {detail}.", _KEY_FIX),
    ("dkim", "revoked"): _Rule(
        "fail",
        "DKIM key {part} of {domain} is revoked: its p= is empty.",
        _KEY_FIX + ", or stop signing with it and take the selector out of the configuration",
    ),
    ("dkim", "missing"): _Rule("fail", "DKIM key {part} of {domain} is missing: {detail}.", _KEY_FIX),
    ("dkim", "dangling-cname"): _Rule(
        "fail",
        "DKIM key {part} of {domain} is lost: {detail}.",
        "Point the CNAME at {key_name} to the name the sending platform shows now; {target} is gone",
    ),
    ("dmarc", "ok"): _Rule("pass", "DMARC of {domain} holds: {policy}, by the record at _dmarc.{found_at}."),
    ("dmarc", "monitor-only"): _Rule(
        "warn",
        "DMARC of {domain} asks receivers to do nothing: p=none, or t=y, at _dmarc.{found_at}.",
        'Once its reports show all your mail passing: _dmarc.{domain}. TXT "{stricter}"',
    ),
    ("dmarc", "invalid"): _Rule("fail", "The DMARC record of {domain} does not hold: {detail}.", _DMARC_FIX),
    ("dmarc", "multiple-records"): _Rule(
        "fail", "{domain} has several DMARC records: {detail}.", "Keep one of them at _dmarc.{found_at}"
    ),
    ("dmarc", "missing"): _Rule("fail", "{domain} has no DMARC: {detail}.", _DMARC_FIX),
}
_ABSENT = {("spf", "no-record"), ("dkim", "missing"), ("dmarc", "missing")}


def assess(observation: Observation) -> Check:
    """What an observation means. An unseen one is unknown: neither good news nor bad."""
    source, part, answer = observation.source, observation.part, observation.answer
    if not isinstance(answer, Seen):
        words = f"{_title(observation)} could not be seen ({answer.why}): {answer.detail or 'no detail'}"
        return Check(source, part, "unseen", "unknown", "unseen", words)
    code = str(answer.readings.get("code", "ok"))
    rule = _RULES.get((source, _nuance(source, code, answer.readings)))
    if rule is None:
        return _without_rule(observation, code)
    values = _values(observation, answer.readings)
    why = _WHY[source] if rule.status != "pass" else ""
    shown: Literal["seen", "absent"] = "absent" if (source, code) in _ABSENT else "seen"
    return Check(source, part, shown, rule.status, code, rule.summary.format(**values), why, rule.fix.format(**values))


def failing(observation: Observation) -> bool:
    """Whether an observation was seen, and seen to fail. Unseen is never failing."""
    return assess(observation).status == "fail"


def _without_rule(observation: Observation, code: str) -> Check:
    """A source that has no record to judge (a platform's numbers) passes by being seen; a new code is unknown."""
    if code == "ok":
        return Check(observation.source, observation.part, "seen", "pass", "ok", f"{_title(observation)} was read.")
    words = f"{_title(observation)} says {code!r}, which is not known here."
    return Check(observation.source, observation.part, "seen", "unknown", code, words)


def _title(observation: Observation) -> str:
    part = f" {observation.part}" if observation.part else ""
    return f"{observation.source}{part} of {observation.target}"


def _nuance(source: str, code: str, readings: Mapping[str, Reading]) -> str:
    """The rule's name: a code, or a milder shade of ok that deserves a warning."""
    if code != "ok":
        return code
    if source == "spf" and readings.get("all") == "+":
        return "open"
    if source == "dkim" and readings.get("testing"):
        return "testing"
    bits = readings.get("key_bits")
    if readings.get("key_type") == "rsa" and isinstance(bits, int) and bits < GOOD_RSA_BITS:
        return "short"
    return code


def _values(observation: Observation, readings: Mapping[str, Reading]) -> dict[str, str]:
    """Everything a rule's text may name. Readings that an old row lacks are a question mark."""
    domain = observation.target
    names = ("lookups", "detail", "position", "record", "key_type", "key_bits", "target", "policy", "found_at")
    values = {name: str(readings.get(name, "?")) for name in names}
    record, rua = values["record"], readings.get("rua")
    reports = ",".join(rua) if isinstance(rua, tuple) and rua else f"mailto:dmarc-reports@{domain}"
    records = readings.get("records")
    return values | {
        "domain": domain,
        "part": observation.part,
        "key_name": f"{observation.part}._domainkey.{domain}",
        "merged": _merged(records if isinstance(records, tuple) else ()),
        "without_ptr": " ".join(term for term in record.split() if not _is_mechanism(term, "ptr")),
        "closed": " ".join("~all" if _is_mechanism(term, "all") else term for term in record.split()),
        "dmarc_record": f"v=DMARC1; p=none; rua={reports}",
        "stricter": f"v=DMARC1; p=quarantine; rua={reports}",
    }


def _merged(records: tuple[str, ...]) -> str:
    """One SPF record that allows what any of several allows; an `all` comes last and once, the first one found."""
    terms = [term for record in records for term in record.split()[1:]]
    ends = [term for term in terms if _is_mechanism(term, "all")]
    kept = dict.fromkeys(term for term in terms if term not in ends)
    return " ".join(("v=spf1", *kept, *(ends[:1] or ["~all"])))


def _is_mechanism(term: str, name: str) -> bool:
    return term.lstrip("+-~?").lower().partition(":")[0] == name
