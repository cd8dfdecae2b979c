"""The stable reference to an actor."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self, TypeVar, overload

import pykka
from pykka.messages import _ActorStop

from actors._core.clock import check_timeout
from actors._core.current import Begun, current, current_cell, message_of
from actors._core.deadlines import expire
from actors._core.envelope import BareEnvelope, Envelope
from actors._core.future import Future, Pending, conclude, refuse_on_loop
from actors._core.introspection import Statistics, Status, state_of, statistics_of, status_of
from actors._core.mailbox import BoundedQueue
from actors._core.messages import Down, Message
from actors._core.outcomes import dead
from actors._core.trace import TraceLine
from actors._core.waits import Wanted, note_wait
from actors._name import NAME
from actors._user_code.text import shown
from actors.errors import CallTimeout, RuntimeStopped, WrongActorClass
from actors.reasons import ExitReason, Killed, NoProc, Shutdown

if TYPE_CHECKING:
    from threading import Event

    import typing_extensions
    from pykka._actor import ActorInbox

    from actors._core.cell import Cell
    from actors._pykka.proxy import Proxy
    from actors._runtime.runtime import Runtime

    A = typing_extensions.TypeVar("A", bound=pykka.Actor, default=Any)  # `ActorRef` alone is `ActorRef[Any]`
else:
    A = TypeVar("A", bound=pykka.Actor)
T = TypeVar("T")
DEFAULT: float = -1.0
"""Stands for the default deadline of the runtime."""


class ActorRef(pykka.ActorRef[A]):
    """A reference to an actor's place: it stays the same through all restarts, until the actor has terminated.

    There is one ref object for each actor, so refs compare by identity. `tell`, `ask`, `stop` and `proxy` have the
    meaning that they have in pykka. A ref may be used from any thread and any loop.
    """

    __slots__ = ("_cell",)

    _cell: Cell

    def __init__(self, cell: Cell) -> None:
        self._cell = cell

    # Sending

    def tell(self, message: Any, *, correlation_id: str | None = None) -> None:
        """Sends a message and does not wait.

        From one sender to one receiver, messages arrive in the order sent (supervision rule 33).

        Raises:
            ActorDeadError: the actor has terminated; the message is in `undelivered`
            MailboxFull: a bounded mailbox refused it; the message is in `undelivered`
            BlockingCallError: the mailbox is full, its policy is `block`, and this thread runs an event loop
            DeadlockError: the same, and the actor waits, directly or not, for the actor that calls, or is that itself
        """
        cell = self._cell
        if cell.closed:
            raise dead(cell, message)
        caller: Any = current.get()
        if caller is not None:
            if type(caller) is Begun:
                begun: Envelope | None = caller.message
                caller = caller.cell
            else:
                begun = caller.envelope
            if correlation_id is None and begun is not None and begun.correlation_id is not None:
                correlation_id = _inherit(caller, None)
        if correlation_id is None:
            envelope: Envelope = BareEnvelope()
            envelope.message = message
            envelope.sender = caller
        else:
            envelope = Envelope(message, caller, None, None, correlation_id)
        cell.queue.append(envelope)
        if cell.idle:
            cell.wake()

    async def send(self, message: object, *, correlation_id: str | None = None) -> None:
        """Like `tell`, but waits for room in a bounded mailbox whose policy is `block`. On any event loop.

        Raises `DeadlockError` where the actor waits, directly or not, for the actor that calls, or is that itself.
        """
        cell = self._cell
        queue = cell.queue
        if cell.closed or not isinstance(queue, BoundedQueue) or not queue.blocks:
            self.tell(message, correlation_id=correlation_id)
            return
        caller = current_cell()
        await queue.admit(Envelope(message, caller, None, None, _inherit(caller, correlation_id)))
        if cell.idle:
            cell.wake()

    @overload
    async def call(
        self, message: Message[T], *, timeout: float | None = ..., correlation_id: str | None = ...
    ) -> T: ...

    # Where the caller expects another type, the first overload does not match, and the third must not either.
    @overload
    async def call(  # type: ignore[overload-cannot-match]
        self, message: Message[object], *, timeout: float | None = ..., correlation_id: str | None = ...
    ) -> object: ...

    @overload
    async def call(self, message: object, *, timeout: float | None = ..., correlation_id: str | None = ...) -> Any: ...

    async def call(self, message: object, *, timeout: float | None = DEFAULT, correlation_id: str | None = None) -> Any:
        """Sends a message and awaits the answer, on whichever loop this coroutine runs.

        `timeout` is in seconds. The default is the runtime's `default_timeout`; `None` waits without a limit. A call
        made while a message is being handled ends no later than the deadline of that message. For a type checker the
        answer to a `Message[T]` is a `T`, and to anything else `Any`.

        Raises:
            ActorDeadError: the actor has terminated, or terminates before it answers
            CallTimeout: no answer in time
            DeadlockError: the actor waits, directly or not, for the actor that calls
            MailboxFull: a bounded mailbox refused the message
            ValueError: `timeout` is neither None nor a number >= 0
            Exception: the exception that the handler raised
        """
        cell = self._cell
        if cell.closed:
            raise dead(cell, message)
        runtime = cell.runtime
        caller = current_cell()
        begun = None if caller is None else message_of(caller)
        deadline = _deadline(cell, caller, begun, timeout)
        if correlation_id is None and begun is not None:
            correlation_id = begun.correlation_id
        if asyncio.get_running_loop() is not runtime.loop:
            return await self._call_from_elsewhere(message, caller, deadline, correlation_id)
        reply: Any = runtime.loop.create_future() if cell.host is runtime.loop_host else Future(runtime.park)
        envelope = Envelope(message, caller, reply, deadline, correlation_id)
        waits = caller is not None and note_wait(caller, cell, reply)
        entry = None if deadline is None else runtime.deadlines.add(deadline, (reply, cell.path, message))
        try:
            cell.put(envelope)
            runtime.loop_host.run_now()
            return await reply
        finally:
            if entry is not None:
                runtime.deadlines.discard(entry)
            if waits and caller is not None:
                caller.wait_for(None)

    async def _call_from_elsewhere(
        self, message: object, caller: Cell | None, deadline: float | None, correlation_id: str | None
    ) -> Any:
        """A call from another loop than the runtime's: that loop keeps the deadline."""
        cell = self._cell
        reply: Future[Any] = Future(cell.runtime.park)
        waits = note_wait(caller, cell, reply)
        seconds = None if deadline is None else deadline - cell.runtime.now()
        try:
            cell.put(Envelope(message, caller, reply, deadline, correlation_id))
            async with asyncio.timeout(seconds) as limit:
                return await reply
        except TimeoutError:
            if not limit.expired():  # the handler's own
                raise
            raise CallTimeout(cell.path, type(message).__qualname__) from None
        finally:
            if waits and caller is not None:
                caller.wait_for(None)

    @overload
    def ask(
        self,
        message: Message[T],
        *,
        block: Literal[False],
        timeout: float | None = ...,
        correlation_id: str | None = ...,
    ) -> Future[T]: ...

    @overload
    def ask(
        self,
        message: Message[T],
        *,
        block: Literal[True] = ...,
        timeout: float | None = ...,
        correlation_id: str | None = ...,
    ) -> T: ...

    @overload
    def ask(  # type: ignore[overload-cannot-match]
        self,
        message: Message[object],
        *,
        block: Literal[False],
        timeout: float | None = ...,
        correlation_id: str | None = ...,
    ) -> Future[object]: ...

    @overload
    def ask(
        self, message: Any, *, block: Literal[False], timeout: float | None = ..., correlation_id: str | None = ...
    ) -> Future[Any]: ...

    @overload
    def ask(
        self, message: Any, *, block: bool = ..., timeout: float | None = ..., correlation_id: str | None = ...
    ) -> Any: ...

    def ask(
        self,
        message: Any,
        *,
        block: bool = True,
        timeout: float | None = DEFAULT,
        correlation_id: str | None = None,
    ) -> Any:
        """Sends a message and blocks this thread until the answer comes; with `block=False`, returns a future of it.

        Deadline, errors and the type of the answer are those of `call`. With `block`, it raises `BlockingCallError` at
        once on a thread that runs an event loop.
        """
        if block:
            refuse_on_loop("ask()", "`await ref.call(message)`")
        caller = current_cell()
        deadline = deadline_of(self._cell, caller, timeout)
        return self._put_question(message, block, caller, deadline, deadline, correlation_id)

    def _put_question(
        self,
        message: object,
        block: bool,
        caller: Cell | None,
        until: float | None,
        deadline: float | None,
        correlation_id: str | None,
    ) -> Any:
        """Asks. `until` is when the caller waits no longer, `deadline` when the message expires in the mailbox; both on
        the runtime's clock.
        """
        cell = self._cell
        runtime = cell.runtime
        future: Future[Any] = Future(runtime.park, None if block else cell)
        if cell.closed:
            future.set_exception(dead(cell, message))
            return future.get() if block else future
        waits = block and note_wait(caller, cell, future)
        try:
            cell.put(Envelope(message, caller, future, deadline, _inherit(caller, correlation_id)))
            if not block:
                if until is not None and not future.done():
                    # A runtime that has stopped meanwhile has settled the future with everything else.
                    with suppress(RuntimeStopped):
                        runtime.on_loop(partial(_watch_deadline, future, cell, until, message))
                return future
            seconds = None if until is None else until - runtime.now()
            if not future.done() and not runtime.park(future, seconds):
                expire(future, cell.path, message)
            return future.get()
        finally:
            if waits and caller is not None:
                caller.wait_for(None)

    # Life

    @property
    def path(self) -> str:
        """The place in the tree, such as `root/workers/w1`."""
        return self._cell.path

    @property
    def id(self) -> str:
        """The last step of the path: what distinguishes the actor from its siblings, such as `w1`."""
        return self._cell.id

    @property
    def incarnation(self) -> int:
        """1 for the first start, one more with each restart; 0 before the first. A child that is added to a supervisor
        later begins with a higher number, because its id may have been used before.
        """
        return self._cell.incarnation

    @property
    def runtime(self) -> Runtime:
        """The runtime the actor lives in."""
        return self._cell.runtime

    @property
    def actor_class(self) -> type[A]:  # type: ignore[override]
        """The class of the actor."""
        return self._cell.props.kind.actor_class

    def is_alive(self) -> bool:
        """Whether the actor takes messages: true through restarts and their delays, until it has terminated."""
        return not self._cell.closed

    def stop(self, *, block: bool = True, timeout: float | None = None, drain: bool = True) -> Any:
        """Asks the actor to stop; it ends with reason `shutdown`. A supervised permanent actor is started again.

        With `drain`, as in pykka, the messages that wait already are handled first; without it, the stop goes ahead of
        them. Returns whether the actor was alive; with `block=False`, a future of that. `timeout` is in seconds; the
        default `None` waits without a limit.

        Raises:
            BlockingCallError: `block` on a thread that runs an event loop
            DeadlockError: called by a handler of the actor itself, of an actor below it, or of one that it waits for
            pykka.Timeout: the actor did not stop within `timeout` seconds
            ValueError: `timeout` is neither None nor a number >= 0
        """
        check_timeout(timeout, "stop()")
        if block:
            refuse_on_loop("stop()", "`await ref.stop(block=False)`")
        cell = self._cell
        forced = not drain and cell.props.shutdown is not None
        future: Future[bool] = Future(cell.runtime.park, cell, Wanted.FORCED_END if forced else Wanted.END)
        if cell.closed:
            future.set(False)
        else:
            self.monitor().add_done_callback(lambda _: conclude(future, cell.reason, True))
            if drain:
                cell.put_stop(Envelope(self._stop_message(), current_cell()))
            else:
                cell.runtime.control_call(cell.stop, Shutdown("stop() was called"), cell.props.shutdown)
        return future.get(timeout=timeout) if block else future

    def _stop_message(self) -> _ActorStop:
        """The order to stop, as it waits in the mailbox."""
        return _ActorStop()

    def kill(self) -> None:
        """Kills the actor and everything below it: no hook of it runs. A supervised actor is restarted if its spec says
        so. Returns at once.
        """
        self._cell.runtime.control_call(self._cell.kill, Killed("kill() was called"))

    def wait(self, timeout: float | None = None) -> ExitReason | None:
        """Blocks this thread until the actor has terminated. Returns its last exit reason, or `None` after `timeout`
        seconds (default: no limit). Raises `BlockingCallError` on a thread that runs an event loop, and ValueError
        for a `timeout` that is neither None nor a number >= 0.
        """
        check_timeout(timeout, "wait()")
        refuse_on_loop("wait()", "`await ref.ended()`")
        try:
            return self.ended().get(timeout=timeout)
        except pykka.Timeout:
            return None

    def ended(self) -> Future[ExitReason]:
        """A future of the last exit reason: it settles when the actor has terminated, not when it restarts."""
        cell = self._cell
        future: Future[ExitReason] = Future(cell.runtime.park, cell, Wanted.END)
        if cell.closed:  # its runtime may have stopped since, and answers no more
            conclude(future, cell.reason, cell.reason)
        else:
            cell.runtime.on_loop(partial(_add_ended, cell, Pending(future)))
        return future

    def monitor(self) -> Future[Down]:
        """A future of the end of the present incarnation. An actor can use `self.monitor(ref)` and gets a message."""
        runtime = self._cell.runtime
        future: Future[Down] = Future(runtime.park, self._cell, Wanted.END)
        if self._cell.closed:
            conclude(future, self._cell.reason, Down(self, NoProc(), runtime.next_number()))
            return future
        pending = Pending(future)
        runtime.on_loop(lambda: self._cell.watch().add_monitor(runtime.next_number(), pending))
        return future

    def link(self, other: ActorRef[Any]) -> None:
        """Links the two actors: an abnormal exit of one ends the other, unless that one traps exits (supervision
        rule 31).
        """
        cell, partner = self._cell, cell_of(other, "link()")
        cell.runtime.on_loop(lambda: cell.watch().add_link(partner))

    def unlink(self, other: ActorRef[Any]) -> None:
        """Removes the link between the two actors."""
        cell, partner = self._cell, cell_of(other, "unlink()")
        cell.runtime.on_loop(lambda: cell.watch().remove_link(partner))

    # Introspection. It works for a busy, stuck or suspended actor too: nothing of this goes through its mailbox.

    def status(self) -> Status:
        """The state of the actor, its work and its waiting messages. In any thread."""
        return status_of(self._cell)

    def statistics(self) -> Statistics:
        """Counters of the work of the actor so far; they only grow. In any thread. A message that was answered is
        counted by the time its asker hears the answer.
        """
        return statistics_of(self._cell)

    def state(self) -> dict[str, object]:
        """The attributes of the present instance. They are read without its help: a busy actor may change them
        meanwhile. Empty for an actor in a process of its own.
        """
        return state_of(self._cell)

    def view(self) -> object:
        """The value that the actor published last (`Actor.publish_view`), in any thread. None: none, or the actor has
        terminated.
        """
        return self._cell.view

    def suspend(self) -> None:
        """The actor takes no further user or system message until `resume`, also through a restart. An order to stop
        still reaches it.
        """
        self._cell.order_suspension(True)

    def resume(self) -> None:
        """The actor takes messages again after `suspend`."""
        self._cell.order_suspension(False)

    def trace(self, last: int) -> None:
        """The actor remembers the last messages it handled, at most `last` of them; 0: none any more. From any thread.
        Those that are sent after this call are among them.
        """
        self._cell.keep_trace(last)

    def last_messages(self) -> list[TraceLine]:
        """The last messages handled since `trace` was called, oldest first. A message that was answered is among them
        by the time its asker hears the answer; one that an actor in a process has answered, a moment later.
        """
        trace = self._cell.trace  # read once: another thread may take it back
        return [] if trace is None else trace.lines()

    # pykka's other names

    def proxy(self) -> Proxy[A]:
        """Pykka's proxy: attributes and methods as futures, `async` methods included. It survives restarts.

        Raises:
            ActorDeadError: the actor has terminated
        """
        from actors._pykka.proxy import Proxy

        return Proxy(actor_ref=self)

    @property
    def actor_urn(self) -> str:  # type: ignore[override]
        """Pykka's name for the identity of an actor."""
        return f"urn:{NAME}:{self._cell.runtime.name}:{self._cell.path}"

    @property
    def actor_inbox(self) -> ActorInbox:  # type: ignore[override]
        """Pykka's view of the mailbox."""
        from actors._pykka.inbox import CellInbox

        return CellInbox(self._cell)

    @property
    def actor_stopped(self) -> Event:  # type: ignore[override]
        """Pykka's flag: set when the actor has terminated."""
        from actors._core.stopped import StoppedFlag

        return StoppedFlag(self._cell)

    @property
    def _actor_weakref(self) -> Callable[[], Any]:  # type: ignore[override]
        from actors._pykka.proxy import PresentInstance

        return lambda: PresentInstance(self._cell)

    def __reduce__(self) -> Any:
        raise TypeError(f"the ref of {self.path} belongs to this process and cannot be pickled; send its path instead")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __str__(self) -> str:
        return f"{self.actor_class.__name__} ({self._cell.path})"

    def __repr__(self) -> str:
        return f"<ActorRef {self._cell.path} #{self._cell.incarnation}>"


