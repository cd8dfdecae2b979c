"""Fences around a simulation: what would make a run unrepeatable is virtual inside, or refused.

Inside means: in code that an actor, a task or a simulated thread runs. The test's own code keeps the real clock, and it
must not start threads: they would reach into the simulation from outside. Threads that ran before stand outside, too.

Clocks, sleeps, dates, random numbers, identifiers, locks, queues and threads are simulated. The same holds for names
that modules have imported (`from time import time`), those of libraries too; only pytest, Hypothesis, pydantic and
this project keep theirs, and a function that imports `datetime` itself has the real one. Sockets, look-ups of names
and processes are refused, until `allow` says otherwise; files are free, until `forbid` does. A refusal ends the run,
whether the library that met it lets it through or not. `--sim-determinism`, which runs a test twice and compares, finds
the effects of what is not seen here, such as C code that reads a clock of its own.
"""

from __future__ import annotations

import _thread
import builtins
import functools
import io
import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType, ModuleType, TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from actors._facade import load_everything
from actors.testing._sim.blocking import blocking_patches, simulated_lock
from actors.testing._sim.calendar import CALENDAR, walls
from actors.testing._sim.call_site import parking
from actors.testing._sim.imported import Name, imported
from actors.testing._sim.outside import instead_of
from actors.testing._sim.randomness import Randomness
from actors.testing._sim.runtime import SimRuntime
from actors.testing._sim.strand_loop import loop_patches
from actors.testing._sim.system_calls import process_patches
from actors.testing._sim.tasks import hash_patches
from actors.testing._sim.threads import LOCAL, Threads, simulated_local
from actors.testing._sim.watch import watch
from actors.testing.errors import SimulationError

if TYPE_CHECKING:
    from actors.testing._sim.loop import SimLoop
    from actors.testing._sim.processes import SimProcesses

_PROCESSES = (
    "execv",
    "execve",
    "fork",
    "forkpty",
    "popen",
    "posix_spawn",
    "posix_spawnp",
    "spawnv",
    "spawnve",
    "system",
)
"""The functions that start a process. `multiprocessing` and the rest of `os` use these."""
_SOCKETS = ("getaddrinfo", "gethostbyaddr", "gethostbyname", "gethostbyname_ex", "getnameinfo", "socketpair")
_FILES = ("listdir", "mkdir", "open", "remove", "rename", "replace", "rmdir", "scandir", "unlink")
"""The functions of `os` that reach files."""
_READS_CODE = frozenset({"importlib._bootstrap_external", "inspect", "linecache", "tokenize", "traceback"})
"""Modules of the standard library that read source files."""

_active: list[Fences] = []
StandIn = Callable[[Callable[..., Any]], Callable[..., Any]]
"""Makes the replacement of a call from the real one."""


class _Shared(NamedTuple):
    """The replacements that serve every run, each with its owner and name."""

    patches: tuple[tuple[Any, str, object], ...]
    real: list[object]
    """What they replace."""
    draws: bool
    """Whether Hypothesis was imported when they were made."""


_shared: list[_Shared] = []
"""Those made last."""


@contextmanager
def sealed() -> Iterator[None]:
    """The test's own code may not draw from Hypothesis, either: the run under way is one of several of its example."""
    _active[-1].sealed = True
    yield


def refuse_nesting() -> None:
    """Raises `SimulationError` when a simulation is under way."""
    if _active:
        raise SimulationError("a simulation runs already in this process; simulations do not nest")


