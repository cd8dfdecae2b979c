"""A session: the run of one tree in this process, with its signals, its streams and its exit.

The tree has a thread of its own; the main thread, where Python handles signals, decides.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from functools import partial
from types import FrameType

from actors import Runtime
from actors._runtime.loop_thread import LoopFactory
from actors.spi import NAME
from supervisors import SupervisorSpec
from teams.cli._account import Failures
from teams.cli._answers import serve
from teams.cli._control import KILL, PAUSE, RESUME
from teams.cli._control_socket import answering
from teams.cli._front import Front
from teams.cli._run_loop import HANGUP, GaveUpWaiting, RunLoop
from teams.cli._streams import flush, guarded
from teams.cli._view import View

REFUSED = 2
_SIGNALS = (signal.SIGINT, signal.SIGTERM, KILL, PAUSE, RESUME)


LOOK = 0.5
"""Seconds after which the main thread looks for signals, if nothing has happened."""


class Session:
    """Runs one tree. `run` returns the exit code of the process."""

    def __init__(
        self,
        spec: SupervisorSpec,
        view: View,
        failures: Failures,
        prepare: Callable[[Runtime], contextlib.AbstractContextManager[object]],
        loop_factory: LoopFactory | None = None,
    ) -> None:
        """`prepare` is as in `RunLoop`."""
        self._view = view
        make_runtime = partial(Runtime, loop_factory=loop_factory, log=False)
        self._front = Front()
        self._prepare = prepare
        self._run_loop = RunLoop(spec, view, failures, self._prepared, make_runtime, self._front, freeze, LOOK)

    @contextlib.contextmanager
    def _prepared(self, runtime: Runtime) -> Iterator[None]:
        """Other processes of this user may ask about the runtime while the block lasts."""
        with self._prepare(runtime), answering(partial(serve, runtime), logging.getLogger(NAME).warning):
            yield

    def run(self) -> int:
        """Runs the tree until it has ended, or has been told to: 0 or 1. What a second signal killed is left at once,
        with 128 and its number.
        """
        run_loop = self._run_loop
        thread = threading.Thread(target=run_loop.work, name=f"{NAME}-session", daemon=True)
        with _signals_to(run_loop.told), guarded(run_loop.lost):
            self._view.open()
            try:
                thread.start()
                end = run_loop.follow()
            finally:
                self._front.close()
                self._view.close()
            if not isinstance(end, GaveUpWaiting):  # what is left behind may hold the streams
                flush()
            code = run_loop.conclude(end)
            if isinstance(end, GaveUpWaiting):
                os._exit(code)
            if run_loop.killed is not None:
                _leave(code)
            return code


THRESHOLDS = (100_000, 20, 20)
"""Of the garbage collector: a thousand runs under way are many objects that live for a moment, and no garbage. With the
700 of Python, a fifth of the time of an engine went into looking at them.
"""


def freeze() -> None:
    """Hides what is alive from the garbage collector, and has it look less often: 100,000 actors make each full
    collection a pause of 0.3 s otherwise. Only a program that owns its process may do that.
    """
    gc.collect()  # so that no garbage is kept
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)


def _leave(code: int) -> None:
    """Ends the process now: what was killed may have left threads that the interpreter would wait for."""
    flush()
    os._exit(code)


@contextlib.contextmanager
def _signals_to(put: Callable[[int], object]) -> Iterator[None]:
    def handle(number: int, _: FrameType | None) -> None:
        put(number)

    numbers = list(_SIGNALS)
    if HANGUP is not None and signal.getsignal(HANGUP) is not signal.SIG_IGN:  # nohup
        numbers.append(HANGUP)
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
