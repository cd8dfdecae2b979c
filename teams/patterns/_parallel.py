"""Parallel: several steps at once on the same input, and a merge of their results.

Promise: a result that is there is not lost because another step failed or was killed; a failure is a value. How many
results are enough is a gather policy (_dispatch/gather.py); what is not needed any more is called off.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from supervisors.spi import SpecFault, builder
from teams._checks.fields import refuse, step_name_faults
from teams._dispatch.gather import Failed, Gathered, GatherPolicy, collect, gather_faults
from teams._runs.context import RunContext
from teams._runs.pattern import Pattern, Target, label, target_faults
from teams._runs.step import Step
from teams.errors import GatherFailed, StepTimeout


@dataclass(frozen=True, slots=True)
class Parallel(Pattern):
    """Named branches, all with the same input."""

    branches: tuple[tuple[str, Target], ...]
    merge: Target | None
    policy: GatherPolicy
    within: float | None

    def parts(self) -> Iterator[Target]:
        yield from (target for _, target in self.branches)
        if self.merge is not None:
            yield self.merge

    async def play(self, run: RunContext, value: object) -> object:
        branches = {name: (target, value) for name, target in self.branches}
        gathered = await run.gather(branches, self.policy, within=self.within)
        results = settled(run, "gather", gathered, [name for name, _ in self.branches], self.policy)
        return results if self.merge is None else await run.do(self.merge, results, name="merge")


@builder("parallel")
def parallel(
    *targets: Target | Mapping[str, Target],
    merge: Target | None = None,
    policy: GatherPolicy | None = None,
    within: float | None = None,
) -> Parallel:
    """All at once, with the same input. The result is {name: result}, in the order given here; a branch that failed
    has its `Failed` there, and one that was called off because the others were enough is missing.

    Args:
        targets: who does it; a mapping gives the branches names, otherwise each is called by its target
        merge: makes one result of that mapping: a function, or one of the team
        policy: how many results are wanted: `collect()` (the default), `fail_fast()`, `quorum(n)` or `first()`
        within: seconds until what has not ended is called off; with `collect()` that is a `Failed` by `StepTimeout`

    Raises:
        SpecError: every fault
        GatherFailed: when it is played: there are fewer results than the policy wants. Those there are stand in it.
    """
    branches = list(named(targets))
    faults = [] if branches else [SpecFault("parallel", "has no branches")]
    faults += branch_faults("parallel", branches)
    if merge is not None:
        faults += target_faults("parallel/merge", merge)
    faults += gather_faults("parallel", policy, within, len(branches))
    refuse(faults)
    return Parallel(tuple(branches), merge, policy or collect(), within)


def named(targets: Iterable[Target | Mapping[str, Target]]) -> Iterator[tuple[str, Target]]:
    """Targets with their names: given ones, or what the target is called, numbered where that is not unique."""
    used: dict[str, int] = {}
    for each in targets:
        if isinstance(each, Mapping):
            yield from each.items()
            continue
        name = each.label if isinstance(each, Step) else label(each)
        used[name] = used.get(name, 0) + 1
        yield (name if used[name] == 1 else f"{name}#{used[name]}"), each


def branch_faults(path: str, branches: list[tuple[str, Target]]) -> Iterator[SpecFault]:
    """The faults of named targets."""
    seen: set[str] = set()
    for name, target in branches:
        yield from step_name_faults(f"{path}/{name}", name)
        yield from target_faults(f"{path}/{name}", target)
        if name in seen:
            yield SpecFault(f"{path}/{name}", "there are two branches of this name")
        seen.add(name)


def settled(
    run: RunContext, name: str, gathered: Gathered, order: list[str], policy: GatherPolicy
) -> dict[str, object]:
    """The results of a gathering by name, with failures as values. Raises GatherFailed."""
    if not gathered.satisfied:
        raise GatherFailed(run.run, run.key(name), gathered)
    found: dict[str, object] = {**gathered.results, **gathered.failures}
    if policy.kind == "collect":
        for each in gathered.unanswered:
            found[each] = Failed.by(StepTimeout(run.run, run.key(f"{name}/{each}"), TimeoutError("its time was up")))
    return {each: found[each] for each in order if each in found}
