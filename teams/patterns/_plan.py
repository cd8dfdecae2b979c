"""Plans: the subtasks of a leader, and their targets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from supervisors.spi import SpecFault
from teams._checks.fields import refuse
from teams._dispatch.gather import Failed
from teams._runs.pattern import Target, label, target_faults


@dataclass(frozen=True, slots=True)
class Subtask:
    """A part of a task."""

    work: object
    to: Target | None = None
    """The target. None: any member, where the pattern allows that (`hybrid`)."""
    name: str | None = None
    """Its name in events and results; by default that of the target."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Returned by a leader that has others do the work: all subtasks at once."""

    subtasks: tuple[Subtask, ...] = ()

    def __init__(self, subtasks: Iterable[Subtask] = ()) -> None:
        object.__setattr__(self, "subtasks", tuple(subtasks))


@dataclass(frozen=True, slots=True)
class Synthesis:
    """Asks a leader to make one result of what others did."""

    task: object
    """The question that the leader was asked."""
    results: Mapping[str, object] = field(default_factory=dict)
    """By subtask, in the order of the plan."""
    failures: Mapping[str, Failed] = field(default_factory=dict)
    unanswered: tuple[str, ...] = ()
    """Those that were called off, because the others were enough or the time was up."""


def named_subtasks(plan: Plan, anybody: Target | None) -> dict[str, tuple[Target, object]]:
    """The subtasks by name, with who does each. Raises SpecError with every fault."""
    faults: list[SpecFault] = []
    found: dict[str, tuple[Target, object]] = {}
    used: dict[str, int] = {}
    for number, each in enumerate(plan.subtasks, 1):
        if not isinstance(each, Subtask):
            faults.append(SpecFault(f"subtask {number}", f"must be a Subtask, got {each!r}"))
            continue
        to = anybody if each.to is None else each.to
        if to is None:
            faults.append(SpecFault(f"subtask {number}", "names no target"))
            continue
        faults += target_faults(f"subtask {number}", to)
        name = (each.name or label(to)).replace("/", "_")
        used[name] = used.get(name, 0) + 1
        found[name if used[name] == 1 else f"{name}#{used[name]}"] = to, each.work
    refuse(faults)
    return found
