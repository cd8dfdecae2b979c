"""Replies that are not a return value: a callback, one on another thread, one that a handler has taken over."""

from __future__ import annotations

import queue
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from actors._core.current import message_of
from actors._core.envelope import Envelope, ReplyTo
from actors._core.future import Future
from actors._core.messages import unwrapped
from actors._core.outcomes import dead, dead_letter, kind_name, settle_failure, taken_by_user
from actors._core.possessions import is_over
from actors._core.waits import redirect
from actors._user_code.text import shown
from actors.errors import ActorCrashed, ActorDeadError, DeadlockError, NoMessage, NoReply, RuntimeStopped, gone
from actors.reasons import Crashed, ExitReason, RuntimeLost

if TYPE_CHECKING:
    from actors._core.cell import Cell
    from actors._runtime.runtime import Runtime

T = TypeVar("T")


class CallbackReply:
    """Calls `on_result` with the answer to a message, or `on_error` with the exception or the refusal.

    One of the two is called, once, in the thread that answers: the loop thread for an actor hosted there. What they
    raise is raised to the actor that answers, so they must not fail.
    """

    __slots__ = ("_done", "_on_error", "_on_result")

    def __init__(self, on_result: Callable[[Any], object], on_error: Callable[[Any], object]) -> None:
        self._on_result = on_result
        self._on_error = on_error
        self._done = False

    def done(self) -> bool:
        """Whether it was answered."""
        return self._done

    def set_result(self, result: object, /) -> None:
        """The handler returned this."""
        self._done = True
        self._on_result(result)

    def set_exception(self, exception: BaseException, /) -> None:
        """The handler raised this, or the message was refused with it."""
        self._done = True
        self._on_error(exception)


class ForwardedReply:
    """The reply to a forwarded message, which another host may answer: it is settled on the loop thread of the runtime
    that it was made for.
    """

    __slots__ = ("_answerer", "_runtime", "inner")

    def __init__(self, runtime: Runtime, inner: ReplyTo, answerer: Cell) -> None:
        self._runtime = runtime
        self.inner = inner
        self._answerer = answerer

    def done(self) -> bool:
        """Whether it was answered."""
        return self.inner.done()

    def set_result(self, result: object, /) -> None:
        """The actor answers."""
        self._on_loop(lambda: give(self._answerer, self.inner, result))

    def set_exception(self, exception: BaseException, /) -> None:
        """The actor fails."""
        self._on_loop(lambda: settle_failure(self.inner, exception, self._answerer.path))

    def _on_loop(self, settle: Callable[[], object]) -> None:
        with suppress(RuntimeStopped):  # then the asker has heard of that
            self._runtime.on_loop(settle)


class TakenReply:
    """The duty to answer that a handler has taken over. It is settled once: by the actor, or at the end of the
    incarnation that took it. From any thread.
    """

    __slots__ = ("_cell", "_lock", "_reply", "envelope", "settled", "user")

    def __init__(self, cell: Cell, envelope: Envelope, reply: ReplyTo | None) -> None:
        self._cell = cell
        self.envelope = envelope
        self._reply = reply
        self._lock = threading.Lock()
        self.settled = reply is None
        """Whether it was answered or failed here, or there never was an asker."""
        self.user: weakref.ref[Reply[Any]] | None = None
        """The reply of the user."""

    def done(self) -> bool:
        """Whether it is settled, or nothing waits for the answer."""
        return self.settled or self._reply is None or self._reply.done()

    def set_result(self, result: object, /) -> None:
        """The answer. One that comes too late is a dead letter."""
        reply = self._reply
        if self._first():
            assert reply is not None
            self._on_loop(lambda: give(self._cell, reply, result))
        elif reply is not None:
            dead_letter(self._cell, result, "late_reply", self.envelope)

    def set_exception(self, exception: BaseException, /) -> None:
        """The failure."""
        reply = self._reply
        if self._first():
            assert reply is not None
            self._on_loop(lambda: settle_failure(reply, exception, self._cell.path))

    def _first(self) -> bool:
        """Whether it is this call that settles it."""
        with self._lock:
            first, self.settled = not self.settled, True
        return first

    def _on_loop(self, settle: Callable[[], object]) -> None:
        def do() -> None:
            possessions = self._cell.possessions
            if possessions is not None:
                possessions.replies.pop(self, None)
            settle()

        with suppress(RuntimeStopped):  # then the asker has heard of that
            self._cell.runtime.on_loop(do)

    def abandon(self, reason: ExitReason) -> None:
        """The incarnation has ended for this reason."""
        path, message = self._cell.path, self.envelope.message
        if isinstance(reason, Crashed):
            self.set_exception(ActorCrashed(path, reason.exception))
        elif isinstance(reason, RuntimeLost):
            self.set_exception(gone(path, reason, message))
        else:
            self.set_exception(ActorDeadError(path, reason, message, begun=True))

    def dropped(self) -> None:
        """The user's reply was collected. In any thread, in the middle of anything: so the loop settles it later, and
        without a lock of ours.
        """
        runtime = self._cell.runtime
        error = NoReply(self._cell.path, kind_name(self.envelope.message))
        with suppress(RuntimeError):  # the loop is closed, and every asker has heard of that
            runtime.loop.call_soon_threadsafe(self.set_exception, error, context=runtime.context)


