"""Every error the workflows raise. Each is typed and picklable; its text names the place and says what to do. Other
bases stand in brackets::

    WorkflowError (TeamError)
      BadExpression (ValueError)
      NotComparable (TypeError)
      MissingValue (LookupError)
      GraphError (ValueError)
        UnknownDependency
        CircularDependency
      BadInput (ValueError)
      FanOutTooLarge (ValueError)
      TooManyEntries
      NeedsEngine
      SignalLate (TimeoutError)
      NoRoute (LookupError)
      TakenOver
      NoSuchRun (LookupError)
      NoSuchStep (LookupError)
      NoSuchWorkflow (LookupError)
      KeyTaken
      AlreadyEnded
      NotEnded
      AlreadyAnswered
      NoOpenQuestion (LookupError)
      NoSuchSchedule (LookupError)
      BadBackfill (ValueError)
      NotAnOption (ValueError)
      CannotMove
      CannotEdit (ValueError)
      AlreadyBegun
    RunTimeout (RunError, TimeoutError)
    UndoFailed (RunError)
    Blocked (RunError)
      AgentMissing
      Uncertain
      Diverged
    ScoringFailed (RunError)
    QualityTooLow (RunError)
    RunFailure (RunError)
"""

from __future__ import annotations

from datetime import datetime
from typing import dataclass_transform

from actors.spi import TEXT, cut, described, shown
from teams.errors import RunError, TeamError

_AROUND = 60
"""Characters of a condition that are shown on each side of the fault."""


@dataclass_transform(eq_default=False)  # a type checker sees the fields as arguments
class WorkflowError(TeamError):
    """Base of all errors of workflows."""


class BadExpression(WorkflowError, ValueError):
    """A condition, a reference or a string with references cannot be parsed. `position` counts characters from 0."""

    text: str
    position: int
    why: str

    def describe(self) -> str:
        begin = max(0, self.position - _AROUND)
        window = "".join(each if each.isprintable() else " " for each in self.text[begin : self.position + _AROUND])
        return f"{self.why} (at character {self.position + 1})\n  {window}\n  {' ' * (self.position - begin)}^"


class NotComparable(WorkflowError, TypeError):
    """A condition compares values that have no such comparison, such as a string with a number."""

    op: str
    left: object
    right: object

    def describe(self) -> str:
        if self.op == "size":
            return f"size() needs a string, a list or a mapping, got {shown(self.left)}"
        return (
            f"{shown(self.left)} {self.op} {shown(self.right)} cannot be decided: {type(self.left).__name__} and "
            f"{type(self.right).__name__} have no such comparison"
        )


class MissingValue(WorkflowError, LookupError):
    """A reference in the input of a step leads to no value."""

    ref: str

    def describe(self) -> str:
        return f"{self.ref} leads to no value; mend the reference, or leave the step out with has({self.ref})"


# Graphs


class GraphError(WorkflowError, ValueError):
    """Base of the faults of a graph."""


class UnknownDependency(GraphError):
    """A step depends on a step that the workflow does not have."""

    step: str
    name: str
    by: str
    """What makes the dependency: "after", or the reference."""
    hint: str
    """The nearest name, or those that there are."""

    def describe(self) -> str:
        return f"{cut(self.by)}: {cut(self.name)!r} is not a step of the workflow; {self.hint}"


class CircularDependency(GraphError):
    """Steps depend on each other in a cycle. `path` begins and ends with the same step, each needs the next one."""

    path: tuple[str, ...]
    made_by: tuple[str, ...]
    """What makes each of the dependencies: `after`, the order of the chain, or the reference."""

    def describe(self) -> str:
        ways = ", ".join(
            f"{step} needs {needed} ({by})"
            for step, needed, by in zip(self.path, self.path[1:], self.made_by, strict=False)
        )
        return f"the steps depend on each other in a cycle, {' -> '.join(self.path)}: {ways}"


# Runs of an engine


class BadInput(WorkflowError, ValueError):
    """The input of a run is not what the workflow takes. Nothing was started."""

    workflow: str
    faults: tuple[str, ...]

    def describe(self) -> str:
        return f"the input of workflow {self.workflow!r} is not what it takes: {'; '.join(self.faults)}"


