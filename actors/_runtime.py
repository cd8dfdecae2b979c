"""The runtime: what a set of actors shares, and the loop they run on."""

from __future__ import annotations

import asyncio
import itertools
import os
import random as random_module
import threading
import weakref
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Future as LoopFuture
from contextvars import Context, copy_context
from threading import get_ident  # by its own name: a simulation puts another one into `threading`
from types import TracebackType
from typing import Any, ClassVar, Self

import pykka

from actors._cell import Cell
from actors._clock import Clock, LoopClock
from actors._current import current_cell
from actors._deadlines import Deadlines
from actors._errors import (
    ActorDeadError,
    IgnoreStart,
    NameTaken,
    NotInRuntime,
    RuntimeStopped,
    StartDeclined,
    StartError,
)
from actors._events import EventStream, MessageHandled
from actors._future import Future, Parking, park_thread, refuse_on_loop
from actors._hosts import Host
from actors._kind import Kind, kind_of
from actors._loop_host import LoopHost
from actors._mailbox import MailboxSpec
from actors._props import Props, options_to_props
from actors._reasons import Crashed, ExitReason, Killed, Shutdown
from actors._ref import ActorRef
from actors._registry import Registry
from actors._sinks import LogSink
from actors._thread_host import ThreadHost
from actors._watchdog import Watchdog

_numbers = itertools.count(1)

ClockFactory = Callable[[asyncio.AbstractEventLoop], Clock]
LoopFactory = Callable[[], asyncio.AbstractEventLoop]


