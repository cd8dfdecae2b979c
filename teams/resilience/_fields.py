"""The types of the options of policies; another value becomes a fault of the `SpecError`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, Field, PlainValidator
from pydantic_core import PydanticCustomError

from supervisors.spi import is_generator


def _without_yield(function: Callable[..., Any]) -> Callable[..., Any]:
    if is_generator(function):
        raise PydanticCustomError("generator", "has one result and must not yield; return a list")
    return function


def _more_than_nothing(amount: float) -> float:
    if amount <= 0:
        raise PydanticCustomError("amount", "must be more than 0")
    return amount


Delay = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]
Amount = Annotated[float, Field(strict=True, allow_inf_nan=False), AfterValidator(_more_than_nothing)]
ResultFunction = Annotated[Callable[..., Any], AfterValidator(_without_yield)]
"""One that is called for its result."""

Which = type[Exception] | tuple[type[Exception], ...] | Callable[[Exception], bool]
"""A class of exceptions, several, or a function that says of an exception whether it is meant."""


def _checked_exceptions(value: Any) -> Which:
    classes = value if isinstance(value, tuple) else (value,)
    if all(isinstance(each, type) for each in classes):
        if wrong := [each for each in classes if not issubclass(each, Exception)]:
            raise PydanticCustomError(
                "which", "{name} is not a subclass of Exception; a cancellation is never handled", {"name": wrong[0]}
            )
        return tuple(classes)
    if callable(value):
        predicate: Callable[[Exception], bool] = value
        return predicate
    raise PydanticCustomError("which", "must be a class of exceptions, a tuple of them, or a predicate")


Exceptions = Annotated[Which, PlainValidator(_checked_exceptions)]
"""The type of a field that holds a `Which`."""


def is_meant(error: Exception, which: Which) -> bool:
    """Whether the exception is one of those."""
    if isinstance(which, tuple | type):
        return isinstance(error, which)
    return bool(which(error))
