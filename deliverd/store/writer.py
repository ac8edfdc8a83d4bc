"""The store: one writer thread that commits in groups, and readers beside it. Errors: deliverd.store.faults.

Whatever is queued goes into one transaction, so that many small writes share one flush to the disk. Consecutive
batches of events share one statement too. An answer is given only after the commit.
"""

import asyncio
import importlib
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, exc

from deliverd.store import schema
from deliverd.store.database import READERS, check_schema, make_engine, revision
from deliverd.store.events import Batch, Ingested, ingest_group
from deliverd.store.faults import Conflict, StoreBusy, StoreError, StoreUnavailable, WriteRefused, lost, translate

T = TypeVar("T")
GROUP = 1000
"""A transaction takes operations until it holds so many; a batch of events counts as so many as it has."""
QUEUE = 50_000
"""No more than so many wait, counted alike; what comes then is StoreBusy."""


class _Op:
    """One thing to be written: a batch of events or a function, and where its answer goes."""

    __slots__ = ("batch", "future", "loop", "run", "weight")

    def __init__(
        self,
        run: Callable[[Connection], Any] | None,
        batch: Batch | None,
        loop: asyncio.AbstractEventLoop | None,
        future: "asyncio.Future[Any] | Future[Any]",
    ) -> None:
        self.run, self.batch, self.loop, self.future = run, batch, loop, future
        self.weight = len(batch.events) or 1 if batch else 1


class _Failed:
    """That an operation failed, and with what."""

    __slots__ = ("fault",)

    def __init__(self, fault: BaseException) -> None:
        # A future refuses StopIteration, which an operation raises by a careless next().
        self.fault = RuntimeError("the operation raised StopIteration") if isinstance(fault, StopIteration) else fault


