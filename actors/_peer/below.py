"""The inner actors of a process: those below its placed actor, told to the program, which shows them.

Each step of their lives is a frame. A message from the program comes with a number, and the program is told its fate:
it was handled, answered, refused, or it waits again.
"""

from __future__ import annotations

import itertools
import logging
import threading
from collections import deque
from collections.abc import Callable, Container, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from pykka.messages import _ActorStop

from actors._core.cell import Cell
from actors._core.envelope import Envelope, ReplyTo
from actors._core.introspection import queued_for
from actors._core.mailbox import NO_MESSAGES, BoundedQueue, PriorityQueue, Queue, waiting_in
from actors._core.messages import NOTICES
from actors._core.observer import Moment
from actors._core.outcomes import STOP_FOR_GOOD, kind_name
from actors._peer.inside import BelowCell, link_reply
from actors._place.carrier import PeerConnection
from actors._place.codec import Codec, RefKey, importable
from actors._place.outward import admit
from actors._user_code.text import type_name
from actors.errors import ActorDeadError, MailboxFull, NotReceivable, NotSendable
from actors.events import DeadLetter, LifecycleEvent, Quarantined, Redelivered
from actors.reasons import Crashed, ExitReason

if TYPE_CHECKING:
    from actors._peer.inside import PeerRuntime

EVERY = 0.1
"""Seconds after which changed counters of inner actors are told."""


class TellingPeer(Protocol):
    """The peer, as it tells of its inner actors."""

    path: str
    codec: Codec
    runtime: PeerRuntime

    def send(self, *frame: object) -> None:
        """Sends a frame. From any thread."""

    def inner_begins(self) -> None:
        """A handler of an inner actor begins, and may end the process: what was said until now is sent."""

    def is_handled(self, frame: str, number: int) -> None:
        """A message was handled, which this frame says: after what its handler has told others. From any thread."""

    def cell_for(self, key: RefKey) -> Cell:
        """The cell of an actor."""

    def hear_ends(self) -> None:
        """What the frame names is here: those of it that have terminated are known as such before a handler sees it."""

    def reason_of(self, what: str, body: Any) -> ExitReason:
        """The reason of an exit that the program has sent."""


class RelayedEnvelope(Envelope):
    """A message from the program to an inner actor, which the program knows by this number."""

    __slots__ = ("number",)

    number: int

    def _copied(self) -> Envelope:
        return self.copied(super()._copied())

    def copied(self, copy: Envelope) -> Envelope:
        """A copy with the same number."""
        found = RelayedEnvelope(copy.message, copy.sender, copy.reply, copy.deadline, copy.correlation_id)
        found.number = self.number
        if hasattr(copy, "crashes"):
            found.crashes = copy.crashes
        return found