class Fences:
    """Puts the fences up on entering and takes them down on leaving. Only one simulation at a time may have them up."""

    def __init__(self, runtime: SimRuntime) -> None:
        self._runtime = runtime
        self._loop: SimLoop = runtime.loop
        self._kept: list[tuple[Any, str, object]] = []
        self._names: list[Name] = []
        self._made: dict[int, object] = {}
        """The locks and locals that something stands for, by its identity."""
        self._threads = Threads(runtime)
        self._modules = 0
        """How many modules there were."""
        self._randomness = Randomness(runtime)
        self.sealed = False
        """Whether nothing may be drawn from Hypothesis, wherever the code stands."""

    def __enter__(self) -> Self:
        refuse_nesting()
        load_everything()
        _active.append(self)
        parking.append(self._runtime.park)
        walls.append(lambda: self._runtime.clock.wall() if self._loop.inside() else None)
        self._randomness.begin()
        replacements = dict(CALENDAR)
        self._modules = len(sys.modules)
        for owner, name, replacement in self._patches():
            original = getattr(owner, name)
            self._kept.append((owner, name, original))
            setattr(owner, name, replacement)
            if isinstance(owner, ModuleType) and callable(original):  # not None or a number, which others are, too
                replacements[id(original)] = replacement
        self._rename(replacements)
        watch.begin(self._loop, self._blocked)
        self._runtime.has_processes = self._fence_processes
        return self

    def end_pools(self) -> None:
        """Ends the idle threads of the pools that were not shut down."""
        self._threads.end_pools()

    def refuses(self, kind: str) -> bool:
        """Whether the code that asks may not reach what is outside and of this kind."""
        return self._loop.inside() and kind not in self._loop.allowed

    def fence_files(self) -> None:
        """From here on files are refused, unless they are allowed again."""
        replacements: dict[int, object] = {}
        for owner, name in ((builtins, "open"), (io, "open"), (sqlite3, "connect"), *((os, each) for each in _FILES)):
            if hasattr(owner, name):
                original, replacement = getattr(owner, name), self._no_file(owner, name)
                self._kept.append((owner, name, original))
                setattr(owner, name, replacement)
                replacements[id(original)] = replacement
        self._rename(replacements)

    def _fence_processes(self, processes: SimProcesses) -> None:
        """The first simulated process is about to be made: from here on a process that ends itself is one of these."""
        replacements: dict[int, object] = {}
        for owner, name, replacement in process_patches(processes):
            original = getattr(owner, name)
            self._kept.append((owner, name, original))
            setattr(owner, name, replacement)
            replacements[id(original)] = replacement
        self._rename(replacements)

    def _no_file(self, owner: ModuleType, name: str) -> Callable[..., Any]:
        real, loop = getattr(owner, name), self._loop

        @functools.wraps(real)
        def call(*args: Any, **kwargs: Any) -> Any:
            in_memory = owner is sqlite3 and args[:1] == (":memory:",)
            if self.refuses("files") and not in_memory and not _reads_code(sys._getframe(1)):
                loop.refuse(f"{owner.__name__}.{name}()", instead_of("files"))
            return real(*args, **kwargs)

        return call

    def _rename(self, replacements: dict[int, object]) -> None:
        """The same for what modules of the user's have by a name of their own, for locks and `threading.local`s."""
        names = imported(replacements)
        for namespace, name, value in names:
            stand_in = replacements.get(id(value))
            if stand_in is None:
                stand_in = replacements[id(value)] = self._stands_for(value)
                self._made[id(stand_in)] = value
            namespace[name] = stand_in
        self._names += names

    def _stands_for(self, made: Any) -> object:
        return simulated_local(made) if type(made) is LOCAL else simulated_lock(self._runtime.strands, made)

    def _rename_in_new_modules(self) -> None:
        """Modules that were imported meanwhile hold the replacements under their own names."""
        if len(sys.modules) == self._modules:
            return
        originals = {id(getattr(owner, name)): original for owner, name, original in self._kept} | self._made
        for module in list(sys.modules.values())[self._modules :]:
            if isinstance(module, ModuleType):
                found = {name: originals[id(value)] for name, value in vars(module).items() if id(value) in originals}
                vars(module).update(found)

    def _blocked(self) -> None:
        if not self._loop.allowed.isdisjoint(("network", "processes")):
            return
        self._loop.refuse(
            "something that blocks for real",
            "a lock or queue that was made before the simulation, in a class body say, is a real one: "
            "make it where the actor starts, or as a global name of its module",
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        watch.end()
        self._threads.end()
        for namespace, name, value in self._names:
            namespace[name] = value
        self._names.clear()
        self._rename_in_new_modules()
        while self._kept:
            owner, name, original = self._kept.pop()
            setattr(owner, name, original)
        self._randomness.end()
        walls.clear()
        _active.remove(self)
        parking.clear()

    def _patches(self) -> list[tuple[Any, str, object]]:
        return [
            *blocking_patches(self._runtime.strands, self._loop.time),
            *self._threads.patches(),
            *loop_patches(self._runtime),
            *hash_patches(),
            *self._randomness.patches(),
            *_shared_patches(),
        ]


def _clocks() -> Iterator[tuple[Any, str, StandIn]]:
    """The clocks and sleeps of `time`."""
    yield time, "sleep", _sleep
    for name in ("monotonic", "perf_counter", "process_time", "thread_time"):
        yield time, name, partial(_virtual, now=_steady)
        yield time, f"{name}_ns", partial(_virtual, now=_nanoseconds(_steady))
    yield time, "time", partial(_virtual, now=_wall)
    yield time, "time_ns", partial(_virtual, now=_nanoseconds(_wall))
    yield from ((time, name, _dated) for name in ("ctime", "gmtime", "localtime"))
    yield time, "asctime", partial(_formatted, full=1)
    yield time, "strftime", partial(_formatted, full=2)
    if hasattr(time, "clock_gettime"):
        yield time, "clock_gettime", partial(_of_clock, steady=_steady, wall=_wall)
        yield time, "clock_gettime_ns", partial(_of_clock, steady=_nanoseconds(_steady), wall=_nanoseconds(_wall))


def _steady() -> float:
    return _active[-1]._loop.time()


def _wall() -> float:
    return _active[-1]._runtime.clock.wall()


def _nanoseconds(now: Callable[[], float]) -> Callable[[], int]:
    return lambda: round(now() * 1_000_000_000)


def _inside() -> bool:
    return bool(_active) and _active[-1]._loop.inside()


def _sleep(real: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(real)
    def sleep(seconds: float) -> None:
        if _active:
            _active[-1]._runtime.strands.sleep(seconds)
        else:
            real(seconds)  # kept by a name of its own beyond the simulation

    return sleep


def _virtual(real: Callable[..., Any], now: Callable[[], object]) -> Callable[..., Any]:
    """The call as actors see it; elsewhere it is the real one."""

    def call() -> object:
        return now() if _inside() else real()

    return call


def _of_clock(real: Callable[..., Any], steady: Callable[[], Any], wall: Callable[[], Any]) -> Callable[..., Any]:
    """`time.clock_gettime` or its like: one clock shows the wall's time, and all others that of the simulation."""

    def call(clock: int, /) -> Any:
        if not _inside():
            return real(clock)
        return wall() if clock == time.CLOCK_REALTIME else steady()

    return call


def _dated(real: Callable[..., Any]) -> Callable[..., Any]:
    """One of `time.localtime` and the like, which take the wall clock's moment where they are given none."""

    def call(seconds: float | None = None) -> Any:
        return real(_wall() if seconds is None and _inside() else seconds)

    return call


def _formatted(real: Callable[..., Any], full: int) -> Callable[..., str]:
    """`time.strftime` or `time.asctime`, whose last argument is the local time where it is not given: `full` says how
    many arguments there are with it.
    """

    def call(*args: Any) -> str:
        given = args if len(args) == full or not _inside() else (*args, time.localtime(_wall()))
        return str(real(*given))

    return call


def _drawing() -> Iterator[tuple[Any, str, StandIn]]:
    """Drawing inside would make the example depend on the schedule. Without Hypothesis imported there is nothing to
    fence.
    """
    for module, owner, name in (
        ("hypothesis.internal.conjecture.data", "ConjectureData", "draw"),
        ("hypothesis.strategies", "SearchStrategy", "example"),
    ):
        target = getattr(sys.modules.get(module), owner, None)
        if target is not None:
            yield target, name, _no_draw


def _no_draw(real: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(real)
    def draw(*args: Any, **kwargs: Any) -> Any:
        if _active and (_active[-1]._loop._running or _active[-1].sealed):
            instead = "draw before the run: let the strategy be an argument of @simulate"
            _active[-1]._loop.refuse("Hypothesis's draw", instead)
        return real(*args, **kwargs)

    return draw


def _outside() -> Iterator[tuple[Any, str, StandIn]]:
    """The calls that reach outside, which are refused inside."""
    every: tuple[tuple[Any, Iterable[str], str], ...] = (
        (os, _PROCESSES, "processes"),
        (sys.modules.get("_posixsubprocess"), ("fork_exec",), "processes"),
        (socket, _SOCKETS, "network"),
        (_thread, ("start_new_thread",), "threads"),
    )
    for owner, names, kind in every:
        for name in names:
            if hasattr(owner, name):
                yield owner, name, partial(_refusal, text=f"{owner.__name__}.{name}()", kind=kind)
    yield socket.socket, "__init__", partial(_refusal, text="socket.socket", kind="network")
    yield subprocess.Popen, "__init__", partial(_refusal, text="subprocess.Popen", kind="processes")


def _refusal(real: Callable[..., Any], text: str, kind: str) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        if _active and _active[-1].refuses(kind):
            _active[-1]._loop.refuse(text, instead_of(kind))
        return real(*args, **kwargs)

    return call


def _shared_patches() -> tuple[tuple[Any, str, object], ...]:
    """The replacements that ask which simulation runs. They are made once, for every run needs them all; and anew where
    a test has put something else in the place of one, or Hypothesis was imported meanwhile.
    """
    draws = "hypothesis.strategies" in sys.modules
    if _shared and _shared[0].draws == draws:
        made = _shared[0]
        if [getattr(owner, name) for owner, name, _ in made.patches] == made.real:
            return made.patches
    wanted = [*_clocks(), *_outside(), *_drawing()]
    real = [getattr(owner, name) for owner, name, _ in wanted]
    patches = tuple((owner, name, make(was)) for (owner, name, make), was in zip(wanted, real, strict=True))
    _shared[:] = [_Shared(patches, real, draws)]
    return patches


def _reads_code(frame: FrameType | None) -> bool:
    """Whether the standard library reads a source file: an import or a traceback is not an access of the user's."""
    return frame is not None and frame.f_globals.get("__name__") in _READS_CODE
