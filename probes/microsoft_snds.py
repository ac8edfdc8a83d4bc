"""Microsoft SNDS: what Outlook.com says of each sending address, day by day.

docs/microsoft-snds.md says how to get a key. SNDS knows addresses and no domains: which domains send from an address
is configured, and what it says of a shared one it says of all of them. Its complaint rate bottoms out at `< 0.1%`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from pydantic import Field, field_validator, model_validator

from probes.config import Secret, Strict
from probes.http import Http, HttpFault
from probes.mail_text import host
from probes.microsoft_snds_client import API_ROOT, Read, read_days, read_link
from probes.microsoft_snds_parse import Broken, Row
from probes.microsoft_token import AGAIN, load, renew
from probes.observation import Observation, Reading, Seen, Unseen, Why

SOURCE = "microsoft_snds"
KEY = "key"
"""The part of the look at the key itself: how long it will still open the door."""
LINK_LASTS = timedelta(days=30)
"""Links for automated access expire then (emailexpert.com on the portal of 2026, read 2026-11-22)."""
_MOST_SHOWN = 20
_NEW_LINK = "make a new one in the SNDS portal"
_NO_ADDRESS = "no address in [sources.microsoft_snds] names this domain"
_NO_NUMBERS = "SNDS has no numbers for these days: too little mail to Outlook.com, or none made yet"


class Account(Strict):
    """How SNDS is asked: by `token_file`, which `deliverd auth microsoft` writes and deliverd keeps renewing, or by
    `link`, a key link of the portal, with `link_made`, the day it was made: it does not tell its end.

    `days`, ending yesterday, are read at every look; a link gives what it gives. `warn_days` before the key lapses it
    is told. `certificates`: a CA file to trust at Microsoft's sign-in; `api_root` a stand-in for SNDS.
    """

    token_file: Path | None = None
    link: Secret | None = None
    link_made: date | None = None
    days: int = Field(default=5, ge=1, le=90)
    warn_days: int = Field(default=7, ge=1, le=60)
    timeout_seconds: float = Field(default=30, gt=0, le=300, allow_inf_nan=False)
    certificates: str | None = None
    api_root: str = API_ROOT

    @field_validator("api_root")
    @classmethod
    def _safe(cls, url: str) -> str:
        if not _is_safe(url):
            raise ValueError("expected https://, or http:// on a loopback address")
        return url

    @model_validator(mode="after")
    def _one_key(self) -> "Account":
        if (self.token_file is None) == (self.link is None):
            raise ValueError("expected token_file or link, and not both")
        if (self.link is None) != (self.link_made is None):
            raise ValueError("expected link together with link_made, the day it was made")
        if self.link is not None and not _is_safe(self.link.get_secret_value()):
            raise ValueError("expected a link with https://, or http:// on a loopback address")
        return self


class Config(Account):
    """[sources.microsoft_snds]: how SNDS is asked, and `ips`: which domains send from which address."""

    ips: dict[str, tuple[str, ...]] = Field(min_length=1)

    @field_validator("ips")
    @classmethod
    def _spelt(cls, ips: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for text, domains in ips.items():
            address = _address(text)
            if address in found:
                raise ValueError(f"the address {address} a second time")
            names = tuple(dict.fromkeys(map(host, domains)))
            if not names or "" in names:
                raise ValueError(f"expected the names of the domains that send from {address}")
            found[address] = names
        return found

    def addresses(self, domain: str) -> frozenset[str]:
        """The addresses that a domain sends from."""
        return frozenset(address for address, domains in self.ips.items() if domain in domains)


def _address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        raise ValueError("expected addresses such as 203.0.113.4, each with its domains") from None


def _is_safe(url: str) -> bool:
    """Whether a key may be sent there: nobody can listen on the way."""
    return url.startswith(("https://", "http://127.0.0.1:", "http://[::1]:"))


@dataclass(frozen=True, slots=True)
class Look:
    """One look at SNDS: what was read, and the look at the key."""

    read: Read
    key: Seen | Unseen | None = None
    days: tuple[str, ...] = field(default=())


async def look(account: Account, http: Http, now: datetime) -> Look:
    """Everything SNDS has on the account's addresses. Never raises for a remote fault."""
    if account.link is not None:
        assert account.link_made is not None
        ends = account.link_made + LINK_LASTS
        read = await read_link(http, account.link.get_secret_value(), account.timeout_seconds, now)
        return Look(_lapsed(read, ends, now), _key("key link", ends, account.warn_days, now, _NEW_LINK))
    assert account.token_file is not None
    last = now.date() - timedelta(days=1)
    days = [last - timedelta(days=back) for back in reversed(range(account.days))]
    names = tuple(day.isoformat() for day in days)
    try:
        renewed = await renew(account.token_file, account.timeout_seconds, account.certificates, now)
    except HttpFault as fault:
        return Look(Read(fault=fault), _stored_key(account, now), names)
    ends, unstored = renewed.sign_in.ends.date(), renewed.unstored
    key = _key("sign-in", ends, account.warn_days, now, AGAIN)
    if unstored:
        words = f"the new token cannot be written to {account.token_file}: {unstored}; the old one lapses unused"
        key = Seen({"code": "unstored", "key": "sign-in", "ends": ends.isoformat(), "detail": words})
    read = await read_days(http, account.api_root, renewed.access_token, days, account.timeout_seconds, now)
    return Look(read, key, names)


