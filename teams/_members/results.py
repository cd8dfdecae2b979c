"""Values that a member may return in place of a result, to request something."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import AsyncGeneratorType, CoroutineType, GeneratorType

import pykka

from actors.spi import Record
from teams._checks.fields import refuse
from teams._members.target import Can, work_target_faults


class Outcome(Record):
    """How something ended: a value, or an exception."""

    value: object = None
    error: BaseException | None = None


NOTHING = object()
"""Stands for work that is handed on unchanged."""


@dataclass(frozen=True, slots=True)
class Handoff:
    """Returned by a member that hands its work on (_members/handoff.py). Raises SpecError if `to` is not a target."""

    to: str | Can
    """A member, a role or a capability."""
    work: object = NOTHING
    """The message for the receiver; by default the message that this member got."""
    reason: str = ""

    def __post_init__(self) -> None:
        refuse(work_target_faults("Handoff()", self.to))


@dataclass(frozen=True, slots=True)
class Emit:
    """Returned by a member that publishes on a topic of the team (protocols/_topics/topics.py)."""

    topic: str
    payload: object = None


@dataclass(frozen=True, slots=True)
class Done:
    """Returned by a member whose result triggers a handoff rule: `trigger` is the name in the rule."""

    trigger: str
    result: object = None


_UNFINISHED = (CoroutineType, GeneratorType, AsyncGeneratorType, asyncio.Future, pykka.Future)
"""Types of values that are not finished yet."""


_PLAIN_TYPES = frozenset((str, int, float, bool, bytes, type(None)))
"""Types of most results."""


_COLLECTIONS = (list, tuple, set, frozenset)


_ASKING = (Handoff, Emit, Done)


def answer_fault(result: object) -> tuple[str, str] | None:
    """Why an answer cannot be the result of a piece of work, and what to return in its place; None: it can.

    A list with a handoff in it, or a coroutine that has not run yet, would otherwise be taken for the result.
    Coroutines that have not begun are closed.
    """
    if isinstance(result, Done):
        result = result.result
    if type(result) in _PLAIN_TYPES:
        return None
    if isinstance(result, _COLLECTIONS):
        return _collection_fault(result, f"a {type(result).__name__} of")
    if isinstance(result, Mapping):
        return _collection_fault(result.values(), "a mapping to")
    if isinstance(result, type) and issubclass(result, _ASKING):
        return f"the class {result.__name__}", f"return an instance: {result.__name__}(...)"
    return _unfinished(result) if isinstance(result, _UNFINISHED) else None


def _collection_fault(values: Iterable[object], what: str) -> tuple[str, str] | None:
    kinds = set(map(type, values))  # most collections have elements of one type, however many there are
    if any(issubclass(kind, Handoff) for kind in kinds):
        return (
            f"{what} Handoff",
            "a piece of work goes to one member: return one Handoff, or use parallel() in a pattern",
        )
    if type in kinds:
        asking = next((each for each in values if isinstance(each, type) and issubclass(each, _ASKING)), None)
        if asking is not None:
            return f"{what} the class {asking.__name__}", f"return instances: {asking.__name__}(...)"
    if any(issubclass(kind, _UNFINISHED) for kind in kinds):
        found = [_unfinished(each) for each in values if isinstance(each, _UNFINISHED)]  # each, to close it
        return f"{what} {found[0][0]}", found[0][1]
    return None


def _unfinished(value: object) -> tuple[str, str]:
    name = getattr(value, "__name__", type(value).__name__)
    if isinstance(value, CoroutineType):
        if inspect.getcoroutinestate(value) == inspect.CORO_CREATED:
            value.close()
        return f"the coroutine {name}, which was not awaited", "write `await` before the call"
    if isinstance(value, AsyncGeneratorType):
        return f"the async generator {name}", "return a list: [each async for each in ...]"
    if isinstance(value, GeneratorType):
        return f"the generator {name}", "return a list: list(...)"
    return f"a {name} that was not awaited", "await it, and return what it gives"