class Below:
    """The inner actors. What is not said otherwise is called on the loop thread."""

    def __init__(self, peer: TellingPeer, connection: PeerConnection) -> None:
        self._peer = peer
        self._prefix = f"{peer.path}/"
        self._lock = threading.Lock()
        self._notes = connection.inner_notes()
        self._coming, self._taking = itertools.count(1), itertools.count(1)
        self._over = False
        """Whether the placed actor has ended."""
        self._last = 0
        """The number of the last message from the program that was seen."""
        self._numbers: Mapping[str, int] = {}
        self._changed: dict[Cell, None] = {}
        """The inner actors whose counters have changed since they were told."""
        self._culprits: dict[int, tuple[int, object]] = {}
        """By the identity of its message, the number of a message that has crashed its actor."""

    def begin(self, numbers: Mapping[str, int]) -> None:
        """The program has said with which incarnations the last process has ended, by path."""
        self._numbers = numbers

    def is_below(self, path: str) -> bool:
        """Whether this is the path of an inner actor. From any thread."""
        return path.startswith(self._prefix)

    def numbers_below(self, path: str, but: Container[str]) -> dict[str, int]:
        """The last incarnations of the children of this actor in the last process."""
        found = {}
        for each, number in self._numbers.items():
            above, _, id = each.rpartition("/")
            if above == path and id in but:
                found[id] = number
        return found

    # Their lives

    def made(self, cell: Cell) -> None:
        """A cell was made. From any thread."""
        if not isinstance(cell, BelowCell) or not cell.is_shown:
            return
        props, kind, codec = cell.props, cell.props.kind, self._peer.codec
        mailbox = props.mailbox
        try:
            what = (props.args if kind.manages_lifecycle else (), mailbox)
            body = codec.dumps(cell.path, lambda: "the spec of an inner actor", what)
        except NotSendable:
            body = codec.dumps(cell.path, lambda: "nothing", ((), None))
        classes = importable(kind.actor_class), importable(kind.ref_type)
        about = {
            "concurrency": kind.concurrency,
            "name": props.name,
            "placed": cell.placed,
            "shutdown": props.shutdown,
            "supervised": cell.supervised,
            "takes_messages": mailbox is not NO_MESSAGES,
        }
        self._peer.send("inner_made", cell.path, classes, about, body)

    def lived(self, cell: Cell, moment: Moment, reason: ExitReason | None) -> None:
        """An actor has come to this moment of its life."""
        if not isinstance(cell, BelowCell) or not cell.is_shown:
            return
        match moment:
            case Moment.BEGINS:
                self._say(cell, "begins", cell.incarnation + 1)
            case Moment.UP:
                self._say(cell, "up", bool(not cell.kind.foreign and getattr(cell.actor, "trap_exits", False)))
            case Moment.DECLINED:
                self._say(cell, "declined")
            case Moment.START_FAILED | Moment.EXITED:
                assert reason is not None
                self._tell_counters([cell])
                self._say(cell, "ended", self._peer.codec.encode_reason(cell.path, reason))
            case Moment.CLOSED:
                assert reason is not None
                self._tell_counters([cell])
                self._say(cell, "closed", self._peer.codec.encode_reason(cell.path, reason))

    def ends(self, cell: Cell) -> None:
        """The first hook of the end is about to run. On the host of the actor."""
        if isinstance(cell, BelowCell) and cell.is_shown:
            self._say(cell, "ends")

    def settled(self, cell: Cell) -> None:
        """Another incarnation may follow."""
        self._say(cell, "settled")

    def suspended(self, cell: Cell) -> None:
        """The actor is suspended, or takes messages again."""
        self._say(cell, "suspended", cell.suspended)

    def _say(self, cell: Cell, moment: str, value: object = None) -> None:
        if self._over:
            return  # the cells end with the process, and those of the program may wait for the next one
        self._peer.send("inner_lived", cell.path, moment, value)

    def publish_view(self, cell: Cell, view: object) -> None:
        """Shows a view in the program. One that cannot be sent is not shown there. On the host of the actor."""
        try:
            body: bytes | None = self._peer.codec.dumps(cell.path, lambda: f"the view of {type_name(view)}", view)
        except NotSendable as error:
            logging.getLogger(__name__).warning("%s: a view is not shown in the program: %s", cell.path, error)
            body = None
        self._peer.send("inner_view", cell.path, body)

    # Counters

    def queue(self, cell: Cell, priority: Callable[[Any], float] | None) -> Queue:
        """The queue of a mailbox, which counts what waits in it."""
        if not isinstance(cell, BelowCell):
            return deque()  # its mailbox is in the program, and so is the priority
        came, taken = partial(self._came, cell), partial(self._taken, cell)
        return CountedQueue(came, taken) if priority is None else CountedPriorityQueue(priority, cell.path, came, taken)

    def _came(self, cell: Cell) -> None:
        """One more message waits. From any thread."""
        self._notes[0] = next(self._coming)
        if cell not in self._changed:
            self._change(cell)

    def _taken(self, cell: Cell) -> None:
        """One message less waits. From any thread."""
        self._notes[1] = next(self._taking)
        if cell not in self._changed:
            self._change(cell)

    def _change(self, cell: Cell) -> None:
        """The counters of an inner actor have changed. From any thread."""
        with self._lock:
            first = not self._changed
            self._changed[cell] = None
        if first:
            self._peer.runtime.on_loop(self._arm)

    def _arm(self) -> None:
        runtime = self._peer.runtime
        runtime.clock.call_at(runtime.now() + EVERY, self._tell_changed)

    def _tell_changed(self) -> None:
        with self._lock:
            changed, self._changed = self._changed, {}
        self._tell_counters([cell for cell in changed if not cell.closed])

    def _tell_counters(self, cells: list[Cell]) -> None:
        counters = [
            (cell.path, cell.handled, cell.crashes, cell.resumed, cell.seconds, queued_for(cell))
            for cell in cells
            if self.is_below(cell.path)
        ]
        if counters:
            self._peer.send("inner_counted", *counters)

    # Messages from the program

    def message(
        self,
        number: int,
        path: str,
        sender: RefKey | None,
        body: bytes,
        left: float | None,
        wants: bool,
        correlation_id: str | None,
    ) -> None:
        """The program sends a message to an inner actor."""
        if self._over:
            return  # the program knows that it was not seen
        peer, self._last = self._peer, number or self._last
        try:
            message = peer.codec.loads(path, "a message", body)
        except NotReceivable as error:
            peer.send("inner_refused", number, "unsendable", peer.codec.encode_error(path, error))
            return
        cell = peer.runtime.cells.get(path)
        if not isinstance(cell, BelowCell) or cell.closed:
            peer.send("inner_refused", number, "closed", None)
            return
        if type(message) in NOTICES:
            peer.hear_ends()
            cell.put_urgent(message)
            return
        envelope = RelayedEnvelope(
            message,
            None if sender is None else peer.cell_for(sender),
            link_reply(number, partial(self._reply, path)) if wants else None,
            None if left is None else peer.runtime.now() + left,
            correlation_id,
        )
        envelope.number = number
        peer.hear_ends()
        refused = partial(self._refuse, envelope, path)
        queue = cell.queue
        if isinstance(queue, BoundedQueue) and queue.blocks and not queue.has_room():
            peer.runtime.look_after(admit(cell, queue, envelope), refused)
            return
        try:
            cell.put(envelope)
        except Exception as error:  # noqa: BLE001 - a full mailbox, or a priority function of the user's
            refused(error)

    def _refuse(self, envelope: RelayedEnvelope, path: str, error: BaseException) -> None:
        why = "overflow" if isinstance(error, MailboxFull) else "refused"
        self._peer.send("inner_refused", envelope.number, why, self._peer.codec.encode_error(path, error))

    def _reply(self, path: str, number: int, is_result: bool, value: Any) -> None:
        """Sends the answer of an inner actor to a message. From any thread."""
        codec = self._peer.codec
        if is_result:
            try:
                body: Any = codec.dumps(path, lambda: f"the answer of type {type_name(value)}", value)
            except NotSendable as error:
                is_result, body = False, codec.encode_error(path, error)
        else:
            body = codec.encode_error(path, value)
        self._peer.send("inner_reply", number, is_result, body)

    def order(self, path: str, order: str, argument: Any) -> None:
        """The program gives an order to an inner actor."""
        cell = self._peer.runtime.cells.get(path)
        if not isinstance(cell, BelowCell) or cell.closed:
            return
        match order:
            case "stop":
                cell.put_stop(Envelope(_ActorStop()))
            case "stop_for_good":
                cell.put_stop(Envelope(STOP_FOR_GOOD))
            case "stop_now":
                cell.stop(self._peer.reason_of(*argument), cell.props.shutdown)
            case "kill":
                cell.kill(self._peer.reason_of(*argument))
            case "crash":
                reason = self._peer.reason_of(*argument)
                if isinstance(reason, Crashed):
                    cell.crash(reason)
            case "suspend" | "resume":
                cell.suspend(order == "suspend")
            case "trace":
                cell.keep_trace(argument)

    # The fates of messages

    def begins(self, cell: Cell) -> None:
        """A handler begins, and may end the process: what was said until now is sent. On the host of the actor."""
        if isinstance(cell, BelowCell):
            self._peer.inner_begins()

    def handled(self, cell: Cell, envelope: Envelope, outcome: str) -> None:
        """A handler has ended. On the host of the actor."""
        if not isinstance(cell, BelowCell):
            return
        if outcome == "done":
            self._notes[2] = 1
        if cell not in self._changed:
            self._change(cell)
        if cell.trace is not None and cell.is_shown:
            seconds = cell.runtime.now() - envelope.began
            self._peer.send("inner_traced", cell.path, kind_name(envelope.message), seconds, outcome, cell.incarnation)
        if not isinstance(envelope, RelayedEnvelope):
            return
        if getattr(envelope, "aside", False):
            self._peer.send("inner_aside", envelope.number)
        elif outcome == "done":
            self._peer.is_handled("inner_handled", envelope.number)
        else:  # whether the actor crashes by it is decided after this, on the loop thread
            cell.runtime.control_call(cell.runtime.control_call, self._judge, cell, envelope)

    def _judge(self, cell: Cell, envelope: RelayedEnvelope) -> None:
        if cell.culprit is envelope:
            self._culprits[id(envelope.message)] = envelope.number, envelope.message
        else:
            self._judged(cell, envelope)

    def _judged(self, cell: Cell, envelope: RelayedEnvelope) -> None:
        if not any(getattr(each, "number", None) == envelope.number for each in waiting_in(cell.queue)):
            self._peer.send("inner_failed", envelope.number)

    def published(self, event: LifecycleEvent) -> None:
        """An event of this process: one that decides on a message which has crashed its actor. Before it is sent."""
        if isinstance(event, Quarantined | Redelivered):
            number, _ = self._culprits.pop(id(event.message), (0, None))
            if number and isinstance(event, Quarantined):
                self._peer.runtime.control_call(self._peer.send, "inner_failed", number)

    def refused(self, envelope: Envelope | None) -> None:
        """A message is a dead letter, of which an event follows. From any thread."""
        if isinstance(envelope, RelayedEnvelope):
            self._culprits.pop(id(envelope.message), None)
            self._peer.runtime.control_call(self._peer.send, "inner_failed", envelope.number)

    def last_words(self) -> None:
        """The placed actor has ended: what waits for inner actors that may be there again waits in the program, or is a
        dead letter if it came from this process.
        """
        runtime, back = self._peer.runtime, list[int]()
        for cell in list(runtime.cells.values()):
            if not isinstance(cell, BelowCell) or not cell.is_shown or cell.closed:
                continue
            waiting = []
            for envelope in waiting_in(cell.queue):
                if isinstance(envelope, RelayedEnvelope):
                    waiting.append(envelope.number)
                elif type(envelope.message) is not _ActorStop:
                    sender = None if envelope.sender is None else envelope.sender.path
                    if envelope.reply is not None:
                        _fail(envelope.reply, ActorDeadError(cell.path, cell.reason, envelope.message))
                    runtime.events.publish(DeadLetter(cell.path, runtime.now(), envelope.message, "dropped", sender))
            back += waiting
        self._peer.send("inner_back", self._last, *sorted(back))
        self._over = True


