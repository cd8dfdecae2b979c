"""A cell: one actor's place in the tree, and the lives of the incarnations that live in it.

A restart replaces the instance, not the cell: path, ref, name and queue stay (supervision rule 26). Everything here
that changes a life runs on the runtime's loop thread, as *control*, between turns; only hooks and handlers run on the
cell's host.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Container
from functools import partial
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from pykka.messages import _ActorStop

from actors._core.clock import TimerHandle
from actors._core.current import enter
from actors._core.envelope import Envelope, Reply
from actors._core.loop import MessageLoop, State, kind_name, settle_failure
from actors._core.mailbox import BoundedQueue, make_queue, waiting_in, withdraw
from actors._core.messages import (
    ChildDeclined,
    ChildExited,
    ChildStarted,
    ChildStartFailed,
    Continue,
    Down,
    Exit,
    StopOrder,
)
from actors._core.props import Props
from actors._core.watchers import Watchers
from actors.errors import (
    ActorDeadError,
    HandlerTimeout,
    IgnoreStart,
    LinkedExit,
    RuntimeStopped,
    StartTimeout,
    gone,
    lost,
)
from actors.events import CrashedExit, Exited, HookFailed, Quarantined, Redelivered, Started, StartFailed
from actors.reasons import Crashed, ExitReason, Killed, Normal, RuntimeLost, Shutdown

if TYPE_CHECKING:
    from actors._core.ref import ActorRef
    from actors._core.timers import Timer
    from actors._core.waits import Edge
    from actors._runtime.runtime import Runtime
    from actors.events import Subscription

_NOTHING = object()
_NORMAL = Normal()


class Cell(MessageLoop):
    """The whole of a cell. Created on the runtime's loop thread."""

    __slots__ = (
        "__weakref__",
        "carried",
        "children",
        "crashes",
        "culprit",
        "grace",
        "groups",
        "id",
        "kept",
        "killed",
        "leaving",
        "names",
        "parent",
        "parked",
        "placed",
        "props",
        "settled",
        "spared",
        "stop_next",
        "subscriptions",
        "supervised",
        "timers",
        "told_to_stop",
        "up_since",
        "view",
        "waiting",
        "watchers",
    )

    children: dict[str, Cell] | None
    watchers: Watchers | None
    timers: set[Timer] | None
    killed: bool
    """Whether the incarnation is being killed: once is enough, and the first reason counts."""
    culprit: Envelope | None
    """The message that crashed the incarnation, while its last hook runs."""
    names: list[str] | None
    groups: list[str] | None
    subscriptions: list[Subscription] | None
    view: object
    """What the actor published last (`Actor.publish_view`); None: nothing."""
    waiting: Edge | None
    """What the running handler or hook waits for."""

    parked: dict[str, Cell] | None
    """By id, the cells of children whose supervisor, this cell, has ended and may be started again."""

    def __init__(
        self,
        runtime: Runtime,
        props: Props,
        path: str,
        parent: Cell | None,
        *,
        supervised: bool,
        placed: bool = False,
    ) -> None:
        self.runtime = runtime
        self.props = props
        self.path = path
        self.id = path.rpartition("/")[2]
        self.parent = parent
        self.supervised = supervised
        """Whether the parent decides what follows an exit; otherwise the first exit is the last."""
        self.placed = placed
        """Whether its place is there again, with the same id and class, when its supervisor is started again."""
        self.host = runtime.host(props.host)
        self.actor = None
        self.table = props.kind.table
        self.concurrency = props.kind.concurrency
        self.queue = (
            deque() if props.mailbox is None else make_queue(props.mailbox, path, self._overflowed, runtime.park)
        )
        self.urgent = self.stash = self.envelope = self.pending = self.trace = self.culprit = None
        self.open = self.idle = self.closed = self.suspended = self.leaving = self.killed = False
        self.active = self.incarnation = self.handled = self.unproductive = self.crashes = 0
        self.seconds = 0.0
        self.state = State.DOWN
        self.reason = _NORMAL
        self.carried: object = _NOTHING
        self.kept: dict[object, Any] | None = None
        self.children = self.watchers = self.timers = self.names = self.groups = self.waiting = self.subscriptions = (
            self.parked
        ) = None
        self.spared: list[Envelope] | None = None
        """The messages whose handlers were cut off by the crash of another, in the order in which they ended."""
        self.grace: TimerHandle | None = None
        self.told_to_stop: ExitReason | None = None
        self.stop_next: ExitReason | None = None
        """The order to stop that came between two incarnations: the next one leaves as soon as it is up."""
        self.settled = True
        """Whether the watchers of the last incarnation have been told of its end."""
        self.view = None
        self.up_since = 0.0
        self.ref: ActorRef[Any] = props.kind.ref_type(self)
        runtime.cells[path] = self
        if parent is not None:
            if parent.children is None:
                parent.children = {}
            parent.children[self.id] = self

    # Start

    def take_props(self, props: Props) -> None:
        """The recipe of the incarnations to come; its times and limits count at once. Raises `NameTaken`, and then
        changes nothing.
        """
        old = self.props.name
        if props.name != old:
            if props.name is not None:
                self.runtime.registry.register(props.name, self)
            if old is not None:
                self.runtime.registry.unregister(old, self)
        self.props = props
        if type(self.ref) is not props.kind.ref_type:
            self.ref = props.kind.ref_type(self)  # more can be asked of it, and the old ref reaches it, too

    def begin_below(self) -> None:
        """Starts the one incarnation of a spawned actor. Its parent may have ended since it was spawned."""
        parent = self.parent
        if parent is not None and parent.is_absent and not self.closed:
            self.close(Killed("its parent ended"))
            return
        self.begin()

    def begin(self) -> None:
        """Starts the next incarnation."""
        if self.closed:
            return  # before it began
        if not self.settled:
            self.settle_exit()
        self.incarnation += 1
        self.unproductive = self.handled + len(self.urgent or ())
        self.state = State.STARTING
        self.up_since = math.inf
        self.told_to_stop = None
        self.leaving = self.killed = False
        kind = self.props.kind  # an updated spec may have brought another class
        self.host, self.table, self.concurrency = self.runtime.host(self.props.host), kind.table, kind.concurrency
        self.context = self.runtime.context.copy()
        self.context.run(enter, self)
        self.pending = self._start
        if self.host.blocks:
            self._time_start()
        self.host.launch(self)
        order, self.stop_next = self.stop_next, None
        if order is not None:
            self.stop(order, self.props.shutdown)

    def _start(self) -> None:
        self.host.drive_life(self, self._come_up(), partial(self._came_up, self.incarnation))
        if self.state is State.STARTING and not self.host.blocks and self.grace is None:
            self._time_start()  # only a start that has to wait needs a timer, unless its time to stop runs already

    def _time_start(self) -> None:
        if self.props.start_timeout is not None:
            self._arm_grace(self.props.start_timeout, self._start_overdue)

    async def _come_up(self) -> None:
        actor = self.actor = self.props.construct(self)
        if self.carried is not _NOTHING:
            carried, self.carried = self.carried, _NOTHING
            restored = actor.on_restore(carried)
            if type(restored) is CoroutineType:
                await restored
        started = actor.on_start()
        if type(started) is CoroutineType:
            await started

    def _came_up(self, incarnation: int, error: BaseException | None) -> None:
        if incarnation != self.incarnation or self.leaving or self.state not in (State.STARTING, State.STOPPING):
            return
        if isinstance(error, IgnoreStart):
            self._declined()
        elif error is not None:
            self.start_failed(Crashed(error))
        elif self.props.kind.manages_lifecycle:
            self.reopen()
        else:
            self.running()

    def running(self) -> None:
        """The start is complete. A class that governs its own life says so itself."""
        kind, told = self.props.kind, self.told_to_stop
        if told is None:
            self._disarm_grace()  # otherwise it may be the time it was given to stop in
        if told is None or not kind.manages_lifecycle:
            self.state = State.RUNNING
        self.up_since = self.runtime.now()
        if self.runtime.events.sinks(Started):
            self.runtime.events.publish(Started(self.path, self.up_since, kind.actor_class, self.incarnation))
        self._tell_parent(ChildStarted(self.id, self.incarnation))
        if not self.supervised:
            self.runtime.started(self, None)
        if kind.continues:
            self.put_urgent(Continue())
        if told is not None and not kind.manages_lifecycle:
            self.leave(told)
        else:
            # One that governs its own life finds the order to stop in its mailbox, and what it started stops first.
            self.reopen()

    def _declined(self) -> None:
        if self._end_children(Normal()):
            self.open = False
            self.state = State.STOPPING
            self.runtime.when_childless(self, self._declined)
            return
        self._clear()
        self._tell_parent(ChildDeclined(self.id, self.incarnation))
        if not self.supervised:
            self.runtime.started(self, IgnoreStart())
            self.close_or_park(Normal())

    def start_failed(self, reason: ExitReason) -> None:
        """The start has failed; what it started itself goes first."""
        if self._end_children(reason):
            self.open = False
            self.state = State.STOPPING
            self.runtime.when_childless(self, partial(self.start_failed, reason))
            return
        self._clear()
        self.reason = reason
        self.settled = False
        self.runtime.events.publish(
            StartFailed(self.path, self.runtime.now(), self.props.kind.actor_class, self.incarnation, reason)
        )
        self._tell_parent(ChildStartFailed(self.id, self.incarnation, reason))
        if not self.supervised:
            self.runtime.started(self, reason)
            self.close_or_park(reason)

    def _start_overdue(self) -> None:
        assert self.props.start_timeout is not None
        if self.up_since < math.inf:
            return  # it came up in time, and has been told to stop since
        reason = Crashed(StartTimeout(self.path, self.props.start_timeout))
        self.kill(reason)

    # End

    def stop(self, reason: ExitReason, grace: float | None) -> None:
        """Tells the incarnation to leave, and kills it when it is still there after `grace` seconds (`None`: never).

        Travels as control, ahead of every message (supervision rule 19).
        """
        if self.state in (State.DOWN, State.CLOSED):
            self.stop_next = reason
            return
        self.told_to_stop = reason
        if self.props.kind.manages_lifecycle and self.state in (State.STARTING, State.RUNNING):
            self.state = State.STOPPING
            self.put_urgent(StopOrder(reason))
            if self.actor is not None:
                self.reopen()
        elif self.state is State.RUNNING:
            self.leave(reason)
        if self.state in (State.STARTING, State.STOPPING) and grace is not None:
            self._arm_grace(grace, partial(self.kill, Killed("did not stop in time")))

    def stop_by_message(self) -> None:
        """A stop that waited in the queue like any message, as pykka's does."""
        sender = self.envelope.sender if self.envelope is not None else None
        self.unproductive += 1
        self.open = False
        self.runtime.control_call(
            self._leave_if_running,
            self.incarnation,
            Normal() if sender is self else Shutdown("stop() was called"),
        )

    def put_stop(self, envelope: Envelope) -> None:
        """Takes a stop that waits its turn like any message. From any thread."""
        self.put(envelope)
        if self.suspended:
            self.runtime.control_call(self._stop_suspended)

    def _stop_suspended(self) -> None:
        """While the cell is suspended no message is handled: a stop that waits among them counts at once."""
        if not self.suspended:
            return
        stops = [envelope for envelope in waiting_in(self.queue) if type(envelope.message) is _ActorStop]
        for envelope in stops:
            self.withdraw(envelope)
        if stops:
            self.stop(Shutdown("stop() was called"), self.props.shutdown)

    def withdraw(self, envelope: Envelope) -> None:
        """Takes a message that waits out of the mailbox."""
        withdraw(self.queue, envelope)

    def finish(self) -> None:
        """Its work is done: the incarnation ends with `normal`, whatever waits."""
        self.open = False
        self.runtime.control_call(self._leave_if_running, self.incarnation, Normal())

    def _leave_if_running(self, incarnation: int, reason: ExitReason) -> None:
        if incarnation != self.incarnation:
            return
        manages_lifecycle = self.props.kind.manages_lifecycle
        if self.state is State.RUNNING or (manages_lifecycle and self.state is State.STARTING):
            self.stop(reason, self.props.shutdown)
        elif manages_lifecycle:
            self.reopen()  # it is stopping already, and has to hear of its children until it is done

    def crash(self, envelope: Envelope | None, error: BaseException) -> None:
        """The incarnation ends by `error`. Called on the host; the rest of the handlers under way are cut off."""
        self.open = False
        if envelope is not None and isinstance(error, asyncio.CancelledError) and self.crashes_by_another():
            if self.spare(envelope):
                return
            error = ActorDeadError(self.path, self.reason, envelope.message, begun=True)
        if envelope is not None and envelope.reply is not None:
            settle_failure(envelope.reply, error, self.path)
        self.runtime.control_call(self._crashed, self.incarnation, envelope, error)

    def crashes_by_another(self) -> bool:
        """Whether the incarnation ends by a crash, which cuts off the handlers beside the one that raised."""
        return self.leaving and isinstance(self.reason, Crashed)

    def spare(self, envelope: Envelope) -> bool:
        """Keeps a message whose handler was cut off by the crash of another for the next incarnation, which handles it
        again: the asker waits on, and the crash does not count against the message. False where no incarnation can
        follow.
        """
        if not self.supervised:
            return False
        if self.spared is None:
            self.spared = []
        self.spared.append(envelope)
        return True

    def _crashed(self, incarnation: int, envelope: Envelope | None, error: BaseException) -> None:
        if incarnation != self.incarnation or not self._lives():
            if envelope is not None:
                self.refuse(envelope, "killed", error)
            return
        if self.state is State.STARTING:
            self.start_failed(Crashed(error))
            return
        self.host.cut_off(self)
        if self.props.shutdown is not None:
            # A hook, or a handler beside the one that crashed, may never end: that must not keep the crash from being
            # heard of.
            self._arm_grace(self.props.shutdown, partial(self.kill, Crashed(error)))
        self.leave(Crashed(error), envelope)

    def _lives(self) -> bool:
        """Whether the incarnation is in the part of its life that a crash can end."""
        return self.state is State.RUNNING or (
            self.props.kind.manages_lifecycle and self.actor is not None and not self.leaving
        )

    def leave(self, reason: ExitReason, culprit: Envelope | None = None) -> None:
        """Runs the hook for the end as soon as no handler is under way."""
        self.state = State.STOPPING
        self.open = False
        self.leaving = True
        self.reason = reason
        self.culprit = culprit
        self.pending = partial(self._leave, reason)
        self.host.ready(self)

    def _leave(self, reason: ExitReason) -> None:
        self.host.drive_life(self, self._farewell(reason), partial(self._left, self.incarnation, reason))

    async def _farewell(self, reason: ExitReason) -> None:
        actor, hook = self.actor, "carry_over"
        try:
            if self.supervised and self.props.kind.carries:
                carried = actor.carry_over(reason)
                self.carried = await carried if type(carried) is CoroutineType else carried
            if isinstance(reason, Crashed):
                hook, error = "on_failure", reason.exception
                done = actor.on_failure(type(error), error, error.__traceback__)
            else:
                hook = "on_stop"
                done = actor.on_stop()
            if type(done) is CoroutineType:
                await done
        except BaseException as raised:
            unheard = isinstance(reason, Crashed) or self.killed  # otherwise it is the reason of the exit
            if unheard and not isinstance(raised, asyncio.CancelledError | GeneratorExit):
                failed = HookFailed(self.path, self.runtime.now(), self.incarnation, hook, raised)
                self.runtime.events.publish(failed)
            raise

    def _left(self, incarnation: int, reason: ExitReason, error: BaseException | None) -> None:
        """The hook for the end is done; one that raised makes the exit a crash."""
        if error is not None and not isinstance(reason, Crashed):
            reason = Crashed(error)
        self._gone(incarnation, reason)

    def kill(self, reason: ExitReason) -> None:
        """Ends the incarnation without asking it, and everything below it (supervision rule 20).

        A loop and not a recursion: a chain of actors may be deeper than the interpreter's stack. What is below ends
        first.
        """
        doomed: list[tuple[Cell, Callable[[], object]]] = []
        below: list[tuple[Cell, ExitReason]] = [(self, reason)]
        while below:
            cell, why = below.pop()
            end = cell.doom(why)
            if end is not None:
                doomed.append((cell, end))
                below += [(child, Killed("its parent ended")) for child in cell.orphan_children()]
        for cell, end in reversed(doomed):
            if cell.host.kill(cell, end):
                end()

    def doom(self, reason: ExitReason) -> Callable[[], object] | None:
        """Takes no further message and forgets what was to come. Returns what to call when nothing of the incarnation
        runs any more; `None` when there is nothing to kill.
        """
        if self.killed or self.state in (State.DOWN, State.CLOSED):
            return None
        self.killed = True
        starting = self.state is State.STARTING and self.told_to_stop is None
        self.state = State.STOPPING
        self.open = False
        self.leaving = True
        self.reason = reason
        self.pending = None
        self._disarm_grace()
        return partial(self._start_killed if starting else self._gone, self.incarnation, reason)

    def orphan_children(self) -> list[Cell]:
        """The children that live; those between two incarnations end here. None of them is restarted."""
        living = []
        for child in list((self.children or {}).values()):
            child.supervised = False
            if child.state is State.DOWN:
                child.close_or_park(Killed("its parent ended"))
            else:
                living.append(child)
        return living

    def break_off(self, error: BaseException) -> bool:
        """Kills the incarnation because a turn failed outside of its handler. Returns False, and does nothing, when it
        is on its way out already.
        """
        if self.killed or self.state in (State.DOWN, State.CLOSED):
            return False
        if self.culprit is None:
            self.culprit = self.envelope
        self.kill(Crashed(error))
        return True

    def crash_by_task(self, incarnation: int, error: BaseException) -> bool:
        """A task or callback of the incarnation has raised an exit: it crashes. Returns False, and does nothing, when
        it is not there, or is a supervisor, which no callback of the user's may end.
        """
        if incarnation != self.incarnation or self.props.kind.manages_lifecycle:
            return False
        if self.state is not State.STARTING and not self._lives():
            return False
        self.crash(None, error)
        return True

    def lose(self, reason: RuntimeLost) -> None:
        """The runtime has lost its loop: the cell closes, whatever state it is in, and every question has an answer. No
        code of the actor runs, and a step that fails does not keep the others from being taken.
        """
        if self.closed:
            return
        self.reason = reason
        self.state, self.killed, self.leaving, self.open, self.pending = State.STOPPING, True, True, False, None
        attempt = self.runtime.attempt
        under_way = {id(each): each for each in (self.envelope, self.culprit) if each is not None}
        attempt(self.path, "its end", lambda: under_way.update((id(each), each) for each in self.host.drop(self)))
        for envelope in under_way.values():
            if not getattr(envelope, "settled", False):
                envelope.settled = True
                attempt(self.path, "its end", self.refuse, envelope, "killed", lost(reason))
        attempt(self.path, "its end", self._clear)
        self.state = State.DOWN
        attempt(self.path, "its end", self.close, reason)

    def _start_killed(self, incarnation: int, reason: ExitReason) -> None:
        if incarnation == self.incarnation and self.state is State.STOPPING:
            self.start_failed(reason)

    def _gone(self, incarnation: int, reason: ExitReason) -> None:
        """Nothing of the incarnation runs any more; its descendants go before anyone hears of it (supervision rule
        18).
        """
        if incarnation != self.incarnation or self.state is not State.STOPPING:
            return
        self.reason = reason
        if self._end_children(reason):
            self.runtime.when_childless(self, partial(self._gone, incarnation, reason))
            return
        culprit, self.culprit = self.culprit, None
        progress = self.progress()
        self._dispose_of(culprit, reason)
        self._clear()
        self.settled = False
        self._publish_exit(reason, culprit)
        if self.supervised and self.parent is not None and not self.parent.closed:
            kind = kind_name(culprit.message) if culprit is not None else None
            self._tell_parent(ChildExited(self.id, self.incarnation, reason, kind, progress))
        else:
            self.close_or_park(reason)

    def progress(self) -> int:
        """How many messages the incarnation has handled without failure: what tells one that fails now and then from
        one that always fails. A supervisor says itself what it has achieved.
        """
        if self.props.kind.manages_lifecycle:
            return int(self.actor is not None and self.actor.made_progress())
        unproductive = self.unproductive - len(self.urgent or ())  # what still waits there was not handled
        return max(0, self.handled - unproductive - self.active)

    def _end_children(self, reason: ExitReason) -> bool:
        """Ends what lives below: in an orderly way after an orderly end, at once after any other. Returns whether
        anything is left to wait for.
        """
        if not reason.expected:
            for child in self.orphan_children():
                child.kill(Killed("its parent ended"))
            return bool(self.children)
        for child in list((self.children or {}).values()):
            child.supervised = False
            if child.state is State.DOWN:
                child.close_or_park(Shutdown("its parent ended"))
            elif child.told_to_stop is None:
                child.stop(Shutdown("its parent ended"), child.props.shutdown)
        return bool(self.children)

    def _clear(self) -> None:
        """Gives up what belongs to the incarnation: timers, groups, the names it took itself, the instance."""
        self._disarm_grace()
        for timer in list(self.timers or ()):
            timer.end()
        self.timers = None
        for group in self.groups or ():
            self.runtime.registry.leave(group, self)
        for name in self.names or ():
            self.runtime.registry.unregister(name, self)
        for subscription in self.subscriptions or ():
            subscription.cancel()
        self.names = self.groups = self.subscriptions = None
        if self.actor is not None:
            self.props.kind.dispose(self.actor)
        self.actor = None
        urgent, self.urgent = self.urgent, None
        for envelope in urgent or ():
            if isinstance(envelope.message, Down | Exit):  # the rest is the runtime's own bookkeeping
                self.dead_letter(envelope.message, "dropped", envelope)
        self.envelope = self.pending = self.culprit = None
        self.open = False
        self.active = 0
        self.waiting = None
        self.state = State.DOWN
        if self.watchers is not None:
            self.watchers.forget_watched()
        spared, self.spared = self.spared, None
        for envelope in reversed(spared or ()):
            self.queue.appendleft(envelope)
        self.take_back()
        self.stash = None
        self.host.retire(self)

    def _dispose_of(self, culprit: Envelope | None, reason: ExitReason) -> None:
        """What becomes of the message that was being handled when the incarnation ended (supervision rule 27)."""
        if culprit is None or type(culprit.message) in (Continue, StopOrder):
            return
        if getattr(culprit, "aside", False) and not self.recall(culprit):
            return  # its handler took it back from the stash already: it waits in the queue
        error = (
            reason.exception
            if isinstance(reason, Crashed)
            else ActorDeadError(self.path, reason, culprit.message, begun=True)
        )
        self.crashes += isinstance(reason, Crashed)
        if culprit.reply is not None or not isinstance(reason, Crashed):
            self.refuse(culprit, "crashed" if isinstance(reason, Crashed) else "killed", error)
            return
        culprit.crashes = getattr(culprit, "crashes", 0) + 1
        now, quiet = self.runtime.now(), getattr(culprit, "quiet", False)
        if culprit.crashes <= self.props.redeliver and self.supervised:
            redelivered = Redelivered(self.path, now, culprit.message, culprit.crashes, error)
            self.runtime.events.publish(redelivered, quiet=quiet)
            # A thread that was left behind may still hold the envelope whose fate is decided.
            self.queue.appendleft(culprit.again() if getattr(culprit, "settled", False) else culprit)
        elif self.props.redeliver:
            quarantined = Quarantined(self.path, now, culprit.message, culprit.crashes, error)
            self.runtime.events.publish(quarantined, quiet=quiet)
        else:
            self.dead_letter(culprit.message, "crashed", culprit, error)

    def _publish_exit(self, reason: ExitReason, culprit: Envelope | None) -> None:
        kind, now = self.props.kind.actor_class, self.runtime.now()
        events = self.runtime.events
        if isinstance(reason, Crashed):
            message_type = kind_name(culprit.message) if culprit is not None else None
            events.publish(CrashedExit(self.path, now, kind, self.incarnation, reason, message_type))
        elif events.sinks(Exited):
            events.publish(Exited(self.path, now, kind, self.incarnation, reason))

    # After the end: what the parent decides

    def settle_exit(self) -> None:
        """There may be another incarnation: those who watched the last one are told now, and only they. A watcher that
        comes later hears of the next end.
        """
        self.settled = True
        if self.props.mailbox is not None and self.props.mailbox.on_restart == "drop":
            self._drop_waiting("dropped")
        if self.watchers is not None:
            watchers, self.watchers = self.watchers, None
            watchers.tell(self.reason)

    def close_or_park(self, reason: ExitReason) -> None:
        """The supervisor of this place has ended. Where it may be started again, and has this place again then, the
        cell waits for that: ref, name and queue are kept.
        """
        parent = self.parent
        if parent is None or not self.placed or not parent.may_return():
            self.close(reason)
            return
        if parent.parked is None:
            parent.parked = {}
        parent.parked[self.id] = self
        if not self.settled:
            self.settle_exit()
        self._leave_parent(parent)

    def may_return(self) -> bool:
        """Whether another incarnation may follow at this place: its supervisor decides on that, or the supervisor has
        ended and the same holds for it.
        """
        cell, parent = self, self.parent
        while parent is not None and not parent.closed:
            if cell.supervised:
                return True
            if not cell.placed:
                return False
            cell, parent = parent, parent.parent
        return False

    def claim(self, id: str, props: Props) -> Cell | None:
        """The cell that waited for a child of this id since the last incarnation of this supervisor. One of another
        class is closed. Raises `NameTaken`, and then changes nothing.
        """
        cell = self.parked.get(id) if self.parked else None
        if cell is None:
            return None
        assert self.parked is not None
        if cell.props.kind.actor_class is not props.kind.actor_class:
            cell.close(Shutdown("a child of another class takes its place"))
            return None
        cell.take_props(props)
        del self.parked[id]
        if self.children is None:
            self.children = {}
        self.children[id] = cell
        cell.supervised = True
        return cell

    def close_parked(self, but: Container[str]) -> dict[str, int]:
        """Closes the cells of children whose places are not there any more. Returns the numbers of the last
        incarnations of the others, by id.
        """
        for cell in [cell for cell in (self.parked or {}).values() if cell.id not in but]:
            cell.close(Shutdown("its place is not there any more"))
        return {cell.id: cell.incarnation for cell in (self.parked or {}).values()}

    def _leave_parent(self, parent: Cell) -> None:
        if parent.children is not None and parent.children.get(self.id) is self:
            del parent.children[self.id]
            if not parent.children:
                self.runtime.childless(parent)

    def close(self, reason: ExitReason) -> None:
        """The end of the cell: names go first, then everyone is told (supervision rule 32)."""
        if self.closed:
            return
        assert self.state is State.DOWN, f"{self.path} was closed while {self.state.value}"
        self.state = State.CLOSED
        self.reason = reason
        if self.props.name is not None:
            self.runtime.registry.unregister(self.props.name, self)
        self.closed = True
        self.idle = True
        self.view = None
        self.runtime.attempt(self.path, "its mailbox", self.refuse_waiting)
        for child in [*(self.children or {}).values(), *(self.parked or {}).values()]:
            child.close(Killed("its parent ended"))
        self.runtime.forget(self)
        parent = self.parent
        if parent is not None:
            if parent.parked is not None and parent.parked.get(self.id) is self:
                del parent.parked[self.id]
            self._leave_parent(parent)
        if self.watchers is not None:
            watchers, self.watchers = self.watchers, None
            watchers.tell(reason)

    def discard(self) -> None:
        """A cell that never began is taken back."""
        self.close(Normal())

    def refuse_waiting(self) -> None:
        if isinstance(self.queue, BoundedQueue):
            self.queue.close()
        self._drop_waiting("closed")

    def _drop_waiting(self, why: str) -> None:
        while True:
            try:
                envelope = self.queue.popleft()
            except IndexError:
                return
            if type(envelope.message) is _ActorStop:
                continue  # a request of the runtime's own, and it has come true
            self.refuse(envelope, why, gone(self.path, self.reason, envelope.message))

    # Links

    def linked_exit(self, source: Cell, reason: ExitReason) -> None:
        """A linked actor ended abnormally and this one does not trap exits: it shares the fate."""
        if self.state is State.STARTING:
            self.kill(Crashed(LinkedExit(source.path, reason)))
        elif self.state is State.RUNNING:
            self._crashed(self.incarnation, None, LinkedExit(source.path, reason))

    def watch(self) -> Watchers:
        """Who is to hear of the end of the incarnation."""
        if self.watchers is None:
            self.watchers = Watchers(self)
        return self.watchers

    # The stash

    def put_aside(self, envelope: Envelope) -> None:
        """The message being handled waits until `take_back`; what its handler returns is no answer to it. Once for each
        message: a second call does nothing.
        """
        if getattr(envelope, "aside", False):
            return
        envelope.aside = True
        self.unproductive += 1
        if self.stash is None:
            self.stash = deque()
        aside = Envelope(envelope.message, envelope.sender, envelope.reply, envelope.deadline, envelope.correlation_id)
        aside.crashes = getattr(envelope, "crashes", 0)
        if getattr(envelope, "quiet", False):
            aside.quiet = True
        self.stash.append(aside)
        if envelope.reply is not None:
            envelope.reply = None

    def recall(self, envelope: Envelope) -> bool:
        """Takes a message out of the stash whose own handler put it there and then crashed: the crash decides what
        becomes of it. False where it is not there any more.
        """
        for aside in self.stash or ():
            if aside.message is envelope.message:
                assert self.stash is not None
                self.stash.remove(aside)
                envelope.reply, envelope.aside = aside.reply, False
                return True
        return False

    def take_back(self) -> None:
        """Puts the stashed messages to the front of the queue."""
        while self.stash:
            self.queue.appendleft(self.stash.pop())

    @property
    def is_absent(self) -> bool:
        """Whether the last incarnation is gone and there is no other one, now or ever."""
        return self.closed or (self.state is State.DOWN and self.incarnation > 0)

    # What introspection asks for

    def suspend(self, suspended: bool) -> None:
        """Stops or goes on taking messages."""
        self.suspended = suspended
        self._stop_suspended()
        self.reopen()

    def keep_trace(self, last: int) -> None:
        """Remembers the last messages handled; 0: no longer."""
        self.trace = deque(self.trace or (), maxlen=last) if last else None

    # Little things

    def gone(self, message: object) -> ActorDeadError | RuntimeStopped:
        """The error for one who sends to the closed cell. It says what took the actor along, if it was told to end
        because something above it ended abnormally.
        """
        reason, above = self.reason, self.parent
        while reason.expected and above is not None and above.closed:
            if not above.reason.expected:
                reason = Shutdown(f"{above.path} ended: {above.reason}")
            above = above.parent
        return gone(self.path, reason, message)

    def overran(self, envelope: Envelope) -> HandlerTimeout:
        """The error for a handler that passed its time limit."""
        assert self.props.handler_timeout is not None
        return HandlerTimeout(self.path, kind_name(envelope.message), self.props.handler_timeout)

    def may_open(self) -> bool:
        return not self.suspended and self._lives()

    def take_reply(self) -> Reply | None:
        """Takes the duty to answer the message being handled from its handler."""
        envelope = self.envelope
        if envelope is None:
            return None
        reply = envelope.reply
        if reply is not None:
            envelope.reply = None
        return reply

    def _overflowed(self, envelope: Envelope) -> None:
        self.refuse(envelope, "overflow", ActorDeadError(self.path, Normal(), envelope.message))

    def _tell_parent(self, notice: object) -> None:
        if self.supervised and self.parent is not None:
            self.parent.put_urgent(notice)

    def _arm_grace(self, seconds: float, then: Callable[[], object]) -> None:
        self._disarm_grace()
        self.grace = self.runtime.clock.call_at(self.runtime.now() + seconds, then)

    def _disarm_grace(self) -> None:
        if self.grace is not None:
            self.grace.cancel()
            self.grace = None

    def __repr__(self) -> str:
        return f"<Cell {self.path} #{self.incarnation} {self.state.value}>"
