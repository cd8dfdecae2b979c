"""Emergency fast-track: the fewest steps there can be, before all other work.

Analysis and fix go on at once, nothing is tried twice, the only test is a smoke test. Any failure ends it at once:
in an emergency a person has to know now.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from supervisors.spi import SpecError
from teams._checks.fields import priority_faults, seconds_faults
from teams._dispatch.gather import fail_fast
from teams._members.priority import Priority
from teams._runs.context import RunContext
from teams._runs.pattern import Pattern, Target, target_faults
from teams.errors import GatherFailed, NotApproved
from teams.patterns._verdict import Rejected, verdict


@dataclass(frozen=True, slots=True)
class FastTracked:
    """What came of an emergency."""

    analysis: object
    fix: object
    note: object
    """What the smoke test said in approving."""
    deployed: object
    """The result of the deployment; None without one."""


@dataclass(frozen=True, slots=True)
class FastTrack(Pattern):
    """Who is called in an emergency."""

    analysis: Target
    fix: Target
    smoke_test: Target
    deploy: Target | None
    within: float | None
    priority: int

    def parts(self) -> Iterator[Target]:
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
        said = verdict(urgent, "smoke test", await urgent.do(self.smoke_test, fix, name="smoke test"))
        if isinstance(said, Rejected):
            raise NotApproved(run.run, 1, fix, (said.feedback,))
        deployed = None if self.deploy is None else await urgent.do(self.deploy, fix, name="deploy")
        return FastTracked(gathered.results["analysis"], fix, said.note, deployed)


def fast_track(
    analysis: Target,
    fix: Target,
    smoke_test: Target,
    deploy: Target | None = None,
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
        GatherFailed: when it is played: analysis or fix failed; what the other had done stands in it
        NotApproved: when it is played: the smoke test rejects the fix
    """
    faults = [
        *target_faults("fast_track/analysis", analysis),
        *target_faults("fast_track/fix", fix),
        *target_faults("fast_track/smoke_test", smoke_test),
        *(target_faults("fast_track/deploy", deploy) if deploy is not None else ()),
        *seconds_faults("fast_track", "within", within),
        *priority_faults("fast_track", priority),
    ]
    if faults:
        raise SpecError(faults)
    return FastTrack(analysis, fix, smoke_test, deploy, within, priority)
