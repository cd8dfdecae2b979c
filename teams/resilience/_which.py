"""Which exceptions a policy is about: classes, or a predicate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import PlainValidator
from pydantic_core import PydanticCustomError

Which = type[Exception] | tuple[type[Exception], ...] | Callable[[Exception], bool]
"""A class of exceptions, several, or a function that says of an exception whether it is meant."""


def _checked(value: Any) -> Which:
    classes = value if isinstance(value, tuple) else (value,)
    if all(isinstance(each, type) for each in classes):
        if wrong := [each for each in classes if not issubclass(each, Exception)]:
            raise PydanticCustomError(
                "which", "{name} is no subclass of Exception; a cancellation is never handled", {"name": wrong[0]}
            )
        return tuple(classes)
    if callable(value):
        predicate: Callable[[Exception], bool] = value
        return predicate
    raise PydanticCustomError("which", "must be a class of exceptions, a tuple of them, or a predicate")


Exceptions = Annotated[Which, PlainValidator(_checked)]
"""The type of a field that holds a `Which`."""


def is_meant(error: Exception, which: Which) -> bool:
    """Whether the exception is one of those."""
    if isinstance(which, tuple | type):
        return isinstance(error, which)
    return bool(which(error))
