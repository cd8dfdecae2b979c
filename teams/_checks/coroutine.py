"""Whether a call makes a coroutine or a generator, of which nothing has run yet."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator

from supervisors.spi import SpecFault, is_generator


def is_async(called: object) -> bool:
    """Whether this is an `async` function, or wraps one, binds the arguments of one or has one for its call."""
    if isinstance(called, functools.partial):
        return is_async(called.func)
    if not callable(called):
        return False
    return inspect.iscoroutinefunction(inspect.unwrap(called)) or inspect.iscoroutinefunction(type(called).__call__)


def async_faults(path: str, **functions: object) -> Iterator[SpecFault]:
    """The faults of functions that are not awaited. An `async` one would return a coroutine, which is always true."""
    for name, function in functions.items():
        if is_async(function):
            yield SpecFault(path, f"{name}: is asked at once and must be a plain function, {function!r} is async")


def generator_faults(path: str, **functions: object) -> Iterator[SpecFault]:
    """The faults of functions that must have one result. A generator would never run."""
    for name, function in functions.items():
        if is_generator(function):
            yield SpecFault(
                path, f"{name}: has one result and must not yield, {function!r} is a generator: return a list"
            )
