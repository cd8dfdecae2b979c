"""The difference between the specs a supervisor has and those it is given (`update_specs`, rule 23)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from supervisors._specs.combinations import significant_under_never
from supervisors._specs.spec import ChildSpec, Spec, SupervisorSpec
from supervisors.errors import SpecFault


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What `update_specs` does, by child id. It is also the answer to the request."""

    removed: tuple[str, ...]
    """Stopped in reverse order and forgotten."""
    restarted: tuple[str, ...]
    """Class, arguments, host, name or the children below changed: restarted if they are up."""
    adopted: tuple[str, ...]
    """Only the policy changed, or the settings of a supervisor: taken over without a restart."""
    added: tuple[str, ...]
    """Started in order."""


def reconcile(old: Mapping[str, Spec], new: Sequence[Spec]) -> Reconciliation:
    """What it takes to come from `old` to `new`, both in start order."""
    wanted = {spec.id: spec for spec in new}
    both = [id for id in wanted if id in old]
    restarted = tuple(id for id in both if not old[id].runs_like(wanted[id]))
    return Reconciliation(
        removed=tuple(id for id in old if id not in wanted),
        restarted=restarted,
        adopted=tuple(id for id in both if id not in restarted and old[id] != wanted[id]),
        added=tuple(id for id in wanted if id not in old),
    )


def update_faults(supervisor: SupervisorSpec, path: str, given: Sequence[object]) -> list[SpecFault]:
    """Why a running supervisor cannot take these specs (rules 22 and 24)."""
    specs = [spec for spec in given if isinstance(spec, ChildSpec | SupervisorSpec)]
    if wrong := [type(each).__name__ for each in given if not isinstance(each, ChildSpec | SupervisorSpec)]:
        return [SpecFault(path, f"update_specs takes specs, got {kind}") for kind in wrong]
    faults = [fault for spec in specs if (fault := child_fault(supervisor, path, spec)) is not None]
    if supervisor.is_dynamic:
        if len(specs) != 1:
            faults.append(SpecFault(path, f"a dynamic supervisor has one template, got {len(specs)} specs"))
        return faults
    counts = Counter(spec.id for spec in specs)
    faults += [SpecFault(f"{path}/{id}", f"id: {n} specs have it") for id, n in counts.items() if n > 1]
    return faults


def child_fault(supervisor: SupervisorSpec, path: str, spec: Spec) -> SpecFault | None:
    """Why a running supervisor cannot take this child (rule 22)."""
    message = significant_under_never(spec, supervisor.auto_shutdown)
    return None if message is None else SpecFault(f"{path}/{spec.id}", message)
