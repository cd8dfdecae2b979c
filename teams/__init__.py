"""Actors that work together: teams, message protocols, patterns, and policies around calls.

`teams` stands on `supervisors` and `actors`, and neither of them imports it. It reaches them through one seam
module each, `actors.spi` and `supervisors.spi`, and nowhere else; `lint-imports` enforces both rules.

General layout: `_team` is the tree of a team. `_dispatch.coordinator` (on `_dispatch.dispatcher`) gives work to
members, by the `_dispatch.roster` and with everything promised in its `_dispatch.state`, and shows it to other threads
as a `_dispatch.view`; `_members.handoff` and `_dispatch.gather` are the protocols at its heart. `_runs.run` plays a
`_runs.pattern` through a `_runs.context`, with its `_runs.state`. `protocols` holds the exchanges between members,
`patterns` what they make together, `resilience` the policies around single calls.
"""

from typing import TYPE_CHECKING

from supervisors._formats import add_format
from supervisors._guard import facade
from teams._files.format import ENGINE, TEAM, WORKFLOW

if TYPE_CHECKING:
    from teams._dispatch.gather import Failed, Gathered, GatherPolicy, collect, fail_fast, first, quorum
    from teams._dispatch.messages import SlotInfo
    from teams._files.pattern import parse_pattern
    from teams._files.team import load_team, parse_team
    from teams._members.context import Cancellation, Context, Refusal
    from teams._members.handoff import Accept, Decline, HandoffRule, Offer, handoff
    from teams._members.member import Member, member
    from teams._members.priority import Priority
    from teams._members.results import Done, Emit, Handoff
    from teams._members.role import Role, role
    from teams._members.target import Can, Pool, can, pool
    from teams._metrics import Health, TeamMetrics
    from teams._runs.context import RunContext
    from teams._runs.pattern import Pattern
    from teams._runs.state import Progress, RunHandle
    from teams._runs.step import Step, step
    from teams._state.event_sourcing import EventSourced, EventSourcedRef, Recorded
    from teams._state.shared_state import Entry, SharedState, SharedStateRef
    from teams._state.stores import EventStore, FileStore, MemoryStore
    from teams._state.watch import Change, Watch
    from teams._team import GoalSpec, goal, team
    from teams._team_ref import TeamRef
    from teams.errors import (
        AlreadyMember,
        BadAnswer,
        BadPlan,
        BadVerdict,
        DelegationLoop,
        GatherFailed,
        HandoffRefused,
        NobodyTook,
        NoCapableAgent,
        NotApproved,
        RoleFull,
        RoutingFailed,
        RunCancelled,
        RunError,
        RunFailed,
        SourceFailed,
        SourceLost,
        StepFailed,
        StepTimeout,
        StoreDamaged,
        StoreInUse,
        TeamError,
        TeamHalted,
        UnknownMember,
        UnknownRole,
        VersionConflict,
        WatchOverrun,
        WorkCancelled,
        WorkFailed,
        WorkTimeout,
    )
    from teams.events import (
        Halted,
        HandedOff,
        HandoffReturned,
        MemberJoined,
        MemberLeft,
        MemberLost,
        Paused,
        Reset,
        Resumed,
        RunBegan,
        RunEnded,
        RunEvent,
        SnapshotFailed,
        StepBegan,
        StepBroke,
        StepDone,
        StepPassedOver,
        StepSkipped,
        StoreRepaired,
        TeamEvent,
        UpdateConflict,
        WorkBegan,
        WorkEnded,
        WorkGivenUp,
        WorkRetried,
    )

__letitcrash__ = True
"""Tells our package from a module of the user's that happens to have its name."""

