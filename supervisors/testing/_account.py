"""The restart budgets of rules 8 and 9 in exact arithmetic, written from the rules."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from fractions import Fraction

from supervisors._specs.spec import OwnBudget, SupervisorSpec

ROUNDING = Fraction(1, 10**11)
"""Seconds of floating-point error: an age this near to the period may be on either side of it."""

GRAIN = 1024
"""Multiples of 1/1024 s are added and subtracted without rounding."""


class UpTime:
    """The time that a child was up or at rest since it was first known."""

    def __init__(self, now: float, *, running: bool) -> None:
        self._total = Fraction(0)
        self._since = Fraction(now) if running else None
        self.rounds = _rounds(now)
        """Whether it was given a time that floating point may round."""

    def at(self, now: float) -> Fraction:
        """The seconds so far."""
        return self._total + (Fraction(now) - self._since if self._since is not None else 0)

    def run(self, now: float, running: bool) -> None:
        """From now on it counts, or does not."""
        self.rounds = self.rounds or _rounds(now)
        if running and self._since is None:
            self._since = Fraction(now)
        elif not running and self._since is not None:
            self._total = self.at(now)
            self._since = None


def _rounds(now: float) -> bool:
    return Fraction(now).denominator > GRAIN


class BudgetResult(Enum):
    """Whether a restart is within the budget."""

    ALLOWED = "allowed"
    EXCEEDED = "exceeded"
    EITHER = "either"
    """The age of an entry equals the period, up to rounding: both answers are right."""


class Account:
    """The restarts within a period, each with the up time of its child at that moment."""

    def __init__(self, max_restarts: int | None, period: float) -> None:
        self.max_restarts = max_restarts
        self.period = Fraction(period)
        self._entries: list[tuple[UpTime, Fraction]] = []

    @classmethod
    def of(cls, budget: SupervisorSpec | OwnBudget | None) -> Account | None:
        """The account of a budget that has a period."""
        return None if budget is None or budget.period is None else cls(budget.max_restarts, budget.period)

    def change(self, max_restarts: int | None, period: float, now: float) -> bool:
        """Sets another limit for the restarts in the window. False: rounding makes it uncertain which these are."""
        ages = [clock.at(now) - then for clock, then in self._entries]
        certain = not any(self._doubts(entry, age, now) for entry, age in zip(self._entries, ages, strict=True))
        self._entries = [entry for entry, age in zip(self._entries, ages, strict=True) if age <= self.period]
        self.max_restarts, self.period = max_restarts, Fraction(period)
        return certain

    def _doubts(self, entry: tuple[UpTime, Fraction], age: Fraction, now: float) -> bool:
        """Whether the entry may be on either side of the edge."""
        return abs(age - self.period) < ROUNDING and (age != self.period or entry[0].rounds or _rounds(now))

    def charge(self, child: UpTime, now: float) -> BudgetResult:
        """Counts a restart of this child if it is allowed."""
        if self.max_restarts is None:
            return BudgetResult.ALLOWED
        ages = [clock.at(now) - then for clock, then in self._entries]
        doubtful = [self._doubts(entry, age, now) for entry, age in zip(self._entries, ages, strict=True)]
        verdict = self._judge(ages, doubtful)
        self._entries = [entry for entry, age in zip(self._entries, ages, strict=True) if age <= self.period + ROUNDING]
        if verdict is not BudgetResult.EXCEEDED:
            self._entries.append((child, child.at(now)))
        return verdict

    def _judge(self, ages: Sequence[Fraction], doubtful: Sequence[bool]) -> BudgetResult:
        assert self.max_restarts is not None
        inside = sum(age <= self.period and not doubt for age, doubt in zip(ages, doubtful, strict=True))
        if inside + 1 > self.max_restarts:
            return BudgetResult.EXCEEDED
        return BudgetResult.ALLOWED if inside + sum(doubtful) + 1 <= self.max_restarts else BudgetResult.EITHER
