"""A change of specs under way: `update_specs` in the model (rule 23)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from supervisors._engine.reconcile import Reconciliation
from supervisors._specs.spec import ChildSpec, Spec, SupervisorSpec
from supervisors.testing._member import Life, ModelChild, Want

_PROGRAM = ("start", "args", "host", "name")
"""The fields that say what a worker runs; the rest of its spec is policy."""

_TREE = ("name", "kind", "children", "partitions", "supervisor_class")
"""The fields that say what a supervisor runs; the rest of its spec is policy, and settings that change in place."""


def runs_the_same(old: Spec, new: Spec) -> bool:
    """Whether a child goes on with this change of its spec."""
    if isinstance(old, ChildSpec) and isinstance(new, ChildSpec):
        return all(getattr(old, name) == getattr(new, name) for name in _PROGRAM)
    if isinstance(old, SupervisorSpec) and isinstance(new, SupervisorSpec):
        dynamic = old.strategy == "simple_one_for_one"
        if dynamic != (new.strategy == "simple_one_for_one") or (not dynamic and old.template != new.template):
            return False
        return all(getattr(old, name) == getattr(new, name) for name in _TREE)
    return False


def difference(old: Mapping[str, Spec], new: Sequence[Spec]) -> Reconciliation:
    """The changes, which are also the answer, in start order."""
    wanted = {spec.id: spec for spec in new}
    stay = [id for id in wanted if id in old and runs_the_same(old[id], wanted[id])]
    return Reconciliation(
        removed=tuple(id for id in old if id not in wanted),
        restarted=tuple(id for id in wanted if id in old and id not in stay),
        adopted=tuple(id for id in stay if old[id] != wanted[id]),
        added=tuple(id for id in wanted if id not in old),
    )


@dataclass
class SpecsUpdate:
    """It stops some children, and then starts some."""

    number: int
    """The request."""
    stops: Sequence[ModelChild]
    """The children that will stop, in start order."""
    starts: Sequence[ModelChild]
    """The children that will start, old and new."""
    loose: bool = False
    """Another change has joined, or a start has failed: the rules do not say what the answer waits for then."""

    def concerns(self, member: ModelChild) -> bool:
        """Whether it stops or starts this child."""
        return member in self.stops or member in self.starts

    @property
    def leaving(self) -> list[ModelChild]:
        """The children that will be forgotten and have not terminated yet."""
        return [each for each in self.stops if each.want is Want.DROP and each.life is not Life.DOWN]

    @property
    def over(self) -> bool:
        """Whether all stops are done, and every start has been tried."""
        if any(each.to_stop or each.in_group for each in self.stops):
            return False
        return not any(each.in_turn for each in self.starts)
