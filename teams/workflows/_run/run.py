"""A durable run: the actor that plays the pattern of a run of an engine, whose keeper writes down what it does.

Restarted after a crash until the run has ended. It leaves when the run is parked, blocked, paused or lost; the row of
the run says what it waits for, and an engine takes it up again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

from actors.spi import TEXT, Actor, ActorDeadError, ActorRef, described, finish, sleep
from supervisors.spi import SupervisorRef
from teams._dispatch.ask import asked
from teams._dispatch.messages import AwaitPart, EndRun
from teams._journal.codec import decode, encode, recorded
from teams._journal.errors import NotStorable, RecordedError
from teams._journal.rows import new_run_id
from teams._members.results import Outcome
from teams._runs.context import RunContext
from teams._runs.interrupt import is_interrupt
from teams._runs.pattern import Pattern
from teams._runs.state import RunState, cancelled
from teams.errors import RunCancelled, RunError, RunFailed, StepFailed
from teams.events import RunBegan, RunEnded, RunEvent
from teams.workflows._graph.workflow import Workflow
from teams.workflows._run.continuing import ContinueAsNew
from teams.workflows._run.deadline import Deadline, Looks
from teams.workflows._run.keeper import DurableKeeper
from teams.workflows._run.names import unkeyed
from teams.workflows._run.past import Undoable
from teams.workflows._run.values import written
from teams.workflows.errors import AgentMissing, Blocked, RunTimeout, UndoFailed
from teams.workflows.events import RunBlocked, RunCancelling, RunContinued, RunStepUndone

TEAM_LOOK = 0.1
"""Seconds between two looks whether a team is up again."""
UNDO_TRIES = 5
"""How often an undo is tried."""


class Live:
    """A run that is awake in this process."""

    __slots__ = ("keeper", "looks", "record")

    def __init__(self, record: RunState, keeper: DurableKeeper, looks: Looks) -> None:
        self.record = record
        self.keeper = keeper
        self.looks = looks
        """At the time limits of runs."""

    def let_go(self) -> None:
        """The run is awake no more, and its actor has terminated. What it had is freed at once, and not when the
        garbage collector finds the cycle through the ref of the actor, which keeps the arguments of the actor.
        """
        self.keeper.let_go()
        del self.record, self.keeper

    def waiting(self, now: int, least: float) -> tuple[str, int | None] | None:
        """What the run waits for, and until when; None: it does something, or goes on within `least` seconds."""
        waiting = self.keeper.waiting
        if not waiting or self.record.future.done() or self.record.task is None:
            return None
        for step in self.record.under_way:
            if step not in waiting and not any(each.startswith(f"{step}/") for each in waiting):
                return None
        times = [each.until for each in waiting.values() if each.until is not None]
        if self.keeper.deadline is not None:
            times.append(self.keeper.deadline)
        wake_at = min(times, default=None)
        if wake_at is not None and wake_at - now <= least * 1e6:
            return None
        return "; ".join(sorted({each.for_what for each in waiting.values()})), wake_at


class DurableRun(Actor):
    """Plays a run."""

    only_host = "loop"

    def __init__(self, home: str, live: Live) -> None:
        """`home` is the path of the engine."""
        self._home = home
        self._record = live.record
        self._keeper = live.keeper
        self._looks = live.looks
        self._coordinators: dict[str, ActorRef[Any]] = {}
        self._keeper.attach(self.coordinator)

    async def on_continue(self) -> None:
        record, keeper = self._record, self._keeper
        if not keeper.take_part(self.ref):
            finish(self)
            return
        record.path = self.path
        if record.began is None:
            record.began = self.runtime.now()
            self._tell(RunBegan, record.began, keeper.row.workflow)
        try:
            context = RunContext(record, await self.coordinator("agents"))
            outcome = await self._played(context)
            if outcome.error is not None:
                context.call_off("", "its run has failed" if record.cancelled is None else "its run was cancelled")
                outcome = await self._undone(context, outcome)
            await self._end(context, outcome)
        except Blocked as error:
            keeper.set_aside()
            keeper.update(state="blocked", waiting_for=str(error), wake_at=None, owner=None)
            self._tell(RunBlocked, self.runtime.now(), error)
            await keeper.written()
        finish(self)

    async def coordinator(self, team: str) -> ActorRef[Any]:
        """The coordinator of a team of the engine, as soon as it is up. Raises AgentMissing."""
        path = f"{self._home}/{team}"
        found = self.runtime.find(f"{path}/coordinator")
        while found is None or not found.is_alive():
            engine = self.runtime.find(self._home)
            if isinstance(engine, SupervisorRef) and all(each.id != team for each in await engine.which_children()):
                raise AgentMissing(self._record.id, f"team {team!r}")
            home = self.runtime.find(path)
            if home is None or not home.is_alive():
                await sleep(TEAM_LOOK)  # it is being started again
                found = self.runtime.find(f"{path}/coordinator")
                continue
            try:
                found = await asked(home, AwaitPart("coordinator"))
            except ActorDeadError:
                found = None
        self._coordinators[team] = found
        return found

    async def _played(self, context: RunContext) -> Outcome:
        record, task = self._record, asyncio.current_task()
        record.task = task
        try:
            if record.cancelled is not None:
                raise cancelled(record)
            async with Deadline(record, self._keeper, self._looks):
                return Outcome(await record.pattern.play(context, record.value))
        except Blocked:
            raise
        except ContinueAsNew as again:
            return Outcome(again) if record.cancelled is None else Outcome(error=cancelled(record))
        except BaseException as error:  # a pattern that failed would fail again
            if record.cancelled is not None and (isinstance(error, asyncio.CancelledError) or is_cancelled(error)):
                if task is not None and task.cancelling():
                    task.uncancel()
                return Outcome(error=cancelled(record))
            if is_interrupt(error, task):
                raise
            if isinstance(error, RunTimeout | RunCancelled):
                return Outcome(error=error)
            return Outcome(error=RunFailed(record.id, error, record.partial))
        finally:
            record.task = None

    # Undoing

    async def _undone(self, context: RunContext, outcome: Outcome) -> Outcome:
        """Undoes what was done, last first, if the run was cancelled or failed in a step that says so."""
        keeper, record, error = self._keeper, self._record, outcome.error
        assert error is not None
        if not keeper.undos or not (record.cancelled is not None or keeper.undoing) or keeper.undo_nothing:
            return outcome
        if keeper.row.state != "cancelling":
            keeper.update(state="cancelling", waiting_for="what was done is undone")
            if record.cancelled is None:
                self._tell(RunCancelling, self.runtime.now(), str(error))
        left = [each.step for each in reversed(list(keeper.undos)) if not await self._undo(context, each)]
        if left:
            return Outcome(error=UndoFailed(record.id, tuple(left), error))
        return outcome

    async def _undo(self, context: RunContext, undo: Undoable) -> bool:
        flow, _, node = undo.node.rpartition("/")
        found = next((each for each in _workflows(self._record.pattern) if each.name == flow), None)
        definition = found or self._keeper.workflows.get(flow)
        if not isinstance(definition, Workflow) or node not in definition.graph:
            raise AgentMissing(self._record.id, f"step {undo.node!r}, which was done and is undone")
        target = definition.graph[node].undo
        assert target is not None
        for attempt in range(1, UNDO_TRIES + 1):
            try:
                await context.do(target, undo.value, name=f"{undo.step}/undo" + ("" if attempt == 1 else f"~{attempt}"))
            except RunError:
                if attempt < UNDO_TRIES:
                    await sleep(min(30.0, 2.0**attempt))
            else:
                self._tell(RunStepUndone, self.runtime.now(), undo.step)
                return True
        return False

    # The end

    async def _end(self, context: RunContext, outcome: Outcome) -> None:
        record, keeper = self._record, self._keeper
        if keeper.has_ended:  # an earlier incarnation of this actor, which crashed before it was written
            await keeper.written()
            record.settle(outcome)
            return
        body: bytes | None = None
        again = outcome.value if isinstance(outcome.value, ContinueAsNew) else None
        if again is not None:
            outcome = Outcome(None)
            context.call_off("", "its run goes on in another one")
        elif outcome.error is None:
            try:
                body, value = written(outcome.value, getattr(record.pattern, "returns", None), keeper.max_value_bytes)
                outcome = Outcome(value)
            except NotStorable as error:
                outcome = Outcome(error=RunFailed(record.id, StepFailed(record.id, "(result)", error), record.partial))
        if again is not None:
            following = new_run_id(round(self.runtime.clock.wall() * 1e6), self.runtime.random)
            now_known = keeper.workflows.get(keeper.row.workflow)
            keeper.continued(following, again, now_known if isinstance(now_known, Workflow) else None)
            self._tell(RunContinued, self.runtime.now(), following)
        elif outcome.error is None:
            keeper.ended("done", body, None)
        else:
            keeper.ended("failed" if record.cancelled is None else "cancelled", None, failure(outcome.error))
        now = self.runtime.now()
        assert record.began is not None
        self._tell(RunEnded, now, now - record.began, outcome.error)
        await keeper.written()
        for each in self._coordinators.values():
            if each.is_alive():
                each.tell(EndRun(record.id, "its run has ended"))
        record.settle(outcome)

    def _tell(self, kind: type[RunEvent], at: float, *values: object) -> None:
        self._record.publish(kind, at, *values)


def _workflows(target: object) -> Iterator[Workflow]:
    """The workflows of a pattern: itself, and those inside it."""
    if isinstance(target, Workflow):
        yield target
    if isinstance(target, Pattern):
        for part in target.parts():
            yield from _workflows(part)


def is_cancelled(error: BaseException) -> bool:
    """Whether a step failed because its run was cancelled."""
    while isinstance(error, RunError):
        cause = error.__cause__
        if cause is None:
            return False
        error = cause
    return isinstance(error, asyncio.CancelledError)


def failure(error: BaseException) -> bytes:
    """The error of a run as it is written down."""
    cause = error
    while isinstance(cause, RunFailed | StepFailed) and isinstance(cause.error, Exception):
        cause = cause.error
    step = next((each.step for each in _chain(error) if isinstance(each, StepFailed)), None)
    if isinstance(error, RunCancelled):
        text = error.reason
    elif isinstance(error, RunFailed) and step is not None:
        what = cause.describe() if isinstance(cause, RecordedError) else described(cause, TEXT)
        step, attempt = unkeyed(step)
        text = f"step {step} failed{'' if attempt == 1 else f' in attempt {attempt}'}: {what}"
    else:
        text = str(error)
    return encode({"type": type(error).__name__, "text": text, "step": step, "cause": decode(recorded(cause))})


def _chain(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = [error]
    while found[-1].__cause__ is not None and len(found) < 20:
        found.append(found[-1].__cause__)
    return found
