"""Existing pykka actors, unchanged, in a cell.

A `pykka.ThreadingActor` subclass runs on the thread host. It keeps pykka's own contract: a failed `ask` is answered
with the exception and leaves the actor alive, a failed `tell` ends it, `actor_stopped` is set and the actor is out of
the registry before `on_stop` or `on_failure` runs. One rule of pykka does not hold: `SystemExit` in one actor does not
stop every actor of the process, but is the crash of this one. Its inbox is the mailbox of the cell, so that waiting
messages survive the crash.

An instance is of the user's own class and holds nothing that pykka does not put there: the cell is found by the
context of the running code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pykka
from pykka.messages import _ActorStop

from actors._core import hooks
from actors._core.actor_type import THREADS, ActorType, abstract_fault
from actors._core.current import current_cell
from actors._core.handlers import Dispatch, leave_by_message
from actors._core.messages import Timed
from actors._core.outcomes import kind_name
from actors._core.possessions import is_over
from actors._pykka.inbox import give_failure
from actors._pykka.ref import PykkaActorRef
from actors._pykka.seams import Construction, install, under_construction
from actors.errors import NotAnActor
from actors.events import AskFailed

if TYPE_CHECKING:
    from actors._core.cell import Cell
    from actors.reasons import ExitReason

_NOT_CALLED = (
    "_actor_loop",
    "_actor_loop_running",
    "_actor_loop_setup",
    "_actor_loop_teardown",
    "_create_actor_inbox",
    "_create_future",
    "_handle_failure",
    "_start_actor_loop",
    "_stop",
)
"""The methods of pykka that the runtime does itself."""
_SET_BY_PYKKA = ("_actor_ref", "actor_inbox", "actor_ref", "actor_stopped", "actor_urn")
"""The attributes of an instance that only pykka's constructor sets."""


class ForeignActorType(ActorType):
    """A pykka actor class, seen by the runtime."""

    foreign = True

    def __init__(self, actor_class: type[pykka.ThreadingActor]) -> None:
        if (problem := fault_of(actor_class)) is not None:
            raise NotAnActor(actor_class.__qualname__, problem)
        install()
        self.actor_class = actor_class
        self.table = Dispatch({_ActorStop: _stop, Timed: _timed}, _receive)
        self.concurrency = 1
        self.ref_type = PykkaActorRef
        self.answers = ()
        self.continues = False
        self.carries = False
        self.resumes = ()
        self.idle_timeout = None
        self.manages_lifecycle = False
        self.disposes = True
        self.host = "thread"
        self.threads = THREADS  # it may have an attribute `only_host` of its own
        self.mailbox = None
        self.plain = True

    def construct(self, cell: Cell, args: Sequence[object], kwargs: Mapping[str, object]) -> Any:
        new: Any = self.actor_class.__new__
        actor = new(self.actor_class) if new is object.__new__ else new(self.actor_class, *args, **kwargs)
        construction = Construction(cell, actor)
        token = under_construction.set(construction)
        try:
            actor.__init__(*args, **kwargs)
        finally:
            under_construction.reset(token)
        ref: PykkaActorRef[Any] = construction.ref
        if getattr(actor, "_actor_ref", None) is not ref:
            raise NotAnActor(self.actor_class.__qualname__, _fault_of_constructor(actor))
        if not is_over(cell):
            ref.enter_registry()
        return actor

    def farewell(self, cell: Cell, reason: ExitReason) -> hooks.Rest:
        _end(cell.actor)
        return hooks.end(cell, reason)

    def dispose(self, actor: Any) -> None:
        _end(actor)
        actor.actor_ref.come_back()


def _end(actor: Any) -> None:
    """What pykka does before the last hook. A killed incarnation has no hook."""
    actor.actor_ref.leave_registry()
    actor.actor_stopped.set()


def fault_of(actor_class: type[pykka.ThreadingActor]) -> str | None:
    """Why this class cannot be started: it is abstract, or redefines a part of pykka that has no effect here. None: it
    can.
    """
    if (abstract := abstract_fault(actor_class)) is not None:
        return abstract
    found = [name for name in _NOT_CALLED if getattr(actor_class, name) is not getattr(pykka.ThreadingActor, name)]
    own = [base for base in actor_class.__mro__ if base not in pykka.ThreadingActor.__mro__]
    found += [name for name in _SET_BY_PYKKA if any(name in vars(base) for base in own)]
    if not found:
        return None
    return (
        f"it overrides {', '.join(found)} of pykka, and the runtime has its own in that place; use the hooks "
        "on_start, on_receive, on_stop and on_failure, or the option `mailbox` for another inbox"
    )


def _fault_of_constructor(actor: Any) -> str:
    if not hasattr(actor, "_actor_ref"):
        return "its __init__ does not call super().__init__()"
    return "its __init__ replaces _actor_ref, which is pykka's; choose another name"


def _cell() -> Cell:
    cell = current_cell()
    assert cell is not None, "a handler runs in the context of its incarnation"
    return cell


def _receive(actor: Any, message: object) -> object:
    cell = _cell()
    envelope = cell.envelope
    if envelope is None or envelope.reply is None:
        return actor._handle_receive(message)
    try:
        return actor._handle_receive(message)
    except Exception as error:  # noqa: BLE001 - pykka's contract: a failed ask is answered with the exception
        give_failure(envelope.reply, error, cell.path)
        envelope.reply = None
        failed = AskFailed(cell.path, cell.runtime.now(), cell.incarnation, kind_name(message), error)
        cell.runtime.events.publish(failed)
        return None


def _stop(actor: Any, _: _ActorStop) -> None:
    leave_by_message(_cell())


def _timed(actor: Any, timed: Timed) -> object:
    return _receive(actor, timed.message)
