"""The peer: what runs an actor that has a place of its own.

It is an ordinary runtime with one actor. An observer sees what becomes of each message, and says it to the program.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from pykka.messages import _ActorStop

from actors._core.cell import Cell
from actors._core.envelope import Envelope
from actors._core.hooks import NOTHING
from actors._core.life import ON_ITS_WAY_OUT
from actors._core.observer import Moment
from actors._core.outcomes import dead_letter
from actors._core.props import Props
from actors._core.ref import ActorRef
from actors._peer.below import Below
from actors._peer.inside import InnerCell, NumberedEnvelope, PeerRuntime, link_reply
from actors._peer.observer import LinkLogHandler, PeerObserver
from actors._peer.outside import OutsideCell
from actors._place.carrier import VERSION, PeerConnection
from actors._place.codec import Codec, RefKey, key_for
from actors._user_code.text import type_name
from actors.errors import NotInPlace, NotReceivable, NotSendable
from actors.events import (
    DeadLetter,
    Exited,
    HookFailed,
    LifecycleEvent,
    Quarantined,
    Redelivered,
    Started,
    StartFailed,
    Survived,
)
from actors.reasons import Crashed, ExitReason, NoProc

_OF_THE_PROGRAM = (Started, StartFailed, Exited, Survived, Redelivered, Quarantined)
"""The events about the actor itself that the program publishes of its own."""


class PlacePeer:
    """Runs the actor, and speaks with the program."""

    def __init__(
        self, connection: PeerConnection, path: str, make_runtime: Callable[..., PeerRuntime] = PeerRuntime
    ) -> None:
        """`make_runtime` is called with the arguments of a `PeerRuntime`."""
        self.path = path
        self._make_runtime = make_runtime
        self.runtime: PeerRuntime
        self.cell: InnerCell
        self.codec = Codec(self._key_of, self._ref_of)
        self._connection = connection
        self.inner = Below(self, connection)
        self._speaking: dict[OutsideCell, None] = {}
        """The cells of the actors outside for which a message of an actor in this process waits to be sent."""
        self._telling = False
        """Whether one of those messages is being sent."""
        self._said = False
        """Whether one of those messages was sent, and may wait to be written."""
        self._handled: dict[str, list[int]] = {"handled": [], "inner_handled": []}
        """By frame, the numbers of the messages that were handled, and that was not said."""
        self._looking = threading.Lock()
        self._cells = threading.Lock()
        self._over: asyncio.Future[None]
        self._questions: dict[int, Any] = {}
        self._asked = 0
        self._refused: dict[int, tuple[Envelope | None, str]] = {}
        """By thread, the message whose dead letter is published next."""
        self._ended: list[tuple[str, ExitReason]] = []
        """The actors outside that have terminated, as was said, and that the next frame names."""
        self._fates: dict[int, tuple[str, BaseException | None]] = {}
        """By number, what becomes of a message whose handler has raised, where the actor lives on."""
        self._ordered = False
        self._progress = False
        """Whether the life of a supervisor was progress, as it says itself."""

    async def live(self, confine: Callable[[], object]) -> None:
        """From the first frame to the end of the actor. `confine` sets the limits of the process."""
        loop = asyncio.get_running_loop()
        self._over = loop.create_future()
        begun: asyncio.Future[tuple[Any, ...]] = loop.create_future()
        early: list[tuple[Any, ...]] = []  # what comes in the same pass of the loop as the first frame

        def heard(frame: tuple[Any, ...]) -> None:
            if begun.done():
                early.append(frame)
            else:
                begun.set_result(frame)

        self._heard: Callable[[tuple[Any, ...]], object] = heard
        self._connection.open(self)
        self._connection.send("hello", VERSION)
        _, version, settings, body, carried = await begun
        if version != VERSION:
            await self._over  # the program has read the hello, and ends this process
        try:
            confine()
            self._begin(settings)
            await self.runtime.__aenter__()
            self.runtime.events.subscribe(self._published)
            self._make(settings, body, carried)
            for frame in early:
                self._received(frame)
        except Exception as error:  # noqa: BLE001 - the class, its arguments or the limits: the program is told
            self._connection.send("start_failed", self.codec.encode_error(self.path, error))
        else:
            await self._over
            # What its last hook has told to others has its turn before the process ends.
            for each in list(self.runtime.cells.values()):
                if isinstance(each, OutsideCell):
                    each.hurry()
            while any(isinstance(each, OutsideCell) and len(each.queue) for each in list(self.runtime.cells.values())):
                await asyncio.sleep(0)
        self._connection.end()

    def _begin(self, settings: dict[str, Any]) -> None:
        self._connection.log_by(LinkLogHandler(self), settings["levels"])
        self.inner.begin(settings["numbers"])
        self.runtime = self._make_runtime(
            self,
            PeerObserver(self),
            settings["runtime"],
            default_timeout=settings["default_timeout"],
            kill_grace=settings["kill_grace"],
        )

    def _make(self, settings: dict[str, Any], body: bytes, carried: bytes | None) -> None:
        actor_class, args, kwargs = self.codec.loads(self.path, "the actor class or its args", body)
        kind = self.runtime.kind(actor_class)
        host = kind.host if kind.host in ("loop", "thread") else "loop"
        props = Props(kind, args, kwargs, host, shutdown=None)
        cell = InnerCell(self.runtime, self, props, self.path, settings["above"], supervised=settings["supervised"])
        self.cell = cell
        if carried is not None:
            cell.carry(self.codec.loads(self.path, "the value of carry_over", carried))
        self._heard = self._received
        cell.begin(settings["incarnation"])

    # To the program

    def send(self, *frame: object) -> None:
        """Sends a frame. From any thread."""
        self.runtime.on_loop(partial(self._send, *frame))

    def _send(self, *frame: object) -> None:
        self._say_first()
        self._connection.send(*frame)

    def _say_first(self) -> None:
        """Says what comes before anything else that is said: what was told to others, and then which messages were
        handled.
        """
        self._tell_others()
        for frame, numbers in self._handled.items():
            if numbers:
                self._connection.send(frame, *numbers)
                numbers.clear()

    def _tell_others(self) -> None:
        """Sends the messages that wait for actors outside, unless one of them is being sent."""
        if self._speaking and not self._telling:
            self._telling = True
            try:
                for cell in list(self._speaking):
                    cell.send_waiting()
                    self.has_spoken(cell)
            finally:
                self._telling = False

    def send_now(self, *frame: object) -> None:
        """Sends a frame at once where this is the thread of the loop: the code that runs next may end the process."""
        if self.runtime.on_loop_thread:
            self._send(*frame)
            self._connection.write_now()
        else:
            self.send(*frame)

    def begins(self, number: int) -> None:
        """A handler begins with a message, and may end the process: what was said until now is sent. That earlier
        messages were handled is noted by that, and said later: a thread waits until what they told others is written.
        """
        if not self.runtime.on_loop_thread and (self._speaking or (self._said and self._connection.has_output)):
            self._wait_for_loop(self.inner_begins)
        self.inner_begins()
        self._connection.begins(number)

    def inner_begins(self) -> None:
        """A handler of an inner actor begins, and may end the process: what was said until now is sent."""
        if self.runtime.on_loop_thread:
            self._tell_others()
            self._connection.write_now()
            if self._said and self._connection.has_output:
                self._connection.write_all()  # the program is slow to read: it must have what was told
            self._said = False

    def write_now(self) -> None:
        """Sends what waits to be sent. A hook begins, and may end the process."""
        if self.runtime.on_loop_thread:
            self._say_first()
            self._connection.write_now()

    def reply(self, number: int, is_result: bool, value: Any) -> None:
        """Sends the answer to a message, unless the actor has ended: then the program decides on what it has not begun
        with. From any thread.
        """
        if self._over.done():
            return
        if is_result:
            try:
                body: Any = self.codec.dumps(self.path, lambda: f"the answer of type {type_name(value)}", value)
            except NotSendable as error:
                is_result, body = False, self.codec.encode_error(self.path, error)
        else:
            body = self.codec.encode_error(self.path, value)
        self.send("reply", number, is_result, body)

    def order(self, path: str, order: str, sender: Cell | None = None) -> None:
        """Gives an order to an actor of the program."""
        self.send("order", path, order, self._path_of(sender))

    def _path_of(self, cell: Cell | None) -> str | None:
        """The path of an inner actor, or None: it is the placed one, or not one that the program knows."""
        return cell.path if cell is not None and self.inner.is_below(cell.path) else None

    def show_view(self, view: object) -> None:
        """Sends a view. Raises `NotSendable`."""
        self.send("view", self.codec.dumps(self.path, lambda: f"the view of type {type_name(view)}", view))

    def speaks(self, cell: OutsideCell) -> None:
        """A message waits to be sent to the actor of this cell. From any thread."""
        self._speaking[cell] = None

    def has_spoken(self, cell: OutsideCell) -> None:
        """What waited for the actor of this cell was sent, as far as there was room for it. On the loop thread."""
        if not cell.queue:
            self._speaking.pop(cell, None)
            if cell.queue:  # looked at second: a thread puts its message there first
                self._speaking[cell] = None

    def send_out(self, path: str, message: object, envelope: Envelope) -> bool:
        """Sends a message, a question or an order to stop to an actor of the program. Returns whether the program says
        when the mailbox has taken it. On the loop thread.
        """
        self._said = True  # before `_speaking` says that nothing waits: a thread looks at both
        before, self._telling = self._telling, True  # code of the message may log, and those behind it wait for it
        try:
            return self._send_out(path, message, envelope)
        finally:
            self._telling = before

    def _send_out(self, path: str, message: object, envelope: Envelope) -> bool:
        sender, asker = self._path_of(envelope.sender), envelope.sender or self.cell
        if type(message) is _ActorStop:
            self._connection.send("order", path, "stop", sender)
            return False
        reply = envelope.take_reply() if envelope.reply is not None else None
        try:
            body = self.codec.dumps(self.path, lambda: f"the message of type {type_name(message)}", message)
        except NotSendable as error:
            if reply is not None:
                reply.set_exception(error)
            else:
                dead_letter(asker, message, "unsendable", envelope, error)
            return False
        if reply is None:
            self._connection.send("tell", path, body, envelope.correlation_id, sender)
            return True
        self._asked += 1
        self._questions[self._asked] = reply
        waiting = asker.waiting
        waits = waiting is not None and waiting[1] is reply
        left = None if envelope.deadline is None else envelope.deadline - self.runtime.now()
        self._connection.send("ask", self._asked, path, body, left, envelope.correlation_id, waits, sender)
        return False

    def look_up(self, what: str, name: str, kind: str | None = None, sender: Cell | None = None) -> Any:
        """Asks the program, for `sender` or for the actor, and blocks this thread until it answers. Raises what was
        raised there.
        """
        path = self._path_of(sender)
        if path is not None:
            self._write_all()  # the program must know the inner actor
        with self._looking:
            is_result, value = self._connection.look_up(what, name, kind, path)
        if not is_result:
            raise self.codec.decode_error(self.path, value, "the program")
        return value

    def _write_all(self) -> None:
        """Sends what waits to be sent, and returns when the connection has taken it. In any thread."""
        if self.runtime.on_loop_thread:
            self._say_first()
            self._connection.write_all()
        else:
            self._wait_for_loop(self._write_all)

    def _wait_for_loop(self, function: Callable[[], object]) -> None:
        """Has this called on the thread of the loop, and waits for that. In another thread."""
        called = threading.Event()
        self.runtime.control_call(function)
        self.runtime.control_call(called.set)
        called.wait()

    # From the program

    def received(self, frame: tuple[Any, ...]) -> None:
        """A frame of the program."""
        self._heard(frame)

    def _received(self, frame: tuple[Any, ...]) -> None:
        self._hear(frame)
        if self._ended and frame[0] != "ended":
            self.hear_ends()

    def _hear(self, frame: tuple[Any, ...]) -> None:
        match frame:
            case ("message", number, sender, body, left, wants, correlation_id):
                self._message(number, sender, body, left, wants, correlation_id)
            case ("answer", question, is_result, body):
                self._answer(question, is_result, body)
            case ("inner_message", *content):
                self.inner.message(*content)
            case ("inner_order", path, order, argument):
                self.inner.order(path, order, argument)
            case ("stop", what, body):
                self._ordered = True
                reason = self.reason_of(what, body)
                if isinstance(reason, Crashed):
                    self.cell.crash(reason)
                else:
                    self.cell.stop(reason, None)
            case ("heed", what, body):
                self.cell.heed(self.reason_of(what, body))
            case ("ping",):
                self._connection.send("pong")
            case ("taken", path, count):
                cell = self.runtime.cells.get(path)
                if isinstance(cell, OutsideCell):
                    cell.taken(count)
            case ("ended", path, what, body):
                self._ended.append((path, self.reason_of(what, body)))
                if path in self.runtime.cells:  # such as that of an argument of the actor
                    self.hear_ends()
            case ("down", path, closed, what, body):
                cell = self.runtime.cells.get(path)
                if isinstance(cell, OutsideCell):
                    (cell.terminated if closed else cell.incarnation_ended)(self.reason_of(what, body))

    def _message(
        self,
        number: int,
        sender: RefKey | None,
        body: bytes,
        left: float | None,
        wants: bool,
        correlation_id: str | None,
    ) -> None:
        self._connection.reads(number)  # it may end the process
        try:
            message = self.codec.loads(self.path, "a message", body)
        except NotReceivable as error:
            if wants:
                self.reply(number, False, error)
            self.send("letter", number, "unsendable", self.codec.encode_error(self.path, error))
            self.send("handled", number)
            return
        finally:
            self._connection.reads(0)
        envelope = NumberedEnvelope(
            message,
            None if sender is None else self.cell_for(sender),
            link_reply(number, self.reply) if wants else None,
            None if left is None else self.runtime.now() + left,
            correlation_id,
        )
        envelope.number = number
        self.hear_ends()
        self.cell.put(envelope)

    def _answer(self, question: int, is_result: bool, body: Any) -> None:
        reply = self._questions.pop(question, None)
        if reply is None or reply.done():
            return
        if not is_result:
            reply.set_exception(self.codec.decode_error(self.path, body, "the program"))
            return
        try:
            value = self.codec.loads(self.path, "an answer", body)
        except NotReceivable as error:
            reply.set_exception(error)
        else:
            self.hear_ends()
            reply.set_result(value)

    def hear_ends(self) -> None:
        """What the frame names is here: those of it that have terminated are known as such before a handler sees it."""
        ended, self._ended = self._ended, []
        for path, reason in ended:
            cell = self.runtime.cells.get(path)
            if isinstance(cell, OutsideCell):
                cell.terminated(reason)

    def reason_of(self, what: str, body: Any) -> ExitReason:
        """The reason of an exit that the program has sent."""
        return self.codec.decode_reason(self.path, what, body, "the program")

    # Refs

    def _key_of(self, ref: ActorRef[Any]) -> RefKey:
        cell = ref._cell
        if cell is self.cell or isinstance(cell, OutsideCell) or self.inner.is_below(cell.path):
            return key_for(ref)
        why = "that actor was started inside of this process, and not below its actor. Start it with self.spawn()"
        raise NotSendable(self.path, f"the ref of {cell.path}", why)

    def _ref_of(self, key: RefKey) -> ActorRef[Any]:
        return self.cell_for(key).ref

    def cell_for(self, key: RefKey) -> Cell:
        """The cell of this actor, or of an actor of the program. From any thread."""
        with self._cells:
            found = self.runtime.cells.get(key[0])
            if found is None:
                found = OutsideCell(self.runtime, self, key)
                if self.inner.is_below(key[0]):  # it has terminated meanwhile
                    self.runtime.on_loop(partial(found.close, NoProc()))
                else:
                    self.runtime.on_loop(found.begin)
        return found

    # The life of the actor

    def lived(self, cell: Cell, moment: Moment, reason: ExitReason | None) -> None:
        """The actor has come to this moment of its life. On the loop thread, but for `HEALTHY`."""
        if cell is not getattr(self, "cell", None):
            return
        match moment:
            case Moment.UP:
                # At once: `on_continue` comes next, and may end the process.
                self.send_now("started", bool(getattr(cell.actor, "trap_exits", False)))
            case Moment.DECLINED:
                self._say_last("declined")
            case Moment.START_FAILED:
                assert reason is not None
                self.inner.last_words()
                error = reason.exception if isinstance(reason, Crashed) else NotInPlace(self.path, str(reason), "")
                self._say_last("start_failed", self.codec.encode_error(self.path, error))
            case Moment.HEALTHY:
                self.send("healthy")
            case Moment.EXITED:
                assert reason is not None
                self.inner.last_words()
                reasons = self.codec.encode_reason(self.path, reason)
                self._say_last("gone", *reasons, self._carried(cell), self._progress)

    def _carried(self, cell: Cell) -> bytes | None:
        if cell.carried is NOTHING:
            return None
        try:
            return self.codec.dumps(self.path, lambda: "the value of carry_over", cell.carried)
        except NotSendable as error:
            self.runtime.events.publish(
                HookFailed(self.path, self.runtime.now(), cell.incarnation, "carry_over", error)
            )
            return None

    def _say_last(self, *frame: object) -> None:
        self.send(*frame)
        if not self._over.done():
            self._over.set_result(None)

    def ends(self, cell: Cell) -> None:
        """The first hook of the end is about to run. On the host of the actor."""
        if cell is not self.cell:
            return
        reason, culprit = cell.reason, cell.culprit
        if cell.kind.says_progress and cell.actor is not None:
            self._progress = bool(cell.actor.made_progress())
        if isinstance(reason, Crashed):
            number = culprit.number if isinstance(culprit, NumberedEnvelope) else None
            if not self._ordered:
                self.send("crashed", number, self.codec.encode_error(self.path, reason.exception))
        elif not self._ordered:
            self.send("leaving", *self.codec.encode_reason(self.path, reason))

    # The fates of messages

    def handled(self, envelope: Envelope, outcome: str) -> None:
        """A handler has ended. On the host of the actor."""
        if not isinstance(envelope, NumberedEnvelope):
            return
        if getattr(envelope, "aside", False):
            self.send("stashed", envelope.number)
        elif outcome == "done":
            self.is_handled("handled", envelope.number)

    def decided(self, envelope: Envelope) -> None:
        """A handler has raised. On the host of the actor."""
        if isinstance(envelope, NumberedEnvelope) and not getattr(envelope, "aside", False):
            # A crash is a step of the loop thread, and comes before this one.
            self.runtime.control_call(self._judge, envelope)

    def is_handled(self, frame: str, number: int) -> None:
        """A message was handled, which this frame says: after what its handler has told others. From any thread."""
        self.runtime.on_loop(partial(self._is_handled, self._handled[frame], number))

    def _is_handled(self, numbers: list[int], number: int) -> None:
        numbers.append(number)
        if self._connection.has_output and not self._speaking:
            self._say_first()  # it goes along
        elif len(numbers) == 1:
            self.runtime.loop.call_soon(self.write_now, context=self.runtime.context.copy())

    def _judge(self, envelope: NumberedEnvelope) -> None:
        cell = self.cell
        if cell.culprit is envelope or cell.phase in ON_ITS_WAY_OUT or cell.is_absent:
            return  # the end of the incarnation says what becomes of it
        fate, error = self._fates.pop(envelope.number, ("answered", None))
        self.send("failed", envelope.number, fate, None if error is None else self.codec.encode_error(self.path, error))

    def refused(self, why: str, envelope: Envelope | None) -> None:
        """A message is a dead letter, which is published next in this thread."""
        self._refused[threading.get_ident()] = (envelope, why)

    def _published(self, event: LifecycleEvent) -> None:
        """An event of this runtime: those that the program does not publish of its own go there."""
        if self._over.done():
            return
        self.inner.published(event)
        if isinstance(event, DeadLetter):
            envelope, why = self._refused.pop(threading.get_ident(), (None, ""))
            if isinstance(envelope, NumberedEnvelope):
                if why == "unheard":
                    self._fates[envelope.number] = ("unheard", event.error)
                elif why not in ("crashed", "killed", "expired"):
                    error = None if event.error is None else self.codec.encode_error(self.path, event.error)
                    self.send("letter", envelope.number, why, error)
                elif why == "expired":
                    self.send("letter", envelope.number, why, None)
                    self.send("handled", envelope.number)
                return
        elif event.path == self.path:
            envelope = self.cell.envelope
            if isinstance(event, Survived) and isinstance(envelope, NumberedEnvelope):
                self._fates[envelope.number] = ("resumed", event.error)
            if isinstance(event, _OF_THE_PROGRAM):
                return
        elif not event.path.startswith(f"{self.path}/"):
            return  # of an actor of the program
        try:
            body = self.codec.dumps(self.path, lambda: f"an event of type {type_name(event)}", event)
        except NotSendable as error:
            logging.getLogger(__name__).warning("%s: an event was not sent: %s", self.path, error)
        else:
            self.send_now("event", body)
