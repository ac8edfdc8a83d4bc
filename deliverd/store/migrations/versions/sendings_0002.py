"""When messages were sent, for platforms whose later events do not tell.

Revision ID: 0002
"""

from alembic import op
from sqlalchemy import Column, Date, PrimaryKeyConstraint

from deliverd.store.columns import instant, text

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sendings",
        Column("day", Date, nullable=False),
        text("account"),
        text("message_id"),
        instant("sent_at"),
        PrimaryKeyConstraint("day", "account", "message_id", name="pk_sendings"),
    )
