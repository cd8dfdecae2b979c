"""The settings of an engine: its workflows, and its options."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from supervisors.spi import SpecError
from teams._journal.codec import LIMIT, encode
from teams._journal.rows import Definition, RunRow, lasting, new_run_id
from teams._runs.pattern import Pattern
from teams.workflows._graph.edit import KnownNames
from teams.workflows._graph.file import workflow_from
from teams.workflows._graph.workflow import Workflow, location
from teams.workflows._run.code import CodeWorkflow
from teams.workflows._run.routing import Routing
from teams.workflows._time.schedule import WorkflowSchedule
from teams.workflows.errors import AgentMissing, Diverged

DAY = 86_400.0
RETAIN: Mapping[str, float | None] = {
    "done": 30 * DAY,
    "failed": 90 * DAY,
    "cancelled": 30 * DAY,
    "continued": 30 * DAY,
}
"""Seconds for which ended runs are kept, by their state."""


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """The settings of an engine."""

    workflows: Mapping[str, Pattern]
    patterns: Mapping[str, Pattern]
    max_concurrent_workflows: int
    default_timeout: float | None
    retain: Mapping[str, float | None]
    schedules: Mapping[str, WorkflowSchedule] = field(default_factory=dict)
    tracing: bool = False
    max_value_bytes: int = LIMIT
    """The most bytes of an input, a result and a signal, as JSON."""
    names: KnownNames | None = None
    """The names that the steps of an edit may use; None: they are not known."""
    _stored: dict[str, tuple[str, bytes]] = field(default_factory=dict, repr=False, compare=False)
    """The version and the text of each workflow that was asked for."""

    def version(self, name: str) -> str:
        """The version of a workflow, by which its runs are pinned."""
        return self._as_stored(name)[0]

    def _as_stored(self, name: str) -> tuple[str, bytes]:
        found = self._stored.get(name)
        if found is None:
            pattern = self.workflows[name]
            text = pattern.body if isinstance(pattern, Workflow | CodeWorkflow) else _text(pattern)
            body = text.encode("utf-8", "surrogatepass")
            found = self._stored[name] = (hashlib.sha256(body).hexdigest(), body)
        return found

    def definition(self, name: str, now: int) -> Definition:
        """The workflow as it is stored with its runs."""
        return Definition(name, *self._as_stored(name), now)

    def restored(self, run: str, stored: Definition) -> Pattern:
        """The workflow of a run that began with another version.

        Raises:
            Diverged: it is or was a pattern, and only its code says what it did
            AgentMissing: a function that it names cannot be imported any more
        """
        pattern = self.workflows[stored.workflow]
        if isinstance(pattern, CodeWorkflow):
            return pattern  # its steps are compared one by one, as it comes to them
        changed = Diverged(run, stored.workflow, f"version {stored.version[:12]}", self.version(stored.workflow)[:12])
        if not isinstance(pattern, Workflow):
            raise changed
        try:
            document = json.loads(stored.body)
        except ValueError:  # the text of a pattern
            raise changed from None
        try:
            return workflow_from(document)
        except SpecError as error:
            what = f"code that version {stored.version[:12]} of workflow {stored.workflow!r} names ({error.faults[0]})"
            raise AgentMissing(run, what) from error

    def timeout(self, pattern: Pattern, given: float | None) -> float | None:
        """Seconds for a run."""
        if given is not None:
            return given
        own = pattern.timeout if isinstance(pattern, Workflow | CodeWorkflow | Routing) else None
        return self.default_timeout if own is None else own

    def total(self, pattern: Pattern) -> int | None:
        """The number of steps of a run, as far as that is known."""
        return len(pattern.graph.nodes) if isinstance(pattern, Workflow) else None

    @staticmethod
    def owned(row: RunRow, epoch: int, now: int) -> RunRow:
        """A new run that is awake at once."""
        return row._replace(owner=epoch, epoch=epoch, state="running", started_at=now, waiting_for=None)

    new_id = staticmethod(new_run_id)


def microseconds(wall: Callable[[], float]) -> Callable[[], int]:
    """A clock in UTC microseconds, from one in seconds since the epoch."""
    return lambda: round(wall() * 1e6)


def run_row(
    id: str,
    workflow: str,
    version: str,
    input: bytes,
    now: int,
    *,
    key: str | None = None,
    priority: int = 0,
    timeout: float | None = None,
    total: int | None = None,
    attributes: Mapping[str, Any] | None = None,
    parent: str | None = None,
    parent_step: str | None = None,
) -> RunRow:
    """The row of a run that waits for an engine to take it up. `now` is in microseconds, `timeout` in seconds."""
    return RunRow(
        id=id,
        workflow=workflow,
        version=version,
        key=key,
        parent=parent,
        parent_step=parent_step,
        state="created",
        waiting_for="a slot",
        priority=priority,
        input=input,
        result=None,
        error=None,
        attributes=None if attributes is None else encode(dict(attributes)),
        created_at=now,
        started_at=None,
        ended_at=None,
        deadline=None if timeout is None else now + lasting(timeout),
        wake_at=None,
        retain_until=None,
        owner=None,
        epoch=0,
        seq=0,
        total=total,
        trace=None,
    )


def _text(value: object) -> str:
    """A pattern as text, with functions by where they are defined."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = ", ".join(f"{each.name}={_text(getattr(value, each.name))}" for each in dataclasses.fields(value))
        return f"{type(value).__qualname__}({fields})"
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_text, value))}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key!r}: {_text(each)}" for key, each in value.items()) + "}"
    if isinstance(value, Callable):  # type: ignore[arg-type]
        return location(value)
    return repr(value)
