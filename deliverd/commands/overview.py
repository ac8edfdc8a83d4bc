"""How the configured domains stand, by the store alone: what `status` shows, and what orders and plans look up."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from deliverd.core import alert, decide
from deliverd.engine.tell import lever_state
from deliverd.model import Counts, Decision, Incident, Limit, Mode, Order, Outcome, SendState, Standing
from deliverd.render import LeverState
from deliverd.settings import Settings
from deliverd.store import actions, decisions, desired, events, heartbeats, incidents, orders
from deliverd.store.connection import Conn

BEATS_WITHIN = timedelta(seconds=30)
"""A daemon that gave no sign of life for longer does not run."""


@dataclass(frozen=True, slots=True)
class Daemon:
    """Whether a daemon runs on this store, by its last sign of life; `process` is "" when there never was one."""

    alive: bool
    process: str = ""
    last_beat: datetime | None = None


@dataclass(frozen=True, slots=True)
class View:
    """How one domain stands: all that is known of it, of which `status` shows the gist.

    `counts` are those of the mail sent since `counting_from`; `levers` how far each lever has come with what is asked
    of it; `proposal` what deliverd would ask if it might (None: it may, or would ask nothing); `hold` the one in force.
    """

    domain: str
    mode: Mode
    decision: Decision | None
    counts: Counts
    counting_from: datetime
    levers: tuple[LeverState, ...]
    incidents: tuple[Incident, ...]
    proposal: Limit | None
    hold: Order | None

    @property
    def standing(self) -> Standing:
        return self.decision.standing if self.decision else Standing.HEALTHY

    @property
    def asked(self) -> Limit | None:
        """The strictest limit asked of the levers; None when nothing was ever asked."""
        return max((lever.limit for lever in self.levers), key=lambda limit: limit.strictness, default=None)

    @property
    def confirmed(self) -> bool | None:
        """Whether the platform does all that is asked; None when nothing was ever asked."""
        return all(lever.outcome is Outcome.CONFIRMED for lever in self.levers) if self.levers else None

    @property
    def blind(self) -> tuple[str, ...]:
        """The sources that do not answer."""
        found = (one.facts.get("sources", ()) for one in self.incidents if one.cause == alert.BLIND)
        return tuple(str(source) for sources in found for source in sources)

    @property
    def others(self) -> tuple[Incident, ...]:
        """The open incidents that neither the standing nor the blind sources tell already."""
        return tuple(one for one in self.incidents if one.cause not in (alert.BLIND, alert.STANDING))

    @property
    def well(self) -> bool:
        """Whether nothing is known to be wrong. Being blind is not knowing."""
        return self.standing is Standing.HEALTHY and self.confirmed is not False and not self.others


def daemon(conn: Conn, now: datetime) -> Daemon:
    """The newest sign of life on this store."""
    newest = next(iter(heartbeats.newest(conn)), None)
    return Daemon(now - newest.at <= BEATS_WITHIN, newest.process, newest.at) if newest else Daemon(alive=False)


def overview(conn: Conn, settings: Settings, names: Iterable[str], now: datetime) -> tuple[View, ...]:
    """The configured domains of these names, worst first."""
    wanted = list(names)
    latest = decisions.latest_all(conn)
    starts = {
        name: decide.counting_from(settings.policies[settings.domains[name].policy], latest.get(name), now)
        for name in wanted
    }
    counted = _counts(conn, starts)
    levers = _levers(conn, settings, wanted)
    open_: defaultdict[str, list[Incident]] = defaultdict(list)
    for incident in incidents.open_incidents(conn):
        open_[incident.domain].append(incident)
    views = []
    for name in wanted:
        decision, mode = latest.get(name), settings.domains[name].mode
        words = orders.newest(conn, name)[::-1]
        states = tuple(levers[name])
        proposal = proposed(decision, words, mode, states)
        hold = decide.held(words, now)
        views.append(
            View(name, mode, decision, counted[name], starts[name], states, tuple(open_[name]), proposal, hold)
        )
    return tuple(sorted(views, key=_worst_first))


def proposed(
    decision: Decision | None, words: Sequence[Order], mode: Mode, levers: Sequence[LeverState]
) -> Limit | None:
    """What the newest decision would ask of the levers, had it leave to; None when it has, or would ask nothing."""
    imposed = max((lever.limit for lever in levers), key=lambda limit: limit.strictness, default=None)
    if decision is None or decision.limit.state is SendState.RUNNING:
        return None
    return decision.limit if decide.wanted(decision, words, mode, imposed) is None else None


def lever_states(conn: Conn, account: str, domain: str) -> tuple[LeverState, ...]:
    """How far each lever of one domain has come."""
    memories = actions.memories(conn, account, domain)
    return tuple(lever_state(row, memories.get(row.lever)) for row in desired.newest(conn, account, domain))


def _levers(conn: Conn, settings: Settings, names: Iterable[str]) -> Mapping[str, list[LeverState]]:
    """The same for many domains, with two questions an account."""
    found: defaultdict[str, list[LeverState]] = defaultdict(list)
    for account in {settings.domains[name].platform for name in names}:
        memories = actions.memories(conn, account)
        for row in desired.newest(conn, account):
            found[row.domain].append(lever_state(row, memories.get(row.lever)))
    return found


def _counts(conn: Conn, starts: Mapping[str, datetime]) -> dict[str, Counts]:
    """The counts of each domain from its own start on; one question for all the domains that share a start."""
    together = {start: events.counts_all(conn, start) for start in set(starts.values())}
    return {name: together[start].get(name, Counts()) for name, start in starts.items()}


def _worst_first(view: View) -> tuple[int, bool, int, int, str]:
    return -view.standing.rank, view.confirmed is not False, -len(view.others), -len(view.blind), view.domain
