"""The part of supervisors that `teams` needs and users do not: the seam for the layer above.

The only module of `supervisors`, besides its facade, that `teams` imports. No promise of stability.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actors.spi import nearest
from supervisors._engine.children import ALIVE, ChildInfo
from supervisors._specs.backoff import Backoff, Constant, Exponential, Linear, Seconds, constant, exponential, linear
from supervisors._specs.builders import (
    ChildOptions,
    CommonOptions,
    WorkerOptions,
    budget,
    child,
    dynamic_supervisor,
    supervisor,
)
from supervisors._specs.calls import builder
from supervisors._specs.faults import attempt, checked, faults_of, spec_model, unknown_key
from supervisors._specs.fields import MAX_RESTARTS, RestartStrategy
from supervisors._specs.resolve import locate
from supervisors._specs.spec import ChildSpec, Count, OwnBudget, Positive, Spec, SupervisorSpec
from supervisors._specs.start_kind import is_generator
from supervisors._supervisor.actor import Supervisor
from supervisors._supervisor.messages import (
    CountChildren,
    DeleteChild,
    RestartChild,
    StartChild,
    TerminateChild,
    WhichChild,
)
from supervisors._supervisor.props import props_for
from supervisors._supervisor.ref import SupervisorRef
from supervisors.errors import ChildRunning, NotFound, SpecError, SpecFault, SupervisionError
from supervisors.events import Concluded

if TYPE_CHECKING:
    from supervisors._check.check import Finding
    from supervisors._specs.document import read_document

__all__ = [
    "ALIVE",
    "MAX_RESTARTS",
    "Backoff",
    "ChildInfo",
    "ChildOptions",
    "ChildRunning",
    "ChildSpec",
    "CommonOptions",
    "Concluded",
    "Constant",
    "Count",
    "CountChildren",
    "DeleteChild",
    "Exponential",
    "Finding",
    "Linear",
    "NotFound",
    "OwnBudget",
    "Positive",
    "RestartChild",
    "RestartStrategy",
    "Seconds",
    "Spec",
    "SpecError",
    "SpecFault",
    "StartChild",
    "SupervisionError",
    "Supervisor",
    "SupervisorRef",
    "SupervisorSpec",
    "TerminateChild",
    "WhichChild",
    "WorkerOptions",
    "attempt",
    "budget",
    "builder",
    "checked",
    "child",
    "constant",
    "dynamic_supervisor",
    "exponential",
    "faults_of",
    "is_generator",
    "linear",
    "locate",
    "nearest",
    "props_for",
    "read_document",
    "spec_model",
    "supervisor",
    "unknown_key",
]


def __getattr__(name: str) -> Any:
    """What only files and checks need loads when it is first used."""
    if name == "read_document":
        from supervisors._specs.document import read_document

        return read_document
    if name == "Finding":
        from supervisors._check.check import Finding

        return Finding
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
