"""How old the signature of a webhook may be: whoever has read one request must not be able to send it for ever."""

from datetime import datetime

from probes.observation import ForgedRequest

TOLERANCE_SECONDS = 300.0


def fresh(stamp: str, now: datetime, oldest_seconds: float = TOLERANCE_SECONDS) -> int:
    """The signature's time stamp in seconds since 1970: at most so old, and at most 5 minutes ahead.

    Raises:
        ForgedRequest: it is no such number, or too far off.
    """
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 11):
        raise ForgedRequest("the signature's time stamp is not in seconds since 1970")
    age = now.timestamp() - int(stamp)
    if age > oldest_seconds:
        raise ForgedRequest(f"the signature was made {age:.0f} s ago, at most {oldest_seconds:g} allowed")
    if age < -TOLERANCE_SECONDS:
        raise ForgedRequest(
            f"the signature is {-age:.0f} s ahead, at most {TOLERANCE_SECONDS:g} allowed: check the clock"
        )
    return int(stamp)
