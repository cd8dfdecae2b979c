"""What goes wrong between two incarnations, and between an actor that is busy and one that is dead."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from itertools import pairwise

from actors import Actor, ActorRef, Down, ExitReason, handles
from actors.testing import Crash, InvariantBroken, Kill, NeverHappened, Simulation, Slow
from supervisors import BackingOff, child, exponential, supervisor
from tests.zoo._entry import Entry

# Message lost across a restart


@dataclass(frozen=True)
class Item:
    """Something to be stored."""

    number: int


class Batcher(Actor):
    """Stores three items at once. What waits for the third is in its memory, and goes with it."""

    def __init__(self, stored: list[int]) -> None:
        self.stored = stored
        self.batch: list[int] = []

    @handles
    def collect(self, item: Item) -> None:
        self.batch.append(item.number)
        if len(self.batch) == 3:
            self.stored += self.batch
            self.batch = []


class CarryingBatcher(Batcher):
    """Hands the batch on to the next incarnation."""

    def carry_over(self, reason: ExitReason) -> list[int]:
        return self.batch

    def on_restore(self, carried: list[int]) -> None:
        self.batch = carried


def lost_message(sim: Simulation, batcher: type[Batcher]) -> None:
    """Six items, and a crash at one of them; look for those that had been collected already."""
    stored: list[int] = []
    root = sim.start(
        supervisor("root", child("batcher", batcher, args=[stored], backoff=None, redeliver=8), max_restarts=20)
    )
    for number in range(6):
        root.child("batcher").tell(Item(number))
    sim.run(until=5)
    sim.heal()
    sim.eventually("every item is stored once", lambda: sorted(stored) == list(range(6)), within=1)


# A timer of the old incarnation delivered to the new one

LIFETIME = 5.0


@dataclass(frozen=True)
class Expired:
    """The lease has run out."""


class Lease(Actor):
    """Holds for five seconds from its start. Its timer is the event loop's, and outlives it."""

    def __init__(self, held: list[float]) -> None:
        self.held = held

    def on_start(self) -> None:
        self.began = self.runtime.now()
        self.arm()

    def arm(self) -> None:
        asyncio.get_running_loop().call_later(LIFETIME, self.ref.tell, Expired())

    @handles
    def expire(self, message: Expired) -> None:
        self.held.append(self.runtime.now() - self.began)

    def on_receive(self, message: str) -> None:
        """A sign of life from whoever uses the lease."""


class OwnTimerLease(Lease):
    """Its timer ends with the incarnation that has set it."""

    def arm(self) -> None:
        self.tell_after(LIFETIME, Expired())


def old_timer(sim: Simulation, lease: type[Lease]) -> None:
    """A lease that crashes on its way; look for an incarnation that ends before its time."""
    held: list[float] = []
    root = sim.start(supervisor("root", child("lease", lease, args=[held], backoff=None), max_restarts=20))
    sim.always("a lease holds for its whole time", lambda: all(seconds >= LIFETIME for seconds in held))
    sim.workload(lambda number: root.child("lease").tell("still here"), n=4, every=1.0)
    sim.run(until=20)


# Starvation read as death


@dataclass(frozen=True)
class Job:
    """A quarter of a second of work."""


@dataclass(frozen=True)
class Ping:
    """Are you there?"""


@dataclass(frozen=True)
class Pong:
    """I am, says this one."""

    worker: ActorRef[Worker]


@dataclass(frozen=True)
class Tick:
    """A second has passed."""


CREW = "crew"


class Worker(Actor):
    """Works. A question waits its turn, like any message."""

    def on_start(self) -> None:
        self.join(CREW)

    @handles
    async def work(self, job: Job) -> None:
        await asyncio.sleep(0.25)

    @handles
    def answer(self, ping: Ping) -> None:
        if self.sender is not None:
            self.sender.tell(Pong(self.ref))


