"""What the daemon does when: which arrow runs for a due row, at once for bad news, and when it runs again."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog

from deliverd.engine.context import Context
from deliverd.engine.feedback import Taken, Watch, attend
from deliverd.engine.foresight import Foresight
from deliverd.engine.judge import judge
from deliverd.engine.observe import (
    COMPLIANCE_EVERY,
    mailboxes,
    observe_account,
    observe_compliance,
    observe_dns,
    observe_source,
    publishers,
)
from deliverd.engine.reconcile import reconcile
from deliverd.engine.tell import tell
from deliverd.model import Decision
from deliverd.store import due
from deliverd.store.due import Due
from deliverd.store.faults import Conflict
from deliverd.web import metrics
from probes.observation import Observation, Seen, Unseen, Why

log = structlog.get_logger("deliverd.daemon")

IN_FLIGHT = 16
"""How many looks run at once, and how many acts at one account: unbounded, a burst delays every act tenfold. Each
account has its own room, so that one platform that hangs delays no other; looking never stands in acting's way."""

LEASE = timedelta(seconds=30)
"""How long a claimed row is left alone; a process that died holding it delays the row by no more than this."""

PASSING = frozenset({Why.TIMEOUT, Why.SERVFAIL, Why.NETWORK, Why.RATE_LIMITED})
"""Why a source that is asked seldom is asked again in a quarter of its time."""

ALL = "all"
"""The target of the rows that are not about one domain or account."""


