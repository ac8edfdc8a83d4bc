"""Resend: a domain is let send, or not. There is no throttle to set.

Source, read 2026-11-22: Resend's OpenAPI description (GET /domains, GET and PATCH /domains/{id}), which says of a
domain's capabilities, sending and receiving: "At least one capability must be enabled."
"""

from collections.abc import Sequence

import msgspec

from deliverd.clock import now
from deliverd.model import Actual, Intent, Lever, Limit, SendState
from deliverd.platforms.base import Capabilities, Gone, Refused, Unavailable
from deliverd.platforms.vendor import Api, Clock, checked, declared_levers, segment, shaped, undeclared
from probes.resend import Config

DOMAIN = "domain"
_PAGE = 100
_MOST_PAGES = 100
_STATES = {"enabled": SendState.RUNNING, "disabled": SendState.PAUSED}


class _Capabilities(msgspec.Struct, frozen=True):
    sending: str
    receiving: str | None = None


class _Domain(msgspec.Struct, frozen=True):
    id: str
    name: str
    capabilities: _Capabilities


class _Changed(msgspec.Struct, frozen=True):
    id: str


class _Listed(msgspec.Struct, frozen=True):
    id: str
    name: str


class _Page(msgspec.Struct, frozen=True):
    data: tuple[_Listed, ...]
    has_more: bool = False


class Resend:
    """One account (team). Levers are `domain:NAME`, by the domain's name at Resend."""

    capabilities = Capabilities(
        states=frozenset({SendState.RUNNING, SendState.PAUSED}),
        kinds=(DOMAIN,),
        note="Resend has no sending limit to set: it can pause and resume, not throttle. It wants sending or receiving "
        "enabled: a domain that receives nothing may only be paused with receive_while_paused.",
    )

    def __init__(self, account: str, config: Config, clock: Clock = now) -> None:
        self.account = account
        self._receive = config.receive_while_paused
        key = config.api_key.get_secret_value()
        headers = {"authorization": f"Bearer {key}"}
        self._api = Api(config.base_url, config.timeout_seconds, clock, headers=headers, secrets=[key])
        self._ids: dict[str, str] = {}

    async def levers(self, domain: str, declared: Sequence[str]) -> tuple[Lever, ...]:
        """The declared levers, else the domain itself, when the account has it."""
        if declared:
            return declared_levers(self.account, DOMAIN, declared)
        if domain not in self._ids:
            await self._list()
        if domain in self._ids:
            return (Lever(self.account, DOMAIN, domain),)
        below = sorted(name for name in self._ids if name.endswith(f".{domain}"))
        why = f"{self.account} has no domain {domain}" + (f", but {', '.join(below[:3])}" if below else "")
        raise undeclared(domain, why, f"{DOMAIN}:{below[0] if below else 'NAME'}")

    async def read(self, lever: Lever) -> Actual:
        """Whether the domain may send. Resend does not tell who set it."""
        told = (await self._domain(checked(lever, DOMAIN))).capabilities
        state = _STATES.get(told.sending)
        if state is None:
            raise Unavailable(f"{lever}: whether it may send is told in words that Resend does not document")
        return Actual(Limit(state), detail=f"sending={told.sending} receiving={told.receiving or 'not told'}")

    async def apply(self, intent: Intent) -> None:
        """Enable or disable sending; receiving too is enabled only where the configuration allows it."""
        lever, state = intent.action.lever, intent.action.limit.state
        name = checked(lever, DOMAIN)
        if state not in self.capabilities.states:
            raise Refused(f"Resend cannot set {lever} to {state}: {self.capabilities.note}")
        domain = await self._domain(name)
        idle = state is SendState.PAUSED and domain.capabilities.receiving == "disabled"
        wanted = {"sending": "enabled" if state is SendState.RUNNING else "disabled"}
        if idle and self._receive:
            wanted["receiving"] = "enabled"
        try:
            await self._change(domain.id, wanted)
        except Refused as no:
            if not idle or self._receive:
                raise
            raise Refused(f"{no}. {self._advice(name)}") from None

    async def aclose(self) -> None:
        """Close the connections."""
        await self._api.aclose()

    def _advice(self, name: str) -> str:
        return (
            f"Resend wants sending or receiving enabled, and {name} receives nothing: set receive_while_paused = true "
            f"in [platforms.{self.account}], or stop its mail by hand"
        )

    async def _change(self, identity: str, wanted: dict[str, str]) -> None:
        path = f"/domains/{segment(identity)}"
        told = shaped(await self._api.call("PATCH", path, {"capabilities": wanted}), _Changed, f"PATCH {path}")
        if told.id != identity:
            raise Unavailable(f"PATCH {path}: the answer is about another domain")

    async def _domain(self, name: str) -> _Domain:
        """The domain by name. One that was removed and made anew has another id, so it is looked for once more."""
        known = self._ids.get(name.lower())
        if known is not None:
            try:
                return await self._get(known, name)
            except Gone:
                pass
        await self._list()
        if name.lower() not in self._ids:
            raise Gone(f"{self.account} has no domain {name}")
        return await self._get(self._ids[name.lower()], name)

    async def _get(self, identity: str, name: str) -> _Domain:
        path = f"/domains/{segment(identity)}"
        told = shaped(await self._api.call("GET", path), _Domain, f"GET {path}")
        if told.name.lower() != name.lower():
            raise Unavailable(f"GET {path}: the answer is about another domain")
        return told

    async def _list(self) -> None:
        """Learn the ids of all domains, every page of them."""
        ids: dict[str, str] = {}
        params = {"limit": str(_PAGE)}
        for _ in range(_MOST_PAGES):
            page = shaped(await self._api.call("GET", "/domains", params=params), _Page, "GET /domains")
            ids |= {domain.name.lower(): domain.id for domain in page.data}
            if not page.has_more or not page.data:
                self._ids = ids
                return
            params = {"limit": str(_PAGE), "after": page.data[-1].id}
        raise Unavailable(f"GET /domains: more than {_MOST_PAGES * _PAGE} domains, or no end to them")
