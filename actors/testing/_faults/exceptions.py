"""Exceptions that user code can raise, by name: from an ordinary one to one whose every method fails.

Names are plain values, so that a fault that raises one can be printed, written down and drawn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import NoReturn

from actors.testing.errors import InjectedCrash

CAUSES = 1_500
"""How long the chain of causes of `LongCause` is: longer than what Python recurses."""
HUGE = 1_000_000
"""How many characters the text of `HugeText` has."""


class Unprintable(Exception):
    """An exception whose `str` and `repr` raise."""

    def __str__(self) -> NoReturn:
        raise RuntimeError("the str of an exception")

    def __repr__(self) -> NoReturn:
        raise RuntimeError("the repr of an exception")


class Incomparable(Exception):
    """An exception whose `==`, `hash` and `bool` raise."""

    def __eq__(self, other: object) -> NoReturn:
        raise RuntimeError("the == of an exception")

    def __hash__(self) -> NoReturn:
        raise RuntimeError("the hash of an exception")

    def __bool__(self) -> NoReturn:
        raise RuntimeError("the bool of an exception")


class Frozen(Exception):
    """An exception that takes no attributes, as one that is a frozen dataclass."""

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"cannot assign to {name}")


def _group(text: str) -> BaseException:
    return BaseExceptionGroup(text, [SystemExit(text), ValueError(text)])


def _long(text: str) -> BaseException:
    first = last = ValueError(text)
    for number in range(CAUSES):
        last.__cause__ = ValueError(f"cause {number + 1} of {text}")
        last = last.__cause__
    return first


def _cyclic(text: str) -> BaseException:
    one, other = ValueError(text), ValueError(f"the other of {text}")
    one.__context__, other.__context__ = other, one
    return one


_MAKERS: Mapping[str, Callable[[str], BaseException]] = {
    "SystemExit": SystemExit,
    "KeyboardInterrupt": KeyboardInterrupt,
    "GeneratorExit": GeneratorExit,
    "CancelledError": asyncio.CancelledError,
    "StopIteration": StopIteration,
    "StopAsyncIteration": StopAsyncIteration,
    "BaseException": BaseException,
    "BaseExceptionGroup": _group,
    "Unprintable": Unprintable,
    "Incomparable": Incomparable,
    "Frozen": Frozen,
    "LongCause": _long,
    "CyclicContext": _cyclic,
    "HugeText": lambda text: ValueError(text + "x" * HUGE),
    "Surrogates": lambda text: ValueError(f"\ud800\udfff\x00\x1b[31m{text}"),
}
EXCEPTIONS = ("Exception", *_MAKERS)
"""The names, the simplest first."""


def is_injected(error: object) -> bool:
    """Whether `make_exception` made it, or the cause that it was raised from, as Python does with a `StopIteration`."""
    for each in (error, getattr(error, "__cause__", None)):
        if isinstance(each, InjectedCrash):
            return True
        if isinstance(each, BaseException) and any("injected into" in arg for arg in each.args if isinstance(arg, str)):
            return True
    return False


def make_exception(name: str, path: str, where: str) -> BaseException:
    """A fresh exception of this name, which says into what it was injected. `Exception` is an `InjectedCrash`."""
    if name == "Exception":
        return InjectedCrash(path, where)
    return _MAKERS[name](f"injected into {path} {where}")
