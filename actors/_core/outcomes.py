"""The outcomes of a message: an answer, a crash, a refusal, a dead letter, a line of the trace.

Nothing here writes into a cell. A handler's thread and the loop thread both come here.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import queue
from enum import Enum, auto
from functools import partial
from typing import TYPE_CHECKING

from pykka.messages import _ActorStop

from actors._core.envelope import Envelope, ReplyTo
from actors._core.life import CAN_CRASH, ON_ITS_WAY_OUT
from actors._core.mailbox import NO_MESSAGES, BoundedQueue, Queue, make_queue
from actors._core.messages import OF_THE_SYSTEM_LANE, WRAPPERS, ChildResumed, Continue, StopOrder, Timed, unwrapped
from actors._core.trace import TraceLine
from actors._user_code.interrupts import hand_on
from actors._user_code.text import type_name
from actors.errors import (
    ActorCrashed,
    ActorDeadError,
    CallTimeout,
    HandlerTimeout,
    NoMailbox,
    PlaceLost,
    RuntimeStopped,
    StartTimeout,
    UnhandledMessage,
    crashed_by,
    gone,
)
from actors.events import DeadLetter, HookFailed, MessageHandled, Quarantined, Redelivered, Survived
from actors.reasons import Crashed, ExitReason, Lost, Normal, Shutdown, StoppedForGood

if TYPE_CHECKING:
    from actors._core.cell import Cell
    from actors._core.handlers import Dispatch, HandlerFunction
    from actors._core.reply import TakenReply


MOST_CUT_OFF = 10
"""How many times a message is handled again whose handler was cut off by a crash over a message of the actor itself. A
handler that has its own incarnation crash, over and over, would come again without end.
"""
STOP_FOR_GOOD = _ActorStop()
"""The order to stop after which the actor is not started again. It is recognized by its identity."""


def kind_name(message: object) -> str:
    """The type of a message as the user knows it: the wrapper of a timer or a monitor is left out."""
    return type_name(unwrapped(message) if type(message) in WRAPPERS else message)


class Fate(Enum):
    """What becomes of a message whose handler was under way when its incarnation ended (supervision rule 27)."""

    REFUSED = auto()
    """It is a dead letter, and its asker is told."""
    REDELIVERED = auto()
    """The next incarnation handles it again."""
    QUARANTINED = auto()
    """It has crashed more incarnations than it may, or there is no next one."""


def fate_of(culprit: Envelope, reason: ExitReason, redeliver: int, *, supervised: bool) -> Fate:
    """The fate of this message, whose `crashes` count this one: it may crash `redeliver` incarnations and is handled
    again.
    """
    if not redeliver or culprit.reply is not None or not isinstance(reason, Crashed):
        return Fate.REFUSED
    if getattr(culprit, "handed_on", False):
        return Fate.REFUSED  # it was asked, and its handler has answered it
    return Fate.REDELIVERED if supervised and culprit.crashes <= redeliver else Fate.QUARANTINED


def settle_failure(reply: ReplyTo, error: BaseException, path: str) -> None:
    """Gives the asker an exception that it can survive."""
    if reply.done():
        return
    if not issubclass(type(error), Exception) or issubclass(type(error), StopIteration):
        error = ActorCrashed(path, error)
    with contextlib.suppress(queue.Full):  # settled in another thread meanwhile
        reply.set_exception(error)


def answer(cell: Cell, envelope: Envelope, result: object) -> None:
    """Gives the asker its answer; an answer that comes too late is a dead letter."""
    reply = envelope.reply
    assert reply is not None
    try:
        if not reply.done():
            reply.set_result(result)
            return
    except queue.Full:
        pass  # its deadline passed in another thread between the question and the answer
    dead_letter(cell, result, "late_reply", envelope)


def expire(cell: Cell, envelope: Envelope) -> None:
    """The deadline of the message passed while it waited."""
    if envelope.reply is not None:
        settle_failure(envelope.reply, CallTimeout(cell.path, kind_name(envelope.message)), cell.path)
    dead_letter(cell, envelope.message, "expired", envelope)


def refuse(cell: Cell, envelope: Envelope, why: str, error: BaseException) -> None:
    """No handler will take the message: its asker is told, and it is a dead letter. Nothing happens to one that its own
    handler has put aside: it waits in the stash, or in the queue already, and has its end there.
    """
    if type(envelope.message) is Continue:
        return  # a hook of the actor's own, which has no sender
    if getattr(envelope, "aside", False):
        return
    if envelope.reply is not None:
        settle_failure(envelope.reply, error, cell.path)
    dead_letter(cell, envelope.message, why, envelope, error)


def refuse_culprit(cell: Cell, reason: ExitReason | None, _: float | None, culprit: Envelope | None) -> None:
    """The handler of this message has raised while the incarnation was on its way out already."""
    if culprit is None:
        return
    assert isinstance(reason, Crashed)
    if type(culprit.message) is Continue and not issubclass(type(reason.exception), asyncio.CancelledError):
        failed_hook = HookFailed(cell.path, cell.runtime.now(), cell.incarnation, "on_continue", reason.exception)
        cell.runtime.events.publish(failed_hook)
    refuse(cell, culprit, "killed", reason.exception)


def make_mailbox(cell: Cell) -> Queue:
    """The mailbox of a cell that has an observer, or wants more than first come, first served."""
    runtime = cell.runtime
    inner = None if runtime.observer is None else partial(runtime.observer.queue, cell)
    return make_queue(cell.props.mailbox, cell.path, partial(overflow, cell), runtime.park, inner, cell)


def overflow(cell: Cell, envelope: Envelope) -> None:
    """The message gave way to another, or to the bound of the mailbox."""
    if cell.props.mailbox is NO_MESSAGES:
        refuse(cell, envelope, "unhandled", NoMailbox(cell.path, kind_name(envelope.message)))
        return
    refuse(cell, envelope, "overflow", ActorDeadError(cell.path, Normal(), envelope.message))


def close_mailbox(cell: Cell) -> None:
    """Empties the mailbox of a cell that is closed."""
    if isinstance(cell.queue, BoundedQueue):
        cell.queue.close()
    refuse_waiting(cell, "closed")


def refuse_waiting(cell: Cell, why: str) -> None:
    """Empties the mailbox."""
    observer = cell.runtime.observer
    while True:
        try:
            envelope = cell.queue.popleft()
        except IndexError:
            return
        if type(envelope.message) is not _ActorStop:
            refuse(cell, envelope, why, gone(cell.path, cell.reason, envelope.message))
        elif observer is not None:
            observer.withdrawn(cell, envelope)  # a request of the runtime's own, and it has come true


def dispose_of(cell: Cell, culprit: Envelope, reason: ExitReason) -> Envelope | None:
    """Decides on the message that was being handled when the incarnation ended (supervision rule 27), and tells its
    fate: to its asker, or by an event. Returns its envelope for the next incarnation; None: that does not handle it.
    """
    if type(culprit.message) in (Continue, StopOrder):
        return None
    if getattr(culprit, "aside", False):
        if not isinstance(reason, Crashed) or cell.stash is None:
            return None  # a kill is not its doing: it stays where its handler has put it
        if not cell.stash.recall(culprit):
            return None  # its handler took it back from the stash already: it waits in the queue
    if isinstance(reason, Crashed):
        error, why = reason.exception, "lost" if type(reason) is Lost else "crashed"
        culprit.crashes = getattr(culprit, "crashes", 0) + 1
    else:
        error, why = ActorDeadError(cell.path, reason, culprit.message, begun=True), "killed"
    redeliver = cell.props.redeliver
    fate = fate_of(culprit, reason, redeliver, supervised=cell.supervised) if redeliver else Fate.REFUSED
    if fate is Fate.REFUSED:
        if culprit.reply is not None:
            settle_failure(culprit.reply, error, cell.path)
        dead_letter(cell, culprit.message, why, culprit, error)
        return None
    event = Redelivered if fate is Fate.REDELIVERED else Quarantined
    told = event(cell.path, cell.runtime.now(), culprit.message, culprit.crashes, error)
    cell.runtime.events.publish(told, quiet=getattr(culprit, "quiet", False))
    if fate is Fate.QUARANTINED:
        sender = None if culprit.sender is None else culprit.sender.path
        cell.runtime.quarantine.add(cell.path, unwrapped(culprit.message), culprit.crashes, error, sender)
        return None
    # A thread that was left behind may still hold the envelope whose fate is decided.
    return culprit.again() if getattr(culprit, "settled", False) else culprit


def dead_letter(
    cell: Cell, message: object, why: str, envelope: Envelope | None = None, error: BaseException | None = None
) -> None:
    """Publishes a message that no handler took."""
    runtime = cell.runtime
    if runtime.observer is not None:
        runtime.observer.refused(cell, message, why, envelope)
    if type(message) in WRAPPERS:
        if type(message) is Timed and message.cancelled:
            return
        message = unwrapped(message)
    if runtime.events.takers[DeadLetter]:
        sender = envelope.sender.path if envelope is not None and envelope.sender is not None else None
        letter = DeadLetter(cell.path, runtime.now(), message, why, sender, error)
        runtime.events.publish(letter, quiet=getattr(envelope, "quiet", False))
    else:
        runtime.events.count_dead_letter(why)


def observed_handler(cell: Cell, envelope: Envelope, table: Dispatch) -> HandlerFunction:
    """The handler of a message, as the observer wants it to run."""
    envelope.began = cell.runtime.now()
    handler, observer = table[type(envelope.message)], cell.runtime.observer
    return handler if observer is None else observer.taken(cell, envelope, handler)


def stop_reason(cell: Cell, order: Envelope | None) -> ExitReason:
    """The reason of an exit by an order to stop that waited in the mailbox."""
    if order is None or order.sender is cell:
        return Normal()
    if order.message is STOP_FOR_GOOD:
        return StoppedForGood("ActorRegistry.stop_all() was called")
    return Shutdown("stop() was called")


def start_overdue(cell: Cell) -> None:
    """The time for the start is over: the incarnation is killed if it is still in it."""
    assert cell.props.start_timeout is not None
    if cell.up_since == math.inf:  # otherwise it came up in time, and has been told to stop since
        cell.kill(Crashed(StartTimeout(cell.path, cell.props.start_timeout, cell.props.kind.waits_for(cell))))


def came_late(cell: Cell, incarnation: int) -> None:
    """A handler that overran its time limit in a thread has ended. The fate of its message is decided already."""
    if incarnation == cell.incarnation:
        cell.made_no_progress()


def settle(cell: Cell, envelope: Envelope, result: object, error: BaseException | None, incarnation: int) -> None:
    """The coroutine of a handler has ended, one way or the other."""
    if error is not None:
        if failed(cell, envelope, error, incarnation):
            cell.made_no_progress()
        return
    noted = cell.noted or cell.runtime.observed
    if noted:
        record(cell, envelope, "done")
    if envelope.reply is not None:
        answer(cell, envelope, result)
    if noted:
        tell_observer(cell, envelope, "done")


def failed(cell: Cell, envelope: Envelope, error: BaseException, incarnation: int) -> bool:
    """A handler raised: an answer where the class says so, a crash otherwise. A Ctrl-C goes on to the program. Returns
    whether the message counts as no progress of the incarnation.
    """
    if cell.runtime.in_fork:
        cell.runtime.leave_fork(error)
    if type(error) is KeyboardInterrupt:
        hand_on(error)
    if getattr(envelope, "settled", False):
        came_late(cell, incarnation)
        return False
    present = incarnation == cell.incarnation
    if cell.possessions is not None and cell.possessions.replies:
        taken = taken_by_user(cell, envelope)
        if taken is not None:
            envelope.reply = taken
    if cell.noted or cell.runtime.observed:
        note(cell, envelope, "failed")
    if issubclass(type(error), cell.kind.answers):  # as `except` does: `__class__` may raise
        if envelope.reply is None:
            dead_letter(cell, envelope.message, "unheard", envelope, error)
        else:
            settle_failure(envelope.reply, error, cell.path)
    elif present and cell.props.kind.resumes and survives(cell, envelope, error):
        resume(cell, envelope, error)
    elif present:
        crash(cell, envelope, error)
    else:
        refuse(cell, envelope, "killed", error)
    if cell.runtime.observer is not None:
        cell.runtime.observer.decided(cell, envelope)
    return present and type(envelope.message) not in OF_THE_SYSTEM_LANE


def taken_by_user(cell: Cell, envelope: Envelope) -> TakenReply | None:
    """The reply that the handler of this message has taken over, if it is still open."""
    if not getattr(envelope, "handed_on", False) or cell.possessions is None:
        return None
    return next((each for each in list(cell.possessions.replies) if each.envelope is envelope), None)


def survives(cell: Cell, envelope: Envelope, error: BaseException) -> bool:
    """Whether the incarnation goes on after this exception of a handler. A handler that passed its time limit, a hook
    and an incarnation that ends already do not count.
    """
    ends = issubclass(type(error), HandlerTimeout) or type(envelope.message) is Continue or cell.phase in ON_ITS_WAY_OUT
    return not ends and issubclass(type(error), cell.props.kind.resumes)


def resume(cell: Cell, envelope: Envelope, error: BaseException) -> None:
    """The incarnation goes on: the events, the asker and the supervisor hear of the exception."""
    message = unwrapped(envelope.message)
    sender = envelope.sender.path if envelope.sender is not None else None
    cell.count_resumed()
    resumed = Survived(cell.path, cell.runtime.now(), cell.incarnation, message, error, sender)
    cell.runtime.events.publish(resumed, quiet=getattr(envelope, "quiet", False))
    if envelope.reply is not None:
        settle_failure(envelope.reply, error, cell.path)
    parent = cell.parent
    if cell.supervised and parent is not None:
        notice = ChildResumed(cell.id, cell.incarnation, error, kind_name(message))
        cell.runtime.on_loop(lambda: parent.put_urgent(notice))


def crash(cell: Cell, envelope: Envelope | None, error: BaseException) -> None:
    """The incarnation ends by `error`, which the handler of this message has raised. On the host."""
    if envelope is not None:
        if envelope is cell.culprit:
            return  # its fate is decided already: a task of its own has crashed the incarnation
        if issubclass(type(error), asyncio.CancelledError) and crashes_by_another(cell):
            if cell.spare(envelope):
                return
            error = ActorDeadError(cell.path, cell.reason, envelope.message, begun=True)
        if envelope.reply is not None:
            settle_failure(envelope.reply, error, cell.path)
    if cell.host.blocks:
        cell.hold()  # until the loop thread decides
        cell.runtime.control_call(_crash_if_present, cell, cell.incarnation, envelope, error)
    else:
        reason = crashed_by(cell.path, error) if issubclass(type(error), PlaceLost) else Crashed(error)
        cell.crash(reason, envelope)


def crash_by_owned_task(
    cell: Cell, incarnation: int, error: BaseException, message: Envelope | None, where: str
) -> None:
    """A task that belongs to the incarnation has raised: a crash. It counts against the message in whose handler the
    task began, while that is under way. Where the incarnation cannot crash any more, the exception is an event. On the
    loop thread.
    """
    if incarnation != cell.incarnation or cell.props.kind.manages_lifecycle or cell.phase not in CAN_CRASH:
        cell.runtime.uncaught(cell.path, where, error)
        return
    under_way = message is not None and any(each is message for each in cell.host.under_way(cell))
    crash(cell, message if under_way else None, error)


def _crash_if_present(cell: Cell, incarnation: int, envelope: Envelope | None, error: BaseException) -> None:
    if incarnation == cell.incarnation:
        cell.crash(crashed_by(cell.path, error), envelope)
    elif envelope is not None:
        refuse(cell, envelope, "killed", error)


def crashes_by_another(cell: Cell) -> bool:
    """Whether the incarnation ends by a crash, which cuts off the handlers beside the one that raised."""
    return cell.phase in ON_ITS_WAY_OUT and isinstance(cell.reason, Crashed)


def unhandled(cell: Cell) -> None:
    """Nothing in the class takes the message being handled."""
    envelope = cell.envelope
    if envelope is None:
        return
    cell.made_no_progress()
    error = UnhandledMessage(cell.path, kind_name(envelope.message))
    if envelope.reply is not None:
        settle_failure(envelope.reply, error, cell.path)
        envelope.reply = None  # what on_receive returns is not an answer
    dead_letter(cell, envelope.message, "unhandled", envelope)


def note(cell: Cell, envelope: Envelope, outcome: str) -> None:
    """A message was handled: tells all who want to know."""
    tell_observer(cell, envelope, outcome)
    record(cell, envelope, outcome)


def record(cell: Cell, envelope: Envelope, outcome: str) -> None:
    """A message was handled: tells the trace and the idle timeout of the cell, and the events. Before its asker is
    answered, who may be in another thread and look at once.
    """
    runtime = cell.runtime
    now = runtime.now()
    seconds = now - getattr(envelope, "began", now)
    trace = cell.trace  # read once: another thread may take it back
    if trace is not None:
        trace.add(TraceLine(now, type_name(envelope.message), seconds, outcome, cell.incarnation))
    if cell.possessions is not None and cell.possessions.idle is not None:
        cell.possessions.idle.handled(envelope.message, now)
    publish_handled(cell, envelope, outcome, now, seconds)


def tell_observer(cell: Cell, envelope: Envelope, outcome: str) -> None:
    """A message was handled, and is answered if its handler has returned: tells the observer."""
    if cell.runtime.observer is not None:
        cell.runtime.observer.handled(cell, envelope, outcome)


def publish_handled(cell: Cell, envelope: Envelope, outcome: str, now: float, seconds: float) -> None:
    """Publishes that a handler has ended, if a sink names that event."""
    runtime = cell.runtime
    if runtime.events.takers[MessageHandled]:
        sender = envelope.sender.path if envelope.sender is not None else None
        handled = MessageHandled(cell.path, now, envelope.message, sender, seconds, outcome, envelope.correlation_id)
        runtime.events.publish(handled, quiet=getattr(envelope, "quiet", False))


# Errors about a cell


def dead(cell: Cell, message: object) -> ActorDeadError | RuntimeStopped:
    """The error for a sender to a closed cell. If the actor was told to end because an actor above it ended abnormally,
    the error names that actor.
    """
    reason, above = cell.reason, cell.parent
    while reason.expected and above is not None and above.closed:
        if not above.reason.expected:
            reason = Shutdown(f"{above.path} ended: {above.reason}")
        above = above.parent
    return gone(cell.path, reason, message)


def overran(cell: Cell, envelope: Envelope) -> HandlerTimeout:
    """The error for a handler that passed its time limit."""
    assert cell.props.handler_timeout is not None
    return HandlerTimeout(cell.path, kind_name(envelope.message), cell.props.handler_timeout)


def comes_again(cell: Cell, envelope: Envelope) -> bool:
    """Whether the next incarnation handles a message again whose handler was cut off by the crash of another; if not,
    it gets its end here.
    """
    if getattr(envelope, "aside", False):
        return False  # its handler has put it aside: it waits in the stash, or in the queue already
    if type(envelope.message) in OF_THE_SYSTEM_LANE:
        if type(envelope.message) is not Continue:
            dead_letter(cell, envelope.message, "dropped", envelope)
        return False
    culprit = cell.culprit
    if culprit is not None and culprit.sender is cell:
        envelope.cut_off = getattr(envelope, "cut_off", 0) + 1
    if getattr(envelope, "cut_off", 0) <= MOST_CUT_OFF and not getattr(envelope, "handed_on", False):
        return True
    refuse(cell, envelope, "crashed", ActorDeadError(cell.path, cell.reason, envelope.message, begun=True))
    return False
