"""Sequential: one step after the other, each with the result of the one before.

Promise: a finished step is not run again, under any crashes; the first failure that no step option covers ends the
pattern, with what was done by then in `RunFailed.partial`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from supervisors.spi import SpecFault, builder
from teams._checks.fields import refuse
from teams._runs.context import RunContext
from teams._runs.pattern import Pattern, Target, members_faults


@dataclass(frozen=True, slots=True)
class Sequential(Pattern):
    """Steps in order."""

    steps: tuple[Target, ...]

    def __post_init__(self) -> None:
        faults = list(members_faults("sequential", self.steps))
        if not self.steps:
            faults.append(SpecFault("sequential", "has no steps"))
        refuse(faults)

    def parts(self) -> Iterator[Target]:
        yield from self.steps

    async def play(self, run: RunContext, value: object) -> object:
        for each in self.steps:
            value = await run.do(each, value)
        return value


@builder("sequential")
def sequential(*steps: Target) -> Sequential:
    """One after the other; the result of each is the input of the next, and that of the last the result of all.

    What happens when one fails or takes too long is said by `step(...)` around it; without it, a failure ends all.
    Raises SpecError with every fault.
    """
    return Sequential(steps)
