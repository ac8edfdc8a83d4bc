"""Mandrill (Mailchimp Transactional): a subaccount is paused and resumed, or held to so many messages an hour.

Source, read 2026-11-22: Mailchimp Transactional's OpenAPI file (/subaccounts/info, /update, /pause, /resume, /list).
Quotas are by the hour and deliverd's limits by the day: a limit is set as a 24th of it, rounded down, and written into
the subaccount's notes, so that what is read back is the limit itself, and people see whose it is.
"""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from deliverd.clock import now
from deliverd.model import Actual, Intent, Lever, Limit, SendState
from deliverd.platforms.base import Capabilities, Unavailable
from deliverd.platforms.vendor import Api, Catalogue, Clock, checked, declared_levers, shaped
from probes.discovery import Found
from probes.event_parts import host_name
from probes.http import Response
from probes.mandrill import Config
from probes.mandrill_statistics import Subaccount
from probes.observation import Why

SUBACCOUNT = "subaccount"
_MARK = re.compile(r" ?\[deliverd: at most ([1-9][0-9]{0,8}) a day\]")
_HOURS = 24
_ANSWERS = {
    "Invalid_Key": Why.DENIED,
    "Unknown_Subaccount": Why.NO_DATA,
    "ValidationError": Why.REFUSED,
    "PaymentRequired": Why.REFUSED,
}


class _Error(msgspec.Struct, frozen=True):
    name: str = ""


class _Info(msgspec.Struct, frozen=True):
    id: str
    status: str
    name: str | None = None
    notes: str | None = None
    custom_quota: int | None = None


class Mandrill:
    """One account. Levers are `subaccount:ID`."""

    capabilities = Capabilities(
        states=frozenset(SendState),
        kinds=(SUBACCOUNT,),
        note="Moves whole subaccounts, not domains. The mail of a paused subaccount is queued for 3 days at most, and "
        "lost after that. Limits are by the hour: a limit for a day is set as a 24th of it, rounded down, and stands "
        "in the subaccount's notes; 1 an hour (24 a day) is the least.",
    )

    def __init__(self, account: str, config: Config, clock: Clock = now) -> None:
        self.account = account
        key = config.api_key.get_secret_value()
        self._api = Api(
            config.base_url,
            config.timeout_seconds,
            clock,
            headers={},
            secrets=[key],
            key={"key": key},
            meaning=_meaning,
        )
        self._catalogue = Catalogue(SUBACCOUNT, self._named, clock)

    async def levers(self, domain: str, declared: Sequence[str]) -> tuple[Lever, ...]:
        """The declared levers, else the subaccounts called like the domain: Mandrill tells of none what it sends."""
        if declared:
            return declared_levers(self.account, SUBACCOUNT, declared)
        return await self._catalogue.levers(self.account, domain)

    async def read(self, lever: Lever) -> Actual:
        """What the subaccount is at. Mandrill does not tell who set it."""
        return _actual(await self._info(checked(lever, SUBACCOUNT)))

    async def apply(self, intent: Intent) -> None:
        """Pause; or set the quota, and only then resume, so that the queue does not leave faster than it may."""
        name, limit = checked(intent.action.lever, SUBACCOUNT), intent.action.limit
        if limit.state is SendState.PAUSED:
            await self._move("pause", name)
            return
        present = await self._info(name)
        quota, notes = _hourly(limit), _notes(present.notes or "", limit)
        if (quota, notes) != (present.custom_quota, present.notes or ""):
            # What is not sent along might be taken for nothing.
            await self._move("update", name, name=present.name, notes=notes, custom_quota=quota)
        if present.status == "paused":
            await self._move("resume", name)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._api.aclose()

    async def _info(self, name: str) -> _Info:
        return await self._move("info", name)

    async def _move(self, verb: str, identity: str, **more: Any) -> _Info:
        path = f"/subaccounts/{verb}"
        told = shaped(await self._api.call("POST", path, {"id": identity, **more}), _Info, f"POST {path}")
        if told.id != identity:
            raise Unavailable(f"POST {path}: the answer is about another subaccount")
        return told

    async def _named(self) -> tuple[Found, ...]:
        """The domains that subaccounts are called by, in their id or their name."""
        rows = shaped(await self._api.call("POST", "/subaccounts/list", {}), list[Subaccount], "POST /subaccounts/list")
        levers: dict[str, list[str]] = {}
        for one in rows:
            for domain in {host_name(one.id), host_name(one.name or "")} - {""}:
                levers.setdefault(domain, []).append(f"{SUBACCOUNT}:{one.id}")
        return tuple(Found(domain, levers=tuple(names)) for domain, names in sorted(levers.items()))


def _meaning(answer: Response) -> Why | None:
    """What Mandrill says by name: it long answered 500 to everything, also to a wrong key."""
    try:
        return _ANSWERS.get(msgspec.json.decode(answer.body, type=_Error).name)
    except (ValueError, RecursionError):
        return None


def _hourly(limit: Limit) -> int | None:
    return None if limit.per_day is None else max(1, limit.per_day // _HOURS)


def _notes(notes: str, limit: Limit) -> str:
    """The notes with the mark that the limit needs: none where the quota alone says all of it."""
    own = _MARK.sub("", notes)
    exact = limit.per_day is None or limit.per_day % _HOURS == 0
    mark = "" if exact else f"[deliverd: at most {limit.per_day} a day]"
    return f"{own} {mark}" if own and mark else own or mark


def _actual(told: _Info) -> Actual:
    quota = told.custom_quota
    if told.status not in ("active", "paused") or (quota is not None and quota < 1):
        raise Unavailable("POST /subaccounts/info: neither status nor quota are as Mandrill documents them")
    detail = "the quota is Mandrill's own" if quota is None else f"{quota} an hour"
    if told.status == "paused":
        return Actual(Limit(SendState.PAUSED), detail=f"paused, {detail}")
    if quota is None:
        return Actual(Limit(SendState.RUNNING), detail=detail)
    mark = _MARK.search(told.notes or "")
    marked = Limit(SendState.THROTTLED, int(mark[1])) if mark else None
    if marked is not None and _hourly(marked) == quota:
        return Actual(marked, detail=f"{detail}, up to {quota * _HOURS} a day")
    return Actual(Limit(SendState.THROTTLED, quota * _HOURS), detail=detail)
