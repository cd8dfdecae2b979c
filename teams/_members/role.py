"""Roles: what the members of a team are for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from supervisors.spi import SpecFault, builder
from teams._checks.fields import count_faults, refuse, text_faults


@dataclass(frozen=True, slots=True)
class Role:
    """A role in a team, which one or several members have. Raises SpecError with all faults of its fields."""

    name: str
    description: str = ""
    capabilities: frozenset[str] = frozenset()
    """The capabilities of every member of the role, besides its own."""
    max_members: int | None = None
    """The most members at a time. None: no limit."""

    def __post_init__(self) -> None:
        path, given = f"role {self.name!r}", self.capabilities
        able = tuple(given) if isinstance(given, Iterator) else given
        refuse(
            name_faults(path, self.name),
            text_faults(path, "description", self.description),
            capability_faults(path, able),
            () if self.max_members is None else count_faults(path, "max_members", self.max_members),
        )
        object.__setattr__(self, "capabilities", frozenset(able))


@builder("role {id!r}")
def role(name: str, description: str = "", *, capabilities: Iterable[str] = (), max_members: int | None = None) -> Role:
    """A role for `team`. Raises SpecError with all faults at once.

    Args:
        name: What members say as their `role`, and what work is addressed to.
        description: What the role is for, in files and pages. Default: "".
        capabilities: What every member of the role can do, besides its own capabilities. Default: ().
        max_members: The most slots that have the role at a time. None: no limit. Default: None.
    """
    return Role(name, description, capabilities, max_members)  # type: ignore[arg-type]  # the class makes it a set


def name_faults(path: str, name: object) -> list[SpecFault]:
    """The faults of the name of a role."""
    if not isinstance(name, str) or not name or "/" in name or not name.isprintable() or name != name.strip():
        return [SpecFault(path, f"name: must be a printable string without '/' or spaces around it, got {name!r}")]
    return []


def capability_faults(path: str, capabilities: object) -> list[SpecFault]:
    """The faults of a collection of capabilities."""
    if isinstance(capabilities, str | bytes) or not isinstance(capabilities, Iterable):
        return [SpecFault(path, f"capabilities: must be a collection of names, got {capabilities!r}")]
    wrong = [each for each in capabilities if not isinstance(each, str) or not each.strip()]
    return [SpecFault(path, f"capabilities: must be names, got {wrong[0]!r}")] if wrong else []
