"""The delays that a backoff may have, written from rule 11 and not from the code that draws them."""

from __future__ import annotations

from typing import NamedTuple

from supervisors._specs.backoff import Backoff, Constant, Exponential, Linear

ROUNDING = 1e-9
"""Seconds by which two sums of the same times may differ."""


class Span(NamedTuple):
    """From the earliest to the latest moment (or delay), in seconds."""

    earliest: float
    latest: float

    def after(self, moment: float) -> Span:
        """The span as seen from `moment`."""
        return Span(moment + self.earliest, moment + self.latest)

    def joined(self, other: Span) -> Span:
        """When both are over."""
        return Span(max(self.earliest, other.earliest), max(self.latest, other.latest))

    def maybe(self, other: Span) -> Span:
        """When this is over, and perhaps the other one too."""
        return Span(self.earliest, max(self.latest, other.latest))

    def either(self, other: Span) -> Span:
        """The span from the earlier start to the later end."""
        return Span(min(self.earliest, other.earliest), max(self.latest, other.latest))

    def holds(self, value: float) -> bool:
        """Whether the value lies in the span."""
        return self.earliest - ROUNDING <= value <= self.latest + ROUNDING


AT_ONCE = Span(0.0, 0.0)


def base_delay(backoff: Backoff, attempt: int) -> float:
    """The delay before attempt number `attempt` (>= 1) without jitter, not above the cap."""
    match backoff:
        case Constant():
            plain = backoff.initial
        case Linear():
            step = backoff.initial if backoff.step is None else backoff.step
            plain = backoff.initial + (attempt - 1) * step
        case Exponential():
            plain = backoff.initial
            for _ in range(attempt - 1):
                if plain >= backoff.cap or backoff.factor == 1:
                    break
                plain *= backoff.factor
    return min(plain, backoff.cap)


def delay_span(backoff: Backoff | None, attempt: int, previous: float | None) -> Span:
    """The delays that rule 11 allows. `previous` is the delay before the last attempt, if there was one."""
    if backoff is None:
        return AT_ONCE
    base = base_delay(backoff, attempt)
    match backoff.jitter:
        case "none":
            return Span(base, base)
        case "full":
            return Span(0.0, base)
        case "equal":
            return Span(base / 2, base)
        case "decorrelated":
            most = 3 * max(backoff.initial, previous or 0.0)
            return Span(backoff.initial, min(backoff.cap, most))


STABLE_WITHOUT_BACKOFF = 30.0
"""The `reset_after` of a child without a backoff, in seconds."""


def stable_after(backoff: Backoff | None) -> float:
    """The seconds that a child must stay up for progress without a handled message."""
    if backoff is None:
        return STABLE_WITHOUT_BACKOFF
    return backoff.cap if backoff.reset_after is None else backoff.reset_after
