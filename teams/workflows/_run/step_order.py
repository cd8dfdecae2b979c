"""The order of the steps of a run: which may begin next. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection

from teams.workflows._graph.graph import Graph
from teams.workflows._graph.workflow import PARALLEL_THRESHOLD, ChosenExecution


class StepOrder:
    """Which steps of a graph begin, after those that have ended. The order is that of the graph.

    A step that is not `parallel_safe` begins when no other runs, and none begins beside it.
    """

    def __init__(self, graph: Graph, execution: ChosenExecution = "ready", threshold: int = PARALLEL_THRESHOLD) -> None:
        self._graph = graph
        self._one_by_one = execution == "sequential"
        self._hybrid, self._threshold = execution == "hybrid", threshold
        self._missing = {node.id: len(graph.needs(node.id)) for node in graph.nodes}
        self._running = 0
        self._runs_alone = False
        """Whether the step that runs is not `parallel_safe`."""
        self._levels = graph.levels if execution in ("levels", "hybrid") else ()
        first = () if self._levels else (id for id, missing in self._missing.items() if not missing)
        self._ready = deque(first)
        self._level = 0
        self._left: set[str] = set()
        """The steps of the level that have not ended."""

    @property
    def level(self) -> int:
        """The number of the level under way, from 1; 0: the run does not go by levels, or has not begun."""
        return self._level

    def begin(self) -> list[str]:
        """The steps that begin first."""
        return self._next()

    def ended(self, id: str) -> list[str]:
        """A step has ended, or was skipped: the steps that begin now."""
        self._running -= 1
        self._runs_alone = False
        self._left.discard(id)
        if not self._level:
            for each in self._graph.needed_by(id):
                self._missing[each] -= 1
                if not self._missing[each]:
                    self._ready.append(each)
        return self._next()

    def edit(self, graph: Graph, running: Collection[str], ended: Collection[str]) -> list[str]:
        """Goes on with another graph, in which what has begun is the same. The steps that begin now."""
        self._graph = graph
        if self._levels:
            self._levels = graph.levels
            left = [[id for id in level if id not in ended] for level in self._levels]
            self._level = next((place for place, ids in enumerate(left, 1) if ids), len(left))
            self._left = set(left[self._level - 1])
            ready = left[self._level - 1]
        else:
            self._missing = {
                id: sum(each not in ended for each in graph.needs(id)) for id in graph.by_id if id not in ended
            }
            ready = [id for id, missing in self._missing.items() if not missing]
        self._ready = deque(id for id in ready if id not in running)
        return self._next()

    def _next(self) -> list[str]:
        if self._level < len(self._levels) and not self._left:
            level = self._levels[self._level]
            self._level += 1
            self._ready.extend(level)
            self._left.update(level)
        one_by_one = self._one_by_one or (self._hybrid and self._is_small())
        begun: list[str] = []
        wait: list[str] = []
        while self._ready and not self._runs_alone and not (one_by_one and self._running):
            id = self._ready.popleft()
            safe = self._graph[id].parallel_safe
            if self._running and not safe:
                wait.append(id)
                continue
            self._running += 1
            self._runs_alone = not safe
            begun.append(id)
        self._ready.extendleft(reversed(wait))
        return begun

    def _is_small(self) -> bool:
        level = self._levels[self._level - 1]
        return sum(self._graph[id].parallel_safe for id in level) < self._threshold
