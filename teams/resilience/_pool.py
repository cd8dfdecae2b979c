"""Pools: the amount of a resource."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

from supervisors.spi import Seconds, spec_model
from teams.resilience._fields import Amount


@spec_model
class ResourcePool(BaseModel):
    """So much of one resource. Raises SpecError with all faults of its fields.

    A tree in a file writes it as a table, such as `{kind = "rate", size = 1000, per = 60}`.

    | kind     | is | comes back |
    |----------|----|------------|
    | `count`  | so many pieces, such as connections | when released |
    | `amount` | so much of something that can be divided, such as memory or cores | when released |
    | `rate`   | so many in any `per` seconds, such as requests | `per` seconds after it was granted |
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["count", "amount", "rate"]
    size: Amount
    per: Seconds | None = None

    @model_validator(mode="after")
    def _fits_its_kind(self) -> ResourcePool:
        if self.kind != "amount" and self.size != int(self.size):
            raise PydanticCustomError(
                "pool", "a {kind} is of whole pieces, and {size} is not", {"kind": self.kind, "size": self.size}
            )
        if (self.per is not None) != (self.kind == "rate"):
            raise PydanticCustomError("pool", "`per` is for a rate, and a rate needs it")
        return self

    @classmethod
    def count(cls, size: int) -> ResourcePool:
        """So many pieces. Raises SpecError."""
        return cls(kind="count", size=size)

    @classmethod
    def amount(cls, size: float) -> ResourcePool:
        """So much. Raises SpecError."""
        return cls(kind="amount", size=size)

    @classmethod
    def rate(cls, size: int, *, per: float = 1.0) -> ResourcePool:
        """So many within any `per` seconds. Raises SpecError."""
        return cls(kind="rate", size=size, per=per)

    def problem(self, amount: float) -> str | None:
        """Why so much, which is more than nothing, can never be granted."""
        if amount > self.size:
            return f"asked for {amount:g}, and there are {self.size:g} in all"
        if self.kind != "amount" and amount != int(amount):
            return f"asked for {amount:g}, and it comes in whole pieces"
        return None
