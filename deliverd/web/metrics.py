"""What deliverd counts about itself, for Prometheus. Labels come from the configuration, never from a request."""

from prometheus_client import CollectorRegistry, Counter, Gauge

REGISTRY = CollectorRegistry()

ACCEPTED = Counter("deliverd_events_accepted", "Mail events stored.", ["account"], registry=REGISTRY)
DUPLICATES = Counter(
    "deliverd_events_duplicate", "Mail events dropped as already known.", ["account"], registry=REGISTRY
)
REJECTED = Counter(
    "deliverd_events_rejected",
    "Mail events not accepted, by why.",
    ["account", "code"],
    registry=REGISTRY,
)
REFUSED = Counter(
    "deliverd_requests_refused", "Webhook requests refused whole, by why.", ["account", "code"], registry=REGISTRY
)
FEEDBACK = Counter(
    "deliverd_feedback_mails", "Mails of a mailbox of reports, by verdict.", ["source", "code"], registry=REGISTRY
)
UNSEEN = Counter(
    "deliverd_looks_unseen", "Looks that could not see, by source and why.", ["source", "why"], registry=REGISTRY
)
FAULTS = Counter("deliverd_work_faults", "Pieces of work that failed, by kind.", ["kind"], registry=REGISTRY)
ACTIONS = Counter("deliverd_actions", "Moves of a lever, by how they ended.", ["outcome"], registry=REGISTRY)
NOTICES = Counter("deliverd_notices_sent", "Notices that a channel took.", registry=REGISTRY)
STANDING = Gauge("deliverd_domains", "Watched domains, by standing.", ["standing"], registry=REGISTRY)
SWEPT = Gauge("deliverd_last_sweep_timestamp_seconds", "When the loop last turned, Unix time.", registry=REGISTRY)
