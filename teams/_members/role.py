"""Roles: what the members of a team are for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from supervisors.spi import SpecFault
from teams._checks.fields import count_faults, refuse


@dataclass(frozen=True, slots=True)
class Role:
    """A role in a team, which one or several members have."""

    name: str
    description: str = ""
    capabilities: frozenset[str] = frozenset()
    """The capabilities of every member of the role, besides its own."""
    max_members: int | None = None
    """The most members at a time. None: no limit."""


def role(name: str, description: str = "", *, capabilities: Iterable[str] = (), max_members: int | None = None) -> Role:
    """A role for `team`. Raises SpecError with all faults at once.

    Args:
        name: What members say as their `role`, and what work is addressed to.
        description: What the role is for, in files and pages. Default: "".
        capabilities: What every member of the role can do, besides its own capabilities. Default: ().
        max_members: The most slots that have the role at a time. None: no limit. Default: None.
    """
    capabilities = tuple(capabilities) if isinstance(capabilities, Iterator) else capabilities
    path = f"role {name!r}"
    limits = () if max_members is None else count_faults(path, "max_members", max_members)
    refuse(name_faults(path, name), capability_faults(path, capabilities), limits)
    return Role(name, description, frozenset(capabilities), max_members)


def name_faults(path: str, name: object) -> list[SpecFault]:
    """The faults of the name of a role."""
    if not isinstance(name, str) or not name or "/" in name or not name.isprintable() or name != name.strip():
        return [SpecFault(path, f"name: must be a printable string without '/' or spaces around it, got {name!r}")]
    return []


def capability_faults(path: str, capabilities: object) -> list[SpecFault]:
    """The faults of a collection of capabilities."""
    if isinstance(capabilities, str) or not isinstance(capabilities, Iterable):
        return [SpecFault(path, f"capabilities: must be a collection of names, got {capabilities!r}")]
    wrong = [each for each in capabilities if not isinstance(each, str) or not each]
    return [SpecFault(path, f"capabilities: must be names, got {wrong[0]!r}")] if wrong else []
