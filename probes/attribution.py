"""Which sending domain a report is about, and by what it is told. Pure.

The order is one of trust in what the sender itself controls: a header of one's own; the signing domain (DKIM d=) of
the original, the one aligned with its From first; what the receiver says it verified (header.d=); Feedback-ID; From;
the envelope sender; and last the domain the reporter names, which may be the service provider's instead of the brand's.
A candidate that is watched, or lies below a domain that is, wins over every one that is not.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from probes.mail_text import domain_of, host, is_registrable, organisation
from probes.mime import Headers

MAX_CANDIDATES = 50
_TAG_D = re.compile(r"(?:^|;)\s*d\s*=\s*([^;\s]+)")
_HEADER_D = re.compile(r"\bdkim\s*=\s*pass\b[^;]*?\bheader\.(?:d\s*=\s*|i\s*=\s*[^@\s;]*@)([^\s;]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Own:
    """What an owner's own mail is known by: headers that name the domain, and ids in Feedback-ID with their domain."""

    headers: tuple[str, ...] = ()
    feedback_ids: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Attribution:
    """`domain` is "" where nothing names one. `watched` is None when it was not said what is watched."""

    domain: str = ""
    by: str = ""
    watched: bool | None = None


def attribute(
    message: Headers,
    report: Headers,
    to: str = "",
    *,
    own: Own | None = None,
    watched: Collection[str] | None = None,
) -> Attribution:
    """The domain of a report with these fields about a message with this header.

    `to` is the address that an unsubscribe mail or a bounce was sent to: it belongs to the sending domain.
    """
    found = list(_candidates(message, report, to, own or Own()))[:MAX_CANDIDATES]
    if watched is not None:
        for by, domain in found:
            nearest = _nearest(domain, watched)
            if nearest:
                return Attribution(nearest, by, True)
    author = domain_of(message.get("from"))
    sure = [(by, domain) for by, domain in found if not _is_stranger(by, domain, author)] or found
    by, domain = sure[0] if sure else ("", "")
    return Attribution(domain, by, None if watched is None else False)


def aligned(one: str, other: str) -> bool:
    """Whether two domains belong to one organisation (relaxed alignment)."""
    return bool(one and other) and organisation(one) == organisation(other)


def verified_domains(values: list[str]) -> list[str]:
    """The signing domains that Authentication-Results fields call good."""
    return [name for value in values[:20] for name in map(host, _HEADER_D.findall(value[:2048])) if name]


def signing_domains(message: Headers) -> list[str]:
    """The d= of each DKIM-Signature."""
    found = (_TAG_D.search(value[:8192]) for value in message.all("dkim-signature")[:20])
    return [name for name in (host(match[1]) for match in found if match) if name]


def _candidates(message: Headers, report: Headers, to: str, own: Own) -> Iterator[tuple[str, str]]:
    author = domain_of(message.get("from"))
    for name in own.headers:
        for value in message.all(name.lower()):
            yield from _named("own-header", host(value) or domain_of(value))
    for domain in sorted(signing_domains(message), key=lambda name: not aligned(name, author)):
        yield "dkim-signature", domain
    results = message.all("authentication-results") + report.all("authentication-results")
    for domain in sorted(verified_domains(results), key=lambda name: not aligned(name, author)):
        yield "authentication-results", domain
    for part in message.get("feedback-id")[:500].split(":"):
        yield from _named("feedback-id", host(own.feedback_ids.get(part.strip(), "")) or _domain_like(part))
    yield from _named("from", author)
    for value in (report.get("original-mail-from"), message.get("return-path")):
        yield from _named("mail-from", domain_of(value))
    for value in report.all("reported-domain"):
        yield from _named("reported-domain", host(value.strip("<>")))
    yield from _named("recipient-address", domain_of(to))


def _named(by: str, domain: str) -> Iterator[tuple[str, str]]:
    if domain:
        yield by, domain


def _domain_like(part: str) -> str:
    """A part of a Feedback-ID that is a domain below a known suffix, and no campaign with a dot in its name."""
    name = host(part)
    return name if name and is_registrable(name) else ""


def _is_stranger(by: str, domain: str, author: str) -> bool:
    """Whether a domain may be a service provider's: it signs or is named, and is not aligned with the author."""
    return bool(author) and by in ("dkim-signature", "authentication-results") and not aligned(domain, author)


def _nearest(domain: str, watched: Collection[str]) -> str:
    """The domain itself or the nearest one above it that is watched."""
    while domain:
        if domain in watched:
            return domain
        domain = domain.partition(".")[2]
    return ""
