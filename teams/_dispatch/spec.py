"""The parts of a team, and its rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from supervisors.spi import ChildSpec
from teams._members.handoff import HandoffRule
from teams._members.member import Member
from teams._members.role import Role
from teams.protocols._topics.choreography import Choreography


@dataclass(frozen=True)
class TeamSpec:
    """The parts of a team, and its rules."""

    id: str
    members: tuple[Member, ...]
    roles: tuple[Role, ...]
    handoffs: tuple[HandoffRule, ...]
    max_hops: int
    ageing: float
    choreographies: tuple[Choreography, ...] = ()
    max_restarts: int | None = None
    """The budget of each member that has none of its own; None: it is never given up."""
    period: float | None = None
    """The seconds in which these restarts count; None: as for any child."""

    @cached_property
    def slots(self) -> Mapping[str, Member]:
        """The member of each slot that the team is made with, by the id of the slot."""
        return {spec.id: member for member in self.members for spec in member.specs}

    @cached_property
    def uses_topics(self) -> bool:
        """Whether a member subscribes to a topic or takes a step of a choreography when the team starts."""
        return bool(self.choreographies) or any(member.subscribes for member in self.members)

    def budgeted(self, spec: ChildSpec) -> ChildSpec:
        """The spec of a member, with a budget of its own. When that is spent, the member alone is given up, unless its
        `on_limit` says otherwise.
        """
        if spec.restart == "temporary" or (spec.max_restarts is None and self.max_restarts is None):
            return spec
        own: dict[str, object] = {"on_limit": spec.on_limit or "drop"}
        if spec.max_restarts is None:
            own |= {"max_restarts": self.max_restarts, "period": self.period}
        return spec.model_copy(update=own)
