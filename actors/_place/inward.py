"""The inner actors of one place: the mirrors that show them, and the messages that the program sends to them.

The process says each step of the life of an inner actor. A message to one goes there past the handlers of the placed
actor, and its fate is decided there. At most as many are under way to each inner actor as `prefetch` says; the others
wait in its mailbox here, and the next process has them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from pykka.messages import _ActorStop

from actors._core import outcomes
from actors._core.actor import Actor
from actors._core.envelope import Envelope
from actors._core.mailbox import NO_MESSAGES
from actors._core.messages import NOTICES, unwrapped
from actors._core.outcomes import STOP_FOR_GOOD, dead, dead_letter, refuse, settle_failure
from actors._core.props import Props
from actors._core.ref import ActorRef
from actors._core.trace import TraceLine
from actors._place.codec import Codec, RefKey
from actors._place.mirror import MirrorCell, MirrorType
from actors._user_code.text import type_name
from actors.errors import ActorDeadError, NameTaken, NotReceivable, NotSendable, PlaceLost
from actors.events import LostInside
from actors.reasons import ExitReason, Lost

if TYPE_CHECKING:
    from actors._core.cell import Cell
    from actors._core.placed import PlacedType


class MirroredPlace(Protocol):
    """The place, as its inner actors need it."""

    codec: Codec

    @property
    def name(self) -> str:
        """Its description, such as `process 4711`."""

    def send(self, *frame: object) -> None:
        """Sends a frame."""

    def error_of(self, encoded: Any) -> BaseException:
        """The exception that the process has sent."""

    def reason_of(self, what: str, body: Any) -> ExitReason:
        """The reason of an exit that the process has sent."""

    def key_of(self, ref: ActorRef[Any]) -> RefKey:
        """The key of a ref, which the process gets to know."""

    def is_busy(self) -> None:
        """A message is under way."""


class Relayed(NamedTuple):
    """A message on its way to an inner actor."""

    mirror: MirrorCell
    envelope: Envelope


class Inward:
    """The inner actors of one process. On the loop thread."""

    def __init__(self, place: MirroredPlace, cell: Cell, kind: PlacedType) -> None:
        self._place = place
        self._cell = cell
        self._kind = kind
        self._runtime = cell.runtime
        self._mirrors: dict[str, MirrorCell] = {}
        self._numbers = itertools.count(1)
        self._under_way: dict[int, Relayed] = {}
        """The messages that the process has not handled."""
        self._owed: dict[int, Relayed] = {}
        """The messages that it has handled, and will answer later."""

    @property
    def is_busy(self) -> bool:
        """Whether a message is under way to an inner actor."""
        return bool(self._under_way)

    @property
    def mirrors(self) -> list[MirrorCell]:
        """The mirrors of the inner actors, those above first."""
        return list(self._mirrors.values())

    def has(self, cell: Cell) -> bool:
        """Whether this is the mirror of an inner actor of this process."""
        return isinstance(cell, MirrorCell) and cell.process is self

    def actor_at(self, path: str | None) -> Cell:
        """The placed actor itself, or the mirror of the inner actor at this path."""
        return self._cell if path is None else self._mirrors.get(path, self._cell)

    def numbers(self) -> dict[str, int]:
        """The last incarnations of the inner actors of the last process whose places are kept, by path."""
        found: dict[str, int] = {}
        waiting: list[Cell] = [self._cell]
        while waiting:
            cell = waiting.pop()
            for child in () if cell.children is None else cell.children.parked.values():
                found[child.path] = child.incarnation
                waiting.append(child)
        return found

    # To the process

    def relay(self, mirror: MirrorCell, envelope: Envelope) -> bool:
        """Sends a message to the inner actor. Returns False if it is not under way: then it has its end."""
        message = envelope.message
        if type(message) is _ActorStop:
            self.order(mirror, "stop_for_good" if message is STOP_FOR_GOOD else "stop")
            return False
        message, place = unwrapped(message), self._place
        try:
            body = place.codec.dumps(mirror.path, lambda: f"the message of type {type_name(message)}", message)
        except NotSendable as error:
            refuse(mirror, envelope, "unsendable", error)
            return False
        urgent = type(message) in NOTICES
        if not urgent:
            number = next(self._numbers)
            self._under_way[number] = Relayed(mirror, envelope)
            place.is_busy()
        else:
            number = 0
        sender = None if envelope.sender is None else place.key_of(envelope.sender.ref)
        left = None if envelope.deadline is None else envelope.deadline - self._runtime.now()
        wants = envelope.reply is not None
        place.send("inner_message", number, mirror.path, sender, body, left, wants, envelope.correlation_id)
        return not urgent

    def order(self, mirror: MirrorCell, order: str, argument: object = None) -> None:
        """Gives an order to the inner actor."""
        self._place.send("inner_order", mirror.path, order, argument)

    def order_end(self, mirror: MirrorCell, order: str, reason: ExitReason) -> None:
        """Orders an end of the inner actor for this reason."""
        self.order(mirror, order, self._place.codec.encode_reason(mirror.path, reason))

    # The lives of the inner actors

    def made(self, path: str, classes: tuple[type | None, type | None], about: Mapping[str, Any], body: bytes) -> None:
        """An inner actor has a cell in the process."""
        parent = self._runtime.cells.get(path.rpartition("/")[0])
        if parent is None or parent.closed or not (parent is self._cell or self.has(parent)):
            return  # what it was below has ended since
        actor_class, ref_type = classes
        try:
            args, mailbox = self._place.codec.loads(path, "the spec of an inner actor", body)
        except NotReceivable:
            args, mailbox = (), None  # it is shown without them
        if not about["takes_messages"]:
            mailbox = NO_MESSAGES
        spec = self._kind.spec
        concurrency = max(spec.prefetch, about["concurrency"])
        kind = MirrorType(actor_class or Actor, ref_type or ActorRef, spec, concurrency, mailbox)
        props = Props(kind, args, {}, spec, about["name"], mailbox, shutdown=about["shutdown"])
        mirror = self._claim(parent, path.rpartition("/")[2], props)
        if mirror is None:
            if path in self._runtime.cells:
                error = NameTaken(path, path)
                self._runtime.uncaught(path, "an actor of its process, which has the path of an actor here", error)
                return
            mirror = MirrorCell(
                self._runtime,
                self,
                props,
                path,
                parent,
                supervised=about["supervised"],
                placed=about["placed"],
            )
        self._mirrors[path] = mirror

    def _claim(self, parent: Cell, id: str, props: Props) -> MirrorCell | None:
        """The mirror that waits for this inner actor since the last process."""
        if parent.children is None:
            return None
        try:
            found = parent.children.claim(id, props)
        except NameTaken:  # the process is told, too
            props.name = None
            found = parent.children.claim(id, props)
        if not isinstance(found, MirrorCell):
            return None
        found.move_to(self)
        return found

    def lived(self, path: str, moment: str, value: Any = None) -> None:
        """An inner actor has come to this moment of its life."""
        mirror = self._mirrors.get(path)
        if mirror is None or mirror.closed:
            return
        match moment:
            case "begins":
                mirror.begun(value)
            case "up":
                mirror.up(value)
                if mirror.children is not None:
                    mirror.children.close_parked(but=())
            case "ends":
                mirror.ends()
            case "declined":
                mirror.declined()
            case "ended":
                mirror.ended(self._place.reason_of(*value))
            case "settled":
                mirror.settle_exit()
            case "suspended":
                mirror.is_suspended(value)
            case "closed":
                del self._mirrors[path]
                mirror.close(self._place.reason_of(*value))

    def complete(self) -> None:
        """The placed actor is up, and every actor that it begins with: the places of others are not there any more."""
        if self._cell.children is not None:
            self._cell.children.close_parked(but=())

    def viewed(self, path: str, body: bytes | None) -> None:
        """An inner actor has published a view; None: one that cannot be sent."""
        mirror = self._mirrors.get(path)
        if mirror is not None:
            view = None if body is None else self._place.codec.loads(path, "a view", body)
            mirror.publish_view(view)

    def counted(self, *counters: tuple[str, int, int, int, float, int]) -> None:
        """The counters of inner actors."""
        for path, handled, crashes, resumed, seconds, queued in counters:
            mirror = self._mirrors.get(path)
            if mirror is not None:
                mirror.count(handled, crashes, resumed, seconds, queued)

    def traced(self, path: str, message_type: str, seconds: float, outcome: str, incarnation: int) -> None:
        """An inner actor whose messages are traced has handled one."""
        mirror = self._mirrors.get(path)
        if mirror is not None:
            mirror.add_line(TraceLine(self._runtime.now(), message_type, seconds, outcome, incarnation))

    # The fates of messages

    def replied(self, number: int, is_result: bool, body: Any) -> None:
        """The inner actor has answered a message."""
        relayed = self._under_way.get(number) or self._owed.pop(number, None)
        if relayed is None or relayed.envelope.reply is None:
            return
        mirror, envelope = relayed
        assert envelope.reply is not None
        if is_result:
            try:
                value = self._place.codec.loads(mirror.path, "an answer", body)
            except NotReceivable as error:
                settle_failure(envelope.reply, error, mirror.path)
            else:
                outcomes.answer(mirror, envelope, value)
        else:
            settle_failure(envelope.reply, self._place.error_of(body), mirror.path)
        envelope.settled = True

    def handled(self, *numbers: int) -> None:
        """The handlers of these messages have ended. What is not answered by now is answered later."""
        for number in numbers:
            self._let_go(number, "done")

    def failed(self, number: int) -> None:
        """The message has its end in the process, and no handler has handled it."""
        self._let_go(number, "failed")

    def aside(self, number: int) -> None:
        """The inner actor has put the message aside: it keeps no other one from being sent."""
        self._let_go(number, None)

    def _let_go(self, number: int, outcome: str | None) -> None:
        relayed = self._under_way.pop(number, None)
        if relayed is None:
            if outcome is not None and number in self._owed and self._owed[number].envelope.reply is None:
                del self._owed[number]  # it was put aside, and has its end now
            return
        mirror, envelope = relayed
        open = outcome is None or (envelope.reply is not None and not envelope.reply.done())
        if open:
            self._owed[number] = Relayed(mirror, envelope)
        if outcome is not None:
            now = self._runtime.now()
            outcomes.publish_handled(mirror, envelope, outcome, now, now - getattr(envelope, "began", now))
        mirror.ended_elsewhere([envelope])

    def refused(self, number: int, why: str, encoded: Any) -> None:
        """The message did not come into the mailbox of the inner actor."""
        relayed = self._under_way.pop(number, None)
        if relayed is None:
            return
        mirror, envelope = relayed
        error = dead(mirror, envelope.message) if encoded is None else self._place.error_of(encoded)
        refuse(mirror, envelope, why, error)
        mirror.ended_elsewhere([envelope])

    def came_back(self, last: int, *numbers: int) -> None:
        """The placed actor has ended. No handler has begun with these messages, nor with those after `last`, which was
        the last one that was seen there: they wait again, in this order.
        """
        numbers += tuple(number for number in self._under_way if number > last)
        by_mirror: dict[MirrorCell, list[Envelope]] = {}
        for number in numbers:
            relayed = self._under_way.pop(number, None) or self._owed.pop(number, None)
            if relayed is not None:
                by_mirror.setdefault(relayed.mirror, []).append(relayed.envelope)
        for mirror, envelopes in by_mirror.items():
            for envelope in reversed(envelopes):
                mirror.queue.appendleft(envelope)

    # At the end

    def everything(self) -> list[Envelope]:
        """The messages that the process has, in whatever state."""
        return [envelope for _, envelope in (*self._under_way.values(), *self._owed.values())]

    def end(self, error: BaseException | None, reason: ExitReason, waiting: int) -> None:
        """The process is gone; with an error it was lost. `waiting` messages were in the mailboxes there."""
        under_way, self._under_way = self._under_way, {}
        owed, self._owed = self._owed, {}
        for mirror, envelope in under_way.values():
            if getattr(envelope, "settled", False):
                continue
            why, failure = self._why(mirror, envelope, error, reason)
            refuse(mirror, envelope, why, failure)
        for mirror, envelope in owed.values():
            why, failure = self._why(mirror, envelope, error, reason)
            if envelope.reply is not None:
                settle_failure(envelope.reply, failure, mirror.path)
            else:
                dead_letter(mirror, envelope.message, why, envelope, failure)
        if waiting:
            now = self._runtime.now()
            self._runtime.events.publish(LostInside(self._cell.path, now, self._place.name, waiting))
        for mirror in reversed(self.mirrors):
            mirror.lost(Lost(_for(mirror.path, error)) if isinstance(error, PlaceLost) else reason)

    def _why(
        self, mirror: MirrorCell, envelope: Envelope, error: BaseException | None, reason: ExitReason
    ) -> tuple[str, BaseException]:
        if isinstance(error, PlaceLost):
            return "lost", _for(mirror.path, error)
        return "killed", ActorDeadError(mirror.path, reason, envelope.message, begun=True)


def _for(path: str, error: PlaceLost) -> PlaceLost:
    """The same end of the process as an error of the inner actor at this path."""
    return PlaceLost(path, *error.args[1:])


HEARD_OF_INNER: dict[str, Callable[..., None]] = {
    "inner_made": Inward.made,
    "inner_lived": Inward.lived,
    "inner_view": Inward.viewed,
    "inner_counted": Inward.counted,
    "inner_traced": Inward.traced,
    "inner_reply": Inward.replied,
    "inner_handled": Inward.handled,
    "inner_failed": Inward.failed,
    "inner_aside": Inward.aside,
    "inner_refused": Inward.refused,
    "inner_back": Inward.came_back,
}
"""The method for each frame of the process about its inner actors."""
