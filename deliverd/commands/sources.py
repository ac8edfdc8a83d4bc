"""`deliverd sources`: what each source says of each domain, how fresh it is, and how much of the mail they cover."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from deliverd import clock
from deliverd.commands.codes import Code
from deliverd.commands.names import configured
from deliverd.commands.output import BAD, GOOD, QUIET, UNSURE, Output, Styled, Words
from deliverd.commands.session import session
from deliverd.core.coverage import DAYS, Coverage, Feedback
from deliverd.core.fusion import Fused, Known, Number, SourceView, State, fuse
from deliverd.core.rules import AUTHENTICATION, percent
from deliverd.core.source_days import first_day
from deliverd.engine.observe import DNS_SOURCES, MAILBOXES, REPORTS
from deliverd.model import Look
from deliverd.policy import Watched
from deliverd.settings import Domain, Settings
from deliverd.store import coverage, observations
from deliverd.store.connection import Conn

HEADS = ("DOMAIN", "SOURCE", "SPEAKS FOR", "STATE", "SAYS", "NEWEST", "NEXT BY (UTC)", "COMPLETE", "WHY")
COVERAGE_HEADS = ("DOMAIN", "PROVIDER", "MAIL", "SHARE", "FEEDBACK", "FROM")
_MOST_NUMBERS = 3
_STYLES = {State.FRESH: GOOD, State.NOTHING: QUIET, State.LATE: UNSURE}
_FEEDBACK_STYLES = {Feedback.TOLD: GOOD, Feedback.NONE: BAD}


def sources(names: Sequence[str], as_json: bool, config: Path | None) -> Code:
    """Show the domains of these names, or all. Raises ConfigError, StoreError, UsageFault."""
    now = clock.now()
    with session(config) as (settings, store):
        wanted = list(dict.fromkeys(configured(settings, name) for name in names)) or list(settings.domains)
        views = store.read_sync(lambda conn: [fuse(known(conn, settings, name, now)) for name in wanted])
    if as_json:
        Output().json({"at": now, "days": DAYS, "domains": [document(fused) for fused in views]})
    else:
        _show(Output(), views, detailed=bool(names))
    return Code.GOOD if all(fused.well for fused in views) else Code.WRONG


def known(conn: Conn, settings: Settings, name: str, now: datetime) -> Known:
    """What the store and the configuration know of a domain."""
    domain, first = settings.domains[name], first_day(now)
    account = settings.platforms[domain.platform]
    expected = watching(settings, name, now)
    daily = (*REPORTS, *(source for source in expected if source not in AUTHENTICATION))
    looks = observations.looks(conn, name, daily, first.isoformat())
    return Known(
        domain=name,
        now=now,
        policy=settings.policies[domain.policy],
        platform=account.kind,
        expected=expected,
        looks=[row for row in looks if _still_asked(row[1], settings, domain)],
        mail=coverage.mail_by_day(conn, name, datetime.combine(first, time(), UTC)),
        last_event=coverage.last_received(conn, [domain.platform]).get(domain.platform),
    )


def watching(settings: Settings, name: str, since: datetime) -> dict[str, Watched]:
    """The sources that should watch a domain, as `engine.observe.expected` has it, for a process that asks none."""
    domain = settings.domains[name]
    dns = [source for source in DNS_SOURCES if source != "dkim" or domain.dkim_selectors]
    seldom = Watched(since, timedelta(seconds=settings.schedule.source_seconds))
    often = dict.fromkeys([*dns, settings.platforms[domain.platform].kind], Watched(since))
    return often | dict.fromkeys(settings.sources, seldom)


def _still_asked(look: Look, settings: Settings, domain: Domain) -> bool:
    if look.latest.source in REPORTS:
        return any(source in settings.sources for source in MAILBOXES)
    return look.latest.source != "dkim" or look.latest.part in domain.dkim_selectors


def document(fused: Fused) -> dict[str, Any]:
    """One domain as `--json` says it."""
    return {
        "domain": fused.domain,
        "well": fused.well,
        "coverage": coverage_document(fused.coverage),
        "sources": [_source(view) for view in fused.sources],
    }


def coverage_document(found: Coverage) -> dict[str, Any]:
    """The coverage as `--json` says it: shares are ratios, null where nothing is known."""
    return {
        "known": found.known,
        "mail": found.mail,
        "counted_by": found.basis,
        **{name: found.ratio(feedback) for name, feedback in _NAMES.items()},
        "says": found.sentence(),
        "providers": [
            {
                "provider": share.provider or None,
                "mail": share.mail,
                "feedback": share.feedback,
                "sources": share.sources,
            }
            for share in found.shares
        ],
    }


_NAMES = {
    "told": Feedback.TOLD,
    "told_if_joined": Feedback.PERHAPS,
    "no_feedback": Feedback.NONE,
    "unknown_provider": Feedback.UNKNOWN,
}


def _source(view: SourceView) -> dict[str, Any]:
    return {
        "source": view.source,
        "state": view.state,
        "why": view.why,
        "speaks_for": sorted(view.speaks_for),
        "might_speak_for": sorted(view.might_speak_for),
        "tells": sorted(view.tells),
        "perhaps": sorted(view.perhaps),
        "at": view.at,
        "newest_day": view.newest,
        "look_by": view.look_by,
        "day_by": view.day_by,
        "complete": view.complete,
        "numbers": [_number(number) for number in view.numbers],
        "days": [{"day": day.day, "part": day.part, "readings": day.readings} for day in view.days],
    }


def _number(number: Number) -> dict[str, Any]:
    return {
        "figure": number.reading,
        "value": number.value,
        "unit": number.unit,
        "denominator": number.of,
        "total": number.total,
        "day": number.day,
        "part": number.part,
    }


def _show(out: Output, views: Sequence[Fused], detailed: bool) -> None:
    if not views:
        out.line("No domain is configured.")
        return
    out.table(HEADS, [_row(fused.domain, view) for fused in views for view in fused.sources])
    out.line()
    for fused in views:
        out.line(Styled(fused.domain, "bold"), f": {fused.coverage.sentence()}.")
    rows = [row for fused in views for row in _shares(fused)]
    if detailed and rows:
        out.line()
        out.table(COVERAGE_HEADS, rows)


def _shares(fused: Fused) -> list[tuple[Words, ...]]:
    found = fused.coverage
    return [
        (
            fused.domain,
            share.provider or "not known",
            f"{share.mail:,}",
            percent(share.mail / found.mail),
            Styled(_FEEDBACK_WORDS[share.feedback], _FEEDBACK_STYLES.get(share.feedback, UNSURE)),
            ", ".join(share.sources) or "-",
        )
        for share in found.shares
    ]


_FEEDBACK_WORDS = {
    Feedback.TOLD: "told",
    Feedback.PERHAPS: "if joined",
    Feedback.NONE: "none",
    Feedback.UNKNOWN: "not known",
}


def _row(domain: str, view: SourceView) -> tuple[Words, ...]:
    return (
        domain,
        view.source,
        _speaks_for(view),
        Styled(view.state.value, _STYLES.get(view.state, BAD)),
        _says(view.numbers) or "-",
        _newest(view),
        _next_by(view),
        f"{view.complete.have:,} of {view.complete.due:,} {view.complete.unit}" if view.complete else "-",
        view.why or "-",
    )


def _speaks_for(view: SourceView) -> str:
    """Those that it tells of by its nature; of the others their number, and their names are in `--json`."""
    others = len(view.might_speak_for)
    return ", ".join([*sorted(view.speaks_for), *([f"{others} if joined"] if others else [])]) or "-"


def _says(numbers: Sequence[Number]) -> str:
    """The first figure that the source tells: for a source of several addresses, one for each of them."""
    mine = [number for number in numbers if number.reading == numbers[0].reading]
    words = [_number_words(number) for number in mine[:_MOST_NUMBERS]]
    return "; ".join(words) + (f"; {len(mine) - _MOST_NUMBERS} more" if len(mine) > _MOST_NUMBERS else "")


def _number_words(number: Number) -> str:
    value = number.value
    if number.unit == "ratio" and isinstance(value, int | float):
        value = percent(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        value = f"{value:,}"
    of = f" of {number.total:,}" if number.total is not None else ""
    name = "" if number.reading == "code" else number.reading
    return " ".join(filter(None, (number.part, name, f"{value}{of}")))


def _newest(view: SourceView) -> str:
    newest: date | datetime | None = view.newest or view.at
    return f"{newest:%Y-%m-%d %H:%M}" if isinstance(newest, datetime) else str(newest or "-")


def _next_by(view: SourceView) -> str:
    """The sooner of what is expected next: a look, or the numbers of a day."""
    coming = min((at for at in (view.look_by, view.day_by) if at), default=None)
    return f"{coming:%Y-%m-%d %H:%M}" if coming else "-"
