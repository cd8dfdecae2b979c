"""The runtime: shared by a set of actors, with the loop on which they run."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import queue
import random as random_module
import threading
import weakref
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import Context, copy_context
from functools import partial
from threading import get_ident  # by its own name: a simulation puts another one into `threading`
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Any, Never, Self, TypeVar, Unpack, overload

import pykka

from actors._core.actor_type import ActorType, actor_type_of
from actors._core.cell import Cell
from actors._core.children import PARENT_ENDED
from actors._core.clock import Clock, LoopClock
from actors._core.current import Owner, current, current_cell, detached
from actors._core.deadlines import Deadlines
from actors._core.future import Future, Parking, refuse_on_loop, until_settled
from actors._core.life import ABSENT, BEING_KILLED
from actors._core.mailbox import MailboxSpec
from actors._core.observer import Observer
from actors._core.outcomes import settle_failure
from actors._core.process import HOSTS, HostChoice, PlaceSpec, require_extra
from actors._core.props import Props, SpawnOptions, options_to_props
from actors._core.ref import A, ActorRef, HasRef, cell_of
from actors._core.task_guard import TaskGuard, crash_by_task, guard_tasks, unguard_tasks
from actors._hosts.host import Host
from actors._hosts.loop import LoopHost
from actors._hosts.thread import ThreadHost
from actors._name import NAME
from actors._observe.log import log_sink
from actors._runtime.forked import leave
from actors._runtime.loop_thread import LoopFactory, LoopThread
from actors._runtime.options import option_faults
from actors._runtime.quarantine import BYTES, MESSAGES, Quarantine
from actors._runtime.registry import Registry
from actors._runtime.watchdog import Watchdog
from actors._user_code.interrupts import hand_on
from actors._user_code.reporting import contain
from actors._user_code.text import shown
from actors.errors import (
    ActorDeadError,
    AlreadyEntered,
    IgnoreStart,
    NameTaken,
    NotInPlace,
    NotInRuntime,
    OptionError,
    RuntimeStopped,
    StartDeclined,
    StartError,
    lost,
)
from actors.events import Abandoned, EventStream, UncaughtException
from actors.reasons import Crashed, ExitReason, Killed, Normal, RuntimeLost, Shutdown

if TYPE_CHECKING:
    from actors._place.carrier import Carriers
    from actors._place.host import PlaceHost

R = TypeVar("R", bound=ActorRef[Any])
_numbers = itertools.count(1)

ClockFactory = Callable[[asyncio.AbstractEventLoop], Clock]
LOOK = 1.0
"""Seconds after which a thread that waits looks whether the runtime still runs."""
PATIENCE = 5.0
"""Seconds that the program waits for the thread of the loop, beyond the limits that apply already."""


class Runtime:
    """Owns the loop, the clock, the randomness, the names and the events of its actors. A process may have several.

    In a script, `with Runtime() as runtime:` runs an event loop in a background thread. In an application, `async
    with Runtime() as runtime:` uses the running loop. Leaving the block stops every actor in order.
    """

    observer: Observer | None = None
    """Sees every step of every actor. Set before the first actor is made."""
    cell_type: Callable[..., Cell] = Cell
    """Makes a cell."""

    def __init__(
        self,
        name: str | None = None,
        *,
        default_timeout: float | None = 30.0,
        watchdog: float | None = 1.0,
        kill_grace: float = 1.0,
        random: random_module.Random | None = None,
        clock: ClockFactory = LoopClock,
        loop_factory: LoopFactory | None = None,
        log: bool = True,
        quarantine_messages: int = MESSAGES,
        quarantine_bytes: int = BYTES,
        **unknown: Never,
    ) -> None:
        """Prepares a runtime; nothing runs yet. Times are in seconds.

        Args:
            name: for logs and thread names
            default_timeout: the deadline of `ask` and `call` where the caller gives none; `None`: no deadline
            watchdog: how long one turn may hold the loop before a `LoopBlocked` event names its actor; `None`: no
                watchdog
            kill_grace: how long a cancelled coroutine or a running thread may take to end before it is abandoned
            random: the source of jitter and of every other random choice; by default seeded by the system
            clock: makes the clock for a loop
            loop_factory: makes the loop of a script, such as `uvloop.new_event_loop`
            log: whether lifecycle events go to the standard logger `letitcrash`
            quarantine_messages: how many messages `quarantine` holds; the oldest give way
            quarantine_bytes: about how many bytes they may have together
            unknown: there are no other options

        Raises:
            OptionError: options are wrong or unknown; it holds all faults
        """
        options = {
            "name": name,
            "default_timeout": default_timeout,
            "watchdog": watchdog,
            "kill_grace": kill_grace,
            "random": random,
            "clock": clock,
            "loop_factory": loop_factory,
            "log": log,
            "quarantine_messages": quarantine_messages,
            "quarantine_bytes": quarantine_bytes,
        }
        faults = option_faults({**options, **unknown})
        if faults:
            raise OptionError("Runtime()", tuple(faults))
        self.name = name if name is not None else f"{NAME}-{next(_numbers)}"
        self.default_timeout = default_timeout
        self.kill_grace = kill_grace
        self.random = random if random is not None else random_module.Random()
        self.events = EventStream(self.watch_messages)
        self.registry = Registry(self.control_call)
        self.park: Parking = self.wait_in_thread
        self.cells: dict[str, Cell] = {}
        self.control: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        self.quarantine = Quarantine(self, quarantine_messages, quarantine_bytes)
        """The messages that crashed their actors too often."""
        self.totals: dict[type, Counter[str]] = {}
        self.abandoned = 0
        """How many threads and coroutines were left behind because they did not end when killed."""
        self.left_tasks: weakref.WeakSet[asyncio.Task[Any]] = weakref.WeakSet()
        """The tasks that were left behind, as far as they are there."""
        self.observed = False
        """Whether a sink is subscribed to `MessageHandled`."""
        self._clock_factory = clock
        self._loop_factory = loop_factory
        self._watchdog_limit = watchdog
        self._watchdog: Watchdog | None = None
        self._log = log_sink() if log else None
        self._kinds: dict[object, ActorType] = {}
        self._counter = itertools.count(1)
        self._childless: dict[Cell, Callable[[], object]] = {}
        self._starting: dict[Cell, Future[ActorRef[Any]]] = {}
        self._closing: dict[Cell, dict[int, Callable[[ExitReason], object]]] = {}
        self._looked_after: dict[asyncio.Task[None], None] = {}
        self.in_fork = False
        """Whether code of an actor has forked this process, which ends with it."""
        self._why_not = "it was not started: use it as `with Runtime()` or `async with Runtime()`"
        self._thread: LoopThread | None = None
        self._thread_id = 0
        self._guard: TaskGuard
        self._loop_watch: asyncio.Task[None] | None = None
        self._lost: RuntimeLost | None = None
        self._holder = ""
        """The actor whose turn held the loop until the runtime was given up."""
        self._ending = threading.Lock()
        self._stopped: Future[None] | None = None
        self._stopping: asyncio.Task[None] | None = None
        self.context: Context
        """Every incarnation gets a copy of this context, and not of the context of the code that caused its start."""
        self.loop: asyncio.AbstractEventLoop
        self.clock: Clock
        self.now: Callable[[], float]
        self.deadlines: Deadlines
        self.loop_host: LoopHost
        self.thread_host: ThreadHost
        self.place_hosts: dict[str, PlaceHost] = {}
        """The hosts of actors that live elsewhere, by the kind of the place, such as "process"; made with the first."""

    # Life

    def __enter__(self) -> Self:
        """Starts an event loop in a background thread. Raises `AlreadyEntered` for a second block."""
        refuse_on_loop("`with runtime`", "`async with runtime`")
        self._refuse_again()
        self._thread = LoopThread(self, self._loop_factory)
        self._thread.start(self._begin_in_thread)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stops the runtime in order.

        Raises:
            RuntimeStopped: the runtime has lost its event loop; not in place of an exit, nor of the same error
        """
        try:
            self._await_stop()
        except KeyboardInterrupt:  # a second Ctrl-C: no more patience
            self._kill_through_interrupts()
            with contextlib.suppress(RuntimeStopped, pykka.Timeout):
                self.stop().get(timeout=self.kill_grace + PATIENCE)
            raise
        except RuntimeStopped as loss:
            if not self._is_told(error):
                raise loss from loss.__cause__
        finally:
            patience = 0 if self._holder else 3 * self.kill_grace + PATIENCE
            if self._thread is not None and not self._thread.join(patience):
                self.abandoned += 1
                self.events.publish(Abandoned(self.name, self.now(), "thread", 0))

    def _kill_through_interrupts(self) -> None:
        """Asks for the kill, however many further Ctrl-Cs come before that is done."""
        while True:
            try:
                self.kill()
            except KeyboardInterrupt:
                continue
            return

    def _await_stop(self) -> None:
        """Waits for the orderly stop. Its limits are kept by the loop: a turn that holds the loop is given the time to
        stop that its actor has, and then the runtime is lost, and its thread left behind.
        """
        stopped, turn, since = self.stop(), -1, monotonic()
        while True:
            with contextlib.suppress(pykka.Timeout):
                return stopped.get(timeout=LOOK)
            cell: Any = self.loop_host.stepping
            if cell is None or self.loop_host.turns != turn:
                turn, since = self.loop_host.turns, monotonic()
            elif cell.props.shutdown is not None and monotonic() > since + cell.props.shutdown + self.kill_grace:
                self._holder = cell.path
                self.lose(f"{cell.path} holds its event loop", None)

    def _refuse_again(self) -> None:
        if self._thread is not None or self._stopped is not None:
            raise AlreadyEntered(f"runtime {self.name!r}", "make another one: call Runtime() again")

    async def _begin_in_thread(self) -> None:
        self._begin()
        thread = self._thread
        assert self._stopped is not None
        assert thread is not None
        self._stopped.add_done_callback(lambda _: thread.end())

    async def __aenter__(self) -> Self:
        """Starts on the running event loop. Raises `AlreadyEntered` for a second block."""
        self._refuse_again()
        self._begin()
        self._loop_watch = self.loop.create_task(self._watch_loop(), name=f"{self.name}-loop-watch")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stops the runtime in order. A cancellation does not cut that short: it is raised when the runtime has
        stopped. Otherwise raises as `__exit__` does.
        """
        try:
            await until_settled(self.stop())
        except RuntimeStopped as loss:
            if not self._is_told(error):
                raise loss from loss.__cause__

    def _is_told(self, error: BaseException | None) -> bool:
        """Whether the error that leaves the block says enough: an exit, a cancellation, that this runtime is lost."""
        if isinstance(error, RuntimeStopped):
            return error.name == self.name
        return error is not None and not isinstance(error, Exception)

    async def _watch_loop(self) -> None:
        """Stands for the runtime among the tasks of the user's loop: cancelled, as `asyncio.run` does with what is left
        at its end, or destroyed with the loop, it takes the runtime along.
        """
        stopped = self._stopped
        assert stopped is not None
        try:
            await stopped
        except asyncio.CancelledError:
            self.stop()
            with contextlib.suppress(RuntimeStopped):
                await until_settled(stopped)
            raise
        except GeneratorExit:
            self.lose("its event loop was closed", None)
            raise
        except RuntimeStopped:
            pass  # the futures of the stop have the error

    def _begin(self) -> None:
        """Starts on the running loop."""
        self.loop = asyncio.get_running_loop()
        self._thread_id = get_ident()
        self.context = copy_context()
        self.context.run(current.set, None)
        self.clock = self._clock_factory(self.loop)
        self.now = self.clock.now
        self.deadlines = Deadlines(self.clock)
        self.make_hosts()
        self._stopped = Future(self.park)
        self._guard = guard_tasks(self.loop)
        self._why_not = ""
        if self._log is not None:
            self._log.attach(self.events)
        if self._watchdog_limit is not None:
            self._watchdog = Watchdog(self, self._watchdog_limit)
            self._watchdog.start()
        _watch_forks(self)

    def make_hosts(self) -> None:
        """Makes the hosts of the cells. The simulation makes its own."""
        self.loop_host = LoopHost(self, self.loop)
        self.thread_host = ThreadHost(self)

    @property
    def running(self) -> bool:
        """Whether actors can be started."""
        return not self._why_not

    def stop(self) -> Future[None]:
        """Stops every actor in order, the youngest tree first, and then the runtime. From any thread.

        Returns a future: `await` it or `.get()` it.
        """
        if self._stopped is None:
            done: Future[None] = Future()
            done.set(None)
            return done
        if self._stopping is None and not self._stopped.done():
            # Asked for first, noted second: a Ctrl-C in between must not leave a stop that was never begun.
            with contextlib.suppress(RuntimeStopped):  # it has lost its loop, which the future says
                self.control_call(self._stop)
            self._why_not = self._why_not or "it is stopping"
        return self._stopped

    def kill(self) -> None:
        """Kills every actor: no hook of it runs. A `stop` that waits goes on from there. From any thread."""
        if self._stopped is not None and not self._stopped.done():
            with contextlib.suppress(RuntimeStopped):
                self.control_call(self._kill_all)

    def _stop(self) -> None:
        if self._lost is None and self._stopping is None:
            self._stopping = self.loop.create_task(self._shut_down(), name=f"{self.name}-stop")

    async def _shut_down(self) -> None:
        """Stops everything in order. Cancelled, or failing, it leaves the rest to `lose`."""
        try:
            await self._stop_all()
        except asyncio.CancelledError as error:
            self.lose("its stop was cancelled", error)
            raise
        except GeneratorExit:
            self.lose("its event loop was closed", None)
            raise
        except BaseException as error:  # noqa: BLE001 - whatever keeps it from stopping in order ends it all the same
            self.lose("its stop failed", error)
        else:
            self._finish("it has stopped")
            assert self._stopped is not None
            self._stopped.set(None)

    async def _stop_all(self) -> None:
        for cell in reversed([cell for cell in list(self.cells.values()) if cell.parent is None]):
            gone = cell.ref.ended()
            cell.stop(Shutdown("the runtime stops"), cell.props.shutdown)
            await gone
        for task in list(self._looked_after):
            task.cancel()
        if self._looked_after:
            await asyncio.wait(list(self._looked_after), timeout=self.kill_grace)
        self.deadlines.close()
        await self.loop_host.close()
        self.thread_host.close()
        for each in self.place_hosts.values():
            await each.close()

    def _finish(self, why_not: str) -> None:
        """Takes back everything that the runtime has set in other objects."""
        self._why_not = why_not
        for each in self.place_hosts.values():
            each.abandon()
        if self._watchdog is not None:
            self._watchdog.stop()
        if self._log is not None:
            self._log.detach()
        contain("the task factory of the loop was not taken back", unguard_tasks, self.loop, self._guard)
        _running.discard(self)

    # The last line of defence

    def lose(self, why: str, cause: BaseException | None) -> None:
        """The loop has ended, or cannot go on: everything that waits is settled with `RuntimeStopped`, every actor is
        gone. Does nothing where the runtime has stopped. In the thread that notices it, which may be any.
        """
        stopped = self._stopped
        with self._ending:
            if stopped is None or stopped.done() or self._lost is not None:
                return
            self._lost = RuntimeLost(self.name, why, cause)
        self._why_not = why
        self._thread_id = get_ident()
        self.loop_host.end()
        error = self.stopped_error()
        self.events.publish(UncaughtException(self.name, self.now(), why, cause if cause is not None else error))
        self._childless.clear()
        for cell in reversed(list(self.cells.values())):  # those below first
            cell.lose(self._lost)
        while self.control:
            function, args = self.control.popleft()
            self.attempt(self.name, "what was still to be done", function, *args)
        for reply in self.deadlines.waiting():
            self.attempt(self.name, "an answer", settle_failure, reply, self.stopped_error(), self.name)
        for task in list(self._looked_after):
            self.attempt(self.name, "the end of a callback", task.cancel)
        self.attempt(self.name, "its timers", self.deadlines.close)
        self.attempt(self.name, "its end", self._finish, why)
        stopped.set_exception(error)

    def attempt(self, path: str, where: str, function: Callable[..., object], *args: object) -> None:
        """Calls a step of the runtime's own. An exception becomes an `UncaughtException` event and goes no further."""
        try:
            function(*args)
        except BaseException as error:  # noqa: BLE001 - one step that fails must not take the others along
            if self._lost is None or not isinstance(error, RuntimeStopped):  # it says itself what it was refused for
                self.uncaught(path, where, error)

    def uncaught(self, path: str, where: str, error: BaseException) -> None:
        """Publishes an exception that was raised outside of handlers. A Ctrl-C goes on to the program."""
        hand_on(error)
        self.events.publish(UncaughtException(path, self.now(), where, error))

    def escaped(self, error: BaseException, owner: Owner, where: str) -> None:
        """A task or callback has raised an exit. If it belongs to an incarnation that is there, that crashes. From any
        thread.
        """
        cell = owner.cell

        def crash() -> None:
            if cell is None or not crash_by_task(cell, owner.incarnation, error, owner.message):
                self.uncaught(cell.path if cell is not None else self.name, where, error)

        try:
            (self if cell is None else cell.runtime).on_loop(crash)
        except RuntimeStopped:
            self.uncaught(cell.path if cell is not None else self.name, where, error)

    def turn_failed(self, cell: Cell, error: BaseException) -> None:
        """A turn has raised outside of its handler or hook: its incarnation is killed by that. What fails again on its
        way out cannot be ended in order, and then the runtime is lost. On the loop thread.
        """
        self.uncaught(cell.path, "its turn", error)
        ends = cell.phase not in ABSENT and cell.phase not in BEING_KILLED
        try:
            if ends:
                cell.kill(Crashed(error), cell.culprit or cell.envelope)
        except BaseException as again:  # noqa: BLE001 - the end of one actor, which no longer can be an orderly one
            error, ends = again, False
        if not ends:
            self.lose(f"{cell.path} could not be ended", error)

    # Waiting

    def wait_in_thread(self, future: Future[Any], timeout: float | None) -> bool:
        """Blocks the calling thread until `future` is done or `timeout` seconds have passed; returns whether it is
        done. It is at the latest when the runtime is over: with `RuntimeStopped`, if nothing else settled it.
        """
        bell = threading.Lock()
        bell.acquire()

        def ring(_: Future[Any]) -> None:
            bell.release()

        future.add_done_callback(ring)
        until = None if timeout is None else monotonic() + timeout
        while True:
            left = LOOK if until is None else min(LOOK, until - monotonic())
            if bell.acquire(timeout=max(0.0, left)):
                return True
            if until is not None and monotonic() >= until:
                future.remove_done_callback(ring)
                return False
            if self.is_over():
                with contextlib.suppress(queue.Full):
                    future.set_exception(self.stopped_error())

    def is_over(self) -> bool:
        """Whether the runtime runs no more. One that has lost its loop unnoticed is noticed here."""
        if self._stopped is None:
            return False
        if not self._stopped.done():
            if self._thread is not None and not self._thread.is_alive():
                self.lose("its thread ended", None)
            elif self.loop.is_closed():
                self.lose("its event loop was closed", None)
        return self._stopped.done()

    def _kill_all(self) -> None:
        for cell in [cell for cell in list(self.cells.values()) if cell.parent is None]:
            cell.kill(Killed("the runtime was told to kill"))

    # Actors

    @overload
    def spawn(
        self, actor_class: type[HasRef[R]], *, parent: ActorRef[Any] | None = ..., **options: Unpack[SpawnOptions]
    ) -> Future[R]: ...

    @overload
    def spawn(
        self, actor_class: type[A], *, parent: ActorRef[Any] | None = ..., **options: Unpack[SpawnOptions]
    ) -> Future[ActorRef[A]]: ...

    def spawn(
        self,
        actor_class: type[Any],
        *,
        args: Mapping[str, object] | Sequence[object] = (),
        host: HostChoice | None = None,
        name: str | None = None,
        mailbox: MailboxSpec | None = None,
        handler_timeout: float | None = None,
        start_timeout: float | None = None,
        shutdown: float | None = 5.0,
        parent: ActorRef[Any] | None = None,
    ) -> Future[Any]:
        """Starts an actor without a supervisor: it is not restarted. From any thread.

        Returns a future of its ref, which settles when `on_start` has returned: `await` it or `.get()` it.

        Args:
            actor_class: a subclass of `actors.Actor` or of `pykka.ThreadingActor`
            args: keyword arguments (a mapping) or positional ones (a sequence) for its constructor
            host: `loop`, `thread`, `process` or a `process()`; the default is the class's
            name: a name to register until the actor has terminated; by default none
            mailbox: the default is the class's
            handler_timeout: seconds a handler may take, waiting included; `None`: no limit
            start_timeout: seconds construction and `on_start` may take; `None`: no limit
            shutdown: seconds the actor may take to stop before it is killed; `None`: no limit
            parent: the actor above it, which ends it when it ends itself; by default none

        Raises:
            NotAnActor, NameTaken, RuntimeStopped, TypeError, ValueError: at once
            ActorDeadError: at once, `parent` has terminated
            NotInPlace: at once, `parent` lives in the process of an actor above it
            StartError, StartDeclined: from the future
        """
        props = options_to_props(
            self, actor_class, args, host, name, mailbox, handler_timeout, start_timeout, shutdown=shutdown
        )
        return self.spawn_nowait(props, cell_of(parent, "spawn(parent=...)") if parent is not None else None)[0]

    def spawn_nowait(
        self, props: Props, parent: Cell | None, id_: str | None = None
    ) -> tuple[Future[ActorRef[Any]], ActorRef[Any]]:
        """Makes a cell for `props` and has it start. Returns the future of the start, and the ref at once."""
        self.refuse_if_stopped()
        id_ = id_ or props.name or f"{props.kind.actor_class.__name__}-{next(self._counter)}"
        cell = self.make_cell(props, id_, parent, supervised=False)
        future: Future[ActorRef[Any]] = Future(self.park, cell)
        self._starting[cell] = future
        self.on_loop(partial(self._begin_spawned, cell))
        return future, cell.ref

    def _begin_spawned(self, cell: Cell) -> None:
        """Starts the one incarnation of a spawned actor. Its parent may have ended since it was spawned."""
        if cell.parent is not None and cell.parent.is_absent and not cell.closed:
            cell.close(Killed(PARENT_ENDED))
        else:
            cell.begin()

    def make_cell(self, props: Props, id_: str, parent: Cell | None, *, supervised: bool, placed: bool = False) -> Cell:
        """A cell that does not run yet, under its parent's path: for a supervised child the one that waits for it since
        the last incarnation of its supervisor, where there is one. Raises `NameTaken`, and `ActorDeadError` when the
        parent is gone.
        """
        if parent is not None and parent.is_absent:
            raise ActorDeadError(parent.path, parent.reason, props.kind.actor_class)
        if parent is not None and parent.props.kind.mirrored:
            raise NotInPlace(parent.path, "spawn(parent=...)", "Have the actor there start it, or its supervisor")
        path = wanted = id_ if parent is None else f"{parent.path}/{id_}"
        if supervised and parent is not None and parent.children is not None:
            kept = parent.children.claim(id_, props)
            if kept is not None:
                return kept
        while path in self.cells:
            if supervised:  # its supervisor knows it by its id
                raise NameTaken(path, path)
            path = f"{wanted}-{next(self._counter)}"
        cell = self.cell_type(self, props, path, parent, supervised=supervised, placed=placed)
        if props.name is not None:
            try:
                self.registry.register(props.name, cell)
            except Exception:
                cell.close(Normal())
                raise
        return cell

    def started(self, cell: Cell, failure: ExitReason | IgnoreStart | None) -> None:
        """An unsupervised start has ended."""
        future = self._starting.pop(cell, None)
        if future is None:
            return
        if failure is None:
            future.set(cell.ref)
        elif isinstance(failure, IgnoreStart):
            future.set_exception(StartDeclined(cell.path))
        elif isinstance(failure, RuntimeLost):
            future.set_exception(lost(failure))
        else:
            error = StartError(cell.path, failure)
            error.__cause__ = failure.exception if isinstance(failure, Crashed) else None
            future.set_exception(error)

    def find(self, path: str) -> ActorRef[Any] | None:
        """The ref of the actor at this path; None: there is none. In any thread."""
        cell = self.cells.get(path)
        return cell.ref if cell is not None else None

    def whereis(self, name: str) -> ActorRef[Any] | None:
        """The ref of the actor with this name; None: the name is free. In any thread."""
        cell = self.registry.whereis(name)
        return cell.ref if cell is not None else None

    def members(self, group: str) -> list[ActorRef[Any]]:
        """The refs of the members of a group, in the order in which they joined. In any thread."""
        return [cell.ref for cell in self.registry.members(group)]

    def kind(self, actor_class: type[pykka.Actor]) -> ActorType:
        """The `ActorType` of a class. Raises `NotAnActor`."""
        found = self._kinds.get(actor_class)
        if found is None:
            found = self._kinds[actor_class] = actor_type_of(actor_class)
        return found

    # Services to cells

    def host(self, choice: HostChoice) -> Host:
        """The host for this choice. Raises ValueError."""
        if choice == "loop":
            return self.loop_host
        if choice == "thread":
            return self.thread_host
        if isinstance(choice, PlaceSpec):
            return self.place_hosts.get(choice.kind) or self.make_place_host(choice)
        raise ValueError(f"host must be {HOSTS}, not {shown(choice)}")

    def make_place_host(self, spec: PlaceSpec) -> PlaceHost:
        """Makes the host of the actors in this kind of place, when the first of them is made. Raises `MissingExtra`."""
        from actors._place.host import PlaceHost

        carriers: Carriers
        if spec.kind == "ray":
            require_extra(spec)
            from actors._ray.carrier import RayCarriers

            carriers = RayCarriers(self)
        else:
            from actors._place.process import ProcessCarriers

            carriers = ProcessCarriers(self)
        host = self.place_hosts[spec.kind] = PlaceHost(self, carriers)
        return host

    def next_number(self) -> int:
        """A number not used before in this runtime."""
        return next(self._counter)

    @property
    def on_loop_thread(self) -> bool:
        """Whether the code that asks runs on the loop thread."""
        return get_ident() == self._thread_id

    def on_loop(self, function: Callable[[], object]) -> None:
        """Calls `function` on the loop thread: at once if this is it, soon otherwise."""
        if get_ident() == self._thread_id:
            function()
        else:
            self.control_call(function)

    def control_call(self, function: Callable[..., object], *args: object) -> None:
        """Has `function` called on the loop thread, between turns and ahead of them."""
        self.refuse_if_forked()
        self.control.append((function, args))
        self.loop_host.schedule()

    def on_turn_of(self, cell: Cell) -> bool:
        """Whether the code that asks is a handler or hook of `cell` itself, not a task or thread it started."""
        if get_ident() == self._thread_id:
            return self.loop_host.stepping is cell
        return self.thread_host.is_current(cell)

    def when_childless(self, cell: Cell, then: Callable[[], object]) -> None:
        """Calls `then` when the last child of the cell is gone."""
        self._childless[cell] = then

    def childless(self, cell: Cell) -> None:
        """The last child of the cell is gone."""
        then = self._childless.pop(cell, None)
        if then is not None:
            self.control_call(then)

    def when_closed(self, cell: Cell, then: Callable[[ExitReason], object]) -> Callable[[], object]:
        """Calls `then` with the last exit reason when the actor has terminated; at once if it has. Returns a function
        that takes the callback back. It may be called in any thread, and more than once.
        """
        number = next(self._counter)
        if cell.closed:
            then(cell.reason)
        else:
            self._closing.setdefault(cell, {})[number] = then
        return partial(self._closing.get(cell, {}).pop, number, None)

    def forget(self, cell: Cell) -> None:
        """The actor has terminated."""
        if self.cells.get(cell.path) is cell:
            del self.cells[cell.path]
        actor_class = cell.props.kind.actor_class
        totals = self.totals.get(actor_class)
        if totals is None:
            totals = self.totals[actor_class] = Counter()
        totals["handled"] += cell.handled
        totals["seconds"] += cell.seconds  # type: ignore[assignment]
        self.started(cell, cell.reason)  # killed while it was told to stop in its start: reported only here
        for then in list(self._closing.pop(cell, {}).values()):
            self.attempt(cell.path, "a callback of its end", then, cell.reason)

    def look_after(self, work: Awaitable[object], failed: Callable[[BaseException], object]) -> None:
        """Runs an awaitable beside the actors; an exception goes to `failed`. On the loop thread."""

        async def run() -> None:
            try:
                await work
            except asyncio.CancelledError:
                raise
            except BaseException as error:  # noqa: BLE001 - a SystemExit would end the loop with every actor on it
                self.attempt(self.name, "a callback", failed, error)

        task = self.loop.create_task(run(), context=detached(copy_context()))  # it may outlast the actor that asks
        self._looked_after[task] = None
        task.add_done_callback(lambda task: self._looked_after.pop(task, None))

    def watch_messages(self) -> None:
        """Looks again whether a sink is subscribed to `MessageHandled`."""
        self.observed = self.observer is not None or self.events.wants_messages()

    def refuse_if_stopped(self) -> None:
        """Raises `RuntimeStopped` or `NotInRuntime` unless the runtime runs."""
        if self._stopped is None:
            raise NotInRuntime("starting an actor", self._why_not)
        if self._why_not:
            raise self.stopped_error()

    def stopped_error(self) -> RuntimeStopped:
        """The error for a caller of a runtime that has stopped: a new object for each caller."""
        return lost(self._lost if self._lost is not None else RuntimeLost(self.name, self._why_not))

    def leave_fork(self, error: BaseException) -> None:
        """Ends a process that code of an actor has forked, and in which it has raised this."""
        leave(error)

    def _leave_fork(self, cell: Cell) -> None:
        """The code of this actor is done in the process that it has forked, or awaits something there."""
        leave(RuntimeStopped(self.name, _AWAITS) if self.loop_host.under_way(cell) else None)

    def refuse_if_forked(self) -> None:
        """Raises `RuntimeStopped` in a process that was forked from the runtime's own."""
        if self._why_not == _FORKED:
            raise self.stopped_error()

    def forked(self) -> None:
        """This process is a fork of the runtime's: its loop and threads are not here. Where code of an actor has forked
        it, the one thread that is here is one of them, and the process ends when that code does.
        """
        self._why_not = _FORKED
        cell = current_cell()
        if cell is not None and cell.runtime is self:
            if get_ident() == self._thread_id:
                self.in_fork = True
                self.loop_host.forked(partial(self._leave_fork, cell))
            else:
                self.in_fork = self.thread_host.forked(cell, partial(leave, None))
        for cell in self.cells.values():
            cell.forked(Killed(_FORKED))
        for each in self.place_hosts.values():
            each.forked()
        # Leaving the block of the runtime has nothing to wait for here.
        self._thread = None
        self._stopped = Future()
        self._stopped.set(None)


_AWAITS = "a handler has forked this process and awaits in it; end the fork with os._exit() before that"
_FORKED = "this process was forked from the one it runs in; start a runtime of its own here"
_running: weakref.WeakSet[Runtime] = weakref.WeakSet()
_fork_hook: list[bool] = []


def _watch_forks(runtime: Runtime) -> None:
    """Remembers a running runtime for the fork hook, which is set with the first one: importing sets nothing."""
    if not _fork_hook:
        _fork_hook.append(True)
        os.register_at_fork(after_in_child=_after_fork)
    _running.add(runtime)


def _after_fork() -> None:
    for runtime in list(_running):
        runtime.forked()
