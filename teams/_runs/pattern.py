"""Patterns: what a team does with a piece of work, as values."""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

from supervisors.spi import SpecFault, is_generator
from teams._members.target import Can, Pool

if TYPE_CHECKING:
    from teams._runs.context import RunContext

StepFunction = Callable[[Any], object | Awaitable[object]]
Target: TypeAlias = "str | Can | Pool | Pattern | StepFunction"
"""The types of a step: a target in the team, a pattern, or a function that is called where the pattern is played."""


class Pattern:
    """Base of all patterns: a frozen value that says how steps follow each other. A pattern may be a step of another.

    `play` runs in an actor of its own, a child of the team. When that actor is restarted after a crash, `play` is
    called again from the beginning, and steps that have ended answer at once. So every effect, and everything that may
    differ between two calls, must go through `run`.
    """

    __slots__ = ()

    async def play(self, run: RunContext, value: object) -> object:
        """Plays the pattern with this input and returns its result. Raises `StepFailed` or another `RunError`."""
        raise NotImplementedError

    def parts(self) -> Iterator[Target]:
        """All targets that it names, so that an unknown one is found before anything starts."""
        raise NotImplementedError


class Inline(Pattern):
    """A pattern that is not a step of its own: its steps are steps of the pattern around it, under the given name."""

    __slots__ = ()

    async def play(self, run: RunContext, value: object) -> object:
        return await self.take(run, value)

    async def take(
        self, run: RunContext, value: object, name: str | None = None, priority: int | None = None
    ) -> object:
        """Plays it as part of `run`, under this name, and with this priority unless it has its own."""
        raise NotImplementedError


def target_faults(path: str, target: object) -> Iterator[SpecFault]:
    """The faults of a target."""
    if isinstance(target, str):
        if not target.strip():
            yield SpecFault(path, f"must name a member or a role, got {target!r}")
    elif isinstance(target, type) and target.__module__ != "builtins":
        yield SpecFault(path, f"{target.__name__} is a class: make it a member of the team, and name that")
    elif not isinstance(target, Can | Pool | Pattern) and not callable(target):
        yield SpecFault(path, f"must be a member, a role, can(...), a pool, a pattern or a function, got {target!r}")
    elif is_generator(target):
        yield SpecFault(path, f"{label(target)} is a generator, and a step has one result: return a list")
    elif not isinstance(target, Can | Pool | Pattern) and (why := _takes_no_value(target)):
        yield SpecFault(path, f"{label(target)}{why}")


def _takes_no_value(function: Callable[..., object]) -> str | None:
    """Why a function cannot be called with the value of its step; None: it can be, or it does not say."""
    try:
        signature = inspect.signature(function, follow_wrapped=False)  # what is around it may give more
    except (TypeError, ValueError):  # a built-in
        return None
    try:
        signature.bind(None)
    except TypeError as error:
        return f"{signature} is called with the value of its step and nothing else: {error}"
    return None


def pattern_faults(path: str, pattern: object) -> Iterator[SpecFault]:
    """The faults of a pattern."""
    if not isinstance(pattern, Pattern):
        yield SpecFault(path, f"pattern: must be a pattern, such as sequential(...), got {pattern!r}")


def members_faults(path: str, targets: Iterable[object]) -> Iterator[SpecFault]:
    """The faults of several targets, each called by its place."""
    for number, target in enumerate(targets, 1):
        yield from target_faults(f"{path}/{number}", target)


def work_targets(target: Target) -> Iterator[str | Can]:
    """The members, roles and capabilities that a target names, with those of patterns inside it."""
    if isinstance(target, Pattern):
        for part in target.parts():
            yield from work_targets(part)
    elif isinstance(target, Pool):
        yield target.target
    elif isinstance(target, str | Can):
        yield target


def label(target: Target) -> str:
    """The name of a step with this target."""
    if isinstance(target, str):
        return target
    if isinstance(target, Can):
        return target.capability
    if isinstance(target, Pool):
        return label(target.target)
    if isinstance(target, Pattern):
        return re.sub(r"(?<!^)(?=[A-Z])", "_", type(target).__name__).lower()
    return getattr(target, "__name__", type(target).__name__)
