"""The functions of actors that `supervisors` and `teams` need and users do not.

The only module of `actors`, besides its facade, that they import. No promise of stability.
"""

from __future__ import annotations

import asyncio
import queue
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any

import pykka

from actors._core.actor import Actor
from actors._core.actor_type import actor_type_of, pykka_fault
from actors._core.cell import Cell
from actors._core.children import close_or_park
from actors._core.clock import Clock, LoopClock, TimerHandle
from actors._core.current import correlation_of, current_cell, detached
from actors._core.envelope import Envelope, ReplyTo
from actors._core.future import Future, Parking, refuse_on_loop, until_settled
from actors._core.handlers import MARK, HandlerFunction, handles
from actors._core.life import Phase, State
from actors._core.mailbox import NO_MESSAGES, MailboxSpec
from actors._core.messages import (
    ChildDeclined,
    ChildExited,
    ChildResumed,
    ChildStarted,
    ChildStartFailed,
    Down,
    Message,
    StopOrder,
)
from actors._core.outcomes import settle_failure
from actors._core.own_exit import leave
from actors._core.placed import placed_type
from actors._core.process import (
    HOSTS,
    HostName,
    PlaceSpec,
    ProcessSpec,
    RaySpec,
    extra_fault,
    is_host,
    module_of,
    place_spec,
    process,
    ray,
    sending_fault,
)
from actors._core.props import Props, wrong_host
from actors._core.ref import A, ActorRef, HasRef, deadline_of, of_class
from actors._core.reply import CallbackReply
from actors._core.stopping import stop_requested, wait_for_stop
from actors._core.timers import Timer
from actors._core.waits import Wanted, concern
from actors._extras import needs_extra
from actors._name import ENVIRONMENT, NAME
from actors._record import Record
from actors._runtime.loop_thread import LoopFactory
from actors._runtime.options import option_faults
from actors._runtime.runtime import ClockFactory, Runtime
from actors._user_code.calls import strict, strict_fields
from actors._user_code.nearest import nearest
from actors._user_code.text import TEXT, attribute, block, class_name, cut, described, said, shown, type_name
from actors.errors import (
    ActorCrashed,
    ActorDeadError,
    ActorError,
    AlreadyEntered,
    CallTimeout,
    DeadlockError,
    MissingExtra,
    NotAnActor,
    NotInRuntime,
    NotSendable,
    RuntimeStopped,
    StartError,
    UnhandledMessage,
    gone,
    lost,
)
from actors.events import (
    CrashedExit,
    DeadLetter,
    EventStream,
    Exited,
    LifecycleEvent,
    MessageHandled,
    Started,
    StartFailed,
    Subscription,
)
from actors.reasons import (
    Crashed,
    ExitReason,
    Killed,
    NoProc,
    Normal,
    RestartLimitExceeded,
    RuntimeLost,
    Shutdown,
    StoppedForGood,
    within,
)

if TYPE_CHECKING:
    from actors._observe.series import EventMetrics
    from actors._place.pool import PooledCall, ProcessPool

_RUNNING = Phase.RUNNING
"""Before Python 3.12 an attribute of an enum costs as much as two calls."""
ANYWHERE = random.Random()
"""The randomness of code that runs outside of any actor."""


