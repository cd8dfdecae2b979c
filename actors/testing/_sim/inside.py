"""The runtime in a simulated process: the one of a real process, on the event loop of a simulated thread."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from pykka.messages import _ActorStop

from actors._core.cell import Cell
from actors._core.clock import TimerHandle, not_a_time
from actors._core.envelope import Envelope
from actors._core.handlers import HandlerFunction
from actors._core.messages import Continue, Timed
from actors._extras import needs_extra
from actors._hosts.loop import LoopHost
from actors._peer.inside import InnerPeer, NumberedEnvelope, PeerRuntime
from actors._peer.observer import PeerObserver
from actors._runtime.runtime import _running
from actors.events import EventStream
from actors.testing._sim.greenlet_host import GreenletHost
from actors.testing._sim.injector import IN_HANDLER
from actors.testing._sim.observer import IN_PROCESS, STARTS, STOPS, faulty, with_raising
from actors.testing._sim.raising import Raising
from actors.testing.errors import InjectedCrash

with needs_extra():
    from greenlet import GreenletExit

if TYPE_CHECKING:
    from actors.testing._sim.runtime import SimRuntime
    from actors.testing._sim.strand_loop import StrandLoop

NOTHING_AIMED = dict.fromkeys(IN_PROCESS, ())


class InsideClock:
    """Virtual time, with timers on the event loop of the process."""

    def __init__(self, runtime: SimRuntime, loop: StrandLoop) -> None:
        self.now: Callable[[], float] = runtime.now
        self.wall: Callable[[], float] = runtime.clock.wall
        self._loop = loop

    def call_at(self, when: float, callback: Callable[[], object]) -> TimerHandle:
        if when != when:
            raise not_a_time()
        return self._loop.call_at(when, callback)


class InsideLoopHost(LoopHost):
    """The loop host of a process. Every simulated thread is the same one to the machine."""

    slice = 1

    def __init__(self, runtime: SimPeerRuntime, loop: StrandLoop) -> None:
        super().__init__(runtime, loop)
        self._thread = 0  # each caller is another thread: the loop is woken


class SimPeerRuntime(PeerRuntime):
    """The runtime of one actor in a simulated process."""

    loop: StrandLoop

    def __init__(self, program: SimRuntime, peer: InnerPeer, observer: PeerObserver, name: str, **options: Any) -> None:
        """`program` is the runtime of the simulation; the rest is for a `PeerRuntime`."""
        super().__init__(
            peer,
            InsideObserver(program, observer),
            name,
            clock=partial(InsideClock, program),
            random=random.Random(f"{program.seed} {program.numbered('process')}"),
            **options,
        )
        # A sink in which the process ends has not failed.
        self.events = EventStream(self.watch_messages, unreported=(GreenletExit,))
        self.program = program
        self.strands = program.strands
        self.park = program.park
        self._main = program.strands.current

    def make_hosts(self) -> None:
        self.loop_host = InsideLoopHost(self, self.loop)
        self.thread_host = GreenletHost(self, self.program, self.strands)

    @property
    def on_loop_thread(self) -> bool:
        return self.strands.current is self._main

    def on_loop(self, function: Callable[[], object]) -> None:
        if self.on_loop_thread:
            function()
        else:
            self.control_call(function)

    def on_turn_of(self, cell: Cell) -> bool:
        if self.on_loop_thread:
            return self.loop_host.stepping is cell
        return self.thread_host.is_current(cell)

    def abort(self) -> None:
        """The process is gone: what is left of it is closed, and does nothing any more."""
        _running.discard(self)
        self._why_not = "its process has ended"
        if self._stopped is not None and not self._stopped.done():
            self._stopped.set(None)


class InsideAttached:
    """The data of the simulation about one cell in a process."""

    __slots__ = ("aimed", "lane", "raising")

    def __init__(self, program: SimRuntime, cell: Cell) -> None:
        self.lane = program.loop.lane(f"{cell.path}:thread")
        injector = program.injector
        planned = bool(injector.plan) and not cell.props.kind.placed
        self.aimed = {kind: injector.aimed_at(cell.path, kind) for kind in IN_PROCESS} if planned else NOTHING_AIMED
        raises = injector.raising_at(cell.path) if planned else None
        self.raising = Raising(cell, injector, raises) if raises else None


class InsideObserver:
    """Sees what the observer of a real process sees, and makes the faults happen that are in the code of an actor."""

    def __init__(self, program: SimRuntime, inner: PeerObserver) -> None:
        self._program = program
        self._inner = inner
        self.lived = inner.lived
        self.queue = inner.queue
        self.handled = inner.handled
        self.decided = inner.decided
        self.refused = inner.refused
        self.stashed = inner.stashed
        self.recalled = inner.recalled
        self.withdrawn = inner.withdrawn

    def made(self, cell: Cell) -> None:
        cell.attach(InsideAttached(self._program, cell))
        self._inner.made(cell)

    def hook(self, cell: Cell, place: str) -> None:
        self._inner.hook(cell, place)
        attached, due = cell.attached, self._program.injector.due
        if place == "init" and due(attached.aimed[STARTS], cell.path, None):
            raise InjectedCrash(cell.path, f"at start {cell.incarnation}")
        if place == "end":
            if due(attached.aimed[STOPS], cell.path, None):
                raise InjectedCrash(cell.path, f"at the end of incarnation {cell.incarnation}")
        elif attached.raising is not None:
            attached.raising.at(place)

    def taken(self, cell: Cell, envelope: Envelope, handler: HandlerFunction) -> HandlerFunction:
        handler = self._inner.taken(cell, envelope, handler)
        program, attached, message = self._program, cell.attached, envelope.message
        raising: Raising | None = attached.raising
        if type(message) is Continue:
            return handler if raising is None else raising.instead("on_continue", handler)
        if type(envelope) is not NumberedEnvelope and type(message) is not Timed:
            return handler
        number = getattr(envelope, "number", 0)
        armed = attached.aimed[IN_HANDLER]
        if armed and not isinstance(message, Timed | _ActorStop):
            for fault in program.injector.due(armed, cell.path, number):
                handler = faulty(program, cell, program.cells.get(cell.path, cell), handler, message, number, fault)
        return handler if raising is None else with_raising(cell, raising, handler, message, number)
