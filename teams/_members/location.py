"""Things of the user's that a text names as "module:name"."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from actors.spi import described
from supervisors.spi import SpecFault


def located(path: str, key: str, location: str, faults: list[SpecFault]) -> Any:
    """What stands at "module:name"; imports the module. None, with a fault, where there is nothing."""
    module, colon, name = location.partition(":")
    if not colon or not module or not name:
        faults.append(SpecFault(path, f"{key}: must have the form 'module:name', got {location!r}"))
        return None
    try:
        found: Any = importlib.import_module(module)
        for step in name.split("."):
            found = getattr(found, step)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a user's module may raise anything while it is imported
        faults.append(SpecFault(path, f"{key}: {location} cannot be found: {described(error)}"))
        return None
    if found is None:
        faults.append(SpecFault(path, f"{key}: {location} is None"))
    return found


def function_at(path: str, key: str, location: object, faults: list[SpecFault]) -> Callable[..., Any] | None:
    """The function that stands at "module:name". None, with a fault, where there is none."""
    if not isinstance(location, str):
        faults.append(SpecFault(path, f"{key}: must be a function as 'module:name', got {location!r}"))
        return None
    found = located(path, key, location, faults)
    if found is not None and not callable(found):
        faults.append(SpecFault(path, f"{key}: {location} is {type(found).__name__}, expected a function"))
        return None
    return found  # type: ignore[no-any-return]
