"""Shared by all recipes: the type of a target, and faults that the builders of the public API find."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from supervisors import SpecError, SpecFault
from supervisors.spi import WorkerOptions, builder
from teams import Can, Pattern, Pool

__all__ = ["RecipeTarget", "WorkerOptions", "builder", "list_faults", "refusals"]

RecipeTarget: TypeAlias = str | Can | Pool | Pattern | Callable[[Any], Any]
"""A member or role by name, a capability, a pool, a pattern, or a function."""


def refusals(place: str, build: Callable[..., object], *args: object, **kwargs: object) -> list[SpecFault]:
    """The faults that a public builder finds in these arguments, reported at `place`."""
    try:
        build(*args, **kwargs)
    except SpecError as error:
        return [SpecFault(place, fault.message) for fault in error.faults]
    return []


def list_faults(place: str, name: str, value: object) -> list[SpecFault]:
    """The fault of a value that must be a list. A string is iterable but not accepted."""
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        return [SpecFault(place, f"{name}: must be a list, got {value!r}")]
    return []
