"""The function or actor class of a member that a string names as "module:name"."""

from __future__ import annotations

from typing import Any

from supervisors.spi import SpecFault, locate


def located(path: str, key: str, location: str, faults: list[SpecFault]) -> Any:
    """The object at "module:name"; imports the module. None, with a fault, if there is none."""
    found = locate(path, key, location)
    if isinstance(found, SpecFault):
        faults.append(found)
        return None
    if found is None:
        faults.append(SpecFault(path, f"{key}: {location} is None"))
    return found
