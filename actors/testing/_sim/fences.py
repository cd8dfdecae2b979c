"""Fences around a simulation: what would make a run unrepeatable is virtual inside, or refused.

Inside means: in code that an actor, a task or a simulated thread runs. The test's own code keeps the real clock and the
real randomness, but it must not start threads: they would reach into the simulation from outside. The same holds for
names that modules have imported (`from time import time`). Libraries in `site-packages` keep the names that they
imported, and so does a function that imports `datetime` itself; `--sim-determinism`, which runs a test twice and
compares, finds the effects of those.
"""

from __future__ import annotations

import _thread
import functools
import os
import random
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Any, Self

import pykka

from actors._facade import load_everything
from actors.testing._sim.blocking import blocking_patches, simulated_lock
from actors.testing._sim.calendar import CALENDAR, walls
from actors.testing._sim.imported import Name, imported
from actors.testing._sim.place import parking
from actors.testing._sim.runtime import SimRuntime
from actors.testing._sim.strand_loop import loop_patches
from actors.testing._sim.threads import LOCAL, simulated_local, thread_patches
from actors.testing._sim.watch import watch
from actors.testing.errors import SimulationError

if TYPE_CHECKING:
    from actors.testing._sim.loop import SimLoop

_RANDOM = (
    "betavariate",
    "choice",
    "choices",
    "expovariate",
    "gammavariate",
    "gauss",
    "getrandbits",
    "lognormvariate",
    "normalvariate",
    "paretovariate",
    "randbytes",
    "randint",
    "random",
    "randrange",
    "sample",
    "shuffle",
    "triangular",
    "uniform",
    "vonmisesvariate",
    "weibullvariate",
)
_PROCESSES = ("fork", "forkpty", "popen", "posix_spawn", "posix_spawnp", "spawnv", "spawnve", "system")
"""The functions that start a process. `multiprocessing` and the rest of `os` use these."""
_LOOKUPS = ("getaddrinfo", "gethostbyaddr", "gethostbyname", "gethostbyname_ex", "getnameinfo")
_CLOCKS = ("clock_gettime", "clock_gettime_ns")
_BLOCKING_ACTOR = 'let an actor with `host="thread"` do the work'
_DOUBLE = "put a double in its place"
_SEEDED = "draw from `self.runtime.random`, which the simulation seeds"

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
        self._modules = 0
        """How many modules there were."""
        self.sealed = False
        """Whether nothing may be drawn from Hypothesis, wherever the code stands."""

    def __enter__(self) -> Self:
        refuse_nesting()
        load_everything()
        _active.append(self)
        parking.append(self._runtime.park)
        walls.append(lambda: self._runtime.clock.wall() if self._loop._running else None)
        replacements = dict(CALENDAR)
        self._modules = len(sys.modules)
        for owner, name, replacement in self._patches():
            original = getattr(owner, name)
            self._kept.append((owner, name, original))
            setattr(owner, name, replacement)
            if isinstance(owner, ModuleType):
                replacements[id(original)] = replacement
        self._rename(replacements)
        watch.begin(self._loop, self._blocked)
        return self

    def _rename(self, replacements: dict[int, object]) -> None:
        """The same for what modules of the user's have by a name of their own, for locks and `threading.local`s."""
        for each in imported(replacements):
            if id(each.value) not in replacements:
                replacements[id(each.value)] = self._stands_for(each.value)
            self._names.append(each)
            each.namespace[each.name] = replacements[id(each.value)]

    def _stands_for(self, made: Any) -> object:
        return simulated_local(made) if type(made) is LOCAL else simulated_lock(self._runtime.strands, made)

    def _rename_in_new_modules(self) -> None:
        """Modules that were imported meanwhile hold the replacements under their own names."""
        if len(sys.modules) == self._modules:
            return
        originals = {id(getattr(owner, name)): original for owner, name, original in self._kept}
        for module in list(sys.modules.values())[self._modules :]:
            if isinstance(module, ModuleType):
                found = {name: originals[id(value)] for name, value in vars(module).items() if id(value) in originals}
                vars(module).update(found)

    def _blocked(self) -> None:
        self._loop.refuse(
            "something that blocks for real",
            "a lock or queue that was made before the simulation, in a class body say, is a real one: "
            "make it where the actor starts, or as a global name of its module",
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        watch.end()
        for each in self._names:
            each.namespace[each.name] = each.value
        self._names.clear()
        self._rename_in_new_modules()
        while self._kept:
            owner, name, original = self._kept.pop()
            setattr(owner, name, original)
        walls.clear()
        _active.remove(self)
        parking.clear()

    def _inside(self) -> bool:
        return self._loop.is_running()

    def _patches(self) -> list[tuple[Any, str, object]]:
        runtime, loop = self._runtime, self._loop
        clock = runtime.clock

        def sleep(seconds: float) -> None:
            runtime.strands.sleep(seconds)

        patches = [
            *blocking_patches(runtime.strands, loop.time),
            *thread_patches(runtime.strands),
            *loop_patches(runtime),
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
        patches += self._refused_of(time, _CLOCKS, "read time.monotonic() or time.time(), which are virtual")
        patches += self._refused_of(random, _RANDOM, _SEEDED)
        patches += self._refused_of(os, ("getrandom",), _SEEDED)
        patches += self._refused_of(os, _PROCESSES, _DOUBLE)
        patches += self._refused_of(sys.modules.get("_posixsubprocess"), ("fork_exec",), _DOUBLE)
        patches += self._refused_of(socket, _LOOKUPS, _DOUBLE)
        patches += [
            (random.Random, "seed", self._seeding()),
            (uuid, "uuid1", self._refused(uuid, "uuid1", _SEEDED)),
            (uuid, "uuid4", self._virtual(uuid, "uuid4", self._uuid)),
            (os, "urandom", self._refused(os, "urandom", _SEEDED)),
            (random, "_urandom", self._refused(os, "urandom", _SEEDED)),
            (
                socket.socket,
                "__init__",
                self._refused(socket.socket, "__init__", _DOUBLE, "socket.socket"),
            ),
            (
                subprocess.Popen,
                "__init__",
                self._refused(subprocess.Popen, "__init__", _DOUBLE, "subprocess.Popen"),
            ),
            (_thread, "start_new_thread", self._refused(_thread, "start_new_thread", _BLOCKING_ACTOR)),
            (threading.Thread, "start", self._start_thread),
            (threading.Thread, "join", _join),
        ]
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
            return inside() if loop._running else real()

        return call

    def _dated(self, name: str, now: Callable[[], float]) -> Callable[..., Any]:
        """One of `time.localtime` and the like, which take the wall clock's moment where they are given none."""
        real, loop = getattr(time, name), self._loop

        def call(seconds: float | None = None) -> Any:
            return real(now() if seconds is None and loop._running else seconds)

        return call

    def _formatted(self, name: str, now: Callable[[], float]) -> Callable[..., str]:
        """`time.strftime` or `time.asctime`, whose last argument is the local time where it is not given."""
        real, localtime, loop = getattr(time, name), time.localtime, self._loop
        full = {"asctime": 1, "strftime": 2}[name]

        def call(*args: Any) -> str:
            given = args if len(args) == full or not loop._running else (*args, localtime(now()))
            return str(real(*given))

        return call

    def _refused_of(self, owner: Any, names: Iterable[str], instead: str) -> list[tuple[Any, str, object]]:
        """Those of the names that there are on this platform."""
        return [(owner, name, self._refused(owner, name, instead)) for name in names if hasattr(owner, name)]

    def _refused(self, owner: Any, name: str, instead: str, shown: str | None = None) -> Callable[..., Any]:
        """The call as actors see it: refused; elsewhere it is the real one."""
        real = getattr(owner, name)
        kept = _refusals.get((owner, name))
        if kept is None or kept[0] is not real:
            text = shown or f"{owner.__name__}.{name}()"
            kept = _refusals[owner, name] = real, _refusal(real, text, instead)
        return kept[1]

    def _seeding(self) -> Callable[..., None]:
        real, loop = random.Random.seed, self._loop

        def seed(self: random.Random, a: Any = None, version: int = 2) -> None:
            if a is None and loop._running:
                loop.refuse("random.Random()", "give it a seed, or " + _SEEDED)
            real(self, a, version)

        return seed

    def _uuid(self) -> uuid.UUID:
        """Pykka names every actor by a UUID; inside it comes from the simulation's randomness."""
        return uuid.UUID(int=self._runtime.ids.getrandbits(128), version=4)

    @property
    def _start_thread(self) -> Callable[[threading.Thread], None]:
        runtime, loop = self._runtime, self._loop

        def start(thread: threading.Thread) -> None:
            target = getattr(thread, "_target", None)
            actor = getattr(target, "__self__", None)
            if target is None or not isinstance(actor, pykka.ThreadingActor):
                if loop._running:
                    loop.refuse("threading.Thread.start()", _BLOCKING_ACTOR)
                raise SimulationError(
                    'the test starts a thread inside a simulation; use sim.workload, or an actor with `host="thread"`'
                )
            runtime.start_strand(target, runtime.numbered(f"pykka/{type(actor).__name__}"), outside=True)

        return start


def _refusal(real: Callable[..., Any], text: str, instead: str) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        if _active and _active[-1]._loop._running:
            _active[-1]._loop.refuse(text, instead)
        return real(*args, **kwargs)

    return call


def _join(thread: threading.Thread, timeout: float | None = None) -> None:
    """A simulated thread ends when nothing is left for it to do; nothing waits for it."""
    raise SimulationError("Thread.join() inside a simulation: wait for a future or for the end of the actor instead")


def _nanoseconds(now: Callable[[], float]) -> Callable[[], int]:
    return lambda: round(now() * 1_000_000_000)
