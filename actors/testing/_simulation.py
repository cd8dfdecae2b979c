"""A simulation: a tree of real actors on virtual time, under a schedule and a fault plan."""

from __future__ import annotations

import gc
import hashlib
import inspect
import math
import random
import sys
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self, TypeVar, Unpack, get_args, overload

import pykka

from actors._core.future import Future
from actors._core.outcomes import crash
from actors._core.props import SpawnOptions
from actors._core.ref import A, ActorRef, HasRef, of_class
from actors.errors import StartTimeout
from actors.reasons import Crashed, ExitReason, Killed
from actors.testing._faults.plan import Fault, FaultPlan, matches
from actors.testing._faults.schedule import Move, Schedule, TimerFirst
from actors.testing._report import oracles
from actors.testing._report.report import report
from actors.testing._sim import observations as seen
from actors.testing._sim.call_site import raised_at
from actors.testing._sim.fences import Fences, refuse_nesting
from actors.testing._sim.injector import Fired
from actors.testing._sim.lanes import Scheduler
from actors.testing._sim.loop import SimLoop, Why
from actors.testing._sim.observations import Observation
from actors.testing._sim.outside import Outside
from actors.testing._sim.predicates import PredicateCheck
from actors.testing._sim.runtime import SimRuntime
from actors.testing._sim.schedulers import Fifo, Moved, Recorder, Strategy
from actors.testing._sim.shown import shown
from actors.testing._sim.strands import Strands
from actors.testing._sim.trees import TreeOf, start_tree
from actors.testing._sim.workload import Workload
from actors.testing.errors import (
    BadFaultPlan,
    BadSchedule,
    FaultNotFired,
    InjectedCrash,
    InvariantBroken,
    NeverHappened,
    OracleFailure,
    OrphanLeft,
    SimulationError,
    failing,
)

T = TypeVar("T")
R = TypeVar("R")
S = TypeVar("S", bound=ActorRef[Any])

Predicate = Callable[[], object]
Strictness = bool | Literal["names"]


class RunRecord(NamedTuple):
    """The state of a run when it failed; taking it down adds steps of its own."""

    schedule: Schedule
    unused_moves: Sequence[Move]
    trace: list[str]
    observations: list[Observation]
    fired: list[Fired]
    steps: int
    now: float


