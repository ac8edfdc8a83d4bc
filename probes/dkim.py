"""DKIM keys (RFC 6376 3.6.1, RFC 8301, RFC 8463): what the key record of each selector is worth to a verifier."""

import asyncio
import base64
import binascii
import re
from dataclasses import dataclass
from datetime import datetime

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from probes.config import Strict
from probes.observation import Observation, Reading, Seen, Unseen, Why
from probes.resolver import Absent, Ask, NotAsked, Resolver, readable

MIN_BITS = 1024
"""RFC 8301 3.2: verifiers must not take an RSA key shorter than this."""
ED25519_BYTES = 32

_TAG = re.compile(r"[ \t\r\n]*([A-Za-z][A-Za-z0-9_]*)[ \t\r\n]*=(.*)", re.DOTALL)
_SPACE = re.compile(r"[ \t\r\n]+")


class Config(Strict):
    """The selectors a domain is known to sign with."""

    selectors: tuple[str, ...] = ()


class BrokenKey(ValueError):  # noqa: N818 - a noun of the field, not "...Error"
    """A key record that a verifier has to ignore, and why."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key record that can be read. `bits` is 0 when it is revoked; `testing` is the flag t=y."""

    type: str
    bits: int
    testing: bool = False

    @property
    def code(self) -> str:
        """ok, weak-key or revoked."""
        if not self.bits:
            return "revoked"
        return "weak-key" if self.type == "rsa" and self.bits < MIN_BITS else "ok"


def parse(record: str) -> Key:
    """Parse a key record, one character per byte. Raises BrokenKey. Source: RFC 6376 3.2 and 3.6.1."""
    tags = _tags(record)
    if "v" in tags and (tags["v"] != "DKIM1" or next(iter(tags)) != "v"):
        raise BrokenKey("v= is neither absent nor DKIM1 in first place")
    if "p" not in tags:
        raise BrokenKey("it has no p= tag")
    kind = tags.get("k", "rsa")
    flags = [flag.strip() for flag in tags.get("t", "").split(":")]
    encoded = _SPACE.sub("", tags["p"])
    if not encoded:
        return Key(kind, 0, "y" in flags)
    if "sha256" not in [name.strip() for name in tags.get("h", "sha256").split(":")]:
        raise BrokenKey("h= does not allow sha256, the only hash that verifiers take (RFC 8301 3.1)")
    if not {"*", "email"} & {name.strip() for name in tags.get("s", "*").split(":")}:
        raise BrokenKey("s= does not allow the key for email")
    try:
        raw = base64.b64decode(encoded.encode("latin-1"), validate=True)
    except binascii.Error as fault:
        raise BrokenKey(f"p= is not base64: {fault}") from None
    return Key(kind, _bits(kind, raw), "y" in flags)


def _tags(record: str) -> dict[str, str]:
    """RFC 6376 3.2: `name=value` separated by semicolons, a last one allowed, no name twice."""
    tags: dict[str, str] = {}
    pieces = record.split(";")
    if not pieces[-1].strip():
        pieces.pop()
    for piece in pieces:
        match = _TAG.fullmatch(piece)
        if match is None:
            raise BrokenKey(f"'{readable(piece.strip()[:40])}' is not a tag")
        if match[1] in tags:
            raise BrokenKey(f"the tag {match[1]}= occurs twice")
        tags[match[1]] = match[2].strip(" \t\r\n")
    return tags


def _bits(kind: str, raw: bytes) -> int:
    """The size of a key: RSA as SubjectPublicKeyInfo or as RSAPublicKey (PKCS #1), Ed25519 as its 32 bytes."""
    if kind == "ed25519":
        if len(raw) != ED25519_BYTES:
            raise BrokenKey(f"an Ed25519 key has {ED25519_BYTES} bytes, this one {len(raw)} (RFC 8463 4.2)")
        return 8 * ED25519_BYTES
    if kind != "rsa":
        raise BrokenKey(f"k={readable(kind)} is a key type that verifiers do not know")
    try:
        key = load_der_public_key(raw)
    except (ValueError, UnsupportedAlgorithm):
        raise BrokenKey("p= holds no public key: it was cut or mistyped") from None
    if not isinstance(key, RSAPublicKey):
        raise BrokenKey("p= holds a key that is not RSA, under k=rsa")
    return key.key_size


async def observe(domain: str, config: Config, resolver: Resolver, now: datetime) -> tuple[Observation, ...]:
    """Look at the key of each selector: one observation each, `part` the selector.

    No selector configured is unseen: nobody can list the selectors of a domain, so nothing is known to be missing.
    """
    if not config.selectors:
        return (Observation("dkim", domain, now, Unseen(Why.NO_DATA, "no selector configured")),)
    selectors = tuple(dict.fromkeys(config.selectors))
    answers = await asyncio.gather(*(examine(domain, selector, resolver.ask) for selector in selectors))
    pairs = zip(selectors, answers, strict=True)
    return tuple(Observation("dkim", domain, now, answer, selector) for selector, answer in pairs)


async def examine(domain: str, selector: str, ask: Ask) -> Seen | Unseen:
    """The readings: `code` (ok, weak-key, broken-key, revoked, missing, dangling-cname) and `detail`; `record`,
    `key_type`, `key_bits`, `testing` where there is a key, and `target` where a CNAME leads to it.
    """
    name = f"{selector}._domainkey.{domain}"
    answer = await ask(name, "TXT")
    if isinstance(answer, NotAsked):
        return answer.unseen()
    readings: dict[str, Reading] = {"target": answer.via[-1]} if answer.via else {}
    if isinstance(answer, Absent):
        if not answer.via:
            return Seen({"code": "missing", "detail": f"there is no TXT record at {name}"})
        found = "does not exist" if answer.nxdomain else "has no TXT record"
        return Seen(
            {**readings, "code": "dangling-cname", "detail": f"{name} leads to {answer.via[-1]}, which {found}"}
        )
    return Seen({**readings, **judge(answer.texts)})


def judge(records: tuple[str, ...]) -> dict[str, Reading]:
    """The readings of the TXT records at a selector; of several keys nobody knows which counts (RFC 6376 3.6.2.2)."""
    keys = [record for record in records if "p" in _names(record)] or list(records)
    shown = readable(keys[0])
    if len(keys) > 1:
        return {"code": "broken-key", "detail": f"{len(keys)} key records at one selector", "record": shown}
    try:
        key = parse(keys[0])
    except BrokenKey as fault:
        return {"code": "broken-key", "detail": str(fault), "record": shown}
    readings: dict[str, Reading] = {"code": key.code, "detail": "", "record": shown, "key_type": readable(key.type)}
    if key.bits:
        readings["key_bits"] = key.bits
    return {**readings, "testing": key.testing}


def _names(record: str) -> set[str]:
    return {piece.partition("=")[0].strip() for piece in record.split(";") if "=" in piece}
