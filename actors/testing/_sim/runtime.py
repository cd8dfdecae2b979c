"""The runtime of a simulation: the real one on virtual time, with everything in one thread."""

from __future__ import annotations

import asyncio
import random
from asyncio.events import _set_running_loop
from collections.abc import Callable
from contextvars import copy_context
from functools import cached_property
from typing import Any

from actors._core.cell import Cell
from actors._core.clock import TimerHandle, not_a_time
from actors._core.future import Future
from actors._core.process import PlaceSpec
from actors._place.host import PlaceHost
from actors._runtime.runtime import Runtime, _running
from actors.events import Abandoned, LifecycleEvent, Quarantined, UncaughtException
from actors.testing._faults.plan import FaultPlan, Raise
from actors.testing._sim import observations as seen
from actors.testing._sim.greenlet_host import GreenletHost
from actors.testing._sim.host import SimLoopHost
from actors.testing._sim.injector import Injector
from actors.testing._sim.journal import Journal
from actors.testing._sim.loop import SimLoop
from actors.testing._sim.observer import SimObserver
from actors.testing._sim.processes import SimCarrier, SimProcesses
from actors.testing._sim.shown import shown
from actors.testing._sim.strands import Sleeper, Strand, Strands
from actors.testing.errors import LoopFailure

EPOCH = 1_700_000_000.0
"""The start of the wall clock of every simulation, in seconds since 1970."""


class SimClock:
    """Virtual time. Its wall clock begins at the same moment in every run."""

    def __init__(self, loop: SimLoop, offset: Callable[[], float]) -> None:
        self.now: Callable[[], float] = loop.time
        self._loop = loop
        self._offset = offset

    def wall(self) -> float:
        return EPOCH + self._loop.time() + self._offset()

    def call_at(self, when: float, callback: Callable[[], object]) -> TimerHandle:
        if when != when:
            raise not_a_time()
        return self._loop.clock_at(when, callback)


