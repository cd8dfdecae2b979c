"""Strands: simulated threads. Each is a greenlet; when it blocks, the loop goes on and virtual time may pass."""

from __future__ import annotations

import math
import sys
from asyncio import Handle, TimerHandle
from asyncio.events import _get_running_loop, _set_running_loop
from collections.abc import Callable
from contextvars import Context
from itertools import count
from threading import Thread, get_ident
from typing import Protocol

from actors._extras import needs_extra
from actors.testing._sim.lanes import Lane
from actors.testing._sim.loop import SimLoop, Why
from actors.testing.errors import DeadlockFailure, NeverHappened

with needs_extra():
    from greenlet import GreenletExit, getcurrent, greenlet

PATIENCE = 1_000_000
"""How many steps others may take while the test itself waits without a limit: a timer that repeats never ends."""


AHEAD = 10_000
"""How often threads may give way to each other while code on the loop waits for one."""


def _nothing() -> None:
    """The work of a strand that has begun."""


class RunsInStrand(Protocol):
    """An event loop inside a strand."""

    def step_aside(self) -> Callable[[], None]: ...


class ThreadsProcess(Protocol):
    """A simulated process, to which threads belong."""

    def lets(self, strand: Strand, /) -> bool:
        """Whether the thread may take a step now. One of a process that stands still takes it when the process goes on;
        one of a process that has ended takes none.
        """
        ...


class Sleeper:
    """One wait of one strand, or of the test itself."""

    __slots__ = ("over", "strand", "timer", "what", "woken")

    def __init__(self, what: str) -> None:
        self.what = what
        """The object that it waits for, in words."""
        self.woken = False
        """Whether what it waits for has come."""
        self.over = False
        self.strand: Strand | None = None
        self.timer: TimerHandle | None = None


class Strand(greenlet):  # type: ignore[misc]
    """A simulated thread. Its steps belong to a lane, like those of everything else."""

    def __init__(self, strands: Strands, work: Callable[[], object], lane: Lane, name: str, *, outside: bool) -> None:
        super().__init__(self._work, strands.hub)
        self.outside = outside
        """Whether it belongs to the test, or to pykka's own, and not to the tree under test."""
        self.lane = lane
        self.name = name
        self.number = strands.number()
        self.thread: Thread | None = None
        """The value of `threading.current_thread()` in it, once it was asked for."""
        self.sleeper: Sleeper | None = None
        self.running: RunsInStrand | None = None
        """The event loop that runs in it."""
        self.resumption: Handle | None = None
        """Its next step, while it waits to be chosen."""
        self.of_user = False
        """Whether it is a thread that code of the user's has started, and not that of an actor or a client."""
        self.joining: list[Sleeper] = []
        """The waits for its end."""
        self.process: ThreadsProcess | None = None
        """The simulated process to which it belongs; None: the program."""
        self._strands = strands
        self._task = work

    def _work(self) -> None:
        work, self._task = self._task, _nothing  # what it holds is free when it ends
        try:
            work()
        except GreenletExit:
            return
        except BaseException as error:  # noqa: BLE001 - a real thread would end alone, with a note on stderr
            self._strands.loop.default_exception_handler({"message": f"thread {self.name}", "exception": error})
        finally:
            self._strands.alive.pop(self, None)
            for sleeper in self.joining:
                self._strands.wake(sleeper)


