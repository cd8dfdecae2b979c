"""The run of a session: one tree, from its start to an exit code.

Two threads go through it. One starts the tree, waits for it and stops it (`work`); the other waits for what happens - a
signal, the end of the tree, output that went away - in one queue, and decides (`follow`). A signal handler only puts
into that queue (`told`), so that nothing is ever interrupted half-way, and nothing is polled. Which threads they are,
and where signals come from, is the caller's.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import NamedTuple

from actors import ActorError, ExitReason, LogSink, Runtime, RuntimeStopped
from actors._user_code.account import account
from actors._user_code.text import described, printable
from actors.spi import NAME
from supervisors import Concluded, SupervisorRef, SupervisorSpec, start
from teams.cli._account import Failures, did_not_start, gave_up
from teams.cli._control import KILL, PAUSE, RESUME
from teams.cli._front import Front
from teams.cli._text import lines, result_text, unwritable
from teams.cli._view import View, write

OK = 0
FAILED = 1
HANGUP: signal.Signals | None = getattr(signal, "SIGHUP", None)
"""The terminal is closed. None: the system has no such signal (Windows)."""
PATIENCE = 5.0
"""Seconds a killed tree may take to end before the process leaves without it: a handler that holds the loop."""
ECHO = 0.5
"""Seconds within which a signal of the same kind is the same order: GNU timeout, and runners that hand a signal on,
signal the process and then its group. A person who wants to kill the tree presses again.
"""

_UNANSWERED = "it cannot be answered here: stdin has ended or is closed, or this runs in the background (fg)"


class SignalReceived(NamedTuple):
    """A signal came."""

    number: int
    at: float
    """Seconds on a clock that only grows."""


class RuntimeStarted(NamedTuple):
    """The runtime runs."""

    runtime: Runtime


class TreeStarted(NamedTuple):
    """The tree is up."""

    root: SupervisorRef


class ResultReady(NamedTuple):
    """The tree has a result."""

    value: object


class PersonAsked(NamedTuple):
    """A person must answer this; None: nothing is left to answer."""

    text: str | None


class LineTyped(NamedTuple):
    """A person has typed a line."""

    line: str


class KeyPressed(NamedTuple):
    """A person has pressed a key."""

    name: str


class InputEnded(NamedTuple):
    """Nothing more is typed."""


class OutputLost(NamedTuple):
    """The output of the program cannot be written any more."""

    error: OSError


class TreeEnded(NamedTuple):
    """Nothing is left of the tree: it ended so, or its start, or its end, raised."""

    reason: ExitReason | None
    error: BaseException | None


class GaveUpWaiting(NamedTuple):
    """It does not end, and the process leaves without it: something holds the loop, or a thread that cannot be
    killed holds the process.
    """

    number: int


Occurrence = (
    SignalReceived
    | RuntimeStarted
    | TreeStarted
    | ResultReady
    | PersonAsked
    | LineTyped
    | KeyPressed
    | InputEnded
    | OutputLost
    | TreeEnded
)


class _Typed:
    """Puts what is typed into the inbox."""

    def __init__(self, put: Callable[[Occurrence], object]) -> None:
        self._put = put

    def line(self, line: str) -> None:
        self._put(LineTyped(line))

    def key(self, name: str) -> None:
        self._put(KeyPressed(name))

    def ended(self) -> None:
        self._put(InputEnded())


class RunLoop:
    """Goes from the start of a tree to the exit code of its process."""

    def __init__(
        self,
        spec: SupervisorSpec,
        view: View,
        failures: Failures,
        prepare: Callable[[Runtime], AbstractContextManager[object]],
        make_runtime: Callable[[], AbstractContextManager[Runtime]],
        front: Front | None = None,
        when_up: Callable[[], object] = lambda: None,
        look: float | None = None,
    ) -> None:
        """`prepare` is entered with the runtime before anything starts in it, and left when it has stopped. `front` is
        the person who may be asked something; None: there is none. `when_up` is called once, when the tree is up.
        `look` is in seconds: no wait takes longer. A signal that comes just before a wait does not interrupt it: its
        handler runs when the wait ends. None: no limit.
        """
        self._spec = spec
        self._name = printable(spec.id)
        self._view = view
        self._failures = failures
        self._prepare = prepare
        self._make_runtime = make_runtime
        self._front = front
        self._when_up = when_up
        self._look = look
        self._inbox: queue.SimpleQueue[Occurrence] = queue.SimpleQueue()
        self._runtime: Runtime | None = None
        self._root: SupervisorRef | None = None
        self._asked: Occurrence | None = None
        self._loss: OSError | None = None
        self._broken: Exception | None = None
        self._paused = False
        self._heard: dict[int, float] = {}
        """When a signal of each kind last counted."""
        self._question = False
        self._typed = _Typed(self._inbox.put)
        self.killed: int | None = None
        """The signal that killed the tree."""

    # From anywhere

    def told(self, number: int) -> None:
        """A signal came. The first one stops the tree in order, the second kills it, the third leaves without it; some
        have a meaning of their own (`_control`), and SIGHUP is only ever the first. Signals of one kind within `ECHO`
        seconds are one.
        """
        self._inbox.put(SignalReceived(number, time.monotonic()))

    def lost(self, error: OSError) -> None:
        """The output cannot be written any more: the tree is stopped in order."""
        self._loss = self._loss or error
        self._inbox.put(OutputLost(error))

    # The thread of the tree

    def work(self) -> None:
        """Runs the tree until it ends, or is told to."""
        reason: ExitReason | None = None
        try:
            with contextlib.ExitStack() as stack:
                log = LogSink(payloads=False)
                stack.callback(log.detach)
                runtime = stack.enter_context(self._make_runtime())
                runtime.events.subscribe(self._failures)
                runtime.events.subscribe(lambda event: self._inbox.put(ResultReady(event.value)), Concluded)
                log.attach(runtime.events)
                stack.enter_context(self._prepare(runtime))
                if self._front is not None:
                    self._front.attach(runtime, lambda text: self._inbox.put(PersonAsked(text)))
                self._view.begun(runtime)
                self._inbox.put(RuntimeStarted(runtime))
                with start(self._spec, runtime, on_give_up="ignore") as root:  # the end is told by `conclude`
                    self._inbox.put(TreeStarted(root))
                    reason = root.ended().get()
        except BaseException as error:  # noqa: BLE001 - it is told by the main thread
            self._inbox.put(TreeEnded(reason, error))
        else:
            self._inbox.put(TreeEnded(reason, None))

    # The thread that decides

    def follow(self) -> TreeEnded | GaveUpWaiting:
        """Does what the notices ask for, until nothing is left of the tree or nothing can be done about it. What a view
        raises, or the stream a result goes to, stops the tree in order.
        """
        while True:
            try:
                end = self._next()
            except Exception as error:  # noqa: BLE001 - of a view, or of a stream of the user's
                self._broke(error)
            else:
                if end is not None:
                    return end

    def _next(self) -> TreeEnded | GaveUpWaiting | None:
        """Waits for the next notice and does what it asks for; returns the end, if that is what came."""
        every = self._view.every if self._broken is None else None
        try:
            notice = self._inbox.get(timeout=PATIENCE if self.killed is not None else every or self._look)
        except queue.Empty:
            if self.killed is not None:
                return GaveUpWaiting(self.killed)
            if every is not None:
                self._view.refresh()
                if self._front is not None and self._view.wants_keys and not self._question:
                    self._front.read_keys(self._typed)
            return None
        match notice:
            case TreeEnded():
                return notice
            case SignalReceived(number=number) if number in (PAUSE, RESUME):
                self._pause(number)
            case SignalReceived(number=number) if number == HANGUP and self._asked is not None:
                pass  # the kernel and the shell each say that a terminal is closed: no second one to kill by
            case SignalReceived() if self._is_echo(notice):
                pass
            case SignalReceived(number=number) if self.killed is not None:
                return GaveUpWaiting(number)
            case RuntimeStarted(runtime=runtime):
                self._runtime = runtime
                if self._asked is not None:
                    runtime.stop()  # nothing can be started from here on, also of what was killed before
                if self.killed is not None:
                    runtime.kill()
            case TreeStarted(root=root):
                self._root = root
                self._when_up()
                self._view.up(root)
                if self._paused:
                    self._hold(root, paused=True)
            case ResultReady(value=value):
                if sys.stdout is not None:
                    sys.stdout.write(f"{result_text(value)}\n")
            case PersonAsked(text=text):
                self._ask(text)
            case LineTyped(line=line):
                assert self._front is not None
                self._front.heard(line)
            case InputEnded():
                assert self._front is not None
                if self._front.ended():
                    self._view.say(_UNANSWERED)
            case KeyPressed(name=name):
                self._view.pressed(name)
            case SignalReceived(number=number) if number == KILL:
                self._asked = notice
                self._kill(number)
            case SignalReceived(number=number) if self._asked is not None:
                self._kill(number)
            case SignalReceived(number=number):
                name = signal.Signals(number).name
                self._stop(notice, f"{name}: stopping {self._name} in order; once more kills it")
            case OutputLost(error=error):
                if self._asked is None:
                    self._stop(notice, f"{_said(error)}; stopping {self._name} in order")
        return None

    def _is_echo(self, signal: SignalReceived) -> bool:
        """Whether it repeats a signal that has just counted."""
        before = self._heard.get(signal.number)
        if before is not None and signal.at - before < ECHO:
            return True
        self._heard[signal.number] = signal.at
        return False

    def _broke(self, error: Exception) -> None:
        """Something that shows the tree has failed: the tree is stopped, and the exit code says so."""
        if self._broken is not None:
            return  # the stop is under way, and has been told of
        self._broken = error
        write(f"{NAME}: the output failed; stopping {self._name} in order\n{account(error)}")
        if self._asked is None:
            self._asked = OutputLost(OSError(described(error)))
        if self._runtime is not None:
            self._runtime.stop()

    def _ask(self, text: str | None) -> None:
        assert self._front is not None
        self._question = text is not None
        if text is None:
            self._front.quiet()
            self._view.answered()
            return
        self._front.prepare()
        self._view.ask(lines(text))
        if not self._front.listen(self._typed):
            self._view.say(_UNANSWERED)

    def _stop(self, why: Occurrence, text: str) -> None:
        self._asked = why
        if self._runtime is not None:
            self._runtime.stop()
        self._view.say(text)

    def _pause(self, number: int) -> None:
        name, self._paused = signal.Signals(number).name, number == PAUSE
        how = f"begins nothing new until {RESUME.name} ({NAME} resume {os.getpid()})" if self._paused else "goes on"
        if self._root is not None:
            self._hold(self._root, paused=self._paused)
        self._view.say(f"{name}: {self._name} {how}")

    def _hold(self, root: SupervisorRef, *, paused: bool) -> None:
        with contextlib.suppress(RuntimeStopped):  # it has just stopped by itself
            _ = root.pause_work() if paused else root.resume_work()

    def _kill(self, number: int) -> None:
        self.killed = number
        if self._runtime is not None:
            with contextlib.suppress(RuntimeStopped):  # it has just stopped by itself
                self._runtime.kill()
        again = "" if number == KILL else " again"
        self._view.say(f"{signal.Signals(number).name}{again}: killing {self._name}")

    def conclude(self, end: TreeEnded | GaveUpWaiting) -> int:
        """Says how it ended, and returns the exit code: 0, 1, or 128 and the number of the signal that killed it, or
        of SIGPIPE.
        """
        if isinstance(end, GaveUpWaiting):
            self._view.say("it does not end; leaving without it")
            return 128 + end.number
        if self.killed is not None:
            self._view.say(f"{self._name} is killed")
            return 128 + self.killed
        if self._broken is not None:
            return FAILED
        if end.error is not None and not isinstance(end.error, ActorError):
            self._view.say(described(end.error))
        if isinstance(self._asked, SignalReceived):
            self._view.say(f"{self._name} has stopped")
            return OK
        if isinstance(self._asked, OutputLost):
            return _code(self._asked.error)
        if end.reason is None:
            assert end.error is not None
            if isinstance(end.error, RuntimeStopped) and self._root is not None:
                self._view.say(printable(f"{self._name} has ended: {end.error}"))
            else:
                self._view.say(did_not_start(self._name, end.error))
            return FAILED
        if end.reason.expected and self._loss is not None:  # the last of the output, when the tree had ended
            self._view.say(_said(self._loss))
            return _code(self._loss)
        if end.reason.expected:
            self._view.say(f"{self._name} has ended: {printable(str(end.reason))}")
            return OK
        self._view.say(gave_up(self._name, end.reason, self._failures))
        return FAILED


def _said(loss: OSError) -> str:
    if isinstance(loss, BrokenPipeError):
        return "the reader of the output has closed it"
    return unwritable(loss)


def _code(loss: OSError) -> int:
    return 128 + signal.SIGPIPE if isinstance(loss, BrokenPipeError) else FAILED
