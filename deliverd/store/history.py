"""The chain of causes: what was seen, therefore judged, therefore wanted, therefore done, therefore told."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection

from deliverd.model import Decision, Desired, Incident, Intent, Notice, Order, Result
from deliverd.store import actions, decisions, desired, incidents, notices, observations, orders
from probes.observation import Observation


@dataclass(frozen=True, slots=True)
class Act:
    """One attempt at a lever, and what came of it (None: not known yet)."""

    intent: Intent
    result: Result | None


@dataclass(frozen=True, slots=True)
class Wish:
    """What one lever should be at, and the attempts at it, oldest first."""

    desired: Desired
    acts: tuple[Act, ...]


@dataclass(frozen=True, slots=True)
class Telling:
    """One version of an incident, and its notices, oldest first."""

    incident: Incident
    notices: tuple[Notice, ...]


@dataclass(frozen=True, slots=True)
class Link:
    """One decision, with what it rests on and all that came of it."""

    decision: Decision
    observations: tuple[Observation, ...]
    order: Order | None
    wishes: tuple[Wish, ...]
    tellings: tuple[Telling, ...]


@dataclass(frozen=True, slots=True)
class Chain:
    """A domain's decisions, newest first. `others` are incident versions that no decision or result is named for."""

    domain: str
    links: tuple[Link, ...]
    others: tuple[Telling, ...]


def chain(conn: Connection, domain: str, limit: int) -> Chain:
    """The last `limit` decisions of a domain with their causes and effects; as many incident versions beside them."""
    decided = decisions.history(conn, domain, limit)
    seen = observations.by_ids(conn, (row for decision in decided for row in decision.observation_ids))
    wishes = _wishes(conn, [decision.id for decision in decided])
    decision_of = {
        act.result.id: owner for owner, wanted in wishes.items() for wish in wanted for act in wish.acts if act.result
    }
    caused = incidents.of_causes(conn, [decision.id for decision in decided], decision_of)
    free = incidents.recent(conn, domain, limit, uncaused=True)
    told = _notices(conn, [*(incident for _, _, incident in caused), *free])
    tellings: dict[int | None, list[Telling]] = defaultdict(list)
    for decision_id, result_id, incident in caused:
        owner = decision_of.get(result_id or 0, decision_id)
        tellings[owner].append(Telling(incident, told[incident.id, incident.version]))
    links = tuple(
        Link(
            decision,
            tuple(seen[row] for row in decision.observation_ids if row in seen),
            None if decision.order_id is None else orders.get(conn, decision.order_id),
            tuple(wishes[decision.id]),
            tuple(tellings[decision.id]),
        )
        for decision in decided
    )
    return Chain(domain, links, tuple(Telling(incident, told[incident.id, incident.version]) for incident in free))


def _wishes(conn: Connection, decision_ids: list[int]) -> dict[int, list[Wish]]:
    wanted = desired.of_decisions(conn, decision_ids)
    acts: dict[int, list[Act]] = defaultdict(list)
    for intent, result in actions.of_desired(conn, [row.id for row in wanted]):
        acts[intent.action.desired_id].append(Act(intent, result))
    wishes: dict[int, list[Wish]] = defaultdict(list)
    for row in wanted:
        wishes[row.decision_id].append(Wish(row, tuple(acts[row.id])))
    return wishes


def _notices(conn: Connection, told: Iterable[Incident]) -> dict[tuple[int, int], tuple[Notice, ...]]:
    found: dict[tuple[int, int], tuple[Notice, ...]] = defaultdict(tuple)
    for notice in notices.of_incidents(conn, {incident.id for incident in told}):
        found[notice.incident_id, notice.version] += (notice,)
    return found