class Runtime:
    """Owns the loop, the clock, the randomness, the names and the events of its actors. Several may live in one
    process.

    In a script, `with Runtime() as runtime:` runs an event loop in a background thread. In an application, `async
    with Runtime() as runtime:` uses the running loop. Leaving the block stops every actor in order; nothing is left
    behind.
    """

    cell_type: ClassVar[type[Cell]] = Cell
    """What an actor lives in. The simulation watches its own kind."""

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
    ) -> None:
        """Prepares a runtime; nothing runs yet. Times are in seconds.

        Args:
            name: for logs and thread names
            default_timeout: the deadline of `ask` and `call` where the caller gives none; `None`: for ever
            watchdog: how long one turn may hold the loop before a `LoopBlocked` event says who does; `None`: not
                watched
            kill_grace: how long a cancelled coroutine or a running thread may take to end before it is abandoned
            random: the source of jitter and of every other random choice; seeded from the system unless given
            clock: makes the clock for a loop
            loop_factory: makes the loop of a script, such as `uvloop.new_event_loop`
            log: whether lifecycle events go to the standard logger `understudy`
        """
        self.name = name if name is not None else f"understudy-{next(_numbers)}"
        self.default_timeout = default_timeout
        self.kill_grace = kill_grace
        self.random = random if random is not None else random_module.Random()
        self.events = EventStream(self.watch_messages)
        self.registry = Registry()
        self.park: Parking = park_thread
        self.cells: dict[str, Cell] = {}
        self.control: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        self.totals: dict[type, Counter[str]] = {}
        self.abandoned = 0
        """How many threads and coroutines were left behind because they did not end when killed."""
        self.observed = False
        """Whether somebody subscribed to single messages."""
        self._clock_factory = clock
        self._loop_factory = loop_factory
        self._watchdog_limit = watchdog
        self._watchdog: Watchdog | None = None
        self._log = LogSink() if log else None
        self._kinds: dict[object, Kind] = {}
        self._counter = itertools.count(1)
        self._childless: dict[Cell, Callable[[], object]] = {}
        self._starting: dict[Cell, Future[ActorRef[Any]]] = {}
        self._closing: dict[Cell, list[Callable[[ExitReason], object]]] = {}
        self._looked_after: dict[asyncio.Task[None], None] = {}
        self._why_not = "it was not started: use it as `with Runtime()` or `async with Runtime()`"
        self._thread: threading.Thread | None = None
        self._thread_id = 0
        self._stopped: Future[None] | None = None
        self.context: Context
        """What the context of every incarnation is copied from: not that of whoever caused the start."""
        self.loop: asyncio.AbstractEventLoop
        self.clock: Clock
        self.now: Callable[[], float]
        self.deadlines: Deadlines
        self.loop_host: LoopHost
        self.thread_host: ThreadHost

    # Life

    def __enter__(self) -> Self:
        refuse_on_loop("`with runtime`", "`async with runtime`")
        ready: LoopFuture[None] = LoopFuture()
        self._thread = threading.Thread(target=self._run_thread, args=(ready,), name=self.name, daemon=True)
        self._thread.start()
        ready.result()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self.stop().get()
        except KeyboardInterrupt:  # a second Ctrl-C: no more patience
            self.kill()
            self.stop().get()
            raise
        finally:
            if self._thread is not None:
                self._thread.join()

    def _run_thread(self, ready: LoopFuture[None]) -> None:
        async def main() -> None:
            self._begin()
            ready.set_result(None)
            assert self._stopped is not None
            await self._stopped

        try:
            with asyncio.Runner(loop_factory=self._loop_factory) as runner:
                runner.run(main())
        except BaseException as error:  # noqa: BLE001 - the thread that waits for `ready` has to hear of it
            if not ready.done():
                ready.set_exception(error)

    async def __aenter__(self) -> Self:
        self._begin()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    def _begin(self) -> None:
        """Starts on the running loop."""
        self.loop = asyncio.get_running_loop()
        self._thread_id = get_ident()
        self.context = copy_context()
        self.context.run(current_cell.set, None)
        self.clock = self._clock_factory(self.loop)
        self.now = self.clock.now
        self.deadlines = Deadlines(self.clock)
        self.make_hosts()
        self._stopped = Future(self.park)
        self._why_not = ""
        if self._log is not None:
            self._log.attach(self.events)
        if self._watchdog_limit is not None:
            self._watchdog = Watchdog(self, self._watchdog_limit)
            self._watchdog.start()
        _watch_forks(self)

    def make_hosts(self) -> None:
        """Makes what runs the cells. The simulation makes its own."""
        self.loop_host = LoopHost(self, self.loop)
        self.thread_host = ThreadHost(self)

    @property
    def running(self) -> bool:
        """Whether actors can be started."""
        return not self._why_not

    def stop(self) -> Future[None]:
        """Stops every actor in order, the youngest tree first, and then the runtime. A future: `await` it or `.get()`
        it.
        """
        if self._stopped is None:
            done: Future[None] = Future()
            done.set(None)
            return done
        if not self._why_not:
            self._why_not = "it is stopping"
            self.control_call(self._stop)
        return self._stopped

    def kill(self) -> None:
        """Kills every actor without asking; a `stop` that waits goes on from there."""
        if self._stopped is not None and not self._stopped.done():
            self.control_call(self._kill_all)

    def _stop(self) -> None:
        self._stopping = self.loop.create_task(self._shut_down(), name=f"{self.name}-stop")

    async def _shut_down(self) -> None:
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
        if self._watchdog is not None:
            self._watchdog.stop()
        if self._log is not None:
            self._log.detach()
        self._why_not = "it has stopped"
        _running.discard(self)
        assert self._stopped is not None
        self._stopped.set(None)

    def _kill_all(self) -> None:
        for cell in [cell for cell in list(self.cells.values()) if cell.parent is None]:
            cell.kill(Killed("the runtime was told to kill"))

    # Actors

    def spawn(
        self,
        actor_class: type[pykka.Actor],
        *,
        args: Mapping[str, object] | Sequence[object] = (),
        host: str | None = None,
        name: str | None = None,
        mailbox: MailboxSpec | None = None,
        handler_timeout: float | None = None,
        start_timeout: float | None = None,
        shutdown: float | None = 5.0,
        parent: ActorRef[Any] | None = None,
    ) -> Future[ActorRef[Any]]:
        """Starts an actor nobody restarts. A future of its ref, which settles when `on_start` has returned: `await`
        it or `.get()` it.

        Args:
            actor_class: a subclass of `actors.Actor` or of `pykka.ThreadingActor`
            args: keyword arguments (a mapping) or positional ones (a sequence) for its constructor
            host: `loop` or `thread`; the default is the class's
            name: a name to register until the actor is gone
            mailbox: the default is the class's
            handler_timeout: seconds a handler may take, waiting included; `None`: any time
            start_timeout: seconds construction and `on_start` may take; `None`: any time
            shutdown: seconds to stop in before it is killed; `None`: any time
            parent: the actor it ends with

        Raises:
            NotAnActor, NameTaken, RuntimeStopped, TypeError, ValueError: at once
            ActorDeadError: at once, `parent` is gone
            StartError, StartDeclined: from the future
        """
        props = options_to_props(
            self, actor_class, args, host, name, mailbox, handler_timeout, start_timeout, shutdown=shutdown
        )
        return self.spawn_nowait(props, parent._cell if parent is not None else None)[0]

    def spawn_nowait(
        self, props: Props, parent: Cell | None, id_: str | None = None
    ) -> tuple[Future[ActorRef[Any]], ActorRef[Any]]:
        """Makes a cell for `props` and has it start. Returns the future of the start, and the ref at once."""
        self.refuse_if_stopped()
        id_ = id_ or props.name or f"{props.kind.actor_class.__name__}-{next(self._counter)}"
        cell = self.make_cell(props, id_, parent, supervised=False)
        future: Future[ActorRef[Any]] = Future(self.park)
        self._starting[cell] = future
        self.on_loop(cell.begin_below)
        return future, cell.ref

    def make_cell(self, props: Props, id_: str, parent: Cell | None, *, supervised: bool, placed: bool = False) -> Cell:
        """A cell that does not run yet, under its parent's path: for a supervised child the one that waits for it since
        the last incarnation of its supervisor, where there is one. Raises `NameTaken`, and `ActorDeadError` when the
        parent is gone.
        """
        if parent is not None and parent.is_absent:
            raise ActorDeadError(parent.path, parent.reason, props.kind.actor_class)
        path = wanted = id_ if parent is None else f"{parent.path}/{id_}"
        if supervised and parent is not None and (kept := parent.claim(id_, props)) is not None:
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
                cell.discard()
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
        else:
            error = StartError(cell.path, failure)
            error.__cause__ = failure.exception if isinstance(failure, Crashed) else None
            future.set_exception(error)

    def find(self, path: str) -> ActorRef[Any] | None:
        """The ref of the actor at this path."""
        cell = self.cells.get(path)
        return cell.ref if cell is not None else None

    def whereis(self, name: str) -> ActorRef[Any] | None:
        """The ref of the actor of this name."""
        cell = self.registry.whereis(name)
        return cell.ref if cell is not None else None

    def members(self, group: str) -> list[ActorRef[Any]]:
        """The refs of the members of a group, in the order in which they joined."""
        return [cell.ref for cell in self.registry.members(group)]

    def kind(self, actor_class: type[pykka.Actor]) -> Kind:
        """What is known of an actor class. Raises `NotAnActor`."""
        found = self._kinds.get(actor_class)
        if found is None:
            found = self._kinds[actor_class] = kind_of(actor_class)
        return found

    # Services to cells

    def host(self, name: str) -> Host:
        """The host of that name. Raises ValueError."""
        match name:
            case "loop":
                return self.loop_host
            case "thread":
                return self.thread_host
        raise ValueError(f"host must be 'loop' or 'thread', not {name!r}")

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

    def when_closed(self, cell: Cell, then: Callable[[ExitReason], object]) -> None:
        """Calls `then` with the last exit reason when the cell is gone for good; at once if it is."""
        if cell.closed:
            then(cell.reason)
        else:
            self._closing.setdefault(cell, []).append(then)

    def forget(self, cell: Cell) -> None:
        """The cell is gone for good."""
        if self.cells.get(cell.path) is cell:
            del self.cells[cell.path]
        totals = self.totals.setdefault(cell.props.kind.actor_class, Counter())
        totals["handled"] += cell.handled
        totals["seconds"] += cell.seconds  # type: ignore[assignment]
        self.started(cell, cell.reason)  # killed while it was told to stop in its start: nobody else says so
        for then in self._closing.pop(cell, ()):
            then(cell.reason)

    def look_after(self, work: Awaitable[object], failed: Callable[[BaseException], object]) -> None:
        """Runs an awaitable beside the actors; what it raises goes to `failed`. On the loop thread."""

        async def run() -> None:
            try:
                await work
            except asyncio.CancelledError:
                raise
            except BaseException as error:  # noqa: BLE001 - a SystemExit would end the loop with every actor on it
                failed(error)

        task = self.loop.create_task(run())
        self._looked_after[task] = None
        task.add_done_callback(lambda task: self._looked_after.pop(task, None))

    def watch_messages(self) -> None:
        """Looks again whether anybody wants single messages."""
        self.observed = bool(self.events.sinks(MessageHandled))

    def refuse_if_stopped(self) -> None:
        """Raises `RuntimeStopped` or `NotInRuntime` unless the runtime runs."""
        if self._stopped is None:
            raise NotInRuntime("starting an actor", self._why_not)
        if self._why_not:
            raise RuntimeStopped(self.name, self._why_not)

    def refuse_if_forked(self) -> None:
        """Raises `RuntimeStopped` in a process that was forked from the runtime's own."""
        if self._why_not == _FORKED:
            raise RuntimeStopped(self.name, self._why_not)

    def forked(self) -> None:
        """This process is a fork of the runtime's: its loop and threads are not here."""
        self._why_not = _FORKED
        for cell in self.cells.values():
            cell.reason = Killed(_FORKED)
            cell.closed = True
        # Leaving the block of the runtime has nothing to wait for here.
        self._thread = None
        self._stopped = Future()
        self._stopped.set(None)


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