class Detector(Actor):
    """Asks its worker every second how it is. Who has not answered by the next time is dead, it thinks."""

    async def on_start(self) -> None:  # type: ignore[override]
        await self.hire()
        self.tell_every(1.0, Tick())

    async def hire(self) -> None:
        self.worker = await self.spawn(Worker)
        self.monitor(self.worker)
        self.heard = True

    def is_dead(self) -> bool:
        return not self.heard

    @handles
    async def tick(self, message: Tick) -> None:
        if self.is_dead():
            await self.hire()
        else:
            self.heard = False
            self.worker.tell(Ping())

    @handles
    def pong(self, message: Pong) -> None:
        self.heard = self.heard or message.worker is self.worker

    @handles
    async def lost(self, down: Down) -> None:
        if down.ref is self.worker:
            await self.hire()


class CautiousDetector(Detector):
    """Who does not answer may be busy; dead is who is gone."""

    def is_dead(self) -> bool:
        return not self.worker.is_alive()


def starvation(sim: Simulation, detector: type[Detector]) -> None:
    """A worker with work to do; look for work that takes longer than its detector's patience."""
    sim.spawn(detector, name="detector")
    sim.always("there is one worker at most", lambda: len(sim.runtime.members(CREW)) <= 1)

    def work(number: int) -> None:
        for worker in sim.runtime.members(CREW):
            worker.tell(Job())

    sim.workload(work, n=12, every=0.3)
    sim.run(until=12)


# Health said before the work is done


@dataclass(frozen=True)
class Fetch:
    """Asks for a page."""


class Client(Actor):
    """Says that it works as soon as it is up. Its failures are forgotten before they can add up."""

    def __init__(self, log: list[float | None]) -> None:
        self.log = log

    def on_start(self) -> None:
        self.healthy()

    @handles
    def fetch(self, message: Fetch) -> None:
        self.log.append(None)


class ModestClient(Client):
    """Says that it works when it has fetched something."""

    def on_start(self) -> None:
        """Nothing is known yet."""

    @handles
    def fetch(self, message: Fetch) -> None:
        self.log.append(None)
        self.healthy()


def early_health(sim: Simulation, client: type[Client]) -> None:
    """Pages to fetch, and failures in a row; look for a delay that is not longer than the one before it."""
    log: list[float | None] = []
    backoff = exponential(0.25, cap=1000, jitter="none", reset="healthy")
    sim.runtime.events.subscribe(lambda event: log.append(event.delay), BackingOff)
    root = sim.start(
        supervisor("root", child("client", client, args=[log], backoff=backoff, redeliver=20), max_restarts=20)
    )
    sim.always(
        "without a page between them, each delay is longer than the one before",
        lambda: all(first < second for first, second in pairwise(log) if first is not None and second is not None),
    )
    sim.workload(lambda number: root.child("client").tell(Fetch()), n=4, every=1.0)
    sim.run(until=20)


ENTRIES = (
    Entry(
        "health said before the work is done",
        early_health,
        Client,
        ModestClient,
        InvariantBroken,
        faults=(lambda draw: Crash("root/client", nth=draw.randint(1, 3), times=draw.randint(1, 2)),),
    ),
    Entry(
        "message lost across a restart",
        lost_message,
        Batcher,
        CarryingBatcher,
        NeverHappened,
        faults=(lambda draw: Crash("root/batcher", nth=draw.randint(1, 8)),),
    ),
    Entry(
        "a timer of the old incarnation delivered to the new one",
        old_timer,
        Lease,
        OwnTimerLease,
        InvariantBroken,
        faults=(
            lambda draw: Crash("root/lease", nth=draw.randint(1, 5)),
            lambda draw: Kill("root/lease", at=draw.randint(1, 12) / 2),
        ),
    ),
    Entry(
        "starvation read as death",
        starvation,
        Detector,
        CautiousDetector,
        InvariantBroken,
        faults=(
            lambda draw: Slow("detector/*", nth=draw.randint(1, 12), seconds=draw.choice((0.25, 0.5, 1.0, 2.0))),
            lambda draw: Kill("detector/*", at=draw.randint(1, 12) / 2),
        ),
    ),
)
