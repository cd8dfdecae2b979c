"""Orchestration: workflows that plan their own tasks.

`orchestrator(...)` is a durable workflow of phases for an engine: it looks at the team, has a planner draft the tasks,
checks and plans them, carries them out, and makes one result of theirs.
"""

from typing import TYPE_CHECKING

from supervisors._guard import facade

if TYPE_CHECKING:
    from teams.orchestration._health import OrchestratorHealth
    from teams.orchestration._orchestrator import Orchestrator, orchestrator
    from teams.orchestration._ref import OrchestrationStream, OrchestratorRef
    from teams.orchestration._values import (
        Adjustment,
        AgentCapacity,
        Insights,
        OrchestrationPlan,
        OrchestrationResult,
        PlannedTask,
        PlanRequest,
        PlanRisk,
        QualityPrediction,
        TaskInsight,
        TeamSituation,
    )
    from teams.orchestration.errors import OrchestrationFailed, PlanRefused
    from teams.orchestration.events import PhaseBegan, PhaseDone, PlanAdjusted, Planned

__all__ = [
    "Adjustment",
    "AgentCapacity",
    "Insights",
    "OrchestrationFailed",
    "OrchestrationPlan",
    "OrchestrationResult",
    "OrchestrationStream",
    "Orchestrator",
    "OrchestratorHealth",
    "OrchestratorRef",
    "PhaseBegan",
    "PhaseDone",
    "PlanAdjusted",
    "PlanRefused",
    "PlanRequest",
    "PlanRisk",
    "Planned",
    "PlannedTask",
    "QualityPrediction",
    "TaskInsight",
    "TeamSituation",
    "orchestrator",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = facade(
        __name__,
        {
            "teams.orchestration._orchestrator": ["Orchestrator", "orchestrator"],
            "teams.orchestration._values": [
                "Adjustment",
                "AgentCapacity",
                "Insights",
                "OrchestrationPlan",
                "OrchestrationResult",
                "PlanRequest",
                "PlanRisk",
                "PlannedTask",
                "QualityPrediction",
                "TaskInsight",
                "TeamSituation",
            ],
            "teams.orchestration.errors": ["OrchestrationFailed", "PlanRefused"],
            "teams.orchestration._health": ["OrchestratorHealth"],
            "teams.orchestration._ref": ["OrchestrationStream", "OrchestratorRef"],
            "teams.orchestration.events": ["PhaseBegan", "PhaseDone", "PlanAdjusted", "Planned"],
        },
    )
