"""What an HTTP fault means to whoever moves levers: the door says why, the adapters' errors say what to do."""

from collections.abc import Callable

from deliverd.platforms.base import Denied, Gone, PlatformError, RateLimited, Refused, Unavailable
from probes.http import HttpFault
from probes.observation import Why

_ERRORS: dict[Why, Callable[[str], PlatformError]] = {
    Why.DENIED: Denied,
    Why.NO_DATA: Gone,
    Why.REFUSED: Refused,
}


def platform_error(fault: HttpFault) -> PlatformError:
    """The error to raise (`from None`) for a fault. All that is not understood is Unavailable: read back decides."""
    if fault.why is Why.RATE_LIMITED:
        return RateLimited(fault.detail, fault.retry_after)
    return _ERRORS.get(fault.why, Unavailable)(fault.detail)
