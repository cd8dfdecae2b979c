"""The messages on their way to a process, until they are handled there, and what becomes of them if the process ends.

From the process come numbers only: the messages themselves are here, so that none is lost with it.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from actors._core import outcomes
from actors._core.clock import TimerHandle
from actors._core.envelope import Envelope
from actors._core.messages import NOTICES, unwrapped
from actors._core.outcomes import dead_letter, overran, refuse, settle_failure
from actors._place.codec import Codec, RefKey
from actors._user_code.text import type_name
from actors.errors import ActorDeadError, NotReceivable, NotSendable, PlaceLost
from actors.reasons import Crashed, Lost

if TYPE_CHECKING:
    from actors._core.cell import Cell
    from actors._core.placed import PlacedType
    from actors._core.ref import ActorRef


class SendingPlace(Protocol):
    """The place, as the traffic needs it."""

    codec: Codec

    def send(self, *frame: object) -> None:
        """Sends a frame."""

    def error_of(self, encoded: Any) -> BaseException:
        """The exception that the process has sent."""

    def key_of(self, ref: ActorRef[Any]) -> RefKey:
        """The key of a ref, which the process gets to know."""

    @property
    def delay(self) -> float:
        """How many seconds old `last_begun` may be."""

    def last_begun(self) -> tuple[int, float]:
        """The number of the last message that the actor has begun with, and the seconds since then."""

    def lost_error(self, how: str) -> PlaceLost:
        """The error for an end of the process, in these words."""


class Traffic:
    """The messages of one incarnation. On the loop thread."""

    def __init__(self, place: SendingPlace, cell: Cell, kind: PlacedType) -> None:
        self._place = place
        self._cell = cell
        self._runtime = cell.runtime
        self.path = cell.path
        self._concurrency = kind.inside.concurrency
        """How many handlers run there at once."""
        self._incarnation = cell.incarnation
        self._numbers = itertools.count(1)
        self._under_way: dict[int, Envelope] = {}
        """The messages that the process has not handled, in the order in which they were sent."""
        self._aside: dict[int, Envelope] = {}
        """The messages that the actor has stashed."""
        self._owed: dict[int, Envelope] = {}
        """The messages that it has handled, and will answer later."""
        self._timed: dict[int, TimerHandle] = {}
        """The time limits of the messages that the actor has begun with."""

    # To the process

    def send(self, envelope: Envelope) -> bool:
        """Sends a message. Returns False if it cannot be pickled: then it has its end."""
        cell = self._cell
        message = unwrapped(envelope.message)
        try:
            body = self._place.codec.dumps(self.path, lambda: f"the message of type {type_name(message)}", message)
        except NotSendable as error:
            cell.made_no_progress()
            refuse(cell, envelope, "unsendable", error)
            return False
        number = next(self._numbers)
        self._under_way[number] = envelope
        sender = None
        if envelope.sender is not None and envelope.sender is not cell:
            sender = self._place.key_of(envelope.sender.ref)
        elif envelope.sender is cell:
            sender = (self.path, None, None)
        left = None if envelope.deadline is None else envelope.deadline - self._runtime.now()
        self._place.send("message", number, sender, body, left, envelope.reply is not None, envelope.correlation_id)
        if cell.props.handler_timeout is not None:
            self._time()
        return True

    def _time(self) -> None:
        """Sets the time limits of the messages that the actor begins with now."""
        timeout = self._cell.props.handler_timeout
        if timeout is None:
            return
        for number in itertools.islice(self._under_way, self._concurrency):
            if number not in self._timed:
                due = self._runtime.now() + timeout + self._place.delay
                self._timed[number] = self._runtime.clock.call_at(due, partial(self._overran, number))

    def _overran(self, number: int) -> None:
        envelope = self._under_way.get(number)
        if envelope is None or self._cell.incarnation != self._incarnation:
            return
        last, seconds = self._place.last_begun()
        timeout = self._cell.props.handler_timeout
        if self._concurrency > 1 or number >= last or timeout is None:
            self._cell.kill(Crashed(overran(self._cell, envelope)), envelope)
            return
        # It was handled, and the handler of a later one keeps the process from saying so: that one is timed.
        self.handled(*[each for each in self._under_way if each < last])
        if last in self._under_way:
            self._untime(last)
            due = self._runtime.now() + max(0.0, timeout + self._place.delay - seconds)
            self._timed[last] = self._runtime.clock.call_at(due, partial(self._overran, last))

    def _untime(self, number: int) -> None:
        timer = self._timed.pop(number, None)
        if timer is not None:
            timer.cancel()

    def _taken(self, number: int) -> Envelope | None:
        """The message is not under way any more."""
        self._untime(number)
        envelope = self._under_way.pop(number, None)
        if self._cell.props.handler_timeout is not None:
            self._time()
        return envelope

    # From the process

    def replied(self, number: int, is_result: bool, body: Any) -> None:
        """The actor has answered a message."""
        envelope = self._under_way.get(number) or self._aside.get(number) or self._owed.pop(number, None)
        if envelope is None or envelope.reply is None:
            return
        if is_result:
            try:
                value = self._place.codec.loads(self.path, "an answer", body)
            except NotReceivable as error:
                settle_failure(envelope.reply, error, self.path)
            else:
                outcomes.answer(self._cell, envelope, value)
        else:
            settle_failure(envelope.reply, self._place.error_of(body), self.path)

    def handled(self, *numbers: int) -> None:
        """The handlers of these messages have ended. What is not answered by now is answered later."""
        cell, ended = self._cell, []
        for number in numbers:
            active = self._taken(number)
            envelope = active or self._aside.pop(number, None)
            if envelope is None:
                continue
            self._owe(number, envelope)
            if active is not None:
                ended.append(active)
            elif cell.noted or self._runtime.observed:  # it was stashed, and has been handled since
                outcomes.note(cell, envelope, "done")
        if ended:
            if cell.noted or self._runtime.observed:
                for each in ended:
                    outcomes.note(cell, each, "done")
            cell.ended_elsewhere(ended)

    def _owe(self, number: int, envelope: Envelope) -> None:
        """The handler of the message has ended. Its answer, if there is none, comes later."""
        if envelope.reply is not None:
            if not envelope.reply.done():
                self._owed[number] = Envelope(envelope.message, envelope.sender, envelope.reply)
            envelope.reply = None

    def failed(self, number: int, fate: str, encoded: Any) -> None:
        """The handler has raised, and the actor lives on."""
        active = self._taken(number)
        envelope = active or self._aside.pop(number, None)
        if envelope is None:
            return
        cell = self._cell
        error = None if encoded is None else self._place.error_of(encoded)
        if fate == "resumed" and error is not None:
            outcomes.resume(cell, envelope, error)
        elif fate == "unheard":
            dead_letter(cell, envelope.message, "unheard", envelope, error)
        self._owe(number, envelope)  # a handler in a thread says that it has failed before it answers with its error
        if cell.noted or self._runtime.observed:
            outcomes.note(cell, envelope, "failed")
        if active is not None:
            self._let_go(envelope)

    def stashed(self, number: int) -> None:
        """The actor has put the message aside."""
        envelope = self._taken(number)
        if envelope is not None:
            self._aside[number] = envelope
            self._let_go(envelope)

    def letter(self, number: int, why: str, encoded: Any) -> None:
        """The message is a dead letter there."""
        envelope = self._under_way.get(number) or self._aside.get(number)
        if envelope is not None:
            error = None if encoded is None else self._place.error_of(encoded)
            dead_letter(self._cell, envelope.message, why, envelope, error)
            if why == "unhandled":
                self._cell.made_no_progress()
            if envelope.reply is not None and envelope.reply.done():
                envelope.reply = None  # it has its error, and what the handler returns is not an answer

    def crashed(self, number: int | None, error: BaseException) -> None:
        """The actor crashes over this message, or over none of the program."""
        active = None if number is None else self._taken(number)
        aside = None if number is None else self._aside.pop(number, None)
        self._cell.crash(Crashed(error), active or aside)
        if active is not None:
            self._let_go(active)

    def _let_go(self, envelope: Envelope) -> None:
        """A message that was under way has its end, and does not count as progress."""
        self._cell.made_no_progress()
        self._cell.ended_elsewhere([envelope])

    # At the end

    def everything(self) -> list[Envelope]:
        """The messages that the process has, in whatever state."""
        return [*self._under_way.values(), *self._aside.values(), *self._owed.values()]

    def settle(self, error: BaseException | None, last: int, *, certain: bool, reading: int = 0) -> None:
        """The process is gone: decides on the messages that were under way. With an error the incarnation crashes by
        it. `last` is the number of the last message that the actor has begun with; if it is not certain, the actor may
        have begun with as many messages as it handles at once. `reading` is the number of the message that was being
        read: it may have ended the process, and counts as begun.
        """
        cell = self._cell
        if not certain:
            left = [number for number in self._under_way if self._concurrency > 1 or number >= last]
            last = max([last, *left[: self._concurrency]])
        begun, waiting = self._split(last, reading)
        if any(each is cell.culprit for each in waiting):
            # It has overrun its time before the actor began with it: the cell decides on it.
            waiting = [each for each in waiting if each is not cell.culprit]
            begun.append(cell.culprit)  # type: ignore[arg-type]
        self._under_way.clear()
        for timer in self._timed.values():
            timer.cancel()
        self._timed.clear()
        again = self._after_order(begun) if error is None else self._after_crash(begun, error)
        for envelope in self._owed.values():
            assert envelope.reply is not None
            settle_failure(envelope.reply, self._why(envelope), self.path)
        self._owed.clear()
        for envelope in begun:
            if not any(each is envelope for each in again):
                self._let_go(envelope)
        for envelope in waiting:
            if type(envelope.message) in NOTICES:  # it is for this incarnation alone
                dead_letter(cell, envelope.message, "dropped", envelope)
                self._let_go(envelope)
            else:
                again.append(envelope)
        if again:
            cell.hand_back(again)

    def _after_crash(self, begun: list[Envelope], error: BaseException) -> list[Envelope]:
        """The incarnation crashes by this error. Returns the messages that the next one handles again; the cell decides
        on the first, and each counts as the cause.
        """
        cell, reason = self._cell, Lost(error) if issubclass(type(error), PlaceLost) else Crashed(error)
        cell.crash(reason, begun[0] if begun else None)
        return [envelope for envelope in begun[1:] if outcomes.dispose_of(cell, envelope, reason) is not None]

    def _after_order(self, begun: list[Envelope]) -> list[Envelope]:
        """The incarnation ends already, for another reason. Returns the messages that the next one handles again."""
        cell, again = self._cell, []
        for envelope in begun:
            if envelope is cell.culprit:
                continue  # the cell decides on it
            if outcomes.crashes_by_another(cell) and cell.supervised:
                if outcomes.comes_again(cell, envelope):
                    again.append(envelope)
            else:
                refuse(cell, envelope, "killed", self._why(envelope))
        return again

    def _why(self, envelope: Envelope) -> BaseException:
        """The error for an asker whose message the actor has begun with."""
        cell = self._cell
        if isinstance(cell.reason, Lost):
            return cell.reason.exception
        return ActorDeadError(cell.path, cell.reason, envelope.message, begun=True)

    def _split(self, last: int, reading: int) -> tuple[list[Envelope], list[Envelope]]:
        """The messages under way: those that the actor has begun with or reads, and those that wait there. Those before
        the one that a single handler has begun with were handled, and that was not said.
        """
        if self._concurrency == 1:
            for number in [number for number in self._under_way if number < last]:
                asked = self._under_way[number]
                if asked.reply is not None and not asked.reply.done():
                    settle_failure(
                        asked.reply, self._place.lost_error("has ended before it sent the answer"), self.path
                    )
                self.handled(number)
        begun: list[Envelope] = []
        waiting: list[Envelope] = []
        for number, envelope in self._under_way.items():
            (begun if number <= last or number == reading else waiting).append(envelope)
        return begun, waiting

    def under_way(self) -> list[Envelope]:
        """The messages that the process has not handled."""
        return list(self._under_way.values())

    def numbered(self) -> Mapping[int, Envelope]:
        """The same by number."""
        return self._under_way

    def give_back(self) -> list[Envelope]:
        """The messages that the actor has stashed, for the next incarnation."""
        aside, self._aside = list(self._aside.values()), {}
        return aside
