"""A stage of a pipeline: a step that many items go through."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from teams._checks.fields import count_faults, refuse
from teams._runs.pattern import Target, several_faults
from teams._runs.step import OnFailure, Step, step_faults


@dataclass(frozen=True, slots=True)
class Stage(Step):
    """A step, and how many items may be in it at once."""

    parallel: int = 1


def stage(
    name: str,
    target: Target,
    *,
    parallel: int = 1,
    timeout: float | None = None,
    on_failure: OnFailure = "stop",
    attempts: int = 1,
    priority: int | None = None,
    fallback: Sequence[Target] = (),
    when: Callable[[Any], object] | None = None,
    transform: Callable[[Any], object] | None = None,
) -> Stage:
    """A stage for `pipeline`. `parallel` is how many items may be in it at once; as many may wait before it, and then
    the stages before it wait, too. The others are those of `step`, for each item; with on_failure "skip" an item that
    fails goes no further, and its result is the `Failed`.

    Raises SpecError with every fault.
    """
    faults = list(several_faults(f"stage {name!r}", "fallback", fallback))
    others = () if faults else tuple(fallback)
    made = Stage(target, name, timeout, on_failure, attempts, priority, others, when, transform, parallel)
    faults += [*step_faults(made), *count_faults(f"stage {name!r}", "parallel", parallel)]
    refuse(faults)
    return made
