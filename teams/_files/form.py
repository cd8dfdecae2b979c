"""Mappings in files: which keys there are, how the value of each is read, and the builder that gets them.

A reader never gives up: what it cannot read it reports, and returns something of the right kind in its place, so that
the builder finds its faults, too. Whether there are faults says at the end whether the result counts.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from supervisors.spi import SpecError, SpecFault, locate, unknown_key

R = TypeVar("R", bound="FormReader")

MOST = 100
"""How many faults are reported of one document: each may cost a search for the nearest name."""


class TooManyFaults(Exception):
    """The document has more faults than are reported."""


class Faults(list[SpecFault]):
    """The faults of one document."""

    def __iadd__(self, faults: Any) -> Faults:  # type: ignore[misc, override]
        for each in faults:
            self.append(each)
        return self

    def append(self, fault: SpecFault) -> None:
        """Adds a fault.

        Raises:
            TooManyFaults: there are enough
        """
        super().append(fault)
        if len(self) >= MOST:
            raise TooManyFaults


class FormKey(NamedTuple, Generic[R]):
    """One key of a mapping."""

    read: Callable[[R, str, str, Any], object] = lambda reader, path, key, value: value
    """`read(reader, path, key, value)`: what the builder gets."""
    to: str | None = None
    """The argument of the builder; None: it has the name of the key."""
    required: bool = False


FormKeys = Mapping[str, "FormKey[Any]"]


class FormReader:
    """Reads mappings; what is wrong with them goes to `faults`."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults

    def fault(self, path: str, message: str) -> None:
        """Reports a fault."""
        self.faults.append(SpecFault(path, message))

    def form(self, path: str, values: object, build: Callable[..., Any], keys: FormKeys, otherwise: Any) -> Any:
        """The object that the builder makes of a mapping; `otherwise` where it cannot be read."""
        if not isinstance(values, Mapping):
            self.fault(path, f"must be a mapping with the keys {', '.join(keys)}, got {values!r}")
            return otherwise
        given = {}
        self.faults += (unknown_key(path, str(key), keys) for key in values if key not in keys)
        for key, (read, to, required) in keys.items():
            value = values.get(key)
            if value is not None or (required and key in values):
                given[to or key] = read(self, path, key, value)
            elif required:
                self.fault(path, f"{key}: is missing")
        missing = any(required and key not in values for key, (_, _, required) in keys.items())
        return otherwise if missing else self.made(path, build, given, otherwise)

    def made(self, path: str, build: Callable[..., Any], given: Mapping[str, Any], otherwise: Any) -> Any:
        """The object that the builder makes; its faults get their place in the file."""
        try:
            return build(**given)
        except SpecError as error:
            self.faults += (SpecFault(path, fault.message) for fault in error.faults)
        except ValueError as error:
            self.fault(path, str(error))
        return otherwise

    def listed(self, path: str, key: str, value: object) -> list[tuple[str, Any]]:
        """Each of a list with its place: its own name where it has one, else its number."""
        if isinstance(value, str) or not isinstance(value, Sequence):
            self.fault(path, f"{key}: must be a list, got {value!r}")
            return []
        return list(placed(f"{path}/{key}", value))

    def named(self, path: str, key: str, value: object) -> dict[str, Any]:
        """The values of a mapping, or of a list, each called by its name or its number."""
        if isinstance(value, Mapping):
            return dict(value)
        found: dict[str, Any] = {}
        for index, (_, each) in enumerate(self.listed(path, key, value)):
            name = entry_name(each)
            found[name if name is not None and name not in found else f"{index}"] = each
        return found

    def function(self, path: str, key: str, location: object) -> Callable[..., Any]:
        """The function at "module:name"."""
        if not isinstance(location, str):
            self.fault(path, f"{key}: must be a function as 'module:name', got {location!r}")
            return str
        found = locate(path, key, location)
        if isinstance(found, SpecFault):
            self.faults.append(found)
        elif callable(found):
            return found
        else:
            self.fault(path, f"{key}: {location} is {type(found).__name__}, expected a function")
        return str

    def seconds(self, path: str, key: str, value: object) -> float:
        """The seconds in a number or a string."""
        try:
            return seconds(value)
        except ValueError as error:
            self.fault(path, f"{key}: {error}")
            return 1.0


def entry_name(value: object) -> str | None:
    """The name of an entry of a list: its key `name`, or a string itself."""
    name = value.get("name") if isinstance(value, Mapping) else value
    return name if isinstance(name, str) and name else None


def placed(path: str, listed: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    """Each of a list with its place."""
    for index, each in enumerate(listed):
        yield f"{path}/{entry_name(each) or f'[{index}]'}", each


_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_SECONDS = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|min|m|h)")


def seconds(value: object) -> float:
    """The seconds in a number or in a string such as "30s", "500ms", "5m", "1.5h". Raises ValueError."""
    found = value
    if isinstance(value, str) and (match := _SECONDS.fullmatch(value.strip())):
        found = float(match[1]) * _UNITS[match[2]]
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 < found < math.inf:
        raise ValueError(f"must be seconds above 0, or a string such as '30s', '500ms' or '5m', got {value!r}")
    return float(found)
