"""The calls to SNDS: its REST API day by day, or the key link, a whole address that is a secret.

REST: GET api/report/data/DAY with a Bearer token. 404: nothing for that day (yet: numbers come one or two days late);
400: a day or a link that is malformed (open clients that work, read 2026-11-22; Microsoft documents neither).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from probes.http import Http, HttpFault, Response, check, redacted
from probes.microsoft_snds_parse import Table, Unreadable, merge, parse
from probes.microsoft_token import AGAIN
from probes.observation import Why

API_ROOT = "https://substrate.office.com/ip-domain-management-snds/"
_NAME = "SNDS"
_LINK = "the key link"
_DENIED = {
    "data": f"{AGAIN}, with the Microsoft account that SNDS knows",
    "link": "make a new one in the SNDS portal",
}


@dataclass(frozen=True, slots=True)
class Read:
    """What was read, and the fault that ended it early. `empty`: the days that SNDS has nothing for."""

    table: Table = field(default_factory=Table)
    fault: HttpFault | None = None
    empty: tuple[str, ...] = ()


async def read_days(http: Http, root: str, token: str, days: Sequence[date], seconds: float, now: datetime) -> Read:
    """The rows of these days. After the first fault the other days are not asked about: it is not about a day."""
    tables: list[Table] = []
    empty: list[str] = []
    fault: HttpFault | None = None
    for day in days:
        url = f"{root.rstrip('/')}/api/report/data/{day.isoformat()}"
        try:
            tables.append(await _day(http, url, token, seconds, now))
        except HttpFault as found:
            if found.why is not Why.NO_DATA:
                fault = found
                break
            empty.append(day.isoformat())
    return Read(merge(tables), fault, tuple(empty))


async def read_link(http: Http, link: str, seconds: float, now: datetime) -> Read:
    """The rows behind a key link. No part of its address is in a fault: which part is the key is not known."""
    try:
        answer = await http.get(link, timeout_seconds=seconds)
    except HttpFault as fault:
        return Read(fault=HttpFault(fault.why, fault.detail.replace(redacted(link), _LINK)))
    try:
        if 300 <= answer.status < 400:
            raise HttpFault(Why.REFUSED, f"{_LINK}: {answer.status}: it redirects, and redirects are not followed")
        return Read(merge([_table(answer, _LINK, "link", now, link)]))
    except HttpFault as fault:
        if fault.why is not Why.NO_DATA:
            return Read(fault=fault)
        return Read(fault=HttpFault(Why.NO_DATA, f"{_LINK}: 404: it has no numbers yet, or has lapsed"))


async def _day(http: Http, url: str, token: str, seconds: float, now: datetime) -> Table:
    """The rows of one day. Raises HttpFault; NO_DATA when there are none.

    The path has an optional part after the day, and to some the address answers only with the slash before it.
    """
    headers = {"authorization": f"Bearer {token}"}
    answer = await http.get(url, headers=headers, timeout_seconds=seconds)
    if answer.status == 404:
        answer = await http.get(f"{url}/", headers=headers, timeout_seconds=seconds)
    return _table(answer, _NAME, "data", now, token)


def _table(answer: Response, where: str, kind: str, now: datetime, secret: str) -> Table:
    try:
        check(answer, where, now, [secret])
        return parse(answer.body, answer.headers.get("content-type", ""), now.date())
    except Unreadable as fault:
        raise HttpFault(Why.UNREADABLE, f"{where}: not SNDS data: {fault}") from None
    except HttpFault as fault:
        hint = f"; {_DENIED[kind]}" if fault.why is Why.DENIED else ""
        raise HttpFault(fault.why, f"{fault.detail}{hint}", fault.retry_after) from None