class Work:
    """The arrows at work on one context. Every method returns when the piece is done, and never raises."""

    def __init__(self, ctx: Context, spawn: Callable[[Awaitable[None]], None]) -> None:
        self._ctx = ctx
        self._spawn = spawn
        self._looking = asyncio.Semaphore(IN_FLIGHT)
        self._acting: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(IN_FLIGHT))
        self._urgent: set[str] = set()
        self._dark: dict[tuple[str, str, str], Why] = {}
        self._looks: set[asyncio.Task[Any]] = set()
        self._under_way: dict[tuple[str, str], asyncio.Task[datetime]] = {}
        self._watches: dict[str, Watch] = {}
        self._kinds: Mapping[str, Callable[[str, datetime], Awaitable[datetime]]] = {
            "dns": self._dns,
            "account": self._account,
            "source": lambda source, now: self._joined("source", source, self._source(source, now)),
            "compliance": lambda source, now: self._joined("compliance", source, self._compliance(source, now)),
            "mail": lambda source, now: self._joined("mail", source, self._mail(source)),
            "judge": self._judge,
            "act": self._act,
            "tell": self._tell,
        }

    def targets(self) -> dict[str, list[str]]:
        """What the configuration asks to be done regularly: kinds of work, each with its targets."""
        settings = self._ctx.settings
        domains, sources = list(settings.domains), publishers(self._ctx)
        compliance = [name for name in sources if getattr(settings.sources[name], "compliance", False)]
        asked = {"dns": domains, "account": list(settings.platforms), "source": sources, "compliance": compliance}
        asked |= {"mail": mailboxes(self._ctx)}
        return asked | {"judge": domains, "act": domains, "tell": [ALL]}

    def urgent(self, domains: Iterable[str]) -> None:
        """Judge these domains at once. Asked again before it began, once is enough."""
        for domain in domains:
            if domain not in self._urgent:
                self._urgent.add(domain)
                self._spawn(self._respond(domain))

    def look_away(self) -> None:
        """Give up every look under way: it changes nothing outside, and the next start begins with looking."""
        for task in self._looks:
            task.cancel()

    def hang_up(self) -> None:
        """End the waiting at mailboxes: it would go on at those of the configuration that it began with."""
        for (kind, _), task in self._under_way.items():
            if kind == "mail":
                task.cancel()
        self._watches.clear()

    @contextlib.contextmanager
    def _look(self) -> Iterator[None]:
        """Mark the task that is running as one that may be given up."""
        task = asyncio.current_task()
        assert task is not None
        self._looks.add(task)
        try:
            yield
        finally:
            self._looks.discard(task)

    async def run(self, row: Due) -> None:
        """Do one due row and say when it is due again. A row that fails is recorded and pushed ahead."""
        now, failures = self._ctx.clock(), 0
        try:
            again = await self._kinds[row.kind](row.target, now)
        except Exception as fault:
            failures = row.attempt
            again = now + timedelta(seconds=min(300, 2 ** min(failures, 9)))
            self._failed(row.kind, row.target, fault)
        await self._done(row, again, failures)

    async def _respond(self, domain: str) -> None:
        self._urgent.discard(domain)
        try:
            await self._judge(domain, self._ctx.clock())
        except Exception as fault:
            self._failed("judge", domain, fault)

    def _failed(self, kind: str, target: str, fault: Exception) -> None:
        """Say that a piece of work failed. Only a fault of our own tree is quoted: others may carry a secret."""
        metrics.FAULTS.labels(kind).inc()
        log.error("work failed", kind=kind, target=target, fault=type(fault).__name__, exc_info=_quotable(fault))

    async def _done(self, row: Due, again: datetime, failures: int) -> None:
        try:
            await self._ctx.store.write(lambda conn: due.done(conn, row, again, attempt=failures))
        except Exception as fault:
            # The lease runs out and the row is due again: nothing is lost by not having said that it was done.
            self._failed(row.kind, row.target, fault)

    async def _dns(self, domain: str, now: datetime) -> datetime:
        with self._look():
            async with self._looking:
                self._note(await observe_dns(self._ctx, domain, now))
        self.urgent([domain])
        return now + timedelta(seconds=self._ctx.settings.schedule.dns_seconds)

    async def _account(self, account: str, now: datetime) -> datetime:
        with self._look():
            async with self._looking:
                self._note(await observe_account(self._ctx, account, now))
        return now + timedelta(seconds=self._ctx.settings.schedule.platform_seconds)

    async def _joined(self, kind: str, target: str, look: Coroutine[Any, Any, datetime]) -> datetime:
        """Do a look of minutes. Its lease runs out meanwhile: who claims the row again waits for the same look."""
        task = self._under_way.get((kind, target))
        if task is None:
            self._under_way[kind, target] = task = asyncio.create_task(look)
            task.add_done_callback(lambda _: self._under_way.pop((kind, target)))
        else:
            look.close()
        return await asyncio.shield(task)

    async def _source(self, source: str, now: datetime) -> datetime:
        with self._look():
            looks = await observe_source(self._ctx, source, now)
        self._note(looks)
        self.urgent({look.target for look in looks if look.part})
        passing = any(isinstance(look.answer, Unseen) and look.answer.why in PASSING for look in looks)
        return now + timedelta(seconds=self._ctx.settings.schedule.source_seconds / (4 if passing else 1))

    async def _compliance(self, source: str, now: datetime) -> datetime:
        with self._look():
            self._note(await observe_compliance(self._ctx, source, now))
        return now + COMPLIANCE_EVERY

    async def _mail(self, source: str) -> datetime:
        """Wait for mail and take it in. Its row is due again soon after, so that somebody always waits."""
        watch = self._watches.setdefault(source, Watch(source))
        with self._look():
            done = await attend(self._ctx, watch, partial(self._taken, source))
        self._note(done.looks)
        return self._ctx.clock() + done.pause

    def _taken(self, source: str, taken: Taken) -> None:
        """Have the domains of bad news judged at once, and say what a person should look at: a line for each mail."""
        self.urgent(taken.adverse)
        metrics.ACCEPTED.labels(source).inc(taken.accepted)
        metrics.DUPLICATES.labels(source).inc(taken.duplicates)
        for code, mails in taken.codes.items():
            metrics.FEEDBACK.labels(source, code).inc(mails)
        for odd in taken.odd:
            what = {"mail": odd.id, "sha256": odd.digest, "domain": odd.domain or None}
            log.warning("mail not counted", source=source, code=odd.code, why=odd.why, **what)

    def _note(self, looks: Iterable[Observation]) -> None:
        """Count each look that saw nothing; say so when it begins, when the reason changes, and when it is over."""
        for look in looks:
            what = {"source": look.source, "domain": look.target, "part": look.part or None}
            key = (look.source, look.target, look.part)
            if isinstance(look.answer, Seen):
                if self._dark.pop(key, None):
                    log.info("can look again", **what)
                continue
            why = look.answer.why
            metrics.UNSEEN.labels(look.source, why).inc()
            if self._dark.get(key) is not why:
                self._dark[key] = why
                log.warning("could not look", why=why, detail=look.answer.detail, **what)

    async def _judge(self, domain: str, now: datetime) -> datetime:
        if domain in self._ctx.settings.domains:
            try:
                judged = await judge(self._ctx, domain, now)
            except Conflict:
                # Another process judged it in this very moment; the next round sees what it decided.
                return now
            if judged.decision:
                # Said while the platform answers: a pause that is due waits for no log.
                asyncio.get_running_loop().call_soon(_say, judged.decision)
            if judged.moved and (again := await self._reconcile(domain, self._ctx.clock(), judged.ahead)):
                await self._ctx.store.write(lambda conn: due.push(conn, "act", domain, again))
        return now + timedelta(seconds=self._ctx.settings.schedule.judge_seconds)

    async def _act(self, domain: str, now: datetime) -> datetime:
        later = now + timedelta(seconds=self._ctx.settings.schedule.reconcile_seconds)
        again = await self._reconcile(domain, now) if domain in self._ctx.settings.domains else None
        return min(later, again) if again else later

    async def _reconcile(self, domain: str, now: datetime, ahead: Foresight | None = None) -> datetime | None:
        """Act on one domain and say what was done; returns when it has to be tried again, if so."""
        async with self._acting[self._ctx.domain(domain).platform]:
            done = await reconcile(self._ctx, domain, now, ahead)
        for _, result in done.acts:
            metrics.ACTIONS.labels(result.outcome).inc()
            log.info("acted", domain=domain, outcome=result.outcome, detail=result.detail or None)
        for finding in done.plan.findings:
            log.warning("noticed", domain=domain, kind=finding.kind, what=finding.text)
        return done.again

    async def _tell(self, _: str, now: datetime) -> datetime:
        metrics.NOTICES.inc(await tell(self._ctx, now))
        return now + timedelta(seconds=self._ctx.settings.schedule.sweep_seconds)


def _say(decision: Decision) -> None:
    log.info(
        "decided",
        domain=decision.domain,
        standing=decision.standing,
        previous=decision.previous,
        rule=decision.rule,
        why=decision.reason,
        author=decision.author,
        mode=decision.mode,
    )


def _quotable(fault: Exception) -> BaseException | None:
    return fault if type(fault).__module__.startswith(("deliverd.", "probes.")) else None
