"""The class users derive their actors from."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Hashable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from contextvars import copy_context
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, ParamSpec, Self, TypeVar, Unpack, overload

import pykka

from actors._core.clock import check_seconds
from actors._core.current import Begun, current, current_cell, message_of, owner_in
from actors._core.deliveries import EventForwarder
from actors._core.future import Future
from actors._core.handlers import Dispatch, dispatch_for, refuse_doubles
from actors._core.idle import IDLE, set_idle_timeout
from actors._core.mailbox import MailboxSpec
from actors._core.messages import Down
from actors._core.observer import Moment
from actors._core.outcomes import unhandled
from actors._core.own_exit import end_itself
from actors._core.placed import placed_type
from actors._core.possessions import WatchedName, check_text, for_incarnation, has_ended, present
from actors._core.process import HostName, PlaceSpec
from actors._core.props import Props, SpawnOptions, host_for
from actors._core.ref import A, ActorRef, HasRef, cell_of, of_class
from actors._core.reply import Reply, forward, take_over
from actors._core.reserved import refuse_reserved, reserve
from actors._core.resources import enter_async_context, enter_context, push_callback
from actors._core.stopped import StoppedFlag
from actors._core.timers import KeyedTimer, Timer
from actors._core.watchers import Monitoring
from actors.errors import NoSuchActor, NotInRuntime, NotOnHost
from actors.events import LifecycleEvent, Subscription
from actors.reasons import ExitReason

if TYPE_CHECKING:
    from pykka._actor import ActorInbox

    from actors._core.cell import Cell
    from actors._runtime.runtime import Runtime


T = TypeVar("T")
R = TypeVar("R", bound=ActorRef[Any])
P = ParamSpec("P")


class Actor(pykka.Actor):
    """An actor: state of its own, a mailbox, and one message at a time.

    A message goes to the method marked `@handles` whose annotation fits, otherwise to `on_receive`. Handlers and hooks
    may be plain or `async`. They run on the actor's host: the runtime's event loop, or a thread of the actor's own
    (`host = "thread"`), where code may block.

    An exception that a handler does not catch ends this incarnation, `SystemExit` and `KeyboardInterrupt` included;
    the asker gets it too. An exception of a class in `answers` is an answer instead, and after one of a class in
    `resumes` the actor keeps its state and goes on.

    The class may have defaults for options of its spec, as attributes, such as `restart = "transient"`:
    `supervisors.child` says which, and what they mean. An option of the spec counts more.
    """

    answers: ClassVar[tuple[type[BaseException], ...]] = ()
    """Exceptions that are answers to the asker and leave the actor alive. Nothing has failed: they are neither counted
    nor logged. Default: none.
    """

    resumes: ClassVar[tuple[type[BaseException], ...]] = ()
    """Exceptions of handlers after which the actor keeps its state and goes on (Pekko's resume). The asker gets the
    exception, and the message is not delivered again. The failure is counted (`Statistics.resumed`), logged with its
    traceback (`Survived`) and in the ledger of the supervisor. A class in `answers` goes first. `HandlerTimeout`, and
    what a hook raises, still ends the incarnation. Default: none.
    """

    idle_timeout: ClassVar[float | None] = None
    """Seconds > 0 without a handled message after which an `IdleTimeout` message comes; `None`: never. `self` changes
    it with `set_idle_timeout`.
    """

    concurrency: ClassVar[int] = 1
    """How many `async` handlers may wait at once, an integer >= 1. With more than 1, the actor itself must protect its
    state from the others. Default: 1.
    """

    host: ClassVar[HostName | PlaceSpec] = "loop"
    """Where incarnations run, unless the spec says otherwise: "loop" (the runtime's event loop), "thread", or "process"
    or a `process()`, a process of their own.
    """

    only_host: ClassVar[HostName | None] = None
    """The only host allowed: a spec or a `spawn` with another one is refused. `None`: all are allowed."""

    mailbox: ClassVar[MailboxSpec | None] = None
    """The mailbox, unless the spec says otherwise; `None`: no bound, in the order of arrival."""

    ref_type: ClassVar[type[ActorRef[Any]]] = ActorRef
    """The class of the refs to such actors. For a type checker it is the type of the property `ref`, which a class with
    a `ref_type` of its own declares again, under `if TYPE_CHECKING`.
    """

    trap_exits: bool = False
    """Whether the exit of a linked actor comes as an `Exit` message instead of ending this one. Set it on the class
    or on `self`. Default: False.
    """

    manages_lifecycle: ClassVar[bool] = False
    """For supervisors: the actor itself reports when it has started and when it ends, and a `StopOrder` comes as a
    message.
    """

    _cell: Cell
    _cell_incarnation: int
    """The incarnation whose instance this is."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Raises `HandlerDefinitionError` when the class body has two handlers for one class of messages, and
        `NotAnActor` when it takes the name of a property that every actor has, such as `path`.
        """
        super().__init_subclass__(**kwargs)
        refuse_reserved(cls)
        if getattr(cls._dispatch, "__func__", None) is Actor._dispatch.__func__:  # type: ignore[attr-defined]
            refuse_doubles(cls)

    if TYPE_CHECKING:

        def __init__(self) -> None:
            """Runs on the actor's host. `self.ref` and `self.path` can be used here. An exception fails the start."""
    else:
        __init__ = object.__init__  # in place of pykka's; a call of it in Python would be part of every start

    # Hooks of the subclass

    def on_start(self) -> Awaitable[None] | None:  # type: ignore[override]
        """Runs on the actor's host, before the first message. The starter waits for it. An exception fails the start;
        `IgnoreStart` declines it.
        """
        return None

    def on_continue(self) -> Awaitable[None] | None:
        """Runs on the actor's host, after the start is reported and before any waiting message. It is for work that
        would make the start long. An exception is a crash.
        """
        return None

    def on_receive(self, message: Any, /) -> Any:
        """Handles a message that no marked handler takes. By default that is a dead letter, and the asker gets
        `UnhandledMessage`.
        """
        unhandled(self._cell)

    def on_stop(self) -> Awaitable[None] | None:  # type: ignore[override]
        """Runs on the actor's host at an orderly end, after the last message. An exception makes the exit a crash."""
        return None

    def on_failure(  # type: ignore[override]
        self,
        exception_type: type[BaseException] | None,
        exception_value: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> Awaitable[None] | None:
        """Runs on the actor's host after a crash, in place of `on_stop`. The crash stays the reason of the exit: an
        exception of this hook is a `HookFailed` event.
        """
        return None

    def carry_over(self, reason: ExitReason, /) -> object:
        """Returns a value for `on_restore` of the next incarnation (supervision rule 29). By default nothing is carried
        over.

        Runs on the actor's host at the end of a supervised incarnation, after a crash too. An exception skips `on_stop`
        or `on_failure`, and nothing is carried over.
        """
        return None

    def on_restore(self, carried: Any, /) -> Awaitable[None] | None:
        """Gets the value that `carry_over` of the last incarnation returned; runs on the actor's host, before
        `on_start`.

        An exception fails the start; the next attempt has no carried value.
        """
        return None

    # The API of an actor

    def kept(self, make: Callable[[], T]) -> T:
        """Returns the object that `make` made at the first call: the same one in every later incarnation.

        Like the mailbox it belongs to the actor's place and not to the incarnation. It outlives a crash and, unlike the
        value of `carry_over`, a kill; it is dropped when the actor terminates. Keep here what the actor has promised to
        others (its vote, the answers it owes). State that a crash may leave half done belongs in `__init__`.
        """
        found: T = self._cell.kept_by(make)
        return found

    def healthy(self) -> None:
        """Says that this incarnation works: its supervisor forgets the failures before (supervision rules 8 and 11), so
        that the next restart waits for the first delay only, and restarts in a row count from 0.

        A message that is handled without failure says the same, unless the backoff of the child has `reset="healthy"`.
        Then only this counts. Call it when the actor has done what it is for: not at the start, but after the first
        answer of a server, for example. From any thread or task of the actor; a second call does nothing more.

        Raises `IncarnationEnded` in a thread that was left behind.
        """
        cell = present(self, "healthy()")
        cell.possess().say_healthy()
        if cell.runtime.observer is not None:
            cell.runtime.observer.lived(cell, Moment.HEALTHY)

    def publish_view(self, view: object) -> None:
        """Shows a value to every thread: `ref.view()` returns it until the next call replaces it.

        Other code reads this value instead of the memory of the actor. `view` must be safe to read in any thread while
        the actor goes on: as a rule an immutable value. Like the mailbox it belongs to the actor's place:
        it stays through a restart, until the next incarnation publishes another one, and ends with the place.

        Raises `IncarnationEnded` in a thread that was left behind.
        """
        present(self, "publish_view()").publish_view(view)

    @property
    def ref(self) -> ActorRef[Self]:
        """The ref of this actor, the same for all its incarnations."""
        return self._cell.ref

    @property
    def path(self) -> str:
        """The place in the tree, such as `root/workers/w1`."""
        return self._cell.path

    @property
    def incarnation(self) -> int:
        """1 for the first start, one more with each restart. A child that is added to a supervisor later begins with a
        higher number, because its id may have been used before.
        """
        return self._cell.incarnation

    @property
    def runtime(self) -> Runtime:
        """The runtime this actor lives in."""
        return self._cell.runtime

    @property
    def sender(self) -> ActorRef[Any] | None:
        """The actor that sent the message being handled; `None` if it came from outside any actor. In a task: the
        sender of the message in whose handler the task began.
        """
        envelope = message_of(self._cell)
        return envelope.sender.ref if envelope is not None and envelope.sender is not None else None

    @property
    def correlation_id(self) -> str | None:
        """The correlation id of the message being handled; in a task, of the message in whose handler the task began.
        Messages that this code sends inherit it.
        """
        envelope = message_of(self._cell)
        return envelope.correlation_id if envelope is not None else None

    def take_reply(self) -> Reply[Any]:
        """Takes over the answer to the message being handled: the value that the handler returns is then ignored, and
        the reply is answered later with `answer` or `fail`.

        A second call for the same message returns the same reply. The reply to a message that was told is done from the
        start. An exception of the handler still goes to the asker while the reply is open. Call it in the handler
        itself. Raises `NoMessage` if no message is being handled.
        """
        return take_over(self._cell)

    def forward(self, ref: ActorRef[Any], message: object = None) -> None:
        """Sends the message being handled on to `ref`, which answers it: with the same asker, sender, deadline and
        correlation id. The value that the handler returns is then ignored. `message` is sent in its place, if given.

        An asker that waits for this actor waits for `ref` from now on. If `ref` waits for the asker itself, directly or
        not, the asker gets `DeadlockError`, and nothing is sent.

        Raises:
            NoMessage: no message is being handled
            TypeError: `ref` is not the ref of an actor
            ActorDeadError, MailboxFull, BlockingCallError: as for `ref.tell`; this actor still has the message
        """
        forward(self._cell, cell_of(ref, "forward()"), message)

    def tell_after(self, delay: float, message: object, *, key: Hashable | None = None) -> Timer:
        """Sends `message` to this actor in `delay` seconds. The timer ends with this incarnation.

        `key`: a new timer with the same key replaces this one, and a message of this one that waits already is not
        handled. By default it has no key. Raises ValueError unless `delay` >= 0, and
        `IncarnationEnded` in a thread that was left behind.
        """
        check_seconds(delay, "tell_after()")
        cell = present(self, "tell_after()")
        due = cell.runtime.now() + delay
        return Timer(self, due, None, message) if key is None else KeyedTimer(self, due, None, message, key)

    def tell_every(self, interval: float, message: object, *, key: Hashable | None = None) -> Timer:
        """Sends `message` to this actor every `interval` seconds, the first time after one interval. The timer ends
        with this incarnation. `key` as for `tell_after`. Raises ValueError unless `interval` > 0, and
        `IncarnationEnded` in a thread that was left behind.
        """
        check_seconds(interval, "tell_every()", more_than_0=True)
        cell = present(self, "tell_every()")
        due = cell.runtime.now() + interval
        return Timer(self, due, interval, message) if key is None else KeyedTimer(self, due, interval, message, key)

    def cancel_timer(self, key: Hashable) -> bool:
        """Cancels the timer with this key: its message does not come, even if it waits already. Returns whether there
        was one.
        """
        possessions = self._cell.possessions
        timer = None if possessions is None or has_ended(self) else possessions.keyed.get(key)
        if timer is not None:
            timer.cancel()
        return timer is not None

    def keyed_timers(self) -> dict[Hashable, Timer]:
        """The timers that have a key, by key: those whose message is still to come, or waits in the mailbox."""
        possessions = self._cell.possessions
        return {} if possessions is None or has_ended(self) else dict(possessions.keyed)

    def set_idle_timeout(self, seconds: float | None, message: object = IDLE) -> None:
        """Sends `message` to this actor, by default `IdleTimeout()`, each time that it has handled no message for
        `seconds`. `None`: no more. It replaces the idle timeout set before, and ends with this incarnation.

        The time begins when a handler ends. The actor is not idle while a handler is under way or a message waits.
        Messages of the system lane (`Down`, `Exit` and the like) do not count. Raises ValueError unless `seconds` > 0,
        and `IncarnationEnded` in a thread that was left behind.
        """
        if seconds is not None:
            check_seconds(seconds, "set_idle_timeout()", more_than_0=True, otherwise=", or None for none")
        set_idle_timeout(present(self, "set_idle_timeout()"), seconds, message)

    def monitor(self, ref: ActorRef[Any], message: Callable[[Down], object] | object = None) -> int:
        """Asks for one message when the present incarnation of `ref` ends; at once, with the reason `NoProc`, if the
        actor has terminated. Returns the number of the monitor.

        The message is a `Down`. With `message` it is that value; or, if `message` is callable, `message(down)`, which
        is called on this actor's host when the message is handled. It ends with this incarnation. Raises
        `IncarnationEnded` in a thread that was left behind.
        """
        cell = present(self, "monitor()")
        target = cell_of(ref, "monitor()")
        number = cell.runtime.next_number()
        cell.possess().monitors.add(number)
        for_incarnation(cell, lambda: target.watch().add_monitor(number, Monitoring(cell, message)))
        return number

    def demonitor(self, number: int, *, flush: bool = True) -> None:
        """Removes the monitor with this number: its message does not come. `flush`: not even if it waits already."""
        cell = self._cell
        if has_ended(self):
            return
        monitors = cell.possess().monitors
        if flush:
            monitors.discard(number)

        def remove() -> None:
            if cell.watch().remove_monitor(number):
                monitors.discard(number)  # its message was not sent

        cell.runtime.on_loop(remove)

    def link(self, ref: ActorRef[Any]) -> None:
        """Links this actor to `ref`: an abnormal exit of either ends the other, unless that one traps exits. Raises
        `IncarnationEnded` in a thread that was left behind.
        """
        cell, other = present(self, "link()"), cell_of(ref, "link()")
        for_incarnation(cell, lambda: cell.watch().add_link(other))

    def unlink(self, ref: ActorRef[Any]) -> None:
        """Removes a link of this incarnation."""
        cell, other = self._cell, cell_of(ref, "unlink()")
        if not has_ended(self):
            for_incarnation(cell, lambda: cell.watch().remove_link(other))

    def stash(self) -> None:
        """Puts the message being handled aside until `unstash`, once: a second call for the same message does nothing.
        Neither a crash nor a kill loses it: the next incarnation finds it at the front of the queue. If its own handler
        crashes the actor afterwards, the crash decides instead (supervision rule 27). Raises `IncarnationEnded` in a
        thread that was left behind.
        """
        cell, here = present(self, "stash()"), current.get()
        if cell.envelope is not None and (type(here) is not Begun or here.message is cell.envelope):
            cell.put_aside(cell.envelope)

    def unstash(self) -> None:
        """Puts everything that was stashed back to the front of the queue, in the order it came. Raises
        `IncarnationEnded` in a thread that was left behind.
        """
        stash = present(self, "unstash()").stash
        if stash is not None:
            stash.give_back()

    @overload
    def spawn(self, actor_class: type[HasRef[R]], **options: Unpack[SpawnOptions]) -> Future[R]: ...

    @overload
    def spawn(self, actor_class: type[A], **options: Unpack[SpawnOptions]) -> Future[ActorRef[A]]: ...

    def spawn(self, actor_class: type[Any], **options: Unpack[SpawnOptions]) -> Future[Any]:
        """Starts an actor below this one; it ends when this one does. Options and errors as for `Runtime.spawn`, and
        `IncarnationEnded` in a thread that was left behind.
        """
        cell = present(self, "spawn()")
        return cell.runtime.spawn(actor_class, parent=cell.ref, **options)

    def register(self, name: str) -> None:
        """Registers a name for this actor until this incarnation ends. Raises `NameTaken` if it is registered, and
        `IncarnationEnded` in a thread that was left behind.
        """
        check_text(name, "register()")
        present(self, f"register({name!r})").possess().take_name(name)

    def unregister(self, name: str) -> bool:
        """Releases a name that this incarnation has registered. Returns whether it had the name: the one of the spec
        belongs to the actor's place and stays.
        """
        check_text(name, "unregister()")
        return not has_ended(self) and self._cell.possess().give_up_name(name)

    def watch_name(self, name: str) -> None:
        """Has each change of a name sent to this actor, until this incarnation ends: `NameRegistered` when an actor
        registers it, `NameReleased` when it is released. The present state comes at once.

        The messages travel in the system lane, in the order of the changes. Raises `IncarnationEnded` in a thread that
        was left behind.
        """
        check_text(name, "watch_name()")
        present(self, f"watch_name({name!r})").possess().watch(WatchedName("name", name))

    def unwatch_name(self, name: str) -> None:
        """Ends `watch_name`. A message that waits already still comes."""
        check_text(name, "unwatch_name()")
        if not has_ended(self):
            self._cell.possess().unwatch(WatchedName("name", name))

    def watch_group(self, group: str) -> None:
        """Has each change of a group sent to this actor, until this incarnation ends: `Joined` when an actor joins it,
        `Left` when one leaves it or ends. A `Joined` for each present member comes at once.

        The messages travel in the system lane, in the order of the changes. Raises `IncarnationEnded` in a thread that
        was left behind.
        """
        check_text(group, "watch_group()", "group")
        present(self, f"watch_group({group!r})").possess().watch(WatchedName("group", group))

    def unwatch_group(self, group: str) -> None:
        """Ends `watch_group`. A message that waits already still comes."""
        check_text(group, "unwatch_group()", "group")
        if not has_ended(self):
            self._cell.possess().unwatch(WatchedName("group", group))

    def join(self, group: str) -> None:
        """Becomes a member of a group until this incarnation ends. Raises `IncarnationEnded` in a thread that was left
        behind.
        """
        check_text(group, "join()", "group")
        present(self, f"join({group!r})").possess().join_group(group)

    def leave(self, group: str) -> None:
        """Leaves a group that this incarnation has joined."""
        check_text(group, "leave()", "group")
        if not has_ended(self):
            self._cell.possess().leave_group(group)

    def subscribe(self, *types: type[LifecycleEvent]) -> Subscription:
        """Has lifecycle events of these classes sent to this actor as messages, until this incarnation ends; without
        classes, all events.

        Events come from many threads and must not wait: with a bounded mailbox, an event that does not fit is reported
        and lost. `drop_oldest` drops the message that has waited longest; every other policy drops the new event.

        Events about an event that was sent to an actor are not sent to actors: that it was handled, or lost. The log
        and other sinks that are functions hear of them, and `events.dead_letters` counts them.

        Raises `IncarnationEnded` in a thread that was left behind.
        """
        cell = present(self, "subscribe()")
        subscription = cell.runtime.events.subscribe_actor(EventForwarder(cell), *types)
        cell.possess().keep_subscription(subscription)
        return subscription

    @overload
    def sibling(self, id: str) -> ActorRef[Any]: ...

    @overload
    def sibling(self, id: str, expected: type[R]) -> R: ...

    @overload
    def sibling(self, id: str, expected: type[HasRef[R]]) -> R: ...

    @overload
    def sibling(self, id: str, expected: type[A]) -> ActorRef[A]: ...

    def sibling(self, id: str, expected: type[Any] | None = None) -> Any:
        """The ref of another child of this actor's supervisor, by its id.

        With `expected`, an actor class or a class of refs, a type checker knows the type of the ref:
        `self.sibling("clerk", Clerk)` is an `ActorRef[Clerk]`.

        Raises:
            NoSuchActor: the supervisor has no such child
            WrongActorClass: the child is not of the class `expected`
        """
        above = self._cell.above
        path = id if above is None else f"{above}/{id}"
        found = self._cell.runtime.find(path)
        if found is None:
            raise NoSuchActor(path)
        return found if expected is None else of_class(found, expected)

    def create_task(self, coroutine: Coroutine[Any, Any, T], *, name: str | None = None) -> asyncio.Task[T]:
        """Runs a coroutine beside the handlers, as a task that belongs to this incarnation.

        If the task raises, the actor crashes, even if a handler awaits the task; with a message under way in whose
        handler the task began, the crash counts against that message. A cancellation is not a failure. The task is
        cancelled when the incarnation ends: at once by a crash or a kill, after `on_stop` by a stop. The end of the
        incarnation waits for it: within the `shutdown` of the spec after a stop, else for the `kill_grace` of the
        runtime; a task that goes on is left behind (`Abandoned`).

        It runs on the event loop of the actor: that of the runtime, or that of the actor's own thread, where it goes on
        between two messages. Call it in handlers, hooks and coroutines of this actor. A task that these make by
        `asyncio.create_task` ends with the incarnation, too; if it raises and nothing takes the exception, that is an
        `UncaughtException` event.

        Raises:
            IncarnationEnded: the incarnation has ended
            NotOnHost: this thread does not run the code of this actor
        """
        try:
            owned = present(self, "create_task()").possess().own("create_task()")
            task = self._cell.host.create_task(self._cell, coroutine, name)
            if task is None:
                raise NotOnHost(self._cell.path, "create_task()")
        except BaseException:
            if asyncio.iscoroutine(coroutine):
                coroutine.close()
            raise
        owned.keep_task(task, owner_in(copy_context())._replace(message=message_of(self._cell)))
        return task

    def enter_context(self, manager: AbstractContextManager[T]) -> T:
        """Enters a context manager and returns the value of its `__enter__`. The end of this incarnation leaves it.

        The contexts and callbacks of an incarnation end in reverse order, after its last hook, its tasks and the actors
        below it; a kill and a failed start end them, too. After a stop they share the time to stop with `on_stop`.
        After any other end each has the `kill_grace` of the runtime, is cancelled then (a callback that blocks a thread
        is left behind), and the next one follows. A context is left with the exception of a crash, with a
        `CancelledError` after a kill, and without an exception after a stop. An exception of a callback or context is a
        `HookFailed` event. They run on the actor's host.

        Raises:
            TypeError: `manager` is not a context manager
            IncarnationEnded: the incarnation has ended
        """
        return enter_context(self, manager)

    def enter_async_context(self, manager: AbstractAsyncContextManager[T]) -> Coroutine[Any, Any, T]:
        """Await it: enters an asynchronous context manager, as `enter_context` does for a plain one.

        It is left in another task than it was entered in. One that must not be, such as a task group or cancel scope of
        anyio, belongs into an `async with` of a task of its own, or is a child of a supervisor.
        """
        return enter_async_context(self, manager)

    def callback(self, function: Callable[P, object], /, *args: P.args, **kwargs: P.kwargs) -> None:
        """Has the end of this incarnation call `function(*args, **kwargs)`, as `enter_context` says. Raises
        `IncarnationEnded`.
        """
        push_callback(self, function, args, kwargs)

    def push_async_callback(
        self, function: Callable[P, Awaitable[object]], /, *args: P.args, **kwargs: P.kwargs
    ) -> None:
        """Has the end of this incarnation await `function(*args, **kwargs)`, as `enter_context` says. Raises
        `IncarnationEnded`.
        """
        push_callback(self, function, args, kwargs, is_async=True)

    def stop(self) -> None:
        """Ends this actor with reason `normal`, after the messages that wait already, as in pykka. Does not block. If
        this incarnation has ended, the call changes nothing.
        """
        if not has_ended(self):
            self._cell.ref.stop(block=False)

    def exit(self, reason: ExitReason) -> None:
        """Ends this incarnation with a reason of its own: `Normal()`, `Shutdown("done")` or `Crashed(error)`.

        The handlers under way end first, and no further message is handled. Then `on_stop` runs, or `on_failure` after
        `Crashed`. The supervisor sees this reason: a `transient` child is restarted only after `Crashed` (supervision
        rule 5). In a start, that is completed first. Does not block, and may be called in any task or thread of this
        incarnation. If this incarnation ends already or has ended, the call changes nothing. Handlers and hooks that
        take longer than the `shutdown` time of the spec are killed, but for `"brutal_kill"`: that is for orders.

        Raises TypeError for any other reason; to be killed, call `self.ref.kill()`.
        """
        end_itself(self, reason)

    # pykka's names, and the extension points it offers to new kinds of actor

    @classmethod
    def start(cls, *args: Any, **kwargs: Any) -> ActorRef[Self]:
        """Starts an actor next to the current one and returns its ref at once, without waiting for `on_start`, as in
        pykka.

        Raises:
            NotInRuntime: this code does not run in an actor; use `Runtime.spawn` or a supervisor
            ValueError: the class says a `host` other than its `only_host`
        """
        cell = current_cell()
        if cell is None:
            raise NotInRuntime(f"{cls.__qualname__}.start()", f"use runtime.spawn({cls.__qualname__}) or a supervisor")
        kind = cell.runtime.kind(cls)
        host = host_for(kind)
        return cell.runtime.spawn_nowait(Props(placed_type(kind, host), args, kwargs, host), None)[1]

    @classmethod
    def _dispatch(cls) -> Dispatch:
        """Which handler gets which message. A class with rules of its own, such as a state machine, makes its own."""
        return dispatch_for(cls, cls.on_receive)

    @property
    def actor_urn(self) -> str:  # type: ignore[override]
        """Pykka's name for the identity of an actor."""
        return self._cell.ref.actor_urn

    @property
    def actor_inbox(self) -> ActorInbox:  # type: ignore[override]
        """Pykka's name for the mailbox."""
        return self._cell.ref.actor_inbox

    @property
    def actor_stopped(self) -> StoppedFlag:  # type: ignore[override]
        """Pykka's flag: set when the actor has terminated."""
        return StoppedFlag(self._cell)

    @property
    def _actor_ref(self) -> ActorRef[Any]:  # type: ignore[override]
        return self._cell.ref

    @staticmethod
    def _create_actor_inbox() -> ActorInbox:
        raise NotInRuntime("the inbox of an actor", "it belongs to the cell: start the actor with a runtime")

    @staticmethod
    def _create_future() -> Future[Any]:
        return Future()

    def _start_actor_loop(self) -> None:
        raise NotInRuntime("the loop of an actor", "start the actor with a runtime")

    def __str__(self) -> str:
        cell = getattr(self, "_cell", None)
        return f"{type(self).__name__} ({cell.path if cell is not None else 'not started'})"


reserve(Actor)
