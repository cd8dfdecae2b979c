"""The journal: what an engine writes, gathered into commits.

    message             from, to                    answer
    WriteUnit(unit)     to it, before it is up      the result of the unit, as soon as it is written
    Commit(units)       it to the store             the results, in order
    Query(method, ...)  the desk to the store       what the method of the store returns
    Apply(function)     the scheduler to the store  what the function returns

Runs and the desk put their units into its `CommitQueue`, which is its view. While the store commits, the next batch
gathers. One commit is under way at a time, so units are written in the order in which they came. Promise: a unit that
was taken is written, or its asker hears why not, through crashes and kills of both actors: the batch is sent again, and
a unit that is written already changes nothing. When the store is away, units wait (`StoreLost`); nothing is
acknowledged. When it cannot take a unit, the batch is halved until that unit is alone: its asker hears why, and the
others are written.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar, NamedTuple

from actors.spi import (
    Actor,
    ActorDeadError,
    ActorRef,
    CallbackReply,
    ExitReason,
    ReplyTo,
    RuntimeStopped,
    answer,
    handles,
    post,
    settle_failure,
    take_reply,
    when_gone,
)
from teams._dispatch.ask import ask_again
from teams._journal.errors import NotStorable, StoreAway
from teams._journal.memory import MemoryRunStore
from teams._journal.rows import Result, Unit
from teams._journal.store import Store
from teams.workflows.events import BatchWritten, StoreBack, StoreLost

ROWS = 1_000
"""The most units in one commit."""
PAUSES = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0)
"""Seconds before a commit is tried again; the last one from then on."""


class StoreOpened(NamedTuple):
    """To the desk: the store has been opened anew; what it held for this process is gone."""


class WriteUnit(NamedTuple):
    """Have this written."""

    unit: Unit


class Commit(NamedTuple):
    """Have these written, in one transaction."""

    units: tuple[Unit, ...]


class Query(NamedTuple):
    """Call this method of the store."""

    method: str
    args: tuple[object, ...] = ()
    options: tuple[tuple[str, object], ...] = ()


class _Opened:
    """The state that outlives the incarnations."""

    def __init__(self) -> None:
        self.memory: MemoryRunStore | None = None
        """A store in memory: it is all there is of its runs."""
        self.store: Store | None = None
        """The store of the last incarnation, which may have been killed: its lock on the file would keep out the next
        one.
        """


class Apply(NamedTuple):
    """Call this function with the store."""

    function: Callable[[Store], object]


class StoreActor(Actor):
    """Holds the connection, in a thread of its own."""

    only_host = host = "thread"
    answers: ClassVar[tuple[type[BaseException], ...]] = (Exception,)

    def __init__(self, opened: Callable[[], Store]) -> None:
        self._opened = opened
        self._kept = self.kept(_Opened)
        self._store: Store | None = None

    def on_start(self) -> None:
        kept = self._kept
        if kept.store is not None:
            kept.store.close()
        self._store = kept.store = self._opened() if kept.memory is None else kept.memory
        if isinstance(self._store, MemoryRunStore):
            kept.memory = self._store
        desk = self.runtime.find(f"{self.path.rpartition('/')[0]}/desk")
        if desk is not None:
            desk.tell(StoreOpened())

    def on_stop(self) -> None:
        self._close()

    def on_failure(self, *_: object) -> None:
        self._close()

    def _close(self) -> None:
        if self._store is not None:
            self._store.close()

    @handles
    def commit(self, message: Commit) -> list[Result]:
        assert self._store is not None
        return self._store.commit(message.units)

    @handles
    def query(self, message: Query) -> Any:
        return getattr(self._store, message.method)(*message.args, **dict(message.options))

    @handles
    def apply(self, message: Apply) -> Any:
        assert self._store is not None
        return message.function(self._store)


class _Flush(NamedTuple):
    """Commit what has gathered."""


class LookFailed(NamedTuple):
    """The desk could not read the store."""

    error: StoreAway


class LookDone(NamedTuple):
    """The desk can read it again."""


class _Committed(NamedTuple):
    batch: int
    results: Sequence[Result]


class _NotCommitted(NamedTuple):
    batch: int
    error: BaseException


class CommitQueue:
    """Units that are not written yet, with their askers. Outlives the incarnations. On the loop thread."""

    def __init__(self) -> None:
        self.units: list[tuple[Unit, ReplyTo | None]] = []
        self.journal: ActorRef[Any]
        self.flushing = False
        """Whether the journal has been told that there are units."""
        self.sent = 0
        """How many of them, from the first, are in the commit under way."""
        self.batch = 0
        """The number of that commit."""
        self.sent_at = 0.0
        """When it was sent, in seconds of the runtime's clock."""
        self.failures = 0
        """Commits in a row that failed."""
        self.lost = False
        """Whether it was told that the store is away."""
        self.most = ROWS
        """The most units in the next commit."""
        self.open = False
        self._refused: tuple[str, ExitReason] | None = None

    def take(self, unit: Unit, reply: ReplyTo | None) -> None:
        """Has the unit written; `reply` gets its result, or hears that there is no journal any more."""
        if self._refused is not None:
            self._refuse(unit, reply, *self._refused)
            return
        self.units.append((unit, reply))
        if not self.sent:
            self.flush_soon()

    def flush_soon(self) -> None:
        """After what other actors have to say now: their units come into the same commit."""
        if not self.flushing:
            self.flushing = True
            with contextlib.suppress(ActorDeadError, RuntimeStopped):  # the end of the journal refuses all
                self.journal.tell(_Flush())

    def refuse(self, path: str, reason: ExitReason) -> None:
        """There is no journal any more: the askers hear it."""
        self._refused = path, reason
        units, self.units = self.units, []
        for unit, reply in units:
            self._refuse(unit, reply, path, reason)

    def _refuse(self, unit: Unit, reply: ReplyTo | None, path: str, reason: ExitReason) -> None:
        if reply is not None:
            settle_failure(reply, ActorDeadError(path, reason, WriteUnit(unit)), path)


