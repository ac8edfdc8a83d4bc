"""SPF (RFC 7208): is there one record, does it parse, and can a receiver evaluate its whole tree within the limits?

The grammar is in `probes/spf_record.py`.
"""

import asyncio
from collections import defaultdict
from datetime import datetime

from probes.config import Strict
from probes.observation import Observation, Seen, Unseen
from probes.resolver import Absent, Answer, Ask, Found, NotAsked, Resolver, readable
from probes.spf_record import Record, SpfSyntaxFault, Term, expand, is_spf, parse

MAX_LOOKUPS = 10
MAX_VOIDS = 2
MAX_MX = 10
"""RFC 7208 4.6.4: terms that ask DNS, those of them that find nothing, and hosts of one `mx`."""
STOP_AFTER = 200
"""Terms of one tree after which counting ends: a hostile tree grows without end."""

_ASKING = ("include", "a", "mx", "ptr", "exists")
_WORST_FIRST = ("loop", "bad-include", "too-many-voids", "too-many-lookups", "ptr")


class Config(Strict):
    """SPF has nothing to set."""


class Walk:
    """Walks a record's whole tree as if no mechanism matched: the most that any receiver may have to ask.

    Terms whose name depends on the sending address or the recipient's host are counted, not followed.
    """

    def __init__(self, domain: str, ask: Ask) -> None:
        self._domain = domain
        self._ask = ask
        self.lookups = 0
        self.voids = 0
        self.unseen: list[NotAsked] = []
        self.faults: defaultdict[str, set[str]] = defaultdict(set)
        self.all = ""

    async def follow(self, domain: str, record: Record, path: frozenset[str], own: bool = True) -> None:
        """Add what `record` of `domain` asks for. `path` are the names above it; `own`: not reached by an include."""
        if own:
            self.all = record.all
            if any(term.name == "ptr" for term in record.mechanisms):
                self.faults["ptr"].add(f"{domain} uses ptr")
        terms = [term for term in record.mechanisms if term.name in _ASKING]
        if record.redirect:
            terms.append(Term("redirect", value=record.redirect))
        await asyncio.gather(*(self._term(term, domain, path, own) for term in terms))

    async def _term(self, term: Term, domain: str, path: frozenset[str], own: bool) -> None:
        if self.lookups >= STOP_AFTER:
            return
        self.lookups += 1
        name = expand(term.value, {"d": domain, "o": self._domain}) if term.value else domain
        if name is None or term.name == "ptr":
            return
        name = name.removesuffix(".").lower()
        if term.name in ("include", "redirect"):
            await self._descend(term.name, name, path, own and term.name == "redirect")
        else:
            types = ("A",) if term.name == "exists" else ("A", "AAAA")
            # Not `self.voids += await ...`: that would add to what the count was before the wait.
            void = await (self._mail_hosts(name) if term.name == "mx" else self._no_address(name, types))
            self.voids += void

    async def _descend(self, how: str, name: str, path: frozenset[str], own: bool) -> None:
        if name in path:
            self.faults["loop"].add(f"{how} of {name} leads back to itself")
            return
        answer = await self._put(name, "TXT")
        if isinstance(answer, NotAsked):
            return
        self.voids += isinstance(answer, Absent)
        records = [text for text in answer.texts if is_spf(text)] if isinstance(answer, Found) else []
        if len(records) != 1:
            self.faults["bad-include"].add(f"{how} of {name}: it has {len(records) or 'no'} SPF records")
            return
        try:
            record = parse(records[0])
        except SpfSyntaxFault as fault:
            self.faults["bad-include"].add(f"{how} of {name}: its record does not parse {fault}")
            return
        await self.follow(name, record, path | {name}, own)

    async def _mail_hosts(self, name: str) -> bool:
        """Whether an `mx` of `name` finds nothing: no MX, or a host of it without address."""
        answer = await self._put(name, "MX")
        if not isinstance(answer, Found):
            return isinstance(answer, Absent)
        hosts = [host for host in (mx.partition(" ")[2] for mx in answer.names) if host != "."]
        if len(hosts) > MAX_MX:
            self.faults["too-many-lookups"].add(f"mx of {name} names {len(hosts)} hosts, at most {MAX_MX} are allowed")
        return any(await asyncio.gather(*(self._no_address(host, ("A", "AAAA")) for host in hosts[:MAX_MX])))

    async def _no_address(self, name: str, types: tuple[str, ...]) -> bool:
        """Whether a name is seen to have no address of these types."""
        for rdtype in types:
            if not isinstance(await self._put(name, rdtype), Absent):
                return False
        return True

    async def _put(self, name: str, rdtype: str) -> Answer:
        # A backslash is an ordinary character in a domain-spec, and an escape in a name's presentation.
        answer = await self._ask(name.replace("\\", "\\\\"), rdtype)
        if isinstance(answer, NotAsked):
            self.unseen.append(answer)
        return answer


async def observe(domain: str, config: Config, resolver: Resolver, now: datetime) -> tuple[Observation, ...]:
    """Look at a domain's SPF. One observation; its codes are those of `examine`."""
    return (Observation("spf", domain, now, await examine(domain, resolver.ask)),)


async def examine(domain: str, ask: Ask) -> Seen | Unseen:
    """The readings: `code` (ok, no-record, multiple-records, syntax, loop, bad-include, too-many-voids,
    too-many-lookups, ptr: the worst there is) and `detail`; where known `record`, `all`, `lookups` and `voids`.

    Unseen as soon as any part of the tree cannot be asked: a receiver would put the mail off, not fail it.
    """
    answer = await ask(domain, "TXT")
    if isinstance(answer, NotAsked):
        return answer.unseen()
    if isinstance(answer, Absent):
        return Seen(
            {"code": "no-record", "detail": f"{domain} {'does not exist' if answer.nxdomain else 'has no TXT record'}"}
        )
    records = [text for text in answer.texts if is_spf(text)]
    if not records:
        return Seen({"code": "no-record", "detail": f"none of {len(answer.texts)} TXT records is SPF"})
    if len(records) > 1:
        shown = tuple(map(readable, records))
        return Seen({"code": "multiple-records", "detail": f"{len(records)} SPF records", "records": shown})
    try:
        record = parse(records[0])
    except SpfSyntaxFault as fault:
        readings = {"code": "syntax", "detail": str(fault), "record": readable(records[0])}
        return Seen({**readings, "position": fault.position})
    walk = Walk(domain, ask)
    await walk.follow(domain, record, frozenset({domain.lower()}))
    if walk.unseen:
        return min(walk.unseen, key=lambda answer: answer.detail).unseen()
    return _judged(walk, readable(records[0]))


def _judged(walk: Walk, record: str) -> Seen:
    faults = dict(walk.faults)
    if walk.lookups > MAX_LOOKUPS:
        more = " or more" if walk.lookups >= STOP_AFTER else ""
        faults.setdefault("too-many-lookups", set()).add(
            f"{walk.lookups}{more} lookups, at most {MAX_LOOKUPS} are allowed"
        )
    if walk.voids > MAX_VOIDS:
        faults["too-many-voids"] = {f"{walk.voids} lookups find nothing, at most {MAX_VOIDS} may"}
    code = next((code for code in _WORST_FIRST if code in faults), "ok")
    detail = "; ".join(words for code in _WORST_FIRST for words in sorted(faults.get(code, ())))
    counts = {"lookups": walk.lookups, "voids": walk.voids}
    return Seen({"code": code, "detail": detail, "record": record, "all": walk.all, **counts})
