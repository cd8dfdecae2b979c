"""Whether calling something makes a coroutine."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator

from teams._supervisors import Fault


def is_async(called: object) -> bool:
    """Whether this is an `async` function, or wraps one, binds the arguments of one or has one for its call."""
    if isinstance(called, functools.partial):
        return is_async(called.func)
    if not callable(called):
        return False
    return inspect.iscoroutinefunction(inspect.unwrap(called)) or inspect.iscoroutinefunction(type(called).__call__)


def async_faults(path: str, **functions: object) -> Iterator[Fault]:
    """What is wrong with functions that are not awaited: those that are `async`, of which a coroutine, and so the
    truth, would be all that is ever seen.
    """
    for name, function in functions.items():
        if is_async(function):
            yield Fault(path, f"{name}: is asked at once and must be a plain function, {function!r} is async")
