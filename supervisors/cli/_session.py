"""A session: one tree, from its start to the exit code of the process.

The tree is started, waited for and stopped by a thread of its own. The main thread waits for what happens -
a signal, the end of the tree, output that went away - in one queue, whose `put` a signal handler may call.
So nothing is ever interrupted half-way, and nothing is polled.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from types import FrameType
from typing import NamedTuple

from supervisors._actors import ActorError, ExitReason, LoopFactory, Runtime, RuntimeStopped
from supervisors._events import Concluded
from supervisors._ref import SupervisorRef
from supervisors._spec import SupervisorSpec
from supervisors._start import start
from supervisors.cli._account import Failures, did_not_start, gave_up
from supervisors.cli._control import KILL, PAUSE, RESUME
from supervisors.cli._logs import EventLog
from supervisors.cli._streams import guarded
from supervisors.cli._text import printable, result_text
from supervisors.cli._view import View

OK = 0
FAILED = 1
REFUSED = 2
PATIENCE = 5.0
"""Seconds a killed tree may take to end before the process leaves without it: a handler that holds the
loop."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM, KILL, PAUSE, RESUME)


class Told(NamedTuple):
    """A signal came."""

    number: int


class Begun(NamedTuple):
    """The runtime runs."""

    runtime: Runtime


class Up(NamedTuple):
    """The tree is up."""

    root: SupervisorRef


class Reached(NamedTuple):
    """The tree has a result."""

    value: object


class Unread(NamedTuple):
    """Nobody reads what the program prints."""


class Over(NamedTuple):
    """Nothing is left of the tree: it ended so, or its start, or its end, raised."""

    reason: ExitReason | None
    error: BaseException | None


Notice = Told | Begun | Up | Reached | Unread | Over


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
        """`prepare` is entered with the runtime before anything starts in it, and left when it has
        stopped.
        """
        self._spec = spec
        self._name = printable(spec.id)
        self._view = view
        self._failures = failures
        self._prepare = prepare
        self._loop_factory = loop_factory
        self._inbox: SimpleQueue[Notice] = SimpleQueue()
        self._runtime: Runtime | None = None
        self._root: SupervisorRef | None = None
        self._asked: Notice | None = None
        self._killed: int | None = None
        self._paused = False

    def run(self) -> int:
        """Runs the tree until it has ended, or has been told to: 0, 1, or for a second signal 128 and its
        number.
        """
        thread = threading.Thread(target=self._work, name="understudy-session", daemon=True)
        with (
            _signals_to(lambda number: self._inbox.put(Told(number))),
            guarded(lambda: self._inbox.put(Unread())),
        ):
            self._view.open()
            try:
                thread.start()
                over = self._follow()
            finally:
                self._view.close()
            return self._conclude(over)

    # The thread of the tree

    def _work(self) -> None:
        reason: ExitReason | None = None
        try:
            runtime = Runtime(loop_factory=self._loop_factory, log=False)
            with contextlib.ExitStack() as stack:
                stack.enter_context(runtime)
                runtime.events.subscribe(self._failures)
                runtime.events.subscribe(lambda event: self._inbox.put(Reached(event.value)), Concluded)
                EventLog().attach(runtime)
                stack.enter_context(self._prepare(runtime))
                self._view.begun(runtime)
                self._inbox.put(Begun(runtime))
                with start(self._spec, runtime) as root:
                    self._inbox.put(Up(root))
                    reason = root.ended().get()
        except BaseException as error:  # noqa: BLE001 - it is told by the main thread
            self._inbox.put(Over(reason, error))
        else:
            self._inbox.put(Over(reason, None))

    # The main thread

    def _follow(self) -> Over:
        while True:
            try:
                notice = self._inbox.get(timeout=PATIENCE if self._killed is not None else self._view.every)
            except Empty:
                if self._killed is not None:
                    self._forsake(self._killed)
                self._view.refresh()
                continue
            match notice:
                case Over():
                    return notice
                case Begun(runtime=runtime):
                    self._runtime = runtime
                    if self._killed is not None:
                        runtime.kill()
                    elif self._asked is not None:
                        runtime.stop()
                case Up(root=root):
                    self._root = root
                    self._view.up(root)
                    if self._paused:
                        self._hold(root, paused=True)
                case Reached(value=value):
                    sys.stdout.write(f"{result_text(value)}\n")
                case Told(number=number) if number in (PAUSE, RESUME):
                    self._pause(number)
                case Told(number=number) if number == KILL:
                    self._asked = notice
                    self._kill(number)
                case Told(number=number) if self._asked is not None:
                    self._kill(number)
                case Told(number=number):
                    name = signal.Signals(number).name
                    self._stop(notice, f"{name}: stopping {self._name} in order; once more kills it")
                case Unread():
                    if self._asked is None:
                        self._stop(notice, f"nobody reads the output any more: stopping {self._name} in order")

    def _stop(self, why: Notice, text: str) -> None:
        self._asked = why
        self._view.say(text)
        if self._runtime is not None:
            self._runtime.stop()

    def _pause(self, number: int) -> None:
        name, self._paused = signal.Signals(number).name, number == PAUSE
        how = f"begins nothing new until {RESUME.name} (understudy resume {os.getpid()})" if self._paused else "goes on"
        self._view.say(f"{name}: {self._name} {how}")
        if self._root is not None:
            self._hold(self._root, paused=self._paused)

    def _hold(self, root: SupervisorRef, *, paused: bool) -> None:
        with contextlib.suppress(RuntimeStopped):  # it has just stopped by itself
            _ = root.pause_work() if paused else root.resume_work()

    def _kill(self, number: int) -> None:
        if self._killed is not None:
            self._forsake(number)
        self._killed = number
        again = "" if number == KILL else " again"
        self._view.say(f"{signal.Signals(number).name}{again}: killing {self._name}")
        if self._runtime is not None:
            with contextlib.suppress(RuntimeStopped):  # it has just stopped by itself
                self._runtime.kill()

    def _forsake(self, number: int) -> None:
        """Leaves at once: something holds the loop, or a thread that cannot be killed holds the process."""
        self._view.close()
        self._view.say("it does not end; leaving without it")
        os._exit(128 + number)

    def _conclude(self, over: Over) -> int:
        if self._killed is not None:
            self._view.say(f"{self._name} is killed")
            _leave(128 + self._killed)
        if over.error is not None and not isinstance(over.error, ActorError):
            self._view.say(printable(f"{type(over.error).__name__}: {over.error}"))
        if isinstance(self._asked, Unread):
            return 128 + signal.SIGPIPE
        if isinstance(self._asked, Told):
            self._view.say(f"{self._name} has stopped")
            return OK
        if over.reason is None:
            assert over.error is not None
            self._view.say(did_not_start(self._name, over.error))
            return FAILED
        if over.reason.expected:
            self._view.say(f"{self._name} has ended: {printable(str(over.reason))}")
            return OK
        self._view.say(gave_up(self._name, over.reason, self._failures))
        return FAILED


def _leave(code: int) -> None:
    """Ends the process now: what was killed may have left threads that the interpreter would wait for."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    os._exit(code)


@contextlib.contextmanager
def _signals_to(put: Callable[[int], object]) -> Iterator[None]:
    def handle(number: int, _: FrameType | None) -> None:
        put(number)

    before = {number: signal.signal(number, handle) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