class Simulation:
    """One run. Use it as `with simulation(...) as sim:`; leaving the block stops everything and asks the oracles.

    All times are virtual seconds. The test's own code stands outside of time: nothing happens while it runs. Time
    passes in `run`, in `eventually`, and wherever the test blocks (`future.get()`, `ref.ask(...)`).
    """

    def __init__(
        self,
        plan: FaultPlan | None = None,
        schedule: Schedule | None = None,
        seed: int = 0,
        *,
        search: Strategy | None = None,
        default_timeout: float | None = 30.0,
        strict: Strictness = True,
        record: bool = True,
    ) -> None:
        """Prepares a run; the arguments are those of `simulation`."""
        self.plan = plan if plan is not None else FaultPlan()
        self.seed = seed
        if not isinstance(self.plan, FaultPlan):
            raise BadFaultPlan(f"a simulation takes a plan such as FaultPlan(Crash('a')), not {plan!r}")
        if not isinstance(schedule, Schedule | None):
            raise BadSchedule(f"a simulation takes a schedule such as Schedule(Demote('a', 1)), not {schedule!r}")
        if not isinstance(search, Strategy | None):
            raise BadSchedule(f"a simulation searches by a Strategy such as those of portfolio(), not {search!r}")
        if not isinstance(seed, int):
            raise SimulationError(f"a simulation takes an integer as its seed, got {seed!r}")
        if default_timeout is not None:
            _seconds("simulation(default_timeout=", default_timeout)
        if strict not in (True, False, "names"):
            raise SimulationError(f"simulation(strict={strict!r}): True, False or 'names'")
        self.search = search
        self._schedule = schedule if schedule is not None else Schedule()
        if search is not None and self._schedule:
            raise SimulationError("a simulation follows a schedule or searches for one, not both")
        self._strict = strict
        self._moved = Moved(self._schedule)
        scheduler: Scheduler = self._moved if search is None else search.make()
        self._recorder = Recorder(scheduler) if record and not scheduler.plain and search is not None else None
        self.loop = SimLoop(self._recorder or scheduler)
        self._moved.lanes = self.loop.lanes
        self.strands = Strands(self.loop)
        self._runtime_options = default_timeout
        self.workloads: list[Workload] = []
        self._healed = False
        self._over = False
        self._always: list[Callable[[], None]] = []
        self._record: RunRecord | None = None
        self.undone: Exception | None = None
        """The error of `start`, if the plan or the schedule kept a tree from coming up (supervision rule 2)."""
        self.passing: Sequence[str] | None = None
        """The trace of a similar run that passed, for the report of a failure."""
        self.given: Mapping[str, object] = {}
        """The other arguments of the test, for the report."""
        self.replays = True
        """Whether plan, schedule and seed determine this run, so that the report says how to repeat it."""
        self._runtime: SimRuntime | None = None
        self._fences: Fences
        self._collects = False
        """Whether the garbage collector was on before."""
        self._pykka: list[Any] = []
        self._hooks: Any = ()
        """Python's hooks of asynchronous generators before."""

    # Life

    def __enter__(self) -> Self:
        refuse_nesting()
        if self.is_over:
            raise SimulationError("a simulation is one run, and this one is over: make another")
        self.strands = Strands(self.loop)
        self._runtime = SimRuntime(self.loop, self.strands, self.plan, self.seed, self._runtime_options)
        self._fences = Fences(self.runtime)
        self._fences.__enter__()
        self._hooks = self.loop.hook_generators()
        self._pykka = list(pykka.ActorRegistry._actor_refs)
        # Finalizers must run at the same step in every run; and when most of a run is dropped already, the garbage
        # collector has less to look at.
        self._collects = gc.isenabled()
        gc.disable()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self.finish()
        except Exception as failure:
            self._annotate(failure)
            raise
        else:
            if isinstance(error, failing()):
                self._annotate(error)
        finally:
            self._tear_down()

    @contextmanager
    def under_way(self) -> Iterator[Self]:
        """The same as `with`, for a fixture: the test may have ended the run before."""
        with ExitStack() as stack:
            self.__enter__()
            stack.callback(lambda: None if self.is_over else self.__exit__(None, None, None))
            yield self

    @property
    def runtime(self) -> SimRuntime:
        """The runtime of the simulated actors. Raises `SimulationError` before the `with` block."""
        if self._runtime is None:
            raise SimulationError("the simulation has not begun: with simulation() as sim")
        return self._runtime

    @property
    def is_over(self) -> bool:
        """Whether it was stopped and taken down."""
        return self.loop.is_closed()

    def _annotate(self, error: BaseException) -> None:
        self._freeze()
        if not getattr(error, "__simulation__", False):
            with suppress(Exception):  # one of the user's that takes no attributes, and no notes either
                error.__simulation__ = True  # type: ignore[attr-defined]
                error.add_note(report(self, error, self.passing))

    def _freeze(self) -> None:
        if self._record is None:
            self._record = RunRecord(
                self.schedule,
                self.unused_moves,
                self.trace,
                self.observations,
                self.fired,
                self.steps,
                self.now,
            )
            # Later steps are not part of the run. The record does not hold the runtime, whose cells hold each other and
            # wait for the garbage collector, so its parts are freed as soon as the record is dropped.
            self.loop.trace, self.runtime.journal.observations, self.runtime.injector.fired = [], [], []

    def finish(self) -> None:
        """Stops everything and asks the oracles. Leaving the block does the same; call it to see failures earlier.

        Raises:
            OracleFailure: the system under test broke a promise
            BadFaultPlan, BadSchedule: the plan or the schedule named an actor or a step that never came (not under
                `strict=False`)
        """
        if self._over:
            return
        self._over = True
        for looks in (self.loop.after_step, self.loop.at_rest):
            looks[:] = [each for each in looks if each not in self._always]
        for work in self.workloads:
            work.close()
        runtime = self.runtime
        oracles.conservation(runtime)
        began = self.now
        allowed = oracles.grace_of(runtime.cells.values(), runtime.kill_grace)
        stopped = runtime.stop()
        limit = None if math.isinf(allowed) else began + allowed + 1.0
        why = self.loop.run(limit, stopped.done)
        if not stopped.done():
            left = ", ".join(sorted(runtime.cells)) or "the runtime itself"
            what = "nothing moves any more" if why is Why.IDLE else f"{self.now - began:.12g} s have passed"
            raise OrphanLeft(self.now, f"the stop does not end: {what}, and there is still {left}")
        oracles.stopped_in_time(began, self.now, allowed)
        runtime.injector.close()
        runtime.journal.deliver_delayed()
        self._settle()
        oracles.settled(runtime)
        for work in self.workloads:
            work.leave()
        self._fences.end_pools()
        if self.loop.close_generators():
            self._settle()
            self.loop.give_up_generators()
        self._settle()
        oracles.no_orphans(runtime)
        oracles.conservation(runtime)
        oracles.one_event_for_each_action(runtime.own_lifecycle(), self.observations, self.now)
        oracles.nothing_raised_on_the_loop(runtime)
        if self._strict:
            self._refuse_what_says_nothing()

    def _settle(self) -> None:
        self.loop.run(self.now)

    def _refuse_what_says_nothing(self) -> None:
        nameless = [f"{fault!r} names no actor; there were: {self._paths()}" for fault in self.nameless_faults]
        taken = [(move, self.loop.lane(move.path).steps) for move in self.unused_moves]
        never = [
            f"{move!r} names a step that never came: {move.path or 'the test'} took {steps} steps"
            for move, steps in taken
            if steps == 0 or self._strict is True
        ]
        if nameless or never:
            raise (BadFaultPlan if nameless else BadSchedule)("; ".join([*nameless, *never]))

    def _paths(self) -> str:
        return ", ".join(sorted({each.path for each in self.observations if isinstance(each, seen.Made)})) or "none"

    def _tear_down(self) -> None:
        """Ends what is left, in any state. Nothing of one run reaches the next."""
        try:
            self.loop.after_step.clear()
            self.loop.at_rest.clear()
            self._fences.end_pools()
            self.strands.close()
            self.runtime.injector.heal()
            self.runtime.kill()
            for _ in range(8):  # what is cancelled may begin something else on its way out
                for task in self.loop.tasks:
                    task.cancel()
                self.loop.failure = None
                self.loop.drain()
                if not self.loop.tasks:
                    break
        finally:
            self._fences.__exit__(None, None, None)
            sys.set_asyncgen_hooks(*self._hooks)
            pykka.ActorRegistry._actor_refs[:] = self._pykka
            self.runtime.abort()
            self.loop.close()
            self._freeze()
            self._always.clear()  # they hold the simulation, and it holds them
            if self._collects:
                gc.enable()

    # Starting things

    def start(self, tree: TreeOf[R]) -> R:
        """Starts a tree, which is the spec of a supervisor or of a child, and returns the ref of its root when it is
        up. `as_tree` makes the spec of a class, a coroutine function or the path of a file.

        Raises what the start of the tree raises, such as `ChildStartError`; `WrongUse` if it is not a tree.
        """
        try:
            return start_tree(tree, self.runtime)
        except Exception as error:
            if self._by_plan(error):
                self.undone = error
            raise

    def _by_plan(self, error: BaseException) -> bool:
        """Whether a start has failed by a fault, or by a move that lets a timer be faster."""
        if isinstance(error, OracleFailure):
            return False
        fired = bool(self.fired)
        rushed = any(isinstance(move, TimerFirst) for move in self._schedule.moves)
        cause: BaseException | None = error
        seen: list[BaseException] = []
        while cause is not None and not any(each is cause for each in seen):
            killed = fired and isinstance(getattr(cause, "reason", None), Killed)
            injected = isinstance(cause, InjectedCrash) or self.runtime.injector.made(cause)
            if killed or injected or (isinstance(cause, StartTimeout) and (fired or rushed)):
                return True
            seen.append(cause)
            cause = cause.__cause__
        return False

    @overload
    def spawn(
        self, actor_class: type[HasRef[S]], *, parent: ActorRef[Any] | None = ..., **options: Unpack[SpawnOptions]
    ) -> S: ...

    @overload
    def spawn(
        self, actor_class: type[A], *, parent: ActorRef[Any] | None = ..., **options: Unpack[SpawnOptions]
    ) -> ActorRef[A]: ...

    def spawn(
        self, actor_class: type[Any], *, parent: ActorRef[Any] | None = None, **options: Unpack[SpawnOptions]
    ) -> Any:
        """Starts one actor without a supervisor and returns its ref when it is up. Options as for `Runtime.spawn`."""
        return self.runtime.spawn(actor_class, parent=parent, **options).get()

    def workload(
        self, call: Callable[[int], object], n: int, every: float = 0.0, *, name: str | None = None
    ) -> Workload:
        """Makes `call(i)` for `i` from 0 to `n - 1`, one every `every` virtual seconds, each in a client of its own.

        `call` may block, or return a coroutine or a future, which is waited for. Its steps have the name `client-i` in
        schedules, or `name-i`. Raises `SimulationError` for a bad argument.
        """
        calls: object = n
        if not isinstance(calls, int) or calls < 0:
            raise SimulationError(f"workload(n={n!r}): n must be an integer >= 0")
        _seconds("workload(every=", every)
        name = name or ("client" if not self.workloads else f"client{len(self.workloads) + 1}")
        work = Workload(self.runtime, name, call, n, every)
        self.workloads.append(work)
        return work

    def actors(self, pattern: str = "**") -> list[ActorRef[Any]]:
        """The refs of the actors that exist now, whose path matches the pattern, by path. `"**"` matches all."""
        cells = self.runtime.cells
        return [cells[path].ref for path in sorted(cells) if pattern == "**" or matches(pattern, path)]

    @overload
    def actor(self, path: str) -> ActorRef[Any]: ...

    @overload
    def actor(self, path: str, expected: type[S]) -> S: ...

    @overload
    def actor(self, path: str, expected: type[HasRef[S]]) -> S: ...

    @overload
    def actor(self, path: str, expected: type[A]) -> ActorRef[A]: ...

    def actor(self, path: str, expected: type[Any] | None = None) -> Any:
        """The ref of the actor at this path, of whatever tree.

        With `expected`, an actor class or a class of refs, a type checker knows the type of the ref:
        `sim.actor("root/clerk", Clerk)` is an `ActorRef[Clerk]`.

        Raises:
            SimulationError: there is no actor at this path
            WrongActorClass: the actor is not of the class `expected`
        """
        cell = self.runtime.cells.get(path)
        if cell is None:
            raise SimulationError(f"actor({path!r}): there is no such actor ({self._places()})")
        return cell.ref if expected is None else of_class(cell.ref, expected)

    def _places(self) -> str:
        return f"actors: {', '.join(sorted(self.runtime.cells)) or 'none'}"

    def crash(self, path: str) -> None:
        """Crashes the actor at this path, without a message that causes it. Does nothing if the actor is not up. Raises
        `SimulationError` if there is no actor at this path.
        """
        cell = self.runtime.cells.get(path)
        if cell is None:
            raise SimulationError(f"crash({path!r}): there is no such actor ({self._places()})")
        if cell.open:
            self.runtime.control_call(crash, cell, None, InjectedCrash(path, "by the test"))

    def allow(self, *kinds: Outside) -> None:
        """Lets code inside reach what is outside, from here on. Such a run is repeatable only if what it reaches is.

        Args:
            kinds: `"network"`: sockets that block, and look-ups of names; `"processes"`: `subprocess`, `os.fork` and
                the like; `"files"`, which are allowed from the beginning. What blocks for real holds up everything, and
                virtual time stands still meanwhile.

        Raises `SimulationError` for an unknown kind.
        """
        self.loop.allowed |= _kinds("allow", kinds)

    def forbid(self, *kinds: Outside) -> None:
        """Takes it back: from here on such a call raises `FenceError` and ends the run. `sim.forbid("files")` shows
        that code inside reads and writes no file. Raises `SimulationError` for an unknown kind.
        """
        found = _kinds("forbid", kinds)
        if "files" in found:
            _ = self.runtime  # there are no fences before the run begins
            self._fences.fence_files()
        self.loop.allowed -= found

    # Time

    @property
    def now(self) -> float:
        """Virtual seconds since the simulation began."""
        return self.loop.time() if self._record is None else self._record.now

    @property
    def steps(self) -> int:
        """How many scheduling steps were taken."""
        return self.loop.steps if self._record is None else self._record.steps

    def run(self, until: float) -> None:
        """Runs everything until the virtual time `until`, in seconds since the simulation began. If nothing is left to
        do, time moves there at once.

        Raises:
            OracleFailure: an oracle found something
            FenceError: code inside used the real world
            SimulationError: `until` has passed already
        """
        _seconds("run(until=", until, -math.inf)
        if until < self.now:
            if not self.plan and not self._schedule and self.search is None:
                raise SimulationError(f"run(until={until:.12g}): it is {self.now:.12g} s already")
            until = self.now  # a clock that jumped, or a move that let time go first, has been there before
        if self.loop.run(until) is Why.IDLE:
            oracles.deadlock(self.runtime, self.workloads)

    def advance(self, seconds: float) -> None:
        """Runs everything within the next `seconds` of virtual time. Raises as `run` does."""
        _seconds("advance(", seconds)
        self.run(self.now + seconds)

    def settle(self) -> None:
        """Runs everything that can run without time passing. Raises as `run` does."""
        self.loop.run(self.now)

    def call(self, awaitable: Coroutine[Any, Any, T]) -> T:
        """Runs one coroutine to its end on the simulation's loop, and returns its result: for `await ref.call(...)` in
        a plain test.
        """
        task = self.loop.create_task(awaitable)
        done: Future[Any] = Future(self.runtime.park)
        task.add_done_callback(lambda _: done.set(None))
        done.get()
        return task.result()

    def heal(self) -> None:
        """Ends all faults; from here on the schedule is fair. Handlers that hang or are slowed down go on, and delayed
        messages arrive. Judge liveness only after this.
        """
        if not self._healed:
            self._healed = True
            self.runtime.journal.note(seen.Healed)
            self.runtime.injector.heal()
            self.runtime.heal_places()
            self.runtime.journal.deliver_delayed()
            self.loop.reschedule(Fifo())

    # What must hold

    def always(self, name: str, predicate: Predicate) -> None:
        """Checks that `predicate()` is true now and after every step, until the block ends and everything is stopped.

        The step that breaks it raises `InvariantBroken`. A predicate may ask actors, or return a future: it is then
        checked whenever nothing can run before time moves on, for each question takes steps of its own.
        """
        check = self._check("always", name, predicate)

        def after_step() -> None:
            if not check.waits:
                check.call()
            if not check.take(otherwise=True):
                raise InvariantBroken(self.now, f"{name!r} does not hold")

        def at_rest() -> None:
            check.call_at_rest()
            after_step()

        check.call()
        if check.busy:
            self.loop.run(done=lambda: not check.busy)
        after_step()
        self._always += [after_step, at_rest]
        self.loop.after_step.append(after_step)
        self.loop.at_rest.append(at_rest)

    def eventually(self, name: str, predicate: Predicate, within: float) -> None:
        """Lets time pass until `predicate()` is true, for at most `within` virtual seconds.

        It is called after every step. A predicate may ask actors, or return a future: it is then called whenever
        nothing can run before time moves on.

        Raises:
            NeverHappened: it did not come true in time
            SimulationError: faults may still come; call `heal` first
        """
        if self.plan and not self._healed:
            raise SimulationError(
                f"eventually({name!r}) while faults still come, which promise nothing: call sim.heal() first"
            )
        _seconds(f"eventually({name!r}, within=", within)
        check = self._check("eventually", name, predicate)

        def holds() -> bool:
            if not check.waits:
                check.call()
            return bool(check.take(otherwise=False))

        self.loop.at_rest.append(check.call_at_rest)
        try:
            why = self.loop.run(self.now + within, holds)
        finally:
            self.loop.at_rest.remove(check.call_at_rest)
        if why is Why.DONE or (check.waits and check.take(otherwise=False)):
            return
        if why is Why.IDLE:
            oracles.deadlock(self.runtime, self.workloads)
        raise NeverHappened(self.now, f"{name!r} did not come true within {within:.12g} s{self._still_waiting()}")

    def _check(self, what: str, name: str, predicate: Predicate) -> PredicateCheck:
        return PredicateCheck(self.strands, f"{what} {name!r}", lambda: self._holds(what, name, predicate))

    def _holds(self, what: str, name: str, predicate: Predicate) -> object:
        try:
            value = predicate()
            if isinstance(value, pykka.Future):
                return value.get()
            if inspect.isawaitable(value):
                raise TypeError(f"it returned {value!r}, which is true whatever comes of it: ask, or return a future")
            return value
        except Exception as error:
            where = raised_at(error)
            text = f"the predicate of {what}({name!r}) raised {shown(error)}"
            raise SimulationError(f"{text} at {where}" if where else text) from error

    def _still_waiting(self) -> str:
        waiting = self.strands.waiting()
        waiting += [f"{each.name}-{number} waits" for each in self.workloads for number in each.under_way]
        return f"; {'; '.join(waiting)}" if waiting else ""

    def require_fired(self, *indices: int) -> None:
        """Raises `FaultNotFired` unless every fault of the plan, or each at these places in it, has fired.

        A fault that did not fire was not survived.
        """
        missing = [index for index in indices if not 0 <= index < len(self.plan)]
        if missing:
            raise SimulationError(f"require_fired({', '.join(map(str, missing))}): there are {len(self.plan)} faults")
        fired = {each.place for each in self.fired}
        for index in indices or range(len(self.plan)):
            if index not in fired:
                raise FaultNotFired(self.now, f"{self.plan.faults[index]!r} did not fire")

    # What happened; of a run that failed: until it failed

    @property
    def observations(self) -> list[Observation]:
        """All observations, in order."""
        return self.runtime.journal.observations if self._record is None else self._record.observations

    @property
    def fired(self) -> list[Fired]:
        """The faults that fired, in order, each with its time and place."""
        return self.runtime.injector.fired if self._record is None else self._record.fired

    @property
    def nameless_faults(self) -> list[Fault]:
        """The faults whose pattern no actor has matched."""
        named = self.runtime.injector.named
        return [fault for index, fault in enumerate(self.plan.faults) if index not in named]

    @property
    def nameless(self) -> str:
        """The faults and moves that name no actor, with the actors there were; empty: each names one."""
        there = {each.path for each in self.observations if isinstance(each, seen.Made)}
        there.update(path for path, lane in self.loop.lanes.items() if path and lane.steps)
        moves = [move for move in self.unused_moves if move.path and move.path not in there]
        found = [*map(repr, self.nameless_faults), *map(repr, moves)]
        verb = "names" if len(found) == 1 else "name"
        return f"{', '.join(found)} {verb} no actor; there were: {', '.join(sorted(there)) or 'none'}" if found else ""

    @property
    def random(self) -> random.Random:
        """The seeded randomness of the runtime."""
        return self.runtime.random

    @property
    def recorded(self) -> bool:
        """Whether `schedule` is complete: not if a search ran without being written down."""
        return self.search is None or self.search.kind == "fifo" or self._recorder is not None

    @property
    def schedule(self) -> Schedule:
        """The schedule as named moves: the given one, or the moves of a search so far."""
        if self._record is not None:
            return self._record.schedule
        return self._recorder.schedule if self._recorder is not None else self._schedule

    @property
    def unused_moves(self) -> Sequence[Move]:
        """The moves whose step never came."""
        if self._record is not None:
            return self._record.unused_moves
        if self.search is not None:
            return ()
        return [move for index, move in enumerate(self._schedule.moves) if index not in self._moved.used]

    @property
    def trace(self) -> list[str]:
        """The lane of every step: the path of an actor, the name of a client, an empty string for the test itself."""
        return self.loop.trace if self._record is None else self._record.trace

    @property
    def trace_hash(self) -> str:
        """A fingerprint of the run: equal for equal runs, in any process."""
        digest = hashlib.blake2b(digest_size=16)
        for path in self.trace:
            digest.update(path.encode() + b"\n")
        for each in self.observations:
            digest.update(" ".join([type(each).__name__, *map(_plain, each)]).encode() + b"\n")
        return digest.hexdigest()


