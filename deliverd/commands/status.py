"""`deliverd status`: every domain, worst first, and whether the daemon lives."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from deliverd import clock
from deliverd.commands.codes import Code, worst
from deliverd.commands.output import BAD, GOOD, QUIET, UNSURE, Output, Styled, Words, stamp, standing_of
from deliverd.commands.overview import Daemon, View, daemon, overview
from deliverd.commands.session import session
from deliverd.core.rules import percent
from deliverd.model import Incident, Outcome, SendState
from deliverd.render import LeverState, lever_line

HEADS = ("DOMAIN", "STANDING", "SINCE (UTC)", "MODE", "ASKED", "COMPLAINTS", "BLIND TO", "INCIDENTS")


def status(as_json: bool, config: Path | None) -> Code:
    """Show it. Raises ConfigError, StoreError."""
    now = clock.now()
    with session(config) as (settings, store):
        views = store.read_sync(lambda conn: overview(conn, settings, settings.domains, now))
        life = store.read_sync(lambda conn: daemon(conn, now))
    if as_json:
        Output().json({"at": now, "daemon": life, "domains": [document(view) for view in views]})
    else:
        _show(Output(), views, life, now)
    return worst([_daemon_code(life), *map(_code, views)])


def document(view: View) -> dict[str, Any]:
    """One domain as `--json` says it."""
    decision = view.decision
    return {
        "domain": view.domain,
        "standing": view.standing,
        "since": decision.since if decision else None,
        "mode": view.mode,
        "rule": decision.rule if decision else "",
        "reason": decision.reason if decision else "",
        "author": decision.author if decision else "",
        "asked": limit_document(view.asked),
        "confirmed": view.confirmed,
        "proposed": limit_document(view.proposal),
        "complaints": {
            "complained": view.counts.complained,
            "sent": view.counts.sent,
            "rate": view.counts.complaint_rate,
            "since": view.counting_from,
        },
        "blind": view.blind,
        "hold": {"until": view.hold.until, "author": view.hold.author, "reason": view.hold.reason}
        if view.hold
        else None,
        "incidents": [_incident(one) for one in view.incidents],
        "levers": [lever_document(lever) for lever in view.levers],
    }


def limit_document(limit: Any) -> dict[str, Any] | None:
    """A limit as `--json` says it."""
    return None if limit is None else {"state": limit.state, "per_day": limit.per_day}


def lever_document(lever: LeverState) -> dict[str, Any]:
    """A lever as `--json` says it."""
    return {
        "lever": str(lever.lever),
        "asked": limit_document(lever.limit),
        "outcome": lever.outcome,
        "attempt": lever.attempt,
        "at": lever.at,
        "detail": lever.detail,
    }


def _incident(one: Incident) -> dict[str, Any]:
    return {"cause": one.cause, "severity": one.severity, "since": one.opened_at, "facts": one.facts}


def _code(view: View) -> Code:
    if not view.well:
        return Code.WRONG
    return Code.UNSEEN if view.blind else Code.GOOD


def _daemon_code(life: Daemon) -> Code:
    return Code.GOOD if life.alive else Code.UNSEEN


def _show(out: Output, views: Sequence[View], life: Daemon, now: datetime) -> None:
    if views:
        out.table(HEADS, [_row(view) for view in views])
    else:
        out.line("No domain is configured.")
    for view in views:
        _details(out, view)
    out.line()
    out.line(daemon_words(life, now))


def daemon_words(life: Daemon, now: datetime) -> Words:
    """Whether the daemon runs, in a line."""
    if life.last_beat is None:
        return Styled("The daemon has never run on this store; start it with deliverd run.", BAD)
    age = max(0, round((now - life.last_beat).total_seconds()))
    if life.alive:
        return Styled(f"The daemon runs ({life.process}, last sign of life {age:,} s ago).", GOOD)
    words = f"The daemon does NOT run: last sign of life {age:,} s ago, {stamp(life.last_beat)} ({life.process})."
    return Styled(f"{words} What is above may be out of date.", BAD)


def _row(view: View) -> tuple[Words, ...]:
    return (
        view.domain,
        standing_of(view.standing),
        f"{view.decision.since:%Y-%m-%d %H:%M}" if view.decision else "-",
        view.mode.value,
        _asked(view),
        complaint_words(view),
        Styled(", ".join(view.blind), UNSURE) if view.blind else "-",
        Styled(", ".join(one.cause for one in view.others), BAD) if view.others else "-",
    )


def complaint_words(view: View) -> str:
    """`17 of 10,000 (0.17 %) since ...`."""
    counts = view.counts
    share = f"{counts.complained:,} of {counts.sent:,} ({percent(counts.complaint_rate)})"
    return f"{share} since {view.counting_from:%d %b %H:%M}"


def _asked(view: View) -> Words:
    if view.proposal is not None:
        return Styled(f"nothing (would ask: {view.proposal})", UNSURE)
    if view.asked is None:
        return "nothing"
    if view.confirmed:
        return Styled(f"{view.asked}, confirmed", GOOD if view.asked.state is SendState.RUNNING else "")
    if any(lever.outcome not in (None, Outcome.CONFIRMED) for lever in view.levers):
        return Styled(f"{view.asked}, NOT CONFIRMED", BAD)
    return Styled(f"{view.asked}, not done yet", UNSURE)


def _details(out: Output, view: View) -> None:
    lines = list(_detail_lines(view))
    if not lines:
        return
    out.line()
    out.line(Styled(view.domain, "bold"))
    for label, text in lines:
        out.line("  ", Styled(f"{label:<9}", QUIET), text)


def _detail_lines(view: View) -> Sequence[tuple[str, str]]:
    """What the row has no room for, of the domains with something to tell."""
    rows = [("why", view.decision.reason)] if view.decision and view.standing.rank else []
    rows += [("lever", lever_line(lever)) for lever in view.levers if lever.outcome is not Outcome.CONFIRMED]
    rows += [(one.cause, str(text)) for one in view.others for text in one.facts.get("texts", ())]
    if view.hold:
        end = stamp(view.hold.until) if view.hold.until else "a person releases it"
        rows.append(("held", f"until {end}, by {view.hold.author}: {view.hold.reason}"))
    if view.proposal is not None:
        rows.append(
            ("to act", f"deliverd approve {view.domain}" if view.mode == "propose" else "mode observe: nothing")
        )
    return rows
