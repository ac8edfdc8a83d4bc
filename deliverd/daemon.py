"""The daemon: build, schedule, drain, and stop in reverse order.

APScheduler is only the clock: its jobs wake this process's own task group, which does the work and finishes it before
stopping (APScheduler itself cancels running coroutines at shutdown, which could be a half-done pause).
"""

import asyncio
import contextlib
import gc
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import structlog
import uvloop
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from deliverd import alerts, clock, settings
from deliverd.engine.context import Context
from deliverd.platforms import registry
from deliverd.platforms.base import Platform
from deliverd.settings import ConfigError, Settings
from deliverd.store import due, heartbeats, orders
from deliverd.store.connection import Conn
from deliverd.store.faults import StoreError
from deliverd.store.sole import SoleUse
from deliverd.store.writer import Store
from deliverd.web import metrics
from deliverd.web.app import build
from deliverd.web.server import Server, serve
from deliverd.work import LEASE, Work
from probes.http import Http
from probes.resolver import Resolver

log = structlog.get_logger("deliverd.daemon")

DRAIN = timedelta(seconds=60)
"""How long work under way may take to finish after SIGTERM. A cut-off act is taken up again at the next start."""

SWITCH_SECONDS = 0.0005
"""How long a thread may keep the interpreter while another wants it. The writer gives it away with every statement;
at the interpreter's own 5 ms it would wait for the event loop longer than it writes."""

BEAT = timedelta(seconds=5)
CLAIM = 200


def run(config: Settings, reload: Callable[[], Settings]) -> int:
    """Run until SIGTERM or SIGINT; SIGHUP calls `reload`. Returns the exit code.

    Raises:
        StoreError: the store cannot be opened, or another process uses it.
        OSError: the address in `web.listen` cannot be bound.
    """
    sys.setswitchinterval(SWITCH_SECONDS)
    with SoleUse(config.store.url.get_secret_value()) as sole:
        store = Store.open(config.store.url.get_secret_value(), migrate=True)
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                return runner.run(_run(config, store, reload, sole.holds))
        finally:
            store.close()
            gc.freeze()  # else the interpreter spends most of a second on taking everything apart


async def _run(config: Settings, store: Store, reload: Callable[[], Settings], alone: bool) -> int:
    return await _Daemon(config, store, reload, alone).run()