def _kinds(call: str, kinds: Iterable[str]) -> set[str]:
    """Refuses a kind of things outside that there is not."""
    known = get_args(Outside)
    unknown = [kind for kind in kinds if kind not in known]
    if unknown:
        raise SimulationError(f"{call}({', '.join(map(repr, unknown))}): known are {', '.join(map(repr, known))}")
    return set(kinds)


def _seconds(call: str, value: object, least: float = 0.0) -> None:
    """Refuses what is not a span of virtual time. A span without an end would hang where a timer repeats."""
    if not isinstance(value, int | float) or not math.isfinite(value) or value < least:
        raise SimulationError(f"{call}{value!r}): must be a finite number of seconds{' >= 0' if least == 0 else ''}")


def _plain(value: object) -> str:
    """A value as it is in every process: no addresses, no hashes."""
    if value is None or isinstance(value, str | int | float):
        return repr(value)
    if isinstance(value, Crashed):
        return f"crashed({type(value.exception).__qualname__})"
    if isinstance(value, ExitReason):
        return value.kind
    return type(value).__qualname__


def simulation(
    plan: FaultPlan | None = None,
    schedule: Schedule | None = None,
    seed: int = 0,
    *,
    search: Strategy | None = None,
    default_timeout: float | None = 30.0,
    strict: Strictness = True,
    record: bool = True,
) -> Simulation:
    """A simulation for a `with` block.

    Args:
        plan: the faults; none by default
        schedule: the moves; first come, first served by default
        seed: of `sim.random`, from which jitter and other random values are drawn
        search: a strategy that chooses the next step, in place of a schedule; `sim.schedule` shows what it chose
        default_timeout: the default deadline of `ask` and `call` inside, in virtual seconds; `None`: no deadline
        strict: whether a fault that names no actor, or a move whose step never comes, is an error; with `"names"`, a
            move is an error only if its actor never takes a step
        record: whether a search is written down as moves

    Raises:
        SimulationError: at once, for a bad argument; on entering, if another simulation runs in this process
    """
    return Simulation(
        plan, schedule, seed, search=search, default_timeout=default_timeout, strict=strict, record=record
    )
