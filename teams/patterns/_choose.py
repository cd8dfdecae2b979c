"""Which pattern fits: the rules of "Choosing Your Strategy", in their order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from supervisors.spi import SpecError, SpecFault

PatternName = Literal["sequential", "parallel", "choreography", "hierarchical", "mesh"]


class Situation(BaseModel):
    """What the work is like. What is not said decides nothing. Raises pydantic's `ValidationError` for other values."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    workflow: Literal["linear", "branching", "complex"] | None = None
    """How the steps hang together."""
    tasks: Literal["independent", "dependent"] | None = None
    """Whether the tasks need each other's results."""
    speed: Literal["normal", "critical"] | None = None
    """Whether time is what counts."""
    flexibility: Literal["low", "high"] | None = None
    """Whether the way through the work changes while it goes on."""
    decisions: Literal["simple", "complex"] | None = None
    """Whether it takes judgement to say who does what."""
    authority: Literal["clear", "shared"] | None = None
    """Whether somebody is there to decide."""
    environment: Literal["stable", "dynamic"] | None = None
    """Whether the world changes under the work."""
    resilience: Literal["normal", "critical"] | None = None
    """Whether it has to go on without any one member."""


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
        Choice("hierarchical", "decisions are complex and somebody has the authority: a leader delegates"),
    ),
    _Rule(
        lambda it: it.environment == "dynamic" and it.resilience == "critical",
        Choice("mesh", "the environment is dynamic and resilience critical: members organise themselves"),
    ),
)
OTHERWISE = Choice("sequential", "nothing asks for more: start with sequential, and change it when something does")


def choose(situation: Situation) -> Choice:
    """The pattern that fits, and why: the first rule that applies. Raises SpecError for what is no situation."""
    if not isinstance(situation, Situation):
        raise SpecError([SpecFault("choose()", f"situation: must be a Situation(...), got {situation!r}")])
    return next((rule.choice for rule in RULES if rule.applies(situation)), OTHERWISE)