__all__ = [
    "Accept",
    "AlreadyMember",
    "BadAnswer",
    "BadPlan",
    "BadVerdict",
    "Can",
    "Cancellation",
    "Change",
    "Context",
    "Decline",
    "DelegationLoop",
    "Done",
    "Emit",
    "Entry",
    "EventSourced",
    "EventSourcedRef",
    "EventStore",
    "Failed",
    "FileStore",
    "GatherFailed",
    "GatherPolicy",
    "Gathered",
    "GoalSpec",
    "Halted",
    "HandedOff",
    "Handoff",
    "HandoffRefused",
    "HandoffReturned",
    "HandoffRule",
    "Health",
    "Member",
    "MemberJoined",
    "MemberLeft",
    "MemberLost",
    "MemoryStore",
    "NoCapableAgent",
    "NobodyTook",
    "NotApproved",
    "Offer",
    "Pattern",
    "Paused",
    "Pool",
    "Priority",
    "Progress",
    "Recorded",
    "Refusal",
    "Reset",
    "Resumed",
    "Role",
    "RoleFull",
    "RoutingFailed",
    "RunBegan",
    "RunCancelled",
    "RunContext",
    "RunEnded",
    "RunError",
    "RunEvent",
    "RunFailed",
    "RunHandle",
    "SharedState",
    "SharedStateRef",
    "SlotInfo",
    "SnapshotFailed",
    "SourceFailed",
    "SourceLost",
    "Step",
    "StepBegan",
    "StepBroke",
    "StepDone",
    "StepFailed",
    "StepPassedOver",
    "StepSkipped",
    "StepTimeout",
    "StoreDamaged",
    "StoreInUse",
    "StoreRepaired",
    "TeamError",
    "TeamEvent",
    "TeamHalted",
    "TeamMetrics",
    "TeamRef",
    "UnknownMember",
    "UnknownRole",
    "UpdateConflict",
    "VersionConflict",
    "Watch",
    "WatchOverrun",
    "WorkBegan",
    "WorkCancelled",
    "WorkEnded",
    "WorkFailed",
    "WorkGivenUp",
    "WorkRetried",
    "WorkTimeout",
    "can",
    "collect",
    "fail_fast",
    "first",
    "goal",
    "handoff",
    "load_team",
    "member",
    "parse_pattern",
    "parse_team",
    "pool",
    "quorum",
    "role",
    "step",
    "team",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = facade(
        __name__,
        {
            "teams._dispatch.gather": ["Failed", "GatherPolicy", "Gathered", "collect", "fail_fast", "first", "quorum"],
            "teams._dispatch.messages": ["SlotInfo"],
            "teams._files.pattern": ["parse_pattern"],
            "teams._files.team": ["load_team", "parse_team"],
            "teams._members.context": ["Cancellation", "Context", "Refusal"],
            "teams._members.handoff": ["Accept", "Decline", "HandoffRule", "Offer", "handoff"],
            "teams._members.member": ["Member", "member"],
            "teams._members.priority": ["Priority"],
            "teams._members.results": ["Done", "Emit", "Handoff"],
            "teams._members.role": ["Role", "role"],
            "teams._members.target": ["Can", "Pool", "can", "pool"],
            "teams._metrics": ["Health", "TeamMetrics"],
            "teams._runs.context": ["RunContext"],
            "teams._runs.pattern": ["Pattern"],
            "teams._runs.state": ["Progress", "RunHandle"],
            "teams._runs.step": ["Step", "step"],
            "teams._state.event_sourcing": ["EventSourced", "EventSourcedRef", "Recorded"],
            "teams._state.shared_state": ["Entry", "SharedState", "SharedStateRef"],
            "teams._state.stores": ["EventStore", "FileStore", "MemoryStore"],
            "teams._state.watch": ["Change", "Watch"],
            "teams._team": ["GoalSpec", "goal", "team"],
            "teams._team_ref": ["TeamRef"],
            "teams.errors": [
                "AlreadyMember",
                "BadAnswer",
                "BadPlan",
                "BadVerdict",
                "DelegationLoop",
                "GatherFailed",
                "HandoffRefused",
                "NoCapableAgent",
                "NobodyTook",
                "NotApproved",
                "RoleFull",
                "RoutingFailed",
                "RunCancelled",
                "RunError",
                "RunFailed",
                "SourceFailed",
                "SourceLost",
                "StepFailed",
                "StepTimeout",
                "StoreDamaged",
                "StoreInUse",
                "TeamError",
                "TeamHalted",
                "UnknownMember",
                "UnknownRole",
                "VersionConflict",
                "WatchOverrun",
                "WorkCancelled",
                "WorkFailed",
                "WorkTimeout",
            ],
            "teams.events": [
                "Halted",
                "HandedOff",
                "HandoffReturned",
                "MemberJoined",
                "MemberLeft",
                "MemberLost",
                "Paused",
                "Reset",
                "Resumed",
                "RunBegan",
                "RunEnded",
                "RunEvent",
                "SnapshotFailed",
                "StepBegan",
                "StepBroke",
                "StepDone",
                "StepPassedOver",
                "StepSkipped",
                "StoreRepaired",
                "TeamEvent",
                "UpdateConflict",
                "WorkBegan",
                "WorkEnded",
                "WorkGivenUp",
                "WorkRetried",
            ],
        },
    )

# `supervisors` reads teams in files, too, once this package is imported.
for _format in (TEAM, ENGINE, WORKFLOW):
    add_format(_format)
