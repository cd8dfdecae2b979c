"""How an orchestrator does, by what the store has of its runs. Pure but for reading."""

from __future__ import annotations

from dataclasses import dataclass

from teams._journal.codec import decode
from teams._journal.rows import ENDED, JournalEntry
from teams._journal.store import Store
from teams.orchestration._store import LATEST
from teams.orchestration._tasks import ADJUSTMENT, TASKS, task_reports
from teams.workflows._graph.workflow import ChosenExecution
from teams.workflows._run.progress import ENDINGS, base_of


@dataclass(frozen=True, slots=True)
class OrchestratorHealth:
    """How an orchestrator does, by its latest 50 runs."""

    active_runs: int
    active_tasks: int
    """Tasks that have begun in runs that have not ended, and are under way."""
    completed_tasks: int
    failed_tasks: int
    ended_runs: int
    successful_runs: int
    """Runs with a result. A result without some of the tasks is one."""
    average_response_time: float | None
    """Seconds from the start of a run to its end. None: none has ended."""
    strategy: ChosenExecution | None
    """How the tasks of the latest plan run. None: there is no plan."""
    last_optimization: float | None
    """When the rest of a plan was changed last, in seconds since the epoch. None: it was not."""

    @property
    def success_rate(self) -> float | None:
        """The part of the ended runs that have a result, from 0 to 1. None: none has ended."""
        return self.successful_runs / self.ended_runs if self.ended_runs else None


def health_in(store: Store, workflow: str) -> OrchestratorHealth:
    """How an orchestrator does."""
    rows = store.runs(workflow=workflow, limit=LATEST)  # newest first
    ended = [each for each in rows if each.state in ENDED]
    times = [(each.ended_at - each.created_at) / 1e6 for each in ended if each.ended_at is not None]
    active = done = failed = 0
    strategy: ChosenExecution | None = None
    optimized: list[int] = []
    for row in rows:
        entries = store.entries(row.id)
        states = [each.state for each in task_reports(entries).values()]
        done += states.count("done")
        failed += states.count("failed")
        if row.state not in ENDED:
            active += len(_under_way(entries))
        for entry in entries:
            if entry.kind == "done" and entry.step == "planning" and strategy is None:
                strategy = decode(entry.body or b"{}").get("execution")
            if entry.kind == "done" and base_of(entry.step.removeprefix(TASKS)) == ADJUSTMENT:
                optimized.append(entry.at)
    return OrchestratorHealth(
        len(rows) - len(ended),
        active,
        done,
        failed,
        len(ended),
        sum(each.state == "done" for each in ended),
        sum(times) / len(times) if times else None,
        strategy,
        max(optimized) / 1e6 if optimized else None,
    )


def _under_way(entries: list[JournalEntry]) -> set[str]:
    """The tasks that have begun and not ended."""
    found: set[str] = set()
    for entry in entries:
        part = entry.step.removeprefix(TASKS)
        if part == entry.step or "/" in part or base_of(part) == ADJUSTMENT:
            continue
        if entry.kind == "began":
            found.add(base_of(part))
        elif entry.kind in ENDINGS or entry.kind == "failed":
            found.discard(base_of(part))
    return found
