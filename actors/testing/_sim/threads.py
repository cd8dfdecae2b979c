"""Simulated threads as Python sees them: `Thread`, `current_thread()`, `get_ident()`, `threading.local`.

A `threading.Thread` that is started while a simulation runs is a simulated thread: its class, its names and its methods
are those of the standard library, and so are pools of threads on top of it.

The C code of `threading.local` knows threads of the machine, of which all simulated ones are the same. So one that is
made while a simulation runs, or is a global name of a module, is the standard library's own Python version of it; any
other that was made before is shared.
"""

from __future__ import annotations

import _threading_local
import itertools
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import thread as pools
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pykka

from actors.testing._sim.blocking import outlives, simulated_lock
from actors.testing._sim.strands import Sleeper, Strand, Strands
from actors.testing.errors import SimulationError

if TYPE_CHECKING:
    from actors.testing._sim.runtime import SimRuntime

LOCAL = threading.local


class SimThread(threading.Thread):
    """The value of `threading.current_thread()` in a simulated thread: a name and a number."""

    def __init__(self, strand: Strand) -> None:
        super().__init__(name=strand.name, daemon=True)
        self._strand_number = strand.number

    @property
    def ident(self) -> int:
        return self._strand_number

    def is_alive(self) -> bool:
        """True: only code that runs in it can ask."""
        return True


class SimLocal(_threading_local.local):
    """`threading.local`: each simulated thread has values of its own."""

    def __new__(cls, /, *args: Any, **kwargs: Any) -> Any:
        if cls is SimLocal and outlives(sys._getframe(1)):
            return LOCAL()
        return super().__new__(cls, *args, **kwargs)


def simulated_local(real: threading.local) -> SimLocal:
    """Stands for a local made before the simulation. Outside of simulated threads its values are the same."""
    made: SimLocal = SimLocal()
    implementation = object.__getattribute__(made, "_local__impl")
    ((key, (thread, _)),) = implementation.dicts.items()
    implementation.dicts[key] = thread, vars(real)
    return made


_FROM_BEFORE = "it was started before, and does not end in virtual time; start it inside, or end it before"


