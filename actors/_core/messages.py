"""Messages that the runtime knows: the base class of protocol messages, and its own notices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, NamedTuple

from pydantic import BaseModel, ConfigDict

from actors.reasons import ExitReason

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    from actors._core.ref import ActorRef
    from actors._core.timers import Timer

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


class Timed(NamedTuple):
    """A message from a timer. It is for the incarnation that set the timer and for no later one."""

    incarnation: int
    message: object
    timer: Timer | None = None
    """The timer that sent it; `None` once it no longer matters whether that one was cancelled."""

    @property
    def cancelled(self) -> bool:
        """Whether its timer was cancelled since: then it is neither handled nor a dead letter."""
        return self.timer is not None and self.timer.cancelled


class Continue(NamedTuple):
    """Asks the actor to run `on_continue`, before any message that waits."""


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