Ref_co = TypeVar("Ref_co", bound=ActorRef[Any], covariant=True)


class HasRef(Protocol[Ref_co]):
    """For a type checker: an actor class says the class of its refs by the type of its property `ref`."""

    @property
    def ref(self) -> Ref_co:
        """The ref of the actor."""


def cell_of(ref: object, call: str) -> Cell:
    """The cell of a ref. Raises TypeError, in the words of `call`, for anything else."""
    if not isinstance(ref, ActorRef):
        raise TypeError(f"{call} takes the ref of an actor, such as self.ref, got {shown(ref)}")
    return ref._cell


def of_class(ref: ActorRef[Any], expected: type[Any]) -> ActorRef[Any]:
    """This ref, if its actor is of the expected class, or it is itself of the expected class of refs.

    Raises:
        WrongActorClass: it is neither
        TypeError: `expected` is not a class
    """
    if not isinstance(expected, type):
        raise TypeError(f"an actor class or a class of refs is expected, got {expected!r}")
    found: type[Any] = type(ref) if issubclass(expected, pykka.ActorRef) else ref.actor_class
    if not issubclass(found, expected):
        raise WrongActorClass(ref.path, expected.__qualname__, found.__qualname__)
    return ref


def _add_ended(cell: Cell, pending: Pending[ExitReason]) -> None:
    """The future settles when the cell closes, and is forgotten if it is dropped before."""
    forget = cell.runtime.when_closed(cell, lambda reason: pending.conclude(reason, reason))
    pending.when_dropped(forget)


