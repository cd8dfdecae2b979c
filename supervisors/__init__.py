"""Trees of actors that restart each other by policy.

General layout: this package imports `actors`, through the seam `_actors` alone, and never `teams`. `_engine` (with
`_moves` and `_requests`) decides, as a pure state machine; `_supervisor` is the actor that carries it out. Specs,
backoff, budgets and strategies are values and tables of their own; everything else is one noun a file.
"""

from supervisors._api import Failure
from supervisors._backoff import Backoff, Constant, Exponential, Linear, constant, exponential, linear
from supervisors._builders import budget, child, dynamic_supervisor, partition_supervisor, supervisor, tasks
from supervisors._check import Finding, Report, check
from supervisors._child import ChildCounts, ChildInfo, ChildState
from supervisors._effects import (
    AutoShutdown,
    BackingOff,
    Dropped,
    GaveUp,
    Restarted,
    RestartFailed,
    Restarting,
    SupervisionEvent,
)
from supervisors._errors import (
    AlreadyPresent,
    AlreadyStarted,
    ChildRestarting,
    ChildRunning,
    Fault,
    MaxChildren,
    NotFound,
    PartitionKeyError,
    ShuttingDown,
    SpecError,
    StartFailed,
    SupervisionError,
    SupervisorEnded,
    SupervisorGaveUp,
)
from supervisors._events import CallbackFailed, Concluded
from supervisors._file import load_tree
from supervisors._ledger import LedgerEntry
from supervisors._reconcile import Reconciliation
from supervisors._ref import SupervisorRef
from supervisors._spec import ChildSpec, OwnBudget, Spec, SupervisorSpec
from supervisors._start import as_tree, start
from supervisors._supervisor import Supervisor
from supervisors._tree import parse_tree

__all__ = [
    "AlreadyPresent",
    "AlreadyStarted",
    "AutoShutdown",
    "BackingOff",
    "Backoff",
    "CallbackFailed",
    "ChildCounts",
    "ChildInfo",
    "ChildRestarting",
    "ChildRunning",
    "ChildSpec",
    "ChildState",
    "Concluded",
    "Constant",
    "Dropped",
    "Exponential",
    "Failure",
    "Fault",
    "Finding",
    "GaveUp",
    "LedgerEntry",
    "Linear",
    "MaxChildren",
    "NotFound",
    "OwnBudget",
    "PartitionKeyError",
    "Reconciliation",
    "Report",
    "RestartFailed",
    "Restarted",
    "Restarting",
    "ShuttingDown",
    "Spec",
    "SpecError",
    "StartFailed",
    "SupervisionError",
    "SupervisionEvent",
    "Supervisor",
    "SupervisorEnded",
    "SupervisorGaveUp",
    "SupervisorRef",
    "SupervisorSpec",
    "as_tree",
    "budget",
    "check",
    "child",
    "constant",
    "dynamic_supervisor",
    "exponential",
    "linear",
    "load_tree",
    "parse_tree",
    "partition_supervisor",
    "start",
    "supervisor",
    "tasks",
]
