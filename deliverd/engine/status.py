"""What stands how: the questions behind `status`, the page and the metrics. Reads only."""

from collections import Counter

from deliverd.model import Standing
from deliverd.settings import Settings
from deliverd.store import decisions
from deliverd.store.connection import Conn


def standings(conn: Conn, settings: Settings) -> dict[str, int]:
    """How many of the configured domains have each standing."""
    latest = decisions.latest_all(conn)
    counted = Counter(latest[domain].standing if domain in latest else Standing.HEALTHY for domain in settings.domains)
    return {standing.value: counted[standing] for standing in Standing}
