"""Defaults of a child's options that its class says: `class Poller(Actor): restart = "transient"`.

An option that a spec gives counts more. Only classes derived from `actors.Actor` are asked: an actor of pykka's may
have such attributes of its own. What can be called and what is a descriptor, such as a method `restart` or a property,
is not an option.
"""

from __future__ import annotations

from collections.abc import Mapping

from actors.spi import Actor, attribute
from supervisors.errors import SpecFault

NAMES = (
    "restart",
    "shutdown",
    "backoff",
    "significant",
    "start_timeout",
    "retry_start",
    "redeliver",
    "handler_timeout",
    "max_restarts",
    "period",
    "on_limit",
)
"""The options for which a class may have a default, besides `host` and `mailbox`, which belong to the actor."""

_MISSING = object()
_OF_ALL = frozenset(Actor.__mro__)


def class_defaults(start: object, given: Mapping[str, object]) -> dict[str, object]:
    """The options that this class says and `given` does not. A `period` belongs to a `max_restarts`, of the class or
    the spec: without one it is taken for another attribute.
    """
    if not isinstance(start, type) or Actor not in start.__mro__:
        return {}
    if all(base in _OF_ALL or base.__dict__.keys().isdisjoint(NAMES) for base in start.__mro__):
        return {}  # as for most classes, and this is asked for every child
    found = {}
    for name in NAMES:
        value = attribute(start, name, _MISSING)
        if value is not _MISSING and name not in given and not (callable(value) or hasattr(type(value), "__get__")):
            found[name] = value
    if "period" in found and {**found, **given}.get("max_restarts") is None:
        del found["period"]
    return found


def name_the_class(faults: list[SpecFault], start: object, taken: Mapping[str, object]) -> list[SpecFault]:
    """The faults; those of an option that the class says name the class."""
    return [
        SpecFault(path, f"{message}. The class {getattr(start, '__qualname__', start)} says so: {_ADVICE}")
        if any(message.startswith((f"{name}:", f"{name}.")) or f"{name}=" in message for name in taken)
        else SpecFault(path, message)
        for path, message in faults
    ]


_ADVICE = "give the option in the spec, or rename the attribute if it is not meant for the supervisor"
