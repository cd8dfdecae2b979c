"""Roles: what a team needs somebody for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from supervisors.spi import SpecError, SpecFault


@dataclass(frozen=True, slots=True)
class Role:
    """A part in a team that one or several members play."""

    name: str
    description: str = ""
    capabilities: frozenset[str] = frozenset()
    """What every member of the role can do, besides its own capabilities."""
    max_members: int | None = None
    """The most members at a time. None: no limit."""


def role(name: str, description: str = "", *, capabilities: Iterable[str] = (), max_members: int | None = None) -> Role:
    """A role for `team`. Raises SpecError with every fault."""
    capabilities = tuple(capabilities) if isinstance(capabilities, Iterator) else capabilities
    faults = [*name_faults(f"role {name!r}", name), *capability_faults(f"role {name!r}", capabilities)]
    if max_members is not None and (type(max_members) is not int or max_members < 1):
        faults.append(SpecFault(f"role {name!r}", f"max_members: must be a whole number from 1, got {max_members!r}"))
    if faults:
        raise SpecError(faults)
    return Role(name, description, frozenset(capabilities), max_members)


def name_faults(path: str, name: object) -> list[SpecFault]:
    """What is wrong with the name of a role."""
    if not isinstance(name, str) or not name or "/" in name or not name.isprintable() or name != name.strip():
        return [SpecFault(path, f"name: must be printable text without '/' or spaces around it, got {name!r}")]
    return []


def capability_faults(path: str, capabilities: object) -> list[SpecFault]:
    """What is wrong with a collection of capabilities."""
    if isinstance(capabilities, str) or not isinstance(capabilities, Iterable):
        return [SpecFault(path, f"capabilities: must be a collection of names, got {capabilities!r}")]
    wrong = [each for each in capabilities if not isinstance(each, str) or not each]
    return [SpecFault(path, f"capabilities: must be names, got {wrong[0]!r}")] if wrong else []
