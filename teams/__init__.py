"""Actors that work together: teams, message protocols, patterns, and policies around calls.

`teams` stands on `supervisors` and `actors`, and neither of them imports it. It reaches them through one seam
module each, `teams._actors` and `teams._supervisors`, and nowhere else; `lint-imports` enforces both rules.

General layout: `_team` is the tree of a team. `_coordinator` (on `_dispatcher`) gives work to members, by the `_roster`
and with everything promised in its `_book`, and shows it to other threads as a `_team_view`; `_handoff` and `_gather`
are the protocols at its heart. `_run` plays a `_pattern` through a `_scope`, with its `_record`. `protocols` holds the
exchanges between members, `patterns` what they make together, `resilience` the policies around single calls.
"""

from teams._context import Cancellation, Context, Refusal
from teams._errors import (
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
from teams._event_sourcing import EventSourced, EventSourcedRef, Recorded
from teams._event_store import EventStore, FileStore, MemoryStore
from teams._events import (
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
from teams._file import load_team, parse_team
from teams._gather import Failed, Gathered, GatherPolicy, collect, fail_fast, first, quorum
from teams._handoff import Accept, Decline, HandoffRule, Offer, handoff
from teams._member import Member, member
from teams._metrics import Health, TeamMetrics
from teams._pattern import Pattern
from teams._pattern_file import parse_pattern
from teams._priority import Priority
from teams._record import Progress, RunHandle
from teams._requests import SeatInfo
from teams._results import Done, Emit, Handoff
from teams._role import Role, role
from teams._scope import Scope
from teams._shared_state import Entry, SharedState, SharedStateRef
from teams._step import Step, step
from teams._target import Can, Pool, can, pool
from teams._team import GoalSpec, goal, team
from teams._team_ref import TeamRef
from teams._watch import Change, Watch

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
    "RunEnded",
    "RunError",
    "RunEvent",
    "RunFailed",
    "RunHandle",
    "Scope",
    "SeatInfo",
    "SharedState",
    "SharedStateRef",
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
