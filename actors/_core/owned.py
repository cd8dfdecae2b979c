"""The tasks and resources of one incarnation. They end with it: after a stop, a crash and a kill.

The end has three stages: the tasks, what lives below the actor, the resources. The first and the last run on the host
of the actor; a thread that is stuck is left behind, and another one takes its place. A kill has what goes on by then
hurry: from then on everything has a time limit.
"""

from __future__ import annotations

import asyncio
from asyncio import CancelledError, Task
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import suppress
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any

from actors._core.clock import TimerHandle
from actors._core.current import Owner
from actors._core.outcomes import crash_by_owned_task
from actors._user_code.interrupts import hand_on
from actors.errors import CleanupTimeout, RuntimeStopped
from actors.events import Abandoned, HookFailed
from actors.reasons import Crashed

if TYPE_CHECKING:
    from actors._core.cell import Cell

ROUNDS = 10
"""How many times tasks are cancelled that begin while others end."""
BLOCKED = 3
"""How many times the grace of a kill a thread may take for the end of tasks, or of one resource that is left in a
coroutine: its end by itself, after its cancellation, and some time to report it.
"""

LeaveCallback = Callable[[BaseException | None], Any]
"""Leaves a resource: with the exception that ended the incarnation, or None after an orderly end."""


class Resource:
    """Something that is left at the end of the incarnation."""

    __slots__ = ("is_async", "leave", "name")

    def __init__(self, name: str, leave: LeaveCallback, *, is_async: bool) -> None:
        self.name = name
        self.leave = leave
        self.is_async = is_async