def __getattr__(name: str) -> Any:
    """Modules that load when they are first used: that of `EventMetrics`, which imports the Prometheus client, and that
    of pools of processes.
    """
    if name in ("PooledCall", "ProcessPool"):
        from actors._place import pool

        return getattr(pool, name)
    if name in ("Descriptions", "EventMetrics", "Labels"):
        from actors._observe import series

        return getattr(series, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def current_ref() -> ActorRef[Any] | None:
    """The ref of the actor whose code this is; None: code outside of any actor."""
    cell = current_cell()
    return cell.ref if cell is not None else None


def current_clock() -> Clock:
    """The clock of the actor whose code this is; outside of any actor, that of the running event loop.

    On the loop of a thread of its own, too: the timers of a clock are set on the clock's loop only.
    """
    cell = current_cell()
    loop = asyncio._get_running_loop()
    if cell is not None and (loop is None or loop is cell.runtime.loop):
        return cell.runtime.clock
    return LoopClock(asyncio.get_running_loop())


def current_random() -> random.Random:
    """The randomness of the runtime of the actor whose code this is, so that a simulation can repeat it."""
    cell = current_cell()
    return cell.runtime.random if cell is not None else ANYWHERE


def unowned_context() -> Context:
    """A copy of the present context whose tasks do not end with the actor whose code this is: for what others share."""
    return detached(copy_context())


async def sleep(seconds: float) -> None:
    """Waits for so many seconds of the clock of the actor that runs this code; outside of any actor, of the event loop.

    On any event loop. A simulation and a `ManualClock` decide how long that is.
    """
    woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    clock = current_clock()
    timer = clock.call_at(clock.now() + seconds, lambda: None if woken.done() else woken.set_result(None))
    try:
        await woken
    finally:
        timer.cancel()


def post(
    ref: ActorRef[pykka.Actor],
    message: object,
    receipt: ReplyTo,
    deadline: float | None = None,
    correlation_id: str | None = None,
) -> None:
    """Sends a message whose answer, exception or refusal goes to `receipt`: a `call` without a future.

    `receipt` is settled once, on the loop thread for an actor hosted there and in its own thread for another. Without a
    correlation id the message has that of the message being handled.
    """
    cell = ref._cell
    if cell.closed:
        receipt.set_exception(ActorDeadError(cell.path, cell.reason, message))
        return
    caller = current_cell()
    if correlation_id is None:
        correlation_id = correlation_of(caller)
    cell.put(Envelope(message, caller, receipt, deadline, correlation_id))


def deliver(ref: ActorRef[pykka.Actor], message: object, receipt: ReplyTo) -> None:
    """The same as `post`, but the receipt also gets the refusal of the mailbox: that it is full, or the exception of a
    priority function of the user's.
    """
    try:
        post(ref, message, receipt)
    except Exception as error:  # noqa: BLE001 - it is the receipt's
        receipt.set_exception(error)


def deliver_to_all(message: object, receivers: Iterable[tuple[ActorRef[pykka.Actor], ReplyTo]]) -> None:
    """The same for many receivers, each with its receipt: sender and correlation id are looked up once."""
    caller = current_cell()
    correlation_id = correlation_of(caller)
    for ref, receipt in receivers:
        cell = ref._cell
        try:
            if cell.closed:
                receipt.set_exception(ActorDeadError(cell.path, cell.reason, message))
            else:
                cell.put(Envelope(message, caller, receipt, None, correlation_id))
        except Exception as error:  # noqa: BLE001 - it is the receipt's
            receipt.set_exception(error)


def take_reply(actor: Actor) -> ReplyTo | None:
    """Takes the reply of the message being handled: the caller must answer it later. None: the sender wants none."""
    return actor._cell.take_reply()


def answer(reply: ReplyTo, value: object) -> None:
    """Answers a reply that `take_reply` took. Does nothing if the asker no longer waits."""
    if not reply.done():
        try:
            reply.set_result(value)
        except queue.Full:
            return  # settled in another thread meanwhile


def current_correlation_id() -> str | None:
    """The correlation id of the message in whose handler this code began; None: the message has none, or this code
    began in no handler.
    """
    return correlation_of(current_cell())


def handler_for(actor: Actor, message: object) -> HandlerFunction:
    """The handler of the actor's class that takes this message: call it as `handler(actor, message)`."""
    return actor._cell.table[type(message)]


def is_up(ref: ActorRef[pykka.Actor]) -> bool:
    """Whether an incarnation runs now; one that is being restarted takes messages, but will be late."""
    return ref._cell.phase is _RUNNING


def is_stopping(ref: ActorRef[pykka.Actor]) -> bool:
    """Whether its incarnation is on its way out: it takes no work any more, and what is below it ends."""
    return ref._cell.state is State.STOPPING


def declares(actor_class: type, message: type) -> bool:
    """Whether an actor class has a handler for this class of messages."""
    members = (member for base in actor_class.__mro__ for member in vars(base).values())
    return any(message in getattr(member, MARK, ()) for member in members)


def finish(actor: Actor) -> None:
    """Ends the actor with `normal` as soon as its handler has returned, whatever waits."""
    leave(actor._cell, Normal())


def has_ended(ref: ActorRef[pykka.Actor], incarnation: int) -> bool:
    """Whether this incarnation has ended; one that starts or stops has not."""
    cell = ref._cell
    return cell.incarnation != incarnation or cell.state in (State.DOWN, State.CLOSED)


def notice(ref: ActorRef[pykka.Actor], message: object) -> None:
    """Puts a message into the system lane: ahead of every user message, for the present incarnation. Does nothing if
    the actor has terminated. On the loop thread only.
    """
    ref._cell.put_urgent(message)


def tie(end: Callable[[], object], what: str) -> Callable[[], object]:
    """Ties something to the present incarnation of the actor whose code this is: at its end, killed or not, `end` is
    called on the loop thread. It must not raise. Returns the function that unties it, for any thread.

    Raises `NotInRuntime` outside of an actor, and `IncarnationEnded` in a thread that was left behind, both in the
    words of `what`.
    """
    cell = current_cell()
    if cell is None:
        raise NotInRuntime(what, "call it in a handler or hook of an actor")
    possessions, number = cell.possess(), cell.runtime.next_number()
    possessions.tie(number, end, what)
    return lambda: possessions.untie(number)


def when_told_to_stop(actor: Actor, then: Callable[[], object]) -> Callable[[], object]:
    """Calls `then` on the loop thread when this incarnation is told to stop, crashes or is killed; at once if that has
    happened, and perhaps twice. Returns a function that takes it back. From any thread.
    """
    return actor._cell.possess().when_told(then)


def when_gone(actor: Actor, then: Callable[[ExitReason], object]) -> None:
    """Calls `then` with the last exit reason when the actor has terminated, killed or not. On the loop thread."""
    when_terminated(actor.ref, then)


def when_terminated(ref: ActorRef[Any], then: Callable[[ExitReason], object]) -> None:
    """Calls `then` with the last exit reason when the actor has terminated; at once if it has. On the loop thread."""
    ref.runtime.on_loop(lambda: ref.runtime.when_closed(ref._cell, then))


def pack_call(
    path: str, function: Callable[..., object], args: Sequence[object], kwargs: Mapping[str, object]
) -> PooledCall:
    """A call of a function as it is sent to a process of a pool, for the actor at this path. From any thread. Raises
    `NotSendable`.
    """
    from actors._place import pool

    return pool.pack_call(path, function, args, kwargs)


def process_pool(owner: Actor, spec: ProcessSpec, size: int | None) -> ProcessPool:
    """A pool of processes for functions, which end with this actor. `size`: how many there may be; None: as many as the
    program may use processors. On the loop thread.
    """
    from actors._place.pool import ProcessPool

    return ProcessPool(owner._cell, spec, size)


def last_reason(ref: ActorRef[Any]) -> ExitReason:
    """Why the last incarnation of the actor ended."""
    return ref._cell.reason


__all__ = [
    "ANYWHERE",
    "ENVIRONMENT",
    "HOSTS",
    "NAME",
    "NO_MESSAGES",
    "TEXT",
    "A",
    "Actor",
    "ActorCrashed",
    "ActorDeadError",
    "ActorError",
    "ActorRef",
    "AlreadyEntered",
    "CallTimeout",
    "CallbackReply",
    "Cell",
    "ChildDeclined",
    "ChildExited",
    "ChildResumed",
    "ChildStartFailed",
    "ChildStarted",
    "Clock",
    "ClockFactory",
    "Crashed",
    "CrashedExit",
    "DeadLetter",
    "DeadlockError",
    "Down",
    "Envelope",
    "EventMetrics",
    "EventStream",
    "ExitReason",
    "Exited",
    "Future",
    "HandlerFunction",
    "HasRef",
    "HostName",
    "Killed",
    "LifecycleEvent",
    "LoopClock",
    "LoopFactory",
    "MailboxSpec",
    "Message",
    "MessageHandled",
    "MissingExtra",
    "NoProc",
    "Normal",
    "NotAnActor",
    "NotInRuntime",
    "NotSendable",
    "Parking",
    "PlaceSpec",
    "PooledCall",
    "ProcessPool",
    "ProcessSpec",
    "Props",
    "RaySpec",
    "Record",
    "ReplyTo",
    "RestartLimitExceeded",
    "Runtime",
    "RuntimeLost",
    "RuntimeStopped",
    "Shutdown",
    "StartError",
    "StartFailed",
    "Started",
    "State",
    "StopOrder",
    "StoppedForGood",
    "Subscription",
    "Timer",
    "TimerHandle",
    "UnhandledMessage",
    "Wanted",
    "actor_type_of",
    "answer",
    "attribute",
    "block",
    "class_name",
    "close_or_park",
    "concern",
    "current_cell",
    "current_clock",
    "current_correlation_id",
    "current_random",
    "current_ref",
    "cut",
    "deadline_of",
    "declares",
    "deliver",
    "described",
    "extra_fault",
    "finish",
    "gone",
    "handler_for",
    "handles",
    "has_ended",
    "is_host",
    "is_stopping",
    "is_up",
    "last_reason",
    "lost",
    "module_of",
    "nearest",
    "needs_extra",
    "notice",
    "of_class",
    "option_faults",
    "pack_call",
    "place_spec",
    "placed_type",
    "post",
    "process",
    "process_pool",
    "pykka_fault",
    "ray",
    "refuse_on_loop",
    "said",
    "sending_fault",
    "settle_failure",
    "shown",
    "sleep",
    "stop_requested",
    "strict",
    "strict_fields",
    "take_reply",
    "tie",
    "type_name",
    "unowned_context",
    "until_settled",
    "wait_for_stop",
    "when_gone",
    "when_terminated",
    "when_told_to_stop",
    "within",
    "wrong_host",
]
