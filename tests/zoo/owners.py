"""What goes wrong when several actors share one thing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from actors import Actor, ActorRef, handles
from actors.testing import InvariantBroken, Simulation, Slow
from tests.zoo._entry import Entry
from tests.zoo._post import Parcel, Post

# Two owners in a handoff


@dataclass(frozen=True)
class Acquire:
    """The lease is yours."""


@dataclass(frozen=True)
class Release:
    """Let go of the lease."""


@dataclass(frozen=True)
class HandOver:
    """From one to the other."""

    giver: ActorRef[Any]
    taker: ActorRef[Any]


class Node(Actor):
    """May hold the lease."""

    def __init__(self, owners: set[str]) -> None:
        self.owners = owners

    @handles
    def acquire(self, message: Acquire) -> None:
        self.owners.add(self.path)

    @handles
    def release(self, message: Release) -> None:
        self.owners.discard(self.path)


class Coordinator(Actor):
    """Tells the one to let go and the other to take over. Between two receivers there is no order."""

    @handles
    async def hand_over(self, message: HandOver) -> None:
        message.giver.tell(Release())
        message.taker.tell(Acquire())


class WaitingCoordinator(Coordinator):
    """Waits until the lease is free."""

    @handles
    async def hand_over(self, message: HandOver) -> None:
        await message.giver.call(Release())
        message.taker.tell(Acquire())


def two_owners(sim: Simulation, coordinator: type[Coordinator]) -> None:
    """A lease that changes hands; look for a taker that is faster than the giver."""
    owners: set[str] = set()
    first = sim.spawn(Node, args=[owners], name="first")
    second = sim.spawn(Node, args=[owners], name="second")
    boss = sim.spawn(coordinator, name="coordinator")
    first.ask(Acquire())
    sim.always("at most one owner", lambda: len(owners) <= 1)
    boss.tell(HandOver(first, second))
    sim.run(until=5)
    sim.heal()
    sim.eventually("the second owns it", lambda: owners == {"second"}, within=10)


# Torn publish over three actors


@dataclass(frozen=True)
class Put:
    """What is valid from now on."""

    version: int


@dataclass(frozen=True)
class Get:
    """What is valid now?"""


@dataclass(frozen=True)
class Publish:
    """Put this on all shelves."""

    version: int


@dataclass(frozen=True)
class Look:
    """Read all shelves."""


class Shelf(Actor):
    """Holds a third of the truth."""

    def __init__(self) -> None:
        self.version = 1

    @handles
    def put(self, message: Put) -> None:
        self.version = message.version

    @handles
    def get(self, message: Get) -> int:
        return self.version


class Publisher(Actor):
    """Puts the new version on one shelf after the other."""

    def __init__(self, shelves: list[ActorRef[Shelf]]) -> None:
        self.shelves = shelves

    @handles
    def publish(self, message: Publish) -> None:
        for shelf in self.shelves:
            shelf.tell(Put(message.version))


class Visitor(Actor):
    """Reads one shelf after the other and takes what it read for one version."""

    def __init__(self, shelves: list[ActorRef[Shelf]], reports: list[list[int]]) -> None:
        self.shelves = shelves
        self.reports = reports

    async def read(self) -> list[int]:
        return [await shelf.call(Get()) for shelf in self.shelves]

    @handles
    async def look(self, message: Look) -> None:
        self.reports.append(await self.read())


class AttentiveVisitor(Visitor):
    """Reads again while the versions differ."""

    async def read(self) -> list[int]:
        while True:
            found = await super().read()
            if len(set(found)) == 1:
                return found


def torn_publish(sim: Simulation, visitor: type[Visitor]) -> None:
    """Three shelves that change together, or so it seems; look for a visitor among them at that moment."""
    reports: list[list[int]] = []
    shelves = [sim.spawn(Shelf, name=f"shelf-{number}") for number in range(3)]
    publisher = sim.spawn(Publisher, args=[shelves], name="publisher")
    reader = sim.spawn(visitor, args=[shelves, reports], name="visitor")
    post = sim.spawn(Post, name="post")
    sim.always("nobody sees half a publication", lambda: all(len(set(each)) == 1 for each in reports))
    post.tell(Parcel(publisher, Publish(2)))
    reader.tell(Look())
    sim.eventually("the visitor has seen something", lambda: bool(reports), within=1)


ENTRIES = (
    Entry(
        "two owners in a handoff",
        two_owners,
        Coordinator,
        WaitingCoordinator,
        InvariantBroken,
        faults=(lambda draw: Slow("*", nth=draw.randint(1, 4), seconds=draw.choice((0.5, 2.0))),),
    ),
    Entry("torn publish over three actors", torn_publish, Visitor, AttentiveVisitor, InvariantBroken),
)
