"""DMARC (RFC 9989): which policy record applies to a domain, where it was found, and what it asks receivers to do."""

import re
from dataclasses import dataclass
from datetime import datetime

from probes.config import Strict
from probes.observation import Observation, Reading, Seen, Unseen
from probes.resolver import Absent, Ask, Found, NotAsked, Resolver, readable

MAX_LABELS = 8
"""RFC 9989 4.10: a longer name is cut to 7 labels after the first question, so that 8 are asked at most."""
POLICIES = ("none", "quarantine", "reject")
HISTORY = ("pct", "rf", "ri")
"""Tags of RFC 7489 that RFC 9989 took out; receivers ignore them."""

_VERSION = re.compile(r"[vV][ \t]*=[ \t]*DMARC1[ \t]*(?:;|\Z)")
_NEARLY = re.compile(r"[\s\"']*v\s*=\s*dmarc", re.IGNORECASE)
_TAG = re.compile(r"[A-Za-z]+[ \t]*=[ \t]*([\x20-\x3a\x3c-\x7e]+)")
_URI = re.compile(r"(?!mailto:)[a-z][a-z0-9+.-]*:[^\s,!]+|mailto:[^\s@,!]+@[^\s@,!]+", re.IGNORECASE)
_SIZE = re.compile(r"![0-9]+[kmgt]?\Z", re.IGNORECASE)
_POLICY_TAGS = ("p", "sp", "np")
_FLAGS = {"psd": ("u", "y", "n"), "t": ("n", "y"), "adkim": ("r", "s"), "aspf": ("r", "s")}


class Config(Strict):
    """DMARC has nothing to set."""


@dataclass(frozen=True, slots=True)
class Record:
    """A policy record. `p`, `sp` and `np` are "" where absent or invalid; `rua` are the valid addresses of it.

    `faults` are what keeps receivers from applying its policy, `notes` what they pass over.
    """

    p: str = ""
    sp: str = ""
    np: str = ""
    psd: str = "u"
    testing: bool = False
    adkim: str = "r"
    aspf: str = "r"
    rua: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def policy(self, below: bool, exists: bool = True) -> str:
        """What is asked for the domain itself or, `below` it, for a subdomain (RFC 9989 4.10.1). "" for no DMARC."""
        if self.faults or not self.p:
            return "none" if self.rua else ""
        if not below:
            return self.p
        return (self.np if not exists else "") or self.sp or self.p

    def applied(self, policy: str) -> str:
        """A policy after t=y, which takes it one step down (RFC 9989 4.7)."""
        return POLICIES[max(0, POLICIES.index(policy) - 1)] if policy and self.testing else policy


def is_dmarc(record: str) -> bool:
    """Whether a TXT record starts with the tag that makes it one (RFC 9989 4.7, `v`)."""
    return _VERSION.match(record) is not None


def parse(record: str) -> Record:
    """Parse a record, one character per byte, that `is_dmarc`. Raises nothing. Source: RFC 9989 4.7, 4.8 and 4.10.1."""
    tags, faults, notes = _tags(record)
    notes += [f"{name}= is history since RFC 9989" for name in HISTORY if name in tags]
    policies = {name: tags.get(name, "").lower() for name in _POLICY_TAGS}
    for name in tags.keys() & policies.keys():
        if policies[name] not in POLICIES:
            faults.append(f"{name}={readable(tags[name])} is none of {', '.join(POLICIES)}")
            policies[name] = ""
    rua = tuple(_SIZE.sub("", address.strip()) for address in tags.get("rua", "").split(","))
    rua = tuple(address for address in rua if _URI.fullmatch(address))
    if "p" not in tags:
        (notes if rua else faults).append("it has no p= tag")
    flags = {name: _one_of(allowed, name, tags, notes) for name, allowed in _FLAGS.items()}
    testing = flags.pop("t") == "y"
    return Record(**policies, **flags, testing=testing, rua=rua, faults=tuple(sorted(faults)), notes=tuple(notes))


def _one_of(allowed: tuple[str, ...], name: str, tags: dict[str, str], notes: list[str]) -> str:
    """A tag's value, or its default (the first allowed one) when it is absent or wrong (RFC 9989 4.8)."""
    value = tags.get(name, allowed[0]).lower()
    if value in allowed:
        return value
    notes.append(f"{name}={readable(tags[name])} is none of {', '.join(allowed)}")
    return allowed[0]


