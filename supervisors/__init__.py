"""Trees of actors that restart each other by policy.

This package imports `actors` only through the seam `actors.spi`, and never `teams`. `_specs` has the values that a tree
is built from, `_engine` decides as a pure state machine, `_supervisor` is the actor that carries its decisions out, and
`_check` finds surprises in a spec.
"""

from typing import TYPE_CHECKING

from supervisors._guard import facade

if TYPE_CHECKING:
    from actors.spi import process, ray
    from supervisors._check.check import Finding, Report, check
    from supervisors._engine.children import ChildCounts, ChildInfo, ChildState
    from supervisors._engine.reconcile import Reconciliation
    from supervisors._specs.backoff import Backoff, Constant, Exponential, Linear, constant, exponential, linear
    from supervisors._specs.builders import budget, child, dynamic_supervisor, partition_supervisor, supervisor, tasks
    from supervisors._specs.file import load_tree
    from supervisors._specs.spec import ChildSpec, OwnBudget, Spec, SupervisorSpec
    from supervisors._specs.tree import parse_tree
    from supervisors._supervisor.actor import Supervisor
    from supervisors._supervisor.ledger import LedgerEntry
    from supervisors._supervisor.messages import Failure
    from supervisors._supervisor.ref import SupervisorRef
    from supervisors._supervisor.results import TaskResults
    from supervisors._supervisor.start import as_tree, start
    from supervisors._supervisor.task import TaskFuture
    from supervisors.errors import (
        AlreadyPresent,
        AlreadyStarted,
        ChildRestarting,
        ChildRunning,
        ChildStartError,
        MaxChildren,
        NotFound,
        PartitionKeyError,
        ResourceEnded,
        ShuttingDown,
        SpecError,
        SpecFault,
        SupervisionError,
        SupervisorEnded,
        SupervisorGaveUp,
        TaskCancelled,
    )
    from supervisors.events import (
        AutoShutdown,
        BackingOff,
        CallbackFailed,
        Concluded,
        Dropped,
        GaveUp,
        Restarted,
        RestartFailed,
        Restarting,
        SupervisionEvent,
    )

__letitcrash__ = True
"""Tells our package from a module of the user's that happens to have its name."""

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
    "ChildStartError",
    "ChildState",
    "Concluded",
    "Constant",
    "Dropped",
    "Exponential",
    "Failure",
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
    "ResourceEnded",
    "RestartFailed",
    "Restarted",
    "Restarting",
    "ShuttingDown",
    "Spec",
    "SpecError",
    "SpecFault",
    "SupervisionError",
    "SupervisionEvent",
    "Supervisor",
    "SupervisorEnded",
    "SupervisorGaveUp",
    "SupervisorRef",
    "SupervisorSpec",
    "TaskCancelled",
    "TaskFuture",
    "TaskResults",
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
    "process",
    "ray",
    "start",
    "supervisor",
    "tasks",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = facade(
        __name__,
        {
            "actors.spi": ["process", "ray"],
            "supervisors._check.check": ["Finding", "Report", "check"],
            "supervisors._engine.children": ["ChildCounts", "ChildInfo", "ChildState"],
            "supervisors._engine.reconcile": ["Reconciliation"],
            "supervisors._specs.backoff": [
                "Backoff",
                "Constant",
                "Exponential",
                "Linear",
                "constant",
                "exponential",
                "linear",
            ],
            "supervisors._specs.builders": [
                "budget",
                "child",
                "dynamic_supervisor",
                "partition_supervisor",
                "supervisor",
                "tasks",
            ],
            "supervisors._specs.file": ["load_tree"],
            "supervisors._specs.spec": ["ChildSpec", "OwnBudget", "Spec", "SupervisorSpec"],
            "supervisors._specs.tree": ["parse_tree"],
            "supervisors._supervisor.actor": ["Supervisor"],
            "supervisors._supervisor.ledger": ["LedgerEntry"],
            "supervisors._supervisor.messages": ["Failure"],
            "supervisors._supervisor.ref": ["SupervisorRef"],
            "supervisors._supervisor.results": ["TaskResults"],
            "supervisors._supervisor.start": ["as_tree", "start"],
            "supervisors._supervisor.task": ["TaskFuture"],
            "supervisors.errors": [
                "AlreadyPresent",
                "AlreadyStarted",
                "ChildRestarting",
                "ChildRunning",
                "ChildStartError",
                "MaxChildren",
                "NotFound",
                "PartitionKeyError",
                "ResourceEnded",
                "ShuttingDown",
                "SpecError",
                "SpecFault",
                "SupervisionError",
                "SupervisorEnded",
                "SupervisorGaveUp",
                "TaskCancelled",
            ],
            "supervisors.events": [
                "AutoShutdown",
                "BackingOff",
                "CallbackFailed",
                "Concluded",
                "Dropped",
                "GaveUp",
                "RestartFailed",
                "Restarted",
                "Restarting",
                "SupervisionEvent",
            ],
        },
    )
