"""Simulated processes: each is a simulated thread that runs what a real process runs, on an event loop of its own.

Between it and the program are two wires, on which frames are really pickled. A process that is killed takes no further
step: its threads are left where they are, and nothing of the user's runs in them any more.
"""

from __future__ import annotations

import logging
import pickle
import random
import signal
from asyncio import Handle
from collections.abc import Callable, Mapping, MutableSequence
from contextvars import Context, copy_context
from functools import partial
from typing import TYPE_CHECKING, Any

from actors._extras import needs_extra
from actors._peer.peer import PlacePeer
from actors._place.carrier import Carried
from actors.errors import PlaceLost
from actors.testing._faults.plan import CutLink, Fault, FreezePlace, KillPlace, LoseZygote, SlowLink
from actors.testing._sim.inside import SimPeerRuntime
from actors.testing._sim.strand_loop import StrandLoop
from actors.testing._sim.strands import Sleeper, Strand, Strands
from actors.testing._sim.wire import Wire
from actors.testing.errors import DeadFrameHeard, PlacesOverlap

with needs_extra():
    from greenlet import GreenletExit

if TYPE_CHECKING:
    from actors._core.cell import Cell
    from actors._core.placed import PlacedType
    from actors._place.link import Frame
    from actors.testing._sim.runtime import SimRuntime

AT_FRAMES: tuple[type[Fault], ...] = (KillPlace, FreezePlace, CutLink, SlowLink)
AT_STARTS: tuple[type[Fault], ...] = (LoseZygote,)
LATENCY = 0.001
"""The most seconds that a frame takes. Half of them take none."""
FORK = 0.003
"""The most seconds until a process runs."""
FIRST_PID = 10_000_000
"""More than any real process has, so that no signal that is meant for a simulated one reaches a real one."""
IMPORTS = 0.3
"""Seconds until what forks processes is there."""
_NO_ZYGOTE = "the process that forks others has ended"


class SimProcess:
    """One process: threads that go on and stand still together."""

    def __init__(self, pid: int, strands: Strands, ended: Callable[[], object]) -> None:
        """`ended` is called when it has ended."""
        self.pid = pid
        self._strands = strands
        self._ended = ended
        self._held: list[Strand] = []
        self.dead = self.frozen = False
        self.how: tuple[int | None, int | None] = None, None
        """The signal that ended it, and its exit code."""

    def lets(self, strand: Strand) -> bool:
        """Whether a thread may take a step."""
        if self.frozen and not self.dead:
            self._held.append(strand)
            return False
        return not self.dead

    @property
    def is_gone(self) -> bool:
        """Whether it has ended, or the run has."""
        return self.dead or self._strands.closing

    def freeze(self) -> None:
        """It stands still, as after SIGSTOP. Its own code is halted where it is."""
        self.frozen = True
        if self._is_current:
            self._strands.give_way()

    def thaw(self) -> None:
        """It goes on."""
        self.frozen = False
        held, self._held = self._held, []
        for strand in held:
            self._strands.resume(strand)

    def end(self, number: int | None, code: int | None) -> None:
        """It ends by this signal, or with this exit code. Its own code does not return from here."""
        if not self.dead:
            self.dead = True
            self.how = number, code
            for strand in self._strands.alive:
                if strand.process is self:
                    strand.outside = True  # it is not left behind: it is gone
                    if strand.sleeper is not None and strand.sleeper.timer is not None:
                        strand.sleeper.timer.cancel()
            self._ended()
        if self._is_current:
            self._strands.leave()

    @property
    def _is_current(self) -> bool:
        strand = self._strands.current
        return strand is not None and strand.process is self and not self._strands.closing


