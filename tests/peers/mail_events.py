"""Mail events as an own sender reports them (docs/own-sender.md)."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any


def event(kind: str, domain: str = "acme.com", count: int = 1, minutes_ago: float = 60, **more: Any) -> dict[str, Any]:
    """One event about `count` messages that were sent `minutes_ago`."""
    now = datetime.now(UTC)
    sent = (now - timedelta(minutes=minutes_ago)).isoformat()
    row = {"id": f"evt_{uuid.uuid4().hex}", "type": kind, "domain": domain, "count": count, "sent_at": sent}
    at = sent if kind == "sent" else now.isoformat()
    return row | {"at": at, "recipient_domain": "gmail.com"} | more


def spike(domain: str = "acme.com", complaints: int = 6, sent: int = 1000) -> list[dict[str, Any]]:
    """Mail that was complained about far too often."""
    return [event("sent", domain, sent), *(event("complained", domain) for _ in range(complaints))]
