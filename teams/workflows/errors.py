"""Every error the workflows raise. Each is typed and picklable; its text names the place and says what to do. Other
bases stand in brackets::

    WorkflowError (TeamError)
      BadExpression (ValueError)
      NotComparable (TypeError)
      MissingValue (LookupError)
      GraphError (ValueError)
        UnknownDependency
        CircularDependency
"""

from __future__ import annotations

from typing import dataclass_transform

from actors.spi import cut, shown
from teams.errors import TeamError

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
