"""Webhooks that nobody signs: HTTP Basic (RFC 7617) or a fixed header, compared in constant time.

That is far weaker than a signature. Whoever once reads a request (a proxy's log, a mistyped address) can send anything
as the platform from then on, old requests can be sent again, and a body changed on its way is not noticed.
"""

import base64
import hmac
import re
from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from probes.config import Secret, Strict
from probes.observation import ForgedRequest

SHORTEST = 16
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}\Z")


def _is_long(secret: SecretStr) -> SecretStr:
    if len(secret.get_secret_value()) < SHORTEST:
        raise ValueError(f"expected {SHORTEST} characters or more: it is all that keeps strangers out")
    return secret


LongSecret = Annotated[Secret, AfterValidator(_is_long)]
"""A secret that is long enough to be all that keeps strangers out."""


class StaticSecret(Strict):
    """What a platform has to send with each request. Where both kinds are given, both have to be there.

    With neither, no request is believed: the account is only asked for its statistics.
    """

    webhook_user: str | None = Field(default=None, min_length=1, max_length=200)
    webhook_password: LongSecret | None = None
    webhook_header: str | None = None
    webhook_token: LongSecret | None = None

    @field_validator("webhook_user")
    @classmethod
    def _fits_basic(cls, user: str | None) -> str | None:
        if user is not None and (":" in user or not user.isprintable()):
            raise ValueError("expected a user name without a colon (RFC 7617)")
        return user

    @field_validator("webhook_header")
    @classmethod
    def _is_a_name(cls, header: str | None) -> str | None:
        if header is not None and not _HEADER.match(header):
            raise ValueError("expected the name of an HTTP header")
        return header

    @model_validator(mode="after")
    def _in_pairs(self) -> Self:
        if (self.webhook_user is None) != (self.webhook_password is None):
            raise ValueError("webhook_user and webhook_password go together: give both or neither")
        if (self.webhook_header is None) != (self.webhook_token is None):
            raise ValueError("webhook_header and webhook_token go together: give both or neither")
        return self

    def verify(self, headers: Mapping[str, str]) -> None:
        """Nothing when the request carries what it has to. `headers` are in lower case, or found in any case.

        Raises:
            ForgedRequest: something is missing or different, or nothing is configured to be compared with.
        """
        if self.webhook_password is None and self.webhook_token is None:
            raise ForgedRequest("no secret is configured for this account's webhook, so nothing sent to it is believed")
        if self.webhook_password is not None:
            expected = f"{self.webhook_user}:{self.webhook_password.get_secret_value()}".encode()
            if not hmac.compare_digest(expected, _basic(headers.get("authorization", ""))):
                raise ForgedRequest("Authorization does not hold the user and password that are expected")
        if self.webhook_header is not None and self.webhook_token is not None:
            given = headers.get(self.webhook_header.lower(), "").encode(errors="replace")
            if not hmac.compare_digest(self.webhook_token.get_secret_value().encode(), given):
                raise ForgedRequest(f"{self.webhook_header} does not hold the token that is expected")


def _basic(value: str) -> bytes:
    """`user:password` of an Authorization header; nothing where it is none."""
    scheme, _, encoded = value.partition(" ")
    if scheme.lower() != "basic":
        return b""
    try:
        return base64.b64decode(encoded.strip(), validate=True)
    except ValueError:
        return b""
