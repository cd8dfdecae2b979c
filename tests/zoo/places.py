"""What goes wrong between a program and the process of an actor. The bugs are in the code that keeps the two apart."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from actors import Actor, ActorRef
from actors._core.cell import Cell
from actors._core.envelope import Envelope
from actors._core.placed import PlacedType
from actors._place.carrier import Carrier, Carriers
from actors._place.inward import HEARD_OF_INNER
from actors._place.place import _HEARD, ActorPlace
from actors.testing import (
    DeadFrameHeard,
    Fault,
    Kill,
    KillPlace,
    MessageLost,
    NeverSettled,
    PlacesOverlap,
    Simulation,
    SlowLink,
)
from supervisors import child, process, supervisor
from tests.zoo._entry import Entry

PlacePart = Callable[[ActorPlace], object]
"""Changes what the program has of one process, or leaves it as it is."""


def sound(_: object) -> None:
    """No bug."""


class Scribe(Actor):
    """Tells a log what it handles."""

    def __init__(self, log: ActorRef[Any]) -> None:
        self.log = log

    def on_receive(self, message: object) -> object:
        self.log.tell(message)
        return message


class Clerk(Actor):
    """Answers each question when the next message comes."""

    def __init__(self) -> None:
        self.open: Any = None

    def on_receive(self, message: object) -> None:
        if self.open is not None:
            self.open.answer(message)
        self.open = self.take_reply()


class Log(Actor):
    """Takes everything."""

    def on_receive(self, message: object) -> None:
        """There is nothing to do."""


def changed(sim: Simulation, part: PlacePart) -> None:
    """Has every place changed by the part."""
    host: Any = sim.runtime.host(process())
    carriers: Carriers = host.carriers
    make = carriers.carrier

    def carrier(place: Any, cell: Cell, kind: PlacedType) -> Carrier:
        part(place)
        return make(place, cell, kind)

    carriers.carrier = carrier  # type: ignore[method-assign]


def scribbled(sim: Simulation, *, prefetch: int = 1) -> None:
    """A process that gets messages, and tells of them, for some time."""
    root = sim.start(supervisor("root", child("log", Log), max_restarts=None))
    scribe = child(
        "a", Scribe, args=[root.child("log")], host=process(prefetch=prefetch), backoff=None, retry_start=True
    )
    root.start_child(scribe).get()
    for number in range(8):
        root.child("a").tell(number)
    sim.run(until=30)


# A process that begins before the last one was reaped


def hasty(place: ActorPlace) -> None:
    """Takes a signal that was sent for one that has had its effect."""
    kill = place.kill

    def kill_and_go_on() -> bool:
        kill()
        place.ended(None)
        return True

    place.kill = kill_and_go_on  # type: ignore[method-assign]


def two_at_once(sim: Simulation, part: PlacePart) -> None:
    """An actor that is killed; look for its next process beside the last one."""
    changed(sim, part)
    scribbled(sim)


# A message that goes with the process in which it waited


def forgetful(place: ActorPlace) -> None:
    """Thinks of the message that was being handled when the process ended, and of no other."""
    split = place.traffic._split

    def begun_alone(last: int, reading: int) -> tuple[list[Envelope], list[Envelope]]:
        begun, _ = split(last, reading)
        return begun, []

    place.traffic._split = begun_alone  # type: ignore[method-assign]


def lost_with_the_process(sim: Simulation, part: PlacePart) -> None:
    """Messages under way to a process that ends; look for one that no other process handles."""
    changed(sim, part)
    scribbled(sim, prefetch=4)


# A frame of a process that has ended


def credulous(place: ActorPlace) -> None:
    """Acts on whatever comes, whenever it comes."""

    def received(frame: tuple[Any, ...]) -> None:
        of_inner = HEARD_OF_INNER.get(frame[0])
        if place._early is not None:
            place._early.append(frame)
        elif of_inner is None:
            _HEARD[frame[0]](place, *frame[1:])
        else:
            of_inner(place.inward, *frame[1:])

    place.received = received  # type: ignore[method-assign]


def voice_of_the_dead(sim: Simulation, part: PlacePart) -> None:
    """A slow link, and a process that ends meanwhile; look for what it has said and is heard too late."""
    changed(sim, part)
    scribbled(sim)


# A question to a process that has ended


def indifferent(place: ActorPlace) -> None:
    """Takes a message that was handled for one that was answered."""
    settle = place.traffic.settle

    def settle_the_rest(error: BaseException | None, last: int, *, certain: bool, reading: int = 0) -> None:
        place.traffic._owed.clear()
        settle(error, last, certain=certain, reading=reading)

    place.traffic.settle = settle_the_rest  # type: ignore[method-assign]


def never_answered(sim: Simulation, part: PlacePart) -> None:
    """Questions that are answered later, and a process that ends before; look for an asker that waits for ever."""
    changed(sim, part)
    root = sim.start(supervisor("root", child("a", Clerk, host=process(), backoff=None, retry_start=True)))
    for number in range(4):
        root.child("a").ask(number, block=False, timeout=None)
    root.child("a").tell("done")
    sim.run(until=30)


def killed(draw: Random) -> Fault:
    return KillPlace("root/a", nth=draw.randint(1, 24))


def killed_behind_a_slow_frame(draw: Random) -> tuple[Fault, ...]:
    slow = draw.randint(4, 20)
    return (SlowLink("root/a", nth=slow, seconds=1.0), KillPlace("root/a", nth=slow + draw.randint(1, 2)))


ENTRIES = (
    Entry(
        "a process that begins before the last one was reaped",
        two_at_once,
        hasty,
        sound,
        PlacesOverlap,
        faults=(
            lambda draw: Kill("root/a", nth=draw.randint(1, 8)),
            lambda draw: Kill("root/a", at=draw.randint(0, 4)),
        ),
    ),
    Entry(
        "an unacknowledged message dropped with the process",
        lost_with_the_process,
        forgetful,
        sound,
        MessageLost,
        faults=(killed,),
    ),
    Entry(
        "a frame of an old incarnation acted on",
        voice_of_the_dead,
        credulous,
        sound,
        DeadFrameHeard,
        faults=(killed_behind_a_slow_frame,),
    ),
    Entry(
        "a question of a dead process never settled",
        never_answered,
        indifferent,
        sound,
        NeverSettled,
        faults=(killed,),
    ),
)
