"""What the store knows of who tells what: a domain's mail by day and provider, and when a hook was last heard."""

from collections.abc import Iterable
from datetime import date, datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, Select, Text, bindparam, cast, func, select

from deliverd.core.coverage import DayMail
from deliverd.store import schema


def mail_by_day(conn: Connection, domain: str, since: datetime) -> tuple[DayMail, ...]:
    """The mail of a domain's cohorts from `since` on, by UTC day and mailbox provider, in that order."""
    rows = conn.execute(_mail(), {"domain": domain, "since": since})
    return tuple(
        DayMail(date.fromisoformat(day), provider, int(sent), int(delivered), int(complained))
        for day, provider, sent, delivered, complained in rows
    )


def last_received(conn: Connection, accounts: Iterable[str]) -> dict[str, datetime]:
    """When something last came in through each account's hook. Accounts of which nothing came are left out."""
    found = {account: conn.execute(_LAST, {"account": account}).scalar() for account in accounts}
    return {account: at for account, at in found.items() if at is not None}


@cache
def _mail() -> Select[Any]:
    table = schema.counts.c
    # Both databases write an instant as text that begins with its day: sessions of PostgreSQL are in UTC here.
    day = func.substr(cast(table.cohort, Text), 1, 10).label("day")
    sums = (func.sum(table[name]) for name in ("sent", "delivered", "complained"))
    question = select(day, table.provider, *sums)
    question = question.where(table.domain == bindparam("domain"), table.cohort >= bindparam("since"))
    return question.group_by("day", table.provider).order_by("day", table.provider)


_LAST = (
    select(schema.events.c.received_at)
    .where(schema.events.c.account == bindparam("account"))
    .order_by(schema.events.c.id.desc())
    .limit(1)
)
