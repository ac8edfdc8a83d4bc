"""What the store's functions work on, by name, for the rooms that may not import SQLAlchemy."""

from typing import TypeAlias

from sqlalchemy import Connection

Conn: TypeAlias = Connection
"""An open transaction: of the writer inside `Store.write`, of a reader inside `Store.read`."""
