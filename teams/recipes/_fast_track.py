"""Emergency fast-track: as few steps as possible, before all other work.

Analysis and fix run at once, each step has one attempt, and the only test is a smoke test. Any failure ends the run at
once, because in an emergency a person must know immediately.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from supervisors import SpecError
from teams import BadVerdict, GatherFailed, NotApproved, Pattern, Priority, RunContext, fail_fast, step
from teams.patterns import Approved, Rejected, parallel
from teams.recipes._checks import RecipeTarget, builder, refusals


@dataclass(frozen=True, slots=True)
class FastTracked:
    """The results of a fast-track."""

    analysis: object
    fix: object
    note: object
    """The note of the approval."""
    deployed: object
    """The result of the deployment; None without one."""


@dataclass(frozen=True, slots=True)
class FastTrack(Pattern):
    """The targets of an emergency."""

    analysis: RecipeTarget
    fix: RecipeTarget
    smoke_test: RecipeTarget
    deploy: RecipeTarget | None
    within: float | None
    priority: int

    def parts(self) -> Iterator[RecipeTarget]:
        yield from (self.analysis, self.fix, self.smoke_test)
        if self.deploy is not None:
            yield self.deploy

    async def play(self, run: RunContext, value: object) -> FastTracked:
        urgent = run.at("emergency", priority=self.priority)
        both = {"analysis": (self.analysis, value), "fix": (self.fix, value)}
        gathered = await urgent.gather(both, fail_fast(), within=self.within, name="now")
        if not gathered.satisfied:
            raise GatherFailed(run.run, urgent.key("now"), gathered)
        fix = gathered.results["fix"]
        said = await urgent.do(self.smoke_test, fix, name="smoke test")
        if isinstance(said, Rejected):
            raise NotApproved(run.run, 1, fix, (said.feedback,))
        if not isinstance(said, Approved):
            raise BadVerdict(run.run, urgent.key("smoke test"), said)
        deployed = None if self.deploy is None else await urgent.do(self.deploy, fix, name="deploy")
        return FastTracked(gathered.results["analysis"], fix, said.note, deployed)


@builder("fast_track")
def fast_track(
    analysis: RecipeTarget,
    fix: RecipeTarget,
    smoke_test: RecipeTarget,
    deploy: RecipeTarget | None = None,
    *,
    within: float | None = None,
    priority: int = Priority.EMERGENCY,
) -> FastTrack:
    """For emergencies: `analysis` and `fix` get the input at once, `smoke_test` gets the fix and answers `Approved()`
    or `Rejected(feedback)`, then `deploy` gets it. Every step has `priority` and one attempt.

    Args:
        within: seconds for analysis and fix

    Raises:
        SpecError: every fault
        GatherFailed: when it is played: analysis or fix failed; it holds the result of the other
        NotApproved: when it is played: the smoke test rejects the fix
    """
    targets = {"analysis": analysis, "fix": fix, "smoke_test": smoke_test}
    if deploy is not None:
        targets["deploy"] = deploy
    faults = [fault for name, each in targets.items() for fault in refusals(f"fast_track/{name}", step, each)]
    faults += refusals("fast_track", parallel, str, within=within)
    faults += refusals("fast_track", step, str, priority=priority)
    if faults:
        raise SpecError(faults)
    return FastTrack(analysis, fix, smoke_test, deploy, within, priority)
