"""Quality gate: nothing gets past it that is not approved; what is rejected goes back with feedback.

| value | from | to | meaning |
|---|---|---|---|
| the input | pattern | producer | round 1 |
| the result | pattern | gate | is it good? |
| `Approved` | gate | pattern | the result of the producer is the result of all |
| `Rejected` | gate | pattern | the producer gets a `Revision`, unless that was the last round: `NotApproved` |

Bounded by `max_rounds`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from teams._checks.fields import count_faults, refuse
from teams._runs.context import RunContext
from teams._runs.pattern import Pattern, Target, target_faults
from teams.errors import NotApproved
from teams.patterns._verdict import Approved, Revision, verdict


@dataclass(frozen=True, slots=True)
class QualityGate(Pattern):
    """A producer and what its results have to pass."""

    producer: Target
    gate: Target
    max_rounds: int

    def parts(self) -> Iterator[Target]:
        yield self.producer
        yield self.gate

    async def play(self, run: RunContext, value: object) -> object:
        feedback: list[object] = []
        asked, result = value, None
        for round in range(1, self.max_rounds + 1):
            result = await run.do(self.producer, asked, name="produce")
            said = verdict(run, "gate", await run.do(self.gate, result, name="gate"))
            if isinstance(said, Approved):
                return result
            feedback.append(said.feedback)
            asked = Revision(value, said.feedback, result, round + 1)
        raise NotApproved(run.run, self.max_rounds, result, tuple(feedback))


def quality_gate(producer: Target, gate: Target, *, max_rounds: int = 3) -> QualityGate:
    """What `producer` makes has to pass `gate`, which answers `Approved()` or `Rejected(feedback)`.

    After a rejection the producer gets a `Revision` with the feedback and makes another. The result is what was
    approved. A `multi_stage_review` can be the gate, and `sequential(...)` the producer.

    Raises:
        SpecError: every fault
        NotApproved: when it is played: `max_rounds` results were rejected. The last one and all feedback are in it.
        BadVerdict: when it is played: the gate says neither
    """
    refuse(
        target_faults("quality_gate/producer", producer),
        target_faults("quality_gate/gate", gate),
        count_faults("quality_gate", "max_rounds", max_rounds),
    )
    return QualityGate(producer, gate, max_rounds)
