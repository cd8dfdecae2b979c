"""The outcomes of a message: an answer, a refusal, a dead letter, a line of the trace.

Nothing here changes a cell. A handler's thread and the loop thread both come here.
"""

from __future__ import annotations

import contextlib
import queue
from typing import TYPE_CHECKING, NamedTuple

from actors._core.envelope import Envelope, Reply
from actors._core.messages import Continue, Timed
from actors._user_code.text import type_name
from actors.errors import ActorCrashed, CallTimeout
from actors.events import DeadLetter, MessageHandled

if TYPE_CHECKING:
    from actors._core.cell import Cell


class TraceLine(NamedTuple):
    """One line of the trace of an actor's last messages; times in seconds."""

    at: float
    message_type: str
    seconds: float
    outcome: str
    """done or failed."""
    incarnation: int


def kind_name(message: object) -> str:
    """The type of a message as the user knows it: a timer's wrapper is left out."""
    return type_name(message.message if type(message) is Timed else message)


def settle_failure(reply: Reply, error: BaseException, path: str) -> None:
    """Gives the asker an exception that it can survive."""
    if reply.done():
        return
    if not isinstance(error, Exception) or isinstance(error, StopIteration):
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
    """No handler will take the message: its asker is told, and it is a dead letter."""
    if type(envelope.message) is Continue:
        return  # a hook of the actor's own, which has no sender
    if envelope.reply is not None:
        settle_failure(envelope.reply, error, cell.path)
    dead_letter(cell, envelope.message, why, envelope, error)


def dead_letter(
    cell: Cell, message: object, why: str, envelope: Envelope | None = None, error: BaseException | None = None
) -> None:
    """Publishes a message that no handler took."""
    runtime = cell.runtime
    if runtime.observer is not None:
        runtime.observer.refused(cell, message, why, envelope)
    sender = envelope.sender.path if envelope is not None and envelope.sender is not None else None
    if type(message) is Timed:
        if message.cancelled:
            return
        message = message.message
    letter = DeadLetter(cell.path, runtime.now(), message, why, sender, error)
    runtime.events.publish(letter, quiet=getattr(envelope, "quiet", False))


def publish_handled(cell: Cell, envelope: Envelope, seconds: float, outcome: str) -> None:
    """Publishes `MessageHandled`."""
    if cell.runtime.events.sinks(MessageHandled):
        sender = envelope.sender.path if envelope.sender is not None else None
        cell.runtime.events.publish(
            MessageHandled(
                cell.path, cell.runtime.now(), envelope.message, sender, seconds, outcome, envelope.correlation_id
            ),
            quiet=getattr(envelope, "quiet", False),
        )
