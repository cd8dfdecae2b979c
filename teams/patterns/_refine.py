"""Iterative refinement: a result is made better until the reviewer is content, or a number of times.

The rounds are those of a quality gate; the difference is the end. A gate lets nothing bad pass and fails. A refinement
always has its last result, and says whether it was approved.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from teams._checks.fields import count_faults, refuse
from teams._runs.context import RunContext
from teams._runs.pattern import Pattern, Target, target_faults
from teams.patterns._verdict import Approved, Revision, verdict


@dataclass(frozen=True, slots=True)
class Refined:
    """The last result of a refinement."""

    result: object
    approved: bool
    iterations: int
    feedback: tuple[object, ...]
    """What the reviewer found, one for each result it did not approve."""


@dataclass(frozen=True, slots=True)
class Refine(Pattern):
    """A producer, and whoever says what could be better."""

    producer: Target
    reviewer: Target
    max_iterations: int

    def parts(self) -> Iterator[Target]:
        yield self.producer
        yield self.reviewer

    async def play(self, run: RunContext, value: object) -> Refined:
        feedback: list[object] = []
        asked, result = value, None
        for iteration in range(1, self.max_iterations + 1):
            result = await run.do(self.producer, asked, name="produce")
            said = verdict(run, "review", await run.do(self.reviewer, result, name="review"))
            if isinstance(said, Approved):
                return Refined(result, True, iteration, tuple(feedback))
            feedback.append(said.feedback)
            asked = Revision(value, said.feedback, result, iteration + 1)
        return Refined(result, False, self.max_iterations, tuple(feedback))


def refine(producer: Target, reviewer: Target, *, max_iterations: int = 3) -> Refine:
    """`producer` makes a result and makes it better by what `reviewer` says, which answers `Approved()` or
    `Rejected(feedback)`; the result is a `Refined`, approved or not. Whoever wants an error instead has a
    `quality_gate`.

    Raises:
        SpecError: every fault
        BadVerdict: when it is played: the reviewer says neither
    """
    refuse(
        target_faults("refine/producer", producer),
        target_faults("refine/reviewer", reviewer),
        count_faults("refine", "max_iterations", max_iterations),
    )
    return Refine(producer, reviewer, max_iterations)
