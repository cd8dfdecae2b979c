"""Quality gate and iterative refinement: a producer's result goes back with feedback until the reviewer approves it.

| value | from | to | meaning |
|---|---|---|---|
| the input | pattern | producer | round 1 |
| the result | pattern | gate or reviewer | is it good? |
| `Approved` | gate or reviewer | pattern | the rounds end |
| `Rejected` | gate or reviewer | pattern | the producer gets a `Revision`, unless that was the last round |

The rounds are the same; the end differs. A gate returns only what is approved, and else raises `NotApproved`. A
refinement returns its last result in any case, with whether it was approved.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from supervisors.spi import builder
from teams._checks.fields import count_faults, refuse
from teams._runs.context import RunContext
from teams._runs.pattern import Pattern, Target, target_faults
from teams.errors import NotApproved
from teams.patterns._verdict import Approved, Revision, verdict


@dataclass(frozen=True, slots=True)
class Refined:
    """The last result of a refinement."""

    result: object
    approved: bool
    iterations: int
    feedback: tuple[object, ...]
    """The feedback of the reviewer, one for each result that it did not approve."""


async def refined(
    run: RunContext, producer: Target, reviewer: Target, value: object, rounds: int, name: str
) -> Refined:
    """Has a result produced, reviewed in the step `name`, and revised, at most so many times."""
    feedback: list[object] = []
    asked, result = value, None
    for round in range(1, rounds + 1):
        result = await run.do(producer, asked, name="produce")
        said = verdict(run, name, await run.do(reviewer, result, name=name))
        if isinstance(said, Approved):
            return Refined(result, True, round, tuple(feedback))
        feedback.append(said.feedback)
        asked = Revision(value, said.feedback, result, round + 1)
    return Refined(result, False, rounds, tuple(feedback))


@dataclass(frozen=True, slots=True)
class QualityGate(Pattern):
    """A producer, and a gate that its results must pass."""

    producer: Target
    gate: Target
    max_rounds: int

    def __post_init__(self) -> None:
        refuse(
            target_faults("quality_gate/producer", self.producer),
            target_faults("quality_gate/gate", self.gate),
            count_faults("quality_gate", "max_rounds", self.max_rounds),
        )

    def parts(self) -> Iterator[Target]:
        yield self.producer
        yield self.gate

    async def play(self, run: RunContext, value: object) -> object:
        last = await refined(run, self.producer, self.gate, value, self.max_rounds, "gate")
        if not last.approved:
            raise NotApproved(run.run, self.max_rounds, last.result, last.feedback)
        return last.result


@dataclass(frozen=True, slots=True)
class Refine(Pattern):
    """A producer, and a reviewer that says what could be better."""

    producer: Target
    reviewer: Target
    max_iterations: int

    def __post_init__(self) -> None:
        refuse(
            target_faults("refine/producer", self.producer),
            target_faults("refine/reviewer", self.reviewer),
            count_faults("refine", "max_iterations", self.max_iterations),
        )

    def parts(self) -> Iterator[Target]:
        yield self.producer
        yield self.reviewer

    async def play(self, run: RunContext, value: object) -> Refined:
        return await refined(run, self.producer, self.reviewer, value, self.max_iterations, "review")


@builder("quality_gate")
def quality_gate(producer: Target, gate: Target, *, max_rounds: int = 3) -> QualityGate:
    """The result of `producer` must pass `gate`, which answers `Approved()` or `Rejected(feedback)`.

    After a rejection the producer gets a `Revision` with the feedback and makes another result. The pattern returns the
    approved result. A `multi_stage_review` can be the gate, and `sequential(...)` the producer.

    Raises:
        SpecError: every fault
        NotApproved: when it is played: `max_rounds` results were rejected. It holds the last one and all feedback.
        BadVerdict: when it is played: the gate answers neither
    """
    return QualityGate(producer, gate, max_rounds)


@builder("refine")
def refine(producer: Target, reviewer: Target, *, max_iterations: int = 3) -> Refine:
    """`producer` makes a result and improves it by the feedback of `reviewer`, which answers `Approved()` or
    `Rejected(feedback)`. The pattern returns a `Refined`, approved or not; `quality_gate` raises an error instead.

    Raises:
        SpecError: every fault
        BadVerdict: when it is played: the reviewer answers neither
    """
    return Refine(producer, reviewer, max_iterations)
