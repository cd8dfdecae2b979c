"""Multi-stage review: several reviewers judge the same work at once, and their verdicts become one.

| value | from | to | meaning |
|---|---|---|---|
| the work | pattern | every reviewer | at once |
| `Approved`, `Rejected` | reviewer | pattern | a verdict; a reviewer that fails has none |
| `Reviews` | pattern | approval | all verdicts and failures |
| `Approved`, `Rejected` | approval | pattern | the verdict of all |
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from supervisors.spi import SpecFault, builder
from teams._checks.fields import refuse, several_faults
from teams._dispatch.gather import GatherPolicy, collect, gather_faults
from teams._runs.context import RunContext
from teams._runs.pattern import Pattern, Target, target_faults
from teams.errors import GatherFailed
from teams.patterns._parallel import branch_faults, named
from teams.patterns._verdict import Approved, Rejected, Reviews, Verdict, verdict


@dataclass(frozen=True, slots=True)
class MultiStageReview(Pattern):
    """Reviewers, and the approval that has the last word."""

    reviewers: tuple[tuple[str, Target], ...]
    approval: Target | None
    policy: GatherPolicy
    within: float | None

    def parts(self) -> Iterator[Target]:
        yield from (target for _, target in self.reviewers)
        if self.approval is not None:
            yield self.approval

    async def play(self, run: RunContext, value: object) -> Verdict:
        branches = {name: (target, value) for name, target in self.reviewers}
        gathered = await run.gather(branches, self.policy, within=self.within, name="review")
        if not gathered.satisfied:
            raise GatherFailed(run.run, run.key("review"), gathered)
        verdicts = {name: verdict(run, f"review/{name}", said) for name, said in gathered.results.items()}
        reviews = Reviews(value, verdicts, gathered.failures, gathered.unanswered)
        if self.approval is None:
            return unanimous(reviews, self.policy)
        return verdict(run, "approval", await run.do(self.approval, reviews, name="approval"))


@builder("multi_stage_review")
def multi_stage_review(
    reviewers: Sequence[Target] | Mapping[str, Target],
    approval: Target | None = None,
    *,
    policy: GatherPolicy | None = None,
    within: float | None = None,
) -> MultiStageReview:
    """Every reviewer gets the work and answers `Approved()` or `Rejected(feedback)`; the result is one verdict.

    Args:
        reviewers: who looks at it, with names if it is a mapping
        approval: gets the `Reviews` and has the last word; None: approved if all approve, and otherwise
            rejected with the feedback of each by name. A reviewer that failed, or ran out of time, does not approve.
        policy: how many verdicts are wanted; by default `collect()`
        within: seconds for the reviews

    Raises:
        SpecError: every fault
        GatherFailed: when it is played: there are fewer verdicts than the policy wants
        BadVerdict: when it is played: an answer is neither
    """
    faults = list(several_faults("multi_stage_review", "reviewers", reviewers))
    given = (reviewers,) if isinstance(reviewers, Mapping) else () if faults else tuple(reviewers)
    branches = list(named(given))
    if not branches and not faults:
        faults.append(SpecFault("multi_stage_review", "has no reviewers"))
    faults += branch_faults("multi_stage_review", branches)
    if approval is not None:
        faults += target_faults("multi_stage_review/approval", approval)
    faults += gather_faults("multi_stage_review", policy, within, len(branches))
    refuse(faults)
    return MultiStageReview(tuple(branches), approval, policy or collect(), within)


def unanimous(reviews: Reviews, policy: GatherPolicy) -> Verdict:
    """Approved if no reviewer objects. With `collect()`, a missing verdict is an objection."""
    objections = {name: each.feedback for name, each in reviews.verdicts.items() if isinstance(each, Rejected)}
    if policy.kind == "collect":
        objections |= {name: f"no verdict: {each.error}" for name, each in reviews.failures.items()}
        objections |= dict.fromkeys(reviews.unanswered, "no verdict in time")
    return Rejected(objections) if objections else Approved()