class JournalWriter(Actor):
    """Gathers units into commits. Runs on the loop."""

    only_host = "loop"

    def __init__(self) -> None:
        self._queue = self.kept(CommitQueue)

    def on_start(self) -> None:
        queue = self._queue
        queue.journal = self.ref
        if not queue.open:
            queue.open = True
            when_gone(self, partial(queue.refuse, self.path))
        queue.sent = 0
        queue.flushing = False
        if queue.units:
            queue.flush_soon()
        self.publish_view(queue)

    @handles
    def write(self, message: WriteUnit) -> None:
        self._queue.take(message.unit, take_reply(self))

    @handles
    def flush(self, _: _Flush) -> None:
        self._queue.flushing = False
        self._send()

    def _send(self) -> None:
        queue = self._queue
        if queue.sent or not queue.units:
            return
        queue.batch += 1
        batch, units = queue.batch, tuple(unit for unit, _ in queue.units[: queue.most])
        queue.sent = len(units)
        queue.sent_at = self.runtime.now()
        own = self.ref

        def say(message: object) -> None:
            with contextlib.suppress(ActorDeadError, RuntimeStopped):  # the end of this actor has told the askers
                own.tell(message)

        reply = CallbackReply(
            lambda results: say(_Committed(batch, results)), lambda error: say(_NotCommitted(batch, error))
        )
        post(self.sibling("store"), Commit(units), reply)

    @handles
    def committed(self, message: _Committed) -> None:
        queue = self._queue
        if message.batch != queue.batch or not queue.sent:
            return  # it was sent again after a crash
        done, queue.units = queue.units[: queue.sent], queue.units[queue.sent :]
        queue.sent = 0
        queue.most = min(ROWS, queue.most * 2)
        events, now = self.runtime.events, self.runtime.now()
        if events.takers[BatchWritten]:
            events.publish(BatchWritten(self.path, now, len(done), now - queue.sent_at))
        self._send()
        if queue.failures:
            queue.failures = 0
            self._say_back()
        for (_, reply), result in zip(done, message.results, strict=True):
            if reply is not None:
                answer(reply, result)

    @handles
    def not_committed(self, message: _NotCommitted) -> None:
        queue = self._queue
        if message.batch != queue.batch or not queue.sent:
            return
        sent, queue.sent = queue.sent, 0
        if isinstance(message.error, NotStorable):
            queue.most = max(1, sent // 2)
            reply = queue.units.pop(0)[1] if sent == 1 else None
            self._send()
            if reply is not None:
                settle_failure(reply, message.error, self.path)
            return
        pause = PAUSES[min(queue.failures, len(PAUSES) - 1)]
        queue.failures += 1
        if queue.failures == 1:
            self._say_lost(message.error)
        queue.flushing = True
        self.tell_after(pause, _Flush())

    @handles
    def look_failed(self, message: LookFailed) -> None:
        self._say_lost(message.error)

    @handles
    def look_done(self, _: LookDone) -> None:
        if not self._queue.failures:
            self._say_back()

    def _say_lost(self, error: BaseException) -> None:
        """Once, whether a commit or a look of the desk fails first."""
        if not self._queue.lost:
            self._queue.lost = True
            self.runtime.events.publish(StoreLost(self.path, self.runtime.now(), error))

    def _say_back(self) -> None:
        if self._queue.lost:
            self._queue.lost = False
            self.runtime.events.publish(StoreBack(self.path, self.runtime.now()))


def put(journal: ActorRef[Any], unit: Unit, reply: ReplyTo) -> None:
    """Has a unit written, without a message for each once the journal is up. On the loop thread."""
    queue = journal.view()
    if isinstance(queue, CommitQueue):
        queue.take(unit, reply)
    else:
        ask_again(journal, WriteUnit(unit), reply)


async def written(journal: ActorRef[Any], unit: Unit) -> Result:
    """The answer of the store to a unit, as soon as it is written. On the loop thread."""
    told: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    put(journal, unit, told)
    result: Result = await told
    return result