class _Daemon:
    def __init__(self, config: Settings, store: Store, reload: Callable[[], Settings], alone: bool) -> None:
        self._reload = reload
        self._alone = alone
        self._ctx = Context(
            settings=config,
            store=store,
            platforms=_platforms(config),
            http=Http(),
            resolver=Resolver(config.dns),
            send=alerts.send,
            clock=clock.now,
            started=clock.now(),
        )
        self._name = f"{_host()}{os.getpid()}"
        self._stopping = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._work = Work(self._ctx, self._spawn)
        self._swept: datetime | None = None
        self._order = 0

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        loop.add_signal_handler(signal.SIGHUP, lambda: self._spawn(self._reconfigure()))
        server = self._server()
        serving = asyncio.create_task(server.serve(sockets=[_listen(*self._ctx.settings.web.address)]))
        try:
            await self._prepare()
            scheduler = self._clockwork()
            log.info("ready", listen=self._ctx.settings.web.listen, domains=len(self._ctx.settings.domains))
            gc.freeze()  # what was loaded stays for good: looking through it for garbage takes a tenth of a second
            self._spawn(asyncio.to_thread(alerts.prepare))
            await self._until_stopped(serving)
            scheduler.shutdown(wait=False)
        finally:
            await self._stop(server, serving)
        return 0

    def _server(self) -> Server:
        app = build(self._ctx, self._work.urgent, self._unready)
        return serve(app, lambda: self._ctx.settings.web.request_seconds)

    async def _prepare(self) -> None:
        """Everything is due at the start: whatever a crash left half done is noticed by the first round."""
        self._order = await self._ctx.store.read(orders.newest_id)
        await self._ctx.store.write(self._release)
        await self._schedule(self._ctx.clock())
        await self._beat()
        await self._sweep()

    def _release(self, conn: Conn) -> None:
        """Take what dead processes had in hand. Where several may live, the dead are known on this host only."""
        owners = due.owners(conn)
        due.release(conn, owners if self._alone else {owner for owner in owners if _is_dead(owner)})

    async def _schedule(self, now: datetime) -> None:
        targets = self._work.targets()

        def rows(conn: Conn) -> None:
            for kind, names in targets.items():
                due.drop(conn, kind, names)
                due.push_all(conn, kind, names, now)

        await self._ctx.store.write(rows)

    def _clockwork(self) -> AsyncIOScheduler:
        scheduler = AsyncIOScheduler(
            timezone="UTC", job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
        )
        sweep = self._ctx.settings.schedule.sweep_seconds
        scheduler.add_job(self._tick, "interval", seconds=sweep, args=[self._sweep])
        scheduler.add_job(self._tick, "interval", seconds=BEAT.total_seconds(), args=[self._beat])
        scheduler.start()
        return scheduler

    async def _until_stopped(self, serving: asyncio.Task[None]) -> None:
        stopping = asyncio.create_task(self._stopping.wait())
        done, _ = await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if serving in done:
            serving.result()

    async def _stop(self, server: Server, serving: asyncio.Task[None]) -> None:
        """In reverse order: no more requests, then no more work, then the doors."""
        log.info("stopping", under_way=len(self._tasks))
        server.should_exit = True
        with contextlib.suppress(Exception):
            await serving
        self._work.look_away()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=DRAIN.total_seconds())
            for task in late:
                log.error("cut off", task=task.get_name())
                task.cancel()
        for platform in self._ctx.platforms.values():
            await platform.aclose()
        await self._ctx.http.aclose()
        log.info("stopped")

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (fault := task.exception()) is not None:
            metrics.FAULTS.labels("daemon").inc()
            log.error("task failed", fault=type(fault).__name__)

    async def _tick(self, work: Callable[[], Awaitable[None]]) -> None:
        """A coroutine, so that APScheduler calls it on this loop and not in a thread."""
        self._spawn(work())

    async def _sweep(self) -> None:
        """Claim what is due and start it, and judge the domains that a person spoke about."""
        turning = self._ctx.lock("sweep")
        if self._stopping.is_set() or turning.locked():  # while the store hangs, ticks must not pile up
            return
        async with turning:
            try:
                claimed = await self._claim()
            except StoreError as fault:
                log.error("cannot sweep", why=str(fault))
                return
            self._swept = self._ctx.clock()
            metrics.SWEPT.set(self._swept.timestamp())
            for row in claimed:
                self._spawn(self._work.run(row))

    async def _claim(self) -> tuple[due.Due, ...]:
        now = self._ctx.clock()
        claimed = await self._ctx.store.write(lambda conn: due.claim(conn, now, LEASE, self._name, CLAIM))
        newest = await self._ctx.store.read(orders.newest_id)
        if newest > self._order:
            spoken = await self._ctx.store.read(lambda conn: orders.domains_after(conn, self._order))
            self._work.urgent(domain for domain in spoken if domain in self._ctx.settings.domains)
            self._order = newest
        return claimed

    async def _beat(self) -> None:
        info = {"domains": len(self._ctx.settings.domains), "started": self._ctx.started.isoformat()}
        with contextlib.suppress(StoreError):
            await self._ctx.store.write(lambda conn: heartbeats.beat(conn, self._name, self._ctx.clock(), info))

    def _unready(self) -> str:
        if self._stopping.is_set():
            return "stopping"
        if self._swept is None:
            return "starting"
        limit = timedelta(seconds=30 + 10 * self._ctx.settings.schedule.sweep_seconds)
        age = self._ctx.clock() - self._swept
        return f"the loop has not turned for {age.total_seconds():.0f} s" if age > limit else ""

    async def _reconfigure(self) -> None:
        """Take up a changed configuration; a bad one keeps the old and says so."""
        try:
            fresh = self._reload()
            platforms = _platforms(fresh)
        except (ConfigError, OSError) as fault:
            log.error("configuration not taken up, the old one stays", why=str(fault))
            return
        before, old = self._ctx.settings, self._ctx.platforms
        self._ctx.settings, self._ctx.platforms = fresh, platforms
        self._work.hang_up()
        await self._schedule(self._ctx.clock())
        # What is under way still talks through the old adapters.
        if others := self._tasks - {asyncio.current_task()}:
            await asyncio.wait(others, timeout=DRAIN.total_seconds())
        for platform in old.values():
            await platform.aclose()
        log.info("configuration taken up", changes=list(settings.changes(before, fresh)))


def _host() -> str:
    """How the names of processes on this host begin; a process id follows."""
    return f"{socket.gethostname()}/"


def _is_dead(owner: str) -> bool:
    """Whether a process of this host is known to be gone. One with our own id was before us: containers count anew."""
    number = owner.removeprefix(_host())
    if number == owner or not number.isdecimal():
        return False
    if int(number) == os.getpid():
        return True
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except OSError:  # it lives, as somebody else
        return False
    return False


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises OSError that names the address."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol left at 0, asyncio would leave Nagle's algorithm on, and answers could take 40 ms.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as fault:
        listening.close()
        raise OSError(fault.errno, f"cannot listen on {host}:{port} (web.listen): {fault.strerror}") from None
    return listening


def _platforms(config: Settings) -> dict[str, Platform]:
    return {
        account: registry.open_platform(account, options.kind, options) for account, options in config.platforms.items()
    }