class Reply(Generic[T]):
    """The answer to one message, which its handler has taken over (`Actor.take_reply`) and gives later.

    It may be given to another handler, a task, a thread or another actor of this process. It is answered once, with
    `answer` or `fail`, from any thread. When the incarnation that took it ends, an open reply fails with `ActorCrashed`
    or `ActorDeadError`. A reply that is dropped without an answer fails with `NoReply`.
    """

    __slots__ = ("__weakref__", "_taken")

    def __init__(self, taken: TakenReply) -> None:
        self._taken = taken

    @property
    def done(self) -> bool:
        """Whether nothing waits for the answer: it was given, the deadline of the asker has passed, or the message was
        told and not asked.
        """
        return self._taken.done()

    def answer(self, value: T) -> None:
        """Answers the asker. If it has an answer already, or waits no longer, the value is a dead letter
        (`late_reply`); the sender of a message that was told gets nothing.
        """
        self._taken.set_result(value)

    def fail(self, error: BaseException) -> None:
        """Raises `error` in the asker; one that is not an `Exception` as the cause of `ActorCrashed`. Does nothing if
        the asker waits no longer. Raises TypeError if `error` is not an exception.
        """
        if not isinstance(error, BaseException):
            raise TypeError(f"fail() takes an exception, got {shown(error)}")
        self._taken.set_exception(error)

    def __copy__(self) -> Reply[T]:
        return self

    def __deepcopy__(self, memo: object) -> Reply[T]:
        return self

    def __reduce__(self) -> Any:
        raise TypeError("a reply belongs to this process and cannot be pickled; send the answer in a message instead")

    def __del__(self) -> None:
        if not self._taken.settled:
            self._taken.dropped()

    def __repr__(self) -> str:
        return f"<Reply {'done' if self.done else 'open'}>"


def give(cell: Cell, reply: ReplyTo, value: object) -> None:
    """Gives the asker the answer of this actor; one that comes too late is a dead letter."""
    try:
        if not reply.done():
            reply.set_result(value)
            return
    except queue.Full:
        pass  # its deadline passed in another thread meanwhile
    dead_letter(cell, value, "late_reply")


def take_over(cell: Cell) -> Reply[Any]:
    """Takes the duty to answer the message being handled from its handler. Raises `NoMessage`."""
    envelope = message_of(cell)
    if envelope is None:
        raise NoMessage(cell.path, "take_reply()")
    taken = taken_by_user(cell, envelope)
    user = None if taken is None or taken.user is None else taken.user()
    if user is not None:
        return user
    if is_over(cell):
        return Reply(TakenReply(cell, envelope, None))
    taken = TakenReply(cell, envelope, envelope.take_reply())
    reply: Reply[Any] = Reply(taken)
    if not taken.done():
        envelope.handed_on = True
        taken.user = weakref.ref(reply)
        cell.possess().replies[taken] = None
    return reply


def forward(cell: Cell, target: Cell, message: object) -> None:
    """Sends the message being handled, or `message` in its place, on to another actor, which answers it. Raises
    `NoMessage`, and what sending to that actor raises: then this actor still has the message.
    """
    envelope = message_of(cell)
    if envelope is None:
        raise NoMessage(cell.path, "forward()")
    if message is None:
        message = unwrapped(envelope.message)
    if target.closed:
        raise dead(target, message)
    reply, asker = envelope.reply, envelope.sender
    if reply is None:
        target.put(Envelope(message, asker, None, envelope.deadline, envelope.correlation_id))
        return
    question = _innermost(reply)
    cycle = redirect(asker, target, question)
    if cycle is not None:
        settle_failure(reply, DeadlockError(cycle), cell.path)
    else:
        on = reply if isinstance(question, Future) else ForwardedReply(cell.runtime, reply, target)
        try:
            target.put(Envelope(message, asker, on, envelope.deadline, envelope.correlation_id))
        except BaseException:
            redirect(asker, cell, question)
            raise
    envelope.handed_on = True
    envelope.reply = None


def _innermost(reply: ReplyTo) -> ReplyTo:
    """What the asker itself waits for."""
    inner = getattr(reply, "inner", None)
    while inner is not None:
        reply, inner = inner, getattr(inner, "inner", None)
    return reply
