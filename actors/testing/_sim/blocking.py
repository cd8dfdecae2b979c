"""Locks, events and queues that park a greenlet instead of blocking the process.

Only the lock itself is ours: the rest of `threading` and `queue` is the standard library's own Python code on top of
it.
"""

from __future__ import annotations

import queue
import sys
import threading
from _thread import get_ident
from collections import deque
from collections.abc import Callable
from time import monotonic
from types import FrameType, TracebackType
from typing import Any, Literal

from actors._extras import needs_extra
from actors.testing._sim.strands import Sleeper, Strand, Strands
from actors.testing.errors import SimulationError

with needs_extra():
    from greenlet import GreenletExit


class SimLock:
    """`threading.Lock`. Waiters get it in the order they came.

    With `yields`, a simulated thread may be overtaken right before it takes the lock: that is where the races of real
    threads are. A lock that a library keeps for longer than the simulation is a real one afterwards. Other threads of
    the machine have a real one from the start: they exclude each other, and nothing of the simulation.
    """

    __slots__ = ("_after", "_held", "_holder", "_strands", "_waiters", "_yields")

    def __init__(self, strands: Strands, *, yields: bool) -> None:
        self._strands = strands
        self._yields = yields
        self._held = False
        self._holder: Strand | None = None
        """The simulated thread that took it; None: code on the loop, or the test."""
        self._waiters: deque[Sleeper] = deque()
        self._after: Any = None
        """The real lock, once the simulation is over, and for other threads of the machine."""

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if self._strands.is_elsewhere:
            return self._acquire_real(blocking, timeout)
        if self._strands.closing:
            if self._strands.current is None:
                return self._acquire_real(blocking, timeout)
            if self._held and blocking:
                raise GreenletExit  # this thread is being ended: nothing would wake it
        elif self._yields:
            self._strands.give_way()
        if not self._held or (blocking and self._holder_runs_ahead()):
            self._held = True
            self._holder = self._strands.current
            return True
        if not blocking:
            return False
        sleeper = Sleeper("a lock, event, condition or queue")
        self._waiters.append(sleeper)
        if self._strands.block(sleeper, None if timeout < 0 else timeout):
            self._holder = self._strands.current
            return True  # the thread that released it handed it over
        self._waiters.remove(sleeper)
        return False

    def _acquire_real(self, blocking: bool, timeout: float) -> bool:
        with _GUARD:
            self._after = self._after or _REAL_LOCK()
        return bool(self._after.acquire(blocking, timeout))

    def _holder_runs_ahead(self) -> bool:
        """Whether the lock is free once the thread that holds it has gone on. Code on the loop may meet a thread that
        was overtaken between two locks: a real loop would wait for an instant.
        """
        while self._held and self._holder is not None and self._strands.is_on_loop:
            if not self._strands.run_ahead(self._holder):
                return False
        return not self._held

    def release(self) -> None:
        if not self._held or self._strands.is_elsewhere:
            if self._after is not None:
                self._after.release()
                return
            raise RuntimeError("release unlocked lock")
        while self._waiters:
            sleeper = self._waiters.popleft()
            if not sleeper.over:
                self._holder = sleeper.strand
                self._strands.wake(sleeper)
                return
        self._held = False

    def locked(self) -> bool:
        return self._held or (self._after is not None and self._after.locked())

    # What threading.Condition asks of a lock. It would try to take it, and be overtaken while it holds it: a `put` of a
    # `SimpleQueue` then had to wait, which a signal handler must not.

    def _is_owned(self) -> bool:
        return self.locked()

    def __enter__(self) -> Literal[True]:
        self.acquire()
        return True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._waiters or not self._held or self._strands.is_elsewhere:
            self.release()
        else:
            self._held = False


class SimRLock:
    """`threading.RLock`: its owner is a greenlet, or what runs on the loop; afterwards, a real thread."""

    def __init__(self, strands: Strands) -> None:
        self._strands = strands
        self._lock = SimLock(strands, yields=True)
        self._owner: object = None
        self._count = 0

    def _me(self) -> object:
        strands = self._strands
        return strands.mine or (get_ident() if strands.closing or strands.is_elsewhere else strands)

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        me = self._me()
        if self._owner != me:
            if not self._lock.acquire(blocking, timeout):
                return False
            self._owner = me
        self._count += 1
        return True

    def release(self) -> None:
        if self._owner != self._me():
            raise RuntimeError("cannot release un-acquired lock")
        self._count -= 1
        if not self._count:
            self._owner = None
            self._lock.release()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()

    # What threading.Condition asks of a reentrant lock

    def _release_save(self) -> tuple[int, object]:
        saved = self._count, self._owner
        self._count, self._owner = 0, None
        self._lock.release()
        return saved

    def _acquire_restore(self, saved: tuple[int, object]) -> None:
        self._lock.acquire()
        self._count, self._owner = saved

    def _is_owned(self) -> bool:
        return self._owner == self._me()


def simulated_lock(strands: Strands, real: Any) -> SimLock | SimRLock:
    """Stands for a lock that was made before the simulation."""
    return SimLock(strands, yields=True) if type(real) is _PLAIN else SimRLock(strands)


_REAL_LOCK = threading.Lock
_GUARD = _REAL_LOCK()
"""Held while the real lock of one is made."""
_PLAIN = type(_REAL_LOCK())


def outlives(maker: FrameType) -> bool:
    """Whether the lock, or the `threading.local`, that this code makes has to be a real one.

    The runtime's own critical sections never block, so that its locks are never contended here; and a module that is
    imported while a simulation runs keeps its locks when it is over.
    """
    ours = str(maker.f_globals.get("__name__", "")).startswith("actors._")
    return ours or maker.f_code.co_name == "<module>"


def blocking_patches(strands: Strands, now: Callable[[], float]) -> list[tuple[Any, str, object]]:
    """The replacements in the standard library while a simulation runs: module, name, replacement. Other threads of the
    machine get from each what it replaces.
    """
    real, real_rlock, real_time = threading.Lock, threading.RLock, monotonic

    def make_lock() -> Any:
        return real() if strands.is_elsewhere or outlives(sys._getframe(1)) else SimLock(strands, yields=True)

    def make_waiter() -> Any:
        return real() if strands.is_elsewhere else SimLock(strands, yields=False)

    def make_rlock() -> Any:
        return real_rlock() if strands.is_elsewhere or outlives(sys._getframe(1)) else SimRLock(strands)

    def time() -> float:
        return real_time() if strands.is_elsewhere else now()

    python_queue = getattr(queue, "_PySimpleQueue", None)
    if python_queue is None:
        raise SimulationError("this Python has no queue._PySimpleQueue; simulations need CPython")
    return [
        (threading, "Lock", make_lock),
        (threading, "_allocate_lock", make_waiter),
        (threading, "RLock", make_rlock),
        (threading, "_time", time),
        (queue, "time", time),
        (queue, "SimpleQueue", python_queue),
    ]
