"""The restart window of rules 8 and 9 in exact arithmetic, written from the rule."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from fractions import Fraction

ROUNDING = Fraction(1, 10**11)
"""Seconds within which an age that is not exactly the period may be on either side of it in floating point."""


class UpTime:
    """How long a child was up, or gone, since it was first known."""

    def __init__(self, now: float, *, running: bool) -> None:
        self._total = Fraction(0)
        self._since = Fraction(now) if running else None

    def at(self, now: float) -> Fraction:
        """The seconds so far."""
        return self._total + (Fraction(now) - self._since if self._since is not None else 0)

    def run(self, now: float, running: bool) -> None:
        """From here on it counts, or does not."""
        if running and self._since is None:
            self._since = Fraction(now)
        elif not running and self._since is not None:
            self._total = self.at(now)
            self._since = None


class Verdict(Enum):
    """Whether a restart is within the budget."""

    ALLOWED = "allowed"
    EXCEEDED = "exceeded"
    EITHER = "either"
    """An entry's age equals the period but for a rounding."""


class Account:
    """The restarts that count, each with its child's up time then."""

    def __init__(self, max_restarts: int | None, period: float) -> None:
        self.max_restarts = max_restarts
        self.period = Fraction(period)
        self._entries: list[tuple[UpTime, Fraction]] = []

    def charge(self, child: UpTime, now: float) -> Verdict:
        """Counts a restart of this child, if it is allowed."""
        if self.max_restarts is None:
            return Verdict.ALLOWED
        ages = [clock.at(now) - then for clock, then in self._entries]
        verdict = self._judge(ages)
        self._entries = [entry for entry, age in zip(self._entries, ages, strict=True) if age <= self.period + ROUNDING]
        self._entries.append((child, child.at(now)))
        return verdict

    def _judge(self, ages: Sequence[Fraction]) -> Verdict:
        assert self.max_restarts is not None
        doubtful = [age for age in ages if age != self.period and abs(age - self.period) < ROUNDING]
        inside = sum(age <= self.period for age in ages if age not in doubtful)
        if inside + 1 > self.max_restarts:
            return Verdict.EXCEEDED
        return Verdict.ALLOWED if inside + len(doubtful) + 1 <= self.max_restarts else Verdict.EITHER
