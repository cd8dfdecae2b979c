"""The core loop: how a cell takes its messages, one at a time.

`MessageLoop` is the half of a cell that handles messages; `Cell` adds its life. The rule that keeps wake-ups from
getting lost: whoever puts a message looks at `idle` afterwards, and the loop sets `idle` and then looks at the queue
again.
"""

from __future__ import annotations

import contextlib
import queue as queue_module
from collections import deque
from collections.abc import Callable
from contextvars import Context
from enum import Enum
from types import CoroutineType
from typing import TYPE_CHECKING, Any, NamedTuple

from actors._core.envelope import BareEnvelope, Envelope, Reply
from actors._core.handlers import Dispatch
from actors._core.mailbox import Queue
from actors._core.messages import Continue, Down, Exit, Timed
from actors._user_code.interrupts import hand_on
from actors._user_code.text import type_name
from actors.errors import ActorCrashed, CallTimeout, UnhandledMessage
from actors.events import DeadLetter, MessageHandled
from actors.reasons import ExitReason

if TYPE_CHECKING:
    from actors._core.ref import ActorRef
    from actors._hosts.host import Host
    from actors._runtime.runtime import Runtime


class State(Enum):
    """Where an actor's incarnation is in its life."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    DOWN = "down"
    """The incarnation is gone; whether there will be another one is the parent's decision."""
    CLOSED = "stopped"


