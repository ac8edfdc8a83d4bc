"""The tables. Append-only history whose rows name their cause, and a few tables of derived or passing state.

History: observations, events, rejects, epochs, decisions, desired, intents, results, incidents, notices,
notice_results, orders. Derived from it in the same transaction, so that questions stay quick: counts, looks,
open_incidents. Passing state: due, heartbeats. Every time is aware UTC.
"""

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    ForeignKeyConstraint,
    Index,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)

from deliverd.store.columns import Id, Json, cause, instant, limit, number, row_id, text

REVISIONS = ("0001", "0002")
"""Every schema this deliverd knows, oldest first. The last one is what it needs."""
HEAD = REVISIONS[-1]

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

observations = Table(
    "observations",
    metadata,
    row_id(),
    *(text(name) for name in ("source", "target", "part")),
    instant(),
    Column("failing", Boolean, nullable=False),
    Column("seen", Boolean, nullable=False),
    Column("why", Text),
    text("detail"),
    Column("readings", Json),
    Index(None, "target", "source", "part", "id"),
)

# The newest observation, and the newest seen one, of each (target, source, part), with its run of failures.
looks = Table(
    "looks",
    metadata,
    *(text(name) for name in ("target", "source", "part")),
    cause("latest_id", "observations.id"),
    cause("seen_id", "observations.id", nullable=True),
    instant("failing_since", nullable=True),
    number("failures"),
    PrimaryKeyConstraint("target", "source", "part"),
)

# `day` is the date of `at`: it keeps the keys that duplicates are found by in the order of time, so that the index
# grows at its end. Random ids alone slow SQLite down threefold by the fifth million rows.
events = Table(
    "events",
    metadata,
    row_id(),
    Column("day", Date, nullable=False),
    *(text(name) for name in ("account", "event_id", "domain", "kind")),
    *(instant(name) for name in ("at", "sent_at", "cohort")),
    *(text(name) for name in ("provider", "message_id", "detail")),
    number("count"),
    instant("received_at"),
    UniqueConstraint("day", "account", "event_id"),
    Index(None, "account", "id"),
)

# Only for platforms whose bounces and complaints do not tell when the message was sent. `day` is that of `sent_at`,
# for the same reason.
sendings = Table(
    "sendings",
    metadata,
    Column("day", Date, nullable=False),
    text("account"),
    text("message_id"),
    instant("sent_at"),
    PrimaryKeyConstraint("day", "account", "message_id"),
)

rejects = Table(
    "rejects",
    metadata,
    row_id(),
    text("account"),
    instant(),
    text("code"),
    text("reason"),
    number("index_in_batch"),
    Index(None, "account", "id"),
)

counts = Table(
    "counts",
    metadata,
    text("domain"),
    instant("cohort"),
    text("provider"),
    *(
        number(name)
        for name in ("sent", "delivered", "hard_bounced", "soft_bounced", "complained", "unsubscribed", "replied")
    ),
    PrimaryKeyConstraint("domain", "cohort", "provider"),
    Index(None, "cohort"),
)

# `decision_id` is what an approval approves. It is not a foreign key: decisions point at orders already.
orders = Table(
    "orders",
    metadata,
    row_id(),
    *(text(name) for name in ("domain", "kind", "author", "reason")),
    instant(),
    instant("until", nullable=True),
    Column("decision_id", Id),
    Index(None, "domain", "id"),
)

decisions = Table(
    "decisions",
    metadata,
    row_id(),
    text("domain"),
    number("seq"),
    instant(),
    *(text(name) for name in ("previous", "standing")),
    instant("since"),
    *(text(name) for name in ("rule", "reason")),
    Column("evidence", Json, nullable=False),
    *(text(name) for name in ("author", "mode")),
    *limit("limit_"),
    instant("epoch", nullable=True),
    number("normal_per_day"),
    number("step"),
    Column("observation_ids", Json, nullable=False),
    cause("order_id", "orders.id", nullable=True),
    UniqueConstraint("domain", "seq"),
)

epochs = Table(
    "epochs",
    metadata,
    text("domain"),
    instant("started_at"),
    cause("decision_id", "decisions.id"),
    PrimaryKeyConstraint("domain", "started_at"),
)

desired = Table(
    "desired",
    metadata,
    row_id(),
    *(text(name) for name in ("domain", "account", "lever_kind", "lever_id")),
    *limit(),
    cause("decision_id", "decisions.id"),
    instant(),
    Index(None, "account", "lever_kind", "lever_id", "id"),
    Index(None, "domain", "id"),
    Index(None, "decision_id"),
)

intents = Table(
    "intents",
    metadata,
    row_id(),
    cause("desired_id", "desired.id"),
    number("attempt"),
    *(text(name) for name in ("account", "lever_kind", "lever_id", "domain")),
    *limit(),
    *limit("before_"),
    *limit("original_"),
    text("reason"),
    instant(),
    UniqueConstraint("desired_id", "attempt"),
    Index(None, "account", "lever_kind", "lever_id", "id"),
    Index(None, "domain", "id"),
)

results = Table(
    "results",
    metadata,
    row_id(),
    cause("intent_id", "intents.id"),
    text("outcome"),
    instant(),
    *limit("actual_", nullable=True),
    Column("actual_by", Text),
    Column("actual_detail", Text),
    text("detail"),
    UniqueConstraint("intent_id"),
)

# The claim on the one incident that may be open for a (domain, cause), and on its next version: opening inserts here,
# each change moves `version` on from the one it was made for, closing deletes. Ids are never used twice.
open_incidents = Table(
    "open_incidents",
    metadata,
    Column("incident_id", Id, primary_key=True),
    text("domain"),
    text("cause"),
    number("version"),
    UniqueConstraint("domain", "cause"),
    sqlite_autoincrement=True,
)

incidents = Table(
    "incidents",
    metadata,
    row_id(),
    Column("incident_id", Id, nullable=False),
    number("version"),
    *(text(name) for name in ("domain", "cause", "severity")),
    instant("opened_at"),
    instant("changed_at"),
    Column("facts", Json, nullable=False),
    instant("closed_at", nullable=True),
    cause("decision_id", "decisions.id", nullable=True),
    cause("result_id", "results.id", nullable=True),
    UniqueConstraint("incident_id", "version"),
    Index(None, "closed_at"),
    Index(None, "domain", "id"),
    Index(None, "decision_id"),
)

notices = Table(
    "notices",
    metadata,
    row_id(),
    Column("incident_id", Id, nullable=False),
    number("version"),
    text("owner"),
    number("repeat"),
    instant(),
    text("title"),
    text("body"),
    UniqueConstraint("incident_id", "version", "owner", "repeat"),
    ForeignKeyConstraint(["incident_id", "version"], ["incidents.incident_id", "incidents.version"]),
)

notice_results = Table(
    "notice_results",
    metadata,
    row_id(),
    cause("notice_id", "notices.id"),
    instant(),
    Column("sent", Boolean, nullable=False),
    text("detail"),
    Index(None, "notice_id"),
)

due = Table(
    "due",
    metadata,
    text("kind"),
    text("target"),
    instant("due_at"),
    number("attempt"),
    instant("leased_until", nullable=True),
    Column("lease_owner", Text),
    number("token"),
    PrimaryKeyConstraint("kind", "target"),
    Index(None, "due_at"),
)

heartbeats = Table("heartbeats", metadata, Column("process", Text, primary_key=True), instant(), Column("info", Json))
