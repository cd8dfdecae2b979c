"""Specs that a running supervisor is given: the difference to those it has (`update_specs`, rule 23), and why it cannot
take them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from actors.spi import ActorRef
from supervisors._engine.children import WAITING, Children
from supervisors._specs.combinations import significant_under_never
from supervisors._specs.spec import ChildSpec, Spec, SupervisorSpec
from supervisors.errors import (
    AlreadyPresent,
    AlreadyStarted,
    MaxChildren,
    ShuttingDown,
    SpecError,
    SpecFault,
    SupervisionError,
)


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The effect of `update_specs`, by child id. It is also the answer to the request."""

    removed: tuple[str, ...]
    """Stopped in reverse order and forgotten."""
    restarted: tuple[str, ...]
    """Class, arguments, host, name or the children below have changed: restarted if they are up."""
    adopted: tuple[str, ...]
    """Only the policy has changed, or the settings of a supervisor: in force without a restart."""
    added: tuple[str, ...]
    """Started in order."""


def reconcile(old: Mapping[str, Spec], new: Sequence[Spec]) -> Reconciliation:
    """The changes from `old` to `new`, both in start order."""
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
    if len(specs) == 1 and _is_of_itself(supervisor, specs[0]):
        faults.append(
            SpecFault(path, f"update_specs takes the specs of its children, got the spec of itself. {_INSTEAD}")
        )
    if supervisor.is_dynamic:
        if len(specs) != 1:
            faults.append(SpecFault(path, f"a dynamic supervisor has one template, got {len(specs)} specs"))
        return faults
    counts = Counter(spec.id for spec in specs)
    faults += [SpecFault(f"{path}/{id}", f"id: {n} specs have it") for id, n in counts.items() if n > 1]
    return faults


_INSTEAD = "Write update_specs(*spec.children); update_settings() changes its own settings"


def _is_of_itself(supervisor: SupervisorSpec, given: Spec) -> bool:
    """Whether this is the spec of the supervisor itself, which would begin its whole tree again as a child."""
    known = any(child.id == given.id for child in supervisor.children)
    return isinstance(given, SupervisorSpec) and given.id == supervisor.id and not known


def child_fault(supervisor: SupervisorSpec, path: str, spec: Spec) -> SpecFault | None:
    """Why a running supervisor cannot take this child (rule 22)."""
    message = significant_under_never(spec, supervisor.auto_shutdown)
    return None if message is None else SpecFault(f"{path}/{spec.id}", message)


def start_error(
    supervisor: SupervisorSpec, path: str, children: Children, what: object, *, ending: bool
) -> SupervisionError | None:
    """Why a supervisor that runs, or is ending, cannot start this child (rules 22, 23 and 25)."""
    if ending:
        return ShuttingDown(path)
    if supervisor.is_dynamic:
        limit = supervisor.max_children
        if limit is not None and len(children) >= limit:
            return MaxChildren(path, limit)
        if isinstance(what, Spec):
            return SpecError([SpecFault(path, "start_child takes arguments for the template here, not a spec")])
        return None
    if not isinstance(what, ChildSpec | SupervisorSpec):
        return SpecError([SpecFault(path, f"start_child takes a spec here, got {type(what).__name__}")])
    if (fault := child_fault(supervisor, path, what)) is not None:
        return SpecError([fault])
    present = children.get(what.id)
    if present is None:
        return None
    if present.live and present.state not in WAITING:
        return AlreadyStarted(path, what.id, cast("ActorRef[Any] | None", present.ref))
    return AlreadyPresent(path, what.id)
