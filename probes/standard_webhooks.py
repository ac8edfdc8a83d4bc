"""Signatures as Standard Webhooks has them, and Svix under other names: HMAC-SHA256 over `id.timestamp.body`.

Sources, read 2026-11-22: github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md;
docs.svix.com/receiving/verifying-payloads/how-manual. A request may carry several signatures, one of which must hold.
"""

import base64
import binascii
import hmac
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache

from pydantic import SecretStr
from standardwebhooks.webhooks import Webhook as Signer

from probes.observation import ForgedRequest
from probes.signature_time import fresh

PREFIX = "whsec_"
_LONGEST_KEY = 64


def key(secret: SecretStr | None, shortest: int) -> SecretStr | None:
    """`secret`, unless it is no key that can sign. Raises ValueError."""
    if secret is None:
        return None
    text = secret.get_secret_value()
    try:
        size = len(base64.b64decode(text.removeprefix(PREFIX), validate=True)) if text.startswith(PREFIX) else 0
    except ValueError:
        size = 0
    if not shortest <= size <= _LONGEST_KEY:
        raise ValueError(f"expected {PREFIX} and base64 of {shortest} to {_LONGEST_KEY} bytes")
    return secret


def in_force(*secrets: SecretStr | None) -> tuple[str, ...]:
    """Those of `secrets` that there are, in order."""
    return tuple(secret.get_secret_value() for secret in secrets if secret is not None)


@lru_cache(maxsize=64)
def _signer(secret: str) -> Signer:
    return Signer(secret)


def signature(secret: str, name: str, seconds: int, body: bytes) -> bytes:
    """The signature of a request: `name` is its id, `seconds` since 1970 when it leaves.

    Raises:
        ForgedRequest: what is to be signed is not UTF-8.
    """
    try:
        return _signer(secret).sign(name, datetime.fromtimestamp(seconds, UTC), body.decode()).encode()
    except UnicodeError:
        raise ForgedRequest("the id or the body is not UTF-8, so no signature can be right") from None


def verify(header: str, secrets: Sequence[str], headers: Mapping[str, str], body: bytes, now: datetime) -> str:
    """The id of a request one of whose signatures was made with one of `secrets`.

    `header` is what the names of its headers begin with: `webhook` or `svix`. `headers` are in lower case, or found in
    any case.

    Raises:
        ForgedRequest: a header is missing, the time is more than 5 minutes off, or no signature holds.
    """
    name, stamp, given = (headers.get(f"{header}-{part}") for part in ("id", "timestamp", "signature"))
    if not name or not stamp or not given:
        raise ForgedRequest(f"{header}-id, {header}-timestamp or {header}-signature is missing")
    seconds = fresh(stamp, now)
    offered = [part.encode(errors="replace") for part in given.split(" ") if part.startswith("v1,")]
    for secret in secrets:
        expected = signature(secret, name, seconds, body)
        for one in offered:
            if hmac.compare_digest(expected, one):
                return name
    raise ForgedRequest(f"{header}-signature {_why_none_holds(offered)}")


def _why_none_holds(offered: Sequence[bytes]) -> str:
    if not offered:
        return "holds no signature of version v1"
    try:
        sizes = {len(base64.b64decode(one.removeprefix(b"v1,"), validate=True)) for one in offered}
    except binascii.Error:
        return "is not base64"
    if sizes != {32}:
        return "is not 32 bytes long"
    return "does not match: another secret, or the body was changed on its way"
