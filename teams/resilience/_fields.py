"""The types of the options of policies; a value that is none of them becomes a fault of the `SpecError`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from teams._checks.coroutine import is_generator


def _without_yield(function: Callable[..., Any]) -> Callable[..., Any]:
    if is_generator(function):
        raise PydanticCustomError("generator", "has one result and must not yield; return a list")
    return function


Seconds = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
Delay = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]
Positive = Annotated[int, Field(strict=True, ge=1, le=sys.maxsize)]
Count = Annotated[int, Field(strict=True, ge=0, le=sys.maxsize)]
Amount = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
Function = Annotated[Callable[..., Any], AfterValidator(_without_yield)]
"""One that is called for its result."""
