"""Tokens for Microsoft Graph: the client credentials of an application, through msal.

msal is not asynchronous, its constructor asks the network, and it tells of errors both by a dict and by raising: each
`Tokens` builds one application, in a thread, when the first token is wanted. The authority that is configured is
believed as it is (`instance_discovery=False`): sovereign clouds have their own.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msal
import requests
from pydantic import SecretStr

from probes.http import LONGEST_WORDS, retry_after
from probes.mailbox import MailboxFault
from probes.observation import Why
from probes.server_time import server_time

_LONGEST_SECONDS = 10.0
"""A thread cannot be stopped, so that it must not wait for long."""
_DENIED = frozenset({"invalid_client", "unauthorized_client", "invalid_scope", "invalid_grant", "access_denied"})


@dataclass(frozen=True, slots=True)
class Application:
    """Who reads the mailbox. `authority` is https://HOST/TENANT; `resource` the origin that the token is for;
    `certificates` a CA file of one's own for the authority.
    """

    authority: str
    client_id: str
    secret: SecretStr = field(repr=False)
    resource: str
    certificates: str | None = None
    timeout_seconds: float = 30.0


class Tokens:
    """One application's tokens. Renewed when they are old; not for several tasks at once."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._door = _Door(application)
        self._client: Any = None

    async def token(self) -> str:
        """A token that holds now. Raises MailboxFault."""
        return await asyncio.to_thread(self._token)

    def close(self) -> None:
        """End the connections."""
        self._door.close()

    def _token(self) -> str:
        where = self._application.authority
        try:
            if self._client is None:
                self._client = self._build()
            found = self._client.acquire_token_for_client([f"{self._application.resource}/.default"])
        except requests.Timeout:
            raise MailboxFault(Why.TIMEOUT, f"{where} does not answer") from None
        except requests.RequestException as fault:
            raise MailboxFault(Why.NETWORK, f"{where}: {type(fault).__name__}") from None
        except Exception as fault:
            # msal raises its own errors, ValueError, KeyError and AttributeError for one and the same: a bad answer.
            raise self._fault({}, type(fault).__name__) from None
        if not isinstance(found, dict) or not isinstance(found.get("access_token"), str):
            raise self._fault(found if isinstance(found, dict) else {}, "an answer without a token")
        return str(found["access_token"])

    def _build(self) -> Any:
        one = self._application
        return msal.ConfidentialClientApplication(
            one.client_id,
            client_credential=one.secret.get_secret_value(),
            authority=one.authority,
            instance_discovery=False,
            http_client=self._door,
        )

    def _fault(self, said: Mapping[str, Any], otherwise: str) -> MailboxFault:
        """The fault by what the authority says, and, where it says nothing that is known, by the last status."""
        status, wait = self._door.status, self._door.wait
        code = said.get("error") if isinstance(said.get("error"), str) else ""
        words = str(said.get("error_description") or code or otherwise).partition("\n")[0]
        words = words.replace(self._application.secret.get_secret_value(), "**********")
        words = "".join(letter if letter.isprintable() else " " for letter in words[:LONGEST_WORDS])
        detail = f"{self._application.authority}: {status or 'no'} answer: {words}"
        if status == 429 or code == "temporarily_unavailable":
            return MailboxFault(Why.RATE_LIMITED, detail, wait)
        if status >= 500:
            return MailboxFault(Why.SERVFAIL, detail, wait)
        if code in _DENIED or status in (400, 401, 403, 404):
            return MailboxFault(Why.DENIED, detail)
        return MailboxFault(Why.UNREADABLE, detail)


class _Door:
    """What msal calls through: short calls, one authority of certificates, and the last status remembered."""

    def __init__(self, application: Application) -> None:
        self._session = requests.Session()
        self._seconds = min(application.timeout_seconds, _LONGEST_SECONDS)
        # Given with each call: what a session says of it is overruled by REQUESTS_CA_BUNDLE.
        self._verify = application.certificates or True
        self.status = 0
        self.wait: float | None = None

    def get(self, url: str, **named: Any) -> Any:
        return self._call("GET", url, named)

    def post(self, url: str, **named: Any) -> Any:
        return self._call("POST", url, named)

    def close(self) -> None:
        self._session.close()

    def _call(self, method: str, url: str, named: dict[str, Any]) -> Any:
        self.status = 0
        named |= {"timeout": self._seconds, "verify": self._verify, "allow_redirects": False}
        answer = self._session.request(method, url, **named)
        self.status = answer.status_code
        self.wait = retry_after(answer.headers.get("retry-after", ""), server_time(answer.headers))
        return answer
