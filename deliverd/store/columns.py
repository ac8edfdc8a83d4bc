"""The kinds of column that the tables are made of."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, DateTime, Dialect, ForeignKey, Integer, Text, TypeDecorator
from sqlalchemy.dialects.postgresql import JSONB

from probes.observation import require_utc


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC instant, to the microsecond. SQLite holds it as text without an offset, which sorts as time does.

    Raises:
        ValueError: (inside SQLAlchemy's StatementError) a naive time or one in another zone.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        at = require_utc(value)
        return at.replace(tzinfo=None) if dialect.name == "sqlite" else at

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        at: datetime = value
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


Json = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
Id = BigInteger().with_variant(Integer(), "sqlite")


def row_id() -> Column[int]:
    return Column("id", Id, primary_key=True)


def text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False)


def number(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


def instant(name: str = "at", *, nullable: bool = False) -> Column[datetime]:
    return Column(name, UtcDateTime, nullable=nullable)


def cause(name: str, target: str, *, nullable: bool = False) -> Column[int]:
    return Column(name, Id, ForeignKey(target), nullable=nullable)


def limit(prefix: str = "", *, nullable: bool = False) -> tuple[Column[str], Column[int]]:
    return Column(f"{prefix}state", Text, nullable=nullable), Column(f"{prefix}per_day", BigInteger)
