"""Makes the faults of a plan happen, and records them."""

from __future__ import annotations

import asyncio
from asyncio import TimerHandle
from typing import TYPE_CHECKING, Any, NamedTuple

from actors._core.future import Future
from actors.reasons import Killed
from actors.testing._faults.exceptions import make_exception
from actors.testing._faults.plan import (
    AskTimeout,
    ClockJump,
    Crash,
    DelayMessage,
    DropMessage,
    DuplicateMessage,
    Fault,
    FaultPlan,
    Hang,
    Kill,
    KillPlace,
    LoseZygote,
    Place,
    Raise,
    Slow,
    matches,
)
from actors.testing._sim.journal import Journal
from actors.testing._sim.observations import FaultFired

if TYPE_CHECKING:
    from actors.testing._sim.runtime import SimRuntime

ON_THE_WAY = (DropMessage, DuplicateMessage, DelayMessage, AskTimeout)
IN_HANDLER = (Crash, Hang, Slow, Kill)
Armed = tuple[tuple[int, Fault], ...]
"""The faults that aim at one actor, with their places in the plan."""


class Fired(NamedTuple):
    """A fault that happened, with its time and place."""

    place: int
    """Its index in the plan, from 0."""
    fault: Fault
    at: float
    path: str
    number: int | None
    """The number of the message at which it happened; `None`: at none."""


class Injector:
    """Counts the events at the targets of a plan, and says when a fault is due."""

    def __init__(self, plan: FaultPlan, journal: Journal) -> None:
        self.plan = plan
        self.fired: list[Fired] = []
        self.named: set[int] = set()
        """The places of the faults whose pattern some actor matched."""
        self.raised: list[BaseException] = []
        """The errors that faults made: only these objects are errors of a fault."""
        self.healed = False
        self._hung: list[Future[None]] = []
        self._timers: list[TimerHandle] = []
        self._forgotten: list[asyncio.Task[object]] = []
        self._journal = journal
        self._counts = [0] * len(plan)

    def aimed_at(self, path: str, kinds: tuple[type[Fault], ...]) -> Armed:
        """The faults of these kinds whose pattern the path matches."""
        found = []
        for index, fault in enumerate(self.plan.faults):
            if isinstance(fault, kinds) and matches(fault.path, path):
                self.named.add(index)
                if getattr(fault, "at", None) is None:  # otherwise it comes at a time, and not at an event
                    found.append((index, fault))
        return tuple(found)

    def raising_at(self, path: str) -> dict[Place, Armed]:
        """The faults that raise in the code of the actor at this path, by their places."""
        found: dict[Place, Armed] = {}
        for index, fault in self.aimed_at(path, (Raise,)):
            assert isinstance(fault, Raise)
            found[fault.place] = (*found.get(fault.place, ()), (index, fault))
        return found

    def to_raise(self, armed: Armed, path: str, number: int | None) -> BaseException | None:
        """Counts one more event for these faults; returns what the first of those that happen now raises."""
        for fault in self.due(armed, path, number):
            assert isinstance(fault, Raise)
            where = f"at {fault.place}" if number is None else f"at {fault.place}, message {number}"
            self.raised.append(make_exception(fault.exception, path, where))
            return self.raised[-1]
        return None

    def keep(self, timer: TimerHandle) -> None:
        """A timer of a fault's: the end of the run takes it back."""
        self._timers.append(timer)

    def remember(self, task: asyncio.Task[Any]) -> None:
        """A task that a fault started and forgot: asyncio itself keeps none alive."""
        self._forgotten.append(task)

    def made(self, error: BaseException | None) -> bool:
        """Whether a fault made this very error."""
        return any(each is error for each in self.raised)

    def due(self, armed: Armed, path: str, number: int | None) -> list[Fault]:
        """Counts one more event for these faults; returns those that happen now."""
        if self.healed:
            return []
        found: list[Fault] = []
        for index, fault in armed:
            self._counts[index] += 1
            nth: int = fault.nth  # type: ignore[attr-defined]
            if nth <= self._counts[index] < nth + fault.times:  # type: ignore[attr-defined]
                self.fire(index, fault, path, number)
                found.append(fault)
        return found

    def fire(self, index: int, fault: Fault, path: str, number: int | None) -> None:
        """Keeps the evidence."""
        at = self._journal.loop.time()
        self.fired.append(Fired(index, fault, at, path, number))
        self._journal.note(FaultFired, path, index, repr(fault), number)

    def set_timers(self, runtime: SimRuntime) -> None:
        """Arms the faults that come at a time."""
        for index, fault in enumerate(self.plan.faults):
            if isinstance(fault, Kill) and fault.at is not None:
                self._timers.append(runtime.loop.call_at(fault.at, self._kill_at, runtime, index, fault))
            elif isinstance(fault, KillPlace) and fault.at is not None:
                self._timers.append(runtime.loop.call_at(fault.at, self._kill_place_at, runtime, index, fault))
            elif isinstance(fault, LoseZygote) and fault.at is not None:
                self._timers.append(runtime.loop.call_at(fault.at, self._lose_zygote, runtime, index, fault))
            elif isinstance(fault, ClockJump):
                self.named.add(index)
                self._timers.append(runtime.loop.call_at(fault.at, self._jump, runtime, index, fault))

    def pause(self, runtime: SimRuntime, seconds: float) -> Future[None]:
        """A future that settles after so many virtual seconds, or at `heal()`: what slows a handler down."""
        over = self.hang(runtime)
        if not over.done():
            self._timers.append(runtime.loop.call_later(seconds, lambda: None if over.done() else over.set(None)))
        return over

    def hang(self, runtime: SimRuntime) -> Future[None]:
        """A future that settles at `heal()`."""
        over: Future[None] = Future(runtime.park)
        if self.healed:
            over.set(None)
        else:
            self._hung.append(over)
        return over

    def _kill_at(self, runtime: SimRuntime, index: int, fault: Kill) -> None:
        if self.healed:
            return
        targets = [cell for path, cell in sorted(runtime.cells.items()) if matches(fault.path, path) and cell.actor]
        first = (fault.nth - 1) % len(targets) if targets else 0
        for cell in [*targets[first:], *targets[:first]][: fault.times]:
            self.fire(index, fault, cell.path, None)
            cell.kill(Killed("by a fault"))

    def _kill_place_at(self, runtime: SimRuntime, index: int, fault: KillPlace) -> None:
        targets = [each for each in runtime.running_places() if matches(fault.path, each.path)]
        if self.healed or not targets:
            return
        first = (fault.nth - 1) % len(targets)
        for place in [*targets[first:], *targets[:first]][: fault.times]:
            self.fire(index, fault, place.path, None)
            place.kill_now()

    def _lose_zygote(self, runtime: SimRuntime, index: int, fault: LoseZygote) -> None:
        if not self.healed and runtime.processes is not None:
            self.fire(index, fault, fault.path, None)
            runtime.processes.lose_zygote()

    def _jump(self, runtime: SimRuntime, index: int, fault: ClockJump) -> None:
        if self.healed:
            return
        self.fire(index, fault, "", None)
        if fault.seconds >= 0:
            runtime.loop.jump(fault.seconds)
        else:
            runtime.wall_offset += fault.seconds

    def heal(self) -> None:
        """No further fault, and handlers that hang or are slowed down go on."""
        self.healed = True
        hung, self._hung = self._hung, []
        for future in hung:
            if not future.done():
                future.set(None)

    def close(self) -> None:
        """Cancels its timers: at the end of a run they do not count as orphans."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
