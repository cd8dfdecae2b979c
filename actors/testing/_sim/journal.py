"""The journal of one run: every observation, and which messages and questions are still open."""

from __future__ import annotations

from asyncio import TimerHandle
from collections.abc import Callable
from typing import TYPE_CHECKING

from pykka.messages import _ActorStop

from actors._core.envelope import Envelope, ReplyTo
from actors._core.messages import Timed
from actors._core.waits import Link, Wanted, concern
from actors.testing._sim.loop import SimLoop
from actors.testing._sim.observations import (
    ApiAnswer,
    ApiRequest,
    DeadLettered,
    Handled,
    Observation,
    Replied,
    Sent,
    Taken,
)
from actors.testing.errors import HandledTwice, OutOfOrder, RepliedTwice

if TYPE_CHECKING:
    from actors._core.cell import Cell


_record: Callable[[type[Observation], tuple[object, ...]], Observation] = tuple.__new__
"""Makes an observation without the detour through its constructor: there are four for every message."""


class SimEnvelope(Envelope):
    """A message with a number of its own."""

    __slots__ = ("loose", "number")

    number: int
    loose: bool
    """Its order is not promised any more: stashed, redelivered, delayed by a fault, or in a queue with priorities."""

    def again(self) -> Envelope:
        copy = super().again()
        assert isinstance(copy, SimEnvelope)
        copy.number, copy.aside, copy.loose = self.number, False, True
        return copy


class SimReply:
    """Where an answer goes, watched."""

    __slots__ = ("_deadline", "_incarnation", "_journal", "_swallowed", "asker", "cell", "inner", "muted", "number")

    def __init__(
        self, journal: Journal, cell: Cell, number: int, inner: ReplyTo, asker: Cell | None, deadline: float | None
    ) -> None:
        self._journal = journal
        self._deadline = deadline
        self._incarnation = 0 if asker is None else asker.incarnation
        self.asker = asker
        """The actor that asks; `None`: code outside of any actor."""
        self.cell = cell
        """The actor that was asked."""
        self.number = number
        self.inner = inner
        self.muted = False
        """The answer does not get through, by a fault."""
        self._swallowed = False

    def done(self) -> bool:
        return self._swallowed or self.inner.done()

    def is_awaited(self, now: float) -> bool:
        """Whether an actor may still wait for the answer. One whose incarnation is over, or whose deadline has passed,
        does not.
        """
        asker = self.asker
        if asker is None or asker.envelope is None or asker.incarnation != self._incarnation or self.done():
            return False
        return self._deadline is None or self._deadline > now

    def set_result(self, result: object, /) -> None:
        if self.muted:
            self._swallowed = True
        else:
            self.inner.set_result(result)
        self._journal.replied(self, result, None)

    def set_exception(self, exception: BaseException, /) -> None:
        if self.muted:
            self._swallowed = True
        else:
            self.inner.set_exception(exception)
        self._journal.replied(self, None, exception)

    def concerns(self, link: Link, wanted: Wanted = Wanted.ANSWER) -> None:
        concern(self.inner, link, wanted)


class Journal:
    """Records every observation. Cells, queues and replies call it; oracles read it."""

    def __init__(self, loop: SimLoop) -> None:
        self.loop = loop
        self.observations: list[Observation] = []
        self.open: dict[int, SimEnvelope] = {}
        """Messages that are neither handled nor refused, each in the one envelope that may still be handled."""
        self.asks: dict[int, SimReply] = {}
        """Questions that were not answered by their receiver."""
        self.delayed: dict[int, TimerHandle] = {}
        """Messages that a fault holds back, each with the timer that delivers it."""
        self.messages = 0
        self._last: dict[tuple[str | None, str], int] = {}

    def note(self, kind: Callable[..., Observation], *values: object) -> None:
        """Writes down an observation of this kind."""
        loop = self.loop
        self.observations.append(kind(loop._now, loop.steps, *values))

    def fail(self, failure: BaseException) -> None:
        """Ends the run with this failure after the present step, unless there is one already."""
        if self.loop.failure is None:
            self.loop.failure = failure

    # Messages

    def arrived(self, cell: Cell, envelope: Envelope) -> SimEnvelope:
        """A message comes into a mailbox: it gets its number."""
        self.messages = number = self.messages + 1
        reply, sender = envelope.reply, envelope.sender
        watched = None if reply is None else SimReply(self, cell, number, reply, sender, envelope.deadline)
        sim = SimEnvelope(envelope.message, sender, watched, envelope.deadline, envelope.correlation_id)
        sim.number = number
        sim.aside = sim.loose = False
        if getattr(envelope, "quiet", False):
            sim.quiet = True
        self.open[number] = sim
        if watched is not None:
            self.asks[number] = watched
        loop = self.loop
        who = None if sender is None else sender.path
        kind = type(envelope.message).__qualname__
        self.observations.append(
            _record(Sent, (loop._now, loop.steps, cell.path, number, who, kind, reply is not None))
        )
        return sim

    def taken(self, cell: Cell, envelope: SimEnvelope) -> None:
        """A handler begins with it."""
        loop, number, sender = self.loop, envelope.number, envelope.sender
        self.observations.append(_record(Taken, (loop._now, loop.steps, cell.path, number, cell.incarnation)))
        if cell.props.kind.manages_lifecycle and not isinstance(envelope.message, Timed | _ActorStop):
            self.note(ApiRequest, cell.path, number, envelope.message)
        if self.open.get(number) is not envelope:
            kind = type(envelope.message).__qualname__
            self.fail(
                HandledTwice(
                    loop._now, f"{cell.path} handles message {number} ({kind}), which was handled or refused before"
                )
            )
        if envelope.loose:
            return
        way = (None if sender is None else sender.path, cell.path)
        before = self._last.get(way, 0)
        if number < before:
            who = way[0] or "outside"
            self.fail(
                OutOfOrder(
                    loop._now,
                    f"{cell.path} handles message {number} of {who} after its later message {before}",
                )
            )
        self._last[way] = number

    def handled(self, cell: Cell, envelope: SimEnvelope, outcome: str) -> None:
        """A handler is done with it."""
        loop, number = self.loop, envelope.number
        self.observations.append(
            _record(Handled, (loop._now, loop.steps, cell.path, number, "stashed" if envelope.aside else outcome))
        )
        if not envelope.aside:
            self.open.pop(number, None)

    def deliver_delayed(self) -> None:
        """Delivers the messages that a fault holds back."""
        for timer in list(self.delayed.values()):
            timer._run()
            timer.cancel()

    def refused(self, path: str, message: object, why: str, envelope: Envelope | None) -> None:
        """A message is not handled."""
        number = envelope.number if isinstance(envelope, SimEnvelope) and why != "late_reply" else None
        self.note(DeadLettered, path, number, type(message).__qualname__, why)
        if number is not None:
            self.open.pop(number, None)

    def back(self, envelope: SimEnvelope) -> None:
        """It goes back to the front of the queue, and is open again."""
        envelope.loose = True
        self.open[envelope.number] = envelope

    def replied(self, reply: SimReply, value: object, error: BaseException | None) -> None:
        """A question was answered."""
        loop, number, cell = self.loop, reply.number, reply.cell
        if self.asks.pop(number, None) is None:
            self.fail(RepliedTwice(loop._now, f"{cell.path} answers question {number} a second time"))
        self.observations.append(_record(Replied, (loop._now, loop.steps, cell.path, number, error is not None)))
        if cell.props.kind.manages_lifecycle:
            self.note(ApiAnswer, cell.path, number, value, error)