class FanOutTooLarge(WorkflowError, ValueError):
    """A step with `each` has too many items."""

    run: str
    step: str
    items: int
    limit: int

    def describe(self) -> str:
        return f"step {self.step} of {self.run} has {self.items} items, the limit is {self.limit}: hand on larger items"


class TooManyEntries(WorkflowError):
    """The journal of a run is as long as it may be: no step begins any more, and the run fails."""

    run: str
    limit: int

    def describe(self) -> str:
        return (
            f"run {self.run} has {self.limit} entries in its journal, and no run may have more. Divide the work into "
            "several runs, or go on in a new one with continue_as_new"
        )


class NeedsEngine(WorkflowError):
    """A step of a workflow needs an engine, and a team plays it."""

    workflow: str
    step: str

    def describe(self) -> str:
        return (
            f"step {self.step!r} of workflow {self.workflow!r} needs what only a run of an engine has: give the "
            "workflow to engine(), and start it there (as a step of another workflow it cannot end the run)"
        )


class SignalLate(WorkflowError, TimeoutError):
    """What a step waited for did not come in time."""

    run: str
    step: str
    what: str
    seconds: float

    def describe(self) -> str:
        return f"step {self.step} of {self.run}: {self.what} did not come within {self.seconds:g} s"


class RunTimeout(RunError, TimeoutError):
    """A run did not end in time. `partial` has the results until then."""

    run: str
    partial: dict[str, object]

    def describe(self) -> str:
        return f"{self.run} did not end in time, with {len(self.partial)} steps done"


class UndoFailed(RunError):
    """A run ended, and steps that were done could not be undone. `error` says why the run ended, and is the cause."""

    run: str
    steps: tuple[str, ...]
    error: BaseException

    def describe(self) -> str:
        return f"{self.run} could not undo {', '.join(self.steps)}, after: {described(self.error, TEXT)}"


class Blocked(RunError):
    """Base of what a run cannot decide by itself: it waits for `resume`, and nothing is lost."""


class AgentMissing(Blocked):
    """A run names a team, workflow or pattern that the engine does not have."""

    run: str
    name: str

    def describe(self) -> str:
        return f"{self.run}: the engine has no {self.name}. Give it to engine(), and resume the run"


class Uncertain(Blocked):
    """A step with effects="at_most_once" had begun when its process died. It may have had its effect."""

    run: str
    step: str

    def describe(self) -> str:
        return (
            f"{self.run}: step {self.step} had begun when its process died, and may be done once at most. Look whether "
            "it was done, and resume the run with accept_changes, which begins it again"
        )


class Diverged(Blocked):
    """The code of a run has changed under it: a step that is done has another name, target or input now."""

    run: str
    step: str
    was: str
    now: str

    def describe(self) -> str:
        return (
            f"{self.run}: step {self.step} was {self.was} and is {self.now} now. Nothing was done; bring back the code "
            "that it began with and resume the run, or resume it with accept_changes"
        )


class ScoringFailed(RunError):
    """The result of a step could not be scored: a scorer failed, or said anything but a number from 0 to 1."""

    run: str
    step: str
    domain: str
    faults: tuple[str, ...]

    def describe(self) -> str:
        return (
            f"the result of step {self.step} of {self.run} has no scores of {self.domain}: {'; '.join(self.faults)}. "
            "Mend the scorer"
        )


class QualityTooLow(RunError):
    """The result of a step is not good enough. `last` is the last result, `rounds` says how often it was done."""

    run: str
    step: str
    domain: str
    score: float
    threshold: float
    scores: dict[str, float]
    low: tuple[str, ...]
    """The criteria below their thresholds."""
    missing: tuple[str, ...]
    """The criteria without a score."""
    rounds: int
    last: object

    def describe(self) -> str:
        rounds = "1 round" if self.rounds == 1 else f"{self.rounds} rounds"
        parts = (("below their thresholds", self.low), ("without a score", self.missing))
        more = "".join(f"; {what}: {', '.join(names)}" for what, names in parts if names)
        return (
            f"the result of step {self.step} of {self.run} is too low after {rounds}: {self.score:g} of "
            f"{self.threshold:g} in {self.domain}{more}"
        )


class NoRoute(WorkflowError, LookupError):
    """No rule of a routing fits the work."""

    routing: str
    work: object

    def describe(self) -> str:
        return f"no rule of {self.routing!r} fits {shown(self.work)}: add a rule with the condition 'default'"


