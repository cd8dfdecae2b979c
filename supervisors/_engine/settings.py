"""The settings of a supervisor that change while it runs, as OTP's `code_change` changes them (supervision rule 23)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict

from supervisors._specs.combinations import supervisor_combinations
from supervisors._specs.faults import attempt, unknown_key
from supervisors._specs.fields import AutoShutdownMode, RestartStrategy
from supervisors._specs.spec import Callback, Spec, SupervisorSpec
from supervisors.errors import SpecError, SpecFault


class Settings(TypedDict, total=False):
    """The settings of a running supervisor; `supervisor` explains them."""

    strategy: RestartStrategy
    max_restarts: int | None
    period: float | None
    auto_shutdown: AutoShutdownMode
    max_children: int | None
    pool: int | None
    on_failure: Callback
    on_give_up: Callback


NAMES = tuple(Settings.__annotations__)


def with_settings(
    spec: SupervisorSpec, path: str, children: Sequence[Spec], given: Mapping[str, object]
) -> SupervisorSpec:
    """The spec with these settings. Raises SpecError with every fault, also if they do not fit the children."""
    faults = [_fault(path, key) for key in given if key not in NAMES]
    known = {key: value for key, value in given.items() if key in NAMES}
    values = {name: getattr(spec, name) for name in type(spec).model_fields}
    values |= {"children": tuple(children), "initial": (), **known}  # those it began with are among its children
    made = attempt(SupervisorSpec, path, values, faults)
    if made is None or faults:
        faults += [SpecFault(path + fault.path, fault.message) for fault in supervisor_combinations(values)]
        raise SpecError([*dict.fromkeys(faults)])
    return spec.changed(**{name: getattr(made, name) for name in known})


def _fault(path: str, key: str) -> SpecFault:
    if key in SupervisorSpec.model_fields:
        return SpecFault(path, f"{key}: does not change in place; give its supervisor a new spec with update_specs")
    return unknown_key(path, key, list(NAMES))
