"""Runs that steps start, and that go on by themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from teams._runs.context import RunContext
from teams.workflows._run.keeper import DurableKeeper
from teams.workflows._run.names import unkeyed
from teams.workflows.errors import AgentMissing


class DetachedRun(NamedTuple):
    """A run that a step starts."""

    workflow: str
    input: object
    key: str
    """The same for each attempt at the step, so that there is one run."""
    priority: int
    parent: str
    parent_step: str


def starting(
    keeper: DurableKeeper, run: RunContext, workflow: str, name: str, priority: int | None
) -> Callable[[object], Any]:
    """What a step of this name does that starts a run of a workflow. The result is the id of that run."""
    step, _ = unkeyed(run.key(name))

    async def start(value: object) -> str:
        if workflow not in keeper.workflows:
            raise AgentMissing(run.run, f"workflow {workflow!r}")
        urgency = keeper.row.priority if priority is None else priority
        return await keeper.starts(DetachedRun(workflow, value, f"{run.run}/{step}", urgency, run.run, step))

    start.__name__ = f"start {workflow}"
    return start
