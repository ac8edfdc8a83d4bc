"""The spine: everything that is seen, judged, wanted, done and told."""

from datetime import datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_JSON = sa.JSON().with_variant(JSONB(), "postgresql")


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False)


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=False)


def _instant(name: str) -> sa.Column[datetime]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False)


def upgrade() -> None:
    op.create_table(
        "counts",
        _text("domain"),
        _instant("cohort"),
        _text("provider"),
        _number("sent"),
        _number("delivered"),
        _number("hard_bounced"),
        _number("soft_bounced"),
        _number("complained"),
        _number("unsubscribed"),
        _number("replied"),
        sa.PrimaryKeyConstraint("domain", "cohort", "provider", name="pk_counts"),
    )
    op.create_index("ix_counts_cohort", "counts", ["cohort"])
    op.create_table(
        "due",
        _text("kind"),
        _text("target"),
        _instant("due_at"),
        _number("attempt"),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_owner", sa.Text(), nullable=True),
        _number("token"),
        sa.PrimaryKeyConstraint("kind", "target", name="pk_due"),
    )
    op.create_index("ix_due_due_at", "due", ["due_at"])
    op.create_table(
        "events",
        sa.Column("id", _ID, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        _text("account"),
        _text("event_id"),
        _text("domain"),
        _text("kind"),
        _instant("at"),
        _instant("sent_at"),
        _instant("cohort"),
        _text("provider"),
        _text("message_id"),
        _text("detail"),
        _number("count"),
        _instant("received_at"),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
        sa.UniqueConstraint("day", "account", "event_id", name="uq_events_day_account_event_id"),
    )
    op.create_index("ix_events_account_id", "events", ["account", "id"])
    op.create_table(
        "heartbeats",
        _text("process"),
        _instant("at"),
        sa.Column("info", _JSON, nullable=True),
        sa.PrimaryKeyConstraint("process", name="pk_heartbeats"),
    )
    op.create_table(
        "observations",
        sa.Column("id", _ID, nullable=False),
        _text("source"),
        _text("target"),
        _text("part"),
        _instant("at"),
        sa.Column("failing", sa.Boolean(), nullable=False),
        sa.Column("seen", sa.Boolean(), nullable=False),
        sa.Column("why", sa.Text(), nullable=True),
        _text("detail"),
        sa.Column("readings", _JSON, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_observations"),
    )
    op.create_index("ix_observations_target_source_part_id", "observations", ["target", "source", "part", "id"])
    op.create_table(
        "open_incidents",
        sa.Column("incident_id", _ID, nullable=False),
        _text("domain"),
        _text("cause"),
        _number("version"),
        sa.PrimaryKeyConstraint("incident_id", name="pk_open_incidents"),
        sa.UniqueConstraint("domain", "cause", name="uq_open_incidents_domain_cause"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "orders",
        sa.Column("id", _ID, nullable=False),
        _text("domain"),
        _text("kind"),
        _text("author"),
        _text("reason"),
        _instant("at"),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decision_id", _ID, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_orders"),
    )
    op.create_index("ix_orders_domain_id", "orders", ["domain", "id"])
    op.create_table(
        "rejects",
        sa.Column("id", _ID, nullable=False),
        _text("account"),
        _instant("at"),
        _text("code"),
        _text("reason"),
        _number("index_in_batch"),
        sa.PrimaryKeyConstraint("id", name="pk_rejects"),
    )
    op.create_index("ix_rejects_account_id", "rejects", ["account", "id"])
    op.create_table(
        "decisions",
        sa.Column("id", _ID, nullable=False),
        _text("domain"),
        _number("seq"),
        _instant("at"),
        _text("previous"),
        _text("standing"),
        _instant("since"),
        _text("rule"),
        _text("reason"),
        sa.Column("evidence", _JSON, nullable=False),
        _text("author"),
        _text("mode"),
        _text("limit_state"),
        sa.Column("limit_per_day", sa.BigInteger(), nullable=True),
        sa.Column("epoch", sa.DateTime(timezone=True), nullable=True),
        _number("normal_per_day"),
        _number("step"),
        sa.Column("observation_ids", _JSON, nullable=False),
        sa.Column("order_id", _ID, nullable=True),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name="fk_decisions_order_id"),
        sa.PrimaryKeyConstraint("id", name="pk_decisions"),
        sa.UniqueConstraint("domain", "seq", name="uq_decisions_domain_seq"),
    )
    op.create_table(
        "looks",
        _text("target"),
        _text("source"),
        _text("part"),
        sa.Column("latest_id", _ID, nullable=False),
        sa.Column("seen_id", _ID, nullable=True),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True),
        _number("failures"),
        sa.ForeignKeyConstraint(["latest_id"], ["observations.id"], name="fk_looks_latest_id"),
        sa.ForeignKeyConstraint(["seen_id"], ["observations.id"], name="fk_looks_seen_id"),
        sa.PrimaryKeyConstraint("target", "source", "part", name="pk_looks"),
    )
    op.create_table(
        "desired",
        sa.Column("id", _ID, nullable=False),
        _text("domain"),
        _text("account"),
        _text("lever_kind"),
        _text("lever_id"),
        _text("state"),
        sa.Column("per_day", sa.BigInteger(), nullable=True),
        sa.Column("decision_id", _ID, nullable=False),
        _instant("at"),
        sa.ForeignKeyConstraint(["decision_id"], ["decisions.id"], name="fk_desired_decision_id"),
        sa.PrimaryKeyConstraint("id", name="pk_desired"),
    )
    op.create_index("ix_desired_account_lever_kind_lever_id_id", "desired", ["account", "lever_kind", "lever_id", "id"])
    op.create_index("ix_desired_domain_id", "desired", ["domain", "id"])
    op.create_index("ix_desired_decision_id", "desired", ["decision_id"])
    op.create_table(
        "epochs",
        _text("domain"),
        _instant("started_at"),
        sa.Column("decision_id", _ID, nullable=False),
        sa.ForeignKeyConstraint(["decision_id"], ["decisions.id"], name="fk_epochs_decision_id"),
        sa.PrimaryKeyConstraint("domain", "started_at", name="pk_epochs"),
    )
    op.create_table(
        "intents",
        sa.Column("id", _ID, nullable=False),
        sa.Column("desired_id", _ID, nullable=False),
        _number("attempt"),
        _text("account"),
        _text("lever_kind"),
        _text("lever_id"),
        _text("domain"),
        _text("state"),
        sa.Column("per_day", sa.BigInteger(), nullable=True),
        _text("before_state"),
        sa.Column("before_per_day", sa.BigInteger(), nullable=True),
        _text("original_state"),
        sa.Column("original_per_day", sa.BigInteger(), nullable=True),
        _text("reason"),
        _instant("at"),
        sa.ForeignKeyConstraint(["desired_id"], ["desired.id"], name="fk_intents_desired_id"),
        sa.PrimaryKeyConstraint("id", name="pk_intents"),
        sa.UniqueConstraint("desired_id", "attempt", name="uq_intents_desired_id_attempt"),
    )
    op.create_index("ix_intents_account_lever_kind_lever_id_id", "intents", ["account", "lever_kind", "lever_id", "id"])
    op.create_index("ix_intents_domain_id", "intents", ["domain", "id"])
    op.create_table(
        "results",
        sa.Column("id", _ID, nullable=False),
        sa.Column("intent_id", _ID, nullable=False),
        _text("outcome"),
        _instant("at"),
        sa.Column("actual_state", sa.Text(), nullable=True),
        sa.Column("actual_per_day", sa.BigInteger(), nullable=True),
        sa.Column("actual_by", sa.Text(), nullable=True),
        sa.Column("actual_detail", sa.Text(), nullable=True),
        _text("detail"),
        sa.ForeignKeyConstraint(["intent_id"], ["intents.id"], name="fk_results_intent_id"),
        sa.PrimaryKeyConstraint("id", name="pk_results"),
        sa.UniqueConstraint("intent_id", name="uq_results_intent_id"),
    )
    op.create_table(
        "incidents",
        sa.Column("id", _ID, nullable=False),
        sa.Column("incident_id", _ID, nullable=False),
        _number("version"),
        _text("domain"),
        _text("cause"),
        _text("severity"),
        _instant("opened_at"),
        _instant("changed_at"),
        sa.Column("facts", _JSON, nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decision_id", _ID, nullable=True),
        sa.Column("result_id", _ID, nullable=True),
        sa.ForeignKeyConstraint(["decision_id"], ["decisions.id"], name="fk_incidents_decision_id"),
        sa.ForeignKeyConstraint(["result_id"], ["results.id"], name="fk_incidents_result_id"),
        sa.PrimaryKeyConstraint("id", name="pk_incidents"),
        sa.UniqueConstraint("incident_id", "version", name="uq_incidents_incident_id_version"),
    )
    op.create_index("ix_incidents_closed_at", "incidents", ["closed_at"])
    op.create_index("ix_incidents_decision_id", "incidents", ["decision_id"])
    op.create_index("ix_incidents_domain_id", "incidents", ["domain", "id"])
    op.create_table(
        "notices",
        sa.Column("id", _ID, nullable=False),
        sa.Column("incident_id", _ID, nullable=False),
        _number("version"),
        _text("owner"),
        _number("repeat"),
        _instant("at"),
        _text("title"),
        _text("body"),
        sa.ForeignKeyConstraint(
            ["incident_id", "version"],
            ["incidents.incident_id", "incidents.version"],
            name="fk_notices_incident_id_version",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_notices"),
        sa.UniqueConstraint(
            "incident_id", "version", "owner", "repeat", name="uq_notices_incident_id_version_owner_repeat"
        ),
    )
    op.create_table(
        "notice_results",
        sa.Column("id", _ID, nullable=False),
        sa.Column("notice_id", _ID, nullable=False),
        _instant("at"),
        sa.Column("sent", sa.Boolean(), nullable=False),
        _text("detail"),
        sa.ForeignKeyConstraint(["notice_id"], ["notices.id"], name="fk_notice_results_notice_id"),
        sa.PrimaryKeyConstraint("id", name="pk_notice_results"),
    )
    op.create_index("ix_notice_results_notice_id", "notice_results", ["notice_id"])
