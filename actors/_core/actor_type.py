"""The facts about an actor class that the runtime needs, found out once."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pykka

from actors._core import hooks
from actors._core.current import current_incarnation
from actors._core.handlers import Dispatch
from actors._core.idle import is_span
from actors._core.mailbox import MailboxSpec
from actors._core.process import HOSTS, HostChoice, is_host
from actors.errors import NotAnActor

if TYPE_CHECKING:
    from actors._core.cell import Cell
    from actors._core.ref import ActorRef
    from actors.reasons import ExitReason


THREADS = ("loop", "thread")
"""The hosts in this process."""


class ActorType:
    """An actor class of ours, seen by the runtime."""

    foreign = False
    """Whether the class is a plain pykka class. The runtime reads no attribute of its instances and of the class by a
    name that pykka does not define.
    """
    placed = False
    """Whether the instances live in another process, and what this process has of each is a stand-in."""
    mirrored = False
    """Whether the life of the cell runs in another process, too, and the cell here shows it."""
    says_progress = False
    """Whether the instance itself says whether its life was progress (`made_progress`)."""
    starts = True
    """Whether it has a hook for the start: `on_start`."""
    hears_of_its_end = hears_of_its_crash = True
    """Whether it has a hook for an orderly end, and for a crash: `on_stop`, `on_failure`."""
    disposes = False
    """Whether something is left to do when an instance is given up."""

    def __init__(self, actor_class: type[Any]) -> None:
        from actors._core.actor import Actor

        if (problem := abstract_fault(actor_class)) is not None:
            raise NotAnActor(actor_class.__qualname__, problem)
        self.actor_class = actor_class
        self._new = actor_class.__new__
        self.table: Dispatch = actor_class._dispatch()
        self.concurrency: int = actor_class.concurrency
        if type(self.concurrency) is not int or self.concurrency < 1:
            raise NotAnActor(
                actor_class.__qualname__,
                f"concurrency must be an integer >= 1, got {self.concurrency!r}",
            )
        _check_attributes(actor_class)
        self.ref_type: type[ActorRef[Any]] = actor_class.ref_type
        self.continues: bool = actor_class.on_continue is not Actor.on_continue
        self.answers: tuple[type[BaseException], ...] = actor_class.answers
        self.carries: bool = actor_class.carry_over is not Actor.carry_over
        self.starts = actor_class.on_start is not Actor.on_start
        self.hears_of_its_end = actor_class.on_stop is not Actor.on_stop
        self.hears_of_its_crash = actor_class.on_failure is not Actor.on_failure
        self.resumes: tuple[type[BaseException], ...] = actor_class.resumes
        self.idle_timeout: float | None = actor_class.idle_timeout
        self.manages_lifecycle: bool = actor_class.manages_lifecycle
        """Whether instances report their own start and end, and take the order to stop as a message. Supervisors do:
        they go on hearing of their children while they start and stop.
        """
        self.says_progress = self.disposes = self.manages_lifecycle
        self.host: HostChoice = actor_class.host
        only = getattr(actor_class, "only_host", None)
        self.threads: tuple[str, ...] = THREADS if only is None else tuple(each for each in THREADS if each == only)
        """The hosts in this process that the class is made for."""
        self.mailbox: MailboxSpec | None = actor_class.mailbox

    @cached_property
    def plain(self) -> bool:
        """Whether no method is a coroutine function, so that a thread needs no event loop for it."""
        kind = self.actor_class
        return not any(inspect.iscoroutinefunction(inspect.getattr_static(kind, name)) for name in dir(kind))

    def construct(self, cell: Cell, args: Sequence[object], kwargs: Mapping[str, object]) -> Any:
        """Makes the instance. It has its cell before `__init__` runs, so that `self.ref` works there."""
        new: Any = self._new
        actor = new(self.actor_class) if new is object.__new__ else new(self.actor_class, *args, **kwargs)
        actor._cell = cell
        actor._cell_incarnation = current_incarnation.get()
        if self.idle_timeout is not None:
            actor.set_idle_timeout(self.idle_timeout)
        actor.__init__(*args, **kwargs)
        return actor

    def waits_for(self, cell: Cell) -> str:
        """What a start of such an actor waits for beside its own hooks, in words; empty: nothing."""
        return ""

    def farewell(self, cell: Cell, reason: ExitReason) -> hooks.Rest:
        """The hooks of the end of an incarnation. Returns what is left of them from the first that is a coroutine. On
        the host of the incarnation.
        """
        return (hooks.carry_over if self.carries and cell.supervised else hooks.end)(cell, reason)

    def dispose(self, actor: Any) -> None:
        """Gives the instance up."""
        actor.on_gone()


def abstract_fault(actor_class: type[Any]) -> str | None:
    """Why the class cannot have instances; None: it can."""
    missing = sorted(getattr(actor_class, "__abstractmethods__", ()))
    return f"it is abstract: {', '.join(missing)} not implemented" if missing else None


_HOOKS = ("on_start", "on_continue", "on_receive", "on_stop", "on_failure", "carry_over", "on_restore")


def _check_attributes(actor_class: type[Any]) -> None:
    """Refuses attributes that would otherwise fail long after the start."""
    from actors._core.ref import ActorRef

    name = actor_class.__qualname__
    for option in ("answers", "resumes"):
        kinds = getattr(actor_class, option)
        if not isinstance(kinds, tuple) or not all(
            isinstance(each, type) and issubclass(each, BaseException) for each in kinds
        ):
            raise NotAnActor(name, f"{option} must be a tuple of exception classes, not {kinds!r}")
    seconds = actor_class.idle_timeout
    if seconds is not None and not is_span(seconds):
        raise NotAnActor(name, f"idle_timeout must be a number of seconds > 0, or None, not {seconds!r}")
    for hook in _HOOKS:
        if not callable(getattr(actor_class, hook)):
            raise NotAnActor(name, f"{hook} must be a method, not {getattr(actor_class, hook)!r}")
    if not (inspect.isclass(actor_class.ref_type) and issubclass(actor_class.ref_type, ActorRef)):
        raise NotAnActor(name, f"ref_type must be a subclass of ActorRef, not {actor_class.ref_type!r}")
    if not is_host(actor_class.host):
        raise NotAnActor(name, f"host must be {HOSTS}, not {actor_class.host!r}")
    if actor_class.mailbox is not None and not isinstance(actor_class.mailbox, MailboxSpec):
        raise NotAnActor(
            name, f"mailbox must be a MailboxSpec such as bounded(100), or None, not {actor_class.mailbox!r}"
        )


_EXPECTED = "expected a subclass of actors.Actor or pykka.ThreadingActor"


def pykka_fault(actor_class: type) -> str | None:
    """Why actors of this class of pykka's cannot be started; None: they can, or it is a class of ours."""
    from actors._core.actor import Actor
    from actors._pykka.foreign import fault_of

    if Actor in actor_class.__mro__:  # `issubclass` asks the ABC of pykka, and this is asked for every child
        return None
    return fault_of(actor_class) if issubclass(actor_class, pykka.ThreadingActor) else _EXPECTED


def actor_type_of(actor_class: object) -> ActorType:
    """The kind of `actor_class`. Raises `NotAnActor` for anything that is not an actor class."""
    from actors._core.actor import Actor
    from actors._pykka.foreign import ForeignActorType

    if not inspect.isclass(actor_class):
        raise NotAnActor(repr(actor_class), _EXPECTED)
    if Actor in actor_class.__mro__:
        return ActorType(actor_class)
    if issubclass(actor_class, pykka.ThreadingActor):
        return ForeignActorType(actor_class)
    raise NotAnActor(actor_class.__qualname__, _EXPECTED)
