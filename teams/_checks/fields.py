"""Checks of single arguments, with messages that say what to write instead."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping

from actors.spi import ActorRef
from supervisors.spi import SpecError, SpecFault
from teams._checks.coroutine import async_faults


def step_name_faults(path: str, name: object) -> Iterator[SpecFault]:
    """The faults of the name of a step."""
    if not (isinstance(name, str) and name and name.isprintable()) or "/" in name:
        yield SpecFault(path, f"name: must be a printable string without '/', got {name!r}")


def text_faults(path: str, name: str, value: object) -> Iterator[SpecFault]:
    """The faults of a text that may be empty."""
    if not isinstance(value, str):
        yield SpecFault(path, f"{name}: must be a string, got {value!r}")


def priority_faults(path: str, value: object) -> Iterator[SpecFault]:
    """The faults of a priority that may be None."""
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        yield SpecFault(path, f"priority: must be an integer, got {value!r}")


def seconds_faults(path: str, name: str, value: object) -> Iterator[SpecFault]:
    """The faults of a time limit that may be None."""
    if value is None:
        return
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= sys.float_info.max:
        return
    yield SpecFault(path, f"{name}: must be more than 0 seconds, or None for any time, got {value!r}")


def count_faults(path: str, name: str, value: object, least: int = 1) -> Iterator[SpecFault]:
    """The faults of an integer that has a lower bound."""
    if type(value) is not int or value < least:
        yield SpecFault(path, f"{name}: must be an integer >= {least}, got {value!r}")


def mapping_faults(path: str, name: str, value: object, shape: str) -> Iterator[SpecFault]:
    """The faults of a value that must be a mapping with entries, such as "{id: ref}"."""
    if not isinstance(value, Mapping):
        yield SpecFault(path, f"{name}: must be a mapping {shape}, got {value!r}")
    elif not value:
        yield SpecFault(path, f"{name}: must have at least one entry {shape}")


def function_faults(path: str, name: str, value: object, of: str) -> Iterator[SpecFault]:
    """The faults of a function that is called without awaiting it."""
    if not callable(value):
        yield SpecFault(path, f"{name}: must be a function of {of}, got {value!r}")
    yield from async_faults(path, **{name: value})


def several_faults(place: str, name: str, several: object) -> Iterator[SpecFault]:
    """The faults of a value that must be a list. A string can be iterated but is not accepted."""
    if isinstance(several, str | bytes) or not isinstance(several, Iterable):
        yield SpecFault(place, f"{name}: must be a list, got {several!r}")


def id_faults(path: str, name: str, id: object) -> Iterator[SpecFault]:
    """The faults of an id that may be None."""
    if id is not None and not (isinstance(id, str) and id):
        yield SpecFault(path, f"{name}: must be a string, or None, got {id!r}")


def ref_faults(path: str, name: str, ref: object) -> Iterator[SpecFault]:
    """The faults of a ref."""
    if not isinstance(ref, ActorRef):
        yield SpecFault(path, f"{name}: must be the ref of an actor, such as root.child('id'), got {ref!r}")


def refuse(*faults: Iterable[SpecFault]) -> None:
    """Raises SpecError with all these faults, if there are any."""
    found = [fault for each in faults for fault in each]
    if found:
        raise SpecError(found)
