"""Existing pykka actors, unchanged, in a cell.

A `pykka.ThreadingActor` subclass runs on the thread host. It keeps pykka's own contract: a failed `ask` is answered
with the exception and leaves the actor alive, a failed `tell` ends it. One rule of pykka does not hold: `SystemExit` in
one actor does not stop every actor of the process, but is the crash of this one. Its inbox is the mailbox of the cell,
so that waiting messages survive the crash.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import pykka
from pykka._envelope import Envelope as PykkaEnvelope
from pykka.messages import _ActorStop

from actors._core.actor_type import ActorType
from actors._core.current import current_cell
from actors._core.envelope import Envelope
from actors._core.future import Future
from actors._core.handlers import Dispatch, leave_by_message
from actors._core.messages import Timed
from actors._core.outcomes import kind_name, settle_failure
from actors._core.ref import ActorRef
from actors.events import AskFailed

if TYPE_CHECKING:
    from actors._core.cell import Cell


class ForeignActorType(ActorType):
    """A pykka actor class, seen by the runtime."""

    def __init__(self, actor_class: type[pykka.ThreadingActor]) -> None:
        self.actor_class = actor_class
        self.table = Dispatch({_ActorStop: _stop, Timed: _timed}, _receive)
        self.concurrency = 1
        self.ref_type = ActorRef
        self.continues = False
        self.carries = False
        self.resumes = ()
        self.idle_timeout = None
        self.manages_lifecycle = False
        self.host = "thread"
        self.mailbox = None
        self.plain = True

    def construct(self, cell: Cell, args: Sequence[object], kwargs: Mapping[str, object]) -> Any:
        adapted = type(
            self.actor_class.__name__,
            (self.actor_class,),
            {
                "__module__": self.actor_class.__module__,
                "__qualname__": self.actor_class.__qualname__,
                "_create_actor_inbox": staticmethod(lambda: CellInbox(cell)),
                "_create_future": staticmethod(lambda: Future(cell.runtime.park, cell)),
                "_cell": cell,
                "answers": (),
            },
        )
        actor = adapted(*args, **kwargs)
        actor._own_ref = actor._actor_ref
        actor._actor_ref = cell.ref
        pykka.ActorRegistry.register(actor._own_ref)
        return actor

    def dispose(self, actor: Any) -> None:
        actor.actor_stopped.set()
        pykka.ActorRegistry.unregister(actor._own_ref)


def _receive(actor: Any, message: object) -> object:
    cell: Cell = actor._cell
    envelope = cell.envelope
    if envelope is None or envelope.reply is None:
        return actor._handle_receive(message)
    try:
        return actor._handle_receive(message)
    except Exception as error:  # noqa: BLE001 - pykka's contract: a failed ask is answered with the exception
        settle_failure(envelope.reply, error, cell.path)
        envelope.reply = None
        failed = AskFailed(cell.path, cell.runtime.now(), cell.incarnation, kind_name(message), error)
        cell.runtime.events.publish(failed)
        return None


def _stop(actor: Any, _: _ActorStop) -> None:
    leave_by_message(actor._cell)


def _timed(actor: Any, timed: Timed) -> object:
    return _receive(actor, timed.message)


class CellInbox:
    """pykka's view of a mailbox: what pykka's own refs put here goes to the cell."""

    def __init__(self, cell: Cell) -> None:
        self._cell = cell

    def put(self, envelope: PykkaEnvelope[Any], /) -> None:
        """Takes an envelope of pykka's."""
        reply = PykkaReply(envelope.reply_to) if envelope.reply_to is not None else None
        if not isinstance(envelope.message, _ActorStop):
            self._cell.put(Envelope(envelope.message, current_cell(), reply))
            return
        ended = self._cell.ref.stop(block=False)
        if reply is not None:
            settle = partial(reply.set_result, None)
            ended.add_done_callback(lambda _: settle())

    def get(self) -> PykkaEnvelope[Any]:
        """The next message; pykka's own loop is not used here, so nothing but a curious caller takes it."""
        return PykkaEnvelope(self._cell.queue.popleft().message)

    def empty(self) -> bool:
        """Whether nothing waits."""
        return not len(self._cell.queue)


class PykkaReply:
    """A future of pykka's where the runtime expects a reply of its own."""

    __slots__ = ("_done", "_future")

    def __init__(self, future: pykka.Future[Any]) -> None:
        self._future = future
        self._done = False

    def done(self) -> bool:
        return self._done

    def set_result(self, result: object, /) -> None:
        self._done = True
        self._future.set(result)

    def set_exception(self, exception: BaseException, /) -> None:
        self._done = True
        try:
            raise exception
        except BaseException:  # noqa: BLE001 - pykka wants the triple of an exception that was raised
            self._future.set_exception(sys.exc_info())