class SimRuntime(Runtime):
    """A runtime inside a simulation. Begins when it is made."""

    loop: SimLoop
    loop_host: SimLoopHost
    thread_host: GreenletHost

    def __init__(
        self, loop: SimLoop, strands: Strands, plan: FaultPlan, seed: int, default_timeout: float | None
    ) -> None:
        super().__init__(
            "simulation",
            default_timeout=default_timeout,
            watchdog=None,
            random=random.Random(seed),
            clock=lambda _: SimClock(loop, lambda: self.wall_offset),
            log=False,
        )
        self.strands = strands
        self.journal = Journal(loop)
        self.injector = Injector(plan, self.journal)
        self.ids = random.Random(seed)
        """For identifiers; apart from `random`, so that a name more is not a delay more."""
        self.seed = seed
        self.wall_offset = 0.0
        self.park = self._block
        self.lifecycle: list[LifecycleEvent] = []
        """Every event of the stream, in order."""
        self.processes: SimProcesses | None = None
        """The simulated processes; None: no actor has one."""
        self.has_processes: Callable[[SimProcesses], object] = lambda _: None
        """Called when the first actor with a process is made; the fences put their own function here."""
        self._strand_numbers = 0
        _set_running_loop(loop)
        try:
            self._begin()
        finally:
            _set_running_loop(None)
        self.observer = SimObserver(self)
        self.watch_messages()
        self.events.subscribe(self._heard)
        if any(isinstance(fault, Raise) and fault.place == "sink" for fault in plan.faults):
            self.events.subscribe(self._raise_in_sink)
        loop.in_thread = self.in_thread  # type: ignore[method-assign]
        loop.escaped = self.escaped
        self.injector.set_timers(self)

    @cached_property
    def entropy(self) -> random.Random:
        """The randomness of the operating system: `os.urandom`, `secrets`, generators without a seed."""
        return random.Random(f"entropy {self.seed}")

    def make_hosts(self) -> None:
        self.loop_host = SimLoopHost(self, self.loop)
        self.thread_host = GreenletHost(self, self, self.strands)

    def make_place_host(self, spec: PlaceSpec) -> PlaceHost:
        """Makes the host of the actors in processes of their own, which are simulated. A node of Ray is such a process,
        and its lease never ends.
        """
        if self.processes is None:
            self.processes = SimProcesses(self)
            self.has_processes(self.processes)
        host = self.place_hosts[spec.kind] = PlaceHost(self, self.processes)
        return host

    def running_places(self) -> list[SimCarrier]:
        """What carries the processes that run, by path."""
        return [] if self.processes is None else self.processes.running()

    def heal_places(self) -> None:
        """Every process goes on, and every frame that is held up arrives."""
        if self.processes is not None:
            self.processes.heal()

    def own_lifecycle(self) -> list[LifecycleEvent]:
        """The events of the stream about actors of the program. Processes tell of those that were started there, as
        long as they run.
        """
        if self.processes is None:
            return self.lifecycle
        made = {each.path for each in self.journal.observations if type(each) is seen.Made}
        return [event for event in self.lifecycle if event.path in made]

    def abort(self) -> None:
        """Ends the runtime in any state; nothing can be started any more."""
        _running.discard(self)
        self._why_not = "its simulation is over"

    # Where code runs: one thread, but a greenlet is not the loop

    def on_loop(self, function: Callable[[], object]) -> None:
        if self.strands.current is None and self.loop.is_running():
            function()
        else:
            self.control_call(function)

    def on_turn_of(self, cell: Cell) -> bool:
        if self.strands.current is None:
            return self.loop_host.stepping is cell
        return self.thread_host.is_current(cell)

    # Waiting

    def _block(self, future: Future[Any], timeout: float | None) -> bool:
        """Blocks a greenlet, or the test itself, until the future settles."""
        sleeper = Sleeper("a future")

        def wake(_: Future[Any]) -> None:
            self.strands.wake(sleeper)

        future.add_done_callback(wake)
        try:
            return self.strands.block(sleeper, timeout)
        finally:
            future.remove_done_callback(wake)

    def start_strand(self, work: Callable[[], object], name: str, *, outside: bool) -> Strand:
        """Starts a simulated thread that does not belong to an actor; the name is also that of its lane."""
        return self.strands.start(work, self.loop.lane(name), name, outside=outside)

    def numbered(self, name: str) -> str:
        """The name with a number that makes it unique."""
        self._strand_numbers += 1
        return f"{name}-{self._strand_numbers}"

    def in_thread(
        self,
        loop: asyncio.AbstractEventLoop,
        func: Callable[..., Any],
        *args: Any,
        ended: Callable[[], object] = lambda: None,
    ) -> asyncio.Future[Any]:
        """Stands for `asyncio.to_thread`, in a coroutine of `loop`. Calls `ended` in the thread, last of all."""
        future: asyncio.Future[Any] = loop.create_future()
        context = copy_context()

        def work() -> None:
            try:
                result = context.run(func, *args)
            except BaseException as error:  # noqa: BLE001 - the coroutine that awaits the future gets it
                loop.call_soon_threadsafe(_settle, future, None, error, context=context)
            else:
                loop.call_soon_threadsafe(_settle, future, result, None, context=context)
            ended()

        self.start_strand(work, self.numbered("thread"), outside=False).of_user = True
        return future

    def _raise_in_sink(self, event: LifecycleEvent) -> None:
        """A sink of the test's, where the plan wants it to raise."""
        armed = self.injector.raising_at(event.path).get("sink")
        error = None if armed is None else self.injector.to_raise(armed, event.path, None)
        if error is not None:
            raise error

    # What the stream says

    def _heard(self, event: LifecycleEvent) -> None:
        self.lifecycle.append(event)
        journal = self.journal
        match event:
            case Abandoned(path=path, incarnation=incarnation, what=what):
                journal.note(seen.Abandoned, path, incarnation, what)
            case UncaughtException(path=path, where=where, error=error) if not self._is_left_over(path, where):
                failure = LoopFailure(event.at, f"{where} of {path} raised {shown(error)}")
                failure.__cause__ = error
                self.loop.failure = failure
            case Quarantined(path=path, message=message):
                if path in self.cells:  # of an actor that another one started in its process, nothing is known here
                    journal.refused(path, message, "quarantined", self.cells[path].culprit)
        child = getattr(event, "child", None)
        if child is not None:
            self._supervision(event, child)

    def _is_left_over(self, path: str, where: str) -> bool:
        """Whether a task or callback of an incarnation that has ended exits, or cannot be reported: the event says so,
        and the runtime is not at fault.
        """
        return self.loop.failure is not None or (path != self.name and where.startswith(("task ", "a callback ")))

    def _supervision(self, event: Any, child: str) -> None:
        """An event of a supervisor, whose types this package does not know."""
        supervisor = event.path.rpartition("/")[0] if event.path.endswith(f"/{child}") else event.path
        self.journal.note(seen.Noted, supervisor, type(event).__name__, child, event)


def _settle(future: asyncio.Future[Any], result: object, error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
