"""The types of the options of policies; a value that is none of them becomes a fault of the `SpecError`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

Seconds = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
Delay = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]
Positive = Annotated[int, Field(strict=True, ge=1)]
Count = Annotated[int, Field(strict=True, ge=0)]
Amount = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
