"""What goes wrong in supervisors that people write by hand, with monitors and timers of their own."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from random import Random

from actors import Actor, ActorError, ActorRef, CrashedExit, Down, Exited, Future, StartError, StartFailed, handles
from actors.spi import unowned_context
from actors.testing import (
    Crash,
    CrashInStart,
    CrashInStop,
    Fault,
    InvariantBroken,
    Kill,
    NeverHappened,
    Simulation,
    edge,
)
from tests.zoo._entry import Entry

CREW = "crew"
"""The group of all workers that live."""


@dataclass(frozen=True)
class Ping:
    """Are you there?"""


@dataclass(frozen=True)
class Check:
    """Look after the worker."""


@dataclass(frozen=True)
class Retry:
    """Try again to start what would not start."""


class GaveUp(Exception):
    """The keeper has restarted often enough."""


class Worker(Actor):
    """Does as it is told, as long as it lives."""

    def on_start(self) -> None:
        self.join(CREW)

    def on_receive(self, message: object) -> object:
        return message


# Double restart from two notices of one exit


class Keeper(Actor):
    """Hears of the end of its worker from a monitor, and from a question that fails. One death may come both ways."""

    async def on_start(self) -> None:  # type: ignore[override]
        await self.hire()

    async def hire(self) -> None:
        self.worker = await self.spawn(Worker)
        self.monitor(self.worker)
        self.tell_after(1.0, Check())

    async def replace(self, lost: ActorRef[Worker]) -> None:
        await self.hire()

    @handles
    async def check(self, message: Check) -> None:
        worker = self.worker
        try:
            await worker.call(Ping())
        except ActorError:
            await self.replace(worker)
        else:
            self.tell_after(1.0, Check())

    @handles
    async def lost(self, down: Down) -> None:
        await self.replace(down.ref)


class ExactKeeper(Keeper):
    """Replaces the worker it has, and no other."""

    async def replace(self, lost: ActorRef[Worker]) -> None:
        if lost is self.worker:
            await self.hire()


def double_restart(sim: Simulation, keeper: type[Keeper]) -> None:
    """A worker with plenty to do; look for a crash of the worker while its keeper asks how it is."""
    sim.spawn(keeper, name="keeper")

    def work(number: int) -> None:
        for worker in sim.runtime.members(CREW):
            worker.tell(number)

    sim.workload(work, n=10, every=0.4)
    sim.run(until=6)
    sim.heal()
    sim.run(until=10)
    sim.eventually("there is one worker", lambda: len(sim.runtime.members(CREW)) == 1, within=1)


# Stop during backoff leaves an orphan


class DelayingKeeper(Actor):
    """Waits a second before it replaces its worker, in a task that does not end with it. Whoever stops the keeper
    meanwhile leaves the task.
    """

    def __init__(self) -> None:
        self.hired = 0
        self.leaving = False
        self.waits: asyncio.Task[None] | None = None

    async def on_start(self) -> None:  # type: ignore[override]
        await self.hire()

    async def hire(self) -> None:
        self.hired += 1
        self.worker = await self.runtime.spawn(Worker, name=f"worker-{self.hired}")
        self.monitor(self.worker)

    async def hire_later(self) -> None:
        await asyncio.sleep(1.0)
        if not self.leaving:
            await self.hire()

    @handles
    def lost(self, down: Down) -> None:
        self.waits = asyncio.create_task(self.hire_later(), context=unowned_context())

    async def on_stop(self) -> None:  # type: ignore[override]
        await self.worker.stop(block=False)


class TidyKeeper(DelayingKeeper):
    """Sees to it that nobody is hired any more, and then lets the last one go."""

    async def on_stop(self) -> None:  # type: ignore[override]
        self.leaving = True
        if self.waits is not None:
            await self.waits
        await super().on_stop()


def orphan_of_backoff(sim: Simulation, keeper: type[DelayingKeeper]) -> None:
    """The keeper is stopped; look for a worker that was lost just before."""
    boss = sim.spawn(keeper, name="keeper")
    sim.always("no worker outlives its keeper", lambda: boss.is_alive() or not sim.runtime.members(CREW))
    sim.run(until=3)
    boss.stop(block=False)
    sim.run(until=10)


# Restart window off by one

PERIOD = 5.0
RESTARTS = 1


class CountingKeeper(Actor):
    """Allows one restart within five seconds. Is a restart of exactly five seconds ago within them?"""

    async def on_start(self) -> None:  # type: ignore[override]
        self.times: list[float] = []
        await self.hire()

    async def hire(self) -> None:
        self.monitor(await self.spawn(Worker))

    def recent(self, time: float) -> bool:
        return self.runtime.now() - time < PERIOD

    @handles
    async def lost(self, down: Down) -> None:
        self.times = [time for time in self.times if self.recent(time)]
        if len(self.times) >= RESTARTS:
            raise GaveUp
        self.times.append(self.runtime.now())
        await self.hire()


class InclusiveKeeper(CountingKeeper):
    """Counts the very edge as inside (supervision rule 8: OTP's window exactly)."""

    def recent(self, time: float) -> bool:
        return self.runtime.now() - time <= PERIOD


def window(sim: Simulation, keeper: type[CountingKeeper]) -> None:
    """Two kills; look for the second one exactly at the end of the window that the first has opened."""
    exits: list[float] = []
    sim.runtime.events.subscribe(lambda event: exits.append(event.at), Exited, CrashedExit)
    boss = sim.spawn(keeper, name="keeper")

    def too_many() -> bool:
        """Whether more ends than the keeper may restart lie within one window."""
        return any(later - first <= PERIOD for first, later in zip(exits, exits[RESTARTS:], strict=False))

    sim.run(until=20)
    sim.heal()
    sim.eventually("the keeper has given up where it must", lambda: boss.is_alive() is not too_many(), within=1)


def at_the_edge(draw: Random) -> tuple[Fault, ...]:
    """A kill, and another one around the end of the window that it opens."""
    began = draw.choice((1.0, 2.5))
    return Kill("keeper/*", at=began), Kill("keeper/*", at=draw.choice(edge(began, PERIOD)))


# Crash loop in start that never escalates


class EagerKeeper(Actor):
    """Allows three restarts. A start that fails is tried again and counted nowhere: nothing was lost, after all."""

    async def on_start(self) -> None:  # type: ignore[override]
        self.restarts = 0
        await self.hire()

    async def hire(self) -> None:
        try:
            worker = await self.spawn(Worker)
        except StartError:
            self.tell_after(0.5, Retry())
        else:
            self.monitor(worker)

    def count(self) -> None:
        self.restarts += 1
        if self.restarts > 3:
            raise GaveUp

    @handles
    async def lost(self, down: Down) -> None:
        self.count()
        await self.hire()

    @handles
    async def retry(self, message: Retry) -> None:
        await self.hire()


class StrictKeeper(EagerKeeper):
    """Counts every attempt."""

    @handles
    async def retry(self, message: Retry) -> None:
        self.count()
        await self.hire()


def crash_loop(sim: Simulation, keeper: type[EagerKeeper]) -> None:
    """A worker that fails in its start; look for one that goes on failing."""
    failed: list[object] = []
    sim.runtime.events.subscribe(failed.append, StartFailed)
    sim.spawn(keeper, name="keeper")
    sim.always("four starts are enough", lambda: len(failed) <= 4)
    sim.run(until=10)


# rest_for_one in the wrong order


class Stage(Actor):
    """Draws from the stage before it, which must be up by then."""

    def __init__(self, restart: int, number: int, starts: list[tuple[int, int]]) -> None:
        self.mark = (restart, number)
        self.starts = starts

    def on_start(self) -> None:
        self.starts.append(self.mark)
        self.join(CREW)

    def on_receive(self, message: object) -> None:
        """Whatever it is, it flows through."""


class Line(Actor):
    """Keeps a line of stages: when one is lost, those behind it are stopped, last first, and all are started again.

    All at once, here.
    """

    def __init__(self, starts: list[tuple[int, int]]) -> None:
        self.starts = starts
        self.restarts = 0
        self.stages: list[ActorRef[Stage]] = []

    async def on_start(self) -> None:  # type: ignore[override]
        for number in range(3):
            self.stages.append(await self.begin(number))
        for stage in self.stages:
            self.monitor(stage)

    def begin(self, number: int) -> Future[ActorRef[Stage]]:
        return self.spawn(Stage, args=[self.restarts, number, self.starts])

    async def start_from(self, first: int) -> list[ActorRef[Stage]]:
        starts = [self.begin(number) for number in range(first, 3)]
        return [await start for start in starts]

    @handles
    async def lost(self, down: Down) -> None:
        if down.ref not in self.stages:
            return
        first = self.stages.index(down.ref)
        rest, self.stages = self.stages[first + 1 :], self.stages[:first]
        for stage in reversed(rest):
            await stage.stop(block=False)
        self.restarts += 1
        self.stages += await self.start_from(first)
        for stage in self.stages[first:]:
            self.monitor(stage)


class PatientLine(Line):
    """Waits for each stage before it starts the next."""

    async def start_from(self, first: int) -> list[ActorRef[Stage]]:
        return [await self.begin(number) for number in range(first, 3)]


def wrong_order(sim: Simulation, line: type[Line]) -> None:
    """A line whose stages crash; look for a stage that is up before the one it draws from."""
    starts: list[tuple[int, int]] = []
    sim.spawn(line, args=[starts], name="line")
    sim.always("the stages start in their order, each time", lambda: starts == sorted(starts))

    def flow(number: int) -> None:
        for stage in sim.runtime.members(CREW):
            stage.tell(number)

    sim.workload(flow, n=4, every=0.5)
    sim.run(until=4)
    sim.heal()
    sim.eventually("the line is complete", lambda: len(sim.runtime.members(CREW)) == 3, within=1)


# A crash in stop that aborts the siblings' shutdown


class Foreman(Actor):
    """Lets its workers go one by one and says aloud when one of them does not go well: in the middle of the loop."""

    async def on_start(self) -> None:  # type: ignore[override]
        self.workers = [await self.runtime.spawn(Worker, name=f"worker-{number}") for number in range(3)]

    async def let_go(self, worker: ActorRef[Worker]) -> None:
        end = worker.monitor()
        worker.stop(block=False)
        down = await end
        if not down.reason.expected:
            raise GaveUp(f"{worker.path} ended badly: {down.reason}")

    async def on_stop(self) -> None:  # type: ignore[override]
        for worker in reversed(self.workers):
            await self.let_go(worker)


class ThoroughForeman(Foreman):
    """Lets everybody go, and then says what went wrong."""

    async def on_stop(self) -> None:  # type: ignore[override]
        errors = []
        for worker in reversed(self.workers):
            try:
                await self.let_go(worker)
            except GaveUp as error:
                errors.append(error)
        if errors:
            raise ExceptionGroup("some workers ended badly", errors)


def crash_in_stop(sim: Simulation, foreman: type[Foreman]) -> None:
    """The foreman is stopped; look for a worker whose `on_stop` raises."""
    boss = sim.spawn(foreman, name="foreman")
    sim.always("no worker outlives its foreman", lambda: boss.is_alive() or not sim.runtime.members(CREW))
    sim.run(until=1)
    boss.stop(block=False)
    sim.run(until=10)


ENTRIES = (
    Entry(
        "double restart from two notices of one exit",
        double_restart,
        Keeper,
        ExactKeeper,
        NeverHappened,
        faults=(
            lambda draw: Crash("keeper/*", nth=draw.randint(1, 12)),
            lambda draw: Kill("keeper/*", nth=draw.randint(1, 12)),
        ),
    ),
    Entry(
        "stop during backoff leaves an orphan",
        orphan_of_backoff,
        DelayingKeeper,
        TidyKeeper,
        InvariantBroken,
        faults=(lambda draw: Kill("worker-*", at=draw.randint(1, 16) / 4),),
    ),
    Entry(
        "restart window off by one",
        window,
        CountingKeeper,
        InclusiveKeeper,
        NeverHappened,
        faults=(at_the_edge,),
        most=1,
    ),
    Entry(
        "crash loop in start that never escalates",
        crash_loop,
        EagerKeeper,
        StrictKeeper,
        InvariantBroken,
        faults=(
            lambda draw: CrashInStart("keeper/*", nth=draw.randint(1, 3), times=draw.choice((1, 5, 20))),
            lambda draw: Kill("keeper/*", at=draw.randint(1, 8) / 2),
        ),
    ),
    Entry(
        "rest_for_one in the wrong order",
        wrong_order,
        Line,
        PatientLine,
        InvariantBroken,
        faults=(lambda draw: Crash("line/*", nth=draw.randint(1, 12)),),
    ),
    Entry(
        "a crash in stop that aborts the siblings' shutdown",
        crash_in_stop,
        Foreman,
        ThoroughForeman,
        InvariantBroken,
        faults=(
            lambda draw: CrashInStop("worker-*", nth=draw.randint(1, 4)),
            lambda draw: Kill("worker-*", at=draw.randint(0, 8) / 4),
        ),
    ),
)