def _tags(record: str) -> tuple[dict[str, str], list[str], list[str]]:
    """The tags behind the version by name in lower case, what is wrong with them, and what is passed over."""
    tags: dict[str, str] = {}
    faults: list[str] = []
    notes: list[str] = []
    for piece in filter(None, (piece.strip(" \t") for piece in record.split(";")[1:])):
        match = _TAG.fullmatch(piece)
        name = piece.partition("=")[0].strip().lower()
        if name in tags:
            faults.append(f"{name}= occurs twice")
        elif match is not None:
            tags[name] = match[1].strip()
        elif name in _POLICY_TAGS:
            tags[name] = ""
        else:
            notes.append(f"'{readable(piece[:40])}' is not a tag")
    return tags, faults, notes


def walk(domain: str) -> tuple[str, ...]:
    """The names to ask, first to last: the domain, then up the tree to its top label (RFC 9989 4.10)."""
    labels = domain.split(".")
    start = 1 if len(labels) < MAX_LABELS else len(labels) - MAX_LABELS + 1
    return (domain, *(".".join(labels[at:]) for at in range(start, len(labels))))


async def observe(domain: str, config: Config, resolver: Resolver, now: datetime) -> tuple[Observation, ...]:
    """Look at a domain's DMARC. One observation; its codes are those of `examine`."""
    return (Observation("dmarc", domain, now, await examine(domain, resolver.ask)),)


async def examine(domain: str, ask: Ask) -> Seen | Unseen:
    """The readings: `code` (ok, monitor-only, invalid, multiple-records, missing) and `detail`; where a record applies
    `record`, `found_at`, `policy` (what it asks for this domain), `applied` (less a step when t=y) and its tags.

    Unseen when any name of the walk cannot be asked: a public suffix's own record could apply.
    """
    found: list[tuple[str, str]] = []
    several: list[str] = []
    ignored: list[str] = []
    for name in walk(domain):
        answer = await ask(f"_dmarc.{name}", "TXT")
        if isinstance(answer, NotAsked):
            return answer.unseen()
        texts = answer.texts if isinstance(answer, Found) else ()
        records = [text for text in texts if is_dmarc(text)]
        ignored += [f"'{readable(text)}' at _dmarc.{name}" for text in texts if _is_nearly(text)]
        if len(records) > 1:
            several.append(name)
        elif records:
            found.append((name, records[0]))
        # At the domain itself, RFC 7489 receivers stop at several records; RFC 9989 ones would walk on.
        if (records and name == domain) or (len(records) == 1 and parse(records[0]).psd != "u"):
            break
    if found:
        return await _judged(domain, *_applying(domain, found), ask)
    if several:
        detail = f"there is more than one DMARC record at _dmarc.{several[0]}: receivers use none of them"
        return Seen({"code": "multiple-records", "detail": detail, "found_at": several[0]})
    if ignored:
        return Seen(
            {"code": "invalid", "detail": f"does not start with v=DMARC1; and is ignored: {'; '.join(ignored)}"}
        )
    return Seen({"code": "missing", "detail": f"there is no DMARC record at _dmarc.{domain} or above it"})


def _applying(domain: str, found: list[tuple[str, str]]) -> tuple[str, str]:
    """Of the records of a walk, the one that applies (RFC 9989 4.10.1 and 4.10.2)."""
    name, record = found[-1]
    if parse(record).psd == "y" and name != domain:
        organisation = ".".join(domain.split(".")[-name.count(".") - 2 :])
        return next((pair for pair in found if pair[0] == organisation), found[-1])
    return found[-1]


async def _judged(domain: str, name: str, text: str, ask: Ask) -> Seen | Unseen:
    record = parse(text)
    below, exists = name != domain, True
    if below and record.np not in ("", record.sp or record.p):
        answer = await _exists(domain, ask)
        if isinstance(answer, NotAsked):
            return answer.unseen()
        exists = answer
    policy = record.policy(below, exists)
    applied = record.applied(policy)
    code = "invalid" if record.faults else "monitor-only" if applied == "none" else "ok"
    tags = {name: getattr(record, name) for name in ("p", "sp", "np", "psd", "adkim", "aspf")}
    readings: dict[str, Reading] = {tag: value for tag, value in tags.items() if value}
    readings |= {"policy": policy, "applied": applied} if policy else {}
    readings |= {"rua": record.rua} if record.rua else {}
    readings |= {"record": readable(text), "found_at": name, "testing": record.testing}
    return Seen({"code": code, "detail": "; ".join(record.faults + record.notes), **readings})


async def _exists(domain: str, ask: Ask) -> bool | NotAsked:
    """RFC 9989 3.2.13: a domain without A, AAAA and MX does not exist."""
    for rdtype in ("A", "AAAA", "MX"):
        answer = await ask(domain, rdtype)
        if not isinstance(answer, Absent):
            return answer if isinstance(answer, NotAsked) else True
    return False


def _is_nearly(text: str) -> bool:
    return _NEARLY.match(text) is not None and not is_dmarc(text)
