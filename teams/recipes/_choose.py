"""Which pattern fits: the rules of "Choosing Your Strategy", in their order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from supervisors import SpecError, SpecFault

PatternName = Literal["sequential", "parallel", "choreography", "hierarchical", "mesh"]


class Situation(BaseModel):
    """The kind of work. A field that is None decides nothing. Raises pydantic's `ValidationError`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    workflow: Literal["linear", "branching", "complex"] | None = None
    """How the steps depend on each other."""
    tasks: Literal["independent", "dependent"] | None = None
    """Whether the tasks need each other's results."""
    speed: Literal["normal", "critical"] | None = None
    """Whether the time to the result matters most."""
    flexibility: Literal["low", "high"] | None = None
    """Whether the way through the work changes while it goes on."""
    decisions: Literal["simple", "complex"] | None = None
    """Whether the choice of a member takes judgement."""
    authority: Literal["clear", "shared"] | None = None
    """Whether one member decides."""
    environment: Literal["stable", "dynamic"] | None = None
    """Whether the world changes under the work."""
    resilience: Literal["normal", "critical"] | None = None
    """Whether the work must continue when a member fails."""


class Choice(NamedTuple):
    """A pattern, by the name of what makes it, and why."""

    pattern: PatternName
    why: str


@dataclass(frozen=True, slots=True)
class _Rule:
    applies: Callable[[Situation], bool]
    choice: Choice


RULES = (
    _Rule(
        lambda it: it.workflow == "linear" and it.speed != "critical",
        Choice("sequential", "the workflow is linear and speed is not critical: one step after the other is enough"),
    ),
    _Rule(
        lambda it: it.tasks == "independent" and it.speed == "critical",
        Choice("parallel", "the tasks are independent and speed is critical: all of them at once"),
    ),
    _Rule(
        lambda it: it.workflow == "complex" and it.flexibility == "high",
        Choice("choreography", "the workflow is complex and has to stay flexible: members react to events"),
    ),
    _Rule(
        lambda it: it.decisions == "complex" and it.authority == "clear",
        Choice("hierarchical", "decisions are complex and one member has the authority: a leader delegates"),
    ),
    _Rule(
        lambda it: it.environment == "dynamic" and it.resilience == "critical",
        Choice("mesh", "the environment is dynamic and resilience critical: members organise themselves"),
    ),
)
OTHERWISE = Choice("sequential", "nothing asks for more: start with sequential, and change it when something does")


def choose(situation: Situation) -> Choice:
    """The pattern that fits, and why: the first rule that applies. Raises SpecError for another type."""
    if not isinstance(situation, Situation):
        raise SpecError([SpecFault("choose()", f"situation: must be a Situation(...), got {situation!r}")])
    return next((rule.choice for rule in RULES if rule.applies(situation)), OTHERWISE)