def _lapsed(read: Read, ends: date, now: datetime) -> Read:
    """404 of a link means two things: after its end it is no longer `no numbers yet`."""
    if now.date() < ends or read.fault is None or read.fault.why is not Why.NO_DATA:
        return read
    words = f"the key link lapsed on {ends.isoformat()}: {_NEW_LINK}"
    return Read(fault=HttpFault(Why.DENIED, words))


def _stored_key(account: Account, now: datetime) -> Seen | Unseen:
    """The look at a key that could not be renewed: its end comes nearer."""
    assert account.token_file is not None
    try:
        ends = load(account.token_file).ends.date()
    except HttpFault as fault:
        return Unseen(fault.why, fault.detail)
    return _key("sign-in", ends, account.warn_days, now, AGAIN)


def _key(name: str, ends: date, warn_days: int, now: datetime, mend: str) -> Seen:
    left = (ends - now.date()).days
    readings: dict[str, Reading] = {"code": "ok", "key": name, "ends": ends.isoformat()}
    if left <= warn_days:
        verb = "lapsed" if left < 0 else "lapses"
        readings |= {"code": "ends-soon", "detail": f"the {name} to SNDS {verb} on {ends.isoformat()}: {mend}"}
    return Seen(readings)


async def observe(config: Config, domains: Sequence[str], http: Http, now: datetime) -> tuple[Observation, ...]:
    """See `observe_days`: it is all that SNDS tells."""
    return await observe_days(config, domains, http, now)


async def observe_days(config: Config, domains: Sequence[str], http: Http, now: datetime) -> tuple[Observation, ...]:
    """The look at each domain (part ""), at the key ("key"), and at each address on each day ("2026-11-20/192.0.2.1").

    A row has the readings of `microsoft_snds_parse.parse`, and `shared`:
    how many configured domains send from its address; its numbers are of all their mail together. The look is Unseen
    where something could not be read; rows that were read are told all the same. Never raises for a remote fault.
    """
    names = tuple(dict.fromkeys(domains))
    watched = [name for name in names if config.addresses(name)]
    found = await look(config, http, now) if watched else Look(Read())
    unknown = unattributed(found.read.table.rows, config.ips)
    looks: list[Observation] = []
    for name in names:
        if name not in watched:
            looks.append(Observation(SOURCE, name, now, Unseen(Why.NO_DATA, _NO_ADDRESS)))
            continue
        rows = [row for row in found.read.table.rows if row.ip in config.addresses(name)]
        looks.append(Observation(SOURCE, name, now, _summary(config, name, found, rows, unknown)))
        looks += [Observation(SOURCE, name, now, found.key, part=KEY)] if found.key else []
        looks += [Observation(SOURCE, name, now, _seen(row, config.ips), part=f"{row.day}/{row.ip}") for row in rows]
    return tuple(looks)


def unattributed(rows: Iterable[Row], ips: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The addresses that SNDS tells of and no domain is named for, in order."""
    return tuple(sorted({row.ip for row in rows} - ips.keys()))


def _seen(row: Row, ips: Mapping[str, Sequence[str]]) -> Seen:
    return Seen({**row.readings, "shared": len(ips[row.ip])})


def _summary(config: Config, name: str, found: Look, rows: Sequence[Row], unknown: Sequence[str]) -> Seen | Unseen:
    if found.read.fault:
        fault = found.read.fault
        wait = "" if fault.retry_after is None else f"; retry after {fault.retry_after:g} s"
        return Unseen(fault.why, f"{fault.detail}{wait}")
    broken = next(_about(config.addresses(name), found.read.table.broken), None)
    if broken:
        return Unseen(Why.UNREADABLE, f"a row of SNDS cannot be read: line {broken.line}: {broken.reason}")
    if not rows:
        return Unseen(Why.NO_DATA, _NO_NUMBERS)
    days = {row.day for row in rows}
    readings: dict[str, Reading] = {"code": "ok", "days": len(days), "latest": max(days)}
    readings["ips"] = tuple(sorted({row.ip for row in rows}))[:_MOST_SHOWN]
    readings["missing"] = tuple(day for day in found.days if day not in days)
    return Seen(readings | ({"unattributed": tuple(unknown[:_MOST_SHOWN])} if unknown else {}))


def _about(addresses: frozenset[str], broken: Iterable[Broken]) -> Iterator[Broken]:
    """The broken rows that are, or may be, about these addresses."""
    return (one for one in broken if not one.ip or one.ip in addresses)
