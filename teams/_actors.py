"""The seam to `actors`: the only module of `teams` that imports it (design.md, "The house")."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import random
from collections.abc import Callable
from typing import Any

import pykka

import actors

if not getattr(actors, "__understudy__", False):
    where = getattr(actors, "__file__", None) or list(getattr(actors, "__path__", []))
    raise ImportError(
        f"understudy needs its own package 'actors', but Python found {where} first: "
        "rename that file or folder, or take its directory off sys.path"
    )

from actors._actor import Actor
from actors._clock import Clock, LoopClock, TimerHandle
from actors._current import current_cell
from actors._envelope import Envelope, Reply
from actors._errors import (
    ActorCrashed,
    ActorDeadError,
    ActorError,
    CallTimeout,
    DeadlockError,
    NotInRuntime,
    UnhandledMessage,
)
from actors._events import DeadLetter, EventStream, Exited, LifecycleEvent, MessageHandled, Started, Subscription
from actors._future import Future, Parking, refuse_on_loop
from actors._handlers import Handler, handles
from actors._messages import ChildStarted, Down, Message
from actors._props import Props
from actors._reasons import Crashed, ExitReason, Killed, NoProc, Normal, Shutdown
from actors._ref import ActorRef
from actors._runtime import Runtime
from actors._text import described, shown
from actors._timers import Timer
from actors._turn import State, settle_failure

ANYWHERE = random.Random()
"""The randomness of code that runs outside of any actor."""


def current_clock() -> Clock:
    """The clock of the actor whose code this is; outside of any actor, that of the running event loop.

    On the loop of a thread of its own, too: the timers of a clock are set on the clock's loop only.
    """
    cell = current_cell.get()
    loop = asyncio._get_running_loop()
    if cell is not None and (loop is None or loop is cell.runtime.loop):
        return cell.runtime.clock
    return LoopClock(asyncio.get_running_loop())


def current_random() -> random.Random:
    """The randomness of the runtime of the actor whose code this is, so that a simulation can repeat it."""
    cell = current_cell.get()
    return cell.runtime.random if cell is not None else ANYWHERE


async def sleep(seconds: float) -> None:
    """Waits by the clock of whoever's code this is."""
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
    receipt: Reply,
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
    caller = current_cell.get()
    if correlation_id is None and caller is not None and caller.envelope is not None:
        correlation_id = caller.envelope.correlation_id
    cell.put(Envelope(message, caller, receipt, deadline, correlation_id))


def deliver(ref: ActorRef[pykka.Actor], message: object, receipt: Reply) -> None:
    """`post`, where what the mailbox refuses with goes to the receipt, too: that it is full, or what a priority
    function of the user's raised.
    """
    try:
        post(ref, message, receipt)
    except Exception as error:  # noqa: BLE001 - it is the receipt's
        receipt.set_exception(error)


def take_reply(actor: Actor) -> Reply | None:
    """Takes the duty to answer the message being handled: whoever holds the reply answers later. None: nobody asked."""
    return actor._cell.take_reply()


def answer(reply: Reply, value: object) -> None:
    """Gives an answer that `take_reply` took the duty for. One who no longer waits for it does not get it."""
    if not reply.done():
        with contextlib.suppress(queue.Full):  # settled in another thread meanwhile
            reply.set_result(value)


def current_correlation_id() -> str | None:
    """The correlation id of the message whose handler this code is."""
    cell = current_cell.get()
    return cell.envelope.correlation_id if cell is not None and cell.envelope is not None else None


def handler_for(actor: Actor, message: object) -> Handler:
    """The handler of the actor's class that takes this message: call it as `handler(actor, message)`."""
    return actor._cell.table[type(message)]


def is_up(ref: ActorRef[pykka.Actor]) -> bool:
    """Whether an incarnation runs now; one that is being restarted takes messages, but will be late."""
    return ref._cell.state is State.RUNNING


def declares(actor_class: type, message: type) -> bool:
    """Whether an actor class has a handler for this class of messages."""
    members = (member for base in actor_class.__mro__ for member in vars(base).values())
    return any(message in getattr(member, "__understudy_handles__", ()) for member in members)


def finish(actor: Actor) -> None:
    """Ends the actor with `normal` as soon as its handler has returned, whatever waits."""
    actor._cell.finish()


def has_ended(ref: ActorRef[pykka.Actor], incarnation: int) -> bool:
    """Whether this incarnation has ended; one that starts or stops has not."""
    cell = ref._cell
    return cell.incarnation != incarnation or cell.state in (State.DOWN, State.CLOSED)


def notice(ref: ActorRef[pykka.Actor], message: object) -> None:
    """Puts a message into the system lane: ahead of every user message, for the present incarnation. To one that is
    gone for good it says nothing. On the loop thread only.
    """
    ref._cell.put_urgent(message)


def when_gone(actor: Actor, then: Callable[[ExitReason], object]) -> None:
    """Calls `then` with the last exit reason when the actor is gone for good, killed or not. On the loop thread."""
    when_terminated(actor.ref, then)


def when_terminated(ref: ActorRef[Any], then: Callable[[ExitReason], object]) -> None:
    """Calls `then` with the last exit reason when the actor has terminated; at once if it has. On the loop thread."""
    ref.runtime.on_loop(lambda: ref.runtime.when_closed(ref._cell, then))


def last_reason(ref: ActorRef[Any]) -> ExitReason:
    """Why the last incarnation of the actor ended."""
    return ref._cell.reason


__all__ = [
    "ANYWHERE",
    "Actor",
    "ActorCrashed",
    "ActorDeadError",
    "ActorError",
    "ActorRef",
    "CallTimeout",
    "ChildStarted",
    "Clock",
    "Crashed",
    "DeadLetter",
    "DeadlockError",
    "Down",
    "EventStream",
    "ExitReason",
    "Exited",
    "Future",
    "Handler",
    "Killed",
    "LifecycleEvent",
    "LoopClock",
    "Message",
    "MessageHandled",
    "NoProc",
    "Normal",
    "NotInRuntime",
    "Parking",
    "Props",
    "Reply",
    "Runtime",
    "Shutdown",
    "Started",
    "Subscription",
    "Timer",
    "TimerHandle",
    "UnhandledMessage",
    "answer",
    "current_cell",
    "current_clock",
    "current_correlation_id",
    "current_random",
    "declares",
    "deliver",
    "described",
    "finish",
    "handler_for",
    "handles",
    "has_ended",
    "is_up",
    "last_reason",
    "notice",
    "post",
    "refuse_on_loop",
    "settle_failure",
    "shown",
    "sleep",
    "take_reply",
    "when_gone",
    "when_terminated",
]