class MessageLoop:
    """The message-handling half of a cell. Runs on the cell's host only; `put` may be called from any thread."""

    __slots__ = (
        "active",
        "actor",
        "closed",
        "concurrency",
        "context",
        "envelope",
        "handled",
        "host",
        "idle",
        "incarnation",
        "open",
        "path",
        "pending",
        "queue",
        "reason",
        "ref",
        "runtime",
        "seconds",
        "stash",
        "state",
        "suspended",
        "table",
        "trace",
        "unproductive",
        "urgent",
    )

    runtime: Runtime
    host: Host
    path: str
    ref: ActorRef[Any]
    actor: Any
    context: Context
    table: Dispatch
    state: State
    reason: ExitReason
    incarnation: int
    queue: Queue
    urgent: deque[Envelope] | None
    """The system lane: notices of exits and the like, handled before any user message."""
    stash: deque[Envelope] | None
    envelope: Envelope | None
    """The message being handled."""
    pending: Callable[[], object] | None
    """What the next turn does first, once no handler is under way: start or leave."""
    open: bool
    """Whether the next message may be taken."""
    idle: bool
    """Whether somebody has to wake the host when a message comes."""
    closed: bool
    suspended: bool
    active: int
    """How many handlers wait for something."""
    concurrency: int
    handled: int
    """How many messages a handler was given, in all incarnations."""
    unproductive: int
    """How many of those are no progress of the present incarnation: all of the incarnations before, those of the system
    lane, and messages that failed, were stashed, or that no handler takes.
    """
    seconds: float
    trace: deque[Handled] | None

    def put(self, envelope: Envelope) -> None:
        """Takes a message into the mailbox."""
        self.queue.append(envelope)
        if self.idle:
            self.wake()

    def put_urgent(self, message: object) -> None:
        """Takes a message into the system lane. On the runtime's loop thread only."""
        if self.closed:
            return
        if self.urgent is None:
            self.urgent = deque()
        self.urgent.append(Envelope(message))
        self.unproductive += 1
        if self.idle:
            self.wake()

    def wake(self) -> None:
        """Has the host give the cell a turn."""
        self.idle = False
        if self.closed:
            self.refuse_waiting()
        else:
            self.host.ready(self)

    def turn(self) -> None:
        """Handles what waits: the system lane, then user messages, at most one slice of them."""
        pending = self.pending  # read once: a kill takes it back from another thread
        if pending is not None and not self.active:
            self.pending = None
            pending()
        runtime = self.runtime
        queue, table, actor, incarnation = self.queue, self.table, self.actor, self.incarnation
        take, control, observed = queue.popleft, runtime.control, runtime.observed or self.trace is not None
        left = limit = self.host.slice
        while left and self.open:
            try:
                envelope = self.urgent.popleft() if self.urgent else take()
            except IndexError:
                break
            left -= 1
            bare = type(envelope) is BareEnvelope
            if not bare and envelope.deadline is not None and envelope.deadline <= runtime.now():
                self.expire(envelope)
                continue
            self.envelope = envelope
            message = envelope.message
            if observed:
                envelope.began = runtime.now()
            own = self.context.copy()  # what the handler sets there ends with the message
            try:
                result = own.run(table[type(message)], actor, message)
            except BaseException as error:  # noqa: BLE001 - any exception, SystemExit included, ends this actor alone
                self.failed(envelope, error, incarnation)
            else:
                if type(result) is CoroutineType:
                    self.host.drive(self, envelope, result, own)
                else:
                    if not bare and envelope.reply is not None:
                        self.answer(envelope, result)
                    if observed:
                        self.note(envelope, "done")
            if control:
                break
        self.handled += limit - left
        if incarnation != self.incarnation:
            self.unproductive += limit - left  # a thread that was left behind has come back
            return
        if not self.active:
            self.envelope = None
        if self.open:
            self.idle = True
            if queue or self.urgent:
                self.idle = False
                self.host.ready(self)

    def finished(self, envelope: Envelope, result: object, error: BaseException | None, incarnation: int) -> None:
        """A handler that had to wait is done."""
        if incarnation != self.incarnation:
            return
        self.active -= 1
        self.settle(envelope, result, error, incarnation)
        if not self.active:
            self.envelope = None
        self.reopen()

    def reopen(self) -> None:
        """Lets the next message in, if nothing stands against it, and has the host give a turn."""
        self.open = self.active < self.concurrency and self.may_open()
        if self.open or self.pending is not None:
            self.idle = False
            self.host.ready(self)

    def may_open(self) -> bool:
        """Whether the incarnation is in the part of its life in which it takes messages."""
        raise NotImplementedError

    def busy(self) -> None:
        """A handler waits for something: no further message while as many wait as the class allows."""
        self.active += 1
        if self.active >= self.concurrency:
            self.open = False

    # What becomes of a message

    def settle(self, envelope: Envelope, result: object, error: BaseException | None, incarnation: int) -> None:
        """The coroutine of a handler has ended, one way or the other."""
        if error is not None:
            self.failed(envelope, error, incarnation)
            return
        if envelope.reply is not None:
            self.answer(envelope, result)
        if self.watched():
            self.note(envelope, "done")

    def answer(self, envelope: Envelope, result: object) -> None:
        """Gives the asker its answer; one that came too late is a dead letter."""
        reply = envelope.reply
        assert reply is not None
        try:
            if not reply.done():
                reply.set_result(result)
                return
        except queue_module.Full:
            pass  # its deadline passed in another thread between the question and the answer
        self.dead_letter(result, "late_reply", envelope)

    def failed(self, envelope: Envelope, error: BaseException, incarnation: int) -> None:
        """A handler raised: an answer where the class says so, a crash otherwise. A Ctrl-C goes on to the program."""
        hand_on(error)
        if getattr(envelope, "settled", False):
            return
        if incarnation == self.incarnation and type(envelope.message) not in _OF_THE_SYSTEM_LANE:
            self.unproductive += 1
        if self.watched():
            self.note(envelope, "failed")
        if isinstance(error, self.answers(envelope)):
            if envelope.reply is None:
                self.dead_letter(envelope.message, "unheard", envelope, error)
            else:
                settle_failure(envelope.reply, error, self.path)
        elif incarnation == self.incarnation:
            self.crash(envelope, error)
        else:
            self.refuse(envelope, "killed", error)

    def answers(self, envelope: Envelope) -> tuple[type[BaseException], ...]:
        """The exceptions that are answers to this message."""
        found: tuple[type[BaseException], ...] = self.actor.answers if self.actor is not None else ()
        return found

    def crash(self, envelope: Envelope | None, error: BaseException) -> None:
        """The incarnation ends by `error`."""
        raise NotImplementedError

    def expire(self, envelope: Envelope) -> None:
        """The deadline of the message passed while it waited."""
        self.handled -= 1
        if envelope.reply is not None:
            settle_failure(envelope.reply, CallTimeout(self.path, kind_name(envelope.message)), self.path)
        self.dead_letter(envelope.message, "expired", envelope)

    def unhandled(self) -> None:
        """Nothing in the class takes the message being handled."""
        envelope = self.envelope
        if envelope is None:
            return
        self.unproductive += 1
        error = UnhandledMessage(self.path, kind_name(envelope.message))
        if envelope.reply is not None:
            settle_failure(envelope.reply, error, self.path)
            envelope.reply = None  # what on_receive returns is not an answer
        self.dead_letter(envelope.message, "unhandled", envelope)

    def skipped(self) -> None:
        """The message being handled was the tick of a timer that is cancelled: it is not handled, and no progress."""
        self.unproductive += 1

    def refuse(self, envelope: Envelope, why: str, error: BaseException) -> None:
        """Nobody will handle the message: its asker is told, and it is a dead letter."""
        if type(envelope.message) is Continue:
            return  # a hook of the actor's own, which nobody sent
        if envelope.reply is not None:
            settle_failure(envelope.reply, error, self.path)
        self.dead_letter(envelope.message, why, envelope, error)

    def refuse_waiting(self) -> None:
        """Empties the mailbox of a cell that is gone for good."""
        raise NotImplementedError

    def dead_letter(
        self, message: object, why: str, envelope: Envelope | None = None, error: BaseException | None = None
    ) -> None:
        """Publishes a message that nobody handled."""
        sender = envelope.sender.path if envelope is not None and envelope.sender is not None else None
        if type(message) is Timed:
            if message.cancelled:
                return
            message = message.message
        letter = DeadLetter(self.path, self.runtime.now(), message, why, sender, error)
        self.runtime.events.publish(letter, quiet=getattr(envelope, "quiet", False))

    def watched(self) -> bool:
        """Whether somebody watches single messages of this cell."""
        return self.trace is not None or self.runtime.observed

    def note(self, envelope: Envelope, outcome: str) -> None:
        """A watched message has been handled: to the trace of the cell, and to those who subscribed."""
        now = self.runtime.now()
        seconds = now - getattr(envelope, "began", now)
        if self.trace is not None:
            self.trace.append(Handled(now, type_name(envelope.message), seconds, outcome, self.incarnation))
        if self.runtime.events.sinks(MessageHandled):
            sender = envelope.sender.path if envelope.sender is not None else None
            self.runtime.events.publish(
                MessageHandled(
                    self.path,
                    now,
                    envelope.message,
                    sender,
                    seconds,
                    outcome,
                    envelope.correlation_id,
                ),
                quiet=getattr(envelope, "quiet", False),
            )


_OF_THE_SYSTEM_LANE = (Continue, Down, Exit)
"""Messages that are no progress whether they fail or not."""


class Handled(NamedTuple):
    """One line of the trace of an actor's last messages; times in seconds."""

    at: float
    message_type: str
    seconds: float
    outcome: str
    """done or failed."""
    incarnation: int


def kind_name(message: object) -> str:
    """The type of a message as people know it: a timer's wrapping is none of theirs."""
    return type_name(message.message if type(message) is Timed else message)


def settle_failure(reply: Reply, error: BaseException, path: str) -> None:
    """Gives the asker an exception it can survive."""
    if reply.done():
        return
    if not isinstance(error, Exception) or isinstance(error, StopIteration):
        error = ActorCrashed(path, error)
    with contextlib.suppress(queue_module.Full):  # settled in another thread meanwhile
        reply.set_exception(error)
