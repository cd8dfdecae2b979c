"""A place: one incarnation that lives elsewhere, seen from the program that started it.

It has the messages that are under way until they were handled there, so that none is lost with it. A carrier starts the
runtime over there and moves the frames. The next incarnation begins when the carrier says that this one is over, and
not before. Everything here is called on the loop thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from actors._core.children import PARENT_ENDED
from actors._core.clock import TimerHandle
from actors._core.envelope import Envelope
from actors._core.hooks import NOTHING
from actors._core.life import BEING_KILLED, ON_ITS_WAY_OUT, STARTS
from actors._core.messages import Continue
from actors._core.outcomes import overran
from actors._core.placed import PlacedActor, PlacedStart, PlacedType
from actors._place.carrier import VERSION, Carrier
from actors._place.codec import Codec, RefKey, key_for
from actors._place.inward import HEARD_OF_INNER, Inward
from actors._place.outward import Outward
from actors._place.silence import SilenceWatch
from actors._place.traffic import Traffic
from actors.errors import IgnoreStart, NotReceivable, NotSendable, PlaceLost, RemoteError, VersionMismatch
from actors.events import HookFailed, LifecycleEvent, Quarantined
from actors.reasons import Crashed, ExitReason, Killed

if TYPE_CHECKING:
    from actors._core.cell import Cell
    from actors._core.ref import ActorRef
    from actors._place.host import PlaceHost

GRACES = 60
"""For how many times the grace of a kill a process may go on sending what its actor has told others, after its end."""


class ActorPlace:
    """One incarnation that lives elsewhere."""

    def __init__(self, host: PlaceHost, cell: Cell, kind: PlacedType) -> None:
        self._host = host
        self._cell = cell
        self._kind = kind
        self._runtime = cell.runtime
        self.path = cell.path
        self.incarnation = cell.incarnation
        self.codec = Codec(self.key_of, self._ref_of)
        self.started: asyncio.Future[None] = self._runtime.loop.create_future()
        """Settled when the actor is up, or with the exception that failed its start."""
        self.over: asyncio.Future[None] = self._runtime.loop.create_future()
        """Settled when what ran there is gone, and its messages have their fate."""
        self.traffic = Traffic(self, cell, kind)
        self.inward = Inward(self, cell, kind)
        self._outward = Outward(self, cell, self.inward)
        self._carrier: Carrier = host.carriers.carrier(self, cell, kind)
        self._begun = self._closed = self._spoken = self._up = False
        self._unsent: list[tuple[object, ...]] = []
        """The frames for the actor that come before it was asked for: an actor that its arguments name has ended."""
        self._early: list[tuple[Any, ...]] | None = None
        """A crash, and what was said after it, while the cell does not know yet that the actor has come up."""
        self._later: list[Callable[[], object]] = []
        """What waits until the cell knows that the actor has come up."""
        self._ending = False
        """Whether the actor there ends, by a crash or its own wish, or was told to."""
        self._killed = False
        self._gone: tuple[ExitReason | None, object] | None = None
        """The last report from there: the reason of the exit, and the values that were carried over."""
        self._error: BaseException | None = None
        """How it ended, if it was not told to."""
        self._grace: TimerHandle | None = None
        """The time in which it must end, once it has said that it does."""
        self._speaks = False
        """Whether what its actor has told others came in that time."""
        self._continuing: TimerHandle | None = None
        """The time limit of `on_continue`."""
        limit = kind.spec.silent_after
        self._silence = None if limit is None else SilenceWatch(self, cell, limit)

    # The start

    @property
    def name(self) -> str:
        """Its description, such as `process 4711`."""
        return self._carrier.name

    @property
    def waits_for(self) -> str:
        """What the start waits for, in words; empty: the runtime over there is up, and its actor is starting."""
        return "" if self._spoken else self.name

    def begin(self, start: PlacedStart) -> None:
        """Asks for the runtime over there. Raises `NotSendable` when what it begins with cannot be pickled, and
        OSError.
        """
        try:
            first = self._first_frame(start)
            self._begun = True
            self._carrier.begin(*first)
            for frame in self._unsent:
                self._carrier.send(*frame)
        except BaseException:
            self._begun = False
            self._outward.close()  # that the arguments name other actors is forgotten, too
            raise

    def _first_frame(self, start: PlacedStart) -> tuple[object, ...]:
        """The values with which the runtime over there begins."""
        cell, kind, runtime = self._cell, self._kind, self._runtime
        body = self.codec.dumps(
            self.path,
            lambda: f"the class {kind.actor_class.__qualname__} or its args",
            (kind.actor_class, start.args, dict(start.kwargs)),
        )
        carried = None
        if start.carried is not NOTHING:
            carried = self.codec.dumps(self.path, lambda: "the value of carry_over", start.carried)
        settings = {
            "above": cell.above,
            "incarnation": self.incarnation,
            "supervised": cell.supervised,
            "runtime": runtime.name,
            "default_timeout": runtime.default_timeout,
            "kill_grace": runtime.kill_grace,
            "levels": self._host.log_levels(),
            "numbers": self.inward.numbers(),
        }
        return "start", VERSION, settings, body, carried

    # Its end

    def stop(self, reason: ExitReason) -> None:
        """Tells the actor there to end, for this reason, unless it ends already."""
        if not self._ending and not self.over.done():
            self._ending = True
            self.send("stop", *self.codec.encode_reason(self.path, reason))

    def outcome(self, reason: ExitReason) -> None:
        """Called when it is over, with the reason of the exit: keeps the carried value. Raises the exception of a hook
        of the end, and `PlaceLost` if it ended without a word.
        """
        if self._gone is None:
            if not isinstance(reason, Crashed):
                raise self._error or self.lost_error("ended while the actor stopped")
            return
        said, carried = self._gone
        if carried is not NOTHING:
            self._cell.carry(carried)
        if isinstance(said, Crashed) and not isinstance(reason, Crashed):
            raise said.exception

    def kill(self) -> bool:
        """Ends it at once. Returns whether it is over: otherwise `over` is settled when it is."""
        if self._begun and not self.over.done():
            self._killed = True
            self.go_on()
            self._carrier.kill()
            return self.over.done()
        return True

    def last_begun(self) -> tuple[int, float]:
        """The number of the last message that the actor has begun with, and the seconds since then."""
        return self._carrier.last_begun()

    def catch_up(self) -> None:
        """Hears what was sent from there until now."""
        if not self._closed:
            self._carrier.catch_up()

    @property
    def delay(self) -> float:
        """How many seconds old that number may be."""
        return self._carrier.delay

    def lost_error(self, how: str) -> PlaceLost:
        """The error for an end of which no more is known."""
        return self._carrier.loss(how)

    def ended(self, error: BaseException | None) -> None:
        """The runtime over there is gone, by this error if it was not told to end."""
        if self.over.done():
            return
        cell = self._cell
        if self._early is not None or self._comes_up:
            self._later.append(partial(self.ended, error))
            return
        self._error = error
        if cell.incarnation == self.incarnation:
            crash = None if self._killed or self._gone is not None or not self.started.done() else error
            waiting, handled = self._carrier.noted_inside()
            if crash is not None and handled and isinstance(cell.actor, PlacedActor):
                cell.actor.note_progress()
            reason = cell.reason if cell.phase in ON_ITS_WAY_OUT else Killed(PARENT_ENDED)
            try:
                self.inward.end(crash, reason, 0 if self._gone is not None else waiting)
                last, reading = self.last_begun()[0], self._carrier.being_read()
                self.traffic.settle(crash, last, certain=self._carrier.knows_begun, reading=reading)
            except BaseException as failure:  # noqa: BLE001 - see LoopHost._drain
                self._runtime.turn_failed(cell, failure)
        self._close()
        self.over.set_result(None)
        if not self.started.done():
            if self._gone is not None and cell.told_to_stop is not None:
                error = IgnoreStart()  # it was told to stop before it was up, and has done so
            self.started.set_exception(error if error is not None else asyncio.CancelledError())
            self.started.exception()  # nothing may wait for it any more

    def _close(self) -> None:
        """Gives up what it has of the runtime over there."""
        if self._closed or not self._begun:
            return
        self._closed = True
        self._outward.close()
        self._carrier.close()
        if self._grace is not None:
            self._grace.cancel()
        self._continued()
        if self._silence is not None:
            self._silence.close()

    def drop(self) -> list[Envelope]:
        """The runtime is lost: gives the place up. Returns the messages under way."""
        self._close()
        return [*self.traffic.everything(), *self.inward.everything()]

    def forked_away(self) -> None:
        """This process is a fork of the program: it must not keep the place alive."""
        if self._begun and not self._closed:
            self._carrier.forked_away()

    # What is said there

    def received(self, frame: tuple[Any, ...]) -> None:
        """Hears a frame of the peer, unless the place has ended. A crash of an actor that has just come up waits, with
        what follows it, until the cell knows that the actor was up.
        """
        if self._cell.incarnation != self.incarnation or self.over.done():
            return  # nothing is heard of what has ended
        if self._grace is not None and frame[0] in _TOLD:  # not a log record: a thread left behind may write for ever
            self._speaks = True
        if self._early is not None:
            self._early.append(frame)
            return
        try:
            of_inner = HEARD_OF_INNER.get(frame[0])
            if of_inner is None:
                _HEARD[frame[0]](self, *frame[1:])
            else:
                of_inner(self.inward, *frame[1:])
        except BaseException as error:  # noqa: BLE001 - see LoopHost._drain
            self._runtime.turn_failed(self._cell, error)

    def looked_up(self, question: tuple[Any, ...]) -> None:
        """A thread over there asks, and waits for the answer."""
        self._outward.looked_up(question)

    def send(self, *frame: object) -> None:
        """Sends a frame, if the runtime over there has not ended."""
        if not self._begun:
            self._unsent.append(frame)
        elif not self._closed:
            self._carrier.send(*frame)

    def answer_lookup(self, *frame: object) -> None:
        """Answers a question for which a thread over there waits."""
        self._carrier.answer(*frame)

    def error_of(self, encoded: Any) -> BaseException:
        """The exception that was sent."""
        return self.codec.decode_error(self.path, encoded, self.name)

    def _hello(self, version: str) -> None:
        self._spoken = True
        if version != VERSION and not self.started.done():
            self._failed_start(VersionMismatch(self.path, VERSION, version))
            self._carrier.kill()

    def _failed_start(self, error: BaseException) -> None:
        self._gone = (None, NOTHING)
        if not self.started.done():
            self.started.set_exception(error)
        self._expect_end(GRACES)

    def _has_started(self, trap_exits: bool) -> None:
        if not self.started.done():
            if self._cell.actor is not None:
                self._cell.actor.trap_exits = trap_exits
            timeout = self._cell.props.handler_timeout
            if timeout is not None and self._kind.inside.continues:
                due = self._runtime.now() + timeout
                self._continuing = self._runtime.clock.call_at(due, self._continues_too_long)
            self._up = True
            self.inward.complete()
            self.started.set_result(None)

    @property
    def _comes_up(self) -> bool:
        """Whether it is up, and the cell gets to know that when its hook of the start returns. A crash meanwhile is one
        after the start, and not a start that fails.
        """
        cell = self._cell
        known = self._killed or cell.incarnation != self.incarnation or cell.phase not in STARTS
        return self._up and not known and not self.over.done()

    def go_on(self) -> None:
        """The cell knows that the actor was up, or will not be: what had to wait for that happens."""
        later, self._later = self._later, []
        for then in later:
            then()

    def _hear_early(self) -> None:
        """Hears a crash, and what was said after it, once the cell knows that the actor was up."""
        if self._comes_up:
            self._later.append(self._hear_early)
            return
        early, self._early = self._early, None
        for frame in early or ():
            self.received(frame)

    def is_busy(self) -> None:
        """A message is under way."""
        if self._silence is not None:
            self._silence.is_busy()

    def _answered(self) -> None:
        if self._silence is not None:
            self._silence.answered()

    def _continues_too_long(self) -> None:
        self._cell.kill(Crashed(overran(self._cell, Envelope(Continue()))))

    def _continued(self) -> None:
        """`on_continue` has returned or raised, or will not any more."""
        if self._continuing is not None:
            self._continuing.cancel()
            self._continuing = None

    def _declined(self) -> None:
        self._failed_start(IgnoreStart())

    def _start_failed(self, encoded: Any) -> None:
        self._failed_start(self.error_of(encoded))

    def _crashed(self, number: int | None, encoded: Any) -> None:
        if self._comes_up:
            self._early = [("crashed", number, encoded)]
            self._later.append(self._hear_early)
            return
        self._ending = True
        self._continued()
        self.traffic.crashed(number, self.error_of(encoded))

    def _leaving(self, what: str, body: Any) -> None:
        self._ending = True
        self._continued()
        self._cell.exit(self.reason_of(what, body))

    def reason_of(self, what: str, body: Any) -> ExitReason:
        """The reason of an exit that was sent."""
        return self.codec.decode_reason(self.path, what, body, self.name)

    def _has_gone(self, what: str, body: Any, carried: bytes | None, progress: bool) -> None:
        self._ending = True
        if progress and isinstance(self._cell.actor, PlacedActor):
            self._cell.actor.note_progress()
        reason, value = self.reason_of(what, body), NOTHING
        if carried is not None:
            try:
                value = self.codec.loads(self.path, "the value of carry_over", carried)
            except NotReceivable as error:
                cell, now = self._cell, self._runtime.now()
                self._runtime.events.publish(HookFailed(cell.path, now, cell.incarnation, "carry_over", error))
        self._gone = (reason, value)
        self._expect_end(GRACES)
        if isinstance(reason, Killed) and self._cell.phase not in BEING_KILLED:
            self._cell.kill(reason)

    def _expect_end(self, left: int) -> None:
        """It ends by itself now. If it does not, it is killed."""
        self._speaks = False
        due = self._runtime.now() + self._runtime.kill_grace
        self._grace = self._runtime.clock.call_at(due, partial(self._ends_late, left - 1))

    def _ends_late(self, left: int) -> None:
        """It is still there, and has more time if what its actor has told others is coming: that may have waited for
        room, and comes last. A thread of the user's may go on telling for ever, so there is an end to that, too.
        """
        if self._speaks and left:
            self._expect_end(left)
        else:
            self._carrier.kill()

    def _event(self, body: bytes) -> None:
        try:
            event = self.codec.loads(self.path, "an event", body)
        except NotReceivable as error:
            self._runtime.uncaught(self.path, "an event of its process", error)
            return
        if isinstance(event, LifecycleEvent):
            now = self._runtime.now()  # the clock of the program counts
            if hasattr(event, "until"):
                event.until += now - event.at
            event.at = now  # type: ignore[misc]
            if isinstance(event, Quarantined):
                self._quarantine(event)
            self._runtime.events.publish(event)

    def _quarantine(self, event: Quarantined) -> None:
        """A message of an inner actor is put aside: here, where it survives the process."""
        error = event.error if event.error is not None else RemoteError(event.path, "Exception", "")
        self._runtime.quarantine.add(event.path, event.message, event.crashes, error, None)

    def _log(self, fields: dict[str, Any]) -> None:
        self._host.write_log(fields)

    def _healthy(self) -> None:
        self._cell.possess().say_healthy()

    def _view(self, body: bytes) -> None:
        self._cell.publish_view(self.codec.loads(self.path, "a view", body))

    # Refs

    def key_of(self, ref: ActorRef[Any]) -> RefKey:
        cell = ref._cell
        if cell.runtime is not self._runtime:
            raise NotSendable(self.path, f"the ref of {cell.path}", "it belongs to another runtime")
        if cell is not self._cell and not self.inward.has(cell):
            self._outward.meet(cell)
        return key_for(ref)

    def _ref_of(self, key: RefKey) -> ActorRef[Any]:
        cell = self._runtime.cells.get(key[0]) or self._outward.met(key[0])
        if cell is None:
            raise LookupError(f"the actor {key[0]} has terminated")
        return cell.ref


_TOLD = ("tell", "ask")
"""The frames with what an actor has told others."""
_HEARD: dict[str, Callable[..., None]] = {
    "hello": ActorPlace._hello,
    "started": ActorPlace._has_started,
    "pong": ActorPlace._answered,
    "continued": ActorPlace._continued,
    "declined": ActorPlace._declined,
    "start_failed": ActorPlace._start_failed,
    "reply": lambda place, *frame: place.traffic.replied(*frame),
    "handled": lambda place, *frame: place.traffic.handled(*frame),
    "failed": lambda place, *frame: place.traffic.failed(*frame),
    "stashed": lambda place, *frame: place.traffic.stashed(*frame),
    "letter": lambda place, *frame: place.traffic.letter(*frame),
    "crashed": ActorPlace._crashed,
    "leaving": ActorPlace._leaving,
    "gone": ActorPlace._has_gone,
    "event": ActorPlace._event,
    "log": ActorPlace._log,
    "healthy": ActorPlace._healthy,
    "view": ActorPlace._view,
    "tell": lambda place, *frame: place._outward.told(*frame),
    "ask": lambda place, *frame: place._outward.asked(*frame),
    "order": lambda place, *frame: place._outward.ordered(*frame),
}
"""The method for each frame of the process."""