class Threads:
    """What `threading.Thread` does while a simulation runs."""

    def __init__(self, runtime: SimRuntime) -> None:
        self._runtime = runtime
        self._strands = runtime.strands
        self._started: dict[threading.Thread, Strand] = {}
        self._real_start = threading.Thread.start
        self._real_join = threading.Thread.join
        self._real_is_alive = threading.Thread.is_alive

    def start(self, thread: Any) -> None:
        """Begins the thread: it takes its first step when it is chosen. A daemon may outlive the tree.

        Raises:
            RuntimeError: it was started before
            SimulationError: the test starts it, which stands outside of time
        """
        if self._strands.is_elsewhere:
            self._real_start(thread)
            return
        if not thread._initialized:
            raise RuntimeError("thread.__init__() not called")
        if thread._started.is_set():
            raise RuntimeError("threads can only be started once")
        actor = getattr(getattr(thread, "_target", None), "__self__", None)
        of_pykka = isinstance(actor, pykka.ThreadingActor)
        if not of_pykka and not self._strands.loop.inside():
            raise SimulationError(
                'the test starts a thread inside a simulation; use sim.workload, or an actor with `host="thread"`'
            )
        name = f"pykka/{type(actor).__name__}" if of_pykka else f"thread/{_named(thread)}"
        strand = self._runtime.start_strand(
            lambda: self._run(thread), self._runtime.numbered(name), outside=of_pykka or thread.daemon
        )
        strand.thread = thread
        strand.of_user = not of_pykka
        thread._ident = strand.number
        threading._active[strand.number] = thread  # type: ignore[attr-defined]
        self._started[thread] = strand
        thread._started.set()

    def _run(self, thread: threading.Thread) -> None:
        try:
            with suppress(SystemExit):  # as in a real thread, it ends this thread alone
                thread.run()
        finally:
            _note_end(thread)

    def end(self) -> None:
        """Notes the end of those that never took a step."""
        for thread in self._started:
            _note_end(thread)

    def join(self, thread: threading.Thread, timeout: float | None = None) -> None:
        """Waits, in virtual time, for the end of a simulated thread.

        Raises:
            RuntimeError: it is the current thread, or was not started
            FenceError: inside, where it is a real thread
            SimulationError: the same in the test's own code
        """
        strand = self._started.get(thread)
        if self._strands.is_elsewhere:
            self._real_join(thread, timeout)
        elif strand is None:
            if thread.ident is not None and self._real_is_alive(thread):
                if self._strands.loop.inside():
                    self._strands.loop.refuse(f"Thread.join() of {thread.name!r}", _FROM_BEFORE)
                raise SimulationError(f"Thread.join() of {thread.name!r} inside a simulation: {_FROM_BEFORE}")
            self._real_join(thread, timeout)
        elif strand is self._strands.current:
            raise RuntimeError("cannot join current thread")
        elif strand in self._strands.alive:
            sleeper = Sleeper(f"the end of thread {strand.name}")
            strand.joining.append(sleeper)
            self._strands.block(sleeper, None if timeout is None else max(0.0, timeout))

    def end_pools(self) -> None:
        """Ends the idle threads of every pool that was not shut down, as Python does when the process ends."""
        if not self._started:
            return
        queues = {thread: pools._threads_queues.get(thread) for thread in self._started}
        left = {self._started[thread]: queue for thread, queue in queues.items() if queue is not None}
        if left:
            pools._shutdown = True
            for queue in left.values():
                queue.put(None)
            while any(self._strands.run_ahead(strand) for strand in left):
                continue  # each hands the word on to the next

    def is_alive(self, thread: threading.Thread) -> bool:
        strand = self._started.get(thread)
        return self._real_is_alive(thread) if strand is None else strand in self._strands.alive

    def patches(self) -> list[tuple[Any, str, object]]:
        """The replacements while a simulation runs: owner, name, replacement."""
        found: list[tuple[Any, str, object]] = []
        if hasattr(pykka._threading, "_actor_thread_counter"):
            found.append((pykka._threading, "_actor_thread_counter", itertools.count()))
        return [
            *found,
            (threading.Thread, "start", lambda thread: self.start(thread)),
            (threading.Thread, "join", lambda thread, timeout=None: self.join(thread, timeout)),
            (threading.Thread, "is_alive", lambda thread: self.is_alive(thread)),
            # Names have numbers, which would go on from one run to the next.
            (threading, "_counter", itertools.count(1).__next__),
            (ThreadPoolExecutor, "_counter", itertools.count().__next__),
            (pools, "_shutdown", False),
            (pools, "_global_shutdown_lock", simulated_lock(self._strands, pools._global_shutdown_lock)),
            *thread_patches(self._strands),
        ]


def _named(thread: threading.Thread) -> str:
    """The name of what runs in it: the same in every run."""
    target: Callable[..., object] | None = getattr(thread, "_target", None)
    named = type(thread) if target is None else getattr(target, "func", target)
    return str(getattr(named, "__qualname__", type(named).__qualname__)).replace(".<locals>", "")


class EndedHandle:
    """The handle of a thread that has ended, from Python 3.13 on: nothing of the machine ends here."""

    def __init__(self, ident: int) -> None:
        self.ident = ident

    def is_done(self) -> bool:
        return True

    def join(self, timeout: float | None = None) -> None:
        """It has ended."""

    def _set_done(self) -> None:
        """Called in a process that was forked."""


def _note_end(thread: Any) -> None:
    """What Python itself notes of a thread that has ended, by version. More than once is as good as once."""
    threading._active.pop(thread.ident, None)  # type: ignore[attr-defined]
    # At the end of the process it would be waited for.
    pools._threads_queues.pop(thread, None)  # type: ignore[attr-defined]
    if hasattr(thread, "_handle"):
        thread._handle = EndedHandle(thread.ident)
    else:
        thread._is_stopped = True


def thread_patches(strands: Strands) -> list[tuple[Any, str, object]]:
    """The replacements in `threading` while a simulation runs: module, name, replacement."""
    real_thread, real_ident = threading.current_thread, threading.get_ident

    def current_thread() -> threading.Thread:
        strand = strands.mine
        if strand is None:
            return real_thread()
        if strand.thread is None:
            strand.thread = SimThread(strand)
        return strand.thread

    def get_ident() -> int:
        strand = strands.mine
        return real_ident() if strand is None else strand.number

    return [
        (threading, "current_thread", current_thread),
        (threading, "get_ident", get_ident),
        (threading, "local", SimLocal),
        (_threading_local, "current_thread", current_thread),
    ]
