"""Finds what a spec or a file names as "module:name"."""

from __future__ import annotations

import importlib
import inspect
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

from pydantic_core import PydanticCustomError

from actors.spi import TEXT, attribute, described
from supervisors._specs.fields import Args, check_start
from supervisors._specs.start_kind import WANTED
from supervisors.errors import SpecFault

_MISSING = object()
_FRAMES = 3
"""Frames of the user's code that are shown if an import fails: those nearest to the error."""


def locate(path: str, key: str, location: str) -> object | SpecFault:
    """The object at "module:name", or the fault that keeps it from being found. Imports the module."""
    module_name, _, name = location.partition(":")
    if not module_name or not name:
        return SpecFault(path, f"{key}: must have the form 'module:name', got {location!r}")
    try:
        found: object = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a user's module may raise anything while it is imported
        return SpecFault(path, f"{key}: importing {module_name!r} failed with {_account(error)}")
    for step in name.split("."):
        found = attribute(found, step, _MISSING)
        if found is _MISSING:
            return SpecFault(path, f"{key}: module {module_name!r} has no {name!r}")
    return found


def resolve(path: str, location: str) -> type | Callable[..., object] | SpecFault:
    """The actor class, function or context manager at `location`, or the fault that keeps it from being found. Imports
    the module.
    """
    found = locate(path, "start", location)
    if isinstance(found, SpecFault):
        return found
    if isinstance(found, str):
        return SpecFault(path, f"start: {location} is a string. It {WANTED}")
    try:
        check_start(found)
    except PydanticCustomError as error:
        return SpecFault(path, f"start: {location} {error.message()}")
    return cast("type | Callable[..., object]", found)


def misfit(start: type | Callable[..., object], args: Args, *, more: bool = False) -> str | None:
    """Why a call with these arguments fails before any code of the callee runs; None: it does not, or nothing is known
    of what the callee takes. With `more`, further arguments follow (a template's), so none is missing yet.
    """
    positional, keywords = ((), args) if isinstance(args, Mapping) else (args, {})
    for signature in _signatures(start):
        bind = signature.bind_partial if more else signature.bind
        try:
            bind(*positional, **keywords)
        except TypeError as error:
            takes = ", ".join(_in_words(each) for each in signature.parameters.values()) or "no arguments"
            return f"args: {error}; {getattr(start, '__qualname__', start)} takes {takes}"
    return None


def _signatures(start: type | Callable[..., object]) -> Iterator[inspect.Signature]:
    """What must take the arguments: of a class, `__new__` and `__init__` where they are written in Python."""
    parts: list[Any] = [start]
    if isinstance(start, type):
        if type(start).__call__ is not type.__call__:
            return  # a metaclass decides
        parts = [attribute(start, name) for name in ("__init__", "__new__")]
        if parts[0] is object.__init__ and parts[1] is object.__new__:
            yield inspect.Signature()  # it takes no arguments
        parts = [each for each in parts if inspect.isfunction(each)]
    for signature in map(_signature, parts):
        if signature is None:
            continue
        named = list(signature.parameters.values())
        if isinstance(start, type) and named and named[0].kind is not named[0].VAR_POSITIONAL:
            signature = signature.replace(parameters=named[1:])  # without `self`
        yield signature


def _signature(part: Callable[..., object]) -> inspect.Signature | None:
    try:
        return inspect.signature(part)
    except Exception:  # noqa: BLE001 - there is none to be had, or a `__signature__` of the user raises
        return None


def _in_words(parameter: inspect.Parameter) -> str:
    """The name, with stars, and whether it may be left out. Its default may be anything, and is not shown."""
    stars = (
        "**" if parameter.kind is parameter.VAR_KEYWORD else "*" if parameter.kind is parameter.VAR_POSITIONAL else ""
    )
    optional = "" if parameter.default is parameter.empty else "=..."
    return f"{stars}{parameter.name}{optional}"


def _account(error: BaseException) -> str:
    """The error and the frames of the user's code, without ours and those of the import system."""
    frames = [
        f"{frame.filename}:{frame.lineno} in {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename not in (__file__, importlib.__file__) and not frame.filename.startswith("<frozen")
    ]
    head = described(error, TEXT)
    return "\n    at ".join([head, *frames[-_FRAMES:]])
