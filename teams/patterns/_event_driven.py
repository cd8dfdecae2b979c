"""Event-driven: the input is published as an event, and its subscribers go on from there.

| value | from | to | meaning |
|---|---|---|---|
| an event with the input | pattern | topics of the team | this has happened; a chain begins |
| `ChainOutcome` | topics | pattern | how the chain ended: the result, unless its first event had no subscriber |

The event has the same id however often the pattern is played, so that a crash of the run begins no second chain. What
the chain promises stands in `teams.protocols._topics.topics`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from supervisors.spi import builder
from teams._checks.fields import refuse, seconds_faults
from teams._runs.context import RunContext
from teams._runs.pattern import Pattern, Target
from teams.protocols._topics.chain import ChainOutcome
from teams.protocols._topics.event import topic_faults

ATTEMPTS = 5
"""How often the topics are asked that crash over being asked."""


@dataclass(frozen=True, slots=True)
class EventDriven(Pattern):
    """The topic a chain begins on."""

    topic: str
    deadline: float | None

    def __post_init__(self) -> None:
        refuse(topic_faults("event_driven", self.topic), seconds_faults("event_driven", "deadline", self.deadline))

    def parts(self) -> Iterator[Target]:
        yield from ()

    async def play(self, run: RunContext, value: object) -> object:
        id = f"{run.run}:{run.path}:{self.topic}"

        async def chain(payload: object) -> ChainOutcome:
            outcome = await run.topics.chain(self.topic, payload, id=id, correlation_id=id, deadline=self.deadline)
            if outcome.status == "unheard":
                assert outcome.failure is not None
                assert outcome.failure.error is not None
                raise outcome.failure.error
            return outcome

        return await run.do(chain, value, name=self.topic, attempts=ATTEMPTS)


@builder("event_driven")
def event_driven(topic: str, *, deadline: float | None = None) -> EventDriven:
    """Publishes the input on `topic` and waits until the chain that begins there has ended.

    The result is the `ChainOutcome`: completed, compensated, or not wholly undone. Its step fails with `NobodyHears`
    if `topic` has no subscriber. `deadline` is in seconds; by default that of the choreography. Raises SpecError with
    every fault.
    """
    return EventDriven(topic, deadline)
