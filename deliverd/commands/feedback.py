"""`deliverd feedback parse`: what a report mail is, who wrote it, and whether it counts, for a person who wonders."""

import asyncio
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from deliverd import clock
from deliverd.commands.codes import Code, worst
from deliverd.commands.lookup import name_servers, settings_if_any
from deliverd.commands.output import BAD, GOOD, QUIET, UNSURE, Output, Styled, Words, stamp
from probes.feedback_mail import MAX_MAIL_BYTES, examine
from probes.feedback_verdict import Rules, Verdict, judge
from probes.mail_authentication import Authentication
from probes.mail_report import Kind, Report
from probes.mailbox import HEAD_BYTES
from probes.observation import Window
from probes.resolver import Config as Dns
from probes.resolver import Resolver

# An old mail is explained as it was judged when it came.
_ALL_TIME = timedelta(days=36_500)
_UNMAPPED = "unmapped"
_UNDECIDED = "undecided"
_UNREADABLE = "unreadable"
_NO_BOUNCE: dict[str, Any] = dict.fromkeys(("action", "status", "bounce"))


def parse(
    files: Sequence[Path],
    trust: Sequence[str],
    nameservers: Sequence[str],
    no_dns: bool,
    as_json: bool,
    config: Path | None,
) -> Code:
    """Read and show. Raises UsageFault, and ConfigError for a configuration that was asked for and cannot be used."""
    settings = settings_if_any(config)
    servers = None if no_dns else name_servers(nameservers, settings)
    now = clock.now()
    found = asyncio.run(_look(files, trust, servers, settings.domains if settings else None, now))
    documents = [_document(path, verdict) for path, verdict in found]
    if as_json:
        Output().json({"reports": documents})
    else:
        _show(Output(), documents)
    return worst(map(_code, documents))


async def _look(
    files: Sequence[Path], trust: Sequence[str], dns: Dns | None, watched: Collection[str] | None, now: datetime
) -> list[tuple[Path, Verdict]]:
    resolver = Resolver(dns) if dns else None
    found: list[tuple[Path, Verdict]] = []
    try:
        for path in files:
            read = await asyncio.to_thread(_read, path)
            if isinstance(read, str):
                found.append((path, _unread(read, now)))
                continue
            raw, whole = read
            ask = resolver.ask if resolver else None
            window = Window(now, past=_ALL_TIME)
            verdict = await examine(raw, whole=whole, trusted=trust, ask=ask, window=window, watched=watched)
            found.append((path, verdict))
    finally:
        if resolver:
            await resolver.aclose()
    return found


def _unread(why: str, now: datetime) -> Verdict:
    report = Report(Kind.UNKNOWN, code=_UNREADABLE, reason=why)
    return judge(report, Authentication(why=why), Window(now), Rules())


def _read(path: Path) -> tuple[bytes, bool] | str:
    """The mail, or its beginning when it is too large, and whether it is all of it; else why it cannot be read."""
    if path.exists() and not path.is_file():
        return "not a file"
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            return file.read(MAX_MAIL_BYTES if size <= MAX_MAIL_BYTES else HEAD_BYTES), size <= MAX_MAIL_BYTES
    except OSError as fault:
        return fault.strerror or type(fault).__name__


def _code(document: dict[str, Any]) -> Code:
    """A report that is understood is good, counted or not: only what could not be read, or placed, is wrong."""
    if document["code"] in (_UNREADABLE, _UNDECIDED):
        return Code.UNSEEN
    broken = document["kind"] == Kind.UNKNOWN or document["code"] in (_UNMAPPED, "malformed", "too-large")
    return Code.WRONG if broken else Code.GOOD


def _document(path: Path, verdict: Verdict) -> dict[str, Any]:
    """What is known of a file. Of recipients only the domain is told: their addresses are nobody's business."""
    report, attribution, proof = verdict.report, verdict.attribution, verdict.authentication
    return {
        "file": str(path),
        "kind": report.kind,
        "shape": report.shape or None,
        "type": report.type or None,
        "domain": attribution.domain or None,
        "attributed_by": attribution.by or None,
        "watched": attribution.watched,
        "authenticated": bool(proof),
        "authenticated_by": proof.by or None,
        "reporter": report.reporter or None,
        "believed_as": verdict.reporter or None,
        "message_id": report.message_id or None,
        "sent_at": report.sent_at,
        "reported_at": report.reported_at,
        "source_ip": report.source_ip or None,
        "recipients": _recipients(verdict),
        "means": verdict.means,
        "counts_as": verdict.counts_as,
        "code": verdict.code,
        "why": verdict.why,
    }


def _recipients(verdict: Verdict) -> list[dict[str, Any]]:
    report = verdict.report
    if report.kind is Kind.DSN:
        return [
            {
                "domain": one.address.rpartition("@")[2] or None,
                "action": one.action or None,
                "status": one.status or None,
                "bounce": one.bounce or None,
            }
            for one in report.recipients
        ]
    return [{"domain": one.rpartition("@")[2]} | _NO_BOUNCE for one in report.complainers]


def _show(out: Output, documents: Sequence[dict[str, Any]]) -> None:
    for number, one in enumerate(documents):
        if number:
            out.line()
        out.line(Styled(one["file"], "bold"))
        what = " ".join(filter(None, (one["kind"], one["type"], one["shape"] and f"({one['shape']})")))
        _line(out, "is", what)
        domain = f"{one['domain']} (by {one['attributed_by']})" if one["domain"] else "none that could be told"
        _line(out, "domain", domain)
        _line(out, "message", one["message_id"])
        _line(out, "sent", one["sent_at"] and stamp(one["sent_at"]))
        _line(out, "from", one["reporter"])
        _line(out, "authentic", Styled("yes", GOOD) if one["authenticated"] else Styled("no", UNSURE))
        counts = one["counts_as"]
        _line(out, "counts", Styled(f"as {counts}", BAD) if counts else Styled("not", GOOD))
        _line(out, "why", one["why"])


def _line(out: Output, label: str, words: Words | None) -> None:
    if words:
        out.line("  ", Styled(f"{label:<10}", QUIET), words)
