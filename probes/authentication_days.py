"""What DMARC and TLS reports say of a domain's mail, by day and by who reported it: pass rates. Pure.

A look's part is "DAY/REPORTER": the UTC day that most of the report is about, and the domain of the proven author of
the mail it came in, whatever the report calls itself: so nobody can overwrite what another reported. The report's own
name follows where it says more than the domain (Microsoft reports as "Outlook.com" and as "Enterprise Outlook" from
one address), and the time it begins at where it covers less than most of a day: each of these is a report of its own.
"""

from collections import Counter
from collections.abc import Collection, Iterable
from datetime import date, datetime, timedelta
from typing import TypeVar

from probes.aggregate_report import DMARC, TLS, Aggregate, Sessions, Source
from probes.mail_text import host, organisation
from probes.observation import Observation, Reading, Seen, Window

LONGEST = timedelta(days=3)
"""What covers more is not about a day."""

_Row = TypeVar("_Row", Source, Sessions)
_MOST_OF_A_DAY = timedelta(hours=20)
_NAMED = 5


def targets(told: Aggregate, watched: Collection[str]) -> frozenset[str]:
    """The watched domains that a report is about: those it names, or the nearest above them."""
    sources = (_name(told, row) for row in told.sources)
    sessions = (_name(told, row) for row in told.sessions)
    names = dict.fromkeys((told.domain, *sources, *sessions))
    return frozenset(filter(None, (_nearest(name, watched) for name in names)))


def fault(told: Aggregate, window: Window) -> tuple[str, str] | None:
    """Code and words for why a report's numbers belong to no day, or cannot be read; None when they can be taken."""
    if told.begin is None or told.end is None:
        return "malformed", "it does not say what time it covers"
    if not timedelta(0) <= told.end - told.begin <= LONGEST:
        return "malformed", f"it covers {told.begin} to {told.end}, which is no day"
    if told.rows and told.unread == told.rows:
        return "malformed", f"none of its {told.rows} rows can be read"
    wrong = window.fault(_middle(told.begin, told.end))
    return ("ancient", wrong) if wrong else None


def looks(told: Aggregate, author: str, watched: Collection[str] | None, now: datetime) -> tuple[Observation, ...]:
    """One look for each watched domain that a report without `fault` has numbers of.

    `author` is the domain that is proven to have sent it. Without `watched`, the domain that it names is.
    """
    assert told.begin is not None and told.end is not None
    known = (told.domain,) if watched is None else watched
    part = f"{_day(told.begin, told.end)}/{_who(told, author, told.begin, told.end)}"
    if told.kind == "tls-rpt":
        sessions = _by_target(told, told.sessions, known)
        return tuple(_look(TLS, domain, now, part, told, _tls(mine)) for domain, mine in sessions.items())
    sources = _by_target(told, told.sources, known)
    found = ((domain, _dmarc(told, mine)) for domain, mine in sources.items())
    return tuple(_look(DMARC, domain, now, part, told, numbers) for domain, numbers in found if numbers["messages"])


def _look(
    source: str, domain: str, now: datetime, part: str, told: Aggregate, numbers: dict[str, Reading]
) -> Observation:
    more: dict[str, Reading] = {"rows_unread": told.unread} if told.unread else {}
    return Observation(source, domain, now, Seen(numbers | more), part)


def _dmarc(told: Aggregate, rows: Collection[Source]) -> dict[str, Reading]:
    messages, passed = sum(row.messages for row in rows), sum(row.passed for row in rows)
    failing: Counter[str] = Counter()
    for row in rows:
        failing[row.ip] += row.messages - row.passed
    numbers: dict[str, Reading] = {
        "messages": messages,
        "spf_aligned": sum(row.spf_aligned for row in rows),
        "dkim_aligned": sum(row.dkim_aligned for row in rows),
        "dmarc_passed": passed,
        "sources": len(failing),
        "failing_sources": _top(failing),
    }
    rate: dict[str, Reading] = {"pass_rate": passed / messages} if messages else {}
    return numbers | rate | ({"policy_published": told.policy} if told.policy else {})


def _tls(rows: Collection[Sessions]) -> dict[str, Reading]:
    ok, failed = sum(row.ok for row in rows), sum(row.failed for row in rows)
    failures: Counter[str] = Counter()
    for row in rows:
        failures.update(dict(row.failures))
    numbers: dict[str, Reading] = {
        "sessions": ok + failed,
        "sessions_ok": ok,
        "sessions_failed": failed,
        "failures": _top(failures),
    }
    return numbers | ({"pass_rate": ok / (ok + failed)} if ok + failed else {})


def _top(counted: Counter[str]) -> tuple[str, ...]:
    """The largest, and of equal ones the first by name: the same report must always read the same."""
    ordered = sorted(counted.items(), key=lambda one: (-one[1], one[0]))
    return tuple(f"{name}={count}" for name, count in ordered[:_NAMED] if count)


def _by_target(told: Aggregate, rows: Iterable[_Row], known: Collection[str]) -> dict[str, list[_Row]]:
    found: dict[str, list[_Row]] = {}
    for row in rows:
        if domain := _nearest(_name(told, row), known):
            found.setdefault(domain, []).append(row)
    return found


def _name(told: Aggregate, row: Source | Sessions) -> str:
    """The domain that a row is about. A From elsewhere than below the policy's domain is a reporter's own mistake."""
    if told.kind == "tls-rpt":
        return row.name
    return row.name if row.name.endswith(f".{told.domain}") else told.domain


def _nearest(name: str, known: Collection[str]) -> str:
    """The known domain that a name is, or is below; "" for none."""
    while name and name not in known:
        name = name.partition(".")[2]
    return name


def _middle(begin: datetime, end: datetime) -> datetime:
    return begin + (end - begin) / 2


def _day(begin: datetime, end: datetime) -> date:
    """The day that most of it is about: reporters east of Greenwich begin theirs on the evening before."""
    return _middle(begin, end).date()


def _who(told: Aggregate, author: str, begin: datetime, end: datetime) -> str:
    name = told.reporter[:64].strip()
    known = not name or name.lower() in author or organisation(host(name)) == organisation(author)
    short = timedelta(0) < end - begin < _MOST_OF_A_DAY
    return " ".join([author, *([] if known else [name]), *([f"{begin:%H:%M}"] if short else [])])