class Strands:
    """The simulated threads of one simulation."""

    def __init__(self, loop: SimLoop) -> None:
        self.loop = loop
        self.hub = getcurrent()
        """The greenlet the loop and the test run in."""
        self.alive: dict[Strand, None] = {}
        self.current: Strand | None = None
        """The strand that runs at this moment."""
        self.closing = False
        self.number = count(1).__next__
        self._context = Context()
        self._home = get_ident()

    @property
    def mine(self) -> Strand | None:
        """The strand that asks; none outside of strands, and none for any other thread of the machine."""
        return self.current if self.current is not None and get_ident() == self._home else None

    @property
    def is_elsewhere(self) -> bool:
        """Whether another thread of the machine asks, which is none of the simulation's."""
        return get_ident() != self._home

    @property
    def is_on_loop(self) -> bool:
        """Whether code on the loop itself asks, which may not block."""
        return self.current is None and self.loop.is_running()

    def start(self, work: Callable[[], object], lane: Lane, name: str, *, outside: bool = False) -> Strand:
        """Begins a simulated thread; it takes its first step when its lane is chosen."""
        strand = Strand(self, work, lane, name, outside=outside)
        if self.current is not None:
            strand.process = self.current.process
        self.alive[strand] = None
        self.resume(strand)
        return strand

    def prepare(self, work: Callable[[], object], lane: Lane, name: str) -> Strand:
        """A simulated thread that goes when `run_now` says so, until it waits or pauses."""
        strand = Strand(self, work, lane, name, outside=True)
        self.alive[strand] = None
        return strand

    def run_now(self, strand: Strand) -> None:
        """The strand goes on at once, and not as a step of the run."""
        self._switch(strand)

    def pause(self) -> None:
        """The running strand gives way until `run_now`."""
        self.hub.switch()
        if self.closing:
            raise GreenletExit

    def resume(self, strand: Strand) -> None:
        """The strand wants to go on."""
        strand.resumption = Handle(self._switch, (strand,), self.loop, self._context)
        self.loop.push(strand.lane, strand.resumption)

    def _switch(self, strand: Strand) -> None:
        if strand.dead:
            return
        strand.resumption = None
        if strand.process is not None and not strand.process.lets(strand):
            return
        outer, hooks = _get_running_loop(), sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(None, None)
        _set_running_loop(None)
        self.current = strand
        try:
            strand.switch()
        finally:
            self.current = None
            _set_running_loop(outer)
            sys.set_asyncgen_hooks(*hooks)

    def run_ahead(self, strand: Strand) -> bool:
        """The loop needs a lock that the strand holds: it goes on at once, to where it gives way next. Returns False,
        and does nothing, if the strand waits for something else.
        """
        step = strand.resumption
        if step is None or self.current is not None:
            return False
        step.cancel()
        self._switch(strand)
        return True

    def leave(self) -> None:
        """The running strand gives way until it is resumed."""
        strand = self.current
        assert strand is not None
        back = None if strand.running is None else strand.running.step_aside()
        try:
            self.hub.switch()
        finally:
            if back is not None:
                back()
        if self.closing:
            raise GreenletExit

    def give_way(self) -> None:
        """A point at which the running strand may be overtaken. Nothing outside of strands."""
        if self.current is not None and not self.closing:
            self.resume(self.current)
            self.leave()

    # Waiting

    def block(self, sleeper: Sleeper, seconds: float | None) -> bool:
        """Blocks the caller until the sleeper is woken, or for `seconds`; returns whether it was woken.

        In a strand the rest goes on meanwhile. In the test's own code, outside of everything, the simulation runs until
        then.

        Raises:
            FenceError: on the loop, where nothing may block
            DeadlockFailure: nothing can wake it any more
            NeverHappened: the test waits without a limit, and others go on and on
        """
        if sleeper.woken:
            return True
        strand = self.current
        if strand is not None:
            sleeper.strand = strand
            if seconds is not None:
                sleeper.timer = self.loop.call_later(seconds, self._end, sleeper, context=self._context)
            strand.sleeper = sleeper
            try:
                self.leave()
            finally:
                strand.sleeper = None
                sleeper.over = True
                if sleeper.timer is not None:
                    sleeper.timer.cancel()
        elif self.loop.is_running():
            if not self._threads_go_ahead(sleeper):
                self.loop.refuse(
                    sleeper.what,
                    'an actor on the event loop must not block: await, or give the actor `host="thread"`',
                )
        else:
            until = None if seconds is None else self.loop.time() + seconds
            last = math.inf if until is not None else self.loop.steps + PATIENCE
            why = self.loop.run(until, lambda: sleeper.woken or self.loop.steps > last)
            if self.loop.steps > last:
                raise NeverHappened(
                    self.loop.time(), f"the test still waits for {sleeper.what}, after {PATIENCE} steps of others"
                )
            if why is Why.IDLE and seconds is None:
                raise DeadlockFailure(self.loop.time(), [f"the test waits for {sleeper.what}", *self.waiting()])
        return sleeper.woken

    def _threads_go_ahead(self, sleeper: Sleeper) -> bool:
        """Code on the loop waits for a thread of the user's, such as one of a pool that it ends. Returns whether those
        that can go on wake it, without time that passes: a real loop would stand still for an instant.
        """
        for _ in range(AHEAD):
            if sleeper.woken or not any(self.run_ahead(each) for each in list(self.alive) if each.of_user):
                break
        return sleeper.woken

    def wake(self, sleeper: Sleeper) -> None:
        """Ends the wait of the sleeper."""
        if not sleeper.woken and not sleeper.over:
            sleeper.woken = True
            self._end(sleeper)

    def _end(self, sleeper: Sleeper) -> None:
        if sleeper.over:
            return
        sleeper.over = True
        if sleeper.strand is not None:
            self.resume(sleeper.strand)

    def sleep(self, seconds: float) -> None:
        """Blocks for that long, in virtual time."""
        self.block(Sleeper(f"time.sleep({seconds:.12g})"), max(0.0, seconds))

    def waiting(self) -> list[str]:
        """Which strands wait, and for what."""
        return [f"{each.name} waits for {each.sleeper.what}" for each in self.alive if each.sleeper is not None]

    def close(self) -> None:
        """Ends every strand that is left."""
        self.closing = True
        for _ in range(8):
            for strand in list(self.alive):
                if not strand.dead:
                    self.current = strand
                    try:
                        strand.throw(GreenletExit)
                    finally:
                        self.current = None
                if strand.dead:
                    self.alive.pop(strand, None)
            if not self.alive:
                return