def _fail(reply: ReplyTo, error: BaseException) -> None:
    if not reply.done():
        reply.set_exception(error)


class CountedQueue(deque[Envelope]):
    """A queue that tells what comes into it and what is taken out."""

    def __init__(self, came: Callable[[], None], taken: Callable[[], None]) -> None:
        super().__init__()
        self._came = came
        self._taken = taken

    def append(self, envelope: Envelope) -> None:
        super().append(envelope)
        self._came()

    def appendleft(self, envelope: Envelope) -> None:
        super().appendleft(envelope)
        self._came()

    def popleft(self) -> Envelope:
        envelope = super().popleft()
        self._taken()
        return envelope

    def remove(self, envelope: Envelope) -> None:
        super().remove(envelope)
        self._taken()

    def copy(self) -> deque[Envelope]:  # type: ignore[override]
        return deque(self)


class CountedPriorityQueue(PriorityQueue):
    """The same by priority."""

    def __init__(
        self, priority: Callable[[Any], float], path: str, came: Callable[[], None], taken: Callable[[], None]
    ) -> None:
        super().__init__(priority, path)
        self._came = came
        self._taken = taken

    def append(self, envelope: Envelope, rank: float | None = None) -> None:
        super().append(envelope, rank)
        self._came()

    def force(self, envelope: Envelope) -> None:
        super().force(envelope)
        self._came()

    def appendleft(self, envelope: Envelope) -> None:
        super().appendleft(envelope)
        self._came()

    def pop_oldest(self) -> Envelope:
        envelope = super().pop_oldest()
        self._taken()
        return envelope

    def popleft(self) -> Envelope:
        envelope = super().popleft()
        self._taken()
        return envelope

    def withdraw(self, envelope: Envelope) -> None:
        before = len(self)
        super().withdraw(envelope)
        for _ in range(before - len(self)):
            self._taken()
