"""What the tests of orchestrators share: members, plans, and an engine in a simulation."""

from __future__ import annotations

import asyncio
import copy
from collections import Counter
from collections.abc import Callable
from typing import Any

from teams import member
from teams.orchestration import OrchestrationPlan, orchestrator
from teams.workflows import JournalEntry, WorkflowRun
from teams.workflows._run.values import read
from tests.teams.workflows.cast import Scene, played

TASKS = [
    {"id": "search", "agent": "searcher", "estimated_duration": 2},
    {"id": "count", "agent": "counter", "dependencies": ["search"], "estimated_duration": 1},
    {"id": "chart", "agent": {"can": "draw"}, "dependencies": ["search"], "estimated_duration": 3},
    {"id": "report", "agent": "writer", "dependencies": ["count", "chart"], "estimated_duration": 1},
]


def planner(draft: Any = TASKS) -> Any:
    """A planner that always drafts these tasks."""
    return member("planner", lambda _: {"tasks": draft})


SECONDS = {"searcher": 2.0, "counter": 1.0, "painter": 3.0, "writer": 1.0}
"""How long the members take: what `TASKS` says."""


class Crew:
    """Members whose tasks take virtual seconds, and what they were asked."""

    def __init__(self, seconds: float | None = None, **results: Callable[[Any], Any]) -> None:
        """`seconds` are those of every task. None: `SECONDS`."""
        self._seconds = seconds
        self.asked: Counter[str] = Counter()
        self.given: dict[str, list[Any]] = {}
        self._results = results

    def members(self) -> list[Any]:
        return [
            member("searcher", self._work("searcher"), capabilities=["search"]),
            member("counter", self._work("counter")),
            member("painter", self._work("painter"), capabilities=["draw"]),
            member("writer", self._work("writer")),
        ]

    def _work(self, name: str) -> Callable[[Any], Any]:
        async def work(given: Any) -> Any:
            self.asked[name] += 1
            self.given.setdefault(name, []).append(given)
            await asyncio.sleep(SECONDS.get(name, 2.0) if self._seconds is None else self._seconds)
            make = self._results.get(name)
            return f"by {name}" if make is None else make(given)

        return work


def conducted(*parts: Any, crew: Crew | None = None, draft: Any = TASKS, plan: Any = None, **options: Any) -> Any:
    """An engine with an orchestrator `desk`, its crew and its planner."""
    how = {"planner": "planner", **options}
    made = crew or Crew()
    return played(*made.members(), plan or planner(draft), orchestrator("desk", **how), *parts)


def again(scene: Scene, *parts: Any) -> Any:
    """The engine of a later process, on what the first one has left."""
    assert scene.disk is not None
    tables = copy.deepcopy(scene.disk.durable)
    tables.engines.clear()
    return played(*parts, tables=tables)


def said(run: WorkflowRun, phase: str, returns: Any = None) -> Any:
    """What a phase has written."""
    entries: tuple[JournalEntry, ...] = run.history().get()
    return next(read(each.body, returns) for each in entries if each.kind == "done" and each.step == phase)


def plan_of(run: WorkflowRun) -> OrchestrationPlan:
    found: OrchestrationPlan = said(run, "planning", OrchestrationPlan)
    return found
