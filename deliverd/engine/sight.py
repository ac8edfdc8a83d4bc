"""What the sources say of one domain, sorted for judging: what holds now, figures of days, and what is missing."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from deliverd.core import alert
from deliverd.core.source_days import days_of, overdue, volumes
from deliverd.core.sources import about
from deliverd.engine.context import Context
from deliverd.engine.observe import DAILY, KEY, MAILBOXES, PUBLISHERS, REPORTS, expected, is_day
from deliverd.model import Incident, Look
from deliverd.policy import Policy, Watched
from deliverd.settings import Domain, Settings
from deliverd.store import coverage, observations
from deliverd.store.connection import Conn
from probes import registry
from probes.observation import Seen

MAIL_DAYS = 28
"""How many days of mail tell on which days a source should have something to say."""


@dataclass(frozen=True, slots=True)
class Sight:
    """`looks` are at sources as they are now, `days` at the figures of single days, which never go stale.

    `expected` are the sources that watch the domain; `late` says what is missing of each that answers and whose days
    do not come; `ending` what is said of keys that lapse soon.
    """

    looks: Sequence[tuple[int, Look]]
    days: Sequence[tuple[int, Look]]
    expected: Mapping[str, Watched]
    late: Mapping[str, str]
    ending: tuple[str, ...]

    def sent_since(self, first: date) -> int:
        """How many messages the sending platform itself says were sent from the day `first` on; 0 when it says none."""
        total = 0
        for _, look in self.days:
            readings = look.seen.answer.readings if look.seen and isinstance(look.seen.answer, Seen) else {}
            sent = readings.get("sent") or readings.get("delivered") or 0
            if look.latest.source in registry.ACCOUNTS and look.latest.part >= first.isoformat():
                total += int(sent) if isinstance(sent, int | float) else 0
        return total


def look_at(conn: Conn, ctx: Context, domain: str, standing: Sequence[Incident], first: date, now: datetime) -> Sight:
    """What is known of a domain; `standing` are its open incidents, `first` is the first day whose figures count."""
    settings = ctx.domain(domain)
    policy = ctx.settings.policies[settings.policy]
    found = observations.looks(conn, domain, DAILY, first.isoformat())
    told = [row for row in found if row[1].latest.source not in REPORTS]
    rows = [row for row in told if _still_asked(row[1], ctx.settings, settings)]
    days = [row for row in rows if is_day(row[1].latest)]
    watching = expected(ctx, domain)
    return Sight(
        looks=[row for row in rows if not is_day(row[1].latest) and not _is_aside(row[1])],
        days=days,
        expected=watching | _dark_before(standing, policy, watching),
        late={name: why for name, why in _late(conn, domain, days, now).items() if name in watching},
        ending=tuple(_ending(look for _, look in rows)),
    )


def _still_asked(look: Look, settings: Settings, domain: Domain) -> bool:
    """Whether the configuration still asks for what was looked at: a selector or a source may have left it."""
    source = look.latest.source
    if source in (*PUBLISHERS, *MAILBOXES):
        return source in settings.sources
    return source != "dkim" or look.latest.part in domain.dkim_selectors


def _is_aside(look: Look) -> bool:
    """Whether a look at a publisher is at something else than its figures, such as how its rules are kept."""
    return look.latest.source in PUBLISHERS and bool(look.latest.part)


def _dark_before(standing: Sequence[Incident], policy: Policy, watching: Mapping[str, Watched]) -> dict[str, Watched]:
    """The sources that were dark already when this process began to ask: a restart is not a sight of them."""
    return {
        source: replace(watching[source], since=incident.opened_at - watching[source].stale_after(policy))
        for incident in standing
        if incident.cause == alert.BLIND
        for source in incident.facts.get("sources", ())
        if source in watching
    }


def _late(conn: Conn, domain: str, rows: Sequence[tuple[int, Look]], now: datetime) -> dict[str, str]:
    """The sources that answer, and whose numbers of a day that should be there are not; what is missing of each."""
    days: dict[str, list[Look]] = {}
    for _, look in rows:
        days.setdefault(look.latest.source, []).append(look)
    if not days:
        return {}
    sent = volumes(coverage.mail_by_day(conn, domain, now - timedelta(days=MAIL_DAYS)))
    missing = {name: overdue(about(name), days_of(mine, now), sent, now) for name, mine in days.items()}
    return {name: f"no numbers of {found[0]}, which were to be expected" for name, found in missing.items() if found}


def _ending(looks: Iterable[Look]) -> Iterator[str]:
    """What is said of keys to publishers that lapse soon, or can no longer be renewed."""
    for look in looks:
        answer = look.latest.answer if look.latest.source in PUBLISHERS and look.latest.part == KEY else None
        if isinstance(answer, Seen) and answer.readings.get("code") != "ok":
            yield str(answer.readings.get("detail", f"the key to {look.latest.source} lapses soon"))
