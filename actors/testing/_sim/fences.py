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
from types import FrameType, ModuleType, TracebackType
from typing import TYPE_CHECKING, Any, Self

from actors._facade import load_everything
from actors.testing._sim.blocking import blocking_patches, simulated_lock
from actors.testing._sim.calendar import CALENDAR, walls
from actors.testing._sim.imported import Name, imported
from actors.testing._sim.outside import instead_of
from actors.testing._sim.place import parking
from actors.testing._sim.randomness import Randomness
from actors.testing._sim.runtime import SimRuntime
from actors.testing._sim.strand_loop import loop_patches
from actors.testing._sim.tasks import hash_patches
from actors.testing._sim.threads import LOCAL, Threads, simulated_local
from actors.testing._sim.watch import watch
from actors.testing.errors import SimulationError

if TYPE_CHECKING:
    from actors.testing._sim.loop import SimLoop

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
_refusals: dict[tuple[Any, str], tuple[object, Callable[..., Any]]] = {}
"""The stand-ins for refused calls, beside the real ones: there are many, and every run needs them all."""


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
        runtime, loop = self._runtime, self._loop
        clock = runtime.clock

        @functools.wraps(time.sleep)  # noqa: TID251 - for its name
        def sleep(seconds: float) -> None:
            runtime.strands.sleep(seconds)

        patches = [
            *blocking_patches(runtime.strands, loop.time),
            *self._threads.patches(),
            *loop_patches(runtime),
            *hash_patches(),
            (time, "sleep", sleep),
            *((time, name, self._virtual(time, name, loop.time)) for name in ("monotonic", "perf_counter")),
            (time, "time", self._virtual(time, "time", clock.wall)),
        ]
        for name, now in (("monotonic", loop.time), ("perf_counter", loop.time), ("time", clock.wall)):
            patches.append((time, f"{name}_ns", self._virtual(time, f"{name}_ns", _nanoseconds(now))))
        for name in ("process_time", "thread_time"):
            patches.append((time, name, self._virtual(time, name, loop.time)))
            patches.append((time, f"{name}_ns", self._virtual(time, f"{name}_ns", _nanoseconds(loop.time))))
        patches += [(time, name, self._dated(name, clock.wall)) for name in ("ctime", "gmtime", "localtime")]
        patches += [(time, name, self._formatted(name, clock.wall)) for name in ("asctime", "strftime")]
        patches += _refused()
        patches += self._randomness.patches()
        for name, scale in (("clock_gettime", lambda now: now), ("clock_gettime_ns", _nanoseconds)):
            if hasattr(time, name):
                patches.append((time, name, self._of_clock(name, scale(loop.time), scale(clock.wall))))
        return [*patches, *self._drawing()]

    def _drawing(self) -> list[tuple[Any, str, object]]:
        """Drawing inside would make the example depend on the schedule. Without Hypothesis imported there is nothing to
        fence.
        """
        found: list[tuple[Any, str, object]] = []
        for module, owner, name in (
            ("hypothesis.internal.conjecture.data", "ConjectureData", "draw"),
            ("hypothesis.strategies", "SearchStrategy", "example"),
        ):
            target = getattr(sys.modules.get(module), owner, None)
            if target is not None:
                found.append((target, name, self._no_draw(getattr(target, name))))
        return found

    def _no_draw(self, real: Callable[..., Any]) -> Callable[..., Any]:
        loop = self._loop

        @functools.wraps(real)
        def draw(*args: Any, **kwargs: Any) -> Any:
            if loop._running or self.sealed:
                loop.refuse("Hypothesis's draw", "draw before the run: let the strategy be an argument of @simulate")
            return real(*args, **kwargs)

        return draw

    def _virtual(self, owner: Any, name: str, inside: Callable[[], object]) -> Callable[[], object]:
        """The call as actors see it; elsewhere it is the real one."""
        real, loop = getattr(owner, name), self._loop

        def call() -> object:
            return inside() if loop.inside() else real()

        return call

    def _of_clock(self, name: str, steady: Callable[[], Any], wall: Callable[[], Any]) -> Callable[[int], Any]:
        """`time.clock_gettime` or its like: one clock shows the wall's time, and all others that of the simulation."""
        real, loop = getattr(time, name), self._loop

        def call(clock: int, /) -> Any:
            if not loop.inside():
                return real(clock)
            return wall() if clock == time.CLOCK_REALTIME else steady()

        return call

    def _dated(self, name: str, now: Callable[[], float]) -> Callable[..., Any]:
        """One of `time.localtime` and the like, which take the wall clock's moment where they are given none."""
        real, loop = getattr(time, name), self._loop

        def call(seconds: float | None = None) -> Any:
            return real(now() if seconds is None and loop.inside() else seconds)

        return call

    def _formatted(self, name: str, now: Callable[[], float]) -> Callable[..., str]:
        """`time.strftime` or `time.asctime`, whose last argument is the local time where it is not given."""
        real, localtime, loop = getattr(time, name), time.localtime, self._loop
        full = {"asctime": 1, "strftime": 2}[name]

        def call(*args: Any) -> str:
            given = args if len(args) == full or not loop.inside() else (*args, localtime(now()))
            return str(real(*given))

        return call


def _outside() -> Iterator[tuple[Any, str, str, str]]:
    """The calls that reach outside: owner, name, kind, and how the error names the call."""
    every: tuple[tuple[Any, Iterable[str], str], ...] = (
        (os, _PROCESSES, "processes"),
        (sys.modules.get("_posixsubprocess"), ("fork_exec",), "processes"),
        (socket, _SOCKETS, "network"),
        (_thread, ("start_new_thread",), "threads"),
    )
    for owner, names, kind in every:
        yield from ((owner, name, kind, f"{owner.__name__}.{name}()") for name in names if hasattr(owner, name))
    yield socket.socket, "__init__", "network", "socket.socket"
    yield subprocess.Popen, "__init__", "processes", "subprocess.Popen"


def _refused() -> list[tuple[Any, str, object]]:
    """The same calls, refused inside. They are made once, for every run needs them all, and anew where a test has put
    something else in the place of one.
    """
    if not _refusals or any(getattr(owner, name) is not real for (owner, name), (real, _) in _refusals.items()):
        _refusals.clear()
        for owner, name, kind, shown in _outside():
            real = getattr(owner, name)
            _refusals[owner, name] = real, _refusal(real, shown, kind)
    return [(owner, name, stand_in) for (owner, name), (_, stand_in) in _refusals.items()]


def _refusal(real: Callable[..., Any], text: str, kind: str) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        if _active and _active[-1].refuses(kind):
            _active[-1]._loop.refuse(text, instead_of(kind))
        return real(*args, **kwargs)

    return call


def _reads_code(frame: FrameType | None) -> bool:
    """Whether the standard library reads a source file: an import or a traceback is not an access of the user's."""
    return frame is not None and frame.f_globals.get("__name__") in _READS_CODE


def _nanoseconds(now: Callable[[], float]) -> Callable[[], int]:
    return lambda: round(now() * 1_000_000_000)