class Owned:
    """Made for an incarnation that has a task or a resource. Its methods are called on the loop thread, unless they say
    otherwise.
    """

    __slots__ = (
        "_cancelled",
        "_cell",
        "_closed",
        "_ended",
        "_hurried",
        "_incarnation",
        "_limit",
        "_lock",
        "_resources",
        "_round",
        "_stage",
        "_wake",
        "looks",
        "tasks",
    )

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self._incarnation = cell.incarnation
        self.tasks: dict[object, Task[Any]] = {}
        """The tasks that have not ended, each under a key of its own. Written by the host of the actor."""
        self.looks: dict[object, Callable[[], object]] = {}
        """Of the tasks that have raised while nothing waited for them: what publishes the exception if it is not taken,
        by keys of their own. Written by the host of the actor.
        """
        self._resources: list[Resource] = []
        self._cancelled: set[Task[Any]] = set()
        self._lock = Lock()
        """Held while a resource is taken from the list: a thread that was left behind may come back."""
        self._closed = False
        self._hurried = False
        self._round = 0
        """How many threads were left behind."""
        self._stage = 0
        self._wake: Callable[[], object] | None = None
        """Wakes the coroutine that waits without a limit. From any thread."""
        self._limit: TimerHandle | None = None
        self._ended: Callable[[], object] | None = None
        """Called when everything has ended."""

    # What the incarnation takes. On its host.

    @property
    def closed(self) -> bool:
        """Whether nothing can be taken any more. Any thread."""
        return self._closed

    def keep_task(self, task: Task[Any], owner: Owner) -> None:
        """The task ends with the incarnation, and its failure is a crash."""
        self.tasks[task] = task
        task.add_done_callback(partial(self._task_ended, owner))

    def _task_ended(self, owner: Owner, task: Task[Any]) -> None:
        self.tasks.pop(task, None)
        error = None if task.cancelled() else task.exception()
        if error is None:
            return
        hand_on(error)
        runtime = self._cell.runtime
        where = f"task {task.get_name()!r}"
        with suppress(RuntimeStopped):
            runtime.on_loop(partial(crash_by_owned_task, self._cell, self._incarnation, error, owner.message, where))

    def keep_resource(self, resource: Resource) -> None:
        """The resource is left at the end of the incarnation, before those that were taken earlier."""
        self._resources.append(resource)

    # The end

    def cancel_tasks(self) -> None:
        """Cancels every task, without waiting for its end. From any thread."""
        for task in self.tasks.copy().values():
            loop = task.get_loop()
            if asyncio._get_running_loop() is loop:
                self._cancel_once(task)
            else:
                with suppress(RuntimeError):  # its loop is closed
                    loop.call_soon_threadsafe(self._cancel_once, task)

    def _cancel_once(self, task: Task[Any]) -> None:
        """A second cancellation would cut off what the task does after the first. On the loop of the task."""
        if task not in self._cancelled:
            self._cancelled.add(task)
            task.cancel()

    def end(self, *, hurry: bool, ended: Callable[[], object]) -> None:
        """Goes through the stages, and calls `ended`; called again by a kill, which has the present one hurry."""
        self._ended = ended
        if hurry and not self._hurried:
            self._hurried = True
            wake = self._wake
            if wake is not None:
                with suppress(RuntimeError):  # that loop is closed: what waited in it is gone
                    wake()
            self._watch(self._round, BLOCKED)
        if self._stage == 0:
            self._stage = 1
            self._watch(self._round, BLOCKED)
            self._cell.host.finish(self._cell, self._task_steps(), partial(self._tasks_over, self._round))
        elif self._stage == 2:
            self._end_children()

    def _tasks_over(self, round: int) -> None:
        if round != self._round or self._stage != 1:
            return
        self._unwatch()
        self._stage = 2
        self._end_children()

    def _end_children(self) -> None:
        """Ends what lives below, and goes on when nothing lives there any more."""
        cell = self._cell
        if cell.children is not None:
            cell.children.end(cell.reason)
        if cell.children:
            cell.runtime.when_childless(cell, self._children_over)
        else:
            self._children_over()

    def _children_over(self) -> None:
        if self._stage == 2:
            self._stage = 3
            self._leave_all()

    def _leave_all(self) -> None:
        round = self._round
        self._watch(round, BLOCKED)
        self._cell.host.finish(self._cell, self._resource_steps(round), partial(self._over, round))

    def _over(self, round: int) -> None:
        if round == self._round and self._stage == 3:
            self._unwatch()
            self._stage = 4
            self._closed = True
            if self._ended is not None:
                self._ended()

    def drop(self) -> None:
        """The incarnation is gone. What is left by now was taken too late, or the runtime is lost: no coroutine can be
        awaited for it.
        """
        self._closed = True
        self._unwatch()
        self.cancel_tasks()
        for conclude in self.looks.copy().values():
            conclude()
        while (resource := self._take(self._round)) is not None:
            if resource.is_async:
                self._failed(resource, self._cell.runtime.stopped_error())
            else:
                self._leave(resource)

    # Threads that are stuck

    def _watch(self, round: int, graces: int) -> None:
        """Leaves the thread behind if its present step takes longer. Nothing on the loop, which cannot be left."""
        cell = self._cell
        if not self._hurried or not cell.host.blocks or round != self._round or self._stage not in (1, 3):
            return
        self._unwatch()
        runtime = cell.runtime
        self._limit = runtime.clock.call_at(
            runtime.now() + graces * runtime.kill_grace, partial(self._leave_thread, round)
        )

    def _unwatch(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None

    def _leave_thread(self, round: int) -> None:
        if round != self._round or self._stage not in (1, 3):
            return
        with self._lock:
            self._round += 1
        self._wake = None
        cell = self._cell
        cell.host.leave_behind(cell)
        if self._stage == 1:
            self.tasks.clear()  # they belong to the loop of that thread, which closes when it comes back
            self._tasks_over(self._round)
        else:
            self._leave_all()

    # The steps. On the host of the actor: each is a coroutine; what lies between two of them may block a thread.

    def _task_steps(self) -> Iterator[Coroutine[Any, Any, None]]:
        if self.tasks:
            yield self._end_tasks()

    def _resource_steps(self, round: int) -> Iterator[Coroutine[Any, Any, None]]:
        blocks, control_call = self._cell.host.blocks, self._cell.runtime.control_call
        while (resource := self._take(round)) is not None:
            if blocks:
                control_call(self._watch, round, BLOCKED if resource.is_async else 1)
            if resource.is_async:
                yield self._leave_async(resource)
            else:
                self._leave(resource)
        if self.tasks and round == self._round:
            yield self._end_tasks()

    def _take(self, round: int) -> Resource | None:
        with self._lock:
            return self._resources.pop() if self._resources and round == self._round else None

    async def _end_tasks(self) -> None:
        """Cancels the tasks and waits for their end. Those that begin meanwhile are cancelled, too."""
        for _ in range(ROUNDS):
            self.cancel_tasks()
            tasks = self._living()
            if not tasks:
                return
            await self._within_limits(tasks, cancelled=True)
        self._abandon(self._living())

    def _living(self) -> list[Task[Any]]:
        """Those of this loop. A task on another loop is cancelled, but cannot be awaited here."""
        loop = asyncio.get_running_loop()
        every = dict.fromkeys(self.tasks.copy().values())  # one that `create_task` made has two keys
        return [task for task in every if not task.done() and task.get_loop() is loop]

    async def _leave_async(self, resource: Resource) -> None:
        task = asyncio.get_running_loop().create_task(_awaited(resource, self._cause()))
        await self._within_limits([task], cancelled=False)
        if not task.done():
            return  # it was left behind, which the event says
        if not task.cancelled():
            self._judge(resource, task.exception())
        else:
            path, grace = self._cell.path, self._cell.runtime.kill_grace
            self._failed(resource, CleanupTimeout(path, resource.name, grace))

    def _leave(self, resource: Resource) -> None:
        error = None
        try:
            resource.leave(self._cause())
        except BaseException as raised:  # noqa: BLE001 - the end of one resource must not keep the others from theirs
            error = raised
        self._judge(resource, error)

    def _cause(self) -> BaseException | None:
        """The exception that leaves a context: that of the crash, a cancellation after a kill, None at an orderly
        end.
        """
        reason = self._cell.reason
        if isinstance(reason, Crashed):
            return reason.exception
        return None if reason.expected else CancelledError(str(reason))

    def _judge(self, resource: Resource, error: BaseException | None) -> None:
        if error is None:
            return
        hand_on(error)
        if isinstance(error, CancelledError):  # a context lets out what it was left with
            return
        reason = self._cell.reason
        if not (isinstance(reason, Crashed) and error is reason.exception):
            self._failed(resource, error)

    def _failed(self, resource: Resource, error: BaseException) -> None:
        cell = self._cell
        event = HookFailed(cell.path, cell.runtime.now(), self._incarnation, f"the end of {resource.name}", error)
        cell.runtime.events.publish(event)

    # Waiting within limits

    async def _within_limits(self, tasks: Sequence[Task[Any]], *, cancelled: bool) -> None:
        """Waits until these tasks have ended. In a hurry they have the grace of a kill, then they are cancelled, have
        the grace again, and are left behind.
        """
        grace = self._cell.runtime.kill_grace
        if not self._hurried:
            await self._wait(tasks, None)
            cancelled = self._cancel_those(tasks)
        elif not cancelled:
            await self._wait(tasks, grace)
            cancelled = self._cancel_those(tasks)
        if cancelled:
            await self._wait(tasks, grace)
        self._abandon([task for task in tasks if not task.done()])

    @staticmethod
    def _cancel_those(tasks: Sequence[Task[Any]]) -> bool:
        for task in tasks:
            task.cancel()
        return True

    def _abandon(self, tasks: Sequence[Task[Any]]) -> None:
        runtime, path = self._cell.runtime, self._cell.path
        for task in tasks:
            runtime.abandoned += 1
            runtime.left_tasks.add(task)
            what = f"task {task.get_name()!r}"
            runtime.events.publish(Abandoned(path, runtime.now(), what, self._incarnation))
        left = set(tasks)
        for key in [key for key, task in self.tasks.copy().items() if task in left]:
            self.tasks.pop(key, None)

    async def _wait(self, tasks: Sequence[Task[Any]], seconds: float | None) -> None:
        """Returns when all have ended or the time is up; without a time, also when this has to hurry."""
        left = [task for task in tasks if not task.done()]
        if not left:
            return
        loop, runtime = asyncio.get_running_loop(), self._cell.runtime
        woken = loop.create_future()

        def wake(*_: object) -> None:
            if not woken.done():
                woken.set_result(None)

        def ended(_: object) -> None:
            if all(task.done() for task in left):
                wake()

        for task in left:
            task.add_done_callback(ended)
        timer: TimerHandle | None = None
        if seconds is None:
            self._wake = partial(loop.call_soon_threadsafe, wake)
            if self._hurried:
                wake()
        elif loop is runtime.loop:
            timer = runtime.clock.call_at(runtime.now() + seconds, wake)
        else:
            timer = loop.call_later(seconds, wake)
        try:
            await woken
        finally:
            self._wake = None
            if timer is not None:
                timer.cancel()
            for task in left:
                task.remove_done_callback(ended)


async def _awaited(resource: Resource, error: BaseException | None) -> None:
    await resource.leave(error)
