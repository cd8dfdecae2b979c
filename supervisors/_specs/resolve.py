"""Finds what a spec or a file names as "module:name"."""

from __future__ import annotations

import importlib
import traceback
from collections.abc import Callable
from typing import cast

from pydantic_core import PydanticCustomError

from actors.spi import TEXT, attribute, described
from supervisors._specs.fields import check_start
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


def _account(error: BaseException) -> str:
    """The error and the frames of the user's code, without ours and those of the import system."""
    frames = [
        f"{frame.filename}:{frame.lineno} in {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename not in (__file__, importlib.__file__) and not frame.filename.startswith("<frozen")
    ]
    head = described(error, TEXT)
    return "\n    at ".join([head, *frames[-_FRAMES:]])