class Store:
    """The history, open. Made by `Store.open`, ended by `close`.

    Operations are functions of a Connection. They may run more than once (a group that fails is split and run
    again), so they touch nothing but the database, and they neither commit nor roll back.
    """

    def __init__(self, url: str, *, queue_bound: int = QUEUE) -> None:
        self._write_engine = make_engine(url, readonly=False)
        self._read_engine = make_engine(url, readonly=True)
        self._is_file = self._read_engine.dialect.name == "sqlite"
        self._bound = queue_bound
        self._queue: SimpleQueue[_Op | None] = SimpleQueue()
        self._gate = threading.Lock()
        self._closed = False
        self._waiting = 0
        self._connection: Connection | None = None
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="deliverd-read")
        self._writer = threading.Thread(target=self._write_forever, name="deliverd-write", daemon=True)

    @classmethod
    def open(cls, url: str, *, migrate: bool, queue_bound: int = QUEUE) -> "Store":
        """Open the store at `url` (`sqlite:////path` or `postgresql://...`), with `migrate` making its schema current.

        Raises:
            ValueError: not such a URL. SchemaMissing, SchemaTooNew, StoreUnavailable, StoreCorrupt.
        """
        store = cls(url, queue_bound=queue_bound)
        try:
            if migrate and not _is_current(store._write_engine):
                importlib.import_module("deliverd.store.migrate").migrate(url)  # Alembic takes long to import
            check_schema(store._read_engine)
        except BaseException:
            store._dispose()
            raise
        store._writer.start()
        return store

    async def write(self, op: Callable[[Connection], T]) -> T:
        """Run `op` in a transaction and return its answer once that is committed.

        Cancelling the wait does not undo the write.

        Raises:
            StoreBusy (at once), StoreUnavailable, StoreCorrupt, WriteRefused, and what `op` raises.
        """
        answer: T = await self._put_async(op, None)
        return answer

    def write_sync(self, op: Callable[[Connection], T]) -> T:
        """As `write`, for threads."""
        future: Future[T] = Future()
        self._put(_Op(op, None, None, future))
        return future.result()

    async def ingest(self, batch: Batch) -> Ingested:
        """Take in a batch of events; the answer comes after the commit. Raises as `write` does."""
        answer: Ingested = await self._put_async(None, batch)
        return answer

    async def read(self, op: Callable[[Connection], T]) -> T:
        """Ask, in a thread, of one moment's state. Raises StoreUnavailable, StoreCorrupt, and what `op` raises."""
        if self._closed:
            raise StoreUnavailable("the store is closed")
        return await asyncio.get_running_loop().run_in_executor(self._readers, self.read_sync, op)

    async def glance(self, op: Callable[[Connection], T]) -> T:
        """As `read`, for a question of well under a millisecond on the way to an act.

        A file is asked on the spot: handing the question to a thread and back takes longer than the answer.
        """
        if self._closed:
            raise StoreUnavailable("the store is closed")
        return self.read_sync(op) if self._is_file else await self.read(op)

    def read_sync(self, op: Callable[[Connection], T]) -> T:
        """As `read`, for threads."""
        try:
            with self._read_engine.connect() as conn, conn.begin():
                return op(conn)
        except exc.SQLAlchemyError as fault:
            raise translate(fault) from fault

    @property
    def waiting(self) -> int:
        """How many operations and events wait to be written."""
        return self._waiting

    def close(self) -> None:
        """Write what is queued, then end. Later calls raise StoreUnavailable. May be called twice."""
        with self._gate:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        self._writer.join()
        self._dispose()

    async def aclose(self) -> None:
        """As `close`, without stopping the loop."""
        await asyncio.to_thread(self.close)

    def _dispose(self) -> None:
        self._readers.shutdown()
        self._drop_connection()
        self._write_engine.dispose()
        self._read_engine.dispose()

    async def _put_async(self, run: Callable[[Connection], Any] | None, batch: Batch | None) -> Any:
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self._put(_Op(run, batch, loop, future))
        return await future

    def _put(self, op: _Op) -> None:
        with self._gate:
            if self._closed:
                raise StoreUnavailable("the store is closed")
            # One batch that is larger than the bound is taken when nothing else waits: it could never be otherwise.
            if self._waiting and self._waiting + op.weight > self._bound:
                raise StoreBusy(f"{self._waiting} operations and events wait to be written; try again in a moment")
            self._waiting += op.weight
            self._queue.put(op)

    def _write_forever(self) -> None:
        while (first := self._queue.get()) is not None:
            group, last = self._group(first)
            _answer(group, self._settle(group))
            if last:
                return

    def _group(self, first: _Op) -> tuple[list[_Op], bool]:
        """Whatever waits, up to GROUP; and whether the store closes after it."""
        group, weight, last = [first], first.weight, False
        while weight < GROUP:
            try:
                op = self._queue.get_nowait()
            except Empty:
                break
            if op is None:
                last = True
                break
            group.append(op)
            weight += op.weight
        with self._gate:
            self._waiting -= weight
        return group, last

    def _settle(self, group: list[_Op]) -> list[Any]:
        """The answer of each operation. A failing group is halved until what fails stands alone."""
        try:
            return self._commit(group)
        except BaseException as fault:  # whatever an operation raises is its caller's; the writer lives on
            if isinstance(fault, StoreError) and not isinstance(fault, Conflict | WriteRefused):
                return [_Failed(type(fault)(*fault.args)) for _ in group]
            if len(group) == 1:
                return [_Failed(fault)]
        middle = len(group) // 2
        return self._settle(group[:middle]) + self._settle(group[middle:])

    def _commit(self, group: list[_Op]) -> list[Any]:
        """One transaction. Tried once more when the connection was lost, or a deadlock broken, before the commit."""
        for last in (False, True):
            try:
                committing = False
                conn = self._connect()
                with conn.begin() as transaction:
                    answers = _run(conn, group)
                    committing = True
                    transaction.commit()
                return answers
            except exc.SQLAlchemyError as fault:
                wrong = translate(fault)
                if not isinstance(wrong, WriteRefused):
                    self._drop_connection()
                if last or committing or not lost(fault):
                    raise wrong from fault
        raise AssertionError("unreachable")

    def _connect(self) -> Connection:
        if self._connection is None:
            self._connection = self._write_engine.connect()
        return self._connection

    def _drop_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()
            connection.close()


def _is_current(engine: Engine) -> bool:
    try:
        with engine.connect() as conn:
            return revision(conn) == schema.HEAD
    except exc.SQLAlchemyError as fault:
        raise translate(fault) from fault


def _run(conn: Connection, group: list[_Op]) -> list[Any]:
    """Run a group in order; consecutive batches of events as one."""
    answers: list[Any] = []
    batches: list[Batch] = []
    for op in group:
        if op.batch is not None:
            batches.append(op.batch)
            continue
        if batches:
            answers += ingest_group(conn, batches)
            batches = []
        assert op.run is not None
        answers.append(op.run(conn))
    return answers + ingest_group(conn, batches) if batches else answers


def _answer(group: list[_Op], answers: list[Any]) -> None:
    """Hand the answers out: one wake-up for each loop, however many wait there."""
    loops: dict[asyncio.AbstractEventLoop, list[tuple[Any, Any]]] = {}
    for op, answer in zip(group, answers, strict=True):
        if op.loop is None:
            _resolve([(op.future, answer)])
        else:
            loops.setdefault(op.loop, []).append((op.future, answer))
    for loop, settled in loops.items():
        try:
            loop.call_soon_threadsafe(_resolve, settled)
        except RuntimeError:  # the loop is closed: nobody waits there any more
            continue


def _resolve(settled: list[tuple[Any, Any]]) -> None:
    for future, answer in settled:
        if future.done():  # given up by who waited
            continue
        if isinstance(answer, _Failed):
            future.set_exception(answer.fault)
        else:
            future.set_result(answer)
