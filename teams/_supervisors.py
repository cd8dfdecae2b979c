"""The seam to `supervisors`: the only module of `teams` that imports it (design.md, "The house")."""

from __future__ import annotations

from supervisors._api import CountChildren, DeleteChild, RestartChild, StartChild, TerminateChild, WhichChild
from supervisors._backoff import Backoff, Constant, Exponential, Linear, constant, exponential, linear
from supervisors._budget import MAX_RESTARTS
from supervisors._builders import (
    ChildOptions,
    CommonOptions,
    budget,
    child,
    dynamic_supervisor,
    supervisor,
)
from supervisors._check import Finding
from supervisors._child import ALIVE, ChildInfo
from supervisors._document import read_document
from supervisors._errors import ChildRunning, Fault, NotFound, SpecError, SupervisionError
from supervisors._events import Concluded
from supervisors._faults import attempt, checked, faults_of, unknown_key
from supervisors._file import Format, add_format
from supervisors._ref import SupervisorRef
from supervisors._spec import ChildSpec, OwnBudget, Spec, SupervisorSpec
from supervisors._strategy import Strategy
from supervisors._supervisor import Supervisor

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
    "CountChildren",
    "DeleteChild",
    "Exponential",
    "Fault",
    "Finding",
    "Format",
    "Linear",
    "NotFound",
    "OwnBudget",
    "RestartChild",
    "Spec",
    "SpecError",
    "StartChild",
    "Strategy",
    "SupervisionError",
    "Supervisor",
    "SupervisorRef",
    "SupervisorSpec",
    "TerminateChild",
    "WhichChild",
    "add_format",
    "attempt",
    "budget",
    "checked",
    "child",
    "constant",
    "dynamic_supervisor",
    "exponential",
    "faults_of",
    "linear",
    "read_document",
    "supervisor",
    "unknown_key",
]
