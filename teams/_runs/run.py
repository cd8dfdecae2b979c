"""A run: the actor that plays a pattern. A child of the team, restarted after a crash until the pattern has ended."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from actors.spi import Actor, ActorDeadError, ActorRef, ExitReason, finish, when_gone
from supervisors.spi import Concluded
from teams._dispatch.messages import EndRun
from teams._members.results import Outcome
from teams._runs.context import RunContext
from teams._runs.interrupt import is_interrupt
from teams._runs.pattern import Pattern, label
from teams._runs.state import RunState, cancelled
from teams.errors import RunCancelled, RunError, RunFailed
from teams.events import RunBegan, RunEnded


class Run(Actor):
    """Plays the pattern of a record before any message, and ends with the pattern."""

    def __init__(self, record: RunState) -> None:
        self.record = record

    async def on_continue(self) -> None:
        await self.play()
        finish(self)

    async def play(self) -> Outcome:
        """Plays the pattern from its beginning, and settles the record."""
        record = self.record
        coordinator = self.coordinator
        task = record.task = asyncio.current_task()
        record.path = self.path
        if record.began is None:
            record.began = self.runtime.now()
            record.publish(RunBegan, record.began, label(record.pattern))
        try:
            if record.cancelled is not None:
                raise cancelled(record)
            result = await record.pattern.play(RunContext(record, coordinator), record.value)
            outcome = Outcome(result)
        except (RunCancelled, RunFailed) as error:
            outcome = Outcome(error=error)
        except BaseException as error:  # a pattern that failed would fail again
            if not is_interrupt(error, task):
                outcome = Outcome(error=RunFailed(record.id, error, record.partial))
            elif isinstance(error, asyncio.CancelledError) and record.cancelled is not None and task is not None:
                task.uncancel()
                outcome = Outcome(error=cancelled(record))
            else:
                raise
        finally:
            record.task = None
        if coordinator.is_alive():
            coordinator.tell(EndRun(record.id, "its run has ended"))
        now = self.runtime.now()
        record.publish(RunEnded, now, now - record.began, outcome.error)
        record.settle(outcome)
        return outcome

    @property
    def team(self) -> str:
        """The path of the team."""
        return self.path.rpartition("/runs/")[0]

    @property
    def coordinator(self) -> ActorRef[Any]:
        """The coordinator of the team. Raises RunError."""
        found = self.runtime.find(f"{self.team}/coordinator")
        if found is None:
            raise RunError()
        return found


class GoalRun(Run):
    """The run of the goal of a team. When it has its result, the team ends. A failure crashes this actor, which is then
    restarted: steps that are done stay done, steps that failed are tried again.
    """

    def __init__(self, pattern: Pattern, value: object) -> None:
        record = self.kept(_KeptRun)
        if record.record is None:
            record.record = RunState(f"goal-{self.runtime.next_number()}", pattern, value, self.runtime)
            when_gone(self, partial(broken, record.record, self.path))
        super().__init__(record.record)
        self.publish_view(record.record)

    async def on_continue(self) -> None:
        self.record.forgive()
        outcome = await self.play()
        if isinstance(outcome.error, RunFailed):
            raise outcome.error
        if outcome.error is None:
            self.runtime.events.publish(Concluded(self.path, self.runtime.now(), outcome.value))
        finish(self)

    @property
    def team(self) -> str:
        return self.path.rpartition("/")[0]


class _KeptRun:
    def __init__(self) -> None:
        self.record: RunState | None = None


def broken(record: RunState, path: str, reason: ExitReason) -> None:
    """The run has terminated, or could not start."""
    if record.ended:
        return
    if record.cancelled is not None:
        record.settle(Outcome(error=cancelled(record)))
    else:
        record.settle(Outcome(error=RunFailed(record.id, ActorDeadError(path, reason, record.value), record.partial)))
