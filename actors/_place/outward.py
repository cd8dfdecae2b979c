"""The output of the actors of a place: their messages, questions and orders, and the refs that they know.

A process knows another actor by a ref that was sent to it. It is told when an incarnation of that actor ends, so that
monitors work there.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from pykka.messages import _ActorStop

from actors._core.envelope import BareEnvelope, Envelope
from actors._core.future import Future
from actors._core.mailbox import BoundedQueue
from actors._core.messages import Down
from actors._core.outcomes import dead, dead_letter
from actors._core.possessions import WatchedName
from actors._core.reply import CallbackReply
from actors._core.waits import wait_elsewhere
from actors._place.codec import RefKey, key_for
from actors._user_code.text import type_name
from actors.errors import ActorDeadError, DeadlockError, MailboxFull, NotReceivable, NotSendable, RuntimeStopped
from actors.events import DeadLetter
from actors.reasons import ExitReason, Killed, NoProc, Shutdown

if TYPE_CHECKING:
    from actors._core.cell import Cell
    from actors._place.inward import Inward
    from actors._place.place import ActorPlace


TOLD_EVERY = 100
"""After how many messages that a mailbox has taken the process is told: often enough for its window of 1,000."""


class Outward:
    """The others, as the actors of one place see them. On the loop thread."""

    def __init__(self, place: ActorPlace, cell: Cell, inward: Inward) -> None:
        self._place = place
        self._cell = cell
        self._inward = inward
        self._runtime = cell.runtime
        self._met: weakref.WeakValueDictionary[str, Cell] = weakref.WeakValueDictionary()
        self._taken: dict[str, int] = {}
        """How many of the messages for each actor its mailbox has taken, or refused, and that was not said."""
        self._watched: dict[str, tuple[Future[Down], Callable[[Future[Down]], object]]] = {}
        self._telling: set[str] = set()
        """The actors whose end is being told: its reason may name them again."""

    # Refs

    def meet(self, cell: Cell) -> None:
        """The process gets to know this actor: it is told of each end of it."""
        if cell.closed:
            self._met.setdefault(cell.path, cell)
            if self._runtime.cells.get(cell.path) is None:  # it has no successor, which the process may know
                self._say_ended(cell.path, cell.reason)
            return
        if self._met.get(cell.path) is cell:
            return
        self._met[cell.path] = cell
        self._watch(cell)

    def met(self, path: str) -> Cell | None:
        """An actor that the process knows, and that may have terminated."""
        return self._met.get(path)

    def _watch(self, cell: Cell) -> None:
        future, then = cell.ref.monitor(), partial(self._ended, cell)
        self._watched[cell.path] = future, then
        future.add_done_callback(then)

    def _ended(self, cell: Cell, future: Future[Down]) -> None:
        self._watched.pop(cell.path, None)
        try:
            reason = future.get().reason
        except RuntimeStopped:
            return  # and the process ends, too
        if cell.closed:
            self._taken.pop(cell.path, None)
            self._tell_end(cell.path, cell.reason)
        else:
            self._tell_end(cell.path, reason, closed=False)
            self._watch(cell)

    def _say_ended(self, path: str, reason: ExitReason) -> None:
        """Says of an actor that it has terminated, before what names it: no handler there takes it for alive."""
        if path not in self._telling:
            self._telling.add(path)
            try:
                self._place.send("ended", path, *self._place.codec.encode_reason(path, reason))
            finally:
                self._telling.discard(path)

    def _tell_end(self, path: str, reason: ExitReason, *, closed: bool = True) -> None:
        self._place.send("down", path, closed, *self._place.codec.encode_reason(path, reason))

    def close(self) -> None:
        """The process is gone."""
        watched, self._watched = self._watched, {}
        for future, then in watched.values():
            future.remove_done_callback(then)
        for cell in (self._cell, *self._inward.mirrors):
            if cell.waiting is not None and isinstance(cell.waiting[1], _Question):
                cell.wait_for(None)

    # Messages

    # `sender` is the path of the inner actor that sends, or None: the placed actor itself does.

    def told(self, path: str, body: bytes, correlation_id: str | None, sender: str | None) -> None:
        """The actor tells another one."""
        message, cell = self._message(body), self._inward.actor_at(sender)
        target = self._target(path)
        if target is None or target.closed:  # the process takes it for alive, and must not wait for room there
            self._tell_end(path, NoProc() if target is None else target.reason)
        if isinstance(message, NotReceivable):
            self._lose(path, message, "unsendable", cell, message)
            self._count(target)
        elif target is None:
            self._lose(path, message, "closed", cell, None)
        elif target.closed:
            dead_letter(target, message, "closed", Envelope(message, cell), dead(target, message))
        else:
            envelope: Envelope = BareEnvelope()
            envelope.message, envelope.sender = message, cell
            if correlation_id is not None:
                envelope = Envelope(message, cell, None, None, correlation_id)
            self._put(target, envelope)

    def _put(self, target: Cell, envelope: Envelope) -> None:
        queue = target.queue
        if isinstance(queue, BoundedQueue) and queue.blocks and not queue.has_room():
            # It waits for room beside the loop, as `await ref.send()` does, in the order of the messages.
            self._runtime.look_after(self._admit(target, queue, envelope), partial(self._refused, target, envelope))
            return
        self._count(target)
        try:
            target.put(envelope)
        except Exception as error:  # noqa: BLE001 - a full mailbox, or a priority function of the user's
            self._refused(target, envelope, error)

    async def _admit(self, target: Cell, queue: BoundedQueue, envelope: Envelope) -> None:
        try:
            await admit(target, queue, envelope)
        finally:
            self._count(target)

    def _count(self, target: Cell | None) -> None:
        """The mailbox of this actor has taken a message, or has refused it. The process may send others, and is told so
        now and then: not of an actor that has terminated, of which it knows.
        """
        if target is None or target.closed:
            return
        path = target.path
        taken = self._taken.get(path, 0) + 1
        if taken == TOLD_EVERY:
            taken = 0
            self._place.send("taken", path, TOLD_EVERY)
        self._taken[path] = taken

    def _refused(self, target: Cell, envelope: Envelope, error: BaseException) -> None:
        why = "overflow" if isinstance(error, MailboxFull) else "refused"
        dead_letter(target, envelope.message, why, envelope, error)

    def asked(
        self,
        question: int,
        path: str,
        body: bytes,
        left: float | None,
        correlation_id: str | None,
        waits: bool,
        sender: str | None,
    ) -> None:
        """The actor asks another one. `waits`: its handler goes on only with the answer."""
        message, target, cell = self._message(body), self._target(path), self._inward.actor_at(sender)
        asked = _Question(self, question, cell)
        if isinstance(message, NotReceivable):
            asked.set_exception(message)
        elif target is None:
            asked.set_exception(ActorDeadError(path, NoProc(), message))
        elif target.closed:
            asked.set_exception(dead(target, message))
        else:
            cycle = wait_elsewhere(cell, target, asked) if waits and cell.concurrency == 1 else None
            if cycle is not None:
                asked.set_exception(DeadlockError(cycle))
                return
            deadline = None if left is None else self._runtime.now() + left
            try:
                target.put(Envelope(message, cell, asked, deadline, correlation_id))
            except Exception as error:  # noqa: BLE001 - see _put
                asked.set_exception(error)

    def answered(self, question: _Question, is_result: bool, value: Any) -> None:
        """Another actor has answered the question. On the loop thread."""
        waiting = question.asker.waiting
        if waiting is not None and waiting[1] is question:
            question.asker.wait_for(None)
        place = self._place
        if is_result:
            try:
                body = place.codec.dumps(place.path, lambda: f"the answer of type {type_name(value)}", value)
            except NotSendable as error:
                is_result, value = False, error
        place.send(
            "answer", question.number, is_result, body if is_result else place.codec.encode_error(place.path, value)
        )

    def ordered(self, path: str, order: str, sender: str | None) -> None:
        """The actor stops, kills, suspends or resumes another one, or asks for its own end."""
        target, cell = self._target(path), self._inward.actor_at(sender)
        if target is None or target.closed:
            return
        if order == "stop":
            target.put_stop(Envelope(_ActorStop(), cell))
        elif order == "stop_now":
            target.stop(Shutdown("stop() was called"), target.props.shutdown)
        elif order == "kill":
            target.kill(Killed("kill() was called"))
        elif order == "link":
            cell.watch().add_link(target)
        elif order == "unlink":
            cell.watch().remove_link(target)
        else:
            target.suspend(order == "suspend")

    def _target(self, path: str) -> Cell | None:
        return self._runtime.cells.get(path) or self._met.get(path)

    def _message(self, body: bytes) -> Any:
        try:
            return self._place.codec.loads(self._place.path, "a message that its actor sends", body)
        except NotReceivable as error:
            return error

    def _lose(self, path: str, message: object, why: str, sender: Cell, error: BaseException | None) -> None:
        """A message for an actor that there is not."""
        self._runtime.events.publish(DeadLetter(path, self._runtime.now(), message, why, sender.path, error))

    # Names, which a thread of the process waits for

    def looked_up(self, frame: tuple[Any, ...]) -> None:
        """A thread of the process asks for an actor or a name, and waits for the answer."""
        place = self._place
        try:
            if frame[3] is not None:
                place.catch_up()  # that there is such an inner actor was said before
            result = self._find(*frame)
        except Exception as error:  # noqa: BLE001 - such as NameTaken: the caller over there gets it
            place.answer_lookup(False, place.codec.encode_error(place.path, error))
        else:
            place.answer_lookup(True, result)

    def _find(self, what: str, name: str, kind: Any, sender: str | None) -> Any:
        cell, runtime = self._inward.actor_at(sender), self._runtime
        match what:
            case "find":
                return self._key(runtime.cells.get(name))
            case "whereis":
                return self._key(runtime.registry.whereis(name))
            case "members":
                return [self._key(each) for each in runtime.registry.members(name)]
            case "register" if name == cell.props.name:
                runtime.registry.register(name, cell)  # it belongs to the place of an inner actor
            case "register":
                cell.possess().take_name(name)
            case "unregister":
                if not cell.possess().give_up_name(name):
                    runtime.registry.unregister(name, cell)
            case "join":
                cell.possess().join_group(name)
            case "leave":
                cell.possess().leave_group(name)
            case "watch":
                cell.possess().watch(WatchedName(kind, name))
            case "unwatch":
                cell.possess().unwatch(WatchedName(kind, name))
        return None

    def _key(self, cell: Cell | None) -> RefKey | None:
        if cell is None:
            return None
        if cell is not self._cell and not self._inward.has(cell):
            self.meet(cell)
        return key_for(cell.ref)


async def admit(target: Cell, queue: BoundedQueue, envelope: Envelope) -> None:
    """Puts a message into a bounded mailbox as soon as there is room."""
    await queue.admit(envelope)
    if target.idle:
        target.wake()


class _Question(CallbackReply):
    """A question of the actor to another one, which any thread may answer."""

    __slots__ = ("asker", "number")

    def __init__(self, outward: Outward, number: int, asker: Cell) -> None:
        self.number = number
        self.asker = asker
        on_loop = outward._runtime.on_loop

        def tell(is_result: bool, value: Any) -> None:
            on_loop(partial(outward.answered, self, is_result, value))

        super().__init__(partial(tell, True), partial(tell, False))
