"""The errors of planning. Other bases stand in brackets::

    DraftRefused (RunError)

A plan of bad arguments is refused with SpecError, and one of a workflow with a cycle with CircularDependency.
"""

from __future__ import annotations

from actors.spi import shown
from teams.errors import RunError


class DraftRefused(RunError):
    """No draft of a workflow passed its checks. `last` is the last draft, `faults` are its faults."""

    run: str
    rounds: int
    faults: tuple[str, ...]
    last: object

    def describe(self) -> str:
        rounds = "1 round" if self.rounds == 1 else f"{self.rounds} rounds"
        left = len(self.faults) - 1
        more = f", and {left} more {'fault' if left == 1 else 'faults'}" if left else ""
        return f"{self.run}: no draft passed its checks in {rounds}; the last one: {shown(self.faults[0])}{more}"
