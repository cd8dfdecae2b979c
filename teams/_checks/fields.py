"""Checks of single arguments, with messages that say what to write instead."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from supervisors.spi import SpecFault


def step_name_faults(path: str, name: object) -> Iterator[SpecFault]:
    """The faults of the name of a step."""
    if not (isinstance(name, str) and name and name.isprintable()) or "/" in name:
        yield SpecFault(path, f"name: must be a printable string without '/', got {name!r}")


def priority_faults(path: str, value: object) -> Iterator[SpecFault]:
    """The faults of a priority that may be None."""
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        yield SpecFault(path, f"priority: must be an integer, got {value!r}")


def seconds_faults(path: str, name: str, value: object) -> Iterator[SpecFault]:
    """The faults of a time limit that may be None."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if value is None or (number and 0 < value <= sys.float_info.max):  # type: ignore[operator]
        return
    yield SpecFault(path, f"{name}: must be more than 0 seconds, or None for any time, got {value!r}")


def count_faults(path: str, name: str, value: object, least: int = 1) -> Iterator[SpecFault]:
    """The faults of a number of times."""
    if type(value) is not int or value < least:
        yield SpecFault(path, f"{name}: must be an integer >= {least}, got {value!r}")
