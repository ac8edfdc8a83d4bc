"""Who really sent a mail: DKIM (RFC 6376) of its author's domain, or the word of a mail server that is trusted.

A report is acted upon, so its signature must cover what is read: one From, one Content-Type, the body to its end, and
either the Content-Type itself or its boundary, which must then be the body's own first one. Otherwise somebody who
has a genuine report about his own mail could have another part of it read, one that he wrote himself.
"""

import asyncio
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import dkim  # type: ignore[import-untyped]
from dkim.util import InvalidTagValueList, parse_tag_value  # type: ignore[import-untyped]

from probes.attribution import aligned
from probes.mail_text import address, host, printable, without_comments
from probes.mime import Headers, Part, cut, delimiter, halves, headers, lines
from probes.resolver import Ask, Found, NotAsked

MAX_SIGNATURES = 5
_MIN_RSA_BITS = 1024  # RFC 8301 3.2
_ALGORITHMS = (b"rsa-sha256", b"ed25519-sha256")
_SILENT = logging.Logger("probes.mail_authentication.silent", logging.CRITICAL + 1)
_METHOD = re.compile(r"\s*(dkim|dmarc)\s*(?:/\s*\d+\s*)?=\s*([a-z]+)\b(.*)", re.IGNORECASE | re.DOTALL)
_PROPERTY = re.compile(r"\b(header\.d|header\.i|header\.from)\s*=\s*\"?([^\s;\"]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Authentication:
    """`domain` is who is proven to have sent the mail ("" when nobody is), `by` how; else `why` not, in words.

    `again`: DNS could not be asked; the same mail may be authentic when it is asked again.
    """

    domain: str = ""
    by: str = ""
    why: str = ""
    again: bool = False

    def __bool__(self) -> bool:
        return bool(self.domain)


@dataclass(frozen=True, slots=True)
class _Signature:
    index: int
    domain: str
    key_name: str


async def authenticate(
    raw: bytes, *, whole: bool = True, trusted: Sequence[str] = (), ask: Ask | None = None
) -> Authentication:
    """Who sent this mail. `whole` is False when `raw` is only its beginning: then no signature can be checked.

    `trusted` are the authserv-ids (RFC 8601 2.5) of one's own mail servers. Without `ask`, DNS is not asked.
    """
    top = headers(halves(lines(raw))[0])
    authors = top.all("from")
    author = address(authors[0]) if len(authors) == 1 else ""
    if not author:
        return Authentication(why=f"it has {len(authors)} From fields, or one that is not one address")
    if len(top.all("content-type")) > 1:
        return Authentication(why="it has two Content-Type fields")
    vouched = _vouched(top, author, trusted)
    if vouched and _boundary_is_its_own(raw):
        return vouched
    if not top.get("dkim-signature"):
        return Authentication(why="it is not signed (DKIM), and no trusted server vouches for it")
    if not whole:
        return Authentication(why="it is too large for its signature to be checked")
    if ask is None:
        return Authentication(why="DNS was not asked for the key of its signature")
    return await _signed(raw, top, author, ask)


def results(value: str) -> tuple[str, list[tuple[str, str, Mapping[str, str]]]]:
    """The authserv-id and the (method, result, properties) of an Authentication-Results field (RFC 8601 2.2)."""
    bare = without_comments(value[:8192])
    name, *rest = bare.split(";")
    found: list[tuple[str, str, Mapping[str, str]]] = []
    for one in rest:
        match = _METHOD.fullmatch(one.strip())
        if match:
            properties = {key.lower(): text for key, text in _PROPERTY.findall(match[3])}
            found.append((match[1].lower(), match[2].lower(), properties))
    identity = (name.split() or [""])[0].lower()
    return identity, found


def _vouched(top: Headers, author: str, trusted: Sequence[str]) -> Authentication:
    """What the topmost Authentication-Results field says, if a trusted server wrote it: lower ones may be forged."""
    identity, found = results(top.get("authentication-results"))
    if not identity or identity not in {name.lower() for name in trusted}:
        return Authentication()
    domain = author.rpartition("@")[2]
    for method, result, properties in found:
        if result != "pass":
            continue
        if method == "dkim":
            signer = host(properties.get("header.d", "") or properties.get("header.i", "").rpartition("@")[2])
        else:
            signer = host(properties.get("header.from", "").rpartition("@")[2])
        if aligned(signer, domain):
            return Authentication(signer, f"authentication-results:{identity} {method}={signer}")
    return Authentication()


async def _signed(raw: bytes, top: Headers, author: str, ask: Ask) -> Authentication:
    domain = author.rpartition("@")[2]
    count = len(top.all("dkim-signature"))
    signatures = list(_of_author(raw, domain))[:MAX_SIGNATURES]
    if not signatures:
        return Authentication(why=f"none of its {count} DKIM signatures is one of {domain} over all that is read")
    why, again = "", False
    for signature in signatures:
        answer = await ask(signature.key_name, "TXT")
        if isinstance(answer, NotAsked):
            why, again = f"{signature.key_name} could not be asked for: {answer.detail}", True
            continue
        if not isinstance(answer, Found) or not answer.texts:
            why = why or f"there is no key at {signature.key_name}"
            continue
        key = answer.texts[0].encode("latin-1")
        if await asyncio.to_thread(_holds, raw, signature.index, key):
            return Authentication(signature.domain, f"dkim:{signature.domain}")
        why = why or f"its signature by {signature.domain} does not hold"
    return Authentication(why=why, again=again)


def _of_author(raw: bytes, domain: str) -> Iterator[_Signature]:
    """The signatures aligned with the author's domain that cover all that is read, by their place from the top."""
    try:
        signed = [value for name, value in dkim.rfc822_parse(raw)[0] if name.lower() == b"dkim-signature"]
    except (dkim.DKIMException, IndexError):
        return
    for index, value in enumerate(signed[:50]):
        try:
            tags = parse_tag_value(value)
        except (InvalidTagValueList, IndexError):
            continue
        signer = host(tags.get(b"d", b"").decode("latin-1"))
        selector = printable(tags.get(b"s", b"").decode("latin-1"), 253)
        good = tags.get(b"a", b"").lower() in _ALGORITHMS and b"l" not in tags
        if good and signer and selector and aligned(signer, domain) and _covers_structure(raw, tags.get(b"h", b"")):
            yield _Signature(index, signer, f"{selector}._domainkey.{signer}")


def _covers_structure(raw: bytes, signed_fields: bytes) -> bool:
    names = {name.strip().lower() for name in signed_fields.split(b":")}
    return b"content-type" in names or _boundary_is_its_own(raw)


def _boundary_is_its_own(raw: bytes) -> bool:
    """Whether the boundary that the header names is that with which the body begins. True for a body of one piece."""
    plain = lines(raw)
    head, body = halves(plain)
    root: Part = cut(head + b"\n\n")
    if root.type.startswith("multipart/"):
        return delimiter(body) == root.parameters.get("boundary", "").encode("utf-8", "replace")
    # An attachment that is the whole mail, as many reporters send DMARC reports: a body that is of one piece.
    return root.type == "text/plain" or (root.type.startswith("application/") and not delimiter(body))


def _holds(raw: bytes, index: int, key: bytes) -> bool:
    """Whether a signature holds with this key record. dkimpy reads the clock, for signatures that have an end."""
    try:
        verifier = dkim.DKIM(raw, logger=_SILENT, minkey=_MIN_RSA_BITS)
        return bool(verifier.verify(index, dnsfunc=lambda *_, **__: key))
    except Exception:  # dkimpy lets through whatever broken base64, ASN.1 or numbers raise
        return False
