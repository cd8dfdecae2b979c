"""The module `datetime` of a simulation. The real one reads the clock of the machine past `time.time`.

It stands in the names of modules only: pickle looks a class up in the real one and compares.
"""

from __future__ import annotations

import datetime as real
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, tzinfo
from types import ModuleType
from typing import Any, NoReturn

walls: list[Callable[[], float | None]] = []
"""The wall clock of the simulation that is under way; it says `None` outside of actors. Empty: there is none."""


class _Virtual(type):
    """Every instance of the real class is one of the virtual class, which has none of its own."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, datetime)

    def __subclasscheck__(cls, subclass: type) -> bool:
        return issubclass(subclass, datetime)


class VirtualDatetime(datetime, metaclass=_Virtual):
    """The real class, but `now()` and `utcnow()` tell the simulation's time; what they return is of the real class."""

    def __new__(cls, *args: Any, **kwargs: Any) -> datetime:  # type: ignore[misc]
        return datetime(*args, **kwargs)  # noqa: DTZ001 - the caller's own

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: Callable[[type], object]) -> object:
        """A model of pydantic that is made inside has a field of the real class."""
        return handler(datetime)

    def __init_subclass__(cls, **kwargs: object) -> NoReturn:
        raise TypeError("a subclass of datetime is made inside a simulation: define it outside")

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        wall = walls[-1]() if walls else None
        return datetime.now(tz) if wall is None else datetime.fromtimestamp(wall, tz)

    @classmethod
    def utcnow(cls) -> datetime:  # type: ignore[override]
        return cls.now(UTC).replace(tzinfo=None)


def _virtual_module() -> ModuleType:
    module = ModuleType(real.__name__, real.__doc__)
    vars(module).update({**vars(real), "datetime": VirtualDatetime})
    return module


CALENDAR: Mapping[int, object] = {id(datetime): VirtualDatetime, id(real): _virtual_module()}
"""The stand-ins for the real class and the real module, by their identity."""
