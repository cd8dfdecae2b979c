"""Backoff: how long a failed child waits before its next start (supervision rule 11).

The jitter formulas (full, equal, decorrelated) are those of the AWS Architecture Blog, "Exponential Backoff And Jitter"
(Marc Brooker, 2015). Randomness is an argument. No delay exceeds the cap.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from supervisors._specs.calls import builder
from supervisors._specs.faults import checked, spec_model

Jitter = Literal["none", "full", "equal", "decorrelated"]
ResetBy = Literal["progress", "healthy"]
Seconds = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]


@spec_model
class _Backoff(BaseModel):
    """The fields of all backoffs. Times are in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    initial: Seconds = 0.1
    """The delay before the first restart, before jitter."""
    cap: Seconds = 30.0
    """The longest delay, jitter included."""
    jitter: Jitter = "full"
    reset_after: Seconds | None = None
    """After this many seconds of running, the failures of a child are forgotten, even without a handled message. None
    means the cap. A handled message also resets them, so this is for a child that seldom gets a message, or that fails
    without one.
    """
    reset: ResetBy = "progress"
    """What makes the failures of a child forgotten. "progress": a message handled without failure, a run of
    `reset_after`, or `self.healthy()` of the actor. "healthy": only `self.healthy()`, which the actor calls once it
    really works; `reset_after` has no meaning then.
    """

    @model_validator(mode="after")
    def _cap_is_not_below_initial(self) -> _Backoff:
        if self.cap < self.initial:
            raise PydanticCustomError(
                "cap_below_initial",
                "cap={cap} is below initial={initial}: the first delay could never be reached",
                {"cap": self.cap, "initial": self.initial},
            )
        if self.reset == "healthy" and self.reset_after is not None:
            raise PydanticCustomError(
                "reset_after_healthy",
                "reset_after={seconds} with reset='healthy' has no effect: only self.healthy() resets. Leave one out",
                {"seconds": self.reset_after},
            )
        return self

    @property
    def stable_after(self) -> float:
        """Seconds of running after which attempts count from 1 again, even without a handled message."""
        return self.cap if self.reset_after is None else self.reset_after

    def base(self, attempt: int) -> float:
        """The delay before restart number `attempt` (>= 1), without jitter and not above the cap."""
        raise NotImplementedError

    def delay(self, attempt: int, previous: float | None, random: random.Random) -> float:
        """Seconds to wait before restart number `attempt` (>= 1).

        `previous` is the delay of the attempt before, None for the first; only decorrelated jitter uses it. One below
        `initial` counts as `initial`: it was drawn before the spec changed.
        """
        base = self.base(attempt)
        match self.jitter:
            case "none":
                return base
            case "full":
                drawn = random.uniform(0.0, base)
            case "equal":
                drawn = base / 2 + random.uniform(0.0, base / 2)
            case "decorrelated":
                last = self.initial if previous is None else max(self.initial, previous)
                drawn = random.uniform(self.initial, 3 * last)
        return min(self.cap, drawn)


class Constant(_Backoff):
    """The same delay every time."""

    kind: Literal["constant"] = "constant"
    jitter: Jitter = "none"

    def base(self, attempt: int) -> float:
        """`initial` for every attempt."""
        return self.initial


class Linear(_Backoff):
    """`initial`, and `step` seconds more with each attempt."""

    kind: Literal["linear"] = "linear"
    step: Seconds | None = None
    """None means `initial`."""

    def base(self, attempt: int) -> float:
        """`initial + step * (attempt - 1)`, not above the cap."""
        step = self.initial if self.step is None else self.step
        return min(self.cap, self.initial + step * (attempt - 1))


class Exponential(_Backoff):
    """`initial`, and `factor` times as long with each attempt. A child's default (supervision rule 11)."""

    kind: Literal["exponential"] = "exponential"
    factor: Annotated[float, Field(strict=True, ge=1, allow_inf_nan=False)] = 2.0

    def base(self, attempt: int) -> float:
        """`initial * factor ** (attempt - 1)`, not above the cap."""
        # Compared as logarithms: factor ** 10_000 overflows long after the cap has made it irrelevant.
        if (attempt - 1) * math.log(self.factor) >= math.log(self.cap / self.initial):
            return self.cap if self.factor > 1 else self.initial
        return min(self.cap, self.initial * self.factor ** (attempt - 1))


Backoff = Annotated[Constant | Linear | Exponential, Field(discriminator="kind")]


def check_backoff(value: object) -> object:
    """A backoff, or None. Pydantic checks a mapping, as in a file."""
    if value is None or isinstance(value, _Backoff | Mapping):
        return value
    raise PydanticCustomError("spec", "must be exponential(), linear(), constant() or None")


@builder("constant()")
def constant(
    delay: float, *, jitter: Jitter = "none", reset_after: float | None = None, reset: ResetBy = "progress"
) -> Constant:
    """Waits `delay` seconds before every restart. `delay` is the cap, too.

    Raises SpecError on a bad value.
    """
    values = {"initial": delay, "cap": delay, "jitter": jitter, "reset_after": reset_after, "reset": reset}
    return checked(Constant, "constant()", values)


@builder("linear()")
def linear(
    initial: float = 1.0,
    *,
    step: float | None = None,
    cap: float = 30.0,
    jitter: Jitter = "full",
    reset_after: float | None = None,
    reset: ResetBy = "progress",
) -> Linear:
    """Waits `initial` seconds, then `step` (default: `initial`) seconds longer each time, at most `cap`.

    Raises SpecError on a bad value.
    """
    values = {
        "initial": initial,
        "step": step,
        "cap": cap,
        "jitter": jitter,
        "reset_after": reset_after,
        "reset": reset,
    }
    return checked(Linear, "linear()", values)


@builder("exponential()")
def exponential(
    initial: float = 0.1,
    *,
    cap: float = 30.0,
    factor: float = 2.0,
    jitter: Jitter = "full",
    reset_after: float | None = None,
    reset: ResetBy = "progress",
) -> Exponential:
    """Waits `initial` seconds, then `factor` times as long each time, at most `cap`. Without arguments it is the
    default of a child.

    Raises SpecError on a bad value.
    """
    values = {
        "initial": initial,
        "cap": cap,
        "factor": factor,
        "jitter": jitter,
        "reset_after": reset_after,
        "reset": reset,
    }
    return checked(Exponential, "exponential()", values)
