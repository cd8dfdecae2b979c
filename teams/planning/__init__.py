"""Planning: what a run of a workflow will take, before it runs.

`plan(workflow)` computes the critical path, a schedule within the capacity of the members, percentiles of the duration,
and the risks, from estimates of the steps. `schedule_picture` draws the schedule. `drafted(member)` has a member draft
a workflow, which is checked before it counts.
"""

from typing import TYPE_CHECKING

from supervisors._guard import facade

if TYPE_CHECKING:
    from teams.planning._drafted import Drafted, drafted
    from teams.planning._estimates import Duration, Estimate, RecordedRuns
    from teams.planning._pictures import schedule_picture
    from teams.planning._plan import PlannedQuality, PlannedStep, ResourceUse, WorkflowPlan, plan
    from teams.planning._recorded import recorded_by
    from teams.planning._risks import Risk
    from teams.planning.errors import DraftRefused
    from teams.workflows._run.execution import ExecutionChoice, choose_execution

__all__ = [
    "DraftRefused",
    "Drafted",
    "Duration",
    "Estimate",
    "ExecutionChoice",
    "PlannedQuality",
    "PlannedStep",
    "RecordedRuns",
    "ResourceUse",
    "Risk",
    "WorkflowPlan",
    "choose_execution",
    "drafted",
    "plan",
    "recorded_by",
    "schedule_picture",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = facade(
        __name__,
        {
            "teams.planning._drafted": ["Drafted", "drafted"],
            "teams.planning._estimates": ["Duration", "Estimate", "RecordedRuns"],
            "teams.planning._pictures": ["schedule_picture"],
            "teams.planning._plan": ["PlannedQuality", "PlannedStep", "ResourceUse", "WorkflowPlan", "plan"],
            "teams.planning._recorded": ["recorded_by"],
            "teams.planning._risks": ["Risk"],
            "teams.planning.errors": ["DraftRefused"],
            "teams.workflows._run.execution": ["ExecutionChoice", "choose_execution"],
        },
    )
