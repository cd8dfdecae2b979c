"""Messages that the runtime knows: the base class of protocol messages, and its own notices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict

from actors.reasons import ExitReason

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    from actors._core.possessions import Possessions
    from actors._core.ref import ActorRef

    Answer_co = TypeVar("Answer_co", covariant=True, default=Any)

    class _Model(BaseModel, Generic[Answer_co]):
        """For a type checker, the parameter of `Message`."""
else:
    Answer_co = None

    class _Model:
        """At run time `_Model[...]` is `BaseModel`: the parameter of `Message` costs nothing."""

        def __class_getitem__(cls, answer: object) -> type[BaseModel]:
            return BaseModel


class Message(_Model[Answer_co]):
    """Base of protocol messages: a frozen pydantic model. Any other object may be a message too.

    `class Greet(Message[str])` says that the answer is a string: then `await ref.call(Greet(...))` and
    `ref.ask(Greet(...))` are `str` for a type checker. Without it they are `Any`. At run time `Message[str]` is
    `Message`, and nothing checks the answer.
    """

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    if not TYPE_CHECKING:

        def __class_getitem__(cls, answer: object) -> type[BaseModel]:
            """A message with type variables of its own, such as `class Box(Message, Generic[T])`, stays generic."""
            generic = cls.__pydantic_generic_metadata__["parameters"]
            return super().__class_getitem__(answer) if generic else cls


@dataclass(frozen=True, slots=True)
class Down:
    """A monitored incarnation ended (supervision rule 31). Travels in the system lane."""

    ref: ActorRef[Any]
    reason: ExitReason
    monitor: int
    """The number that `monitor()` returned: two monitors are two messages."""


@dataclass(frozen=True, slots=True)
class Exit:
    """A linked actor ended. Only an actor that traps exits gets it. Travels in the system lane."""

    ref: ActorRef[Any]
    reason: ExitReason


class MonitorDown(NamedTuple):
    """A `Down` on its way to the actor that asked for it, which may want another message in its place."""

    message: object
    """The `Down`; while its handler runs, the message that was made of it."""
    number: int
    wanted: object = None
    """The message in place of the `Down`, or a function that makes it of the `Down`; None: the `Down` itself."""

    def is_wanted_by(self, possessions: Possessions | None) -> bool:
        """Whether the incarnation that has these possessions still has the monitor."""
        return possessions is not None and self.number in possessions.monitors


@dataclass(frozen=True, slots=True)
class NameRegistered:
    """A name that this actor watches (`watch_name`) belongs to `ref` now. Travels in the system lane."""

    name: str
    ref: ActorRef[Any]


@dataclass(frozen=True, slots=True)
class NameReleased:
    """A name that this actor watches (`watch_name`) is free now. Travels in the system lane."""

    name: str
    ref: ActorRef[Any] | None
    """The actor that had it; None: it was free when the watch began."""


@dataclass(frozen=True, slots=True)
class Joined:
    """`ref` is a member of a group that this actor watches (`watch_group`). Travels in the system lane."""

    group: str
    ref: ActorRef[Any]


@dataclass(frozen=True, slots=True)
class Left:
    """`ref` is no longer a member of a group that this actor watches (`watch_group`). Travels in the system lane."""

    group: str
    ref: ActorRef[Any]


@dataclass(frozen=True, slots=True)
class IdleTimeout:
    """The actor has handled no message for as long as its idle timeout (`set_idle_timeout`)."""


class TimedBy(Protocol):
    """The timer of a message."""

    cancelled: bool
    """Whether its message must not be handled."""
    is_keyed: ClassVar[bool]
    """Whether it wants to know when its message is handled."""

    def came(self) -> None:
        """Its message is about to be handled, or was lost."""


class Timed(NamedTuple):
    """A message from a timer. It is for the incarnation that set the timer and for no later one."""

    incarnation: int
    message: object
    timer: TimedBy | None = None
    """The timer that sent it; `None` once it no longer matters whether that one was cancelled."""

    @property
    def cancelled(self) -> bool:
        """Whether its timer was cancelled since: then it is neither handled nor a dead letter."""
        return self.timer is not None and self.timer.cancelled


made = tuple.__new__
"""Makes a named tuple of a tuple of all its fields, without the call in Python that `Timed(...)` is."""
WRAPPERS = frozenset({Timed, MonitorDown})
"""The classes of messages that stand for one of the user's."""


def unwrapped(message: object) -> object:
    """The message as the user knows it, without the wrapper of a timer or a monitor. It looks at the class alone: a
    message of the user's may raise whatever is asked of it.
    """
    if type(message) is Timed or type(message) is MonitorDown:
        return message.message
    return message


class Continue(NamedTuple):
    """Asks the actor to run `on_continue`, before any message that waits."""


NOTICES = (MonitorDown, Down, Exit, NameRegistered, NameReleased, Joined, Left)
"""The messages of the system lane that are for the user's handlers."""
OF_THE_SYSTEM_LANE = (Continue, *NOTICES)
"""The messages that do not count as progress, handled or failed."""


class StopOrder(NamedTuple):
    """To an actor that governs its own life: stop what you started, then leave."""

    reason: ExitReason


class ChildStarted(NamedTuple):
    """To the parent: the incarnation runs."""

    id: str
    incarnation: int


class ChildDeclined(NamedTuple):
    """To the parent: the incarnation raised `IgnoreStart`."""

    id: str
    incarnation: int


class ChildStartFailed(NamedTuple):
    """To the parent: the incarnation did not come up, and is gone."""

    id: str
    incarnation: int
    reason: ExitReason


class ChildResumed(NamedTuple):
    """To the parent: a handler has raised an exception of `resumes`, and the incarnation goes on."""

    id: str
    incarnation: int
    error: BaseException
    message_type: str


class ChildExited(NamedTuple):
    """To the parent: the incarnation is gone, and everything below it."""

    id: str
    incarnation: int
    reason: ExitReason
    message_type: str | None
    """The type of the message that was being handled, where one crashed it."""
    handled: int = 0
    """How many messages the incarnation handled without failure."""
    healthy: bool = False
    """Whether it said itself that it works."""