class SimProcesses:
    """Makes the simulated processes of a run."""

    def __init__(self, runtime: SimRuntime) -> None:
        self.runtime = runtime
        self._random = random.Random(f"processes {runtime.seed}")
        self._made: list[SimProcess] = []
        self._ready = IMPORTS
        """The time at which the zygote is there."""
        self.carriers: dict[SimCarrier, None] = {}
        """Those whose process was asked for and was not reaped, and those from which frames may still come."""

    def carrier(self, place: Carried, cell: Cell, kind: PlacedType) -> SimCarrier:
        """Makes the carrier of a place."""
        return SimCarrier(self, place, cell)

    async def close(self) -> None:
        """There is nothing to wait for."""

    def abandon(self) -> None:
        """The runtime ends: nothing arrives any more."""
        for each in list(self.carriers):
            each.close()
            each.forget()

    def forked_away(self) -> None:
        """Nothing here is shared with a fork of this process."""

    # Times

    def latency(self) -> float:
        """How long the next frame takes, in seconds."""
        return self._random.random() * LATENCY if self._random.random() < 0.5 else 0.0

    def fork_time(self) -> float:
        """The time at which the process runs that is asked for now."""
        return max(self._ready, self.runtime.now()) + self._random.random() * FORK

    # Processes

    def make(self, ended: Callable[[], object]) -> SimProcess:
        """A process that has no thread yet. `ended` is called when it has ended."""
        self._made.append(SimProcess(FIRST_PID + len(self._made), self.runtime.strands, ended))
        return self._made[-1]

    @property
    def current(self) -> SimProcess | None:
        """The process whose code asks; None: code of the program, or of the test."""
        strand = self.runtime.strands.mine
        process = None if strand is None else strand.process
        return process if isinstance(process, SimProcess) else None

    def with_pid(self, pid: int) -> SimProcess | None:
        """The simulated process of this id, which may have ended."""
        number = pid - FIRST_PID
        return self._made[number] if 0 <= number < len(self._made) else None

    # Faults

    def running(self) -> list[SimCarrier]:
        """The carriers whose processes run, by path."""
        return sorted((each for each in self.carriers if each.runs), key=lambda each: each.path)

    def lose_zygote(self) -> None:
        """What forks processes ends. What it was asked for is refused, and it tells the end of no process any more."""
        self._ready = self.runtime.now() + IMPORTS
        for each in list(self.carriers):
            each.lose_zygote()

    def heal(self) -> None:
        """Every process goes on, and every frame that is held up arrives."""
        for each in list(self.carriers):
            each.heal()


