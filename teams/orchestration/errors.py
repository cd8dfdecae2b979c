"""Every error of orchestrators. Each is typed and picklable; its text says what to do::

RunError (TeamError)
PlanRefused
OrchestrationFailed
"""

from __future__ import annotations

from teams.errors import RunError


class PlanRefused(RunError):
    """The planner made no plan that passes the checks. Nothing of the plan has begun."""

    run: str
    rounds: int
    faults: tuple[str, ...]
    """Those of its last draft."""

    def describe(self) -> str:
        rounds = "1 round" if self.rounds == 1 else f"{self.rounds} rounds"
        return f"{self.run} has no plan after {rounds}: {'; '.join(self.faults)}. Mend the planner, or raise max_rounds"


class OrchestrationFailed(RunError):
    """No task of the plan is done. `errors` says why, by task."""

    run: str
    errors: dict[str, str]

    def describe(self) -> str:
        why = "; ".join(f"{task}: {error}" for task, error in self.errors.items())
        return f"{self.run} has no result, none of its {len(self.errors)} tasks is done: {why}"
