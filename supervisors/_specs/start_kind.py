"""The code of a child: an actor, a function, or a context manager that is open as long as its incarnation lives."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import AsyncIterator, Iterator
from enum import Enum
from functools import partial
from typing import Any

import pykka

from actors.spi import pykka_fault, shown


class StartKind(Enum):
    """The kind of the `start` of a spec."""

    ACTOR = "an actor class"
    COROUTINE = "a coroutine function"
    FUNCTION = "a plain function"
    RESOURCE = "an asynchronous context manager"


@contextlib.contextmanager
def _plain() -> Iterator[None]:
    yield


@contextlib.asynccontextmanager
async def _async() -> AsyncIterator[None]:
    yield


_MANAGERS = (_plain.__code__, _async.__code__)
"""The code of the functions that the decorators of `contextlib` make."""
_FORMS = (
    "an actor class, an `async def` or plain function, an asynchronous context manager (an @asynccontextmanager "
    "function or a class with __aenter__), or 'module:name' of one"
)
WANTED = f"must be {_FORMS}"


def kind_of(start: object) -> StartKind | str:
    """What this is, or why it cannot be the `start` of a child, in words that follow its name."""
    if isinstance(start, type):
        return _of_class(start)
    inner: object = start
    while isinstance(inner, partial):
        inner = inner.func
    if isinstance(inner, type):
        found = _of_class(inner)
        if found is StartKind.ACTOR:
            return "is a partial of an actor class: give the class, and its arguments in `args`"
        return found
    if inspect.iscoroutine(inner) or inspect.isgenerator(inner) or inspect.isasyncgen(inner):
        return "was called already: give the function itself, and its arguments in `args`"
    if not inspect.isroutine(inner):
        if hasattr(type(inner), "__aenter__") or hasattr(type(inner), "__enter__"):
            return (
                "is a context manager that was made already, which every incarnation needs anew: give the function or "
                "class that makes it, and its arguments in `args`"
            )
        if not callable(inner):
            return WANTED
        inner = type(inner).__call__
    return _of_function(inner)


def is_generator(called: object) -> bool:
    """Whether this is a generator function, `async` or not, or binds the arguments of one or has one for its call.

    A function that wraps a generator function is not one: it may run what it wraps.
    """
    if isinstance(called, partial):
        return is_generator(called.func)
    if not callable(called):
        return False
    calls = (called, type(called).__call__)
    return any(inspect.isgeneratorfunction(each) or inspect.isasyncgenfunction(each) for each in calls)


def task_fault(function: object) -> str | None:
    """Why this cannot be the function of a task, in a sentence; None: it can, as far as is known."""
    if not is_generator(function):
        return None
    return (
        f"function: {shown(function, 60)} is a generator function, and calling it would run nothing: return a list, or "
        "loop in a plain or `async def` function"
    )


def _of_class(start: type) -> StartKind | str:
    if pykka.Actor in start.__mro__:
        problem = pykka_fault(start)
        return StartKind.ACTOR if problem is None else f"cannot be started as an actor: {problem}"
    if hasattr(start, "__aenter__") and hasattr(start, "__aexit__"):
        return StartKind.RESOURCE
    if hasattr(start, "__enter__") and hasattr(start, "__exit__"):
        return (
            "is a class of plain context managers: enter it in an actor with self.enter_context(), or in an "
            "@asynccontextmanager function"
        )
    return "is not an actor class: derive it from actors.Actor or from a pykka actor"


def _of_function(start: object) -> StartKind | str:
    unwrapped: Any = inspect.unwrap(start)  # type: ignore[arg-type]
    code = getattr(start, "__code__", None)
    if code in _MANAGERS and unwrapped is not start:
        if code is _MANAGERS[1]:
            return StartKind.RESOURCE
        return "makes a plain context manager: use contextlib.asynccontextmanager for the start of a child"
    if inspect.isasyncgenfunction(unwrapped):
        return "is a generator function: decorate it with contextlib.asynccontextmanager, or loop in an `async def`"
    if inspect.isgeneratorfunction(unwrapped):
        return "is a generator function, and calling it would run nothing: loop in a plain or `async def` function"
    return StartKind.COROUTINE if inspect.iscoroutinefunction(unwrapped) else StartKind.FUNCTION