class SimCarrier:
    """Carries one incarnation in a simulated process."""

    knows_begun = True
    delay = 0.0

    def __init__(self, processes: SimProcesses, place: Carried, cell: Cell) -> None:
        runtime = processes.runtime
        self._processes = processes
        self._runtime = runtime
        self._place = place
        self._cell = cell
        self.path = place.path
        self.incarnation = cell.incarnation
        self.name = "a process that has not begun"
        injector = runtime.injector
        planned = bool(injector.plan)
        self._at_frames = injector.aimed_at(self.path, AT_FRAMES) if planned else ()
        self._at_starts = injector.aimed_at(self.path, AT_STARTS) if planned else ()
        lane = runtime.loop.lane
        self._kernel = lane(f"{self.path}:kernel")
        self._inward = Wire(runtime.loop, lane(f"{self.path}:in"), self._reached)
        self._outward = Wire(runtime.loop, lane(f"{self.path}:out"), self._heard)
        self._early: list[Frame] = []
        """The frames that have arrived before the process reads any."""
        self._read: Callable[[Frame], object] | None = None
        self._process: SimProcess | None = None
        self._loop: StrandLoop
        self._last = 0, 0.0
        """The number of the last message that the actor has begun with, and when."""
        self._reading = 0
        self.inner_notes = [0, 0, 0]
        """How many messages came into the mailboxes of inner actors, how many were taken out, and whether one was
        handled.
        """
        self._answer: Frame | None = None
        self._cut_until = 0.0
        self._begun = self._ended = self._closed = self._unwatched = self._doomed = False
        self._timers: dict[str, Any] = {}

    @property
    def runs(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and not self._process.dead

    @property
    def is_not_reaped(self) -> bool:
        """Whether there is a process whose end was not told."""
        return self._process is not None and not self._ended

    # The start

    def begin(self, *first: object) -> None:
        """Asks for the process. Raises OSError when what forks it ends in doing so."""
        self._begun = True
        self._processes.carriers[self] = None
        self.send(*first)
        at = self._processes.fork_time()
        self._timers["fork"] = self._runtime.loop.lane_at(self._kernel, at, self._fork)
        if self._runtime.injector.due(self._at_starts, self.path, None):
            self._processes.lose_zygote()

    def _fork(self) -> None:
        del self._timers["fork"]
        runtime, strands = self._runtime, self._runtime.strands
        for each in self._processes.carriers:
            if each.path == self.path and each.is_not_reaped:
                what = f"incarnation {self.incarnation} of {self.path} begins, and {each.name} of incarnation "
                runtime.journal.fail(PlacesOverlap(runtime.now(), f"{what}{each.incarnation} was not reaped"))
        process = self._process = self._processes.make(self._is_dead)
        self.name = f"process {process.pid}"
        strand = strands.start(self._live, runtime.loop.lane(f"{self.path}:process"), f"{self.path} {self.name}")
        strand.process = process
        if self._doomed:
            process.end(signal.SIGKILL, None)

    def _live(self) -> None:
        """The whole of the process."""
        process = self._process
        assert process is not None
        loop = self._loop = StrandLoop(self._runtime)
        connection = SimConnection(self, process, self._runtime.strands)
        peer = PlacePeer(connection, self.path, partial(SimPeerRuntime, self._runtime))
        try:
            loop.run_until_complete(peer.live(_no_limits))
        except GreenletExit:
            process.dead = True
            if hasattr(peer, "runtime"):
                peer.runtime.abort()  # type: ignore[attr-defined]
            loop.give_up()
            raise
        except (SystemExit, KeyboardInterrupt):
            pass  # it has ended the event loop, and with it the process
        process.end(None, 1)

    # Frames

    def send(self, *frame: object) -> None:
        """Sends a frame, if the process is there."""
        if not self._closed:
            self._cross(self._inward, pickle.dumps(frame, 5))

    def wrote(self, body: bytes) -> None:
        """The process has written a frame."""
        self._cross(self._outward, body)

    def _cross(self, wire: Wire, body: bytes) -> None:
        """A frame sets out, and the faults happen that count frames."""
        delay, late = self._processes.latency(), False
        due = self._runtime.injector.due(self._at_frames, self.path, None)
        for fault in due:
            if isinstance(fault, SlowLink):
                delay, late = delay + fault.seconds, True
            elif isinstance(fault, CutLink):
                self.cut(fault.seconds)
        wire.put(body, delay, late=late)
        for fault in due:
            if isinstance(fault, FreezePlace):
                self.freeze(fault.seconds)
        if any(isinstance(fault, KillPlace) for fault in due):
            self.kill_now()

    def _reached(self, frame: Frame) -> None:
        """A frame arrives at the process."""
        if self._read is None:
            self._early.append(frame)
        elif self.runs:
            self._read(frame)

    def opened(self, peer: PlacePeer) -> None:
        """The process reads frames from now on."""
        context, loop = copy_context(), self._loop

        def read(frame: Frame) -> None:
            loop.call_soon_threadsafe(peer.received, frame, context=context.copy())

        self._read = read
        early, self._early = self._early, []
        for frame in early:
            read(frame)

    def call_soon(self, callback: Callable[[], object]) -> None:
        """Calls it in the next pass of the event loop of the process."""
        self._loop.call_soon(callback)

    def _heard(self, frame: Frame) -> None:
        """A frame arrives at the program."""
        if not self._ended:
            self._runtime.context.copy().run(self._place.received, frame)
            return
        # The process has ended, and that was told: the place must not act on the frame.
        before = self._traces()
        self._runtime.context.copy().run(self._place.received, frame)
        if self._traces() != before:
            self._runtime.journal.fail(
                DeadFrameHeard(
                    self._runtime.now(),
                    f"{self.path} acts on a frame ({frame[0]}) of {self.name}, incarnation {self.incarnation}, which "
                    "has ended",
                )
            )
        if self._outward.is_empty:
            self.forget()

    def _traces(self) -> tuple[object, ...]:
        """What changes when the program acts on a frame."""
        runtime, cell = self._runtime, self._cell
        seen, said, steps = len(runtime.journal.observations), len(runtime.lifecycle), len(runtime.control)
        return seen, said, steps, cell.active, cell.phase, cell.incarnation, id(cell.view)

    # Questions for which a thread of the process waits

    def ask(self, sleeper: Sleeper, question: bytes) -> Frame:
        """Asks the program, and blocks the thread until it has answered."""
        loop = self._runtime.loop
        due = max(loop.time() + self._processes.latency(), self._cut_until, self._outward.last_due)

        def look_up() -> None:
            del self._timers["ask"]
            self._answer = None
            self._runtime.context.copy().run(self._place.looked_up, pickle.loads(question))  # noqa: S301 - see Wire
            self._runtime.strands.wake(sleeper)

        self._timers["ask"] = loop.lane_at(self._kernel, due, look_up)
        self._runtime.strands.block(sleeper, None)
        answer, self._answer = self._answer, None
        assert answer is not None
        return answer

    def answer(self, *frame: object) -> None:
        """Answers the thread that waits."""
        self._answer = pickle.loads(pickle.dumps(frame, 5))  # noqa: S301 - see Wire

    def begins(self, number: int) -> None:
        """The actor begins with this message."""
        self._last = number, self._runtime.now()

    def last_begun(self) -> tuple[int, float]:
        """The number of the last message that the actor has begun with, and the seconds since then."""
        number, began = self._last
        return number, self._runtime.now() - began

    def reads(self, number: int) -> None:
        """This message is being read; 0: it was read."""
        self._reading = number

    def being_read(self) -> int:
        """The number of the message that was being read when the process ended; 0: none."""
        return self._reading

    def noted_inside(self) -> tuple[int, int]:
        """How many messages wait in the mailboxes of inner actors, and whether those have handled one."""
        put, taken, handled = self.inner_notes
        return put - taken, handled

    def catch_up(self) -> None:
        """Hands over what the process has written until now."""
        self._outward.arrive_now()

    # Faults

    def cut(self, seconds: float) -> None:
        """Nothing crosses the link for so long, in either direction."""
        self._cut_until = self._runtime.now() + seconds
        self._inward.cut(self._cut_until)
        self._outward.cut(self._cut_until)

    def freeze(self, seconds: float) -> None:
        """The process stands still for so long."""
        process = self._process
        if process is not None and not process.dead:
            thaw = self._runtime.loop.lane_at(self._kernel, self._runtime.now() + seconds, process.thaw)
            self._runtime.injector.keep(thaw)
            process.freeze()

    def kill_now(self) -> None:
        """The process is killed from outside, at this instant; one that was asked for, as soon as it is there."""
        self._doomed = True
        if self._process is not None:
            self._process.end(signal.SIGKILL, None)

    def lose_zygote(self) -> None:
        """What has forked the process, or was to fork it, has ended."""
        if self._process is None and not self._ended:
            self._cancel("fork")
            self._end(OSError(f"{self.path} has no process: {_NO_ZYGOTE}"))
        self._unwatched = True

    def heal(self) -> None:
        """Every fault of it ends."""
        self._cut_until = 0.0
        self._inward.heal()
        self._outward.heal()
        if self._process is not None and not self._process.dead:
            self._process.thaw()

    # The end

    def kill(self) -> None:
        """Ends the process: it is sent a signal, which comes to it some steps later."""
        if self._ended or not self._begun:
            return
        if self._process is None:
            self._cancel("fork")
            self._end(None)
        elif self.runs:
            self._runtime.loop.push(self._kernel, self._signal())

    def _signal(self) -> Handle:
        assert self._process is not None
        return Handle(self._process.end, (signal.SIGKILL, None), self._runtime.loop, Context())

    def _is_dead(self) -> None:
        """The process has ended. It is reaped a moment later."""
        self._inward.close()
        self._cancel("ask")
        at = self._runtime.now() + self._processes.latency()
        self._timers["reap"] = self._runtime.loop.lane_at(self._kernel, at, self._reaped)

    def _reaped(self) -> None:
        assert self._process is not None
        del self._timers["reap"]
        self._outward.arrive_now()
        number, code = self._process.how
        if self._unwatched:
            how = "has ended; how is not known, because the process that forked it has ended, too"
            self._end(self.loss(how))
        elif number is not None:
            self._end(self._lost(f"was killed by {signal.Signals(number).name}", number, None))
        else:
            self._end(self._lost(f"ended with exit code {code}", None, code))

    def loss(self, how: str) -> PlaceLost:
        """The error for an end of which no more is known."""
        return self._lost(how, None, None)

    def _lost(self, how: str, number: int | None, code: int | None) -> PlaceLost:
        return PlaceLost(self.path, self.name, f"{self.name} {how}", number, code, None, None)

    def _end(self, error: BaseException | None) -> None:
        if not self._ended:
            self._ended = True
            self._runtime.context.copy().run(self._place.ended, error)
            if self._outward.is_empty:
                self.forget()

    def close(self) -> None:
        """Gives up what it has of the process, and ends it if it is there."""
        if self._closed or not self._begun:
            return
        self._closed = True
        self._inward.close()
        self._cancel("fork")
        if self.runs:
            self._runtime.loop.push(self._kernel, self._signal())

    def forget(self) -> None:
        """Nothing is left of it."""
        self._outward.close()
        self._processes.carriers.pop(self, None)

    def forked_away(self) -> None:
        """Nothing here is shared with a fork of this process."""

    def _cancel(self, what: str) -> None:
        timer = self._timers.pop(what, None)
        if timer is not None:
            timer.cancel()


class SimConnection:
    """The end of the link in the simulated process."""

    def __init__(self, carrier: SimCarrier, process: SimProcess, strands: Strands) -> None:
        self._carrier = carrier
        self._process = process
        self._strands = strands
        self._out: list[bytes] = []
        """The frames that are not written: they end with the process."""

    def open(self, peer: PlacePeer) -> None:
        """Begins to hand over frames."""
        self._carrier.opened(peer)

    def log_by(self, handler: logging.Handler, levels: Mapping[str, int]) -> None:
        """The loggers are those of the program: what is logged needs no frame."""

    @property
    def has_output(self) -> bool:
        """Whether a frame waits to be written."""
        return bool(self._out)

    def send(self, *frame: object) -> None:
        """Sends a frame, in the next pass of the loop at the latest."""
        if self._process.is_gone:
            return
        if not self._out:
            self._carrier.call_soon(self.write_now)
        self._out.append(pickle.dumps(frame, 5))

    def write_now(self) -> None:
        """Writes what waits."""
        while self._out and not self._process.is_gone:
            self._carrier.wrote(self._out.pop(0))

    def write_all(self) -> None:
        """Writes what waits."""
        self.write_now()

    def inner_notes(self) -> MutableSequence[int]:
        """Three numbers that the program knows when the process has ended."""
        return self._carrier.inner_notes

    def begins(self, number: int) -> None:
        """Notes the message. The process may be overtaken here, or end."""
        self._carrier.begins(number)
        self._strands.give_way()

    def reads(self, number: int) -> None:
        """Notes the message that is being read."""
        self._carrier.reads(number)

    def look_up(self, *question: object) -> tuple[bool, Any]:
        """Asks the program, and blocks this thread until it answers."""
        is_result, value = self._carrier.ask(Sleeper("an answer of the program"), pickle.dumps(question, 5))
        return bool(is_result), value

    def end(self) -> None:
        """Writes what waits, and ends the process."""
        self.write_now()
        self._process.end(None, 0)


def _no_limits() -> None:
    """A simulated process has no limits."""