def _inherit(caller: Cell | None, correlation_id: str | None) -> str | None:
    """The correlation id of a message: the one given, or that of the message in whose handler this code began."""
    if correlation_id is not None or caller is None:
        return correlation_id
    begun = message_of(caller)
    return None if begun is None else begun.correlation_id


def deadline_of(cell: Cell, caller: Cell | None, timeout: float | None) -> float | None:
    """The deadline of a question, on the runtime's clock: no later than that of the message in whose handler this code
    of `caller` began. Raises ValueError.
    """
    return _deadline(cell, caller, None if caller is None else message_of(caller), timeout)


def _deadline(cell: Cell, caller: Cell | None, begun: Envelope | None, timeout: float | None) -> float | None:
    """The same; the code of `caller` began in the handler of the message `begun`."""
    runtime = cell.runtime
    if timeout is not None:
        if timeout is DEFAULT:
            timeout = runtime.default_timeout
        else:
            check_timeout(timeout, "timeout")
    deadline = None if timeout is None else runtime.now() + timeout
    inherited = None if begun is None else begun.deadline
    if inherited is None or caller is None or caller.runtime is not runtime:
        return deadline
    return inherited if deadline is None else min(deadline, inherited)


def _watch_deadline(future: Future[Any], cell: Cell, deadline: float, message: object) -> None:
    runtime = cell.runtime
    if future.done() or cell.closed:
        return
    entry = runtime.deadlines.add(deadline, (future, cell.path, message))
    future.add_done_callback(lambda _: runtime.on_loop(lambda: runtime.deadlines.discard(entry)))
