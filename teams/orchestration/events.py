"""The events in the stream of an orchestration besides those of its tasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from teams.orchestration._values import Adjustment, OrchestrationPlan, PhaseName
from teams.workflows._run.stream_events import StreamEvent


@dataclass(frozen=True, slots=True)
class PhaseBegan(StreamEvent):
    """A phase began."""

    kind: ClassVar[str] = "phase_start"
    phase: PhaseName
    number: int
    """From 1 to 7."""


@dataclass(frozen=True, slots=True)
class PhaseDone(StreamEvent):
    """A phase is done."""

    kind: ClassVar[str] = "phase_complete"
    phase: PhaseName
    number: int
    """From 1 to 7."""
    duration: float
    """Seconds."""


@dataclass(frozen=True, slots=True)
class Planned(StreamEvent):
    """There is a plan that passed every check."""

    kind: ClassVar[str] = "planning"
    plan: OrchestrationPlan
    duration: float
    """Seconds until there was one."""


@dataclass(frozen=True, slots=True)
class PlanAdjusted(StreamEvent):
    """The rest of the plan is carried out in another way."""

    kind: ClassVar[str] = "adjustment"
    adjustment: Adjustment
