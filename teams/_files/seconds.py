"""Seconds as people write them."""

from __future__ import annotations

import math
import re
from typing import Annotated

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_TEXT = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|min|m|h)")


def seconds(value: object) -> float:
    """The seconds in a number or in a text such as "30s", "500ms", "5m", "1.5h". Raises PydanticCustomError."""
    found = value
    if isinstance(value, str) and (match := _TEXT.fullmatch(value.strip())):
        found = float(match[1]) * _UNITS[match[2]]
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 < found < math.inf:
        raise PydanticCustomError("seconds", "must be seconds above 0, or a text such as '30s', '500ms' or '5m'")
    return float(found)


Seconds = Annotated[float, BeforeValidator(seconds)]
"""A field of a model: seconds above 0."""