class TakenOver(WorkflowError):
    """Another engine has taken the run over."""

    run: str

    def describe(self) -> str:
        return f"{self.run} belongs to another engine now"


class NoSuchRun(WorkflowError, LookupError):
    """The store has no run with this id."""

    run: str

    def describe(self) -> str:
        return f"there is no run {self.run!r}"


class NoSuchStep(WorkflowError, LookupError):
    """No step with this id has begun in the run."""

    run: str
    step: str
    known: tuple[str, ...]

    def describe(self) -> str:
        return f"no step {self.step!r} has begun in {self.run} (begun: {', '.join(self.known) or 'none'})"


class NoSuchWorkflow(WorkflowError, LookupError):
    """The engine has no workflow with this name."""

    workflow: str
    known: tuple[str, ...]

    def describe(self) -> str:
        return f"there is no workflow {self.workflow!r} (known: {', '.join(self.known) or 'none'})"


class KeyTaken(WorkflowError):
    """A run of this workflow has the key already, with another input."""

    workflow: str
    key: str
    run: str

    def describe(self) -> str:
        return f"run {self.run} of workflow {self.workflow!r} has the key {self.key!r}, with another input"


class AlreadyEnded(WorkflowError):
    """The run has ended."""

    run: str
    state: str

    def describe(self) -> str:
        return f"{self.run} has ended: {self.state}"


class NotEnded(WorkflowError):
    """The run has not ended, so it cannot be tried again."""

    run: str
    state: str

    def describe(self) -> str:
        return f"{self.run} has not ended, it is {self.state}: resume it, or cancel it first"


class AlreadyAnswered(WorkflowError):
    """The question has its answer."""

    run: str
    step: str
    by: str
    at: datetime
    """When, in UTC."""

    def describe(self) -> str:
        when = self.at.isoformat(timespec="seconds")
        return f"the question of step {self.step} of {self.run} was answered by {self.by} at {when}"


class NoOpenQuestion(WorkflowError, LookupError):
    """The run does not ask this."""

    run: str
    step: str
    open: tuple[str, ...]

    def describe(self) -> str:
        return f"{self.run} asks nothing in step {self.step!r} (open questions: {', '.join(self.open) or 'none'})"


class NoSuchSchedule(WorkflowError, LookupError):
    """The store has no schedule with this id."""

    schedule: str
    known: tuple[str, ...]

    def describe(self) -> str:
        return f"there is no schedule {self.schedule!r} (known: {', '.join(self.known) or 'none'})"


class BadBackfill(WorkflowError, ValueError):
    """The slots of a schedule cannot be filled in like this. Nothing was started."""

    schedule: str
    why: str

    def describe(self) -> str:
        return f"backfill of schedule {self.schedule!r}: {self.why}"


class NotAnOption(WorkflowError, ValueError):
    """The answer is none of the options."""

    run: str
    step: str
    answer: object
    options: tuple[str, ...]

    def describe(self) -> str:
        return f"{shown(self.answer)} does not answer step {self.step} of {self.run}: choose {', '.join(self.options)}"


class CannotMove(WorkflowError):
    """A run cannot go on with another version of its workflow. Nothing was changed."""

    run: str
    version: str
    why: tuple[str, ...]

    def describe(self) -> str:
        return f"{self.run} cannot be moved to version {self.version[:12]}: {'; '.join(self.why)}"


class CannotEdit(WorkflowError, ValueError):
    """What would come of an edit has faults. Nothing was changed."""

    run: str
    faults: tuple[str, ...]
    """Each with its step."""

    def describe(self) -> str:
        return f"{self.run} cannot be edited so: {'; '.join(self.faults)}"


class AlreadyBegun(WorkflowError):
    """An edit would change steps that have begun, or what they needed. Nothing was changed."""

    run: str
    steps: tuple[str, ...]

    def describe(self) -> str:
        names = ", ".join(map(repr, self.steps))
        return f"{self.run} cannot be edited so: {names} would change, and what has begun does not change"


class RunFailure(RunError):
    """A run of an engine failed: what the store knows of it. `cause` is the recorded error."""

    run: str
    state: str
    text: str
    step: str | None

    def describe(self) -> str:
        return f"{self.run} is {self.state}: {self.text}"
