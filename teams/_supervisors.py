"""The seam to `supervisors`: the only module of `teams` that imports it (design.md, "The house")."""

from __future__ import annotations

from supervisors._backoff import Backoff, Constant, Exponential, Linear, constant, exponential, linear
from supervisors._builders import ChildOptions, child, dynamic_supervisor, supervisor
from supervisors._errors import Fault, SpecError, SupervisionError
from supervisors._faults import unknown_key
from supervisors._ref import SupervisorRef
from supervisors._spec import ChildSpec, Spec, SupervisorSpec
from supervisors._strategy import Strategy
from supervisors._supervisor import Supervisor

__all__ = [
    "Backoff",
    "ChildOptions",
    "ChildSpec",
    "Constant",
    "Exponential",
    "Fault",
    "Linear",
    "Spec",
    "SpecError",
    "Strategy",
    "SupervisionError",
    "Supervisor",
    "SupervisorRef",
    "SupervisorSpec",
    "child",
    "constant",
    "dynamic_supervisor",
    "exponential",
    "linear",
    "supervisor",
    "unknown_key",
]
