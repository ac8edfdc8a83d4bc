"""What time a server has, by its answer: a Retry-After that is a date is told by the server's own clock. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_EPOCH = datetime.fromtimestamp(0, UTC)


def server_time(headers: Mapping[str, str]) -> datetime:
    """The Date of an answer (RFC 9110 section 6.6.1); long ago where it says none, so that a wait is the longest."""
    try:
        at = parsedate_to_datetime(headers.get("date", ""))
    except (ValueError, OverflowError):
        return _EPOCH
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
