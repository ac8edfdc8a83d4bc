"""Intents, written before an act, and results, written after it. Each attempt is claimed once and ends once."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, bindparam, func, select, tuple_

from deliverd.model import Action, Actual, Intent, Lever, LeverMemory, Outcome, Result
from deliverd.store import rows, schema
from deliverd.store.desired import levers_of_domain
from deliverd.store.faults import Conflict
from deliverd.store.text import bounded, clean

_DETAIL = 2000
_RESULT = "result_"


def append_intent(conn: Connection, action: Action, attempt: int, at: datetime) -> Intent:
    """Claim the `attempt`-th try at what a desired row asks for.

    Raises:
        Conflict: somebody else has made this attempt.
    """
    values = {
        **rows.lever_columns(action.lever),
        **rows.limit_columns(action.limit),
        **rows.limit_columns(action.before, "before_"),
        **rows.limit_columns(action.original, "original_"),
        "desired_id": action.desired_id,
        "attempt": attempt,
        "domain": action.domain,
        "reason": clean(action.reason),
        "at": at,
    }
    table = schema.intents
    row_id = rows.claim(conn, table, (table.c.desired_id, table.c.attempt), values)
    if row_id is None:
        raise Conflict(f"attempt {attempt} at {action.lever} for desired row {action.desired_id} is taken")
    return Intent(row_id, action, attempt, at)


def append_result(conn: Connection, result: Result) -> Result:
    """Write what came of an intent. The result with its id.

    Raises:
        Conflict: the intent has a result already.
    """
    actual = result.actual
    values = {
        **rows.limit_columns(actual.limit if actual else None, "actual_"),
        "actual_by": actual.by if actual else None,
        "actual_detail": bounded(actual.detail, _DETAIL) if actual else None,
        "intent_id": result.intent_id,
        "outcome": result.outcome.value,
        "at": result.at,
        "detail": bounded(result.detail, _DETAIL),
    }
    row_id = rows.claim(conn, schema.results, (schema.results.c.intent_id,), values)
    if row_id is None:
        raise Conflict(f"intent {result.intent_id} has its result already")
    return replace(result, id=row_id)


def memories(conn: Connection, account: str, domain: str | None = None) -> dict[Lever, LeverMemory]:
    """What is remembered of each lever of an account that was ever moved; with `domain` only of its levers.

    What was done to a lever for another domain is remembered too: the lever knows no domains.
    """
    newest = _newest(conn, account, domain, confirmed=False)
    confirmed = _newest(conn, account, domain, confirmed=True) if newest else {}
    found: dict[Lever, LeverMemory] = {}
    for lever, latest in newest.items():
        before, its_result = confirmed.get(lever, (None, None))
        found[lever] = LeverMemory(latest, (before, its_result) if before and its_result else None)
    return found


def of_desired(conn: Connection, desired_ids: Iterable[int]) -> tuple[tuple[Intent, Result | None], ...]:
    """The intents of these desired rows and what came of them, oldest first."""
    question = _both().where(schema.intents.c.desired_id.in_(list(desired_ids))).order_by(schema.intents.c.id)
    return tuple(_pair(row) for row in conn.execute(question).mappings())


def _newest(
    conn: Connection, account: str, domain: str | None, *, confirmed: bool
) -> dict[Lever, tuple[Intent, Result | None]]:
    question = _newest_of(domain is not None, confirmed)
    rows = conn.execute(question, {"account": account, "domain": domain}).mappings()
    return {intent.action.lever: (intent, result) for intent, result in map(_pair, rows)}


@cache
def _newest_of(of_domain: bool, confirmed: bool) -> Select[Any]:
    intents, results = schema.intents, schema.results
    newest = select(func.max(intents.c.id)).where(intents.c.account == bindparam("account"))
    if of_domain:
        newest = newest.where(tuple_(intents.c.lever_kind, intents.c.lever_id).in_(levers_of_domain()))
    if confirmed:
        newest = newest.join(results, results.c.intent_id == intents.c.id)
        newest = newest.where(results.c.outcome == Outcome.CONFIRMED.value)
    return _both().where(intents.c.id.in_(newest.group_by(intents.c.lever_kind, intents.c.lever_id)))


def _both() -> Select[Any]:
    intents, results = schema.intents, schema.results
    columns = [column.label(f"{_RESULT}{column.name}") for column in results.c]
    return select(intents, *columns).select_from(intents.outerjoin(results, results.c.intent_id == intents.c.id))


def _pair(row: RowMapping) -> tuple[Intent, Result | None]:
    return _intent(row), None if row["result_id"] is None else _result(row)


def _intent(row: RowMapping) -> Intent:
    action = Action(
        lever=rows.lever_of(row),
        limit=rows.limit_of(row),
        before=rows.limit_of(row, "before_"),
        original=rows.limit_of(row, "original_"),
        domain=row["domain"],
        desired_id=row["desired_id"],
        reason=row["reason"],
    )
    return Intent(row["id"], action, row["attempt"], row["at"])


def _result(row: RowMapping) -> Result:
    actual = None
    if row["result_actual_state"] is not None:
        limit = rows.limit_of(row, "result_actual_")
        actual = Actual(limit, row["result_actual_by"], row["result_actual_detail"])
    outcome = Outcome(row["result_outcome"])
    return Result(row["result_intent_id"], outcome, row["result_at"], actual, row["result_detail"], row["result_id"])
