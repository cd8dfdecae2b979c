"""A door, the state machine of the tests."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar

from actors import (
    ActorRef,
    EventTimeout,
    Message,
    NamedTimeout,
    StateMachine,
    StateTimeout,
    during,
    entering,
    handles,
)
from tests.support import World


class Door(Enum):
    """The states of the door."""

    CLOSED = "closed"
    OPEN = "open"
    LOCKED = "locked"


class Push(Message):
    """Opens a closed door."""


class Pull(Message):
    """Closes an open door."""


class Turn(Message):
    """Locks or unlocks a door that is not open."""


class Knock(Message):
    """Is heard in every state."""

    who: str = "someone"


class Do(Message):
    """Has the machine do anything at all, in its handler."""

    model_config: ClassVar[Any] = {"arbitrary_types_allowed": True}
    what: Any


@dataclass(frozen=True)
class Odd:
    """A message that the door has no handler for."""


class Entrance(StateMachine):
    """A door. It writes down everything that happens."""

    initial = Door.CLOSED

    def __init__(self, log: list[Any] | None = None) -> None:
        super().__init__()
        self.log: list[Any] = [] if log is None else log

    @during(Door.CLOSED)
    def push(self, message: Push) -> str:
        self.log.append("push")
        self.goto(Door.OPEN)
        return "opened"

    @during(Door.OPEN)
    async def pull(self, message: Pull) -> str:
        await asyncio.sleep(0)
        self.log.append("pull")
        self.goto(Door.CLOSED)
        return "closed"

    @during(Door.CLOSED, Door.LOCKED)
    def turn(self, message: Turn) -> None:
        self.log.append("turn")
        self.goto(Door.LOCKED if self.state is Door.CLOSED else Door.CLOSED)

    @during(Door.LOCKED)
    def wait_for_the_key(self, message: Push | Pull) -> str:
        self.log.append("postponed")
        self.postpone()
        return "this is no answer"

    @handles
    def knock(self, message: Knock) -> str:
        self.log.append(f"knock {message.who}")
        return f"{message.who} knocked, the door is {self.state.name}"  # type: ignore[union-attr]

    @handles
    def do(self, message: Do) -> Any:
        return message.what(self)

    @handles
    def over(self, message: StateTimeout | EventTimeout | NamedTimeout) -> None:
        self.log.append(message)

    @entering(Door.OPEN)
    def note_open(self) -> None:
        self.log.append("enter open")

    @entering(Door.CLOSED)
    async def note_closed(self) -> None:
        await asyncio.sleep(0)
        self.log.append("enter closed")


async def a_door(w: World, cls: type[StateMachine] = Entrance, **options: Any) -> tuple[ActorRef[Any], list[Any]]:
    """A machine that has entered its initial state, and its log."""
    log: list[Any] = []
    ref = await w.runtime.spawn(cls, args={"log": log}, **options)
    await w.settle()
    return ref, log


def state(ref: ActorRef[Any]) -> object:
    """The state as it shows from outside."""
    return ref.state()["state"]
